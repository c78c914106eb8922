"""How an owner begins and ends: after a crash, after a rest, in order, and fenced."""

import pytest
import trio
import trio.testing
from desk_bench import Bench, Clock, FakeLine, codes, settled

from authoriser.journal import Fenced
from authoriser.journal.batch import decode_batch
from authoriser.journal.memory import MemoryLog
from authoriser.ledger.records import EpochEnded


async def test_nothing_is_decided_once_the_epoch_ends(bench: Bench, autojump_clock: Clock) -> None:
    """While the owner finishes, requests get 91 and repeats silence; the epoch's end is the last record."""
    line = bench.line()
    bench.send(line)
    await settled(bench)
    bench.journal.stall()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.owner.finish)
        await trio.testing.wait_all_tasks_blocked()
        bench.send(line, f11="000002")
        bench.send(line, "0101")
        bench.journal.resume()
    last, _ = decode_batch(
        bench.journal.log.batches[-1], seq=len(bench.journal.log.batches), shard=0, previous_hash=None
    )
    assert [code[1] for code in codes(line)] == ["00", "91"]
    assert (type(last.records[-1]), bench.owner.admits) == (EpochEnded, False)


async def test_after_a_crash_the_holds_in_question_are_marked_and_stay(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """A crash with one old and one fresh hold: the fresh one is `answer_unknown`, both stay, a repeat is approved."""
    log = MemoryLog()
    async with trio.open_nursery() as life:
        before = await Bench(log).start(life)
        await before.open_card()
        line = before.line()
        before.send(line)
        await settled(before)
        await trio.sleep(60)
        line.full = True
        before.send(line, f11="000002")
        await settled(before)
        life.cancel_scope.cancel()
    after = await Bench(log).start(nursery)
    holds = after.owner.state.accounts["acc"].holds.values()
    line = after.line()
    after.send(line, "0101", f11="000002")
    await settled(after)
    await trio.sleep(60)
    assert [hold.answer_unknown for hold in holds] == [False, True]
    assert (codes(line)[0][:2], after.held) == (("0110", "00"), 5000)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("late", "marked", "held_minor"),
    [
        ({"mti": "0200", "f63": "0102N2"}, [False, True], 2500),
        ({"f63": "0102N10301I"}, [True], 5000),
        ({"mti": "0220", "f63": "0102N2", "f39": "00"}, [False, False], 2500),
    ],
    ids=["single", "increment", "completion"],
)
async def test_after_a_crash_what_left_no_new_hold_is_marked_too(
    nursery: trio.Nursery,
    autojump_clock: Clock,
    late: dict[str, str],
    marked: list[bool],
    held_minor: int,
) -> None:
    """A 0200 that posted and an increment of an old hold: nobody knows of their answers. Of a fact's, nobody asks."""
    log = MemoryLog()
    async with trio.open_nursery() as life:
        before = await Bench(log).start(life)
        await before.open_card()
        line = before.line()
        before.send(line, f63="0102N1")
        await settled(before)
        await trio.sleep(60)
        line.full = True
        before.send(line, **{"mti": "0100", "f11": "000002", "f37": "632701000002", **late})
        await settled(before)
        life.cancel_scope.cancel()
    after = await Bench(log).start(nursery)
    payments = after.owner.state.accounts["acc"].payments.values()
    assert ([payment.answer_unknown for payment in payments], after.held) == (marked, held_minor)
    nursery.cancel_scope.cancel()


async def test_holds_that_fell_due_while_nobody_served_are_released_first(
    nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    """Down for eight days: when the owner has started, before any request, the week-old hold is gone."""
    log = MemoryLog()
    async with trio.open_nursery() as life:
        before = await Bench(log).start(life)
        await before.open_card()
        before.send(before.line())
        await settled(before)
        await before.owner.finish()
        life.cancel_scope.cancel()
    await trio.sleep(8 * 86_400)
    after = await Bench(log).start(nursery)
    assert (after.held, after.owner.open_holds) == (0, 0)
    nursery.cancel_scope.cancel()


async def test_a_fenced_owner_is_mute(autojump_clock: Clock) -> None:
    """Another process took the slot: the owner ends, and what it had decided never leaves (P7)."""
    lines: list[FakeLine] = []
    with pytest.RaisesGroup(Fenced, flatten_subgroups=True):
        async with trio.open_nursery() as life:
            bench = await Bench().start(life)
            await bench.open_card()
            lines.append(bench.line())
            bench.journal.log.batches.append(b"somebody else's")
            bench.send(lines[0])
    assert codes(lines[0]) == []
