"""A miss: the message waits for its account, in order, and others go on. What fails says 91, and nothing else does."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from cache_bench import CARDS, Disk, Process, account, in_mock_time, pass_time, running
from trio.testing import MockClock, wait_all_tasks_blocked

from authoriser.cache import LoadFailedError, Name
from authoriser.snapshots.blobs import account_blob, account_of

BOUND = 3


@pytest.fixture
def disk() -> Disk:
    """Fifty funded cards, all in snapshots."""
    made = Disk()

    async def main() -> None:
        async with running(made, BOUND) as process:
            await process.open_cards()
            await process.round()
            await process.owner.finish()

    in_mock_time(main)
    return made


@pytest.fixture
async def process(disk: Disk, mock_clock: MockClock) -> AsyncIterator[Process]:
    async with running(disk, BOUND) as made:
        yield made


def said(replies: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(reply["t"], reply["11"], reply["39"]) for reply in replies]


async def test_a_start_loads_nothing_that_the_tail_does_not_touch(
    process: Process, mock_clock: MockClock
) -> None:
    """After an end in order the tail is empty: no account is in memory until somebody asks for one."""
    assert process.resident == set()
    assert process.snapshots.loads == 1  # the commons
    (reply,) = await process.ask(7)
    assert reply["39"] == "00"
    assert process.resident == {account(7)}
    assert process.counted == {"cache_misses": 1, "cache_loads": 1}
    (reply,) = await process.ask(7, f11="000002", f37="632701000002")
    assert reply["39"] == "00"
    assert process.counted == {"cache_misses": 1, "cache_loads": 1, "cache_hits": 1}


async def test_messages_queue_in_order_behind_a_load(process: Process, mock_clock: MockClock) -> None:
    """Request, repeat, reversal and another request of one card come while it is loaded: decided as they came."""
    process.snapshots.stall()
    process.send(7)
    process.send(7, "0101")
    process.send(7, "0400", f11="000002", f90="0100" + "000001" + "1123010203" + "00000123456" + "0" * 11)
    process.send(7, f11="000003", f37="632701000003", f4="000000100000")
    await wait_all_tasks_blocked()
    assert process.line.taken == []
    process.snapshots.resume()
    await wait_all_tasks_blocked()
    assert said(process.line.taken) == [
        ("0110", "000001", "00"),
        ("0110", "000001", "00"),
        ("0410", "000002", "00"),
        ("0110", "000003", "00"),
    ]
    assert process.counted["cache_loads"] == 1


async def test_other_accounts_go_on_meanwhile(process: Process, mock_clock: MockClock) -> None:
    """A load that does not come back keeps nobody waiting whose account is here."""
    await process.ask(1)
    process.snapshots.stall()
    process.send(2)
    (reply,) = await process.ask(1, f11="000002", f37="632701000002")
    assert reply["11"] == "000002"
    process.snapshots.resume()
    await wait_all_tasks_blocked()
    assert said(process.line.taken) == [("0110", "000002", "00"), ("0110", "000001", "00")]


@pytest.mark.parametrize(
    ("mti", "more", "expected"),
    [
        ("0100", {}, [("0110", "000001", "91")]),
        ("0200", {}, [("0210", "000001", "91")]),
        ("0101", {}, []),
        ("0120", {"f39": "00"}, []),
        ("0220", {}, []),
        ("0400", {}, []),
        ("0420", {}, []),
    ],
)
async def test_a_failed_load(
    process: Process, mock_clock: MockClock, mti: str, more: dict[str, str], expected: Any
) -> None:
    """91 for a request, which is not admitted; silence for a fact, and for a repeat of what may have been answered."""
    process.snapshots.broken = True
    assert said(await process.ask(7, mti, **more)) == expected
    assert process.failures == ["the test said so"]
    assert process.counted == {"cache_misses": 1, "cache_failed_loads": 1}
    process.snapshots.broken = False
    (reply,) = await process.ask(7, mti, **more)
    assert reply["39"] == ("25" if mti.startswith("04") else "00")


async def test_a_load_that_takes_too_long_has_failed(process: Process, mock_clock: MockClock) -> None:
    """Told while the network still listens, and not 14: nobody knows whether the card is there."""
    process.snapshots.stall()
    process.send(7)
    await wait_all_tasks_blocked()
    await pass_time(0.9)
    assert process.line.taken == []
    await pass_time(0.2)
    assert said(process.line.taken) == [("0110", "000001", "91")]
    assert process.failures == ["a load took longer than 1.0 s"]


async def test_a_request_past_its_deadline_is_not_decided(process: Process, mock_clock: MockClock) -> None:
    """It had waited before it was read, and the load took the rest of its time: silence, and no hold."""
    process.snapshots.stall()
    process.send(7, arrived=trio.current_time() - 1.4)
    await pass_time(0.7)
    process.snapshots.resume()
    await wait_all_tasks_blocked()
    assert process.line.taken == []
    assert process.counters.counts["late_on_arrival"] == 1
    assert process.owner.state.accounts[account(7)].held_minor == 0


async def test_only_the_index_says_that_a_card_is_nobodys(process: Process, mock_clock: MockClock) -> None:
    """14 for a number that no snapshot has; where it can't be asked, 91."""
    (reply,) = await process.ask(CARDS + 1)
    assert reply["39"] == "14"
    process.snapshots.broken = True
    (reply,) = await process.ask(CARDS + 2)
    assert reply["39"] == "91"


async def test_a_snapshot_that_is_missing_is_no_unknown_card(process: Process, mock_clock: MockClock) -> None:
    """The index names the account and the store has lost it: 91, and an operator is told which."""
    del process.disk.shelf.blobs[account(7)]
    (reply,) = await process.ask(7)
    assert reply["39"] == "91"
    assert process.failures == ["the card index names account 'acc-07', which has no snapshot"]


async def test_a_snapshot_from_the_future_is_another_process_s(
    process: Process, mock_clock: MockClock
) -> None:
    """Whoever has the shard by now knows more records than this one: nothing is decided on its snapshots."""
    theirs = account_of(process.disk.shelf.blobs[account(7)])
    theirs.version = process.owner.state.record_no + 1
    process.disk.shelf.blobs[account(7)] = account_blob(theirs)
    (reply,) = await process.ask(7)
    assert reply["39"] == "91"
    assert "another one has the shard" in process.failures[0]
    assert process.resident == set()


async def test_who_asks_when_the_shard_is_lost_is_not_admitted(disk: Disk, mock_clock: MockClock) -> None:
    """The cache ended with its owner; for a moment messages and operators still come to it."""
    async with running(disk, BOUND) as process:
        cache = process.owner.cache
        assert cache is not None
    assert not cache.want(Name("account", account(7)), lambda _verdict: None)
    with pytest.raises(LoadFailedError):
        async with cache.holding([Name("account", account(7))]):
            pass
