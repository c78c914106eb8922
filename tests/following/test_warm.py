"""Followers and leaders with three accounts in memory and the rest in snapshots that they share: nobody is ever older.

What is compared at the end is the whole shard: what the leader has in memory, the store's blobs for the rest, and the
log replayed from nothing. They are the same state, to the hash.
"""

import copy
import os
import random
from collections.abc import AsyncIterator, Callable

import pytest
import trio
import trio.testing
from following_bench import LEASE, POLICIES, Process, batches, ledger_clock, replayed, until
from trio.testing import wait_all_tasks_blocked

from authoriser.cache import LoadFailedError
from authoriser.following import Follower
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger.digest import problems, state_hash
from authoriser.recovery import COMMONS_ID, RecoveryError, recover_tail
from authoriser.snapshots import Blob, Checkpoint
from authoriser.snapshots.blobs import account_of
from authoriser.snapshots.memory import MemoryShelf, MemorySnapshots
from authoriser.warm import WarmAccounts

Clock = trio.testing.MockClock
BOUND = 3
SEEDS = int(os.environ.get("AUTHORISER_WARM_SEEDS", "2"))
"""Random lives of three processes."""
ROUNDS_S = 30
"""Some snapshot rounds, and long enough for the checkpoint to follow."""


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


Start = Callable[..., Process]


@pytest.fixture
async def start(log: MemoryLog, shelf: MemoryShelf) -> AsyncIterator[Start]:
    """Have a process of the shard run from now on; in a nursery of its own, where it is to be killed."""
    async with trio.open_nursery() as lives:

        def start(name: str, life: trio.Nursery = lives) -> Process:
            process = Process(log, name, shelf=shelf, accounts_max=BOUND)
            life.start_soon(process.run)
            return process

        yield start
        lives.cancel_scope.cancel()


def name(number: int) -> str:
    return f"acc-{number:02}"


async def open_accounts(leader: Process, count: int = 12) -> None:
    for number in range(count):
        await leader.open_account(name(number))


def whole(process: Process, shelf: MemoryShelf) -> str:
    """The hash of all that a process knows: what it has in memory, and the snapshots of the rest."""
    state = copy.deepcopy(process.replayer.state)
    for blob in shelf.blobs.values():
        if blob.aggregate_id not in (COMMONS_ID, *state.accounts):
            state.load(account_of(blob))
    return state_hash(state)


async def caught_up(process: Process, log: MemoryLog) -> None:
    """It has in memory what the log has. A leader's state is never behind."""
    await until(lambda: process.leads or process.replayer.tail.seq == len(log.batches))


async def test_a_follower_keeps_to_the_bound(
    start: Start, log: MemoryLog, shelf: MemoryShelf, autojump_clock: Clock
) -> None:
    """Its leader saves, the checkpoint moves, and the follower lets go of what is behind it; both are the whole log."""
    first = start("first")
    await until(lambda: first.leads)
    second = start("second")
    await open_accounts(first)
    await trio.sleep(ROUNDS_S)
    await first.credit(name(0), "again")
    await trio.sleep(ROUNDS_S)
    await caught_up(second, log)
    assert (len(first.resident), len(second.resident)) == (BOUND, BOUND)
    assert second.warm is not None
    assert second.warm.loaded == 1
    assert second.replayer.state.dirty == second.replayer.state.new_cards == set()
    assert {whole(first, shelf), whole(second, shelf)} == {state_hash(replayed(log).state)}


async def test_a_follower_lets_nothing_go_that_is_not_behind_the_checkpoint(
    start: Start, log: MemoryLog, shelf: MemoryShelf, autojump_clock: Clock
) -> None:
    """The leader saves every account, and its checkpoint stays: whoever starts anew would replay them, so they stay."""
    first = start("first")
    await until(lambda: first.leads)
    second = start("second")
    first.snapshots.checkpoint_broken = True
    await open_accounts(first)
    await trio.sleep(ROUNDS_S)
    await caught_up(second, log)
    assert len(first.resident) == BOUND
    assert len(second.resident) == 12
    assert second.replayer.state.dirty == {COMMONS_ID, *second.resident}


