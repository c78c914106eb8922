"""Which servers are refused, and in which words."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")

from authoriser.cassandra.safety import (
    UnsafeServer,
    away_max,
    keyspace_problems,
    node_problems,
    replicas_of,
    require_safe,
)
from authoriser.cassandra.session import CassandraConfig, CassandraError, Session

WHERE = "10.0.0.1:9042"


@pytest.mark.parametrize("mode", ["batch", "group"])
def test_a_synced_commit_log_is_safe(mode: str) -> None:
    """Both modes sync before they acknowledge, with one replica too."""
    settings = {"commitlog_sync": mode}
    assert node_problems(WHERE, "5.0.6", settings, durability="commitlog", replicas=1) == ()


def test_a_periodic_commit_log_is_refused_by_name() -> None:
    """Cassandra's default loses ten seconds; three replicas alone do not make it what was asked for."""
    settings = {"commitlog_sync": "periodic"}
    assert node_problems(WHERE, "5.0.6", settings, durability="commitlog", replicas=3) == (
        (
            "10.0.0.1:9042: commitlog_sync is periodic, which loses up to ten seconds of approvals at a power "
            "loss; set commitlog_sync: batch (or group) in its cassandra.yaml"
        ),
    )


def test_replicated_durability_is_a_choice_that_needs_three_replicas() -> None:
    """It is accepted by explicit choice, and only where other machines have what one loses."""
    settings = {"commitlog_sync": "periodic"}
    assert node_problems(WHERE, "5.0.6", settings, durability="replicated", replicas=3) == ()
    assert node_problems(WHERE, "5.0.6", settings, durability="replicated", replicas=2) == (
        (
            '10.0.0.1:9042: commitlog_sync is periodic, and durability = "replicated" accepts that on 3 replicas '
            "or more; the keyspace has 2"
        ),
    )


@pytest.mark.parametrize("settings", [{}, {"commitlog_sync": ""}, {"commitlog_sync": "later"}])
def test_what_is_not_known_to_be_safe_is_refused(settings: dict[str, str]) -> None:
    """A setting that is absent or new to us proves nothing, whatever durability was chosen."""
    for durability in ("commitlog", "replicated"):
        (problem,) = node_problems(WHERE, "5.0.6", settings, durability=durability, replicas=3)  # type: ignore[arg-type]
        assert problem.startswith("10.0.0.1:9042: commitlog_sync is ")


@pytest.mark.parametrize("release", ["3.11.17", "", "unknown"])
def test_an_old_release_is_refused(release: str) -> None:
    """Before its settings are looked at, which it has no table for."""
    assert node_problems(WHERE, release, {}, durability="commitlog", replicas=1) == (
        f"10.0.0.1:9042: release_version is {release}; 4.0 or later is needed",
    )


def test_a_keyspace_in_memory_or_with_a_ttl_is_refused_by_name() -> None:
    """Each with the statement that makes it right."""
    assert keyspace_problems("cards", durable_writes=True, times_to_live={"journal": 0, "others": 60}) == ()
    assert keyspace_problems(
        "cards", durable_writes=False, times_to_live={"journal": 60, "snapshots": 5}
    ) == (
        (
            "keyspace cards: durable_writes is false, so what it acknowledges is in memory only; ALTER KEYSPACE "
            "cards WITH durable_writes = true"
        ),
        (
            "table cards.journal: default_time_to_live is 60 s, so the journal would vanish; ALTER TABLE "
            "cards.journal WITH default_time_to_live = 0"
        ),
        (
            "table cards.snapshots: default_time_to_live is 5 s, so accounts would vanish; ALTER TABLE "
            "cards.snapshots WITH default_time_to_live = 0"
        ),
    )


@pytest.mark.parametrize(
    ("replication", "data_centre", "replicas"),
    [
        ({"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "3"}, "", 3),
        ({"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "a": "3", "b": "1"}, "a", 3),
        ({"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "a": "3", "b": "1"}, "", 1),
        ({"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "a": "3/1"}, "a", 3),
        ({"class": "org.apache.cassandra.locator.LocalStrategy"}, "", 0),
        ({"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "a": "3"}, "elsewhere", 0),
    ],
)
def test_replicas_are_those_of_the_home_data_centre(
    replication: dict[str, str], data_centre: str, replicas: int
) -> None:
    """The smallest number where none is named; none at all in a data centre that has no copy."""
    assert replicas_of(replication, data_centre) == replicas


@pytest.mark.parametrize(("replicas", "away"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 2)])
def test_as_many_may_be_away_as_a_quorum_can_do_without(replicas: int, away: int) -> None:
    """One of three; none of one or two."""
    assert away_max(replicas) == away


class Cluster:
    """A session's word on three nodes: `settings` is each one's commit log mode, None where it is away."""

    config = CassandraConfig((("10.0.0.1", 9042),), "cards")

    def __init__(self, settings: tuple[str | None, ...], replicas: int = 3) -> None:
        self._modes = {f"10.0.0.{number}": mode for number, mode in enumerate(settings, 1)}
        self._replicas = replicas

    def hosts(self) -> list[Any]:
        return [SimpleNamespace(address=name, endpoint=SimpleNamespace(port=9042)) for name in self._modes]

    async def execute(self, query: str, values: object = None, *, host: Any = None) -> list[dict[str, Any]]:
        if host is None:
            if "system_schema.tables" in query:
                return [{"table_name": "journal", "default_time_to_live": 0}]
            return [{"durable_writes": True, "replication": {"a": str(self._replicas)}}]
        mode = self._modes[host.address]
        if mode is None:
            raise CassandraError("NoHostAvailable: nobody answers", passing=True)
        return [{"release_version": "5.0.6", "name": "commitlog_sync", "value": mode}]


async def test_a_node_that_is_away_keeps_nobody_from_starting() -> None:
    """One of three copies: the process starts, and knows whom to ask later. Two: it does not."""
    session = cast("Session", Cluster(("batch", None, "batch")))
    (away,) = await require_safe(session)
    assert away.startswith("10.0.0.2:9042: can't be asked whether it is safe (NoHostAvailable")
    for refused in (Cluster((None, None, "batch")), Cluster(("batch", None), replicas=1)):
        with pytest.raises(CassandraError, match="can't be asked whether it is safe"):
            await require_safe(cast("Session", refused))


async def test_a_node_that_is_back_and_unsafe_is_found() -> None:
    """Though another is away."""
    with pytest.raises(UnsafeServer, match=r"10\.0\.0\.3:9042: commitlog_sync is periodic"):
        await require_safe(cast("Session", Cluster(("batch", None, "periodic"))))
