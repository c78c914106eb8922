"""What a card has used of its limits in the corners of payments' lives: given back where it counted, and as it did.

The arithmetic of one counter is in tests/rules/test_usage.py. One fact a test.
"""

from typing import Any

from ledger_bench import (
    DAY_MS,
    Bench,
    advice,
    completion,
    increment,
    release_hold,
    replace_card,
    request,
    reversal,
    token,
)
from msgspec.structs import replace

from authoriser.ledger import commands as c
from rules import Check, Checks, Entry

PIN = Checks(pin=Check.PASSED)


def used(bench: Bench, card_id: str = "card-0", name: str = "") -> tuple[int, int]:
    """Amount and number of a card's payments of today, of one class or of all."""
    usage = bench.account.cards[card_id].used(name)
    return usage.day_minor, usage.day_count


def taps(bench: Bench, card_id: str = "card-0") -> tuple[int, int]:
    card = bench.account.cards[card_id]
    return card.contactless_count, card.contactless_minor


def recent(bench: Bench, card_id: str = "card-0") -> list[int]:
    return [spend.amount_minor for spend in bench.account.cards[card_id].recent or ()]


def tap(amount_minor: int, stan: str, **said: Any) -> c.AuthorisationRequest:
    return request(amount_minor, stan=stan, entry=Entry.CONTACTLESS, **said)


# ---- a card and its successor


def test_what_was_paid_before_a_replacement_is_given_back_to_both_cards(bench: Bench) -> None:
    """The new card began with what the old one had used: what is reversed counts for neither."""
    asked = tap(1_000, "000001")
    bench.do(asked)
    bench.do(replace_card())
    bench.do(reversal(asked))
    for card_id in ("card-0", "card-1"):
        assert (used(bench, card_id), recent(bench, card_id), taps(bench, card_id)) == ((0, 0), [], (0, 0))


def test_what_the_old_card_paid_after_its_replacement_is_its_own(bench: Bench) -> None:
    """The new card never had it, so nothing is given back to it."""
    bench.do(request(700, stan="000001"))
    bench.do(replace_card())
    later = request(1_000, stan="000002")
    bench.do(later)
    bench.do(reversal(later))
    assert (used(bench), used(bench, "card-1")) == ((700, 1), (700, 1))


def test_an_increment_with_the_new_number_is_given_back_to_the_new_card(bench: Bench) -> None:
    """There it counted, and the old card has its own part still."""
    first = request(1_000, network_id="N1")
    bench.do(first)
    bench.do(replace_card())
    grown = replace(increment(first, 500, network_id="N1"), token=token(1))
    bench.do(grown)
    assert (used(bench), used(bench, "card-1")) == ((1_000, 1), (1_500, 1))
    bench.do(reversal(grown))
    assert (used(bench), used(bench, "card-1")) == ((1_000, 1), (1_000, 1))


def test_a_voided_increment_with_the_new_number_is_given_back_to_the_new_card(bench: Bench) -> None:
    """As its reversal is."""
    first = request(1_000, network_id="N1")
    hold_id = bench.do(first).hold_id
    bench.do(replace_card())
    grown = replace(increment(first, 500, network_id="N1"), token=token(1))
    bench.do(grown)
    bench.do(c.VoidAnswer("acc-0", grown.key, hold_id))
    assert (used(bench), used(bench, "card-1")) == ((1_000, 1), (1_000, 1))


def test_a_row_of_replacements_gives_back_as_far_as_it_counted(bench: Bench) -> None:
    """Paid with the second of three cards: on the third too, if that came later."""
    bench.do(replace_card(key="k1"))
    early = request(300, card=1, stan="000001")
    bench.do(early)
    bench.do(replace_card("card-1", card=2, key="k2"))
    late = request(1_000, card=1, stan="000002")
    bench.do(late)
    bench.do(reversal(late))
    assert (used(bench, "card-1"), used(bench, "card-2")) == ((300, 1), (300, 1))
    bench.do(reversal(early, stan="900002"))
    assert [used(bench, f"card-{card}") for card in range(3)] == [(0, 0), (0, 0), (0, 0)]


# ---- what made a payment grow


def hotel(bench: Bench) -> tuple[c.AuthorisationRequest, c.AuthorisationRequest]:
    """20.00 by chip, and a day later 8.00 more on line."""
    first = request(2_000, network_id="N1", entry=Entry.CHIP)
    grown = increment(first, 800, network_id="N1", entry=Entry.ECOMMERCE)
    bench.do(first)
    bench.wait(DAY_MS)
    bench.do(grown)
    assert (used(bench, name="ecommerce"), used(bench)) == ((800, 0), (800, 0))
    return first, grown


