"""A crash at every point of a snapshot round, and what the next process makes of what is left.

Every aggregate is saved by itself, and a copy of the disk is kept before and after each thing that is asked of the
store: each copy is what a crash there would leave.
"""

import copy

import pytest
from cache_bench import CARDS, Disk, account, in_mock_time, leap, running
from trio.testing import wait_all_tasks_blocked

from authoriser.ledger.digest import problems, state_hash
from authoriser.limits import HOLD_LIFETIME_MS
from authoriser.recovery import COMMONS_ID
from authoriser.snapshots import Blob, writer
from authoriser.snapshots.blobs import account_of
from authoriser.snapshots.memory import MemorySnapshots

BOUND = 3
HOLD_S = HOLD_LIFETIME_MS / 1000


class Copying(MemorySnapshots):
    """Keeps what a crash would leave, before and after everything that changes the shelf."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.shelf)
        self.disk = disk
        self.copies: list[Disk] = []

    def keep(self) -> None:
        self.copies.append(copy.deepcopy(self.disk))

    async def save(self, blobs: list[Blob]) -> None:
        for blob in blobs:
            self.keep()
            await super().save([blob])
        self.keep()

    async def move_checkpoint(self, seq: int, expired_ms: int = 0) -> None:
        self.keep()
        await super().move_checkpoint(seq, expired_ms)
        self.keep()


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> list[Disk]:
    """What crashes left of a life with misses, evictions, holds that ended off memory, and rounds between payments."""
    monkeypatch.setattr(writer, "SNAPSHOT_SLICE", 1)
    monkeypatch.setattr(writer, "SNAPSHOT_PAUSE_S", 0)

    async def main() -> list[Disk]:
        disk = Disk()
        store = Copying(disk)
        async with running(disk, BOUND, store) as process:
            await process.open_cards(8)
            for turn in range(4):
                await process.round()
                for number in (0, turn, turn + 3, 7):
                    stan = f"{turn}{number:05}"
                    await process.ask(number, f4="000000001000", f11=stan, f37="123456" + stan)
                leap(3.5)
                await wait_all_tasks_blocked()
            leap(HOLD_S - 8)
            await wait_all_tasks_blocked()
            await process.ask(2, f4="000000001000", f11="900000", f37="123456900000")
            await process.round()
            leap(60)
            await wait_all_tasks_blocked()
            await process.round()
            store.keep()
        return store.copies

    found: list[Disk] = in_mock_time(main)
    assert len(found) > 80
    assert len({disk.shelf.checkpoint.seq for disk in found}) > 3
    return found


def test_every_crash_leaves_the_whole_truth(crashes: list[Disk]) -> None:
    """The tail over what it touches, with the other snapshots as they are, is the journal replayed: to the hash.

    And the next process keeps every rule of the ledger, whose hold may have been lost to it or not.
    """
    for disk in crashes:
        held = {name: found.held_minor for name, found in disk.replayed().accounts.items()}

        async def main(disk: Disk = disk, held: dict[str, int] = held) -> None:
            leap(HOLD_S / 2)  # within the life of the latest holds, beyond that of none of the first
            async with running(disk, BOUND) as process:
                state = process.owner.state
                await process.owner.settle()
                for number in range(CARDS):
                    if account(number) in held:
                        await process.ask(number, "0100", f4="000000000001", f11="999999", f37="999999999999")
                assert process.failures == []
                await process.round()
                for name, blob in disk.shelf.blobs.items():
                    if name != COMMONS_ID and name not in state.accounts:
                        state.load(account_of(blob))
                whole = disk.replayed()
                assert state_hash(state) == state_hash(whole)
                assert problems(whole) == []
                assert whole.accounts.keys() == held.keys()

        in_mock_time(main)


def test_every_hold_ends_after_every_crash(crashes: list[Disk]) -> None:
    """Whatever the index had been told, and whatever of it was dropped: a month later nothing is held."""
    for disk in crashes:

        async def main(disk: Disk = disk) -> None:
            leap(5 * HOLD_S)
            async with running(disk, BOUND) as process:
                await process.owner.settle()
                assert process.failures == []
                whole = disk.replayed()
                assert {found.held_minor for found in whole.accounts.values()} <= {0}
                assert problems(whole) == []

        in_mock_time(main)


def test_every_crash_shows_whose_answers_are_unknown(crashes: list[Disk]) -> None:
    """What was approved within the deadline before the crash is marked, off memory or not, as a whole start would."""
    for disk in crashes:
        last_ms = disk.replayed().last_ms

        async def main(disk: Disk = disk, last_ms: int = last_ms) -> None:
            async with running(disk, BOUND) as process:
                await process.owner.settle()
            expected = {
                (name, payment.hold_id)
                for name, found in disk.replayed().accounts.items()
                for payment in found.payments.values()
                if payment.placed_ms >= last_ms - 3_000
            }
            marked = {
                (name, payment.hold_id)
                for name, found in disk.replayed().accounts.items()
                for payment in found.payments.values()
                if payment.answer_unknown
            }
            assert expected <= marked

        in_mock_time(main)
