"""Two `authoriser serve` of one shard on the real Cassandra; the module beside this file is `shard_bench`."""

import itertools
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import trio

from stack.state import Node

if "shard_bench" not in sys.modules:
    spec = spec_from_file_location("shard_bench", Path(__file__).with_name("bench.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["shard_bench"] = module_from_spec(spec)
    spec.loader.exec_module(module)

from shard_bench import Shard

_keyspaces = itertools.count(1)


@pytest.fixture
def keyspace(cassandra_node: Node) -> str:
    """With our schema, and no other test in it."""
    from authoriser.cassandra.schema_versions import create_schema
    from authoriser.cassandra.session import CassandraConfig

    name = f"serve_{next(_keyspaces)}"
    trio.run(create_schema, CassandraConfig(((cassandra_node.host, cassandra_node.port),), name), 1)
    return name


@pytest.fixture
def shard(tmp_path: Path, cassandra_node: Node, keyspace: str) -> Iterator[Shard]:
    """Its processes are not started yet."""
    made = Shard(tmp_path, cassandra_node.host, cassandra_node.port, keyspace)
    yield made
    made.close()
