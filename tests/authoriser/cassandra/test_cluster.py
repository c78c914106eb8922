"""Opening the journal in Cassandra: what is said where it can't be, and that no password is in it."""

from pathlib import Path
from typing import cast

import pytest
import trio

pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")

from authoriser.cassandra.session import CassandraConfig, CassandraError, Password, Session
from authoriser.cluster import ClusterError, ToldJournal, _require_keyspace, check_belongs, open_cluster
from authoriser.config import Address, CassandraSection
from authoriser.journal import Fenced, Unknown
from authoriser.journal.memory import MemoryJournal
from authoriser.keys import PanKey

KEY = PanKey(1, b"k" * 32)
CLOSED = Address("127.0.0.1", 1)
"""Nobody listens on the port of tcpmux."""


def test_a_password_is_in_no_repr() -> None:
    """A configuration that is printed, in a traceback or a log, shows where and who, and not the password."""
    config = CassandraConfig((("127.0.0.1", 9042),), "cards", username="u", password=Password("hunter2"))
    assert "hunter2" not in repr(config)
    assert "username='u', password='...'" in repr(config)


async def test_a_cluster_that_is_not_there_is_named() -> None:
    """The words start with the setting, and hold the addresses."""
    section = CassandraSection((CLOSED,))
    with pytest.raises(ClusterError) as error:
        await open_cluster(section, shard=0, pan_key=KEY)
    assert str(error.value) == (
        "cassandra.contact_points 127.0.0.1:1: no node can be used: 127.0.0.1:1 (Connection refused)"
    )


async def test_a_missing_password_is_named_before_anything_is_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No connection is tried without it."""
    monkeypatch.delenv("AUTHORISER_CASSANDRA_PASSWORD", raising=False)
    with pytest.raises(ClusterError, match=r'cassandra\.username is "u" and there is no password'):
        await open_cluster(CassandraSection((CLOSED,), username="u"), shard=0, pan_key=KEY)


async def test_a_tls_file_that_is_none_is_named(tmp_path: Path) -> None:
    """Before anything is dialled, with its path."""
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("no certificate\n")
    config = CassandraConfig((("127.0.0.1", 1),), "cards", tls_ca_file=nonsense)
    with pytest.raises(CassandraError) as error:
        await Session.open(config)
    text = f"cassandra.tls_ca_file {nonsense} should be a PEM file with the certificates of authorities"
    assert str(error.value) == text
    assert not error.value.passing


async def test_a_directory_belongs_to_one_journal(tmp_path: Path) -> None:
    """Marked by the first batch; the same journal is welcome again, another and an empty one are refused."""
    ours, other, empty = MemoryJournal(), MemoryJournal(), MemoryJournal()
    await ours.append(1, b"ours")
    await other.append(1, b"other")
    await check_belongs(tmp_path, empty)
    await check_belongs(tmp_path, ours)
    await check_belongs(tmp_path, ours)
    for stranger in (other, empty):
        with pytest.raises(ClusterError, match="belongs to another journal than the one in Cassandra now"):
            await check_belongs(tmp_path, stranger)


async def test_a_keyspace_without_a_copy_at_home_is_refused() -> None:
    """No node will ever answer for it, so that it is not waited for."""

    class Described:
        async def execute(self, *_asked: object) -> list[dict[str, dict[str, str]]]:
            await trio.lowlevel.checkpoint()
            return [{"replication": {"class": "NetworkTopologyStrategy", "lisbon": "3"}}]

    session = cast("Session", Described())
    await _require_keyspace(session, CassandraSection((CLOSED,), local_data_centre="lisbon"))
    with pytest.raises(ClusterError) as error:
        await _require_keyspace(session, CassandraSection((CLOSED,), local_data_centre="porto"))
    text = 'cassandra.keyspace "authoriser" has no copy in data centre porto; ALTER KEYSPACE adds one'
    assert (str(error.value), error.value.passing) == (text, False)


async def test_a_directory_with_an_embedded_journal_is_refused(tmp_path: Path) -> None:
    """What stands in it is in no Cassandra, and its snapshots must not be laid over another log."""
    (tmp_path / "journal.db").touch()
    with pytest.raises(ClusterError, match=r"holds an embedded journal \(journal\.db\)"):
        await check_belongs(tmp_path, MemoryJournal())


async def test_unknown_outcomes_are_told_and_their_end_once() -> None:
    """Each try that came to nothing, and then that appends succeed again."""
    journal, told = MemoryJournal(), []
    watched = ToldJournal(journal, lambda unknown: told.append(str(unknown)), lambda: told.append("fenced"))
    for _ in range(2):
        journal.fail_next(written=False)
        with pytest.raises(Unknown):
            await watched.append(1, b"one")
    await watched.append(1, b"one")
    await watched.append(2, b"two")
    assert told == ["the test said so", "the test said so", "None"]


async def test_a_fence_is_told_before_whoever_appends_hears_of_it() -> None:
    """Once for each try; and it is raised all the same."""
    journal, told = MemoryJournal(), []
    watched = ToldJournal(journal, lambda unknown: told.append(str(unknown)), lambda: told.append("fenced"))
    await journal.append(1, b"somebody else's")
    with pytest.raises(Fenced):
        await watched.append(1, b"ours")
    assert told == ["fenced"]
