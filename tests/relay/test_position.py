"""Where a relay goes on: what position, topic and journal say together, and when it halts instead of guessing."""

import pytest

from authoriser.relay.position import (
    EventMark,
    Halt,
    Position,
    TopicEnds,
    advanced,
    agreed,
    decode_position,
    encode_position,
    mark_of,
    require_same_journal,
    start_of,
)

DIGEST = bytes(range(32))
POSITION = Position(version=1, shard=0, seq=7, record=12, hash=DIGEST.hex(), last_event="0-000000000012")
NEW = TopicEnds(first=0, end=0, newest=None)


def topic(record: int, first: int = 0) -> TopicEnds:
    return TopicEnds(first, 100, EventMark(f"0-{record:012}", record, 7))


def halted(position: Position | None, ends: TopicEnds) -> str:
    with pytest.raises(Halt) as halt:
        agreed(position, ends, 0)
    return halt.value.kind


def test_a_new_topic_begins_with_the_first_batch() -> None:
    """No position and nothing in the topic: everything in the journal is still to come."""
    assert agreed(None, NEW, 0) == start_of(0)


def test_a_topic_with_nothing_but_aborted_attempts_is_new() -> None:
    """The first relay died before its first commit: offsets were used, and nobody can read an event."""
    assert agreed(None, TopicEnds(first=0, end=57, newest=None), 0) == start_of(0)


def test_a_position_that_fits_its_topic_is_taken() -> None:
    """The newest event is the one that was written with the position."""
    assert agreed(POSITION, topic(12), 0) == POSITION


def test_a_topic_whose_events_are_past_retention_fits() -> None:
    """Nothing is left to compare with, but offsets show that something was there."""
    assert agreed(POSITION, TopicEnds(first=57, end=57, newest=None), 0) == POSITION


def test_a_position_before_any_event_fits_an_empty_topic() -> None:
    """Batches without a record move the position alone."""
    position = Position(version=1, shard=0, seq=500, record=0, hash=DIGEST.hex(), last_event="")
    assert agreed(position, NEW, 0) == position


def test_what_cannot_all_be_true_halts() -> None:
    """Each way in which position and topic contradict each other has its name."""
    assert {
        "no position, events": halted(None, topic(12)),
        "no position, events past retention": halted(None, TopicEnds(first=57, end=57, newest=None)),
        "topic ahead": halted(POSITION, topic(13)),
        "topic behind": halted(POSITION, topic(11)),
        "topic made anew": halted(POSITION, NEW),
    } == {
        "no position, events": "position_missing",
        "no position, events past retention": "position_missing",
        "topic ahead": "position_gone_back",
        "topic behind": "events_lost",
        "topic made anew": "events_lost",
    }


def test_a_halt_says_what_and_where() -> None:
    """The text starts with the name that docs/kafka.md explains, and names both sides."""
    with pytest.raises(Halt) as halt:
        agreed(POSITION, topic(13), 0)
    assert str(halt.value) == (
        "position_gone_back: the position is after record 12, and the topic has 0-000000000013 already"
    )


@pytest.mark.parametrize(
    ("found", "kind"), [(None, "journal_behind"), (bytes(32), "journal_differs")], ids=["shorter", "another"]
)
def test_another_journal_halts(found: bytes | None, kind: str) -> None:
    """A restored copy that ends before the position, or a journal with another batch there."""
    with pytest.raises(Halt) as halt:
        require_same_journal(POSITION, found, 3)
    assert halt.value.kind == kind


def test_the_journal_of_the_position_goes_on() -> None:
    """The batch's hash is the position's; before the first batch there is nothing to compare."""
    require_same_journal(POSITION, DIGEST, 7)
    require_same_journal(start_of(0), None, 0)


def test_a_position_is_read_as_it_was_written() -> None:
    """The value in the topic gives the same position again."""
    assert decode_position(encode_position(POSITION), shard=0) == POSITION


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"\xff",
        encode_position(POSITION).replace(b'"version":1', b'"version":2'),
        encode_position(POSITION).replace(b'"shard":0', b'"shard":1'),
        encode_position(POSITION).replace(DIGEST.hex().encode(), b"zz"),
        encode_position(POSITION).replace(DIGEST.hex().encode(), b"00"),
    ],
    ids=["tombstone", "empty", "no fields", "no JSON", "version", "shard", "no hex", "short hash"],
)
def test_what_is_no_position_halts(value: bytes | None) -> None:
    """Nothing else in its place is taken for a position."""
    with pytest.raises(Halt) as halt:
        decode_position(value, shard=0)
    assert halt.value.kind == "position_unreadable"


def test_a_stranger_in_the_topic_halts() -> None:
    """A value that is no event of ours: somebody else writes to the topic."""
    with pytest.raises(Halt) as halt:
        mark_of(b"hello")
    assert halt.value.kind == "topic_unfit"


def test_batches_without_an_event_keep_the_last_one() -> None:
    """The position moves, and the newest event of the topic stays what it was."""
    assert advanced(POSITION, seq=9, record=12, digest=bytes(32), last_event="") == Position(
        version=1, shard=0, seq=9, record=12, hash=bytes(32).hex(), last_event="0-000000000012"
    )
