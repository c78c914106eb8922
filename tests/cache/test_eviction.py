"""Who may leave memory, who must stay, and what of those who left is found again when its time comes."""

from collections.abc import AsyncIterator

import pytest
import trio
from cache_bench import Disk, Process, account, leap, pass_time, running
from trio.testing import MockClock, wait_all_tasks_blocked

from authoriser.ledger.digest import problems
from authoriser.limits import HOLD_LIFETIME_MS
from authoriser.snapshots import Blob
from authoriser.snapshots.blobs import account_of
from authoriser.snapshots.memory import MemoryShelf, MemorySnapshots

BOUND = 3
DAY_S = 86_400
HOLD_S = HOLD_LIFETIME_MS / 1000


@pytest.fixture
async def process(mock_clock: MockClock) -> AsyncIterator[Process]:
    disk = Disk()
    async with running(disk, BOUND) as made:
        await made.open_cards(10)
        await made.round()
        yield made
    assert problems(disk.replayed()) == []


def saved_and_gone(process: Process) -> dict[str, int]:
    """Accounts out of memory, with their version in the store."""
    return {
        name: blob.version
        for name, blob in process.disk.shelf.blobs.items()
        if name and name not in process.resident
    }


async def test_a_round_makes_room(process: Process, mock_clock: MockClock) -> None:
    """Ten accounts were opened into a cache of three: as many stay as may, and all are in the store."""
    assert len(process.resident) == BOUND
    assert len(process.disk.shelf.blobs) == 11
    assert process.counted["cache_evictions"] == 7
    assert len(process.owner.state.cards) == len(process.owner.state.tokens) == BOUND


async def test_what_no_snapshot_has_stays(process: Process, mock_clock: MockClock) -> None:
    """Six paid since the last round: none of them leaves, however many come. After the round they may."""
    for number in range(6):
        await process.ask(number, f11=f"{number:06}", f37=f"{number:012}")
    assert process.resident == {account(number) for number in range(6)}
    await process.round()
    assert len(process.resident) == BOUND
    state = process.disk.replayed()
    assert saved_and_gone(process) == {
        name: state.accounts[name].version for name in state.accounts if name not in process.resident
    }


async def test_what_was_touched_while_it_was_saved_stays(process: Process, mock_clock: MockClock) -> None:
    """The round's blob is on its way when another payment comes: its acknowledgement lets the account go no more."""
    await process.ask(0)
    process.snapshots.stall()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.round)
        await wait_all_tasks_blocked()
        await process.ask(0, f11="000002", f37="632701000002")
        process.snapshots.resume()
    for number in range(1, 10):
        await process.ask(number, f11=f"{number:06}", f37=f"{number:012}")
        await process.round()
        if (
            process.disk.shelf.blobs[account(0)].version
            == process.disk.replayed().accounts[account(0)].version
        ):
            break
        assert account(0) in process.resident
    saved = account_of(process.disk.shelf.blobs[account(0)])
    assert saved == process.disk.replayed().accounts[account(0)]


async def test_a_failed_round_lets_nothing_go(process: Process, mock_clock: MockClock) -> None:
    """What could not be saved is not saved: it stays, and the next round takes it."""
    for number in range(6):
        await process.ask(number, f11=f"{number:06}", f37=f"{number:012}")
    process.snapshots.broken = True
    with pytest.raises(Exception, match="the test said so"):
        await process.round()
    assert process.resident == {account(number) for number in range(6)}
    process.snapshots.broken = False
    await process.round()
    assert len(process.resident) == BOUND


async def test_an_open_answer_keeps_its_account(process: Process, mock_clock: MockClock) -> None:
    """Its reply can't leave, and is void at its deadline: the account is there to take the hold back."""
    process.line.full = True
    process.send(0)
    await wait_all_tasks_blocked()
    await process.round()
    for number in range(1, 10):
        await process.look(number)
    assert account(0) in process.resident
    await pass_time(2.5)
    assert process.disk.replayed().accounts[account(0)].held_minor == 0
    assert process.counters.counts["cache_failed_loads"] == 0


async def test_a_full_cache_asks_for_a_round(process: Process, mock_clock: MockClock) -> None:
    """More accounts than may be, and none may go: the round comes long before its interval is over."""
    for number in range(6):
        await process.ask(number, f11=f"{number:06}", f37=f"{number:012}")
    assert len(process.resident) == 6
    await pass_time(1)
    assert len(process.resident) == BOUND


async def test_the_hold_of_an_evicted_account_expires_on_time(
    process: Process, mock_clock: MockClock
) -> None:
    """Not before its second, and without anybody asking for the account."""
    await process.ask(0)
    await process.round()
    for number in range(1, 10):
        await process.look(number)
    assert account(0) not in process.resident
    assert process.owner.open_holds == 0
    leap(HOLD_S - 2)
    await wait_all_tasks_blocked()
    assert process.disk.replayed().accounts[account(0)].held_minor == 2500
    await pass_time(3)
    assert process.disk.replayed().accounts[account(0)].held_minor == 0


