"""What a network was answered, held against what a consumer of Kafka got: pure, and knows no server.

Three things must hold of the events: their records count from 1 without a gap or a second copy; each approval that was
answered is among them once; and none stands before one that had been answered when it was asked for.
"""

from collections.abc import Iterable, Sequence

from benchmarks.load import Answered
from benchmarks.watch import APPROVED, Event

Pair = tuple[str, str]
"""DE37 and DE38: a reference comes again in a later phase, with another approval code."""


class UntrueError(Exception):
    """What was answered and what Kafka has can't both be true: nothing measured counts."""


def require_true(answers: Iterable[Answered], events: Sequence[Event], last_record: int) -> int:
    """The number of answers that were held against the events. `last_record` is the journal's.

    Raises UntrueError with the first thing that is wrong.
    """
    _require_every_record(events, last_record)
    placed = _placed(events)
    ordered = sorted((_place(answer, placed), answer.since_s, answer.answered_s) for answer in answers)
    latest_since_s, latest_record, last = float("-inf"), 0, 0
    for record, since_s, answered_s in ordered:
        if record == last:
            raise UntrueError(f"record {record} was the answer to two requests")
        if answered_s < latest_since_s:
            raise UntrueError(
                f"record {record} was answered before record {latest_record} was asked for, and stands after it"
            )
        if since_s > latest_since_s:
            latest_since_s, latest_record = since_s, record
        last = record
    return len(ordered)


def _require_every_record(events: Sequence[Event], last_record: int) -> None:
    seq = 0
    for number, event in enumerate(events, 1):
        if event.record != number:
            raise UntrueError(f"Kafka has record {event.record} where {number} is due")
        if event.seq < seq:
            raise UntrueError(f"record {number} is of batch {event.seq}, and stands after one of batch {seq}")
        seq = event.seq
    if len(events) != last_record:
        raise UntrueError(f"the journal ends with record {last_record}, and Kafka with {len(events)}")


def _placed(events: Iterable[Event]) -> dict[Pair, int]:
    """Where each approval stands."""
    placed: dict[Pair, int] = {}
    for event in events:
        if event.type == APPROVED:
            pair = (event.rrn, event.approval_code)
            if pair in placed:
                raise UntrueError(
                    f"DE37 {pair[0]} DE38 {pair[1]} is in Kafka twice: records {placed[pair]} and {event.record}"
                )
            placed[pair] = event.record
    return placed


def _place(answer: Answered, placed: dict[Pair, int]) -> int:
    pair = (answer.reference.decode(), answer.approval_code.decode())
    record = placed.get(pair)
    if record is None:
        raise UntrueError(f"DE37 {pair[0]} was approved with DE38 {pair[1]}, and Kafka has no such approval")
    return record
