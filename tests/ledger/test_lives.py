"""Payments in the corners of their lives: what once went wrong, or nearly did. One fact a test.

The everyday life of a payment is told by the scenarios and by docs/semantics.md; here is what they do not reach.
"""

from ledger_bench import (
    DAY_MS,
    HOUR_MS,
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
from msgspec.structs import replace

from authoriser.ledger import commands as c
from authoriser.ledger.state import Payment
from rules import Entry, Transaction


def only(bench: Bench) -> Payment:
    (payment,) = bench.account.payments.values()
    return payment


def books(bench: Bench) -> dict[str, int]:
    """What the books have, by the beginning of their names, without those of nothing."""
    sums: dict[str, int] = {}
    for name, amount_minor in bench.state.commons.books.items():
        beginning = name.partition(":")[0]
        sums[beginning] = sums.get(beginning, 0) + amount_minor
    return {name: amount_minor for name, amount_minor in sums.items() if amount_minor}


# ---- increments


def test_an_increment_is_given_back_once(bench: Bench) -> None:
    """A second reversal of it, with a STAN of its own, moves nothing."""
    first = request(2_000)
    grown = increment(first, 800)
    bench.do(first)
    bench.do(grown)
    assert bench.answer(reversal(grown, stan="900001")) == ("reversal_done", "00")
    assert bench.answer(reversal(grown, stan="900002")) == ("reversal_done", "00")
    assert (only(bench).held_minor, only(bench).authorised_minor) == (2_000, 2_000)


def test_a_stand_in_that_declines_an_increment_takes_that_alone(bench: Bench) -> None:
    """The stay at the hotel is still held."""
    first = request(2_000)
    grown = increment(first, 800)
    bench.do(first)
    bench.do(grown)
    bench.do(advice(800, of=grown, approving=False))
    assert (only(bench).held_minor, only(bench).ended) == (2_000, "")


def test_a_stand_in_that_approves_an_increment_replaces_that_alone(bench: Bench) -> None:
    """By its own amount: 8.00 became 9.00."""
    first = request(2_000)
    grown = increment(first, 800)
    bench.do(first)
    bench.do(grown)
    bench.do(advice(900, of=grown))
    assert (only(bench).held_minor, only(bench).authorised_minor) == (2_900, 2_900)


def test_the_void_of_an_increment_gives_back_what_it_counted_for(bench: Bench) -> None:
    """The first part was paid by chip, the increment on line: both classes are as if the increment had not been."""
    first = request(2_000, entry=Entry.CHIP)
    grown = increment(first, 800, entry=Entry.ECOMMERCE)
    hold_id = bench.do(first).hold_id
    bench.do(grown)
    assert bench.card.used("ecommerce").day_minor == 800
    bench.do(c.VoidAnswer("acc-0", grown.key, hold_id))
    assert (bench.card.used("ecommerce").day_minor, bench.card.used("").day_minor) == (0, 2_000)
    assert bench.money == (10_000, 2_000, 8_000)


def test_an_increment_outlives_the_first_hold(bench: Bench) -> None:
    """The hold ends seven days after the increment, and its first message is still known when a reversal comes then."""
    first = request(2_000)
    bench.do(first)
    bench.wait(6 * DAY_MS)
    bench.do(increment(first, 800))
    bench.wait(6 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", only(bench).hold_id))
    assert bench.account.held_minor == 2_800
    assert bench.answer(reversal(first)) == ("reversal_done", "00")
    assert (only(bench).held_minor, only(bench).ended) == (0, "reversed")


# ---- stand-ins


def test_a_reversal_that_came_first_empties_the_stand_ins_advice(bench: Bench) -> None:
    """DE90 names the 0100 that never came to us, and the 0120 is the answer to it."""
    asked = request(1_000)
    assert bench.answer(reversal(asked, mti="0420")) == ("no_original", "25")
    assert bench.answer(advice(1_000, of=asked)) == ("advice_accepted", "00")
    assert bench.money == (10_000, 0, 10_000)


def test_a_reversal_may_name_what_request_and_advice_have_in_common(bench: Bench) -> None:
    """RRN, STAN and DE32 are those of our 0100 and of the 0120 that superseded it: one payment, so nothing is
    ambiguous."""
    asked = request(1_000, rrn="632610000001")
    bench.do(asked)
    bench.do(advice(1_000, of=asked))
    named = reference(asked, zero_filled=frozenset({"mti", "transmission"}))
    assert bench.answer(reversal(asked, named=named)) == ("reversal_done", "00")
    assert bench.money == (10_000, 0, 10_000)


def test_one_stand_ins_no_does_not_undo_anothers_yes(bench: Bench) -> None:
    """A payment that a stand-in began is not ours to let go of."""
    bench.do(advice(1_000, network_id="N1", stan="000001"))
    bench.do(advice(1_000, network_id="N1", stan="000002", approving=False))
    assert bench.account.held_minor == 1_000


def test_a_stand_ins_no_is_a_no_in_any_currency(bench: Bench) -> None:
    """It says nothing of money: our hold goes."""
    asked = request(1_000)
    bench.do(asked)
    bench.do(advice(1_000, of=asked, approving=False, currency=USD))
    assert (bench.money, bench.state.commons.exceptions) == ((10_000, 0, 10_000), {})


def test_an_advice_after_the_clearing_holds_nothing_more(bench: Bench) -> None:
    """The customer has paid once already."""
    asked = request(1_000, network_id="N1")
    bench.do(asked)
    bench.do(clear_row(1_000, of=asked, network_id="N1"))
    bench.do(advice(1_000, of=asked, network_id="N1"))
    assert bench.money == (9_000, 0, 9_000)


def test_an_advice_of_a_transaction_that_is_none_moves_nothing(bench: Bench) -> None:
    """Nobody can say who gains: it is acknowledged, and an operator sees it. The completion alike."""
    for stan, mti in (("000001", "0120"), ("000002", "0220")):
        unknown = advice(
            1_000, mti=mti, stan=stan, transaction=Transaction.UNSUPPORTED, processing_code="280000"
        )
        assert bench.answer(unknown) == ("advice_accepted", "00")
    assert bench.money == (10_000, 0, 10_000)
    kinds = [entry.kind for entry in bench.state.commons.exceptions.values()]
    assert kinds == ["advice_unsupported", "advice_unsupported"]


# ---- completions and clearing


def test_the_reversal_of_a_completion_gives_its_fee_back_from_the_fees(bench: Bench) -> None:
    """And no other: what the next completion posts stays where it is."""
    asked = request(6_000, network_id="N1")
    bench.do(asked)
    first = completion(1_500, network_id="N1", stan="500001", fee_minor=100, final=False)
    bench.do(first)
    bench.do(completion(2_000, network_id="N1", stan="500002", final=False))
    undo = reversal(asked, named=c.OriginalReference("0220", "500001"), stan="900001")
    assert bench.answer(undo) == ("reversal_done", "00")
    assert books(bench) == {"funding": -10_000, "settlement": 2_000}
    assert bench.account.balance_minor == 8_000
    assert [entry.kind for entry in bench.state.commons.exceptions.values()] == []


def test_a_reversal_of_the_request_leaves_what_a_completion_posted(bench: Bench) -> None:
    """Captured money is not reversed; an operator is told."""
    asked = request(6_000, network_id="N1")
    bench.do(asked)
    bench.do(completion(1_500, network_id="N1"))
    assert bench.answer(reversal(asked)) == ("reversal_done", "00")
    assert bench.money == (8_500, 0, 8_500)
    assert [entry.kind for entry in bench.state.commons.exceptions.values()] == ["reversal_after_capture"]


def test_a_final_row_that_only_confirms_lets_go_of_the_rest(bench: Bench) -> None:
    """90.00 held, 40.00 completed, 40.00 in the file, and no more to come."""
    asked = request(9_000, network_id="N1")
    bench.do(asked)
    bench.do(completion(4_000, network_id="N1", final=False))
    assert bench.account.held_minor == 5_000
    bench.do(clear_row(4_000, of=asked, network_id="N1"))
    assert (bench.money, only(bench).ended) == ((6_000, 0, 6_000), "captured")


def test_a_row_is_posted_once(bench: Bench) -> None:
    """The same key again makes no record, and says so."""
    row = clear_row(1_000)
    assert len(bench.do(row).records) == 1
    again = bench.do(row)
    assert (again.records, again.repeated) == ((), True)
    assert bench.account.balance_minor == 9_000


def test_a_hold_that_expires_after_its_payment_was_due_to_be_forgotten(bench: Bench) -> None:
    """The process was down for months: the hold goes, the payment with it, and nothing contradicts itself."""
    hold_id = bench.do(request(1_000)).hold_id
    bench.wait(180 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", hold_id))
    assert (bench.money, bench.account.payments) == ((10_000, 0, 10_000), {})


def test_a_payment_is_found_until_its_time_is_over_and_not_a_moment_longer(bench: Bench) -> None:
    """Whether another record came by in between does not matter: 37 days, to the millisecond."""
    asked = request(1_000, network_id="N1")
    bench.do(asked)
    payment = only(bench)
    bench.now_ms = payment.expires_ms
    bench.do(c.ExpireHold("acc-0", payment.hold_id))
    bench.now_ms = payment.forget_ms - 1
    found = bench.look(clear_row(1_000, of=asked, network_id="N1")).records[0]
    bench.now_ms += 1
    gone = bench.look(clear_row(1_000, of=asked, network_id="N1")).records[0]
    assert (found.outcome, gone.outcome) == ("matched", "forced")


# ---- limits and amounts


def test_the_cash_part_is_held_against_the_amount_without_its_fee(bench: Bench) -> None:
    """DE28 is no part of DE4: neither does a fee make room for cash, nor a rebate take it."""
    asked = request(2_500, transaction=Transaction.CASHBACK)
    rebated = replace(asked, cashback_minor=2_500, fee_minor=-100)
    assert bench.answer(rebated) == ("approved", "00")
    too_much = request(2_500, transaction=Transaction.CASHBACK, stan="000002")
    assert bench.answer(replace(too_much, cashback_minor=3_000, fee_minor=500)) == ("invalid_amount", "13")


def test_a_new_total_of_an_expired_payment_gives_back_its_limits(bench: Bench) -> None:
    """Nothing is held any more, but what is reversed was not spent."""
    asked = request(3_000)
    hold_id = bench.do(asked).hold_id
    bench.wait(7 * DAY_MS + HOUR_MS)
    bench.do(c.ExpireHold("acc-0", hold_id))
    bench.do(reversal(asked, new_total_minor=1_000))
    assert (only(bench).authorised_minor, bench.card.used("").month_minor) == (1_000, 1_000)


# ---- which message of a transaction is meant


def test_the_request_stands_for_the_stand_ins_advice(bench: Bench) -> None:
    """We declined, a stand-in approved, and the shop reverses what it calls the request: the stand-in's hold goes."""
    asked = request(20_000, rrn="632610000001")
    assert bench.answer(asked) == ("insufficient_funds", "51")
    bench.do(advice(20_000, of=asked))
    assert bench.account.held_minor == 20_000
    assert bench.answer(reversal(asked)) == ("reversal_done", "00")
    assert bench.money == (10_000, 0, 10_000)


def test_a_void_undoes_what_was_approved_after_the_network_last_spoke(bench: Bench) -> None:
    """It reversed an earlier increment; of the later one, whose answer did not leave, it knows nothing."""
    first = request(4_000)
    early, late = increment(first, 2_000), increment(first, 1_000, stan="400002")
    hold_id = bench.do(first).hold_id
    bench.do(early)
    bench.do(reversal(early))
    bench.do(late)
    bench.do(c.VoidAnswer("acc-0", late.key, hold_id))
    assert bench.money == (10_000, 4_000, 6_000)
    assert bench.answer(late) == ("answer_void", "68")


def test_a_stand_in_approves_an_increment_that_we_declined(bench: Bench) -> None:
    """What we held stays, and what it approved is a payment of its own: not one for the other."""
    first = request(6_000, network_id="N1")
    bench.do(first)
    grown = increment(first, 5_000, network_id="N1")
    assert bench.answer(grown) == ("insufficient_funds", "51")
    bench.do(advice(5_000, of=grown, network_id="N1"))
    assert bench.account.held_minor == 11_000


def test_a_stand_in_approves_an_increment_that_never_came_to_us(bench: Bench) -> None:
    """The network says that it adds: so it adds, and does not replace."""
    first = request(6_000, network_id="N1")
    bench.do(first)
    bench.do(advice(1_000, network_id="N1", stan="000009", increment=True))
    assert (only(bench).held_minor, only(bench).authorised_minor) == (7_000, 7_000)
    bench.do(advice(500, network_id="N1", stan="000010", increment=True, approving=False))
    assert only(bench).held_minor == 7_000


def test_a_rebate_in_a_clearing_row_is_no_more_than_its_amount(bench: Bench) -> None:
    """What would take a payment below nothing takes it to nothing; the process goes on."""
    asked = request(100, network_id="N1")
    bench.do(asked)
    bench.do(clear_row(100, of=asked, network_id="N1", fee_minor=-1_000))
    assert (bench.money, only(bench).captured_minor) == ((10_000, 0, 10_000), 0)


def test_a_new_total_below_what_a_file_has_captured_is_told(bench: Bench) -> None:
    """The shop believes that it gave 30.00 back: captured money is not reversed, so an operator has to know."""
    asked = request(4_000, network_id="N1")
    bench.do(asked)
    bench.do(clear_row(4_000, of=asked, network_id="N1"))
    assert bench.answer(reversal(asked, new_total_minor=4_000)) == ("reversal_done", "00")
    assert bench.state.commons.exceptions == {}
    assert bench.answer(reversal(asked, new_total_minor=1_000, stan="900002")) == ("reversal_done", "00")
    assert [entry.kind for entry in bench.state.commons.exceptions.values()] == ["reversal_after_capture"]


def test_what_was_voided_is_no_candidate(bench: Bench) -> None:
    """Our answer went void, a stand-in approved: the file's row can only mean the stand-in's payment."""
    asked = request(1_000, network_id="N1")
    hold_id = bench.do(asked).hold_id
    bench.do(c.VoidAnswer("acc-0", asked.key, hold_id))
    bench.do(advice(1_000, of=asked, network_id="N1"))
    bench.do(clear_row(1_000, of=asked, network_id="N1"))
    assert bench.money == (9_000, 0, 9_000)
    assert bench.state.commons.exceptions == {}


def test_a_voided_increment_is_not_given_back_again(bench: Bench) -> None:
    """Its reversal, which the network sends for want of an answer, finds nothing left of it."""
    first = request(4_000)
    grown = increment(first, 2_000)
    hold_id = bench.do(first).hold_id
    bench.do(grown)
    bench.do(c.VoidAnswer("acc-0", grown.key, hold_id))
    bench.do(reversal(grown))
    assert bench.money == (10_000, 4_000, 6_000)


def test_what_was_posted_online_is_confirmed_by_its_details_too(bench: Bench) -> None:
    """A row without id and approval code: amount, shop and date are those of the 0200, so nothing is posted twice."""
    asked = request(1_000, mti="0200", merchant_id="SHOP1", transmission="0115102030")
    bench.do(asked)
    bench.do(clear_row(1_000, of=asked, merchant_id="SHOP1"))
    assert bench.account.balance_minor == 9_000


def test_a_reversal_of_the_request_finds_the_advice_alone(bench: Bench) -> None:
    """The 0100 never came to us; DE90 names it, and its stand-in's 0120 is what we know of it."""
    asked = request(1_000)
    bench.do(advice(1_000, of=asked))
    assert bench.answer(reversal(asked)) == ("reversal_done", "00")
    assert bench.money == (10_000, 0, 10_000)


def test_a_refunds_fee_takes_no_more_than_comes_back(bench: Bench) -> None:
    """P4: an approval never takes from what is available."""
    asked = request(100, mti="0200", transaction=Transaction.REFUND)
    assert bench.answer(replace(asked, fee_minor=50_000)) == ("approved", "00")
    assert bench.money == (10_000, 0, 10_000)


# ---- refunds, fees and what is long over


def test_a_stand_ins_refund_of_one_that_we_approved_is_that_one(bench: Bench) -> None:
    """One refund under both approval codes, with the stand-in's amount; the file's row means it."""
    asked = request(1_000, transaction=Transaction.REFUND, network_id="N1")
    bench.do(asked)
    bench.do(advice(900, of=asked, approval_code="STAND1"))
    assert (only(bench).authorised_minor, only(bench).approval_codes[1:]) == (900, ("STAND1",))
    assert bench.account.held_minor == 0
    bench.do(clear_row(900, "refund", network_id="N1"))
    assert (bench.account.balance_minor, bench.state.commons.exceptions) == (10_900, {})
    assert (only(bench).captured_minor, only(bench).ended) == (900, "captured")


def test_a_stand_ins_refund_of_a_purchase_is_one_of_its_own(bench: Bench) -> None:
    """It bears the purchase's id, and takes nothing off its hold."""
    bench.do(request(1_000, network_id="N1"))
    bench.do(advice(900, network_id="N1", stan="000002", transaction=Transaction.REFUND))
    seen = [(p.kind, p.held_minor, p.authorised_minor) for p in bench.account.payments.values()]
    assert seen == [("", 1_000, 1_000), ("refund", 0, 900)]


def test_a_new_total_below_the_fee_takes_the_rest_from_the_fees(bench: Bench) -> None:
    """10.00 and a fee of 5.00 become 2.00: the settlement gives back what it got, the fees the other 3.00."""
    asked = request(1_000, mti="0200", fee_minor=500)
    bench.do(asked)
    bench.do(reversal(asked, new_total_minor=200))
    assert (bench.account.balance_minor, books(bench)) == (9_800, {"funding": -10_000, "fees": 200})
    bench.do(reversal(asked, stan="900002"))
    assert (bench.account.balance_minor, books(bench)) == (10_000, {"funding": -10_000})


def test_an_outlived_answer_is_nobodys_original(bench: Bench) -> None:
    """Half a year later and no record since: as if one had come by and dropped it."""
    asked = request(1_000, mti="0200", network_id="N1", rrn="632610000001")
    bench.do(asked)
    bench.wait(180 * DAY_MS)
    same = {"stan": asked.particulars.stan, "rrn": asked.particulars.rrn}
    for command in (
        reversal(asked, network_id=""),
        reversal(asked, named=c.NO_REFERENCE, network_id="", **same),
        reversal(asked, named=c.NO_REFERENCE),
    ):
        reply = bench.look(command).reply
        assert reply is not None
        assert (reply.reason, reply.response_code) == ("no_original", "25")


def test_an_outlived_answer_is_not_what_a_stand_in_speaks_of(bench: Bench) -> None:
    """Its decline is of nothing that we know."""
    asked = request(1_000, hold_lifetime_ms=60 * DAY_MS)
    bench.do(asked)
    (kept,) = bench.account.kept.values()
    bench.now_ms = kept.forget_ms - 1
    assert len(bench.look(advice(1_000, of=asked, approving=False)).records[0].moved) == 1
    bench.now_ms = kept.forget_ms
    assert bench.look(advice(1_000, of=asked, approving=False)).records[0].moved == ()