@pytest.mark.parametrize("saved", ["nothing", "blobs", "all"])
async def test_a_takeover_saves_what_the_dead_leader_had_not(
    start: Start, log: MemoryLog, shelf: MemoryShelf, saved: str, autojump_clock: Clock
) -> None:
    """Killed before its round, between blobs and checkpoint, or after: the next leader's rounds make it whole."""
    async with trio.open_nursery() as life:
        first = start("first", life)
        await until(lambda: first.leads)
        second = start("second")
        await open_accounts(first)
        await trio.sleep(ROUNDS_S)
        first.snapshots.checkpoint_broken = saved == "blobs"
        for number in range(6):
            await first.credit(name(number % 3), f"cent-{number}")
        first.snapshots.broken = saved == "nothing"
        await trio.sleep(ROUNDS_S)
        life.cancel_scope.cancel()
    await until(lambda: second.leads)
    for number in range(3, 9):
        await second.credit(name(number), "cent")
    await trio.sleep(ROUNDS_S)
    assert len(second.resident) == BOUND
    assert whole(second, shelf) == state_hash(replayed(log).state)
    assert shelf.checkpoint.seq > 0
    third = start("third")
    await caught_up(third, log)
    assert whole(third, shelf) == state_hash(replayed(log).state)


class Slow(MemorySnapshots):
    """A process's store whose writes can be held back: they are sent, and come when the test lets them."""

    def __init__(self, shelf: MemoryShelf) -> None:
        super().__init__(shelf)
        self.sent: list[list[Blob]] = []
        self.moves: list[int] = []
        self.holding = False

    async def save(self, blobs: list[Blob]) -> None:
        if self.holding:
            self.sent.append(blobs)
            await trio.sleep_forever()
        await super().save(blobs)

    async def move_checkpoint(self, seq: int, expired_ms: int = 0) -> None:
        self.moves.append(seq)
        await super().move_checkpoint(seq, expired_ms)


async def test_what_a_deposed_leader_sent_comes_late(
    start: Start, log: MemoryLog, shelf: MemoryShelf, autojump_clock: Clock
) -> None:
    """Its blobs arrive after its successor's, an account twice as old among them: what is newer stands."""
    first = start("first")
    first.snapshots = slow = Slow(shelf)
    await until(lambda: first.leads)
    second = start("second")
    await open_accounts(first)
    await trio.sleep(ROUNDS_S)
    slow.holding = True
    await first.credit(name(0), "by the first")
    await first.credit(name(1), "by the first")
    await until(lambda: bool(slow.sent))
    first.journal.stall()
    await until(lambda: second.leads)
    await second.credit(name(0), "by the second")
    await trio.sleep(ROUNDS_S)
    newer = shelf.blobs[name(0)]
    for sent in slow.sent:
        await MemorySnapshots(shelf).save(sent)
    assert shelf.blobs[name(0)] == newer
    assert whole(second, shelf) == state_hash(replayed(log).state)
    first.journal.resume()
    await until(lambda: first.lost == 1)
    await caught_up(first, log)
    assert whole(first, shelf) == state_hash(replayed(log).state)


async def test_a_deposed_leader_moves_no_checkpoint(
    start: Start, log: MemoryLog, shelf: MemoryShelf, autojump_clock: Clock
) -> None:
    """It has saved what was durable when it lost the shard: its checkpoint waits for an append that can't succeed."""
    first = start("first")
    first.snapshots = slow = Slow(shelf)
    await until(lambda: first.leads)
    second = start("second")
    await open_accounts(first)
    await trio.sleep(ROUNDS_S)
    await first.credit(name(0), "cent")
    first.journal.stall()
    moves = list(slow.moves)
    await until(lambda: second.leads)
    await trio.sleep(ROUNDS_S)
    assert shelf.blobs[name(0)].version == replayed(log).state.accounts[name(0)].version
    first.journal.resume()
    await until(lambda: first.lost == 1)
    assert slow.moves == moves


