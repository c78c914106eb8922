"""Makes the module beside this file importable as `links_bench`, and a bench of the test's own.

Tests are collected with --import-mode=importlib, which puts no test directory on the import path.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import structlog

from authoriser.configured_link import policy_of
from authoriser.link import Link
from isowire import FRAMINGS, Codec, load_dialect

if "links_bench" not in sys.modules:
    spec = spec_from_file_location("links_bench", Path(__file__).with_name("bench.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["links_bench"] = module_from_spec(spec)
    spec.loader.exec_module(module)

from links_bench import DEADLINE_S, Bench


@pytest.fixture
def link() -> Link:
    dialect = load_dialect("iso87-ascii")
    return Link(
        name="north",
        network="north",
        listen=("network.example", 8583),
        dialect=dialect,
        codec=Codec(dialect),
        framing=FRAMINGS["bin2"],
        policy=policy_of(dialect, int(DEADLINE_S * 1000)),
        reply_deadline_s=DEADLINE_S,
        frame_length_max_bytes=4096,
        connections_max=10,
    )


@pytest.fixture
async def bench(link: Link) -> AsyncIterator[Bench]:
    made = Bench(link)
    yield made
    await made.network.close()


@pytest.fixture
def logs() -> Iterator[list[dict[str, Any]]]:
    """Every log line as it is written."""
    capture = structlog.testing.LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture.entries  # type: ignore[misc]
    structlog.reset_defaults()