def test_a_full_reversal_gives_each_part_back_as_it_counted(bench: Bench) -> None:
    """The class and the day of the increment are not those of the first message."""
    first, _grown = hotel(bench)
    bench.do(reversal(first))
    assert (used(bench, name="ecommerce"), used(bench), recent(bench)) == ((0, 0), (0, 0), [])
    assert (bench.card.used("").month_minor, bench.card.used("").month_count) == (0, 0)


def test_an_operators_release_gives_each_part_back_as_it_counted(bench: Bench) -> None:
    """As a reversal does."""
    hotel(bench)
    (hold_id,) = bench.account.holds
    bench.do(release_hold(hold_id))
    assert (used(bench, name="ecommerce"), used(bench), recent(bench)) == ((0, 0), (0, 0), [])


def test_a_new_total_takes_off_what_came_last(bench: Bench) -> None:
    """28.00 become 25.00: three of the increment's eight."""
    first, _grown = hotel(bench)
    bench.do(reversal(first, new_total_minor=2_500))
    assert (used(bench, name="ecommerce"), used(bench), recent(bench)) == ((500, 0), (500, 0), [2_000, 500])


def test_a_stand_in_that_declines_an_increment_gives_back_what_that_counted(bench: Bench) -> None:
    """And of its class and day."""
    _first, grown = hotel(bench)
    bench.do(advice(800, of=grown, approving=False))
    assert (used(bench, name="ecommerce"), used(bench), recent(bench)) == ((0, 0), (0, 0), [2_000])


def test_a_stand_in_that_changes_an_increment_changes_what_that_counted(bench: Bench) -> None:
    """9.00 on line instead of 8.00, and then the whole of it goes."""
    first, grown = hotel(bench)
    bench.do(advice(900, of=grown))
    assert (used(bench, name="ecommerce"), used(bench), recent(bench)) == ((900, 0), (900, 0), [2_000, 900])
    bench.do(reversal(first))
    assert (used(bench, name="ecommerce"), used(bench), recent(bench)) == ((0, 0), (0, 0), [])


def test_what_was_given_back_of_an_increment_is_not_given_back_again(bench: Bench) -> None:
    """Its own reversal, then that of the payment: each class is where it began."""
    first, grown = hotel(bench)
    other = request(300, stan="000077", entry=Entry.ECOMMERCE)
    bench.do(other)
    bench.do(reversal(grown))
    bench.do(reversal(first, stan="900002"))
    assert (used(bench, name="ecommerce"), used(bench), recent(bench)) == ((300, 1), (300, 1), [300])


def test_a_completion_leaves_every_part_as_it_is(bench: Bench) -> None:
    """What is captured stays spent, as each message counted it."""
    first, _grown = hotel(bench)
    bench.do(completion(2_800, of=first, network_id="N1"))
    assert (used(bench, name="ecommerce"), used(bench), recent(bench)) == ((800, 0), (800, 0), [2_000, 800])


# ---- taps


def test_a_tap_from_before_the_pin_takes_nothing_off_the_taps_since(bench: Bench) -> None:
    """The counters are about what came after the last strong authentication."""
    before, since = tap(700, "000001"), tap(500, "000003")
    bench.do(before)
    bench.do(request(900, stan="000002", entry=Entry.CHIP, checks=PIN))
    bench.do(since)
    bench.do(reversal(before))
    assert taps(bench) == (1, 500)
    bench.do(reversal(since, stan="900002"))
    assert taps(bench) == (0, 0)


def test_a_tap_that_a_stand_in_approved_counts(bench: Bench) -> None:
    """Every tap since the last PIN, whoever approved it; and no more when it is reversed."""
    told = advice(1_200, entry=Entry.CONTACTLESS)
    bench.do(told)
    assert taps(bench) == (1, 1_200)
    bench.do(reversal(told))
    assert taps(bench) == (0, 0)


def test_a_stand_in_begins_no_counter_again(bench: Bench) -> None:
    """Its advice does not say that a PIN was checked and right."""
    bench.do(tap(700, "000001"))
    bench.do(advice(1_200, stan="000002", entry=Entry.CHIP))
    assert taps(bench) == (1, 700)
