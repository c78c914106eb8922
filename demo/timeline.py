"""One customer's story out of the event stream: rows for people, with what was held and available after each.

Owns the arithmetic of a bank statement, done a second time from events alone. Must not know how rows are drawn.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from demo.checks import CheckFailed, Event

RUN_SHOWN_MAX = 4
"""A longer run of rows that say the same is shown as its ends and a count."""

_DECLINED = {"13": "13 currency", "51": "51 no funds", "62": "62 frozen"}
"""DE39 and a word for those that the demo's customers meet."""
_UNSURE = "unsure"
RESTART = ("restart", "of the server, after SIGKILL")
TAKEOVER = ("takeover", "by the other server")
CRASHES = frozenset({RESTART[0], TAKEOVER[0]})


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `more` above 0: so many like the one above are left out, and nothing else is set."""

    time: str
    what: str
    where: str
    amount_minor: int | None
    held_minor: int
    available_minor: int
    more: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """`held_minor` and `available_minor` are what the events add up to."""

    rows: list[Row]
    held_minor: int
    available_minor: int


def timeline_of(account: str, events: Iterable[Event], crash: tuple[str, str] = RESTART) -> Timeline:
    """Every event of the account in order. The account's opening must be among them. `crash`: what and where."""
    rows: list[Row] = []
    balance = held = credit_line = 0
    for event in events:
        restarted = event["type"] == "epoch.started" and not event["previous_ended_clean"]
        if not (restarted or event.get("account") == account):
            continue
        match event["type"]:
            case "account.opened":
                credit_line = event["credit_line_minor"]
            case "account.credited":
                balance += event["amount_minor"]
            case "card.authorisation.approved":
                held += event["amount_minor"]
            case "clearing.posted":
                balance += sum(entry["amount_minor"] for entry in event["entries"])
                held += sum(moved["held_minor"] for moved in event["moved"])
            case _:
                held -= event.get("released_minor", 0)
        what, where, amount_minor = (*crash, None) if restarted else _words(event)
        available = balance + credit_line - held
        rows.append(Row(event["time"][11:19], what, where, amount_minor, held, available))
    return Timeline(rows, held, balance + credit_line - held)


def agrees_with_the_server(timeline: Timeline, account: Event) -> None:
    """`account` is what `authoriser account show --json` says. Raises CheckFailed."""
    shown = (account["held_minor"], account["available_minor"])
    summed = (timeline.held_minor, timeline.available_minor)
    if shown != summed:
        raise CheckFailed(
            f"the events of account {account['account_id']} add up to held and available {summed} in minor units, "
            f"and the server says {shown}."
        )


def shortened(rows: list[Row]) -> Iterator[Row]:
    """The rows, long runs of the same cut down to their ends."""
    for what, run in groupby(rows, key=lambda row: row.what):
        same = list(run)
        if what == _UNSURE:
            yield replace(same[-1], where=f"{len(same)} holds: answers heard?")
        elif len(same) <= RUN_SHOWN_MAX:
            yield from same
        else:
            yield from same[:2]
            yield Row("", what, "", None, 0, 0, more=len(same) - 3)
            yield same[-1]


def _words(event: Event) -> tuple[str, str, int | None]:
    """What, where, amount."""
    match event["type"].split("."):
        case "card", *what:
            return _of_a_card(event, what)
        case "clearing", _:
            # Its fee would be a second entry; shops that the demo clears for take none.
            return "paid", _merchant(event), event["entries"][0]["amount_minor"]
        case "hold", "answer_unknown":
            # After a crash nobody knows which answers of the last seconds left: each of those holds is marked.
            return _UNSURE, "", None
        case "hold", outcome:
            return outcome, "a hold", -event.get("released_minor", 0)
        case "account", "opened":
            return "opened", f"account {event['account']}", None
    return "funded", event["audit_reason"], event["amount_minor"]


def _of_a_card(event: Event, what: list[str]) -> tuple[str, str, int | None]:
    match what:
        case "authorisation", "declined":
            code = event["response_code"]
            return _DECLINED.get(code, f"{code} declined"), _merchant(event), event["amount_minor"] or None
        case "authorisation", outcome:
            return outcome, _merchant(event), event["amount_minor"] or None
        case "reversal", _:
            return "reversed", _merchant(event), -event["released_minor"]
        case ["state_changed"]:
            return event["after"], f"the card: {event['audit_reason']}", None
    return "issued", f"card ****{event['last_four']}", None


def _merchant(event: Event) -> str:
    return ", ".join(filter(None, (event.get("merchant"), event.get("city"))))
