"""The day's clearing in the corners of payments' lives: what an operator settles, and what must not be posted twice.

What each kind of row does is in docs/semantics.md. One fact a test.
"""

from typing import Any

import pytest
from ledger_bench import (
    DAY_MS,
    USD,
    Bench,
    clear_row,
    completion,
    request,
    reversal,
    settle_exception,
)
from msgspec.structs import replace

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from rules import Transaction

Row = tuple[int, int, int, int, str]


def payments(bench: Bench) -> list[Row]:
    """Held, authorised, captured and online of each payment, and how it ended."""
    return [
        (p.held_minor, p.authorised_minor, p.captured_minor, p.online_minor, p.ended)
        for p in bench.account.payments.values()
    ]


def books(bench: Bench) -> dict[str, int]:
    """What the books have, by the beginning of their names, without those of nothing."""
    sums: dict[str, int] = {}
    for name, amount_minor in bench.state.commons.books.items():
        beginning = name.partition(":")[0]
        sums[beginning] = sums.get(beginning, 0) + amount_minor
    return {name: amount_minor for name, amount_minor in sums.items() if amount_minor and name != "funding"}


def faults(bench: Bench) -> list[str]:
    return [entry.kind for entry in bench.state.commons.exceptions.values()]


def two(bench: Bench, **said: Any) -> tuple[int, int]:
    """Two payments of 10.00 under one network id."""
    both = (request(1_000, network_id="N1", stan=stan, **said) for stan in ("000001", "000002"))
    one, other = (bench.do(asked).hold_id for asked in both)
    return one, other


def settle(bench: Bench, hold_id: int) -> None:
    """An operator says which payment the newest entry of the list meant."""
    newest = list(bench.state.commons.exceptions)[-1]
    bench.do(settle_exception(newest, hold_id))


# ---- an operator settles it


@pytest.mark.parametrize("kind", ["refund", "chargeback", "representment"])
def test_a_row_that_touches_no_hold_touches_none_when_it_is_settled(bench: Bench, kind: str) -> None:
    """Both purchases are still to be cleared."""
    one, _other = two(bench)
    bench.do(clear_row(1_000, kind, network_id="N1"))
    assert faults(bench) == ["clearing_ambiguous"]
    settle(bench, one)
    assert (payments(bench), faults(bench)) == ([(1_000, 1_000, 0, 0, "")] * 2, [])


def test_a_settled_reversal_takes_off_what_was_captured(bench: Bench) -> None:
    """Of the payment that was meant, as if the row had met it at once."""
    one, _other = two(bench)
    for number, approval_code in enumerate(p.approval_codes[0] for p in bench.account.payments.values()):
        bench.do(clear_row(1_000, network_id="N1", approval_code=approval_code, reference=f"REF-{number}"))
    assert payments(bench) == [(0, 1_000, 1_000, 0, "captured")] * 2
    bench.do(clear_row(1_000, "reversal", network_id="N1"))
    settle(bench, one)
    assert [row[2] for row in payments(bench)] == [0, 1_000]


def test_a_settled_row_that_is_not_the_last_leaves_the_rest_held(bench: Bench) -> None:
    """Part one of two: the second part is still to come."""
    one, _other = two(bench)
    bench.do(clear_row(400, network_id="N1", final=False))
    settle(bench, one)
    assert payments(bench) == [(600, 1_000, 400, 0, ""), (1_000, 1_000, 0, 0, "")]


def test_a_settled_row_of_what_was_posted_online_comes_back(bench: Bench) -> None:
    """Two single messages and one row: the customer has paid three times until an operator says what the row meant."""
    one, other = two(bench, mti="0200", fee_minor=50)
    bench.do(clear_row(1_000, network_id="N1", fee_minor=50))
    assert (bench.account.balance_minor, books(bench)) == (10_000 - 3_150, {"settlement": 3_000, "fees": 150})
    settle(bench, one)
    assert (bench.account.balance_minor, books(bench)) == (10_000 - 2_100, {"settlement": 2_000, "fees": 100})
    assert payments(bench) == [(0, 1_050, 1_050, 0, "captured"), (0, 1_050, 1_050, 1_050, "captured")]
    assert bench.records[-1].entries == (
        r.Entry("presentment", 1_000, "settlement:net-a:20270115:978"),
        r.Entry("fee", 50, "fees:978"),
    )
    bench.do(clear_row(1_000, network_id="N1", fee_minor=50, reference="REF-2"))
    assert (bench.account.balance_minor, faults(bench)) == (10_000 - 2_100, [])
    assert bench.account.payments[other].online_minor == 0


def test_what_differs_is_told_when_a_row_is_settled(bench: Bench) -> None:
    """The message posted 10.00, the file says 12.00: as if the row had met its payment at once."""
    one, _other = two(bench, mti="0200")
    bench.do(clear_row(1_200, network_id="N1"))
    settle(bench, one)
    assert (bench.account.balance_minor, faults(bench)) == (8_000, ["clearing_differs"])


def test_a_row_of_long_ago_is_not_settled(bench: Bench) -> None:
    """What it posted is forgotten, so nobody knows what would come back."""
    one, _other = two(bench, hold_lifetime_ms=60 * DAY_MS)
    bench.do(clear_row(1_000, network_id="N1"))
    bench.wait(38 * DAY_MS)
    (entry,) = bench.state.commons.exceptions
    with pytest.raises(c.CommandRefused, match="forgotten by now; dismiss it, and adjust the balance"):
        bench.look(settle_exception(entry, one))


