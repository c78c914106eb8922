"""Makes the module beside this file importable as `desk_bench`, and a bench that is started.

Tests are collected with --import-mode=importlib, which puts no test directory on the import path.
"""

import sys
from collections.abc import AsyncIterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import trio
import trio.testing

from authoriser.ledger.digest import problems

if "desk_bench" not in sys.modules:
    spec = spec_from_file_location("desk_bench", Path(__file__).with_name("bench.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["desk_bench"] = module_from_spec(spec)
    spec.loader.exec_module(module)

from desk_bench import Bench


@pytest.fixture
async def bench(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> AsyncIterator[Bench]:
    made = await Bench().start(nursery)
    await made.open_card()
    yield made
    assert problems(made.owner.state) == []
    nursery.cancel_scope.cancel()
