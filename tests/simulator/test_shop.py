"""The mix is what was asked for, the seed decides it, and repeats and reversals go by what was answered."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from simulator.cards import make_cards
from simulator.checks import Answer
from simulator.errors import SimulatorError
from simulator.merchants import Town, merchants
from simulator.messages import encode
from simulator.shop import Kind, Mix, Planned, Shop
from simulator.testing import CARD, MOMENT

ONLY_PAYMENTS = Mix(verification=0, foreign=0, repeat=0, reversal=0, reversal_advice=0)

EVERYTHING = Mix(
    reversal=10, reversal_advice=10, repeat=10, increment=5, completion=10, advice=5, refund=5, inquiry=5
)


def drawn(count: int, mix: Mix, seed: int = 1) -> list[Planned]:
    """Messages of a shop in which everything is approved at once."""
    shop = Shop(make_cards(20, currencies=("EUR", "GBP", "JPY", "SEK")), mix, seed=seed)
    planned = []
    for number in range(count):
        one = shop.next(MOMENT)
        planned.append(one)
        shop.learn(one, Answer("85" if one.kind is Kind.VERIFICATION else "00", f"{number:06d}"))
    return planned


def test_the_seed_decides_what_is_sent() -> None:
    """The same seed draws the same messages, another draws others."""
    assert drawn(200, Mix()) == drawn(200, Mix())
    assert drawn(200, Mix()) != drawn(200, Mix(), seed=2)


def test_everything_drawn_encodes() -> None:
    """Names, amounts and codes of every merchant fit their fields."""
    for planned in drawn(2000, EVERYTHING):
        encode(planned.fields)


def test_shares_are_what_the_mix_says() -> None:
    """Of 4,000 messages, each kind within a fifth of its share."""
    mix = Mix(
        verification=10,
        foreign=5,
        repeat=10,
        reversal=10,
        reversal_advice=5,
        increment=5,
        completion=5,
        advice=5,
        refund=5,
        inquiry=5,
    )
    counts = Counter(planned.kind for planned in drawn(4000, mix))
    expected = {
        Kind.PAYMENT: 1400,
        Kind.VERIFICATION: 400,
        Kind.FOREIGN: 200,
        Kind.REPEAT: 400,
        Kind.REVERSAL: 400,
        Kind.REVERSAL_ADVICE: 200,
        Kind.INCREMENT: 200,
        Kind.COMPLETION: 200,
        Kind.ADVICE: 200,
        Kind.REFUND: 200,
        Kind.INQUIRY: 200,
    }
    assert set(counts) == set(expected)
    assert [kind for kind, count in expected.items() if abs(counts[kind] - count) > count / 5] == []


def test_a_payment_is_in_the_card_s_currency_and_above_zero() -> None:
    """A verification is for zero, a foreign payment in another currency."""
    for planned in drawn(2000, Mix(verification=20, foreign=20, repeat=0, reversal=0, reversal_advice=0)):
        own = planned.fields["49"] == planned.card.currency_number
        zero = int(planned.fields["4"]) == 0
        assert (own, zero) == (planned.kind is not Kind.FOREIGN, planned.kind is Kind.VERIFICATION)


def test_a_repeat_is_of_an_answered_request_and_knows_the_answer() -> None:
    """0101 with everything else as it was, and the answer that it must get again."""
    shop = Shop([CARD], Mix(verification=0, foreign=0, repeat=100, reversal=0, reversal_advice=0), seed=1)
    first = shop.next(MOMENT)
    assert first.kind is Kind.PAYMENT
    shop.learn(first, Answer("51", ""))
    expected = Planned(Kind.REPEAT, {**first.fields, "t": "0101"}, CARD, Answer("51", ""))
    assert shop.next(MOMENT) == expected


def test_what_was_not_decided_is_not_repeated() -> None:
    """After 91 the issuer may answer otherwise, so nothing is demanded."""
    shop = Shop([CARD], Mix(verification=0, foreign=0, repeat=100, reversal=0, reversal_advice=0), seed=1)
    shop.learn(shop.next(MOMENT), Answer("91", ""))
    assert shop.next(MOMENT).kind is Kind.PAYMENT


def test_an_approval_is_reversed_once_and_a_decline_never() -> None:
    """The reversal names the approval by DE90 and DE38; then there is nothing left to reverse."""
    shop = Shop([CARD], Mix(verification=0, foreign=0, repeat=0, reversal=100, reversal_advice=0), seed=1)
    approved, declined = shop.next(MOMENT), shop.next(MOMENT)
    shop.learn(approved, Answer("00", "A1B2C3"))
    shop.learn(declined, Answer("51", ""))
    reversal = shop.next(MOMENT)
    fields = reversal.fields
    expected = ("0400", "A1B2C3", approved.fields["11"], approved.fields["37"])
    assert (fields["t"], fields["38"], fields["90"][4:10], fields["37"]) == expected
    assert shop.next(MOMENT).kind is Kind.PAYMENT


def only(**shares: float) -> Mix:
    return replace(ONLY_PAYMENTS, **shares)


def approving_shop(mix: Mix) -> tuple[Shop, Planned]:
    """A shop whose first payment was approved."""
    shop = Shop([CARD], mix, seed=1)
    first = shop.next(MOMENT)
    shop.learn(first, Answer("00", "A1B2C3"))
    return shop, first


def test_an_approval_is_completed_once() -> None:
    """0220 for its amount, naming it by DE38; then there is nothing left to complete."""
    shop, first = approving_shop(only(completion=100))
    completion = shop.next(MOMENT)
    fields = completion.fields
    assert (completion.kind, fields["t"], fields["38"]) == (Kind.COMPLETION, "0220", "A1B2C3")
    assert (fields["4"], fields["37"]) == (first.fields["4"], first.fields["37"])
    assert shop.next(MOMENT).kind is Kind.PAYMENT


def test_an_approval_grows_and_stays() -> None:
    """0100 with half as much again, flagged and naming its original; it can still be reversed."""
    shop, first = approving_shop(only(increment=100))
    for _ in range(2):
        grown = shop.next(MOMENT)
        fields = grown.fields
        assert (grown.kind, fields["t"], fields["63"]) == (Kind.INCREMENT, "0100", "0301I")
        assert int(fields["4"]) == max(1, int(first.fields["4"]) // 2)
        assert fields["90"][:10] == "0100" + first.fields["11"]


@pytest.mark.parametrize(
    ("kind", "mti", "de3"),
    [(Kind.ADVICE, "0120", "00"), (Kind.REFUND, "0100", "20"), (Kind.INQUIRY, "0100", "31")],
)
def test_what_stands_by_itself(kind: Kind, mti: str, de3: str) -> None:
    """An advice says 00; an inquiry has no amount; a refund's approval is not reversed or completed."""
    shop = Shop([CARD], only(**{kind.value: 100}), seed=1)
    planned = shop.next(MOMENT)
    fields = planned.fields
    assert (planned.kind, fields["t"], fields["3"][:2]) == (kind, mti, de3)
    assert fields.get("39") == ("00" if kind is Kind.ADVICE else None)
    assert (int(fields["4"]) == 0) == (kind is Kind.INQUIRY)


