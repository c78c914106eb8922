"""Payments of which others decided too: stand-ins, increments, silence and undoing in the corners. One fact a test.

What a stand-in says of an increment is about that increment's part alone, and what it says of a request decides over
it, whichever of the two came first.
"""

import msgspec
import pytest
from ledger_bench import (
    DAY_MS,
    USD,
    Bench,
    advice,
    clear_row,
    completion,
    increment,
    reference,
    request,
    reversal,
)

from authoriser.ledger import commands as c
from authoriser.ledger.state import Account, Payment, ShardState
from rules import Reason, Transaction


def only(bench: Bench) -> Payment:
    (payment,) = bench.account.payments.values()
    return payment


def kinds(bench: Bench) -> list[str]:
    """Of the exceptions that wait for an operator."""
    return [entry.kind for entry in bench.state.commons.exceptions.values()]


# ---- an advice that comes before its request


@pytest.mark.parametrize("approving", [True, False])
@pytest.mark.parametrize(("mti", "of"), [("0120", "0100"), ("0220", "0200")])
def test_an_advice_that_overtakes_its_request_decides_over_it(
    bench: Bench, mti: str, of: str, *, approving: bool
) -> None:
    """The network goes by the stand-in's answer: the late request moves nothing, nor does its repeat."""
    asked = request(4_000, mti=of, rrn="632610000001")
    bench.do(advice(4_000, of=asked, mti=mti, approving=approving))
    before = bench.money
    assert bench.answer(asked) == ("overtaken", "68")
    again = bench.do(asked)
    assert (again.records, again.repeated) == ((), True)
    assert bench.money == before
    assert len(bench.account.payments) == approving


@pytest.mark.parametrize(("mti", "of"), [("0120", "0100"), ("0220", "0200")])
@pytest.mark.parametrize("named", ["request", "advice"])
def test_the_reversal_of_an_overtaken_request_takes_back_what_the_advice_brought(
    bench: Bench, mti: str, of: str, named: str
) -> None:
    """Whether DE90 names the request or its advice: they are one transaction."""
    asked = request(4_000, mti=of)
    told = advice(4_000, of=asked, mti=mti)
    bench.do(told)
    bench.do(asked)
    undo = reversal(asked if named == "request" else told)
    assert bench.answer(undo) == ("reversal_done", "00")
    assert bench.money == (10_000, 0, 10_000)


def test_a_request_whose_advice_was_reversed_before_it_came_holds_nothing(bench: Bench) -> None:
    """The 0120, its 0420, and the 0100 last of all."""
    asked = request(4_000)
    bench.do(advice(4_000, of=asked))
    bench.do(reversal(asked, mti="0420"))
    assert bench.answer(asked) == ("overtaken", "68")
    assert bench.money == (10_000, 0, 10_000)


def test_the_file_confirms_an_overtaken_payment_once(bench: Bench) -> None:
    """One 0220, one row: 40.00 go, however late the 0200."""
    asked = request(4_000, mti="0200", network_id="N1")
    bench.do(advice(4_000, of=asked, mti="0220"))
    bench.do(asked)
    bench.do(clear_row(4_000, of=asked))
    assert (bench.money, kinds(bench)) == ((6_000, 0, 6_000), [])


def test_an_overtaken_increment_adds_nothing(bench: Bench) -> None:
    """The stand-in added it already; its reversal takes off that part alone."""
    first = request(4_000, network_id="N1")
    bench.do(first)
    grown = increment(first, 1_000)
    bench.do(advice(1_000, of=grown, increment=True))
    assert bench.answer(grown) == ("overtaken", "68")
    assert only(bench).held_minor == 5_000
    bench.do(reversal(grown))
    assert only(bench).held_minor == 4_000


def test_an_advice_is_known_to_its_request_after_a_start_too(bench: Bench) -> None:
    """The account comes from its snapshot, and the request after it."""
    asked = request(4_000)
    bench.do(advice(4_000, of=asked))
    saved = msgspec.msgpack.encode(bench.account)
    bench.state = ShardState(0)
    bench.state.load(msgspec.msgpack.decode(saved, type=Account))
    bench.state.record_no = bench.account.version
    assert bench.look(asked).reply == c.Reply(Reason.OVERTAKEN, "68")


