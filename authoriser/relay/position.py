"""How far the journal is in Kafka, and whether what Kafka, the position and the journal say can all be true.

Pure: no I/O. A position is written in the transaction that writes its events, so they can only disagree where somebody
or something changed one of them. Then nothing is guessed: the relay halts, and says what an operator can do.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from authoriser.journal.batch import GENESIS

VERSION = 1

HaltKind = Literal[
    "position_missing",
    "position_gone_back",
    "position_unreadable",
    "events_lost",
    "journal_behind",
    "journal_differs",
    "journal_gap",
    "journal_damaged",
    "topic_unfit",
    "event_too_large",
]


class Halt(Exception):  # noqa: N818 - what it does
    """The relay can't go on without an operator. docs/kafka.md says for each `kind` what to do."""

    def __init__(self, kind: HaltKind, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Position(Struct, frozen=True):
    """Everything up to batch `seq` and record `record` is in Kafka. `hash` is that batch's, in hex.

    `last_event` is the id of the newest event of the topic when this was written, "" where it had none.
    """

    version: int
    shard: int
    seq: int
    record: int
    hash: str
    last_event: str

    @property
    def digest(self) -> bytes:
        return bytes.fromhex(self.hash)


class EventMark(Struct, frozen=True):
    """An event in the topic: what its value says of itself."""

    id: str
    record: int
    seq: int


class TopicEnds(Struct, frozen=True):
    """One partition: its first offset that is kept, the one after its last, and the newest event that can be read."""

    first: int
    end: int
    newest: EventMark | None


def start_of(shard: int) -> Position:
    """The position before the first batch."""
    return Position(version=VERSION, shard=shard, seq=0, record=0, hash=GENESIS.hex(), last_event="")


def encode_position(position: Position) -> bytes:
    return msgspec.json.encode(position)


def decode_position(value: bytes | None, *, shard: int) -> Position:
    """Raises Halt for what is no position of this shard and version."""
    try:
        position = msgspec.json.decode(value or b"", type=Position)
        digest = position.digest
    except (msgspec.MsgspecError, ValueError):
        raise Halt(
            "position_unreadable", f"the position of shard {shard} is not what a relay writes"
        ) from None
    if (position.version, position.shard, len(digest)) != (VERSION, shard, len(GENESIS)):
        raise Halt(
            "position_unreadable",
            f"the position says version {position.version}, shard {position.shard}; this relay has version {VERSION} "
            f"and shard {shard}",
        )
    return position


def mark_of(value: bytes | None) -> EventMark:
    """Raises Halt for a value that is no event."""
    try:
        return msgspec.json.decode(value or b"", type=EventMark)
    except msgspec.MsgspecError:
        raise Halt(
            "topic_unfit", "the newest value of the events' topic is no event; who else writes there?"
        ) from None


def agreed(position: Position | None, topic: TopicEnds, shard: int) -> Position:
    """The position to go on from, where it and the topic can both be true. Raises Halt where they cannot."""
    newest = topic.newest
    if position is None:
        if newest is None and topic.first == 0:
            return start_of(shard)
        there = (
            f"its newest event is {newest.id}"
            if newest is not None
            else "events were there and are past retention"
        )
        raise Halt(
            "position_missing", f"shard {shard} has no position, but its partition is not new: {there}"
        )
    if newest is None:
        if position.last_event and topic.first == 0:
            raise Halt(
                "events_lost",
                f"the position is after {position.last_event}, and the partition is empty: was the topic made anew?",
            )
        return position
    if newest.id == position.last_event:
        return position
    if newest.record > position.record:
        raise Halt(
            "position_gone_back",
            f"the position is after record {position.record}, and the topic has {newest.id} already",
        )
    raise Halt(
        "events_lost",
        f"the position is after {position.last_event or 'no event'}, and the newest event of the topic is {newest.id}",
    )


def require_same_journal(position: Position, found: bytes | None, end_seq: int) -> None:
    """Raises Halt unless the journal's batch at the position is the one that was relayed.

    `found` is the hash of the batch there, None where the journal, which ends at `end_seq`, has none.
    """
    if position.seq == 0:
        return
    if found is None:
        raise Halt(
            "journal_behind",
            f"batch {position.seq} is in Kafka, and the journal ends at {end_seq}: is it an older copy, or another?",
        )
    if found != position.digest:
        raise Halt("journal_differs", f"batch {position.seq} of the journal is not the one that is in Kafka")


def advanced(position: Position, *, seq: int, record: int, digest: bytes, last_event: str) -> Position:
    """The position after more batches; `last_event` "" where they had no event."""
    changes: dict[str, Any] = {"seq": seq, "record": record, "hash": digest.hex()}
    if last_event:
        changes["last_event"] = last_event
    return msgspec.structs.replace(position, **changes)
