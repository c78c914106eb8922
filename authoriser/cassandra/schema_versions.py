"""The schema: numbered `.cql` files beside this one, applied in order, each once, and remembered with its hash.

Owns the keyspace's creation and the table of versions. A file that was applied is never edited: another follows it.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.resources import files
from typing import TypeVar

import trio
from msgspec import Struct
from msgspec.structs import replace

from authoriser.cassandra.session import CassandraConfig, CassandraError, Session

PART = "authoriser"
_FILE = re.compile(r"(\d{4})-([a-z-]+)\.cql\Z")
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}\Z")
"""What Cassandra takes without quotes."""
REPLICAS_MAX = 7
CHANGE_MAX_S = 60.0
"""For all nodes to agree on a table, as long as the one that was asked answers heartbeats. It is not asked for twice:
made at two nodes at a time, it would have two ids."""
TRIES, TRY_AGAIN_S = 4, 2.0
"""Of what can be asked twice: a node that stands still for its own two seconds is no reason to give up."""

Made = TypeVar("Made")


class SchemaError(Exception):
    """A keyspace that does not have the schema of this program, and what would help."""


class SchemaFile(Struct, frozen=True):
    version: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """What stands between semicolons, without comments. No text of ours holds either in a string."""
        bare = re.sub(r"--[^\n]*", "", self.text)
        return tuple(statement.strip() for statement in bare.split(";") if statement.strip())


def schema_files() -> tuple[SchemaFile, ...]:
    """Every version this program knows, from 1 without a gap."""
    found = []
    for entry in files("authoriser.cassandra").joinpath("schema").iterdir():
        match = _FILE.match(entry.name)
        if match:
            found.append(SchemaFile(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda file: file.version))


def latest_version() -> int:
    return schema_files()[-1].version


def patient(config: CassandraConfig) -> CassandraConfig:
    """For a session that changes tables."""
    return replace(config, request_max_s=CHANGE_MAX_S)


async def create_schema(config: CassandraConfig, replicas: int) -> tuple[SchemaFile, ...]:
    """Make the keyspace if it is not there, apply what is missing, and give what was applied now.

    Raises what `create_keyspace` does, and SchemaError where an applied file differs from ours.
    """
    await create_keyspace(config, replicas)
    async with await Session.open(patient(config)) as session:
        version = await _tried_again(partial(applied_version, session))
        missing = tuple(file for file in schema_files() if file.version > version)
        for file in missing:
            await _apply(session, file)
        if missing:
            await _tried_again(partial(require_schema, session))
    return missing


async def create_keyspace(config: CassandraConfig, replicas: int) -> None:
    """Make the keyspace if it is not there, in the home data centre.

    `replicas` is for a keyspace that is made now; one that is there keeps its own. Raises SchemaError where its name
    won't do or no data centre can be its home, CassandraError from the server.
    """
    keyspace = _checked(config.keyspace)
    if not 1 <= replicas <= REPLICAS_MAX:
        raise SchemaError(f"{replicas} replicas; 1 to {REPLICAS_MAX} can be made")
    async with await Session.open(patient(config), with_keyspace=False) as session:
        data_centre = _data_centre(session)
        await session.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
            f"{{'class': 'NetworkTopologyStrategy', '{data_centre}': {replicas}}} AND durable_writes = true"
        )


async def applied_version(session: Session) -> int:
    """The schema's version; 0 where there is none. Raises SchemaError where it is not this program's."""
    keyspace = _checked(session.config.keyspace)
    there = await session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'schema_versions'",
        (keyspace,),
    )
    if not there:
        return 0
    select = await session.prepare(
        "SELECT version, digest FROM {keyspace}.schema_versions WHERE part = ?", serial_read=True
    )
    applied = {row["version"]: row["digest"] for row in await session.execute(select, (PART,))}
    ours = {file.version: file for file in schema_files()}
    for version, digest in sorted(applied.items()):
        if version not in ours:
            raise SchemaError(
                f"keyspace {keyspace} has schema version {version} and this program knows "
                f"{len(ours)}: it was made by a later one; run that"
            )
        if ours[version].digest != digest:
            raise SchemaError(
                f"keyspace {keyspace}: schema version {version} ({ours[version].name}) was "
                "applied from another text than this program's"
            )
    return max(applied, default=0)


async def require_schema(session: Session) -> None:
    """Raises SchemaError unless the keyspace has this program's schema, whole."""
    version = await applied_version(session)
    if version != latest_version():
        raise SchemaError(
            f"keyspace {session.config.keyspace} has schema version {version or 'none'}, and this program needs "
            f"{latest_version()}: run `authoriser schema create`"
        )


async def _apply(session: Session, file: SchemaFile) -> None:
    for statement in file.statements:
        await session.execute(statement)
    # Last: a file that was interrupted is applied again, and each statement does nothing the second time.
    await _tried_again(partial(_note, session, file))


async def _note(session: Session, file: SchemaFile) -> None:
    note = await session.prepare(
        "INSERT INTO {keyspace}.schema_versions (part, version, name, digest) VALUES (?, ?, ?, ?) IF NOT EXISTS"
    )
    await session.execute(note, (PART, file.version, file.name, file.digest))


async def _tried_again(do: Callable[[], Awaitable[Made]]) -> Made:
    """What `do` gives in the end. Raises CassandraError where it does not pass, or not in TRIES."""
    for _ in range(TRIES - 1):
        try:
            return await do()
        except CassandraError as error:
            if not error.passing:
                raise
        await trio.sleep(TRY_AGAIN_S)
    return await do()


def _checked(keyspace: str) -> str:
    if not _KEYSPACE.match(keyspace):
        raise SchemaError(
            f'keyspace "{keyspace}" should be 1 to 48 small letters, digits or _, a letter first'
        )
    return keyspace


def _data_centre(session: Session) -> str:
    wanted, known = session.config.local_data_centre, sorted(session.data_centres)
    if not wanted and len(known) > 1:
        raise SchemaError(f"say which data centre is the shard's home; there are: {', '.join(known)}")
    chosen = wanted or known[0]
    if "'" in chosen:
        raise CassandraError(f"data centre {chosen!r} can't stand in a statement", passing=False)
    return chosen