def test_a_forgotten_advice_decides_over_nothing(bench: Bench) -> None:
    """Its key lives as long as its hold and the store-and-forward horizon: ten days here."""
    asked = request(4_000)
    bench.do(advice(4_000, of=asked))
    bench.wait(10 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", only(bench).hold_id))
    assert bench.answer(asked) == ("approved", "00")


# ---- an advice and the payment that it finds


def test_an_advice_under_the_id_of_a_captured_payment_is_a_payment_of_its_own(bench: Bench) -> None:
    """By the network's id alone, after the capture: 30.00 more were approved, and are held."""
    asked = request(1_000, network_id="N1")
    bench.do(asked)
    bench.do(clear_row(1_000, of=asked))
    bench.do(advice(3_000, network_id="N1", stan="000077"))
    assert bench.money == (9_000, 3_000, 6_000)


@pytest.mark.parametrize("way", ["reference", "retrieval"])
def test_an_advice_that_names_its_captured_request_holds_nothing_more(bench: Bench, way: str) -> None:
    """Beside the network's id it has the request's DE90 or RRN: what it tells of is captured."""
    asked = request(1_000, network_id="N1", rrn="632610000001")
    bench.do(asked)
    bench.do(clear_row(1_000, of=asked))
    named = (
        {"stan": "000077", "original": reference(asked)}
        if way == "reference"
        else {"rrn": "632610000001", "transmission": "0102030409"}
    )
    bench.do(advice(1_000, network_id="N1", **named))
    assert bench.money == (9_000, 0, 9_000)


def test_a_stand_in_that_declines_at_the_pump_lets_go_of_its_hold(bench: Bench) -> None:
    """Found as an approving one is: by DE38 and the acquirer."""
    code = bench.do(request(10_000, mcc="5542")).reply.approval_code
    bench.do(advice(10_000, mcc="5542", stan="000055", approval_code=code, approving=False))
    assert (bench.money, only(bench).ended) == ((10_000, 0, 10_000), "superseded")


# ---- an increment's part


def test_the_reversal_of_a_stand_ins_increment_takes_off_that_alone(bench: Bench) -> None:
    """DE90 names the 0120 that added 5.00: the hotel's 10.00 stay held."""
    bench.do(request(1_000, network_id="N1"))
    grown = advice(500, network_id="N1", stan="000055", increment=True)
    bench.do(grown)
    assert only(bench).held_minor == 1_500
    assert bench.answer(reversal(grown)) == ("reversal_done", "00")
    assert (only(bench).held_minor, only(bench).authorised_minor, only(bench).ended) == (1_000, 1_000, "")
    bench.do(reversal(grown, stan="900002"))
    assert only(bench).held_minor == 1_000


def test_the_reversal_of_an_increment_that_only_a_stand_in_saw_takes_off_that_alone(bench: Bench) -> None:
    """DE90 names the 0100 that never came: its stand-in's part goes, and nothing else."""
    first = request(1_000, network_id="N1")
    bench.do(first)
    grown = increment(first, 500)
    bench.do(advice(500, of=grown, increment=True))
    assert bench.answer(reversal(grown)) == ("reversal_done", "00")
    assert (only(bench).held_minor, only(bench).ended) == (1_000, "")


@pytest.mark.parametrize("told_minor", [300, 700])
@pytest.mark.parametrize("named", ["request", "advice"])
def test_a_reversed_increment_takes_off_what_a_stand_in_made_of_it(
    bench: Bench, told_minor: int, named: str
) -> None:
    """5.00 became 3.00 or 7.00: just that goes, once, whichever of the two messages DE90 names."""
    first = request(1_000, network_id="N1")
    bench.do(first)
    grown = increment(first, 500)
    told = advice(told_minor, of=grown)
    bench.do(grown)
    bench.do(told)
    assert only(bench).held_minor == 1_000 + told_minor
    bench.do(reversal(grown if named == "request" else told))
    assert (only(bench).held_minor, only(bench).authorised_minor) == (1_000, 1_000)
    bench.do(reversal(grown, stan="900002"))
    bench.do(reversal(told, stan="900003"))
    assert only(bench).held_minor == 1_000


def test_a_stand_in_that_approves_again_what_a_void_took_off(bench: Bench) -> None:
    """Our answer to the increment did not leave, a stand-in approved it: it counts, and its reversal takes it off."""
    first = request(1_000, network_id="N1")
    hold_id = bench.do(first).hold_id
    grown = increment(first, 500)
    bench.do(grown)
    bench.do(c.VoidAnswer("acc-0", grown.key, hold_id))
    bench.do(advice(500, of=grown, increment=True))
    assert only(bench).held_minor == 1_500
    bench.do(reversal(grown))
    assert only(bench).held_minor == 1_000


def test_a_stand_in_that_declines_an_increment_leaves_nothing_of_it_to_reverse(bench: Bench) -> None:
    """The 0400 that follows finds the increment, and nothing that it brought."""
    first = request(1_000, network_id="N1")
    bench.do(first)
    grown = increment(first, 500)
    bench.do(grown)
    bench.do(advice(500, of=grown, approving=False))
    bench.do(reversal(grown))
    assert (only(bench).held_minor, only(bench).authorised_minor) == (1_000, 1_000)


@pytest.mark.parametrize(("told_minor", "held_minor"), [(1_000, 1_500), (800, 1_300)])
def test_a_stand_ins_word_about_the_first_message_leaves_the_increment(
    bench: Bench, told_minor: int, held_minor: int
) -> None:
    """10.00, grown by 5.00 that we approved: the 0120 is about the 10.00."""
    first = request(1_000, network_id="N1")
    bench.do(first)
    bench.do(increment(first, 500))
    bench.do(advice(told_minor, of=first))
    assert (only(bench).held_minor, only(bench).authorised_minor) == (held_minor, held_minor)


def test_a_stand_in_that_declines_the_first_message_leaves_the_increment(bench: Bench) -> None:
    """What we approved since was approved."""
    first = request(1_000, network_id="N1")
    bench.do(first)
    bench.do(increment(first, 500))
    bench.do(advice(1_000, of=first, approving=False))
    assert (only(bench).held_minor, only(bench).authorised_minor, only(bench).ended) == (500, 500, "")


def test_the_void_of_what_is_left_ends_the_payment(bench: Bench) -> None:
    """First message and increment both went unheard, in this order: nothing of the payment counts for the limits."""
    first = request(1_000, network_id="N1")
    grown = increment(first, 500)
    hold_id = bench.do(first).hold_id
    bench.do(grown)
    bench.do(c.VoidAnswer("acc-0", first.key, hold_id))
    assert (only(bench).held_minor, only(bench).ended) == (500, "")
    bench.do(c.VoidAnswer("acc-0", grown.key, hold_id))
    assert (only(bench).held_minor, only(bench).ended) == (0, "voided")
    assert (bench.card.used("").day_minor, bench.card.used("").day_count) == (0, 0)


def test_a_row_means_what_lives_rather_than_what_expired(bench: Bench) -> None:
    """An increment after the hold's end began anew under the same id: one row for both, and nothing stays held."""
    first = request(1_000, network_id="N1")
    hold_id = bench.do(first).hold_id
    bench.wait(8 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", hold_id))
    bench.do(increment(first, 500))
    assert bench.account.held_minor == 500
    bench.do(clear_row(1_500, of=first))
    assert (bench.money, kinds(bench)) == ((8_500, 0, 8_500), [])


# ---- what posted by itself


def test_the_reversal_of_what_went_to_suspense_is_told(bench: Bench) -> None:
    """The money is in the suspense book, perhaps settled by hand: acknowledged, and an operator has to look."""
    posted = completion(1_000, currency=USD)
    bench.do(posted)
    books = dict(bench.state.commons.books)
    assert bench.answer(reversal(posted, stan="900001")) == ("reversal_done", "00")
    assert bench.state.commons.books == books
    assert kinds(bench) == ["posting_wrong_currency", "reversal_of_suspended"]


def test_the_reversal_of_a_declined_completion_is_nobodys_work(bench: Bench) -> None:
    """It posted nothing, whatever its currency."""
    told = completion(1_000, currency=USD, approving=False)
    bench.do(told)
    bench.do(reversal(told, stan="900001"))
    assert kinds(bench) == []


@pytest.mark.parametrize("mti", ["0200", "0220"])
def test_the_reversal_of_a_single_message_leaves_what_a_later_completion_posted(
    bench: Bench, mti: str
) -> None:
    """10.00 and a fee of 1.00, then 10.00 more: the first 11.00 come back, the fee from the fees."""
    first = request(1_000, mti="0200", network_id="N1", fee_minor=100)
    if mti == "0200":
        bench.do(first)
    else:
        bench.do(advice(1_000, of=first, mti="0220", fee_minor=100))
    bench.do(completion(1_000, network_id="N1"))
    assert bench.account.balance_minor == 7_900
    assert bench.answer(reversal(first)) == ("reversal_done", "00")
    assert (bench.account.balance_minor, only(bench).captured_minor, only(bench).fee_minor) == (
        9_000,
        1_000,
        0,
    )
    assert bench.state.commons.books["fees:978"] == 0
    bench.do(reversal(first, stan="900002"))
    assert bench.account.balance_minor == 9_000


def test_a_new_total_unposts_no_more_than_the_message_posted(bench: Bench) -> None:
    """DE95 of the first of two completions: what the second one posted is not that message's to give back."""
    first = request(6_000, network_id="N1")
    bench.do(first)
    one = completion(1_500, network_id="N1", final=False)
    bench.do(one)
    bench.do(completion(2_000, network_id="N1", stan="500002", final=False))
    bench.do(reversal(one, new_total_minor=1_000, stan="900001"))
    assert (bench.account.balance_minor, only(bench).captured_minor) == (8_000, 2_000)


@pytest.mark.parametrize("fee_minor", [0, -1_000])
def test_a_completion_of_nothing_is_over(bench: Bench, fee_minor: int) -> None:
    """It has nothing to come: an increment of the same id begins a payment of its own."""
    bench.do(completion(-fee_minor, network_id="N1", fee_minor=fee_minor))
    assert (only(bench).captured_minor, only(bench).ended) == (0, "captured")
    bench.do(request(500, network_id="N1", stan="000002", increment=True))
    assert [payment.held_minor for payment in bench.account.payments.values()] == [0, 500]


def test_a_late_refund_whose_completion_came_first_adds_nothing(bench: Bench) -> None:
    """Money that comes back comes back once, too."""
    asked = request(1_000, mti="0200", transaction=Transaction.REFUND)
    bench.do(advice(1_000, of=asked, mti="0220"))
    assert bench.answer(asked) == ("overtaken", "68")
    assert bench.account.balance_minor == 11_000
