"""The demo's checks can fail: each is shown a world in which its promise is broken."""

from typing import Any

import msgspec
import pytest

from demo.checks import (
    CheckFailed,
    InJournal,
    Repeated,
    account_is,
    answered_with,
    cleared_once,
    declined_by_limit,
    everything_heard_is_in_the_journal,
    frozen_card_was_declined,
    repeats_get_the_first_answer,
    repeats_moved_no_money,
)
from demo.dayfile import Total
from demo.heard import Heard


def heard(**changed: Any) -> Heard:
    """An approved payment."""
    exchange = Heard(
        kind="payment",
        mti="0100",
        stan="000007",
        rrn="632701000007",
        de7="1123012745",
        de32="00400226",
        last_four="0315",
        card_line=33,
        amount_minor=1250,
        currency="978",
        sent_at="2026-11-23T01:27:45.190Z",
        fields={"43": "CAFE DO LARGO            LISBOA       PT"},
        response_code="00",
        approval_code="0004PK",
    )
    return msgspec.structs.replace(exchange, **changed)


def event(**changed: Any) -> dict[str, Any]:
    """Its record."""
    return {
        "type": "card.authorisation.approved",
        "mti": "0100",
        "stan": "000007",
        "transmission": "1123012745",
        "acquirer": "400226",
        "rrn": "632701000007",
        "last_four": "0315",
        "amount_minor": 1250,
        "response_code": "00",
        "approval_code": "0004PK",
    } | changed


DECLINED = {"type": "card.authorisation.declined", "response_code": "51", "approval_code": ""}
REVERSED = {"type": "card.reversal.accepted", "mti": "0420", "stan": "000008", "approval_code": ""}


def test_what_was_heard_and_recorded_is_counted() -> None:
    """Approvals, other answers, and approvals that nobody heard; what got no answer counts nowhere."""
    exchanges = [
        heard(),
        heard(kind="repeat", mti="0101"),
        heard(mti="0420", stan="000008", kind="reversal_advice", approval_code="0004PK"),
        heard(stan="000009", response_code="51", approval_code=""),
        heard(stan="000010", response_code="", approval_code=""),
    ]
    events = [event(), event(**REVERSED), event(stan="000009", **DECLINED), event(stan="000010")]
    events.append({"type": "account.opened", "account": "A000001"})
    expected = InJournal(approvals=1, others=2, unheard_approvals=1)
    assert expected == everything_heard_is_in_the_journal(exchanges, events)


@pytest.mark.parametrize(
    ("events", "failure"),
    [
        ([], "0100 STAN 000007 is not in the journal."),
        ([event(stan="000006")], "0100 STAN 000007 is not in the journal."),
        (
            [event(approval_code="0004PX")],
            "0100 STAN 000007 stands in the journal with another answer or amount.",
        ),
        ([event(**DECLINED)], "0100 STAN 000007 stands in the journal with another answer or amount."),
        ([event(amount_minor=1)], "0100 STAN 000007 stands in the journal with another answer or amount."),
        ([event(), event()], "0100 STAN 000007 was approved more than once."),
    ],
)
def test_a_journal_that_disagrees_fails(events: list[dict[str, Any]], failure: str) -> None:
    """Missing, different, or twice: each is named by its STAN."""
    with pytest.raises(CheckFailed) as caught:
        everything_heard_is_in_the_journal([heard()], events)
    assert failure == str(caught.value)


def test_a_failure_names_a_few_and_counts_the_rest() -> None:
    """A thousand lost approvals do not fill the screen."""
    exchanges = [heard(stan=f"{number:06}") for number in range(1, 1001)]
    with pytest.raises(CheckFailed) as caught:
        everything_heard_is_in_the_journal(exchanges, [])
    expected = "0100 STAN 000001, 0100 STAN 000002, 0100 STAN 000003 and 997 more is not in the journal."
    assert expected == str(caught.value)


def test_same_repeats_are_counted() -> None:
    """An exchange that had no answer before may get any now."""
    first = [heard(), heard(stan="000008", response_code="", approval_code="")]
    again = [heard(mti="0101"), heard(mti="0101", stan="000008")]
    expected = Repeated(heard_before=1, same=1, first_answers=1)
    assert expected == repeats_get_the_first_answer(first, again)


@pytest.mark.parametrize(
    ("again", "failure"),
    [
        ([], "0100 STAN 000007 got no answer when it was repeated."),
        (
            [heard(mti="0101", response_code="", approval_code="")],
            "0100 STAN 000007 got no answer when it was repeated.",
        ),
        ([heard(approval_code="0004PX")], "0100 STAN 000007 got another answer when it was repeated."),
        (
            [heard(response_code="51", approval_code="")],
            "0100 STAN 000007 got another answer when it was repeated.",
        ),
    ],
)
def test_a_repeat_that_differs_fails(again: list[Heard], failure: str) -> None:
    """No answer, another approval code, another decision."""
    with pytest.raises(CheckFailed) as caught:
        repeats_get_the_first_answer([heard()], again)
    assert failure == str(caught.value)


