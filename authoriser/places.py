"""Where things are in a data directory. One shard for now; its number is in the path from the first day."""

import hashlib
import os
from pathlib import Path

SHARD = 0
"""The embedded default has one shard."""


JOURNAL_MARK = "journal.mark"
"""Of a shard's directory whose journal is in Cassandra: it says of which one."""


def shard_directory(data_dir: Path, shard: int) -> Path:
    """The journal, the snapshots and the lock of one shard."""
    return data_dir / f"shard-{shard}"


def journal_mark_of(first_batch: bytes) -> str:
    """What stands in JOURNAL_MARK: a journal is known by its first batch, whose nonce no other has."""
    return hashlib.sha256(first_batch).hexdigest()


def key_mark_of(data_dir: Path) -> Path:
    """A fingerprint of the PAN key that the stored tokens were made with; it tells nothing of the key."""
    return data_dir / "pan-key.mark"


def write_durably(path: Path, text: str) -> None:
    """The whole file or none, on disk when this returns."""
    aside = path.with_name(f".{path.name}.new")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
