"""The commands that read the journal, on a real Cassandra: the same words as on the same journal in a file.

And what is said where it can't be read, in one line each, whoever is asked.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from authoriser.journal.group_commit import append_until_known
from authoriser.journal.sqlite import read_batches
from authoriser.keys import load_or_create_pan_key
from stack.state import Node
from tests.authoriser.cli.test_explain_command import lived
from tests.authoriser.explaining.bench import RRN

if TYPE_CHECKING:
    from authoriser.cassandra.session import CassandraConfig

Run = Callable[..., tuple[int, str, str]]

KEYSPACE = "read_tests"
REAL = (pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900))
STRICT = Path(__file__).parents[3] / "rules" / "policies" / "strict.toml"


def config_text(data: Path, key: Path, keyspace: str, port: int, *more: str) -> str:
    lines = (f"port = {port}", f'keyspace = "{keyspace}"', *more)
    return f"data_dir = '{data}'\n[keys]\npan_key_file = '{key}'\n[cassandra]\n" + "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def keyspace(cassandra_node: Node) -> "CassandraConfig":
    """With the schema, and nothing in it yet."""
    from authoriser.cassandra.schema_versions import create_schema
    from authoriser.cassandra.session import CassandraConfig

    config = CassandraConfig(((cassandra_node.host, cassandra_node.port),), KEYSPACE)
    trio.run(create_schema, config, 1)
    return config


@pytest.fixture(scope="module")
def copied(
    keyspace: "CassandraConfig", tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, "CassandraConfig"]:
    """A journal in a data directory, the same batches in Cassandra, and a configuration that says so."""
    from authoriser.cassandra.session import Session
    from authoriser.journal.cassandra import CassandraJournal

    folder = tmp_path_factory.mktemp("read")
    data = lived().save(folder / "embedded")
    batches = read_batches(data / "shard-0" / "journal.db", 1, 1_000)

    async def copy() -> None:
        async with await Session.open(keyspace) as session:
            journal = await CassandraJournal.open(session, shard=0)
            for seq, blob in batches:
                await append_until_known(journal, seq, blob)

    trio.run(copy)
    config = folder / "authoriser.toml"
    config.write_text(
        config_text(folder / "data", folder / "pan.key", KEYSPACE, keyspace.contact_points[0][1])
    )
    return data, config, keyspace


def plain(text: str) -> str:
    """Without what differs from run to run: how long it took, and how wide a table is for it."""
    timeless = re.sub(r"[0-9.]+ (µs|s)\b|[0-9,]+/s|\"(micro)?seconds\": ?[0-9.]+", "#", text)
    return " ".join(timeless.replace("#, #", "#").split())  # a rate is not said of what took no time


COMMANDS = (
    ("events",),
    ("events", "--from", "4"),
    ("verify",),
    ("verify", "--json"),
    ("audit",),
    ("audit", "--account", "acc-0", "--json"),
    ("explain", RRN),
    ("explain", RRN, "--json"),
    ("explain", "--record", "6"),
    ("explain", "--match", "NET-1"),
    ("replay", "--policy", str(STRICT)),
    ("replay", "--policy", str(STRICT), "--from", "3", "--json"),
    ("account", "history", "acc-0"),
    ("account", "history", "acc-0", "--json"),
)


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_both_kinds_of_journal_read_the_same(
    run: Run, copied: tuple[Path, Path, Any], command: tuple[str, ...]
) -> None:
    """Whatever a command prints of the file, it prints of Cassandra."""
    data, config, _ = copied
    code, out, err = run(*command, "--config", str(config))
    embedded = run(*command, "--data", str(data))
    assert (code, plain(out), err) == (0, plain(embedded[1]), "")
    assert len(out) > 50


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_reading_writes_nothing(run: Run, copied: tuple[Path, Path, "CassandraConfig"]) -> None:
    """No batch, no epoch, no key: the journal and the table of keys are as they were."""
    _, config, where = copied
    before = trio.run(standing, where)
    for command in COMMANDS[::4]:
        assert run(*command, "--config", str(config))[0] == 0
    assert trio.run(standing, where) == before
    assert before[1] == []
    assert not (config.parent / "pan.key").exists()


async def standing(where: "CassandraConfig") -> tuple[list[Any], list[Any]]:
    from authoriser.cassandra.session import Session

    async with await Session.open(where) as session:
        batches = await session.execute("SELECT seq, blob, writetime(blob) AS at FROM journal")
        return batches, await session.execute("SELECT * FROM pan_keys")


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_snapshots_of_another_journal_are_not_compared(
    run: Run, copied: tuple[Path, Path, Any], tmp_path: Path
) -> None:
    """`verify` says that the directory is another's, not that a thousand accounts differ."""
    _, config, _where = copied
    other = tmp_path / "other" / "shard-0"
    other.mkdir(parents=True)
    (other / "journal.mark").write_text("0" * 64 + "\n")
    code, out, err = run("verify", "--config", str(config), "--data", str(other.parent))
    assert out.startswith(f"{other} belongs to another journal than shard 0 in keyspace {KEYSPACE} (")
    assert (code, err) == (1, f"authoriser: 1 check fails on shard 0 in keyspace {KEYSPACE}\n")


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", [("events",), ("account", "history", "acc-0")], ids=" ".join)
def test_what_is_wrong_is_said_in_a_line(
    run: Run, tmp_path: Path, keyspace: "CassandraConfig", command: tuple[str, ...]
) -> None:
    """A keyspace that is not there, a schema that is not there, and the key of another deployment."""
    from authoriser.cassandra.session import Session

    port = keyspace.contact_points[0][1]
    key = tmp_path / "pan.key"
    file = tmp_path / "authoriser.toml"

    def said(name: str) -> str:
        file.write_text(config_text(tmp_path / "data", key, name, port))
        code, out, err = run(*command, "--config", str(file))
        assert (code, out, err.count("\n")) == (1, "", 1)
        return err

    assert said("not_there") == (
        'authoriser: cassandra.keyspace "not_there" is not there; make it with: authoriser schema create --contact '
        f"127.0.0.1:{port} --keyspace not_there\n"
    )

    async def prepare() -> None:
        async with await Session.open(keyspace) as session:
            await session.execute(
                "CREATE KEYSPACE IF NOT EXISTS read_bare WITH replication = "
                "{'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
            await session.execute("DELETE FROM pan_keys WHERE version = 1")

    trio.run(prepare)
    assert said("read_bare").startswith(
        "authoriser: cassandra.keyspace: keyspace read_bare has schema version none, and this program needs "
    )

    async def remember(fingerprint: str) -> None:
        async with await Session.open(keyspace) as session:
            await session.execute(f"INSERT INTO pan_keys (version, fingerprint) VALUES (1, '{fingerprint}')")

    load_or_create_pan_key(key)
    trio.run(remember, "somebody else's".replace("'", ""))
    try:
        assert said(KEYSPACE).startswith(
            f"authoriser: keys.pan_key_file is not the key that the cards in keyspace {KEYSPACE} were stored under"
        )
    finally:
        trio.run(remember, "")


def test_a_server_that_is_away_is_said_in_a_line(run: Run, tmp_path: Path) -> None:
    """With the addresses that were tried."""
    pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")
    file = tmp_path / "authoriser.toml"
    file.write_text(config_text(tmp_path / "data", tmp_path / "pan.key", "cards", 1))
    for command in (("events",), ("verify",), ("explain", RRN)):
        code, out, err = run(*command, "--config", str(file))
        said = out if command == ("verify",) else err
        assert "cassandra.contact_points 127.0.0.1:1: " in said
        assert (code, err.count("\n")) == (1, 1)


def test_a_directory_whose_journal_is_in_cassandra_says_so(run: Run, data: Path) -> None:
    """Who forgot --config is told of it."""
    (data / "shard-0").mkdir()
    (data / "shard-0" / "journal.mark").write_text("0" * 64 + "\n")
    expected = f"authoriser: the journal of {data} is in Cassandra; --config FILE says where\n"
    assert run("events") == (1, "", expected)


def test_a_configuration_without_cassandra_names_the_data_directory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config alone is enough for the embedded journal too."""
    monkeypatch.delenv("AUTHORISER_DATA")
    embedded = lived().save(tmp_path / "embedded")
    file = tmp_path / "authoriser.toml"
    file.write_text(f"data_dir = '{embedded}'\n")
    assert run("events", "--config", str(file)) == run("events", "--data", str(embedded))
    assert run("events", "--config", str(file))[0] == 0
