"""When a follower may take the shard, when it must not, and what becomes of whoever had it."""

import random

import pytest
import trio
import trio.testing
from following_bench import LEASE, Process, batches, replayed, until

from authoriser.journal.batch import GENESIS, Batch, encode_batch
from authoriser.journal.memory import MemoryLog
from authoriser.ledger.digest import state_hash
from authoriser.ledger.records import EpochStarted
from authoriser.recovery import RecoveryError, Replayer

Clock = trio.testing.MockClock
LATE_S = 2 * LEASE.look_s
"""From the moment at which a lease is over: a follower looks, and looks once more."""


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


async def a_leader(log: MemoryLog, nursery: trio.Nursery) -> Process:
    process = Process(log, "first")
    nursery.start_soon(process.run)
    await until(lambda: process.leads)
    return process


async def a_follower(log: MemoryLog, nursery: trio.Nursery) -> Process:
    process = Process(log, "second")
    nursery.start_soon(process.run)
    await until(lambda: process.replayer.next_seq > len(log.batches))
    return process


async def test_a_log_that_never_began_is_taken_at_once(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """The first process of a deployment waits for no lease: there is nobody to wait for."""
    began = trio.current_time()
    first = await a_leader(log, nursery)
    assert trio.current_time() - began < LEASE.look_s
    assert (first.told, batches(log)[0].epoch) == (["clean"], 1)
    nursery.cancel_scope.cancel()


async def test_a_log_that_ended_in_order_is_taken_at_once(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """A leader that drained said so in the log; its follower serves with the next look."""
    async with trio.open_nursery() as life:
        first = await a_leader(log, life)
        second = await a_follower(log, nursery)
        assert first.owner is not None
        await first.owner.finish()
        ended = trio.current_time()
        life.cancel_scope.cancel()
    await until(lambda: second.leads)
    assert trio.current_time() - ended < LATE_S
    assert second.told == ["clean"]
    nursery.cancel_scope.cancel()


async def test_a_crash_is_taken_over_after_a_lease_and_not_before(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """The leader is gone without a word: its last slot is a lease old when the epoch record comes."""
    async with trio.open_nursery() as life:
        first = await a_leader(log, life)
        second = await a_follower(log, nursery)
        await first.open_account("acc")
        crashed = trio.current_time()
        life.cancel_scope.cancel()
    slots = len(log.batches)
    await until(lambda: len(log.batches) > slots)
    took = trio.current_time() - crashed
    assert LEASE.lease_s <= took < LEASE.lease_s + LATE_S
    await until(lambda: second.leads)
    assert (second.told, list(second.replayer.state.accounts)) == (["silent"], ["acc"])
    nursery.cancel_scope.cancel()


async def test_an_idle_leader_keeps_its_shard(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """Ten minutes without a payment: nobody tries to take the shard, and the log has a batch a heartbeat."""
    first = await a_leader(log, nursery)
    second = await a_follower(log, nursery)
    before = len(log.batches)
    await trio.sleep(600)
    assert (first.leads, second.leads, second.told) == (True, False, [])
    assert abs(len(log.batches) - before - 600 / LEASE.heartbeat_s) <= 1
    nursery.cancel_scope.cancel()


async def test_a_busy_leader_appends_no_heartbeats(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """Whoever has something to say breaks the silence by that alone."""
    first = await a_leader(log, nursery)
    for number in range(20):
        await trio.sleep(LEASE.heartbeat_s * 0.9)
        await first.open_account(f"acc-{number}")
    assert [len(batch.records) for batch in batches(log)[-19:]] == [1] * 19
    nursery.cancel_scope.cancel()


async def test_a_follower_never_seals_while_batches_arrive(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """One batch a lease, less a look, is a leader that lives, however slow it is."""
    first = await a_leader(log, nursery)
    assert first.owner is not None
    second = await a_follower(log, nursery)
    for _ in range(100):
        first.journal.stall()
        await trio.sleep(LEASE.lease_s - 2 * LEASE.look_s)
        first.journal.resume()
        await first.owner.settle()
    assert (first.leads, second.leads, second.told) == (True, False, [])
    nursery.cancel_scope.cancel()


async def test_a_batch_in_the_slot_is_applied_and_the_leader_lives(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """The leader's batch comes in the very moment of sealing: the follower loses the slot, applies it, and waits."""
    first = await a_leader(log, nursery)
    second = await a_follower(log, nursery)
    first.journal.stall()
    second.journal.stall()
    await until(lambda: second.told == ["silent"])
    first.journal.resume()
    await first.open_account("acc")
    second.journal.resume()
    await until(lambda: second.told == ["silent", "beaten"])
    await until(lambda: "acc" in second.replayer.state.accounts)
    await trio.sleep(10 * LEASE.lease_s)
    assert (first.leads, first.lost, second.leads, second.told) == (True, 0, False, ["silent", "beaten"])
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("written", [True, False])
async def test_an_epoch_record_of_unknown_outcome_goes_again(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock, written: bool
) -> None:
    """The same bytes to the same slot: whether the first try was written or not, the epoch is there once."""
    async with trio.open_nursery() as life:
        await a_leader(log, life)
        second = await a_follower(log, nursery)
        life.cancel_scope.cancel()
    second.journal.fail_next(written=written)
    second.journal.fail_next(written=written)
    await until(lambda: second.leads)
    epochs = [r.nonce for batch in batches(log) for r in batch.records if isinstance(r, EpochStarted)]
    assert (len(epochs), second.led, second.told) == (2, 1, ["silent"])
    nursery.cancel_scope.cancel()


async def test_a_leader_that_was_stopped_is_fenced_and_follows(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """Its appends hang through a takeover: what it had decided is acknowledged to nobody, and is in no log."""
    first = await a_leader(log, nursery)
    await first.open_account("before")
    second = await a_follower(log, nursery)
    first.journal.stall()
    nursery.start_soon(first.open_account, "during")
    await until(lambda: second.leads)
    await second.open_account("after")
    first.journal.resume()
    await until(lambda: first.lost == 1)
    await until(lambda: "after" in first.replayer.state.accounts)
    assert (first.durable, list(first.replayer.state.accounts)) == (["before"], ["before", "after"])
    assert list(replayed(log).state.accounts) == ["before", "after"]
    nursery.cancel_scope.cancel()


async def test_of_two_followers_one_leads(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """Both find the log silent at once; one gets the slot, and the other follows it for good."""
    async with trio.open_nursery() as life:
        await a_leader(log, life)
        second, third = await a_follower(log, nursery), await a_follower(log, nursery)
        life.cancel_scope.cancel()
    await until(lambda: second.leads or third.leads)
    await trio.sleep(10 * LEASE.lease_s)
    assert sorted([second.led, third.led]) == [0, 1]
    follower = second if third.leads else third
    assert state_hash(follower.replayer.state) == state_hash(replayed(log).state)
    nursery.cancel_scope.cancel()


async def test_who_cannot_see_the_log_does_not_call_it_silent(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """Cut off for ten leases, then let in again: a whole lease of silence is still needed, for the leader's sake."""
    first = await a_leader(log, nursery)
    second = await a_follower(log, nursery)
    second.journal.blind(True)
    first.journal.stall()
    await trio.sleep(10 * LEASE.lease_s)
    second.journal.blind(False)
    await trio.sleep(LEASE.lease_s - LATE_S)
    first.journal.resume()
    await trio.sleep(10 * LEASE.lease_s)
    assert (first.leads, second.leads, second.told) == (True, False, ["blind"])
    nursery.cancel_scope.cancel()


async def test_a_leader_proves_its_shard_with_each_append(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """`proven` is when the last durable append began; once fenced it is never again."""
    first = await a_leader(log, nursery)
    owner = first.owner
    assert owner is not None
    await trio.sleep(10)
    healthy = trio.current_time() - owner.commit.proven
    second = await a_follower(log, nursery)
    first.journal.stall()
    await until(lambda: second.leads)
    stalled = trio.current_time() - owner.commit.proven
    first.journal.resume()
    await until(lambda: first.lost == 1)
    assert healthy <= LEASE.heartbeat_s
    assert stalled > LEASE.lease_s
    assert owner.commit.proven == float("-inf")
    nursery.cancel_scope.cancel()


def batch(seq: int, epoch: int, nonce: str, previous: bytes) -> tuple[bytes, bytes]:
    return encode_batch(Batch(1, 0, seq, epoch, nonce, 1, 0, previous, []))


@pytest.mark.parametrize(
    ("epoch", "nonce", "problem"),
    [
        (4, "a", "batch 6: epoch 4 after epoch 5"),
        (5, "b", "batch 6: a writer of epoch 5 that did not begin it"),
        (7, "b", "batch 6: a writer of epoch 7 that did not begin it"),
    ],
)
def test_replay_holds_epochs_to_their_order(epoch: int, nonce: str, problem: str) -> None:
    """Epochs never go back, begin at their own slot, and have one writer."""
    replayer = Replayer(0)
    replayer.next_seq = 5
    fifth, digest = batch(5, 5, "a", GENESIS)
    replayer.feed(5, fifth)
    sixth, _ = batch(6, epoch, nonce, digest)
    with pytest.raises(RecoveryError) as error:
        replayer.feed(6, sixth)
    assert str(error.value) == problem


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_fails_the_log_has_one_writer_at_a_time(
    log: MemoryLog, nursery: trio.Nursery, autojump_clock: Clock, seed: int
) -> None:
    """Three processes, five minutes of stalls, unknown outcomes and blindness: the log replays, and has all that was
    acknowledged, once."""
    chance = random.Random(seed)
    processes = [Process(log, name) for name in "abc"]
    for process in processes:
        nursery.start_soon(process.run)

    async def work() -> None:
        number = 0
        while True:
            await trio.sleep(chance.uniform(0.05, 1))
            for process in processes:
                if process.leads:
                    number += 1
                    nursery.start_soon(process.open_account, f"{process.name}-{number}")

    async def trouble() -> None:
        while True:
            await trio.sleep(chance.uniform(0.1, 4))
            process = chance.choice(processes)
            match chance.randrange(4):
                case 0:
                    process.journal.fail_next(written=chance.random() < 0.5)
                case 1:
                    process.journal.stall()
                case 2:
                    process.journal.resume()
                case _:
                    process.journal.blind(chance.random() < 0.5)

    with trio.move_on_after(300):
        async with trio.open_nursery() as troubled:
            troubled.start_soon(work)
            troubled.start_soon(trouble)
    for process in processes:
        process.journal.resume()
        process.journal.blind(False)
    await trio.sleep(10 * LEASE.lease_s)
    assert [process.leads for process in processes].count(True) == 1
    whole = replayed(log)
    acknowledged = [account for process in processes for account in process.durable]
    assert len(set(acknowledged)) == len(acknowledged) > 50
    assert set(acknowledged) <= set(whole.state.accounts)
    hashes = {state_hash(process.replayer.state) for process in processes}
    assert hashes == {state_hash(whole.state)}
    assert sum(process.led for process in processes) > 1
    nursery.cancel_scope.cancel()
