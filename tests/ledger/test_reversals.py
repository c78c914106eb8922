"""Reversals: which original they mean, what they release, and what they leave where no original has come."""

from collections.abc import Callable

import pytest
from ledger_bench import (
    DAY_MS,
    START_MS,
    Bench,
    card_change,
    issue_card,
    reference,
    request,
    reversal,
)

from authoriser.ledger import commands as c
from authoriser.ledger.commands import OriginalReference, Reply
from authoriser.ledger.records import ExceptionNoted, Moved, Reversed
from rules import CardState, Reason, Transaction

RRN = "RRN000000001"
NOTHING_NAMED = OriginalReference()


def test_a_full_reversal_releases_the_hold(bench: Bench) -> None:
    """Without DE95 everything still open is released, whatever its DE4 says."""
    asked = request(1_000)
    bench.do(asked)
    assert bench.answer(reversal(asked, amount_minor=1)) == ("reversal_done", "00")
    assert bench.money == (10_000, 0, 10_000)
    assert bench.account.holds == {}


def test_the_record_of_a_reversal_has_its_full_effects(bench: Bench) -> None:
    """What was released, what stays, and whose original it was stand in the record."""
    asked = request(1_000)
    hold_id = bench.do(asked).hold_id
    command = reversal(asked, new_total_minor=300)
    outcome = bench.do(command)
    expected = Reversed(
        at_ms=START_MS,
        account_id="acc-0",
        card_id="card-0",
        last_four="0000",
        key=command.key,
        particulars=command.particulars,
        reason=Reason.REVERSAL_DONE,
        response_code="00",
        original_key=asked.key,
        hold_id=hold_id,
        released_minor=700,
        remaining_minor=300,
        tombstone=None,
        forget_ms=START_MS + 10 * DAY_MS,
        moved=(Moved(hold_id, held_minor=-700, authorised_minor=-700, returned_minor=700),),
        matched_by="reference",
        named=("0100", "000001", "0102030405", "500"),
    )
    assert outcome.records == (expected,)
    assert outcome.reply == Reply(Reason.REVERSAL_DONE, "00")


@pytest.mark.parametrize(("mti", "card_state"), [("0400", "active"), ("0420", "active"), ("0420", "frozen")])
def test_requests_and_advices_reverse_alike(bench: Bench, mti: str, card_state: str) -> None:
    """0400 and 0420 do the same, and a freeze keeps neither out (P5)."""
    asked = request(1_000)
    bench.do(asked)
    if card_state == "frozen":
        bench.do(card_change(CardState.FROZEN, key="freeze"))
    assert bench.answer(reversal(asked, mti=mti)) == ("reversal_done", "00")
    assert bench.money == (10_000, 0, 10_000)


@pytest.mark.parametrize(
    ("new_total_minor", "held"), [(0, 0), (1, 1), (999, 999), (1_000, 1_000), (5_000, 1_000)]
)
def test_a_partial_reversal_leaves_the_new_total(bench: Bench, new_total_minor: int, held: int) -> None:
    """DE95 is the new total: zero releases all, and more than was held never enlarges."""
    asked = request(1_000)
    bench.do(asked)
    assert bench.answer(reversal(asked, new_total_minor=new_total_minor)) == ("reversal_done", "00")
    assert bench.money == (10_000, held, 10_000 - held)


def test_partial_reversals_go_down_only(bench: Bench) -> None:
    """Each names the new total; one that names more than is left changes nothing."""
    asked = request(1_000)
    bench.do(asked)
    held = []
    for number, new_total_minor in enumerate([600, 800, 200, None]):
        bench.do(reversal(asked, new_total_minor=new_total_minor, stan=f"90000{number}"))
        held.append(bench.account.held_minor)
    assert held == [600, 600, 200, 0]


def test_a_second_reversal_moves_nothing(bench: Bench) -> None:
    """It finds its original and nothing left to release: it is acknowledged as the first was."""
    asked = request(1_000)
    bench.do(asked)
    bench.do(reversal(asked, stan="900001"))
    outcome = bench.do(reversal(asked, stan="900002", mti="0420"))
    assert outcome.reply == Reply(Reason.REVERSAL_DONE, "00")
    (record,) = outcome.records
    assert isinstance(record, Reversed)
    assert (record.hold_id, record.released_minor, record.tombstone) == (0, 0, None)
    assert bench.money == (10_000, 0, 10_000)


def test_a_repeat_of_a_reversal_makes_no_record(bench: Bench) -> None:
    """0401 and 0421 share their original's key: the same answer, and nothing moves (P3)."""
    asked = request(1_000)
    bench.do(asked)
    first = bench.do(reversal(asked, new_total_minor=600))
    again = bench.do(reversal(asked, new_total_minor=600))
    assert (again.reply, again.records, again.repeated) == (first.reply, (), True)


def test_a_reversal_with_the_same_key_and_another_amount_is_a_repeat(bench: Bench) -> None:
    """94 is for requests: a reversal is always acknowledged."""
    asked = request(1_000)
    bench.do(asked)
    bench.do(reversal(asked, amount_minor=1_000))
    assert bench.answer(reversal(asked, amount_minor=2_000)) == ("reversal_done", "00")


