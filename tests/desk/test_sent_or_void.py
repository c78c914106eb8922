"""P1 and P2 at the desk: what leaves, when, and what becomes of an approval whose answer did not.

The whole path from frame to reply runs here, on the memory journal (which can stall) and on trio's mock clock; only the
socket is a stand-in, because what matters is the step in which a byte is handed over.
"""

import pytest
import trio
import trio.testing
from desk_bench import BIN2, DEADLINE_S, Bench, Clock, codes, message, settled


async def test_an_approval_leaves_once_its_record_is_durable(bench: Bench, autojump_clock: Clock) -> None:
    """Nothing leaves while the journal stalls; the reply leaves as soon as it has the record (P1)."""
    line = bench.line()
    bench.journal.stall()
    bench.send(line)
    await trio.sleep(1)
    before = codes(line)
    bench.journal.resume()
    await settled(bench)
    assert (before, [code[:2] for code in codes(line)], bench.held) == ([], [("0110", "00")], 2500)


async def test_an_answer_that_did_not_leave_in_time_is_void(bench: Bench, autojump_clock: Clock) -> None:
    """The journal stalls past the deadline: silence, the hold is released, and a late repeat is refused (P2)."""
    line = bench.line()
    bench.journal.stall()
    bench.send(line)
    await trio.sleep(DEADLINE_S + 0.1)
    assert bench.held == 0
    bench.journal.resume()
    await settled(bench)
    assert codes(line) == []
    bench.send(line, "0101")
    await settled(bench)
    assert codes(line) == [("0110", "68", "")]
    assert [bench.owner.desk.outstanding, bench.held] == [0, 0]


async def test_a_repeat_joins_its_original_and_both_get_the_same_answer(
    bench: Bench, autojump_clock: Clock
) -> None:
    """A repeat in flight, on another line, moves no money and is answered like the first (P3)."""
    first, second = bench.line(), bench.line()
    bench.journal.stall()
    bench.send(first)
    await trio.sleep(0.5)
    bench.send(second, "0101")
    bench.journal.resume()
    await settled(bench)
    assert codes(first) == codes(second)
    assert (codes(first)[0][:2], bench.held, bench.counters.counts["repeats_joined"]) == (
        ("0110", "00"),
        2500,
        1,
    )


async def test_a_joined_repeat_keeps_the_answer_alive_past_the_first_deadline(
    bench: Bench, autojump_clock: Clock
) -> None:
    """The first waiter falls silent at its deadline; the repeat, in time, gets the approval, nothing is void."""
    first, second = bench.line(), bench.line()
    bench.journal.stall()
    bench.send(first)
    await trio.sleep(1.5)
    bench.send(second, "0101")
    await trio.sleep(1.0)
    held_between = bench.held
    bench.journal.resume()
    await settled(bench)
    assert (codes(first), codes(second)[0][:2], held_between, bench.held) == ([], ("0110", "00"), 2500, 2500)


async def test_the_answer_is_void_when_the_last_of_its_waiters_is_late(
    bench: Bench, autojump_clock: Clock
) -> None:
    """Original and repeat both miss their deadlines: one void, one hold released, silence for both."""
    first, second = bench.line(), bench.line()
    bench.journal.stall()
    bench.send(first)
    await trio.sleep(1.5)
    bench.send(second, "0101")
    await trio.sleep(1.9)
    assert bench.held == 2500
    await trio.sleep(0.2)
    assert bench.held == 0
    bench.journal.resume()
    await settled(bench)
    assert (codes(first), codes(second)) == ([], [])


async def test_sent_to_one_waiter_is_sent_for_all(bench: Bench, autojump_clock: Clock) -> None:
    """The original's answer left; a joined repeat whose line is stuck falls silent, and the hold stays."""
    first, second = bench.line(), bench.line()
    second.full = True
    bench.journal.stall()
    bench.send(first)
    bench.send(second, "0101")
    bench.journal.resume()
    await settled(bench)
    await trio.sleep(DEADLINE_S + 0.1)
    assert (codes(first)[0][:2], codes(second), bench.held) == (("0110", "00"), [], 2500)


