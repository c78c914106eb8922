"""The judge of drills finds each kind of fault, and none where all was kept."""

import msgspec
import pytest

from authoriser.journal.batch import decode_batch, encode_batch
from drills.evidence import EvidenceError, Heard, Shown
from tests.drills.stories import Story, Written, decided, epoch, exchange, reversed_, voided


def test_a_drill_that_kept_every_promise() -> None:
    """No fault; and how much there was to judge."""
    judgement = Story().written().judged()
    assert msgspec.structs.replace(judgement, faults=[]) == judgement
    assert (judgement.messages, judgement.answered, judgement.approvals) == (6, 5, 3)
    assert (judgement.batches, judgement.epochs, judgement.records, judgement.events) == (7, 2, 9, 9)


def test_a_lost_approval() -> None:
    """P1: a client was told 00, and the log does not have it."""
    story = Story().written()
    story.exchanges[5] = exchange("000006", 50, Heard("00", "00000X"))
    assert ("P1", "lost") in story.faults()


def test_an_answer_ahead_of_the_log() -> None:
    """P1: a decline too waits for the log; only what decides nothing may be missing from it."""
    story = Story().written()
    story.exchanges[5] = exchange("000006", 50, Heard("51"))
    assert story.faults() == {("P1", "ahead_of_log")}
    story.exchanges[5] = exchange("000006", 50, Heard("91"))
    assert story.faults() == set()


def test_a_payment_that_nobody_sent() -> None:
    """It is a fault, unless others used the accounts."""
    story = Story().written()
    del story.exchanges[4]
    assert story.faults() == {("P1", "not_sent")}
    assert story.judged(others=True).faults == []


def test_a_payment_decided_twice() -> None:
    """P3: one message, two records."""
    story = Story()
    story.batches[5].records.append(decided("000005", 300, hold_id=10, account="bob"))
    story.shown = []
    assert story.written().faults() == {
        ("P3", "decided_twice"),
        ("P6", "duplicate"),
        ("P1", "other_money"),
    }


def test_another_second_answer() -> None:
    """P3: the repeat of an approval heard another code, or another DE38; 91 before the answer says nothing."""
    for other in (Heard("51"), Heard("00", "00000X"), Heard("91")):
        story = Story().written()
        story.exchanges[3] = exchange("000004", 900, Heard("00", "000007"), other)
        assert ("P3", "other_answer") in story.faults()
    story.exchanges[3] = exchange("000004", 900, Heard("91"), Heard("00", "000007"))
    assert story.faults() == set()


def test_an_answer_that_is_not_the_logs() -> None:
    """P3: whoever repeats later would hear something else."""
    story = Story().written()
    story.exchanges[1] = exchange("000002", 700, Heard("05"))
    assert story.faults() == {("P3", "other_answer")}


def test_a_void_after_the_answer() -> None:
    """P2: the hold of an approval that a client heard was let go; of one that nobody heard it may be."""
    story = Story()
    story.batches[6].records.append(voided(9, 300, account="bob"))
    story.shown[1] = Shown("bob", 0, 0)
    story.written()
    assert ("P2", "void_after_answer") in story.faults()
    story.exchanges[4] = exchange("000005", 300, account="bob")
    assert story.faults() == set()
    story.exchanges[4] = exchange("000005", 300, Heard("68"), account="bob")
    assert story.faults() == set()


def test_a_reversal_that_gave_nothing_back() -> None:
    """P1: it was acknowledged, and its original is held."""
    story = Story()
    story.batches[3].records[0] = reversed_("000003", 4, 0)
    assert ("P1", "not_reversed") in story.written().faults()


def test_an_approval_beyond_the_balance() -> None:
    """P4: 900 of 1,000 are held, and 200 more were approved."""
    story = Story()
    story.batches[6].records.append(decided("000006", 200, hold_id=10))
    story.exchanges[5] = exchange("000006", 200, Heard("00", "000010"))
    story.shown[0] = Shown("alice", 0, 1_100)
    assert story.written().faults() == {("P4", "overspent")}


def test_a_gap_in_kafka() -> None:
    """P6: a record that is no event; of an approval, its client's payment is named too."""
    story = Story().written()
    del story.events[8]
    assert story.faults() == {("P6", "gap"), ("P6", "other_money")}
    assert story.judged().faults[0].text == "records 9 are in the log and not in Kafka"


def test_a_duplicate_in_kafka() -> None:
    """P6: one event twice."""
    story = Story().written()
    story.events.insert(4, story.events[3])
    assert story.faults() == {("P6", "duplicate"), ("P6", "other_money")}


def test_another_order_in_kafka() -> None:
    """P6: each is there once, two of them changed places."""
    story = Story().written()
    story.events[7], story.events[8] = story.events[8], story.events[7]
    assert story.faults() == {("P6", "order")}


def test_another_event_in_kafka() -> None:
    """P6: an event at the right place that says another amount; and one of a record that the log does not have."""
    story = Story().written()
    story.events[8] = story.events[8].replace(b'"held_minor":300', b'"held_minor":301')
    assert story.faults() == {("P6", "other_event"), ("P6", "other_money")}
    story = Story().written()
    story.slots.pop()
    story.slots.pop()
    assert ("P6", "not_in_log") in story.faults()


def test_a_message_that_is_no_event() -> None:
    """Somebody else wrote to the topic: there is nothing to judge by."""
    story = Story().written()
    story.events.append(b"{}")
    with pytest.raises(EvidenceError, match="no event"):
        story.judged()


def test_a_gap_in_the_log() -> None:
    """P6: a slot that nobody filled."""
    story = Story().written()
    del story.slots[3]
    assert ("P6", "log_gap") in story.faults()


def test_a_changed_batch() -> None:
    """P10: one byte, or a whole batch that does not follow the one before."""
    story = Story().written()
    seq, blob = story.slots[6]
    story.slots[6] = (seq, blob[:5] + bytes([blob[5] ^ 1]) + blob[6:])
    assert story.faults() == {("P10", "log_damaged")}
    batch, _digest = decode_batch(blob, seq=seq, shard=0, previous_hash=None)
    story.slots[6] = (seq, encode_batch(msgspec.structs.replace(batch, previous_hash=bytes(32)))[0])
    assert story.faults() == {("P10", "log_damaged")}


def test_a_leader_that_wrote_after_it_was_fenced() -> None:
    """P7: a batch of an epoch that was over, of an epoch that nobody opened, or of two processes in one epoch."""
    for batch, kind in (
        (Written([], epoch=1), "fenced_writer"),
        (Written([], epoch=6, nonce="three"), "fenced_writer"),
        (epoch(9, "three"), "fenced_writer"),
        (Written([], nonce="one"), "two_writers"),
    ):
        story = Story()
        story.batches.append(batch)
        assert story.written().faults() == {("P7", kind)}


def test_balances_that_are_not_the_logs() -> None:
    """P10: what the authoriser shows is not what its log comes to."""
    story = Story().written()
    story.shown[1] = Shown("bob", 0, 301)
    assert story.faults() == {("P10", "other_money")}


def test_money_that_clients_did_not_hear_of() -> None:
    """P1: an account is charged what no client was approved; an unanswered request may be charged or not."""
    story = Story()
    story.batches[5].records.append(decided("000006", 50, hold_id=10, account="bob"))
    story.shown[1] = Shown("bob", 0, 350)
    story.exchanges[5] = exchange("000006", 50, account="bob")
    assert story.written().faults() == set()
    story.exchanges[5] = exchange("000006", 40, account="bob")
    assert story.faults() == {("P1", "other_money")}
