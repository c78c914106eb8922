"""The account as it was just before a message, from the journal, and why the message met its payment there or not.

Only the records of that one account are applied: an account is an aggregate of its own, and the rest of the journal is
not even decoded. Owns which messages are looked at; the comparison itself is the ledger's.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from authoriser.explaining.reading import JournalReader, Read, Watch, needle
from authoriser.explaining.stories import Story
from authoriser.ledger.apply import replay
from authoriser.ledger.commands import Policy
from authoriser.ledger.match_report import MatchReport, match_report
from authoriser.ledger.matching import remembered
from authoriser.ledger.near_misses import Message
from authoriser.ledger.state import Account, ShardState
from authoriser.places import SHARD

Orders = Callable[[str], tuple[tuple[str, ...], tuple[str, ...]]]
"""The ways of matching of a link, in their order: those of originals, and those of clearing and completions."""


class Match(Struct, frozen=True):
    """`forgotten` are payments of the same story that began before, and were not remembered any more."""

    read: Read
    report: MatchReport
    forgotten: tuple[int, ...] = ()


def find_matches(journal: JournalReader, story: Story, orders: Orders, watch: Watch) -> tuple[Match, ...]:
    """A report for each message of `story` that was asked for. Raises NoJournalError."""
    asked = {read.number: read for read in story.messages if read.number in story.asked}
    state = ShardState(SHARD)
    found = []
    last = max(asked.values(), key=lambda read: read.number, default=None)
    if last is None:
        return ()
    needles = [needle(story.account_id)] if story.account_id else []
    for read in journal.read(watch, needles, to_seq=last.seq):
        if read.number in asked:
            found.append(_match(state, asked.pop(read.number), story, orders))
        if getattr(read.record, "account_id", "") == story.account_id:
            replay(state, read.record, read.number)
    found += [_match(state, read, story, orders) for read in asked.values()]  # those of nobody's card
    return tuple(found)


def _match(state: ShardState, read: Read, story: Story, orders: Orders) -> Match:
    record = read.record
    assert isinstance(record, Message)
    report = match_report(state, record, *orders(record.particulars.link))
    account = state.accounts.get(story.account_id)
    return Match(read, report, _forgotten(account, story, read))


def _forgotten(account: Account | None, story: Story, read: Read) -> tuple[int, ...]:
    if account is None:
        return ()
    at_ms = read.record.at_ms
    older = [hold_id for hold_id in story.payments if hold_id < read.number]
    return tuple(hold_id for hold_id in older if remembered(account, hold_id, at_ms) is None)


def default_orders(_link: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The orders of a link that says nothing of its own."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Policy)}
    return defaults["matching"], defaults["clearing_matching"]
