"""Events as rows: which are shown, and what of them has a column."""

from datetime import UTC, datetime

import pytest

from authoriser.ledger import records as r
from authoriser.published.shapes import SHAPES
from consumers.feed.cli import replay_from
from consumers.feed.rows import SHOWN, Entry, entry_of
from consumers.reading import Beginning
from rules import Reason
from tests.consumers.events import AT_MS, approved, decided, incoming


def test_a_decision_is_a_row() -> None:
    """Account and month are the bucket, the record number the order; the whole event is kept beside the columns."""
    came = incoming(approved())
    assert entry_of(came) == Entry(
        account="alice",
        month=202701,
        record=7,
        event_id="0-000000000007",
        at=datetime(2027, 1, 15, 8, tzinfo=UTC),
        type="card.authorisation.approved",
        reason="approved",
        hold_id="7",
        card_id="card_1",
        last_four="0002",
        amount_minor=2_550,
        currency="EUR",
        merchant="Grocer",
        city="Brussels",
        country="BE",
        mcc=None,
        event=(came.message.value or b"").decode(),
    )


def test_a_hold_that_ends_tells_what_it_gave_back() -> None:
    """What the event does not say has no value in its column."""
    entry = entry_of(incoming(r.HoldExpired(AT_MS, "alice", "card_1", 4, 2_500)))
    assert entry is not None
    assert (entry.hold_id, entry.amount_minor, entry.merchant, entry.reason) == ("4", 2_500, None, None)


@pytest.mark.parametrize(
    "record",
    [decided(Reason.VERIFIED), decided(Reason.APPROVED, account_id=""), r.EpochEnded(AT_MS)],
    ids=["verification", "nobody's", "epoch"],
)
def test_what_moves_no_money_of_an_account_is_no_row(record: r.Record) -> None:
    """The list is of payments, not of everything that happened."""
    assert entry_of(incoming(record)) is None


def test_what_is_shown_exists() -> None:
    """Each type of the list is published."""
    assert SHOWN <= set(SHAPES)


def test_where_a_replay_begins() -> None:
    """The beginning, or a time; one without a zone is UTC."""
    assert [
        replay_from(text)
        for text in (None, "beginning", "2027-01-15T08:00:00Z", "2027-01-15T08:00:00", "2027-01-15")
    ] == [None, Beginning(), Beginning(AT_MS), Beginning(AT_MS), Beginning(AT_MS - 8 * 3_600_000)]
    with pytest.raises(
        ValueError, match=r'^--replay-from "yesterday" should be beginning or a time, such as'
    ):
        replay_from("yesterday")