# ---- originals that hold nothing


def test_reversing_a_decline(bench: Bench) -> None:
    """The network timed out on a decline: acknowledged, nothing to release, no tombstone."""
    asked = request(20_000)
    bench.do(asked)
    assert bench.answer(reversal(asked)) == ("reversal_done", "00")
    assert (bench.money, bench.account.tombstones) == ((10_000, 0, 10_000), [])


def test_reversing_a_voided_approval(bench: Bench) -> None:
    """The usual end of a void: the network heard nothing, and reverses."""
    asked = request()
    hold_id = bench.do(asked).hold_id
    bench.do(c.VoidAnswer("acc-0", asked.key, hold_id))
    assert bench.answer(reversal(asked)) == ("reversal_done", "00")
    assert bench.answer(asked) == ("answer_void", "68")
    assert bench.money == (10_000, 0, 10_000)


def test_reversing_an_expired_hold(bench: Bench) -> None:
    """Within the key's three more days it is found, and there is nothing left to release."""
    asked = request()
    hold_id = bench.do(asked).hold_id
    bench.wait(7 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", hold_id))
    assert bench.answer(reversal(asked)) == ("reversal_done", "00")
    assert (bench.money, bench.account.tombstones) == ((10_000, 0, 10_000), [])


def test_reversing_a_verification(bench: Bench) -> None:
    """It held nothing, so there is nothing to release."""
    asked = request(0, transaction=Transaction.VERIFICATION)
    bench.do(asked)
    assert bench.answer(reversal(asked)) == ("reversal_done", "00")


def test_a_reversed_approval_keeps_its_answer(bench: Bench) -> None:
    """A repeat of the original hears what it heard first, and holds nothing again."""
    asked = request()
    bench.do(asked)
    bench.do(reversal(asked))
    assert bench.answer(asked) == ("approved", "00")
    assert bench.money == (10_000, 0, 10_000)


# ---- which original


def two(bench: Bench, **differing: tuple[str, str]) -> tuple[c.AuthorisationRequest, c.AuthorisationRequest]:
    """Two approvals of 10.00 and 20.00 that differ in what is given, first and second value each."""
    first = request(1_000, **{part: values[0] for part, values in differing.items()})
    second = request(2_000, **{part: values[1] for part, values in differing.items()})
    assert (bench.answer(first), bench.answer(second)) == (("approved", "00"), ("approved", "00"))
    return first, second


def test_a_complete_reference_names_exactly_one(bench: Bench) -> None:
    """DE90 in full: the MTI, STAN, time and acquirer of the original."""
    first, _ = two(bench, transmission=("0102030405", "0102030406"))
    assert bench.answer(reversal(first)) == ("reversal_done", "00")
    assert bench.account.held_minor == 2_000


@pytest.mark.parametrize(
    "zero_filled",
    [
        {"mti"},
        {"transmission"},
        {"acquirer"},
        {"mti", "transmission", "acquirer"},
    ],
)
def test_a_zero_filled_part_is_absent(bench: Bench, zero_filled: set[str]) -> None:
    """What DE90 does not name is not compared, as long as it names a STAN."""
    first, _ = two(bench, stan=("000001", "000002"))
    named = reference(first, zero_filled=frozenset(zero_filled))
    assert bench.answer(reversal(first, named=named)) == ("reversal_done", "00")
    assert bench.account.held_minor == 2_000


@pytest.mark.parametrize(
    "wrong", [{"mti": "0200"}, {"stan": "000009"}, {"transmission": "0102030409"}, {"acquirer": "509"}]
)
def test_a_part_that_is_named_must_fit(bench: Bench, wrong: dict[str, str]) -> None:
    """Nothing is guessed: one part that is another's, and it is another's original."""
    asked = request()
    bench.do(asked)
    named = OriginalReference(**{**_parts(reference(asked)), **wrong})
    assert bench.answer(reversal(asked, named=named)) == ("no_original", "25")
    assert bench.account.held_minor == 1_000


def _parts(named: OriginalReference) -> dict[str, str]:
    return {part: getattr(named, part) for part in ("mti", "stan", "transmission", "acquirer")}


def test_several_that_fit_are_ambiguous(bench: Bench) -> None:
    """Acknowledged, reported, and no money moves on a guess."""
    first, _ = two(bench, transmission=("0102030405", "0102030406"))
    command = reversal(first, named=reference(first, zero_filled=frozenset({"transmission"})))
    outcome = bench.do(command)
    assert outcome.reply == Reply(Reason.NO_ORIGINAL, "25")
    assert [type(record) for record in outcome.records] == [Reversed, ExceptionNoted]
    assert bench.account.held_minor == 3_000
    (entry,) = bench.state.commons.exceptions.values()
    assert (entry.kind, entry.detail) == (
        "reversal_ambiguous",
        "2 originals fit by reference; none was released",
    )
    assert bench.account.tombstones == []


def test_the_reference_comes_before_the_retrieval_number(bench: Bench) -> None:
    """DE90 names one original, RRN + STAN + DE32 another: DE90 decides."""
    first, second = two(bench, stan=("000001", "000002"), rrn=(RRN, "RRN000000002"))
    command = reversal(first, stan=second.particulars.stan, rrn=second.particulars.rrn)
    assert bench.answer(command) == ("reversal_done", "00")
    assert bench.account.held_minor == 2_000


def test_an_ambiguous_reference_is_not_narrowed_by_the_retrieval_number(bench: Bench) -> None:
    """The precedence is stated: what DE90 leaves open is not decided by something weaker."""
    first, _ = two(bench, transmission=("0102030405", "0102030406"), rrn=(RRN, "RRN000000002"))
    named = reference(first, zero_filled=frozenset({"transmission"}))
    command = reversal(first, named=named, stan=first.particulars.stan, rrn=RRN)
    assert bench.answer(command) == ("no_original", "25")
    assert bench.account.held_minor == 3_000


@pytest.mark.parametrize("named", [NOTHING_NAMED, OriginalReference(mti="0100", stan="000077")])
def test_the_retrieval_number_finds_what_the_reference_does_not(
    bench: Bench, named: OriginalReference
) -> None:
    """No DE90, or one that fits nothing: RRN + STAN + DE32 of the reversal itself are the original's."""
    asked = request(rrn=RRN)
    bench.do(asked)
    command = reversal(asked, named=named, stan="000001", rrn=RRN)
    assert bench.answer(command) == ("reversal_done", "00")
    assert bench.account.held_minor == 0


@pytest.mark.parametrize("wrong", [{"rrn": "RRN000000002"}, {"stan": "000002"}, {"acquirer": "501"}])
def test_every_part_of_the_retrieval_must_fit(bench: Bench, wrong: dict[str, str]) -> None:
    """RRN, STAN and DE32 together, or it is another's."""
    asked = request(rrn=RRN)
    bench.do(asked)
    command = reversal(asked, named=NOTHING_NAMED, **{"stan": "000001", "rrn": RRN, **wrong})
    assert bench.answer(command) == ("no_original", "25")
    assert bench.account.held_minor == 1_000


def test_absent_retrieval_numbers_do_not_match_each_other(bench: Bench) -> None:
    """Two messages without DE37 have not the same DE37."""
    asked = request(rrn="")
    bench.do(asked)
    assert bench.answer(reversal(asked, named=NOTHING_NAMED, stan="000001", rrn="")) == ("no_original", "25")


def test_another_card_of_the_account_is_not_reversed(bench: Bench) -> None:
    """Same card always, even where everything else fits."""
    bench.do(issue_card(1))
    bench.do(request(card=0))
    assert bench.answer(reversal(request(card=1))) == ("no_original", "25")
    assert bench.account.held_minor == 1_000


def test_another_network_is_not_reversed(bench: Bench) -> None:
    """STANs and RRNs of two networks have nothing to do with each other."""
    asked = request()
    bench.do(asked)
    assert bench.answer(reversal(asked, network="net-b")) == ("no_original", "25")
    assert bench.account.held_minor == 1_000


def test_a_reversal_is_no_original(bench: Bench) -> None:
    """A reversal that names a reversal finds nothing."""
    asked = request()
    bench.do(asked)
    bench.do(reversal(asked, new_total_minor=600, stan="900001"))
    named = OriginalReference(mti="0400", stan="900001")
    assert bench.answer(reversal(asked, named=named, stan="900002")) == ("no_original", "25")
    assert bench.account.held_minor == 600


def test_a_reversal_for_an_unknown_card(bench: Bench) -> None:
    """Acknowledged, reported, and known again when it is repeated: even once the card was issued."""
    command = reversal(request(card=1), amount_minor=700)
    outcome = bench.do(command)
    assert outcome.reply == Reply(Reason.NO_ORIGINAL, "25")
    assert [type(record) for record in outcome.records] == [Reversed, ExceptionNoted]
    (entry,) = bench.state.commons.exceptions.values()
    assert (entry.kind, entry.card_last_four, entry.amount_minor) == (
        "reversal_for_unknown_card",
        "0001",
        700,
    )
    bench.do(issue_card(1))
    assert bench.do(command).repeated


def test_a_forgotten_original_is_not_found(bench: Bench) -> None:
    """After a day a decline's key is gone; its reversal is acknowledged and moves nothing."""
    asked = request(20_000, stan="000001")
    bench.do(asked)
    bench.wait(DAY_MS)
    bench.do(request(stan="000002"))
    assert bench.answer(reversal(asked)) == ("no_original", "25")


def test_a_network_may_have_an_order_of_its_own(make_bench: Callable[..., Bench]) -> None:
    """What its dialect leaves out is not tried: without `reference`, DE90 names nothing."""
    bench = make_bench(matching=("retrieval",)).with_card()
    asked = request(1_000, rrn="632610000001")
    bench.do(asked)
    assert bench.answer(reversal(asked)) == ("no_original", "25")
    by_retrieval = reversal(asked, stan=asked.particulars.stan, rrn="632610000001", transmission="0102030406")
    assert bench.answer(by_retrieval) == ("reversal_done", "00")
