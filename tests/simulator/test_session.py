"""Whole runs against the scripted issuer, in memory and in no time: counts, wrong answers, losses, the record."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from simulator.cards import make_cards
from simulator.errors import SimulatorError
from simulator.lines import LinePolicy
from simulator.network import Dial
from simulator.record import Record, Repeats, read_record
from simulator.session import Order, Session, Source
from simulator.shop import Mix, Shop
from simulator.tally import Latency, Summary
from simulator.testing import Change, Close, Delay, Fault, ScriptedIssuer, Silence, still

CARDS = make_cards(10)
ORDER = Order(rate_per_s=10.0, seconds=2.0)
PAYMENTS = Mix(verification=0, foreign=0, repeat=0, reversal=0, reversal_advice=0)


def a_shop(mix: Mix = PAYMENTS) -> Shop:
    return Shop(CARDS, mix, seed=1, first_stan=100)


async def a_run(
    issuer: ScriptedIssuer,
    order: Order = ORDER,
    source: Source | None = None,
    record: Record | None = None,
    remarks: list[str] | None = None,
) -> Summary:
    """One run against that issuer."""
    async with trio.open_nursery() as nursery:
        session = Session(
            order,
            source or a_shop(),
            issuer.dial(nursery),
            record=record,
            now=still,
            say=(remarks if remarks is not None else []).append,
        )
        summary = await session.run()
        nursery.cancel_scope.cancel()
    return summary


async def test_a_run_without_faults(autojump_clock: trio.testing.MockClock) -> None:
    """Everything due is sent, everything is answered at once, nothing is wrong."""
    expected = Summary(
        seconds=1.9,
        rate_per_s=10.0,
        due=20,
        sent=20,
        unsent=0,
        answered=20,
        unanswered=0,
        late=0,
        timer_ms=2500,
        response_codes={"00": 20},
        kinds={"payment": 20},
        latency=Latency(20, 0.001, 0.001, 0.001, 0.001, 0.001),
        wrong=0,
        wrong_shown=[],
        connections_lost=[],
        ended_early="",
    )
    assert await a_run(ScriptedIssuer()) == expected
    assert not expected.failed


async def test_it_signs_on_echoes_and_signs_off(autojump_clock: trio.testing.MockClock) -> None:
    """Two connections over 25 seconds, echoing every 10."""
    issuer = ScriptedIssuer()
    await a_run(issuer, Order(rate_per_s=1, seconds=25, lines=LinePolicy(count=2, echo_every_s=10)))
    assert issuer.managed == ["001"] * 2 + ["301"] * 4 + ["002"] * 2


async def test_a_whole_mix_is_answered_right(autojump_clock: trio.testing.MockClock) -> None:
    """Verifications, foreign payments, repeats and reversals of both sorts: the checks find nothing."""
    mix = Mix(verification=15, foreign=10, repeat=15, reversal=15, reversal_advice=15)
    summary = await a_run(ScriptedIssuer(), replace(ORDER, rate_per_s=100.0), a_shop(mix))
    assert (summary.answered, summary.wrong_shown) == (200, [])
    assert set(summary.kinds) == {
        "payment",
        "verification",
        "foreign",
        "repeat",
        "reversal",
        "reversal_advice",
    }


async def test_a_wrong_answer_is_counted_and_said(autojump_clock: trio.testing.MockClock) -> None:
    """Two wrong answers, three things wrong; the run goes on."""
    faults: Mapping[int, Fault] = {3: Change("41", None), 5: Change("39", "51"), 7: Change("t", "0210")}
    summary = await a_run(ScriptedIssuer(faults))
    assert (summary.answered, summary.wrong, summary.failed) == (20, 3, True)
    assert summary.wrong_shown == [
        "answer to 0100 STAN 000104: DE41: expected ES017002, found nothing",
        "answer to 0100 STAN 000106: DE38: expected nothing beside 51, found 000006",
        "answer to 0100 STAN 000108: MTI: expected 0110, found 0210",
    ]


async def test_a_repeat_answered_otherwise_is_wrong(autojump_clock: trio.testing.MockClock) -> None:
    """P3 seen from the network."""
    mix = replace(PAYMENTS, repeat=100)
    summary = await a_run(ScriptedIssuer({1: Change("38", "999999")}), ORDER, a_shop(mix))
    assert summary.wrong_shown == [
        "answer to 0101 STAN 000101: DE38: expected 000001, as answered before, found 999999"
    ]


async def test_latency_counts_from_when_it_was_due(autojump_clock: trio.testing.MockClock) -> None:
    """A late answer counts as late beyond the network's timer, and is in the percentiles."""
    summary = await a_run(ScriptedIssuer({0: Delay(0.5), 1: Delay(4)}))
    assert summary.latency is not None
    assert (summary.late, summary.latency.max_ms) == (1, 4000.0)


