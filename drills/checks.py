"""What clients heard, what the log has and what Kafka gave, held against each other. Pure; each check gives its faults.

Money is in `money`. What a promise says stands in docs/operations.md.
"""

from collections.abc import Iterable, Sequence

from drills.evidence import Exchange, Fault, Heard, Key
from drills.facts import Fact, by_key

NOT_ADMITTED = "91"
"""Says that nothing was decided. What the same message hears after it is its first answer."""
NOT_KEPT = frozenset({NOT_ADMITTED, "30", "94", "96"})
"""Answers that leave no record: to what could not be decided, or read, or had another amount."""
APPROVED = frozenset({"00", "10"})
"""DE39 of an approval, whole or in part, in ISO 8583:1987."""
ASKS = frozenset({"0100", "0200"})
REVERSES = frozenset({"0400", "0420"})
SHOWN_MAX = 5
"""Numbers that one text names."""


def answers_that_changed(exchanges: Iterable[Exchange]) -> list[Fault]:
    """P3: a repeat hears what the first heard."""
    faults = []
    for exchange in exchanges:
        heard = _real(exchange)
        for other in heard[1:]:
            if other != heard[0]:
                text = f"{exchange.key} was answered {_answer(heard[0])}, and then {_answer(other)}"
                faults.append(Fault("P3", "other_answer", text))
                break
    return faults


def answers_and_log(exchanges: Iterable[Exchange], log: Sequence[Fact], *, others: bool) -> list[Fault]:
    """P1, P2 and P3: what was heard is in the log, once, and as it was heard.

    `others`: the log also has messages of clients that are not asked here.
    """
    records = by_key(log, lambda _fact: True)
    voided = {fact.hold_id for fact in log if fact.kind == "hold.voided"}
    released = _released_by(log)
    asked: dict[str, Exchange] = {exchange.stan: exchange for exchange in exchanges}
    faults: list[Fault] = []
    keys = set()
    for exchange in exchanges:
        keys.add(exchange.key)
        found = records.get(exchange.key, [])
        if len(found) > 1:
            faults.append(Fault("P3", "decided_twice", f"{exchange.key} is in the log {len(found)} times"))
        elif heard := _real(exchange):
            faults += _one_answer(exchange, heard[0], found, voided)
            if exchange.reverses and found:
                faults += _reversal(exchange, asked.get(exchange.reverses), found[0], records, released)
    if not others:
        strangers = [key for key in records if key not in keys]
        faults += [
            Fault("P1", "not_sent", f"{key} is in the log, and no client sent it") for key in strangers
        ]
    return faults


def _one_answer(exchange: Exchange, heard: Heard, found: list[Fact], voided: set[str]) -> list[Fault]:
    approved = heard.code in APPROVED
    if not found:
        if approved:
            text = f"{exchange.key}: a client was answered {_answer(heard)}, and the log does not have it"
            return [Fault("P1", "lost", text)]
        if heard.code not in NOT_KEPT:
            text = f"{exchange.key}: a client was answered {_answer(heard)} ahead of the log, which does not have it"
            return [Fault("P1", "ahead_of_log", text)]
        return []
    fact = found[0]
    if fact.hold_id in voided and exchange.mti in ASKS:
        if not approved:
            return []
        return [
            Fault(
                "P2", "void_after_answer", f"{exchange.key} was approved to a client, and voided in the log"
            )
        ]
    kept = Heard(fact.code, fact.approval_code)
    # Only what approves has a DE38 that a client may keep.
    same = heard == kept if fact.approved else heard.code == kept.code
    if not same:
        text = f"{exchange.key}: a client was answered {_answer(heard)}, and the log has {_answer(kept)}"
        return [Fault("P3", "other_answer", text)]
    return []


def _released_by(log: Iterable[Fact]) -> dict[str, int]:
    """What reversals gave back, by payment."""
    released: dict[str, int] = {}
    for fact in log:
        if fact.kind == "card.reversal.accepted" and fact.hold_id:
            given_back = fact.balance_minor - fact.held_minor
            released[fact.hold_id] = released.get(fact.hold_id, 0) + given_back
    return released


def _reversal(
    exchange: Exchange,
    original: Exchange | None,
    fact: Fact,
    records: dict[Key, list[Fact]],
    released: dict[str, int],
) -> list[Fault]:
    """P1: an acknowledged reversal of an approval gave back all of it."""
    if original is None:
        return []
    for first in records.get(original.key, []):
        spent = first.held_minor - first.balance_minor
        if first.approved and (fact.hold_id != first.hold_id or released.get(first.hold_id, 0) != spent):
            text = f"{exchange.key} was acknowledged, and {original.key} was not given back"
            return [Fault("P1", "not_reversed", text)]
    return []


def log_and_kafka(log: Sequence[Fact], events: Sequence[Fact]) -> list[Fault]:
    """P6: every record is an event, once, in the log's order."""
    faults = []
    seen: set[int] = set()
    doubled, back, strange, differs = [], [], [], []
    highest = 0
    for event in events:
        if event.number in seen:
            doubled.append(event.number)
        elif not 1 <= event.number <= len(log):
            strange.append(event.number)
        else:
            if event.number < highest:
                back.append(event.number)
            if event != log[event.number - 1]:
                differs.append(event.number)
        seen.add(event.number)
        highest = max(highest, event.number)
    missing = [number for number in range(1, len(log) + 1) if number not in seen]
    for kind, numbers, words in (
        ("gap", missing, "are in the log and not in Kafka"),
        ("duplicate", doubled, "are in Kafka more than once"),
        ("order", back, "are in Kafka behind later ones"),
        ("not_in_log", strange, "are in Kafka and not in the log"),
        ("other_event", differs, "say something else in Kafka than in the log"),
    ):
        if numbers:
            faults.append(Fault("P6", kind, f"records {_some(numbers)} {words}"))
    return faults


def answers_and_kafka(exchanges: Iterable[Exchange], events: Sequence[Fact]) -> list[Fault]:
    """P6: every approval that a client got is in Kafka once."""
    approvals = by_key(events, lambda fact: fact.approved)
    faults = []
    for exchange in exchanges:
        if exchange.mti in ASKS and approved(exchange):
            count = len(approvals.get(exchange.key, []))
            if count != 1:
                text = f"{exchange.key} was approved to a client, and Kafka has the approval {count} times"
                faults.append(Fault("P6", "gap" if not count else "duplicate", text))
    return faults


def approved(exchange: Exchange) -> bool:
    """Whether a client was told that it is approved."""
    heard = _real(exchange)
    return bool(heard) and heard[0].code in APPROVED


def _real(exchange: Exchange) -> list[Heard]:
    """What was heard from the first answer on that was a decision."""
    heard = list(exchange.heard)
    while len(heard) > 1 and heard[0].code == NOT_ADMITTED:
        heard.pop(0)
    return heard


def _answer(heard: Heard) -> str:
    return f"{heard.code} ({heard.approval_code})" if heard.approval_code else heard.code


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:SHOWN_MAX]))
    return f"{shown} and {len(numbers) - SHOWN_MAX} more" if len(numbers) > SHOWN_MAX else shown
