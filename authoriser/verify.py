"""`verify`: the whole journal replayed from nothing, beside the snapshots with the tail replayed over them.

Both must be the same state, to the hash, and that state must keep every rule of the ledger. Reads only; runs beside a
serving process or without one.
"""

import sqlite3
from pathlib import Path

from msgspec import Struct

from authoriser.journal.batch import BatchError
from authoriser.journal.sqlite import JOURNAL_FILE, read_batches
from authoriser.ledger.digest import problems, state_hash
from authoriser.limits import EVENTS_PAGE
from authoriser.places import SHARD, shard_directory
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


def verify(data_dir: Path) -> VerifyReport:
    """Replay and compare. Never raises for what it finds in the directory: that is what it reports."""
    directory = shard_directory(data_dir, SHARD)
    path = directory / JOURNAL_FILE
    if not path.exists():
        return _report(None, [f"there is no journal in {data_dir} (looked for {path})"])
    # The snapshots first: they never know more than a journal read after them.
    try:
        loaded = load_snapshots(directory / SNAPSHOTS_FILE)
    except sqlite3.Error as error:
        return _report(None, [f"the snapshots can't be read: {error}"])
    replayer = Replayer(SHARD)
    found: list[str] = []
    try:
        _feed(replayer, path, until=None)
    except DAMAGE as error:
        found.append(f"the journal can't be replayed past batch {replayer.tail.seq}: {error}")
        return _report(replayer, found)
    found += problems(replayer.state)
    found += _compare(replayer, path, loaded)
    return _report(replayer, found)


def _compare(whole: Replayer, path: Path, loaded: Loaded) -> list[str]:
    try:
        tail = Replayer(SHARD, loaded)
        _feed(tail, path, until=whole.tail.seq)
        tail.finish()
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


def _feed(replayer: Replayer, path: Path, *, until: int | None) -> None:
    while batches := read_batches(path, replayer.next_seq, EVENTS_PAGE):
        for seq, blob in batches:
            if until is not None and seq > until:
                return
            replayer.feed(seq, blob)


def _report(replayer: Replayer | None, found: list[str]) -> VerifyReport:
    listed = tuple(found[:PROBLEMS_LISTED_MAX])
    if replayer is None:
        return VerifyReport(False, listed, 0, 0, 0, 0, 0, 0, 0, "")
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
