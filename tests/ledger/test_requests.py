"""Authorisation requests: what each reason looks like from outside, and what an approval leaves behind."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_bench import (
    DAY_MS,
    EUR,
    FAR_MS,
    NOBODY,
    START_MS,
    USD,
    Bench,
    card_change,
    credit,
    issue_card,
    open_account,
    request,
)
from msgspec.structs import replace

from authoriser.ledger.apply import apply
from authoriser.ledger.commands import AuthorisationRequest, Reply
from authoriser.ledger.common import approval_code
from authoriser.ledger.records import CardStateChanged, Decided, HoldPlaced
from authoriser.ledger.state import Payment
from rules import CardState, Counted, Facts, Reason, Transaction, default_rules

START_DAY = datetime.fromtimestamp(START_MS / 1000, UTC).toordinal()
"""The account is in UTC."""


def test_an_approval_holds_the_amount(bench: Bench) -> None:
    """An approval reduces what is available, and posts nothing."""
    assert bench.money == (10_000, 0, 10_000)
    assert bench.answer(request(1_000)) == ("approved", "00")
    assert bench.money == (10_000, 1_000, 9_000)


def test_the_record_of_an_approval_has_its_full_effects(bench: Bench) -> None:
    """Replay needs no rule, no policy and no clock: hold, expiry, answer and lifetime stand in the record."""
    asked = request(1_000)
    number = bench.state.record_no + 1
    outcome = bench.do(asked)
    code = approval_code(number)
    expected = Decided(
        at_ms=START_MS,
        account_id="acc-0",
        card_id="card-0",
        last_four="0000",
        key=asked.key,
        particulars=asked.particulars,
        reason=Reason.APPROVED,
        response_code="00",
        approval_code=code,
        hold=HoldPlaced(
            hold_id=number,
            amount_minor=1_000,
            expires_ms=START_MS + 7 * DAY_MS,
            forget_ms=START_MS + 37 * DAY_MS,
        ),
        forget_ms=START_MS + 10 * DAY_MS,
        approved_minor=1_000,
        counted=Counted(START_DAY),
        facts=Facts(
            now_ms=START_MS,
            local_day=START_DAY,
            transaction=Transaction.PURCHASE,
            amount_minor=1_000,
            currency=EUR,
            account_currency=EUR,
            available_minor=10_000,
            card_state=CardState.ACTIVE,
            card_expires_ms=FAR_MS,
        ),
        policy=default_rules().version,
    )
    assert outcome.records == (expected,)
    assert outcome.reply == Reply(Reason.APPROVED, "00", code)
    assert (outcome.account_id, outcome.key, outcome.hold_id) == ("acc-0", asked.key, number)


def test_the_hold_of_an_approval(bench: Bench) -> None:
    """The hold knows its card, its key, what it was placed for and when it ends."""
    asked = request(1_000)
    hold_id = bench.do(asked).hold_id
    expected = Payment(
        hold_id=hold_id,
        card_id="card-0",
        key=asked.key,
        held_minor=1_000,
        authorised_minor=1_000,
        captured_minor=0,
        placed_ms=START_MS,
        expires_ms=START_MS + 7 * DAY_MS,
        forget_ms=START_MS + 37 * DAY_MS,
        approval_codes=(approval_code(hold_id),),
        particulars=asked.particulars,
        counted=Counted(START_DAY),
    )
    assert bench.account.holds == {hold_id: expected}


def test_a_decline_holds_nothing(bench: Bench) -> None:
    """A decline is remembered and moves nothing."""
    outcome = bench.do(request(10_001))
    assert outcome.reply == Reply(Reason.INSUFFICIENT_FUNDS, "51")
    assert outcome.hold_id == 0
    assert bench.money == (10_000, 0, 10_000)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (request(10_000), ("approved", "00")),
        (request(10_001), ("insufficient_funds", "51")),
        (request(0, transaction=Transaction.VERIFICATION), ("verified", "85")),
        (request(0), ("invalid_amount", "13")),
        (request(1_000, currency=USD), ("wrong_currency", "13")),
        (request(1_000, transaction=Transaction.UNSUPPORTED), ("unsupported_transaction", "12")),
        (request(1_000, stated_expiry="9912"), ("approved", "00")),
        (request(1_000, stated_expiry="9911"), ("expiry_mismatch", "54")),
        (request(1_000, card=NOBODY), ("unknown_card", "14")),
        (replace(request(1_000), token=None), ("unknown_card", "14")),
        (request(1_000, transaction=Transaction.CASH), ("approved", "00")),
        (replace(request(1_000, transaction=Transaction.CASHBACK), cashback_minor=400), ("approved", "00")),
        (request(1_000, transaction=Transaction.CASHBACK), ("invalid_amount", "13")),
        (request(1_000, transaction=Transaction.REFUND), ("approved", "00")),
        (request(0, transaction=Transaction.INQUIRY), ("balance_given", "00")),
    ],
)
def test_reasons_of_the_request(bench: Bench, asked: AuthorisationRequest, expected: tuple[str, str]) -> None:
    """Each reason that the request itself can give, with its DE39."""
    assert bench.answer(asked) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (CardState.INACTIVE, ("card_inactive", "78")),
        (CardState.FROZEN, ("card_frozen", "62")),
        (CardState.BLOCKED, ("card_blocked", "62")),
        (CardState.LOST, ("card_lost", "41")),
        (CardState.STOLEN, ("card_stolen", "43")),
        (CardState.CLOSED, ("card_closed", "46")),
    ],
)
def test_reasons_of_the_card(
    make_bench: Callable[..., Bench], state: CardState, expected: tuple[str, str]
) -> None:
    """Each state of a card that does not spend, with its DE39."""
    assert make_bench().with_card(state=state).answer(request()) == expected


def test_an_expired_card(make_bench: Callable[..., Bench]) -> None:
    """At `expires_ms` the card is over: the millisecond before, it still paid."""
    bench = make_bench().with_card(balance_minor=0)
    bench.do(credit(5_000))
    bench.do(issue_card(1, expires_ms=START_MS + DAY_MS))
    bench.wait(DAY_MS - 1)
    assert bench.answer(request(card=1, stan="000001")) == ("approved", "00")
    bench.wait(1)
    assert bench.answer(request(card=1, stan="000002")) == ("card_expired", "54")


def test_the_credit_line_can_be_spent(make_bench: Callable[..., Bench]) -> None:
    """Available is balance plus credit line less holds, and not one minor unit more is approved (P4)."""
    bench = make_bench()
    bench.do(open_account(credit_line_minor=500))
    bench.do(issue_card())
    bench.do(credit(1_000))
    assert bench.answer(request(1_400, stan="000001")) == ("approved", "00")
    assert bench.answer(request(101, stan="000002")) == ("insufficient_funds", "51")
    assert bench.answer(request(100, stan="000003")) == ("approved", "00")
    assert bench.money == (1_000, 1_500, 0)


def test_cards_of_one_account_share_its_funds(bench: Bench) -> None:
    """The account is what holds money; a card is a way to it."""
    bench.do(issue_card(1))
    assert bench.answer(request(10_000, card=0)) == ("approved", "00")
    assert bench.answer(request(1, card=1)) == ("insufficient_funds", "51")


def test_a_frozen_card_is_declined_and_an_unfrozen_one_pays_again(bench: Bench) -> None:
    """A freeze governs every decision after it, until it is lifted (P5)."""
    bench.do(card_change(CardState.FROZEN, key="k1"))
    assert bench.answer(request(stan="000001")) == ("card_frozen", "62")
    bench.do(card_change(CardState.ACTIVE, key="k2"))
    assert bench.answer(request(stan="000002")) == ("approved", "00")


def test_a_verification_has_an_approval_code_and_no_hold(bench: Bench) -> None:
    """85 goes back with a DE38, and nothing is held."""
    number = bench.state.record_no + 1
    outcome = bench.do(request(0, transaction=Transaction.VERIFICATION))
    assert outcome.reply == Reply(Reason.VERIFIED, "85", approval_code(number))
    assert outcome.hold_id == 0
    assert bench.account.holds == {}


def test_an_unknown_card_touches_no_account(bench: Bench) -> None:
    """Its answer is kept with the shard, so that its repeat is known."""
    asked = request(card=NOBODY)
    bench.do(asked)
    assert list(bench.state.commons.unknown_kept) == [asked.key]
    assert bench.account.kept == {}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "000000"),
        (1, "000001"),
        (35, "00000Z"),
        (36, "000010"),
        (1_295, "0000ZZ"),
        (1_296, "000100"),
        (36**4, "010000"),
        (36**6 - 1, "ZZZZZZ"),
        (36**6, "000000"),
    ],
)
def test_approval_code(number: int, expected: str) -> None:
    """DE38 is the record's number, six characters in base 36; it begins again after 36 to the sixth."""
    assert approval_code(number) == expected


@given(st.integers(0, 36**6 - 1))
def test_approval_codes_are_unique(number: int) -> None:
    """Python reads the record's number back from its code."""
    code = approval_code(number)
    assert (len(code), int(code, 36)) == (6, number)


def test_a_state_that_no_command_sets_governs_too(bench: Bench) -> None:
    """Lost and stolen come from no command yet; a record of them declines all the same."""
    audit = card_change(CardState.FROZEN, key="k").audit
    apply(
        bench.state,
        CardStateChanged(START_MS, "acc-0", "card-0", CardState.ACTIVE, CardState.LOST, audit),
    )
    assert bench.answer(request()) == ("card_lost", "41")
    assert bench.card.expires_ms == FAR_MS
