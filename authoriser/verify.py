"""`verify`: the whole journal replayed from nothing, beside the snapshots with the tail replayed over them.

Both must be the same state, to the hash, and that state must keep every rule of the ledger. Reads only; runs beside a
serving process or without one.
"""

import sqlite3
from pathlib import Path

from msgspec import Struct

from authoriser.journal.batch import BatchError
from authoriser.journal.contract import Unknown
from authoriser.journal.slots import Slots, pages
from authoriser.ledger.digest import problems, state_hash
from authoriser.places import JOURNAL_MARK, SHARD, journal_mark_of, shard_directory
from authoriser.recovery import RecoveryError, Replayer
from authoriser.snapshots import Loaded
from authoriser.snapshots.sqlite import SNAPSHOTS_FILE, load_snapshots

PROBLEMS_LISTED_MAX = 100
"""More than this is one problem seen a hundred times."""


DAMAGE = (BatchError, RecoveryError, AssertionError, KeyError, sqlite3.Error)
"""How a journal or a snapshot that can't be right shows."""


class VerifyReport(Struct, frozen=True):
    """`state_hash` is SHA-256 of the replayed state in hexadecimal, "" where it could not be replayed."""

    ok: bool
    problems: tuple[str, ...]
    records: int
    batches: int
    accounts: int
    cards: int
    holds: int
    epoch: int
    last_record: int
    state_hash: str


def verify(slots: Slots, data_dir: Path) -> VerifyReport:
    """Replay and compare with the snapshots in the directory, if any. Never raises for what it finds: it reports."""
    directory = shard_directory(data_dir, SHARD)
    # The snapshots first: they never know more than a journal read after them.
    try:
        loaded = load_snapshots(directory / SNAPSHOTS_FILE)
    except sqlite3.Error as error:
        return nothing_to_verify(f"the snapshots can't be read: {error}")
    replayer = Replayer(SHARD)
    found: list[str] = []
    try:
        end = slots.end()
        stranger = _stranger(directory, slots)
        if stranger:
            return nothing_to_verify(stranger)
        _feed(replayer, slots, end)
    except Unknown as error:
        return _report(replayer, [str(error)])
    except DAMAGE as error:
        found.append(f"the journal can't be replayed past batch {replayer.tail.seq}: {error}")
        return _report(replayer, found)
    found += problems(replayer.state)
    if loaded.checkpoint_seq:
        found += _compare(replayer, slots, loaded)
    return _report(replayer, found)


def nothing_to_verify(problem: str) -> VerifyReport:
    """A report of nothing but why there is none."""
    return VerifyReport(False, (problem,), 0, 0, 0, 0, 0, 0, 0, "")


def _stranger(directory: Path, slots: Slots) -> str:
    """Snapshots beside another journal than this one would differ in everything, and tell nothing."""
    mark = directory / JOURNAL_MARK
    known = mark.read_text(encoding="ascii").strip() if mark.exists() else ""
    first = slots.read(1, 1) if known else []
    if not known or (first and journal_mark_of(first[0][1]) == known):
        return ""
    return f"{directory} belongs to another journal than {slots.name} ({mark} says so): give its own data directory"


def _compare(whole: Replayer, slots: Slots, loaded: Loaded) -> list[str]:
    try:
        tail = Replayer(SHARD, loaded)
        _feed(tail, slots, whole.tail.seq)
        tail.finish()
    except Unknown as error:
        return [str(error)]
    except DAMAGE as error:
        return [f"the snapshots with the journal's tail can't be replayed: {error}"]
    if state_hash(tail.state) == state_hash(whole.state):
        return []
    differing = [
        account_id
        for account_id, account in whole.state.accounts.items()
        if tail.state.accounts.get(account_id) != account
    ]
    text = f"{len(differing)} accounts differ between the snapshots with the tail and the whole journal"
    return [
        f"{text}: {', '.join(differing[:5])}" if differing else "the shard's commons differ from the journal"
    ]


def _feed(replayer: Replayer, slots: Slots, end: int) -> None:
    for page in pages(slots, replayer.next_seq, end):
        for seq, blob in page:
            replayer.feed(seq, blob)


def _report(replayer: Replayer, found: list[str]) -> VerifyReport:
    listed = tuple(found[:PROBLEMS_LISTED_MAX])
    state = replayer.state
    return VerifyReport(
        ok=not found,
        problems=listed,
        records=replayer.tail.record_no,
        batches=replayer.tail.seq,
        accounts=len(state.accounts),
        cards=len(state.cards),
        holds=sum(len(account.holds) for account in state.accounts.values()),
        epoch=state.commons.epoch,
        last_record=state.record_no,
        state_hash=state_hash(state),
    )
