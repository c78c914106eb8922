"""What is Cassandra's own about its journal: outcomes that nobody knows, partitions, and shards beside each other."""

import secrets
from typing import TYPE_CHECKING

import pytest
import trio
from msgspec.structs import replace

from authoriser.journal import Fenced, Unknown
from authoriser.journal.group_commit import append_until_known
from stack import Stack

if TYPE_CHECKING:
    from authoriser.cassandra.session import CassandraConfig

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]

IMPATIENT_S = 2.0


async def test_a_batch_larger_than_any_piece_arrives_whole(
    cassandra_config: "CassandraConfig", a_shard: int
) -> None:
    """Three megabytes: several pieces, more than a socket takes at a time. What stands there is what was written."""
    from authoriser.cassandra.session import Session
    from authoriser.journal.cassandra import CassandraJournal

    blob = secrets.token_bytes(3 * 1_048_576 + 1)
    async with await Session.open(cassandra_config) as session:
        journal = await CassandraJournal.open(session, shard=a_shard)
        with trio.fail_after(60):
            await append_until_known(journal, 1, blob)
            assert await journal.read(1, 10) == [(1, blob)]


async def test_an_append_to_a_silent_server_is_unknown_and_then_known(
    cassandra_stack: Stack, cassandra_config: "CassandraConfig", a_shard: int
) -> None:
    """A paused server leaves the outcome unknown; once it goes on, the same bytes succeed and stand there once.

    What it had received it executes on waking, so the journal also meets its own bytes.
    """
    from authoriser.cassandra.session import Session
    from authoriser.journal.cassandra import CassandraJournal

    async with await Session.open(replace(cassandra_config, request_max_s=IMPATIENT_S)) as session:
        journal = await CassandraJournal.open(session, shard=a_shard)
        with trio.fail_after(60):
            # The first transaction of a session may take longer than its patience.
            await append_until_known(journal, 1, b"one")
        cassandra_stack.pause("cassandra")
        try:
            with pytest.raises(Unknown) as unknown:
                await journal.append(2, b"two")
        finally:
            cassandra_stack.resume("cassandra")
        assert unknown.value.retry
        with trio.fail_after(60):
            await append_until_known(journal, 2, b"two")
            with pytest.raises(Fenced):
                await append_until_known(journal, 2, b"another")
    async with await Session.open(cassandra_config) as patient:
        again = await CassandraJournal.open(patient, shard=a_shard)
        assert await again.read(1, 10) == [(1, b"one"), (2, b"two")]


async def test_a_killed_server_has_what_it_acknowledged(
    cassandra_stack: Stack, cassandra_config: "CassandraConfig", a_shard: int
) -> None:
    """SIGKILL between two appends: the first is there, the next is unknown until the server is back, then durable.

    The session is the same throughout: it finds the server again by itself.
    """
    from authoriser.cassandra.session import Session
    from authoriser.journal.cassandra import CassandraJournal

    async with await Session.open(cassandra_config) as session:
        journal = await CassandraJournal.open(session, shard=a_shard)
        await append_until_known(journal, 1, b"one")
        cassandra_stack.kill("cassandra")
        with pytest.raises(Unknown) as unknown:
            await journal.append(2, b"two")
        assert unknown.value.retry
        # Not on a thread: a server that is tied ends with the thread that started it, which trio lets go.
        cassandra_stack.start("cassandra")
        with trio.fail_after(60):
            await append_until_known(journal, 2, b"two")
        assert await journal.read(1, 10) == [(1, b"one"), (2, b"two")]


async def test_a_log_goes_on_into_the_next_segment(
    cassandra_config: "CassandraConfig", a_shard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader does not see where one partition ends and the next begins, wherever it starts."""
    from authoriser.cassandra.session import Session
    from authoriser.journal import cassandra

    monkeypatch.setattr(cassandra, "SEGMENT_SLOTS", 4)
    batches = [(seq, b"%d" % seq) for seq in range(1, 13)]
    async with await Session.open(cassandra_config) as session:
        journal = await cassandra.CassandraJournal.open(session, shard=a_shard)
        for seq, blob in batches:
            await append_until_known(journal, seq, blob)
        assert await journal.read(1, 100) == batches
        assert await journal.read(4, 5) == batches[3:8]
        assert await journal.read(12, 1) == batches[11:]
        assert await journal.read(13, 1) == []


async def test_a_look_gives_a_part_of_what_a_read_gives(
    cassandra_config: "CassandraConfig", a_shard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A follower's look ends with the partition at the latest, and look after look gives the whole log."""
    from authoriser.cassandra.session import Session
    from authoriser.journal import cassandra

    monkeypatch.setattr(cassandra, "SEGMENT_SLOTS", 4)
    batches = [(seq, b"%d" % seq) for seq in range(1, 11)]
    async with await Session.open(cassandra_config) as session:
        journal = await cassandra.CassandraJournal.open(session, shard=a_shard)
        assert await journal.peek(1, 100) == []
        for seq, blob in batches:
            await append_until_known(journal, seq, blob)
        seen: list[tuple[int, bytes]] = []
        while more := await journal.peek(len(seen) + 1, 100):
            assert len(more) <= 4
            seen += more
        assert seen == batches
        assert await journal.peek(5, 2) == batches[4:6]


async def test_shards_have_slots_of_their_own(cassandra_config: "CassandraConfig", a_shard: int) -> None:
    """Two shards of one deployment share a table and nothing else."""
    from authoriser.cassandra.session import Session
    from authoriser.journal.cassandra import CassandraJournal

    async with await Session.open(cassandra_config) as session:
        one = await CassandraJournal.open(session, shard=a_shard)
        other = await CassandraJournal.open(session, shard=-a_shard)
        await append_until_known(one, 1, b"one")
        await append_until_known(other, 1, b"other")
        assert await one.read(1, 10) == [(1, b"one")]
        assert await other.read(1, 10) == [(1, b"other")]


async def test_cancelling_an_append_returns_at_once(
    cassandra_stack: Stack, cassandra_config: "CassandraConfig", a_shard: int
) -> None:
    """A server that says nothing keeps no task: cancelled, it ends, and the slot's outcome is found later."""
    from authoriser.cassandra.session import Session
    from authoriser.journal.cassandra import CassandraJournal

    async with await Session.open(cassandra_config) as session:
        journal = await CassandraJournal.open(session, shard=a_shard)
        cassandra_stack.pause("cassandra")
        try:
            with trio.move_on_after(0.1) as scope:
                await journal.append(1, b"one")
            assert scope.cancelled_caught
        finally:
            cassandra_stack.resume("cassandra")
        with trio.fail_after(60):
            await append_until_known(journal, 1, b"one")
        assert await journal.read(1, 10) == [(1, b"one")]