async def test_a_lost_connection_voids_at_the_deadline_and_not_before(
    bench: Bench, autojump_clock: Clock
) -> None:
    """The line breaks before its reply: the hold stays while a repeat may still come, then it is released."""
    line = bench.line()
    bench.journal.stall()
    bench.send(line)
    line.closed = True
    bench.journal.resume()
    await settled(bench)
    held_before = bench.held
    await trio.sleep(DEADLINE_S + 0.1)
    assert (held_before, bench.held) == (2500, 0)


async def test_a_repeat_after_a_disconnect_takes_over_the_answer(bench: Bench, autojump_clock: Clock) -> None:
    """The network redials and repeats in time: it gets the approval, and the hold stays for good."""
    line = bench.line()
    bench.journal.stall()
    bench.send(line)
    line.closed = True
    bench.journal.resume()
    await settled(bench)
    again = bench.line()
    bench.send(again, "0101")
    await settled(bench)
    await trio.sleep(10)
    assert (codes(again)[0][:2], bench.held) == (("0110", "00"), 2500)


async def test_a_slow_reader_is_voided_though_the_journal_is_quick(
    bench: Bench, autojump_clock: Clock
) -> None:
    """Durable, ready, but the kernel takes nothing until the deadline: void, and it does not leave afterwards."""
    line = bench.line()
    line.full = True
    bench.send(line)
    await trio.sleep(DEADLINE_S + 0.1)
    line.full = False
    line.flush()
    assert (codes(line), bench.held) == ([], 0)


async def test_at_the_deadline_itself_the_answer_is_void(bench: Bench, autojump_clock: Clock) -> None:
    """A batch that becomes durable in the very instant of the deadline sends nothing: one choice, made once."""
    line = bench.line()
    line.full = True
    bench.send(line)
    await settled(bench)
    await trio.sleep_until(trio.current_time() + DEADLINE_S)
    line.full = False
    line.flush()
    await settled(bench)
    assert (codes(line), bench.held) == ([], 0)


async def test_a_decline_that_is_late_is_silence_and_stays_a_decline(
    bench: Bench, autojump_clock: Clock
) -> None:
    """There is nothing to void in a decline: the repeat gets the same one."""
    line = bench.line()
    bench.journal.stall()
    bench.send(line, f4="000000999999")
    await trio.sleep(DEADLINE_S + 0.1)
    bench.journal.resume()
    await settled(bench)
    silent = codes(line)
    bench.send(line, "0101", f4="000000999999")
    await settled(bench)
    assert (silent, codes(line), bench.counters.counts["voids"]) == ([], [("0110", "51", "")], 0)


async def test_a_late_reversal_answer_is_silence_and_the_reversal_stands(
    bench: Bench, autojump_clock: Clock
) -> None:
    """Reversals are never voided: the hold is released, and the repeat 0401 is acknowledged."""
    line = bench.line()
    bench.send(line)
    await settled(bench)
    bench.journal.stall()
    bench.send(line, "0400", f11="000002")
    await trio.sleep(DEADLINE_S + 0.1)
    bench.journal.resume()
    await settled(bench)
    answered = codes(line)
    bench.send(line, "0401", f11="000002", f37="632701000001")
    await settled(bench)
    assert (len(answered), [code[0] for code in codes(line)]) == (1, ["0110", "0410"])


async def test_a_void_does_not_touch_what_a_reversal_released(bench: Bench, autojump_clock: Clock) -> None:
    """The network reversed while our answer was stuck: the deadline then finds nothing to release."""
    line, other = bench.line(), bench.line()
    line.full = True
    bench.send(line)
    reference = "0100" + "000001" + "1123010203" + "00000123456" + "0" * 11
    bench.send(other, "0400", f11="000002", f90=reference)
    await settled(bench)
    await trio.sleep(DEADLINE_S + 0.1)
    assert (codes(other), bench.held) == ([("0410", "00", "")], 0)
    assert bench.owner.state.accounts["acc"].held_minor == 0