def test_a_repeat_that_is_decided_again_fails() -> None:
    """New records may only be of requests that had no answer."""
    repeats_moved_no_money([heard(response_code="", approval_code="")], [event()])
    with pytest.raises(CheckFailed) as caught:
        repeats_moved_no_money([heard()], [event()])
    assert str(caught.value) == "0100 STAN 000007 was decided again when it was repeated."


FROZEN = {"response_code": "62", "approval_code": "", "sent_at": "2026-11-23T01:27:46.000Z"}
SINCE = "2026-11-23T01:27:45.999Z"


def test_declines_of_the_frozen_card_are_counted() -> None:
    """Only of that card, only new requests, only after the freeze was acknowledged."""
    exchanges = [
        heard(),
        heard(**FROZEN),
        heard(**FROZEN | {"card_line": 34, "response_code": "00"}),
        heard(**FROZEN | {"mti": "0101", "response_code": "00"}),
        heard(**FROZEN | {"response_code": ""}),
    ]
    assert frozen_card_was_declined(exchanges, 33, SINCE) == 1


def test_an_approval_of_the_frozen_card_fails() -> None:
    """One is enough."""
    with pytest.raises(CheckFailed) as caught:
        frozen_card_was_declined([heard(**FROZEN), heard(**FROZEN | {"response_code": "00"})], 33, SINCE)
    expected = "0100 STAN 000007, answered 00, used a frozen card and was not declined with 62."
    assert expected == str(caught.value)


def test_another_response_code_fails() -> None:
    """Both codes are named."""
    answered_with(heard(), "00")
    with pytest.raises(CheckFailed) as caught:
        answered_with(heard(), "61")
    assert str(caught.value) == "0100 STAN 000007 was to be answered with 61, not 00."


def account(**changed: Any) -> dict[str, Any]:
    """As `account show --json` says it."""
    holds = [{"amount_minor": 4150}, {"amount_minor": 38000}]
    shown = {"account_id": "guest", "balance_minor": 100_000, "held_minor": 42_150, "available_minor": 57_850}
    return shown | {"holds": holds} | changed


@pytest.mark.parametrize(
    "wrong",
    [
        {"balance_minor": 99_999},
        {"held_minor": 42_151},
        {"available_minor": 57_849},
        {"holds": [{"amount_minor": 42_150}]},
    ],
)
def test_an_account_that_is_otherwise_fails(wrong: dict[str, Any]) -> None:
    """Each figure counts, and so do the single holds."""
    account_is(account(), balance_minor=100_000, holds_minor=[38_000, 4_150])
    with pytest.raises(CheckFailed, match="account guest should have"):
        account_is(account(**wrong), balance_minor=100_000, holds_minor=[38_000, 4_150])


def explained(saw: str, *, reason: str | None = "amount_limit", agrees: bool = True) -> dict[str, Any]:
    """As `explain --json` says it, as far as it is read."""
    steps = [{"rule": "message", "saw": "MAC not there", "reason": None}]
    steps.append({"rule": "amount_limit", "saw": saw, "reason": reason})
    return {"stories": [{"records": [{"stan": "000006", "rules": {"steps": steps, "agrees": agrees}}]}]}


SAW = "ecommerce a day: 3490 + 2990 of 5000, the card's own"


def test_a_decline_is_explained_by_its_limit() -> None:
    """The rule that decided, with what was used, asked and allowed."""
    rule = declined_by_limit(explained(SAW), used_minor=3490, asked_minor=2990, limit_minor=5000)
    assert rule == "amount_limit"


@pytest.mark.parametrize(
    "wrong",
    [
        explained("ecommerce a day: 0 + 2990 of 5000, the card's own"),
        explained(SAW, reason=None),
        explained(SAW, agrees=False),
    ],
)
def test_another_explanation_fails(wrong: dict[str, Any]) -> None:
    """Other figures, a rule that passed, or rules that now say something else than then."""
    with pytest.raises(CheckFailed, match=r"was to be declined over 3490 \+ 2990 of 5000"):
        declined_by_limit(wrong, used_minor=3490, asked_minor=2990, limit_minor=5000)


def report(**changed: Any) -> dict[str, Any]:
    """As `clear --json` says it of a file of two rows, posted before; one takes more than was held."""
    said = {
        "reconciles": True,
        "posted": 0,
        "present": 2,
        "outcomes": [{"outcome": "matched", "rows": 2}, {"outcome": "forced", "rows": 0}],
        "totals": [{"net_minor": 1000}, {"net_minor": 250}],
        "looks": [{"difference_minor": 50}],
    }
    return said | changed


@pytest.mark.parametrize(
    "wrong",
    [
        {"reconciles": False},
        {"posted": 1, "present": 1},
        {"outcomes": [{"outcome": "matched", "rows": 1}, {"outcome": "forced", "rows": 1}]},
        {"totals": [{"net_minor": 1249}]},
        {"looks": []},
        {"looks": [{"difference_minor": 50}, {"difference_minor": -1}]},
    ],
)
def test_a_clearing_that_went_otherwise_fails(wrong: dict[str, Any]) -> None:
    """Totals that disagree, a row posted again or not matched, another sum, another difference."""
    cleared_once(report(), Total(2, 1250), differing_minor=[50])
    with pytest.raises(CheckFailed, match="the clearing file should give"):
        cleared_once(report(**wrong), Total(2, 1250), differing_minor=[50])