async def test_a_hold_that_is_over_is_let_go_before_anything_is_decided(
    process: Process, mock_clock: MockClock
) -> None:
    """The sweep has not come to it yet, and the next request of the card finds the money free."""
    await process.ask(0, f4="000000100000")
    await process.round()
    for number in range(1, 10):
        await process.look(number)
    process.snapshots.stall()
    leap(HOLD_S + 0.5)
    process.send(0, f11="000002", f37="632701000002", f4="000000100000")
    process.snapshots.resume()
    await wait_all_tasks_blocked()
    assert [reply["39"] for reply in process.line.taken] == ["00", "00"]
    assert len(process.disk.replayed().accounts[account(0)].payments) == 2


async def test_holds_that_ended_while_nobody_served(mock_clock: MockClock) -> None:
    """The next process lets them go before it decides: the index says of which accounts, and no other is loaded."""
    disk = Disk()
    async with running(disk, BOUND) as process:
        await process.open_cards(10)
        await process.ask(4)
        await process.owner.finish()
    leap(HOLD_S + DAY_S)
    async with running(disk, BOUND) as after:
        await after.owner.settle()
        assert disk.replayed().accounts[account(4)].held_minor == 0
        assert after.resident == {account(4)}
        assert after.failures == []


async def test_a_sweep_that_fails_is_made_again(process: Process, mock_clock: MockClock) -> None:
    """The store is away when the hold ends: it is let go when the store is back, however long that takes."""
    await process.ask(0)
    await process.round()
    for number in range(1, 10):
        await process.look(number)
    process.snapshots.broken = True
    leap(HOLD_S)
    await pass_time(3)
    assert process.disk.replayed().accounts[account(0)].held_minor == 2500
    assert set(process.failures) == {"the test said so"}
    process.snapshots.broken = False
    await pass_time(2)
    assert process.disk.replayed().accounts[account(0)].held_minor == 0


async def test_an_hour_that_is_over_is_forgotten_by_the_index(
    process: Process, mock_clock: MockClock
) -> None:
    """Once the hold is let go, and that is in a snapshot, its entry has nothing to find."""
    await process.ask(0)
    await process.round()
    assert [due.account_id for due in process.disk.shelf.due] == [account(0)]
    leap(HOLD_S + 3_600)
    await pass_time(30)
    assert process.disk.shelf.due == set()
    assert process.disk.shelf.checkpoint.expired_ms > 0


class Late(MemorySnapshots):
    """Gives what was there when it was asked, once it is told to."""

    def __init__(self, shelf: MemoryShelf) -> None:
        super().__init__(shelf)
        self.held: set[str] = set()
        self.let_go = trio.Event()

    async def load_one(self, aggregate_id: str) -> Blob | None:
        blob = await super().load_one(aggregate_id)
        if aggregate_id in self.held:
            self.held.discard(aggregate_id)
            await self.let_go.wait()
        return blob


async def test_of_an_account_there_is_one_read_at_a_time(mock_clock: MockClock) -> None:
    """A miss reads it, and the answer is long on its way; its hold ends meanwhile, and is saved. The sweep waits for
    that read, so that the account never comes back as it was before."""
    disk = Disk()
    async with running(disk, BOUND) as process:
        await process.open_cards(10)
        await process.ask(0)
        await process.owner.finish()
    store = Late(disk.shelf)
    async with running(disk, BOUND, store) as process:
        await process.owner.settle()
        leap(HOLD_S - 0.5)
        await wait_all_tasks_blocked()
        await pass_time(0.3)
        store.held.add(account(0))
        process.send(0, f11="000002", f37="632701000002")
        await pass_time(0.8)  # the sweep comes by, and the hold is over
        await process.round()
        for number in range(1, 10):
            await process.look(number)
        store.let_go.set()
        await pass_time(2)
        await process.round()
        payments = disk.replayed().accounts[account(0)].payments.values()
        assert [payment.ended for payment in payments] == ["expired", ""]
        assert account_of(disk.shelf.blobs[account(0)]) == disk.replayed().accounts[account(0)]
        assert process.failures == []
    assert problems(disk.replayed()) == []


async def test_a_store_that_went_back_is_noticed(process: Process, mock_clock: MockClock) -> None:
    """A blob older than what was saved of an account that left: 91 and an error that says so; nothing is decided."""
    old = process.disk.shelf.blobs[account(0)]
    await process.ask(0)
    await process.round()
    for number in range(1, 10):
        await process.look(number)
    assert account(0) not in process.resident
    process.disk.shelf.blobs[account(0)] = old
    (reply,) = await process.ask(0, f11="000002", f37="632701000002")
    assert reply["39"] == "91"
    assert "the store went back" in process.failures[0]
    assert account(0) not in process.resident
