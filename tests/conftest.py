"""The real servers for the tests that need them: started once, on folders and ports of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import Stack, Wanted
from stack.errors import MissingError
from stack.servers import LIBRARY
from stack.state import Node

ROOT = Path(__file__).parents[1]


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
