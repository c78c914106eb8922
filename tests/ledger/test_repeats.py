"""P3: a repeat gets the very answer first given and moves no money; and how long, and how much, is remembered."""

from collections.abc import Callable

import pytest
from ledger_bench import (
    DAY_MS,
    HOUR_MS,
    NOBODY,
    START_MS,
    USD,
    Bench,
    card_change,
    credit,
    issue_card,
    request,
    reversal,
)
from msgspec.structs import replace

from authoriser.ledger.commands import Reply
from rules import CardState, Reason


def test_a_repeat_gets_the_answer_first_given(bench: Bench) -> None:
    """The same key again: the same reason, DE39 and DE38, no record, and its hold is named."""
    first = bench.do(request())
    again = bench.do(request())
    assert again.reply == first.reply
    assert (again.records, again.repeated, again.hold_id) == ((), True, first.hold_id)
    assert bench.money == (10_000, 1_000, 9_000)


def test_a_repeat_of_a_decline_is_declined_even_when_funds_came(bench: Bench) -> None:
    """Rules are not asked again: the first answer stands."""
    assert bench.answer(request(20_000)) == ("insufficient_funds", "51")
    bench.do(credit(50_000, key="more"))
    assert bench.answer(request(20_000)) == ("insufficient_funds", "51")


def test_a_repeat_of_an_approval_is_approved_even_when_frozen(bench: Bench) -> None:
    """The first answer stands, and nothing more is held."""
    bench.do(request())
    bench.do(card_change(CardState.FROZEN, key="freeze"))
    assert bench.answer(request()) == ("approved", "00")
    assert bench.money == (10_000, 1_000, 9_000)


@pytest.mark.parametrize(
    "changed", [{"amount_minor": 1_001}, {"currency": USD}, {"processing_code": "010000"}]
)
def test_the_same_key_for_something_else(bench: Bench, changed: dict[str, str | int]) -> None:
    """Another amount, currency or processing code under a key that was answered: 94, and nothing moves."""
    asked = request(1_000)
    bench.do(asked)
    other = replace(asked, particulars=replace(asked.particulars, **changed))
    outcome = bench.do(other)
    assert outcome.reply == Reply(Reason.DUPLICATE_MISMATCH, "94")
    assert (outcome.records, outcome.repeated, outcome.key) == ((), False, "")


def test_a_mismatch_does_not_replace_the_first_answer(bench: Bench) -> None:
    """After a 94 the repeat of the original still gets the original's answer."""
    bench.do(request(1_000))
    assert bench.answer(request(2_000)) == ("duplicate_mismatch", "94")
    assert bench.answer(request(1_000)) == ("approved", "00")


@pytest.mark.parametrize(
    "other",
    [
        {"network": "net-b"},
        {"transmission": "0102030406"},
        {"stan": "000002"},
        {"acquirer": "501"},
        {"rrn": "RRN000000001"},
        {"card": 1},
        {"mti": "0200"},
    ],
)
def test_every_part_of_the_key_tells_requests_apart(bench: Bench, other: dict[str, str | int]) -> None:
    """Network, card, MTI, DE7, DE11, DE32 and DE37: one of them different is another request."""
    bench.do(issue_card(1))
    bench.do(request())
    outcome = bench.do(request(**other))
    assert (outcome.repeated, len(outcome.records)) == (False, 1)


def test_what_is_not_in_the_key_does_not_tell_requests_apart(bench: Bench) -> None:
    """A merchant's name written otherwise, or another line of the network, is still the same request."""
    bench.do(request())
    assert bench.do(request(merchant="THE SHOP", link="link-b")).repeated


def test_an_unknown_card_keeps_its_answer_once_issued(bench: Bench) -> None:
    """P3 holds across the issue of the card: the network was told 14 for this key."""
    assert bench.answer(request(card=1, stan="000001")) == ("unknown_card", "14")
    bench.do(issue_card(1))
    assert bench.answer(request(card=1, stan="000001")) == ("unknown_card", "14")
    assert bench.answer(request(card=1, stan="000002")) == ("approved", "00")


def test_a_mismatch_is_noticed_across_the_issue_of_the_card(bench: Bench) -> None:
    """The key of an unknown card is a key like any other."""
    bench.do(request(1_000, card=1))
    bench.do(issue_card(1))
    assert bench.answer(request(2_000, card=1)) == ("duplicate_mismatch", "94")


def test_a_number_that_fails_luhn_is_remembered_too(bench: Bench) -> None:
    """A repeat of a mistyped number gets its 14 from memory."""
    mistyped = replace(request(card=NOBODY), token=None)
    bench.do(mistyped)
    assert bench.do(mistyped).repeated


def test_a_decline_is_remembered_for_a_day(bench: Bench) -> None:
    """Forgetting goes by the time of records: a quiet account forgets nothing, however late it is."""
    late = request(20_000, stan="000001")
    bench.do(late)
    bench.wait(30 * DAY_MS)
    assert bench.do(late).repeated