def test_the_row_of_an_ambiguous_completion_confirms_what_that_posted(bench: Bench) -> None:
    """Three payments bear the id, and one of them waits for this very amount."""
    one, _other = two(bench)
    bench.do(completion(1_000, network_id="N1"))
    assert faults(bench) == ["completion_ambiguous"]
    bench.do(clear_row(1_000, network_id="N1"))
    assert (bench.account.balance_minor, faults(bench)) == (9_000, ["completion_ambiguous"])
    settle(bench, one)
    assert payments(bench) == [
        (0, 1_000, 0, 0, "captured"),
        (1_000, 1_000, 0, 0, ""),
        (0, 1_000, 1_000, 0, "captured"),
    ]


def test_an_ambiguous_completion_of_what_was_posted_is_told_when_it_is_settled(bench: Bench) -> None:
    """It was posted once more, as it would have been at once: that stays for somebody to see."""
    one, _other = two(bench, mti="0200")
    bench.do(completion(1_000, network_id="N1"))
    settle(bench, one)
    assert (bench.account.balance_minor, faults(bench)) == (7_000, ["completion_of_captured"])


# ---- what must not be posted twice without anybody's knowing


@pytest.mark.parametrize(
    "named",
    [
        {"network_id": "N1"},
        {"approval_code": "ABC123"},
        {"merchant_id": "SHOP1", "transmission": "0115102030"},
    ],
)
def test_a_completion_after_its_row_is_told(bench: Bench, named: dict[str, str]) -> None:
    """Nobody asked us, the file came first: the completion posts, for it is a fact, and an operator is told."""
    bench.do(clear_row(1_000, **named))
    told = completion(1_000, **named)
    assert bench.answer(told) == ("advice_accepted", "00")
    assert (bench.account.balance_minor, faults(bench)) == (8_000, ["completion_of_captured"])


def test_a_completion_of_something_else_is_not(bench: Bench) -> None:
    """Another id, another amount of the same shop, a refund."""
    bench.do(clear_row(1_000, network_id="N1", merchant_id="SHOP1", transmission="0115"))
    bench.do(completion(1_000, network_id="N2", merchant_id="SHOP2"))
    shop = {"merchant_id": "SHOP1", "transmission": "0115102030"}
    bench.do(completion(900, stan="500002", **shop))
    bench.do(completion(1_000, stan="500003", network_id="N1", transaction=Transaction.REFUND))
    assert faults(bench) == []


def test_a_completion_after_the_row_of_a_reversed_payment_is_told(bench: Bench) -> None:
    """Both post as forced."""
    asked = request(1_000, network_id="N1")
    bench.do(asked)
    bench.do(reversal(asked))
    bench.do(clear_row(1_000, network_id="N1"))
    bench.do(completion(1_000, network_id="N1"))
    assert (bench.account.balance_minor, faults(bench)) == (8_000, ["completion_of_captured"])


def test_a_reference_with_another_amount_is_no_repeat(bench: Bench) -> None:
    """It is refused, and says what was posted: neither is it another payment's."""
    bench.do(clear_row(1_000))
    for other in (
        clear_row(2_000),
        clear_row(1_000, fee_minor=50),
        clear_row(1_000, currency=USD),
    ):
        with pytest.raises(
            c.CommandRefused, match="'REF-1' was posted before, as 1000 and a fee of 0 in 978"
        ):
            bench.look(other)
    assert bench.do(clear_row(1_000)).repeated
    assert bench.account.balance_minor == 9_000


def test_a_reference_with_another_amount_is_no_repeat_in_suspense_either(bench: Bench) -> None:
    """What belongs to no card of ours has its keys with the shard."""
    unknown = replace(clear_row(1_000), token=None)
    bench.do(unknown)
    assert bench.do(unknown).repeated
    with pytest.raises(c.CommandRefused, match="posted before"):
        bench.look(replace(clear_row(2_000), token=None))


def test_a_rebate_of_more_than_the_amount_is_its_own_repeat(bench: Bench) -> None:
    """A fee is compared as it was posted."""
    row = clear_row(1_000, fee_minor=-2_000)
    bench.do(row)
    assert bench.do(row).repeated


def test_a_rows_key_lives_as_long_as_its_payment(bench: Bench) -> None:
    """A file that was broken off and comes again after weeks posts nothing twice."""
    asked = request(1_000, network_id="N1", hold_lifetime_ms=30 * DAY_MS)
    bench.do(asked)
    row = clear_row(1_000, network_id="N1")
    bench.do(row)
    (payment,) = bench.account.payments.values()
    assert bench.account.cleared[row.key].forget_ms == payment.forget_ms == bench.now_ms + 60 * DAY_MS
    bench.do(clear_row(700, reference="REF-2"))
    other = clear_row(700, reference="REF-2")
    assert bench.account.cleared[other.key].forget_ms == bench.now_ms + 37 * DAY_MS


def test_a_reversal_of_what_a_row_gave_back_in_part_gives_the_fee_with_the_rest(bench: Bench) -> None:
    """12.00 and a fee of 0.50 posted at once, 3.00 of it given back by a file: nothing stays, so no fee does."""
    single = request(1_200, mti="0200", fee_minor=50, network_id="N1")
    bench.do(single)
    bench.do(clear_row(300, "reversal", network_id="N1", final=False))
    assert (bench.account.balance_minor, books(bench)) == (10_000 - 950, {"settlement": 900, "fees": 50})
    bench.do(reversal(single))
    (payment,) = bench.account.payments.values()
    assert (bench.account.balance_minor, books(bench)) == (10_000, {})
    assert (payment.captured_minor, payment.fee_minor, payment.ended) == (0, 0, "reversed")
