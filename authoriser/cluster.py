"""The journal in Cassandra, opened as configured: connection, safety, schema, and that everybody has the same key.

Owns which errors of all that are an operator's to mend, and their words. Also the data directory's mark: what it
caches belongs to one journal, and must never be laid over another.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from authoriser.cassandra.safety import UnsafeServer, replicas_of
from authoriser.cassandra.schema_versions import SchemaError, require_schema
from authoriser.cassandra.session import CassandraError, Session, SettingError
from authoriser.cassandra_access import cassandra_config
from authoriser.config_cassandra import CassandraSection
from authoriser.journal.cassandra import CassandraJournal
from authoriser.journal.contract import Fenced, SharedJournal, Unknown
from authoriser.journal.sqlite import JOURNAL_FILE
from authoriser.keys import KeyFileError, PanKey
from authoriser.passwords import PasswordError
from authoriser.places import JOURNAL_MARK, journal_mark_of, write_durably
from authoriser.snapshots.cassandra import CassandraSnapshots
from authoriser.snapshots.contract import StoreError

REMEMBER_KEY = "INSERT INTO {keyspace}.pan_keys (version, fingerprint) VALUES (?, ?) IF NOT EXISTS"


class ClusterError(Exception):
    """The journal in Cassandra can't be used; the text says which setting is wrong and what to do.

    `passing`: it may be over when the same is tried again, as with a node that is away.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


async def open_cluster(
    section: CassandraSection, *, shard: int, pan_key: PanKey
) -> tuple[Session, CassandraJournal]:
    """Connect, check and open. Raises ClusterError; then nothing is left open."""
    try:
        config = cassandra_config(section)
        async with await Session.open(config, with_keyspace=False) as session:
            await _require_keyspace(session, section)
        session = await Session.open(config)
    except (CassandraError, PasswordError) as error:
        raise _in_words(section, error) from None
    try:
        journal = await CassandraJournal.open(session, shard=shard)
        await _agree_on_key(session, section, pan_key)
    except BaseException as error:
        await session.close()
        if isinstance(error, CassandraError | SchemaError | UnsafeServer):
            raise _in_words(section, error) from None
        raise
    return session, journal


async def require_readable(section: CassandraSection, pan_key: PanKey | None) -> None:
    """Whether the journal is there to be read: connection, keyspace, schema, and the key of the one who asks, if any.

    Writes nothing; whether the server is safe to write to is not asked. Raises ClusterError.
    """
    try:
        config = cassandra_config(section)
        async with await Session.open(config, with_keyspace=False) as session:
            await _require_keyspace(session, section)
            await require_schema(session)
            await _refuse_stranger(session, section, pan_key)
    except (CassandraError, PasswordError, SchemaError) as error:
        raise _in_words(section, error) from None


async def open_snapshots(session: Session, section: CassandraSection, *, shard: int) -> CassandraSnapshots:
    """The shard's snapshots beside its journal. Raises ClusterError."""
    try:
        return await CassandraSnapshots.open(session, shard=shard)
    except (CassandraError, SchemaError) as error:
        raise _in_words(section, error) from None
    except StoreError as error:
        text = f"cassandra.keyspace {section.keyspace}: {error}"
        raise ClusterError(text, passing=error.passing) from None


async def _require_keyspace(session: Session, section: CassandraSection) -> None:
    """Asked first, as the driver says of a keyspace that is not there that no host is."""
    found = await session.execute(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", (section.keyspace,)
    )
    if not found:
        raise ClusterError(
            f'cassandra.keyspace "{section.keyspace}" is not there; make it with: '
            f"authoriser schema create --contact {section.contact_points[0]} --keyspace {section.keyspace}"
        )
    if not replicas_of(found[0]["replication"], section.local_data_centre):
        home = f"data centre {section.local_data_centre}" if section.local_data_centre else "any data centre"
        raise ClusterError(
            f'cassandra.keyspace "{section.keyspace}" has no copy in {home}; ALTER KEYSPACE adds one'
        )


async def _agree_on_key(session: Session, section: CassandraSection, key: PanKey) -> None:
    """The first process leaves its key's fingerprint; whoever has another key is refused."""
    statement = await session.prepare(REMEMBER_KEY)
    (row,) = await session.execute(statement, (key.version, key.fingerprint))
    if not row["[applied]"] and row["fingerprint"] != key.fingerprint:
        raise _another_key(section)


async def _refuse_stranger(session: Session, section: CassandraSection, key: PanKey | None) -> None:
    """Whoever has another deployment's key has its configuration too."""
    if key is None:
        return
    select = "SELECT fingerprint FROM {keyspace}.pan_keys WHERE version = ?"
    statement = await session.prepare(select, serial_read=True)
    for row in await session.execute(statement, (key.version,)):
        if row["fingerprint"] != key.fingerprint:
            raise _another_key(section)


def _another_key(section: CassandraSection) -> KeyFileError:
    return KeyFileError(
        f"keys.pan_key_file is not the key that the cards in keyspace {section.keyspace} were stored under; with "
        "it no card would be found. Every process of a deployment needs the same one"
    )


def _in_words(section: CassandraSection, error: Exception) -> ClusterError:
    where = ", ".join(map(str, section.contact_points))
    text = str(error)
    if isinstance(error, SchemaError):
        return ClusterError(f"cassandra.keyspace: {text}")
    if isinstance(error, UnsafeServer | PasswordError | SettingError):
        return ClusterError(text)
    passing = isinstance(error, CassandraError) and error.passing
    return ClusterError(f"cassandra.contact_points {where}: {text}", passing=passing)


async def check_belongs(directory: Path, journal: SharedJournal) -> None:
    """Refuse a shard's directory that holds another journal's things, and mark it as this one's.

    A journal is known by the hash of its first batch. Raises ClusterError.
    """
    if (directory / JOURNAL_FILE).exists():
        raise ClusterError(
            f"{directory} holds an embedded journal ({JOURNAL_FILE}), which is not in Cassandra; with [cassandra] "
            "another data_dir is needed"
        )
    first = await journal.read(1, 1)
    found = journal_mark_of(first[0][1]) if first else ""
    mark = directory / JOURNAL_MARK
    known = mark.read_text(encoding="ascii").strip() if mark.exists() else ""
    if known and known != found:
        raise ClusterError(
            f"{directory} belongs to another journal than the one in Cassandra now ({mark} says so): check "
            "cassandra.contact_points and cassandra.keyspace, or give another data_dir"
        )
    if found and not known:
        write_durably(mark, f"{found}\n")


class ToldJournal:
    """A journal that tells of its appends: what is unknown, and None once it is known again; and that it is fenced."""

    def __init__(
        self, journal: SharedJournal, unknown: Callable[[Unknown | None], None], fenced: Callable[[], None]
    ) -> None:
        """`fenced` is called before whoever appended hears of it."""
        self._append = journal.append
        self._tell_unknown, self._tell_fenced = unknown, fenced
        self._unknown = False
        self.read = journal.read
        self.close = journal.close

    async def append(self, seq: int, blob: bytes) -> None:
        try:
            await self._append(seq, blob)
        except Unknown as unknown:
            self._unknown = True
            self._tell_unknown(unknown)
            raise
        except Fenced:
            self._tell_fenced()
            raise
        if self._unknown:
            self._unknown = False
            self._tell_unknown(None)
