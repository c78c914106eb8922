"""How properties are searched, and the real servers, started once, on folders and ports of their own.

Properties are searched in the same places each time, so that a change is judged by what it changed. `make hunt` looks
where nobody has looked before.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from stack import Stack, Wanted
from stack.errors import MissingError
from stack.servers import LIBRARY
from stack.state import Node

ROOT = Path(__file__).parents[1]

# No deadline, and no word about slow drawing: a machine that stands still for a moment is no counter-example.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "hunt", settings.get_profile("suite"), derandomize=False, max_examples=1_000, print_blob=True
)
settings.load_profile("suite")


def started(directory: Path, wanted: Wanted) -> Iterator[Stack]:
    """A stack that ends with the test run. Without Java, Maven or the drivers: skipped here, a failure in CI."""
    stack = Stack(directory, wanted, library=ROOT / LIBRARY, tied=True)
    try:
        stack.up()
    except MissingError as missing:
        stack.down()
        if os.environ.get("CI"):
            pytest.fail(f"CI is to test on the real servers. {missing}")
        pytest.skip(f"Not tested on the real servers: {missing}")
    except BaseException:
        stack.down()
        raise
    try:
        yield stack
    finally:
        stack.down(forget=True)


@pytest.fixture(scope="session")
def cassandra_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One Cassandra node. Tests tell each other apart by keyspaces."""
    yield from started(tmp_path_factory.mktemp("cassandra"), Wanted(cassandra_nodes=1, kafka_nodes=0))


@pytest.fixture(scope="session")
def cassandra_node(cassandra_stack: Stack) -> Node:
    return cassandra_stack.node("cassandra")


@pytest.fixture(scope="session")
def kafka_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One Kafka process. Tests tell each other apart by topics."""
    yield from started(tmp_path_factory.mktemp("kafka"), Wanted(cassandra_nodes=0, kafka_nodes=1))