async def test_a_store_that_is_away_is_no_silence(
    start: Start, log: MemoryLog, shelf: MemoryShelf, autojump_clock: Clock
) -> None:
    """A follower that can't load what the log touches knows less than the log: it does not lead before it can."""
    async with trio.open_nursery() as life:
        first = start("first", life)
        await until(lambda: first.leads)
        second = start("second")
        await open_accounts(first)
        await trio.sleep(ROUNDS_S)
        await caught_up(second, log)
        (gone,) = {name(0)} - second.resident
        second.snapshots.broken = True
        await first.credit(gone, "cent")
        await trio.sleep(LEASE.look_s)
        life.cancel_scope.cancel()
    await trio.sleep(10 * LEASE.lease_s)
    assert (second.leads, second.told) == (False, ["blind"])
    second.snapshots.broken = False
    await until(lambda: second.leads)
    assert whole(second, shelf) == state_hash(replayed(log).state)


async def test_a_follower_that_is_behind_its_own_snapshots(
    start: Start, log: MemoryLog, shelf: MemoryShelf, autojump_clock: Clock
) -> None:
    """Cut off from the log for a minute, it then loads blobs that know more than the batch it stands at."""
    first = start("first")
    await until(lambda: first.leads)
    second = start("second")
    await open_accounts(first)
    await trio.sleep(ROUNDS_S)
    await caught_up(second, log)
    second.journal.blind(True)
    for turn in range(3):
        for number in range(12):
            await first.credit(name(number), f"cent-{turn}")
        await trio.sleep(ROUNDS_S)
    second.journal.blind(False)
    await caught_up(second, log)
    assert whole(second, shelf) == state_hash(replayed(log).state)
    await trio.sleep(ROUNDS_S)
    assert len(second.resident) <= BOUND


class Counting(MemoryJournal):
    """Remembers which slots were read."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log)
        self.slots: list[int] = []

    async def read(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        found = await super().read(from_seq, count)
        self.slots += [seq for seq, _blob in found]
        return found


async def test_a_start_reads_the_tail_and_nothing_before(
    start: Start, log: MemoryLog, shelf: MemoryShelf, autojump_clock: Clock
) -> None:
    """From the checkpoint's own batch on, each batch once; the commons, and the accounts that the tail touches."""
    first = start("first")
    await until(lambda: first.leads)
    await open_accounts(first)
    await trio.sleep(ROUNDS_S)
    first.snapshots.broken = True
    await first.credit(first.replayer.state.accounts[min(first.resident)].account_id, "cent")
    journal, snapshots = Counting(log), MemorySnapshots(shelf)
    replayer, checkpoint = await recover_tail(journal, snapshots, 0)
    assert checkpoint.seq > 12
    assert journal.slots == list(range(checkpoint.seq, len(log.batches) + 1))
    assert snapshots.loads == 2
    assert list(replayer.state.accounts) == [min(first.resident)]


async def test_a_checkpoint_that_went_back_is_the_end(
    start: Start, log: MemoryLog, shelf: MemoryShelf, autojump_clock: Clock
) -> None:
    """The store has lost what it acknowledged: nobody knows which accounts it has as they were."""
    first = start("first")
    await until(lambda: first.leads)
    await open_accounts(first)
    await trio.sleep(ROUNDS_S)
    store = MemorySnapshots(shelf)
    replayer, checkpoint = await recover_tail(MemoryJournal(log), store, 0)
    warm = WarmAccounts(replayer, store, checkpoint, accounts_max=BOUND)
    shelf.checkpoint = Checkpoint(checkpoint.seq - 1)
    with pytest.raises(RecoveryError, match="the store has lost writes"):
        await warm.look()


