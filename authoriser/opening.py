"""Opens a shard's journal for reading alone, wherever the configuration has it: for commands, beside whoever serves.

Owns which journal that is, and the words where it can't be read. Starts no epoch, writes nothing, makes no key; whoever
leads is asked nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import trio

from authoriser.journal.slots import Slots, SqliteSlots
from authoriser.journal.sqlite import JOURNAL_FILE
from authoriser.keys import load_pan_key
from authoriser.places import JOURNAL_MARK, SHARD, shard_directory

if TYPE_CHECKING:
    from authoriser.config import Config

NO_DRIVER = "the Cassandra driver is not installed; install it with: pip install 'authoriser[stack]'"


class NoJournalError(Exception):
    """There is no journal to read from; the text says where it was looked for, or what is wrong with it."""


def embedded_journal(data_dir: Path) -> Slots:
    """The journal in a data directory. Raises NoJournalError where there is none."""
    directory = shard_directory(data_dir, SHARD)
    path = directory / JOURNAL_FILE
    if path.exists():
        return SqliteSlots(directory)
    if (directory / JOURNAL_MARK).exists():
        raise NoJournalError(f"the journal of {data_dir} is in Cassandra; --config FILE says where")
    raise NoJournalError(f"there is no journal in {data_dir} (looked for {path})")


def configured_journal(config: Config) -> Slots:
    """The journal that `config` names: in Cassandra, checked as a server would, or in the data directory.

    Raises NoJournalError: for a keyspace, schema or password that is not there, a node that does not answer, or a PAN
    key of another deployment where this machine has one.
    """
    section = config.cassandra
    if section is None:
        return embedded_journal(config.data_dir)
    try:
        from authoriser.cassandra_access import cassandra_config
        from authoriser.cluster import ClusterError, require_readable
        from authoriser.journal.cassandra_slots import CassandraSlots
    except ImportError:
        raise NoJournalError(NO_DRIVER) from None
    try:
        pan_key = load_pan_key(config.keys.pan_key_file)
    except FileNotFoundError:
        pan_key = None  # whoever reads needs none: cards in the journal go by their ids
    try:
        trio.run(require_readable, section, pan_key)
    except ClusterError as error:
        raise NoJournalError(str(error)) from None
    return CassandraSlots(cassandra_config(section), SHARD)
