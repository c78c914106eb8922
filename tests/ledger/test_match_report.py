"""Why a message met its payment or not: each way by itself, and the near misses, best first."""

from typing import Any

import pytest
from msgspec.structs import replace

from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.decide import decide
from authoriser.ledger.match_report import MatchReport, Way, match_report, sibling_key
from authoriser.ledger.near_misses import NEAR_MISSES_MAX, Message, NearMiss, Part
from authoriser.ledger.state import ShardState
from tests.authoriser.explaining.bench import (
    DAY_MS,
    POLICY,
    RRN,
    USD,
    Bench,
    advice,
    audit,
    clear_row,
    key_of,
    particulars,
    request,
    reversal,
)

TO_THE_LETTER = c.OriginalReference("0100", "000001", "0115080000", "500")


def report(
    bench: Bench, command: c.Command, order: tuple[str, ...] = POLICY.matching
) -> tuple[Message, MatchReport]:
    """The record that a command would make, and the report on it."""
    policy = replace(POLICY, matching=order)
    record = decide(bench.state, command, bench.now_ms, policy).records[0]
    assert isinstance(record, Message)
    return record, match_report(bench.state, record, order, policy.clearing_matching)


def found(ways: tuple[Way, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [(way.name, way.found) for way in ways]


# ---- clearing


def test_a_clearing_by_network_id() -> None:
    """The first way decides; what the others would have found is said beside it."""
    bench = Bench().with_card()
    number = bench.did(request(network_id="NET-1"))
    record, told = report(bench, clear_row(network_id="NET-1"))
    assert told == MatchReport(
        among="payments",
        ways=(
            Way("network_id", (("network id", "NET-1"),), (number,), decided=True),
            Way("approval_code", (), (), tried=False),
            Way("unique", (("amount", 1_000), ("merchant", "M1"), ("date", "0115")), (number,), tried=False),
        ),
        hold_id=number,
        by="network_id",
        remembered=1,
    )
    assert isinstance(record, r.Cleared)
    assert record.hold_id == number


def test_a_clearing_that_finds_nothing_has_near_misses() -> None:
    """What agrees and what differs, part by part."""
    bench = Bench().with_card()
    number = bench.did(request(2_500, network_id="NET-1"))
    code = bench.account.payments[number].approval_codes[0]
    _record, told = report(bench, clear_row(2_800, network_id="NET-2", approval_code="ZZZZZZ"))
    assert (told.hold_id, told.by, told.candidates, told.remembered, told.agrees) == (0, "", (), 1, True)
    assert found(told.ways) == [("network_id", ()), ("approval_code", ()), ("unique", ())]
    assert told.near == (
        NearMiss(
            hold_id=number,
            mti="0100",
            last_four="0000",
            same_card=True,
            at="0115080000",
            state="open",
            parts=(
                Part("network id", "NET-2", "NET-1", agrees=False),
                Part("approval code", "ZZZZZZ", code, agrees=False),
                Part("acquirer", "500", "500", agrees=True),
                Part("amount", 2_800, 2_500, agrees=False),
                Part("merchant", "M1", "M1", agrees=True),
                Part("date", "0115", "0115", agrees=True),
                Part("RRN", RRN, RRN, agrees=True),
            ),
        ),
    )


def test_an_ambiguous_clearing_names_its_candidates() -> None:
    """Two payments alike: none is taken, and both are named."""
    bench = Bench().with_card()
    numbers = tuple(bench.did(request(stan=stan)) for stan in ("000001", "000002"))
    record, told = report(bench, clear_row())
    assert (told.hold_id, told.by, told.candidates, told.agrees) == (0, "unique", numbers, True)
    assert isinstance(record, r.Cleared)
    assert record.outcome == "ambiguous"


def test_a_payment_that_was_undone_is_found_in_vain() -> None:
    """A reversed payment matches, and the row posts as forced: the report says how it ended."""
    bench = Bench().with_card()
    number = bench.did(request(network_id="NET-1"))
    bench.do(reversal(stan="000001"))
    record, told = report(bench, clear_row(network_id="NET-1"))
    assert (told.hold_id, told.undone, told.agrees) == (number, "reversed", True)
    assert isinstance(record, r.Cleared)
    assert record.outcome == "forced"


def test_a_refund_is_looked_for_among_refunds_first() -> None:
    """Then among purchases, where the amount alone decides nothing."""
    bench = Bench().with_card()
    number = bench.did(request(network_id="NET-1"))
    _record, told = report(bench, clear_row(kind="refund", network_id="NET-1"))
    assert found(told.ways) == [
        ("refunds, by network_id", ()),
        ("refunds, by approval_code", ()),
        ("refunds, by unique", ()),
        ("network_id", (number,)),
        ("approval_code", ()),
    ]
    assert (told.hold_id, told.by, told.agrees) == (number, "network_id", True)


def test_a_forgotten_payment_is_a_near_miss() -> None:
    """Its time is over, though no record has come by to drop it: it is told as forgotten."""
    bench = Bench().with_card()
    number = bench.did(request(network_id="NET-1"))
    bench.wait(8 * DAY_MS)
    bench.do(c.ExpireHold("acc-0", number))
    bench.wait(40 * DAY_MS)
    _record, told = report(bench, clear_row(network_id="NET-1"))
    assert (told.by, told.remembered) == ("", 0)
    assert [(near.hold_id, near.state) for near in told.near] == [(number, "forgotten")]


def test_nobody_and_another_currency_look_for_nothing() -> None:
    """The reason is told, and no near miss."""
    bench = Bench().with_card()
    bench.do(request())
    assert report(bench, clear_row(card=9))[1] == MatchReport("nothing", "unknown_card")
    assert report(bench, clear_row(currency=USD))[1] == MatchReport("nothing", "wrong_currency")


# ---- near misses


def test_near_misses_of_this_card_come_first_and_best_first() -> None:
    """Another card's payment that fits to the letter stands behind one of this card that hardly fits."""
    bench = Bench().with_card(0, 1)
    others = bench.did(request(card=1, network_id="NET-2"))
    hardly = bench.did(request(2_000, stan="000002", merchant_id="M1", rrn=""))
    better = bench.did(request(2_000, stan="000003", merchant_id="M1"))
    _record, told = report(bench, clear_row(3_000, network_id="NET-2"))
    assert [(near.hold_id, near.same_card) for near in told.near] == [
        (better, True),
        (hardly, True),
        (others, False),
    ]


def test_near_misses_are_near_and_few() -> None:
    """Acquirer and date alone are no near miss; of ten equals the newest five are shown."""
    bench = Bench().with_card()
    bench.do(request(100, stan="000099", merchant_id="M9", rrn=""))
    numbers = [bench.did(request(100, stan=f"{at:06}", rrn="")) for at in range(10)]
    _record, told = report(bench, clear_row(3_000, network_id="NET-2"))
    assert [near.hold_id for near in told.near] == numbers[: -NEAR_MISSES_MAX - 1 : -1]


# ---- reversals


def test_a_reversal_by_its_de90() -> None:
    """DE90 is kept beside the answer, so it can be told what was looked for."""
    bench = Bench().with_card()
    number = bench.did(request())
    record, told = report(bench, reversal(original=TO_THE_LETTER, rrn=""))
    assert isinstance(record, r.Reversed)
    assert record.named == ("0100", "000001", "0115080000", "500")
    assert told.ways[0] == Way(
        "reference",
        (("MTI", "0100"), ("STAN", "000001"), ("sent at (DE7)", "0115080000"), ("acquirer", "500")),
        (number,),
        decided=True,
    )
    assert (told.among, told.hold_id, told.by, told.agrees) == ("messages", number, "reference", True)


def test_a_reversal_that_finds_nothing() -> None:
    """A mistyped STAN in DE90: the message that it almost names is told, with what differs."""
    bench = Bench().with_card()
    number = bench.did(request())
    named = replace(TO_THE_LETTER, stan="000007")
    _record, told = report(bench, reversal(original=named, rrn="", merchant_id=""))
    assert found(told.ways) == [("reference", ()), ("retrieval", ()), ("network_id", ())]
    assert [way.sought for way in told.ways[1:]] == [(), ()]
    [near] = told.near
    assert (near.hold_id, near.state) == (number, "open")
    assert [part.name for part in near.parts if not part.agrees] == ["STAN"]


def test_a_reversal_of_a_decline() -> None:
    """It finds its message, which began no payment."""
    bench = Bench().with_card(balance_minor=1)
    bench.do(request())
    record, told = report(bench, reversal(original=TO_THE_LETTER, rrn=""))
    assert isinstance(record, r.Reversed)
    assert record.original_key
    assert (told.hold_id, told.by, told.candidates, told.agrees) == (0, "reference", (), True)


def test_another_order_is_noticed() -> None:
    """A record that was decided under another order contradicts the report, and that is said."""
    bench = Bench().with_card()
    first = bench.did(request(network_id="NET-1"))
    bench.do(request(stan="000002", rrn="412300000018"))
    command = reversal(stan="000002", rrn="412300000018", network_id="NET-1")
    record, told = report(bench, command, order=("network_id", "retrieval"))
    assert (told.hold_id, told.by, told.agrees) == (first, "network_id", True)
    other = match_report(bench.state, record, POLICY.matching, POLICY.clearing_matching)
    assert (other.by, other.agrees) == ("retrieval", False)


# ---- advices, completions, increments


def test_a_stand_in_advice_by_its_requests_key() -> None:
    """The same key with the request's MTI comes before every other way."""
    bench = Bench().with_card()
    number = bench.did(request())
    _record, told = report(bench, advice())
    assert found(told.ways) == [
        ("key", (number,)),
        ("network_id", ()),
        ("reference", ()),
        ("retrieval", (number,)),
    ]
    assert (told.hold_id, told.by, told.agrees) == (number, "key", True)


def test_a_fuel_dispensers_advice() -> None:
    """MCC 5542 only: it names a new STAN, and is found by RRN and acquirer."""
    bench = Bench().with_card()
    number = bench.did(request(mcc="5542"))
    _record, told = report(bench, advice(stan="000009", mcc="5542"))
    assert (told.hold_id, told.by, told.agrees) == (number, "retrieval", True)
    assert told.ways[-1] == Way(
        "fuel dispensers, by retrieval", (("RRN", RRN), ("acquirer", "500")), (number,), decided=True
    )


def test_a_completion_by_its_approval_code() -> None:
    """0220: its own 0200's key, then as clearing."""
    bench = Bench().with_card()
    number = bench.did(request())
    code = bench.account.payments[number].approval_codes[0]
    _record, told = report(bench, advice(900, mti="0220", stan="000009", approval_code=code))
    assert found(told.ways) == [
        ("key", ()),
        ("network_id", ()),
        ("approval_code", (number,)),
        ("unique", ()),
    ]
    assert (told.hold_id, told.by, told.agrees) == (number, "approval_code", True)


@pytest.mark.parametrize(
    ("said", "by"),
    [
        ({"network_id": "NET-1", "rrn": ""}, "network_id"),
        ({"rrn": ""}, "reference"),
        ({}, "retrieval"),
    ],
)
def test_an_increment(said: dict[str, Any], by: str) -> None:
    """By the network's id, DE90, or RRN and acquirer."""
    bench = Bench().with_card()
    number = bench.did(request(network_id="NET-1"))
    original = TO_THE_LETTER if by == "reference" else c.NO_REFERENCE
    _record, told = report(bench, request(200, stan="000002", increment=True, original=original, **said))
    assert (told.hold_id, told.by, told.agrees) == (number, by, True)


def test_a_request_looks_for_nothing() -> None:
    """It begins a payment of its own, whoever's card it is."""
    bench = Bench().with_card()
    assert report(bench, request())[1] == MatchReport("nothing", "is_request")
    assert report(bench, request(card=9))[1] == MatchReport("nothing", "is_request")


def test_sibling_keys() -> None:
    """The very key that the same message would have under another MTI."""
    said = particulars("0120")
    assert sibling_key(key_of(said, 0), "0100") == key_of(replace(said, mti="0100"), 0)


def test_nothing_is_changed() -> None:
    """A report reads the state and leaves it as it was."""
    bench = Bench().with_card()
    bench.do(request(network_id="NET-1"))
    bench.do(c.ReleaseHold("acc-0", bench.did(request(stan="000002")), audit("release")))
    before = repr(bench.account)
    report(bench, clear_row(network_id="NET-1"))
    report(bench, reversal(stan="000002"))
    assert repr(bench.account) == before
    assert match_report(
        ShardState(0), report(bench, clear_row())[0], POLICY.matching, POLICY.clearing_matching
    ) == MatchReport("nothing", "unknown_card")