async def test_silence_is_unanswered_not_wrong(autojump_clock: trio.testing.MockClock) -> None:
    """The run waits its patience for the rest, then says how many are open."""
    summary = await a_run(ScriptedIssuer({0: Silence(), 19: Silence()}))
    assert (summary.sent, summary.answered, summary.unanswered) == (20, 18, 2)
    assert (summary.seconds, summary.failed) == (6.9, False)


async def test_the_loss_of_the_only_connection_ends_it(autojump_clock: trio.testing.MockClock) -> None:
    """In words, at once, with what was heard until then."""
    remarks: list[str] = []
    summary = await a_run(ScriptedIssuer({4: Close()}), remarks=remarks)
    assert (summary.sent, summary.answered, summary.unanswered) == (5, 4, 1)
    why = "the issuer closed the connection"
    assert (summary.connections_lost, summary.ended_early) == ([why], f"every connection is lost: {why}")
    assert remarks == [f"connection 1 is lost: {why}"]
    assert summary.failed


async def test_another_connection_carries_on(autojump_clock: trio.testing.MockClock) -> None:
    """Of two, one is lost: the run ends in its time."""
    summary = await a_run(ScriptedIssuer({4: Close()}), replace(ORDER, lines=LinePolicy(count=2)))
    assert (summary.sent, summary.answered, summary.ended_early) == (20, 19, "")


async def test_reconnect_dials_again(autojump_clock: trio.testing.MockClock) -> None:
    """What is due while no connection is up is counted as unsent; then the run goes on."""
    remarks: list[str] = []
    issuer = ScriptedIssuer({4: Close()})
    summary = await a_run(issuer, replace(ORDER, lines=LinePolicy(reconnect=True)), remarks=remarks)
    assert (summary.due, summary.unsent, summary.sent, summary.answered) == (20, 1, 19, 18)
    assert remarks == [
        "connection 1 is lost: the issuer closed the connection",
        "connection 1 is up again",
    ]
    assert issuer.managed == ["001", "001", "002"]
    assert not summary.failed


async def test_a_silent_echo_is_a_lost_connection(autojump_clock: trio.testing.MockClock) -> None:
    """A peer that is half gone is not waited for."""
    summary = await a_run(
        ScriptedIssuer(echo_code=None), Order(rate_per_s=1, seconds=60, lines=LinePolicy(echo_every_s=9.5))
    )
    assert (summary.sent, summary.ended_early) == (
        15,
        "every connection is lost: no answer to 0800 STAN 000111 within 5 s",
    )


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            "91",
            (
                "sign-on failed on connection 1: the issuer answered 0800 with DE70 001 by 0810 with DE70 001 "
                "and DE39 91; 0810 with DE70 001 and DE39 00 would be right"
            ),
        ),
        (None, "sign-on failed on connection 1: no answer to 0800 STAN 000100 within 5 s"),
    ],
)
async def test_a_failed_sign_on_is_said(
    autojump_clock: trio.testing.MockClock, code: str | None, why: str
) -> None:
    """Nothing is sent before sign-on."""
    issuer = ScriptedIssuer(sign_on_code=code)
    caught: list[str] = []
    async with trio.open_nursery() as nursery:
        try:
            await Session(ORDER, a_shop(), issuer.dial(nursery), now=still).run()
        except SimulatorError as problem:
            caught.append(str(problem))
        nursery.cancel_scope.cancel()
    assert (caught, issuer.requests) == ([why], [])


