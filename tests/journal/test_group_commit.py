"""One append in flight; what comes meanwhile is the next batch; nobody is released ahead of the log."""

import pytest
import trio

from authoriser.journal import Fenced, Unknown
from authoriser.journal.batch import decode_batch
from authoriser.journal.group_commit import Commit, GroupCommit, Tail
from authoriser.journal.memory import MemoryJournal
from authoriser.ledger.records import EpochEnded


class Noted:
    """A waiter that notes its release."""

    def __init__(self, name: str, released: list[str]) -> None:
        self._name, self._released = name, released

    def release(self) -> None:
        self._released.append(self._name)


def commit_of(journal: MemoryJournal) -> GroupCommit:
    return GroupCommit(journal, shard=0, nonce="n", tail=Tail())


async def test_records_decided_during_an_append_share_the_next_batch(nursery: trio.Nursery) -> None:
    """With one append stalled, five submissions become one batch, in order and numbered without a gap."""
    journal = MemoryJournal()
    commit = commit_of(journal)
    commits: list[Commit] = []
    journal.stall()
    nursery.start_soon(commit.run, commits.append)
    commit.submit((EpochEnded(1),))
    await trio.testing.wait_all_tasks_blocked()
    for at_ms in range(2, 7):
        commit.submit((EpochEnded(at_ms),))
    journal.resume()
    await commit.until_durable(6)
    second, _ = decode_batch(journal.log.batches[1], seq=2, shard=0, previous_hash=None)
    assert ([c.records for c in commits], second.first_record_no, second.records) == (
        [1, 5],
        2,
        [EpochEnded(at_ms) for at_ms in range(2, 7)],
    )


async def test_a_waiter_is_released_by_an_append_that_began_after_it(nursery: trio.Nursery) -> None:
    """A waiter that comes while an append is in flight waits for the next one, even an empty one."""
    journal = MemoryJournal()
    commit = commit_of(journal)
    released: list[str] = []
    nursery.start_soon(commit.run, lambda _commit: None)
    journal.stall()
    commit.submit((EpochEnded(1),))
    commit.wait(Noted("first", released))
    await trio.testing.wait_all_tasks_blocked()
    commit.wait(Noted("second", released))
    released_early = list(released)
    journal.resume()
    await commit.barrier()
    assert (released_early, released, journal.appends_begun) == ([], ["first", "second"], 2)
    empty, _ = decode_batch(journal.log.batches[1], seq=2, shard=0, previous_hash=None)
    assert empty.records == []


async def test_an_unknown_append_is_tried_again_with_the_same_bytes(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Whether the batch was written or not, the retry makes it known, once and in its slot."""
    for written in (True, False):
        journal = MemoryJournal()
        commit = commit_of(journal)
        journal.fail_next(written=written)
        journal.fail_next(written=False)
        nursery.start_soon(commit.run, lambda _commit: None)
        commit.submit((EpochEnded(1),))
        await commit.until_durable(1)
        assert (len(journal.log.batches), journal.appends_begun) == (1, 3)


async def test_a_fenced_writer_releases_nobody() -> None:
    """Another writer took the slot: `run` raises, and no waiter of that batch is ever released."""
    journal = MemoryJournal()
    commit = commit_of(journal)
    released: list[str] = []
    commit.submit((EpochEnded(1),))
    commit.wait(Noted("mine", released))
    journal.log.batches.append(b"somebody else's")
    with pytest.raises(Fenced):
        await commit.run(lambda _commit: None)
    assert released == []


async def test_an_unknown_that_cannot_be_retried_ends_the_run() -> None:
    """A journal that can know nothing more is not asked again."""

    class Broken(MemoryJournal):
        async def append(self, seq: int, blob: bytes) -> None:
            self.appends_begun += 1
            raise Unknown("the disk is gone", retry=False)

    journal = Broken()
    commit = commit_of(journal)
    commit.submit((EpochEnded(1),))
    with pytest.raises(Unknown):
        await commit.run(lambda _commit: None)
    assert (journal.appends_begun, commit.durable_seq) == (1, 0)


async def test_a_paced_writer_gathers_what_comes_meanwhile_and_waits_for_nothing_after_a_rest(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Three submissions 4 ms apart, and one long after: the first and the last at once, the others 10 ms on."""
    commit = GroupCommit(MemoryJournal(), shard=0, nonce="n", tail=Tail(), pace_s=0.01)
    commits: list[Commit] = []
    nursery.start_soon(commit.run, commits.append)
    began = trio.current_time()
    for at_ms in (0, 4, 8, 1_000):
        await trio.sleep_until(began + at_ms / 1_000)
        commit.submit((EpochEnded(at_ms + 1),))
    await commit.until_durable(4)
    assert [(round(each.began - began, 6), each.records) for each in commits] == [(0, 1), (0.01, 2), (1, 1)]
