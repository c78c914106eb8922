"""What must hold of what came out of Kafka, as pure functions over the journal's events.

Owns the comparisons and the sentence for each that fails. Must not know how anything was run or shown.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from demo.checks import AUTHORISATION_APPROVED, CheckFailed, Event
from demo.on_stack.pushes import Push

IN_FEED = ("card.authorisation.approved", "card.authorisation.declined", "card.reversal.", "account.credited")
"""Beginnings of the types that an account's list must show; it may show more."""


def paid(events: Iterable[Event]) -> list[str]:
    """The ids of approvals that hold money: whoever paid is to hear of each."""
    return [
        event["id"] for event in events if event["type"] == AUTHORISATION_APPROVED and event["amount_minor"]
    ]


def each_has_one_push(events: Sequence[Event], pushes: Iterable[Push]) -> int:
    """Each approval that holds money has one text, no event has two, and each text has its event. Raises CheckFailed.

    How many texts there are.
    """
    counts = Counter(push.id for push in pushes)
    known = {event["id"] for event in events}
    for wrong, what in (
        ([one for one in paid(events) if one not in counts], "was approved, and nobody was told"),
        ([one for one, count in counts.items() if count > 1], "was told twice"),
        ([one for one in counts if one not in known], "was told, and is no event of the journal"),
    ):
        if wrong:
            raise CheckFailed(f"event {wrong[0]} {what} (one of {len(wrong):,}).")
    return counts.total()


def wanted_in_feed(account: str, events: Iterable[Event]) -> list[str]:
    """The ids of the events that an account's list must show, the latest first."""
    mine = [
        event["id"]
        for event in events
        if event.get("account") == account and event["type"].startswith(IN_FEED)
    ]
    return mine[::-1]


def feed_agrees(account: str, events: Sequence[Event], rows: Sequence[Event]) -> None:
    """`rows` is what `authoriser-feed --show` prints: the account's events, the latest first, each once.

    Raises CheckFailed.
    """
    shown = [row["event_id"] for row in rows]
    wanted = wanted_in_feed(account, events)
    if [one for one in shown if one in set(wanted)] != wanted:
        raise CheckFailed(
            f"the feed of account {account} shows {len(shown)} events and not the {len(wanted)} of the journal in "
            "their order."
        )
    if len(set(shown)) < len(shown):
        raise CheckFailed(f"the feed of account {account} shows an event twice.")
