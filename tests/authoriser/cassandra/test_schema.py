"""The schema's files, and the command that applies them to a real Cassandra."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest
import trio

from stack.state import Node

COMMAND_MAX_S = 120


def command(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of `authoriser schema`."""
    done = subprocess.run(
        [sys.executable, "-m", "authoriser", "schema", *arguments],
        capture_output=True,
        text=True,
        timeout=COMMAND_MAX_S,
        env=os.environ | {"COLUMNS": "80"},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_versions_are_numbered_without_a_gap() -> None:
    """Each file is a version, and each statement can be done twice."""
    pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")
    from authoriser.cassandra.schema_versions import latest_version, schema_files

    schema = schema_files()
    assert [file.version for file in schema] == list(range(1, latest_version() + 1))
    statements = [statement for file in schema for statement in file.statements]
    assert statements
    twice = re.compile(r"CREATE TABLE IF NOT EXISTS |ALTER TABLE \w+ WITH ")
    assert [statement for statement in statements if not twice.match(statement)] == []


def test_wrong_addresses_are_said_in_a_line() -> None:
    """Before anything is connected to."""
    code, out, err = command("version", "--contact", "nonsense")
    assert (code, out) == (2, "")
    assert err.startswith('authoriser: --contact "nonsense" should be "HOST:PORT"')


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_schema_is_created_once_and_versioned(cassandra_node: Node) -> None:
    """The command makes it, does nothing the second time, and says which version is there."""
    from authoriser.cassandra.schema_versions import schema_files

    schema = schema_files()
    there = f"keyspace schema_created has schema version {len(schema)}\n"
    where = ("--contact", cassandra_node.address, "--keyspace", "schema_created")
    assert command("version", *where) == (
        1,
        "",
        (
            f"authoriser: keyspace schema_created has schema version none, and this program needs {len(schema)}: run "
            "`authoriser schema create`\n"
        ),
    )
    assert command("create", *where) == (
        0,
        "".join(f"applied {file.version} {file.name}\n" for file in schema) + there,
        "",
    )
    assert command("create", *where) == (0, there, "")
    assert command("version", *where) == (0, there, "")
    code, out, err = command("create", "--contact", cassandra_node.address, "--keyspace", 'x"; DROP')
    assert (code, out) == (1, "")
    assert "should be 1 to 48 small letters" in err


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_unsafe_or_foreign_keyspace_is_refused(cassandra_node: Node) -> None:
    """No journal opens where the schema is missing or another's, or where writes are not kept."""
    trio.run(_refusals, cassandra_node)


async def _refusals(node: Node) -> None:
    from authoriser.cassandra.safety import UnsafeServer
    from authoriser.cassandra.schema_versions import SchemaError, create_schema
    from authoriser.cassandra.session import CassandraConfig, Session
    from authoriser.journal.cassandra import CassandraJournal

    config = CassandraConfig(((node.host, node.port),), "schema_refused")
    async with await Session.open(config, with_keyspace=False) as session:
        with pytest.raises(SchemaError, match="has schema version none, and this program needs "):
            await CassandraJournal.open(session, shard=1)
    await create_schema(config, 1)
    async with await Session.open(config) as session:
        await CassandraJournal.open(session, shard=1)
        await session.execute("ALTER KEYSPACE schema_refused WITH durable_writes = false")
        with pytest.raises(UnsafeServer, match="keyspace schema_refused: durable_writes is false"):
            await CassandraJournal.open(session, shard=1)
        await session.execute("ALTER KEYSPACE schema_refused WITH durable_writes = true")
        note = "INSERT INTO schema_versions (part, version, name, digest) VALUES ('authoriser', 9999, 'more', '')"
        await session.execute(note + " IF NOT EXISTS")
        with pytest.raises(SchemaError, match="it was made by a later one"):
            await CassandraJournal.open(session, shard=1)


class LostAnswers:
    """The schema is made in a keyspace. Statements are executed, and of the first that begins so nobody hears."""

    def __init__(self, node: Node, keyspace: str, monkeypatch: pytest.MonkeyPatch, beginning: str) -> None:
        from authoriser.cassandra import schema_versions
        from authoriser.cassandra.session import CassandraConfig, CassandraError, Session

        self._config = CassandraConfig(((node.host, node.port),), keyspace)
        self.asked: list[str] = []
        self.lost: list[str] = []
        execute = Session.execute

        async def executed(session: Session, statement: Any, *values: Any) -> Any:
            text = statement if isinstance(statement, str) else statement.query_string
            self.asked.append(text)
            done = await execute(session, statement, *values)
            if text.startswith(beginning) and not self.lost:
                self.lost.append(text)
                raise CassandraError("the node stood still", passing=True)
            return done

        monkeypatch.setattr(Session, "execute", executed)
        monkeypatch.setattr(schema_versions, "TRY_AGAIN_S", 0.01)

    async def create(self) -> list[int]:
        """The versions that were applied."""
        from authoriser.cassandra.schema_versions import create_schema

        return [file.version for file in await create_schema(self._config, 1)]


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_note_whose_outcome_is_unknown_is_made_again(
    cassandra_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same note stands there already, and each version is noted."""
    from authoriser.cassandra.schema_versions import latest_version

    answers = LostAnswers(cassandra_node, "schema_note_lost", monkeypatch, "INSERT INTO ")
    applied = await answers.create()
    assert applied == list(range(1, latest_version() + 1))
    assert answers.lost
    notes = [text for text in answers.asked if text.startswith("INSERT INTO ")]
    assert len(notes) == len(applied) + 1


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_table_whose_outcome_is_unknown_ends_the_command(
    cassandra_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for once: made at two nodes at a time it would have two ids. The next command goes on from there."""
    from authoriser.cassandra.schema_versions import latest_version
    from authoriser.cassandra.session import CassandraError

    answers = LostAnswers(cassandra_node, "schema_table_lost", monkeypatch, "CREATE TABLE ")
    with pytest.raises(CassandraError, match="stood still"):
        await answers.create()
    assert [text for text in answers.asked if text.startswith("CREATE TABLE ")] == answers.lost
    assert await answers.create() == list(range(1, latest_version() + 1))
