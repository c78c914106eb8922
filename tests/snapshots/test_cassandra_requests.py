"""How writes of snapshots are put into requests, and what a failure leaves. No server is asked."""

from typing import Any

import pytest
import trio

pytest.importorskip("cassandra")

from authoriser.cassandra.session import CassandraError
from authoriser.snapshots import Blob, CardEntry, StoreError
from authoriser.snapshots.cassandra import (
    SAVES_AT_ONCE,
    TOGETHER_BYTES,
    TOGETHER_ROWS,
    CassandraSnapshots,
    _Statements,
)


class Node:
    """Stands where the session would: keeps what it is sent, and fails from one request on."""

    def __init__(self, fails_from: int = 10**9) -> None:
        self.requests: list[list[tuple[Any, Any]]] = []
        self.fails_from = fails_from
        self.most = self.under_way = 0

    async def execute_together(self, writes: list[tuple[Any, Any]]) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.requests.append(writes)
        number = len(self.requests)
        await trio.lowlevel.checkpoint()
        self.under_way -= 1
        if number >= self.fails_from:
            raise CassandraError("the test said so", passing=True)


def store(node: Any) -> CassandraSnapshots:
    return CassandraSnapshots(node, 0, _Statements(*_Statements.__struct_fields__))


def card(number: int) -> CardEntry:
    return CardEntry(b"token-%d" % number, f"card_{number}", f"a{number}", "1232")


async def test_small_writes_go_together_and_indexes_first() -> None:
    """Ten rows a request; every row of an index is acknowledged before the first blob is sent."""
    node = Node()
    blobs = [Blob(f"a{n}", n + 1, b"x" * 100, (card(n),), 3_600_000 * n) for n in range(35)]
    await store(node).save(blobs)
    kinds = [{statement for statement, _values in request} for request in node.requests]
    assert all(kind == {"save"} or "save" not in kind for kind in kinds)
    first_blob = kinds.index({"save"})
    assert all(kind == {"save"} for kind in kinds[first_blob:])
    rows = [row for request in node.requests for row in request]
    assert len(rows) == len(set(rows)) == 35 * 3 + 34 + 35
    assert max(map(len, node.requests)) == TOGETHER_ROWS
    assert node.most <= SAVES_AT_ONCE


async def test_a_large_blob_goes_alone() -> None:
    """No request is larger than what a server takes without a warning, but for one that has a single write."""
    node = Node()
    sizes = [100, 5_000, 100, 2_000, 2_000, 2_000, 9_000_000, 100]
    await store(node).save([Blob(f"a{n}", n + 1, bytes(size)) for n, size in enumerate(sizes)])
    sent = [[len(values[3]) for _statement, values in request] for request in node.requests]
    assert sorted(sent) == [[100], [100], [100, 2_000], [2_000, 2_000], [5_000], [9_000_000]]
    assert all(sum(request) <= TOGETHER_BYTES or len(request) == 1 for request in sent)


async def test_every_write_carries_its_record_s_number() -> None:
    """The last value of each is its timestamp: what decides between an older writer and a newer one."""
    node = Node()
    await store(node).save([Blob("a", 77, b"x", (card(1),), 3_600_000)])
    assert {values[-1] for request in node.requests for _statement, values in request} == {77}


async def test_after_a_failure_nothing_more_is_begun() -> None:
    """What fails is told once, and no blob is sent whose index is not known to be there."""
    node = Node(fails_from=2)
    with pytest.raises(StoreError, match="the test said so") as failed:
        await store(node).save([Blob(f"a{n}", n + 1, b"x", (card(n),)) for n in range(400)])
    assert failed.value.passing
    assert len(node.requests) <= 2 * SAVES_AT_ONCE
    assert "save" not in {statement for request in node.requests for statement, _values in request}