async def test_snapshots_of_another_journal_never_lead(
    start: Start, log: MemoryLog, shelf: MemoryShelf, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """An account that knows a record which the log does not have: found out before the epoch, not after."""
    async with trio.open_nursery() as life:
        first = start("first", life)
        await until(lambda: first.leads)
        await open_accounts(first)
        await trio.sleep(ROUNDS_S)
        life.cancel_scope.cancel()
    store = MemorySnapshots(shelf)
    replayer, checkpoint = await recover_tail(MemoryJournal(log), store, 0)
    theirs = account_of(shelf.blobs[name(0)])
    theirs.version = replayer.tail.record_no + 1
    replayer.state.load(theirs)
    follower = Follower(
        MemoryJournal(log),
        replayer,
        lease=LEASE,
        policies=POLICIES,
        clock=ledger_clock(),
        warm=WarmAccounts(replayer, store, checkpoint, accounts_max=BOUND),
    )
    with pytest.raises(RecoveryError, match="the snapshots know more than the journal"):
        await follower.until_leading()
    assert batches(log)[-1].epoch == 1


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_fails_nobody_is_older_than_it_was(
    start: Start, log: MemoryLog, shelf: MemoryShelf, nursery: trio.Nursery, seed: int, autojump_clock: Clock
) -> None:
    """Three processes, five minutes of stalls, unknown outcomes, blindness and stores that fail: every acknowledged
    cent is in the log once, and what the processes and the store have is the log, to the hash."""
    chance = random.Random(seed)
    processes = [start(letter) for letter in "abc"]
    acknowledged: list[str] = []

    async def pay(process: Process, account: str, key: str) -> None:
        try:
            await process.credit(account, key)
        except LoadFailedError:
            return
        acknowledged.append(key)

    async def work() -> None:
        number = 0
        await until(lambda: any(process.leads for process in processes))
        for process in processes:
            if process.leads:
                await open_accounts(process)
        while True:
            await trio.sleep(chance.uniform(0.05, 0.5))
            for process in processes:
                if process.leads:
                    number += 1
                    nursery.start_soon(pay, process, name(chance.randrange(12)), f"{process.name}-{number}")

    async def troubles() -> None:
        await trio.sleep(20)
        while True:
            await trio.sleep(chance.uniform(0.1, 4))
            trouble(chance.choice(processes), chance)

    async def stops() -> None:
        """Now and then whoever leads can't append for two leases, and the others can."""
        while True:
            await trio.sleep(45)
            for process in processes:
                if process.leads:
                    process.journal.stall()
                else:
                    heal(process)
            await trio.sleep(2 * LEASE.lease_s)

    with trio.move_on_after(300):
        async with trio.open_nursery() as troubled:
            troubled.start_soon(work)
            troubled.start_soon(stops)
            troubled.start_soon(troubles)
    for process in processes:
        heal(process)
    await trio.sleep(20 * LEASE.lease_s)
    await wait_all_tasks_blocked()
    assert [process.leads for process in processes].count(True) == 1
    replay = replayed(log).state
    kept = [key for found in replay.accounts.values() for key in found.changes]
    assert len(set(acknowledged)) == len(acknowledged) > 100
    assert set(acknowledged) <= set(kept)
    assert problems(replay) == []
    for process in processes:
        await caught_up(process, log)
    assert {whole(process, shelf) for process in processes} == {state_hash(replay)}
    assert sum(process.led for process in processes) > 1


def trouble(process: Process, chance: random.Random) -> None:
    """One of the faults that a journal or a store can have, or the end of one."""
    match chance.randrange(8):
        case 0:
            process.journal.fail_next(written=chance.random() < 0.5)
        case 1:
            process.journal.stall()
        case 2 | 3:
            process.journal.resume()
        case 4:
            process.journal.blind(chance.random() < 0.3)
        case 5:
            process.snapshots.broken = chance.random() < 0.4
        case 6:
            process.snapshots.checkpoint_broken = chance.random() < 0.4
        case _:
            (process.snapshots.stall if chance.random() < 0.3 else process.snapshots.resume)()


def heal(process: Process) -> None:
    process.journal.resume()
    process.journal.blind(False)
    process.snapshots.resume()
    process.snapshots.broken = process.snapshots.checkpoint_broken = False