async def test_no_server_is_said() -> None:
    """The dialler's words come through."""

    async def nobody() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise SimulatorError("cannot connect")

    dial: Dial = nobody
    with pytest.raises(SimulatorError, match="cannot connect"):
        await Session(ORDER, a_shop(), dial, now=still).run()


async def test_the_record_holds_what_was_heard(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """One line an exchange: answered or lost, with what identifies it, and no card number."""
    file = tmp_path / "heard.jsonl"
    with Record(file) as record:
        await a_run(ScriptedIssuer({2: Close()}), record=record)
    exchanges = list(read_record(file))
    assert [(each.stan, each.response_code, each.approval_code, each.lost) for each in exchanges] == [
        ("000101", "00", "000001", ""),
        ("000102", "00", "000002", ""),
        ("000103", "", "", "the issuer closed the connection"),
    ]
    first = exchanges[0]
    card = next(card for card in CARDS if card.line == first.card_line)
    assert (first.last_four, first.mti, first.de7, first.rrn) == (
        card.last_four,
        "0100",
        "0309220507",
        "606822000101",
    )
    assert first.sent_at == "2026-03-09T22:05:07.000Z"
    assert not [card for card in CARDS if card.pan in file.read_text()]
    assert "14" not in first.fields


async def test_a_record_repeated_gets_the_answers_first_given(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """The same issuer answers alike; one that forgot is found out. Repeats on record are not repeated again."""
    file = tmp_path / "heard.jsonl"
    issuer = ScriptedIssuer()
    with Record(file) as record:
        first = await a_run(
            issuer, ORDER, a_shop(Mix(repeat=20, reversal=20, reversal_advice=20)), record=record
        )
    sent_again = first.sent - first.kinds["repeat"]
    again = await a_run(issuer, ORDER, Repeats(read_record(file), CARDS))
    assert (again.sent, again.answered, again.wrong_shown) == (sent_again, sent_again, [])
    assert {request["t"] for request in issuer.requests[-sent_again:]} == {"0101", "0401", "0421"}
    originals = [request for request in issuer.requests if request["t"][3] == "0"]
    assert [{**each, "t": each["t"][:3] + "1"} for each in originals] == issuer.requests[-sent_again:]

    forgetful = await a_run(
        ScriptedIssuer({0: Change("38", "999999")}), ORDER, Repeats(read_record(file), CARDS)
    )
    assert forgetful.wrong_shown == [
        "answer to 0101 STAN 000101: DE38: expected 000001, as answered before, found 999999"
    ]


async def test_repeats_need_the_cards_on_record(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Another cards file is told from the right one."""
    file = tmp_path / "heard.jsonl"
    with Record(file) as record:
        await a_run(ScriptedIssuer(), record=record)
    with pytest.raises(SimulatorError, match="it is not the file that was used"):
        Repeats(read_record(file), make_cards(10, seed=2)[5:])


async def test_a_last_line_cut_short_is_left_out(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A killed simulator leaves a record that reads."""
    file = tmp_path / "heard.jsonl"
    with Record(file) as record:
        await a_run(ScriptedIssuer(), record=record)
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert len(list(read_record(file))) == 19


def test_a_record_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    """Written where there is no folder, read where there is no file, or not a record."""
    file = tmp_path / "no" / "heard.jsonl"
    with pytest.raises(SimulatorError) as caught:
        Record(file)
    assert str(caught.value) == f"cannot write the log {file}: No such file or directory"
    with pytest.raises(SimulatorError) as caught:
        list(read_record(file))
    assert str(caught.value) == f"cannot read the log {file}: No such file or directory"
    other = tmp_path / "other.jsonl"
    other.write_text("{}\n")
    with pytest.raises(SimulatorError, match=r"line 1 of other.jsonl is not an exchange: "):
        list(read_record(other))