def test_a_later_record_brings_the_forgetting(bench: Bench) -> None:
    """At the full hour after its day, the next record of the account drops the key."""
    late = request(20_000, stan="000001")
    bench.do(late)
    bench.wait(DAY_MS - 1)
    bench.do(request(20_000, stan="000002"))
    assert bench.do(late).repeated
    bench.wait(1)
    bench.do(request(20_000, stan="000003"))
    assert not bench.look(late).repeated


def test_forgetting_waits_for_the_full_hour(bench: Bench) -> None:
    """So that an account is swept at most once an hour."""
    bench.wait(1)
    bench.do(request(20_000))
    (kept,) = bench.account.kept.values()
    assert kept.forget_ms == START_MS + DAY_MS + HOUR_MS


def test_an_operators_record_brings_the_forgetting_too(bench: Bench) -> None:
    """Any record of the account does, so that one without card payments does not grow for ever."""
    bench.do(credit(1, key="k1", forget_ms=START_MS + DAY_MS))
    bench.do(request(20_000))
    bench.wait(DAY_MS)
    bench.do(credit(1, key="k2"))
    assert bench.account.kept == {}
    assert sorted(bench.account.changes) == ["credit", "issue-0", "k2", "open"]


def test_an_approval_is_remembered_longer_than_its_hold(bench: Bench) -> None:
    """Ten days: the hold's seven and three of store-and-forward, so that a late reversal finds it."""
    bench.do(request(stan="000001"))
    bench.wait(10 * DAY_MS - 1)
    bench.do(request(20_000, stan="000002"))
    assert bench.do(request(stan="000001")).repeated


def test_a_full_account_refuses_new_requests(make_bench: Callable[..., Bench]) -> None:
    """91, nothing is kept, and no answer is forgotten before its time: repeats still get theirs."""
    bench = make_bench(kept_answers_max=2).with_card()
    bench.do(request(stan="000001"))
    bench.do(request(stan="000002"))
    outcome = bench.do(request(stan="000003"))
    assert outcome.reply == Reply(Reason.NOT_ADMITTED, "91")
    assert (outcome.refused, outcome.records) == (True, ())
    assert bench.answer(request(stan="000001")) == ("approved", "00")
    assert bench.money == (10_000, 2_000, 8_000)


def test_a_full_account_admits_again_once_its_answers_are_outlived(
    make_bench: Callable[..., Bench],
) -> None:
    """Fullness counts what is still alive: otherwise only a record could make room, and none is admitted."""
    bench = make_bench(kept_answers_max=2).with_card()
    bench.do(request(20_000, stan="000001"))
    bench.wait(HOUR_MS)
    bench.do(request(20_000, stan="000002"))
    bench.wait(23 * HOUR_MS - 1)
    assert bench.answer(request(stan="000003")) == ("not_admitted", "91")
    bench.wait(1)
    assert bench.answer(request(stan="000003")) == ("approved", "00")
    assert bench.answer(request(stan="000004")) == ("not_admitted", "91")


def test_a_full_account_still_takes_reversals(make_bench: Callable[..., Bench]) -> None:
    """Up to twice the bound: the money of what was approved must be able to come back."""
    bench = make_bench(kept_answers_max=1).with_card()
    asked = request()
    bench.do(asked)
    assert bench.answer(reversal(asked)) == ("reversal_done", "00")
    assert bench.do(reversal(asked, stan="900002")).refused


def test_unknown_cards_fill_their_own_memory_only(make_bench: Callable[..., Bench]) -> None:
    """Someone trying numbers is refused when it is full; cards that exist go on."""
    bench = make_bench(unknown_card_answers_max=2).with_card()
    for stan in ("000001", "000002"):
        assert bench.answer(request(card=NOBODY, stan=stan)) == ("unknown_card", "14")
    assert bench.answer(request(card=NOBODY, stan="000003")) == ("not_admitted", "91")
    assert bench.answer(request(card=NOBODY, stan="000001")) == ("unknown_card", "14")
    assert bench.answer(request(stan="000003")) == ("approved", "00")


def test_unknown_cards_are_admitted_again_a_day_later(make_bench: Callable[..., Bench]) -> None:
    """As on an account: what is outlived does not count."""
    bench = make_bench(unknown_card_answers_max=1).with_card()
    bench.do(request(card=NOBODY, stan="000001"))
    bench.wait(DAY_MS)
    assert bench.answer(request(card=NOBODY, stan="000002")) == ("unknown_card", "14")
    assert len(bench.state.commons.unknown_kept) == 1


def test_reversals_for_unknown_cards_end_at_twice_the_bound(make_bench: Callable[..., Bench]) -> None:
    """Memory has an end for them too."""
    bench = make_bench(unknown_card_answers_max=1).with_card()
    asked = request(card=NOBODY)
    assert bench.answer(reversal(asked, stan="900001")) == ("no_original", "25")
    assert bench.answer(reversal(asked, stan="900002")) == ("no_original", "25")
    assert bench.do(reversal(asked, stan="900003")).refused
