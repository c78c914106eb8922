"""Tombstones: a full reversal that comes before its original declines it, for an hour."""

import pytest
from ledger_bench import HOUR_MS, NOBODY, START_MS, USD, Bench, issue_card, reference, request, reversal
from msgspec.structs import replace

from authoriser.ledger.commands import OriginalReference
from authoriser.ledger.records import Tombstone

RRN = "RRN000000001"
NOTHING_NAMED = OriginalReference()


def test_a_reversal_before_its_original_declines_it(bench: Bench) -> None:
    """The original comes late: nothing may be held for what was taken back already."""
    asked = request()
    assert bench.answer(reversal(asked)) == ("no_original", "25")
    assert bench.answer(asked) == ("reversed_before", "05")
    assert bench.money == (10_000, 0, 10_000)
    assert bench.answer(asked) == ("reversed_before", "05")


def test_the_tombstone_of_a_complete_reference(bench: Bench) -> None:
    """It has all parts that DE90 named, and an hour."""
    asked = request()
    bench.do(reversal(asked))
    expected = Tombstone("card-0", "net-a", "0100", "000001", "0102030405", "500", "", START_MS + HOUR_MS)
    assert bench.account.tombstones == [expected]


def test_a_tombstone_comes_before_the_rules(bench: Bench) -> None:
    """An original that would be declined anyway is told of its reversal."""
    asked = request(20_000)
    bench.do(reversal(asked))
    assert bench.answer(asked) == ("reversed_before", "05")


def test_a_tombstone_lasts_an_hour(bench: Bench) -> None:
    """The millisecond before its end it declines, at its end the original is decided as any other."""
    bench.do(reversal(request(stan="000001"), stan="900001"))
    bench.do(reversal(request(stan="000002"), stan="900002"))
    bench.wait(HOUR_MS - 1)
    assert bench.answer(request(stan="000001")) == ("reversed_before", "05")
    bench.wait(1)
    assert bench.answer(request(stan="000002")) == ("approved", "00")


@pytest.mark.parametrize(
    "other", [{"stan": "000002"}, {"transmission": "0102030406"}, {"acquirer": "501"}, {"network": "net-b"}]
)
def test_a_tombstone_declines_its_original_only(bench: Bench, other: dict[str, str]) -> None:
    """Another STAN, time, acquirer or network is another payment."""
    bench.do(reversal(request()))
    assert bench.answer(request(**other)) == ("approved", "00")


def test_a_tombstone_is_for_its_card(bench: Bench) -> None:
    """Another card of the same account pays."""
    bench.do(issue_card(1))
    bench.do(reversal(request(card=0)))
    assert bench.answer(request(card=1)) == ("approved", "00")


@pytest.mark.parametrize(
    ("left_out", "rrn", "expected"),
    [
        (set(), "", "reversed_before"),
        ({"mti", "acquirer"}, "", "reversed_before"),
        ({"transmission"}, RRN, "reversed_before"),
        ({"transmission"}, "", "approved"),
        ({"mti", "transmission", "acquirer"}, "", "approved"),
    ],
)
def test_a_tombstone_needs_more_than_a_stan(
    bench: Bench, left_out: set[str], rrn: str, expected: str
) -> None:
    """A STAN comes again within days, so the transmission time or the RRN must be named as well."""
    asked = request(rrn=rrn)
    named = reference(asked, zero_filled=frozenset(left_out))
    bench.do(reversal(asked, named=named, rrn=rrn))
    assert bench.answer(asked)[0] == expected


@pytest.mark.parametrize(("rrn", "expected"), [(RRN, "reversed_before"), ("", "approved")])
def test_a_tombstone_without_a_reference(bench: Bench, rrn: str, expected: str) -> None:
    """Without DE90 the reversal's own STAN and RRN are the original's; a STAN alone is too little."""
    asked = request(rrn=rrn)
    bench.do(reversal(asked, named=NOTHING_NAMED, stan="000001", rrn=rrn))
    assert bench.answer(asked)[0] == expected


def test_a_tombstone_by_retrieval_number_needs_that_number(bench: Bench) -> None:
    """The same STAN under another RRN is somebody's next coffee."""
    asked = request(rrn=RRN)
    bench.do(reversal(asked, named=NOTHING_NAMED, stan="000001", rrn=RRN))
    assert bench.answer(request(rrn="RRN000000002")) == ("approved", "00")


@pytest.mark.parametrize(("new_total_minor", "expected"), [(600, "approved"), (0, "reversed_before")])
def test_only_a_full_reversal_leaves_a_tombstone(bench: Bench, new_total_minor: int, expected: str) -> None:
    """A partial one says that the rest is wanted; a new total of zero is a full one said another way."""
    asked = request(1_000)
    bench.do(reversal(asked, new_total_minor=new_total_minor))
    assert bench.answer(asked)[0] == expected


def test_a_second_reversal_before_the_original(bench: Bench) -> None:
    """Both are acknowledged and the original is declined once."""
    asked = request()
    assert bench.answer(reversal(asked, stan="900001")) == ("no_original", "25")
    assert bench.answer(reversal(asked, stan="900002")) == ("no_original", "25")
    assert bench.answer(asked) == ("reversed_before", "05")
    assert bench.answer(reversal(asked, stan="900003")) == ("reversal_done", "00")
    assert bench.money == (10_000, 0, 10_000)


def test_another_amount_or_currency_is_buried_too(bench: Bench) -> None:
    """A reversal names its original by numbers, not by what it cost."""
    asked = request(1_000)
    bench.do(reversal(asked))
    said = replace(asked.particulars, amount_minor=2_000, currency=USD)
    assert bench.answer(replace(asked, particulars=said)) == ("reversed_before", "05")


def test_a_reversal_for_an_unknown_card_leaves_no_tombstone(bench: Bench) -> None:
    """There is no account to keep it with; the card's first payment is decided as any other."""
    asked = request(card=NOBODY)
    bench.do(reversal(asked))
    bench.do(issue_card(NOBODY))
    assert bench.answer(asked) == ("approved", "00")
