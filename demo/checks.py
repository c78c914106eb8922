"""What must hold, as pure functions over what was heard and what the journal says.

Owns the comparisons and the sentence for each that fails. Must not know how anything was run or shown.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from demo.dayfile import Total
from demo.heard import APPROVED, FROZEN, Heard, Key

Event = dict[str, Any]

NAMED_MAX = 3
"""Examples in a sentence."""

AUTHORISATION = "card.authorisation."
AUTHORISATION_APPROVED = "card.authorisation.approved"
REVERSAL = "card.reversal.accepted"


class CheckFailed(Exception):  # noqa: N818 - says what happened
    """A promise does not hold; the text says which and where it was seen."""


@dataclass(frozen=True, slots=True)
class InJournal:
    """The network's approvals and other answers, every one of them found in the journal."""

    approvals: int
    others: int
    unheard_approvals: int
    """Approved and durable, but the network never heard: their answers were on the way when the server died."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """Repeats of all that the network had sent."""

    heard_before: int
    same: int
    first_answers: int
    """Whose first answer got lost, and that were answered now."""


def everything_heard_is_in_the_journal(heard: Iterable[Heard], events: Iterable[Event]) -> InJournal:
    """Each answer once, with its response code, approval code and amount. Raises CheckFailed."""
    answers = {each.key: each for each in heard if each.decided}
    records: dict[Key, Event] = {}
    approved: Counter[Key] = Counter()
    for event in events:
        if event["type"].startswith(AUTHORISATION) or event["type"] == REVERSAL:
            key = _key(event)
            records[key] = event
            approved[key] += event["type"] == AUTHORISATION_APPROVED
    _refuse([_name(key) for key in answers if key not in records], "is not in the journal")
    _refuse(
        [_name(key) for key, each in answers.items() if not _agree(each, records[key])],
        "stands in the journal with another answer or amount",
    )
    _refuse([_name(key) for key, count in approved.items() if count > 1], "was approved more than once")
    approvals = sum(_is_approval(each) for each in answers.values())
    unheard = sum(count for key, count in approved.items() if key not in answers)
    return InJournal(approvals, len(answers) - approvals, unheard)


def repeats_get_the_first_answer(first: Iterable[Heard], again: Iterable[Heard]) -> Repeated:
    """Every answer heard before is heard again, to the approval code. Raises CheckFailed."""
    before = {each.key: each for each in first if each.decided}
    now = {each.key: each for each in again if each.decided}
    _refuse([_name(key) for key in before if key not in now], "got no answer when it was repeated")
    same = [key for key, each in before.items() if each.answer == now[key].answer]
    different = before.keys() - set(same)
    _refuse([_name(key) for key in sorted(different)], "got another answer when it was repeated")
    return Repeated(heard_before=len(before), same=len(same), first_answers=len(now.keys() - before.keys()))


def repeats_moved_no_money(first: Iterable[Heard], new_events: Iterable[Event]) -> None:
    """Nothing new was decided but for what the network had no answer to. Raises CheckFailed."""
    before = {each.key for each in first if each.decided}
    decided = [
        _key(event)
        for event in new_events
        if event["type"].startswith(AUTHORISATION) or event["type"] == REVERSAL
    ]
    _refuse([_name(key) for key in decided if key in before], "was decided again when it was repeated")


def frozen_card_was_declined(heard: Iterable[Heard], card_line: int, since: str) -> int:
    """How many new authorisations of the card were sent after `since` and answered: 62, all. Raises CheckFailed.

    `since` is when the freeze was acknowledged, as `Heard.sent_at`.
    """
    later = [
        each
        for each in heard
        if each.new_authorisation and each.card_line == card_line and each.sent_at > since and each.decided
    ]
    _refuse(
        [
            f"{_name(each.key)}, answered {each.response_code},"
            for each in later
            if each.response_code != FROZEN
        ],
        "used a frozen card and was not declined with 62",
    )
    return len(later)


def answered_with(heard: Heard, code: str) -> None:
    """Raises CheckFailed."""
    if heard.response_code != code:
        raise CheckFailed(
            f"{heard.mti} STAN {heard.stan} was to be answered with {code}, not {heard.response_code}."
        )


def account_is(account: Event, *, balance_minor: int, holds_minor: Sequence[int]) -> None:
    """`account` is what `authoriser account show --json` says. Raises CheckFailed."""
    wanted = {
        "balance_minor": balance_minor,
        "held_minor": sum(holds_minor),
        "available_minor": balance_minor - sum(holds_minor),
    }
    shown = {name: account[name] for name in wanted}
    holds = sorted(hold["amount_minor"] for hold in account["holds"])
    if (shown, holds) != (wanted, sorted(holds_minor)):
        raise CheckFailed(
            f"account {account['account_id']} should have {wanted} and holds of {sorted(holds_minor)}; the server "
            f"says {shown} and {holds}."
        )


def declined_by_limit(explained: Event, *, used_minor: int, asked_minor: int, limit_minor: int) -> str:
    """The rule that decided. `explained` is what `authoriser explain --json` says. Raises CheckFailed."""
    record = explained["stories"][0]["records"][0]
    rules = record["rules"]
    decided = rules["steps"][-1]
    wanted = f"{used_minor} + {asked_minor} of {limit_minor}"
    if decided["reason"] is None or wanted not in decided["saw"] or not rules["agrees"]:
        raise CheckFailed(
            f"STAN {record['stan']} was to be declined over {wanted}; {decided['rule']} saw {decided['saw']!r}."
        )
    return str(decided["rule"])


def cleared_once(report: Event, total: Total, *, differing_minor: Sequence[int]) -> None:
    """`report` is what `authoriser clear --json` says of a file that had been posted before. Raises CheckFailed."""
    matched = next(each for each in report["outcomes"] if each["outcome"] == "matched")
    wanted = {
        "reconciles": True,
        "posted": 0,
        "present": total.rows,
        "matched": total.rows,
        "net_minor": total.amount_minor,
        "differing_minor": sorted(differing_minor),
    }
    shown = {
        "reconciles": report["reconciles"],
        "posted": report["posted"],
        "present": report["present"],
        "matched": matched["rows"],
        "net_minor": sum(each["net_minor"] for each in report["totals"]),
        "differing_minor": sorted(
            each["difference_minor"] for each in report["looks"] if each["difference_minor"]
        ),
    }
    if shown != wanted:
        raise CheckFailed(f"the clearing file should give {wanted}; the server says {shown}.")


def _key(event: Event) -> Key:
    return (
        event["mti"][:3],
        event.get("stan", ""),
        event.get("transmission", ""),
        event.get("acquirer", ""),
        event.get("rrn", ""),
    )


def _agree(heard: Heard, event: Event) -> bool:
    codes: bool = heard.response_code == event["response_code"]
    if event["type"] != REVERSAL:
        # A reversal's answer brings back the approval code that was asked about; its record has none.
        codes = codes and heard.approval_code == event.get("approval_code", "")
    return codes and heard.amount_minor == event["amount_minor"] and heard.last_four == event["last_four"]


def _is_approval(heard: Heard) -> bool:
    return heard.response_code == APPROVED and heard.mti.startswith("010")


def _name(key: Key) -> str:
    return f"{key[0]}0 STAN {key[1]}"


def _refuse(wrong: Sequence[str], what: str) -> None:
    if wrong:
        more = f" and {len(wrong) - NAMED_MAX:,} more" if len(wrong) > NAMED_MAX else ""
        raise CheckFailed(f"{', '.join(wrong[:NAMED_MAX])}{more} {what}.")