def test_a_refund_is_not_followed_up() -> None:
    """Only payments are reversed, completed and increased here."""
    shop = Shop([CARD], only(refund=50, completion=50), seed=3)
    for number in range(20):
        planned = shop.next(MOMENT)
        shop.learn(planned, Answer("00", f"{number:06d}"))
        if planned.kind is Kind.COMPLETION:
            assert planned.fields["3"] == "000000"


def test_numbers_go_round() -> None:
    """After 999999 comes 000001; 000000 is nobody's."""
    shop = Shop([CARD], ONLY_PAYMENTS, seed=1, first_stan=999_999)
    assert [shop.next_stan() for _ in range(3)] == ["999999", "000001", "000002"]


def test_a_mix_is_read_from_words() -> None:
    """Kinds not named keep their share; a dash is as good as an underscore."""
    assert Mix(repeat=7.5, reversal_advice=0) == Mix.parse("repeat=7.5, reversal-advice=0")
    assert Mix() == Mix.parse("")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repeat", "--mix: 'repeat' is not NAME=PERCENT"),
        ("repeat=x", "--mix: 'repeat=x' is not NAME=PERCENT"),
        (
            "tip=3",
            (
                "--mix: no kind tip; the kinds are verification, foreign, repeat, reversal, reversal_advice, "
                "increment, completion, advice, refund, inquiry"
            ),
        ),
        ("repeat=99", "--mix: shares are percentages that sum to at most 100, not 105.5"),
        ("repeat=-1", "--mix: shares are percentages that sum to at most 100, not 5.5"),
        ("repeat=nan", "--mix: shares are percentages that sum to at most 100, not nan"),
    ],
)
def test_a_wrong_mix_is_named(text: str, message: str) -> None:
    """With what would be right."""
    with pytest.raises(SimulatorError) as caught:
        Mix.parse(text)
    assert message == str(caught.value)


def test_every_kind_of_place_has_a_merchant_and_every_merchant_fits_de43() -> None:
    """25 characters of name, 13 of city, and terminals that no two merchants share."""
    everyone = merchants()
    tills = [till for each in everyone for till in each.tills]
    assert [till.name for till in tills if len(till.name) > 25 or len(till.city) > 13] == []
    terminals = sorted(till.terminal_id for till in tills)
    assert [one for one, other in pairwise(terminals) if one == other] == []
    assert {len(till.terminal_id) for till in tills} == {8}
    assert sum(each.weight for each in everyone) == pytest.approx(100)


def test_a_currency_nobody_takes_is_taken_by_all() -> None:
    """A card in a currency without merchants of its own still pays somewhere."""
    planned = Shop(make_cards(1, currencies=("SEK",)), ONLY_PAYMENTS, seed=1).next(MOMENT)
    assert planned.fields["49"] == "752"


def test_amounts_have_the_currency_s_digits() -> None:
    """A yen has no cents: amounts in yen are whole units, not a hundred times as much."""
    import random

    median_minor = sorted(Town("JPY", 0, random.Random(1)).sale().amount_minor for _ in range(1001))[500]
    assert 10 < median_minor < 100