async def test_every_answer_waits_for_what_was_applied_before_it(bench: Bench, autojump_clock: Clock) -> None:
    """A repeat of a durable answer, a decline and a format error all wait while an append is stalled."""
    line = bench.line()
    bench.send(line)
    await settled(bench)
    bench.journal.stall()
    bench.send(line, "0101")
    bench.send(line, f11="000003", f4="000000999999")
    bench.send(line, f11="000004", f7="9923010203")
    await trio.sleep(1)
    stalled = len(codes(line))
    bench.journal.resume()
    await settled(bench)
    assert (stalled, [code[1] for code in codes(line)]) == (1, ["00", "00", "51", "30"])


async def test_beyond_the_bound_nothing_is_decided(
    bench: Bench, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests get 91 at once, reversals and advices silence, and no record is made."""
    monkeypatch.setattr("authoriser.journal.group_commit.PENDING_RECORDS_MAX", 1)
    line = bench.line()
    bench.journal.stall()
    bench.send(line)
    await trio.sleep(0.1)
    bench.send(line, f11="000002")
    record_no = bench.owner.state.record_no
    bench.send(line, f11="000003")
    for mti in ("0400", "0120", "0220"):
        bench.send(line, mti, f11="000004", f39="00")
    assert (codes(line), bench.owner.state.record_no) == ([("0110", "91", "")], record_no)
    bench.journal.resume()


async def test_a_repeat_is_answered_where_a_new_request_is_not_admitted(
    bench: Bench, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound a repeat of a known approval joins or gets its answer: a 91 would contradict it (P3)."""
    line = bench.line()
    bench.send(line)
    await settled(bench)
    monkeypatch.setattr("authoriser.journal.group_commit.PENDING_RECORDS_MAX", 0)
    bench.send(line, f11="000002")
    bench.send(line, "0101")
    await settled(bench)
    assert [code[1] for code in codes(line)] == ["00", "91", "00"]
    assert codes(line)[0] == codes(line)[2]


async def test_a_request_that_waited_past_its_deadline_is_not_decided(
    bench: Bench, autojump_clock: Clock
) -> None:
    """Bytes that lay in the kernel past the deadline: no record, no reply. A reversal is decided all the same."""
    line = bench.line()
    bench.send(line)
    await settled(bench)
    before = bench.owner.state.record_no
    late = trio.current_time() - DEADLINE_S
    bench.pipeline.on_bytes(line, BIN2.wrap(message("0100", f11="000002")), late)  # type: ignore[arg-type]
    after_request = bench.owner.state.record_no
    bench.pipeline.on_bytes(line, BIN2.wrap(message("0400", f11="000003", f37="632701000001")), late)  # type: ignore[arg-type]
    await settled(bench)
    assert (after_request, bench.owner.state.record_no) == (before, before + 1)
    assert (len(codes(line)), bench.counters.counts["late_on_arrival"]) == (1, 1)


@pytest.mark.parametrize("mti", ["0120", "0220"])
async def test_an_advice_that_came_late_is_decided_and_never_voided(
    bench: Bench, autojump_clock: Clock, mti: str
) -> None:
    """What it tells has happened, answered or not: its hold or posting stays, and its repeat gets the 00."""
    line = bench.line()
    late = trio.current_time() - DEADLINE_S
    advice = message(mti, f39="00")
    bench.pipeline.on_bytes(line, BIN2.wrap(advice), late)  # type: ignore[arg-type]
    await trio.sleep(2 * DEADLINE_S)
    account = bench.owner.state.accounts["acc"]
    assert (codes(line), account.balance_minor - account.held_minor) == ([], 7_500)
    assert bench.counters.counts["late_on_arrival"] == 0
    bench.send(line, mti[:3] + "1", f39="00")
    await settled(bench)
    assert codes(line) == [(mti[:2] + "30", "00", "")]
    assert account.balance_minor - account.held_minor == 7_500


async def test_an_acknowledged_change_comes_after_every_older_reply(
    bench: Bench, autojump_clock: Clock
) -> None:
    """`settle`, which acknowledgements wait for, returns when an older stuck reply was sent or dropped."""
    line = bench.line()
    line.full = True
    bench.send(line)
    began = trio.current_time()
    await bench.owner.settle()
    assert trio.current_time() - began == pytest.approx(DEADLINE_S, abs=0.01)
    line.full = False
    line.flush()
    assert codes(line) == []
