"""Whether a server keeps what it acknowledged: asked at start, and refused by the setting's name.

Every node that the driver knows is asked, as settings are each node's own. One that is away when a process starts must
not keep the shard from being served, which is what the other copies are for: it is asked once it is back.
"""

from collections.abc import Mapping

from authoriser.cassandra.session import CassandraError, Durability, Session

MAJOR_MIN = 4
"""3.x has no system_views.settings, and lightweight transactions of it lost writes in ways that 4.0 repaired."""
SYNCED = ("batch", "group")
REPLICAS_FOR_REPLICATED = 3
KEPT = {
    "journal": "the journal",
    "snapshots": "accounts",
    "card_index": "cards",
    "hold_expiries": "the ends of holds",
    "checkpoints": "the checkpoint",
}
"""Tables whose rows must stay until they are deleted, and what they are."""


class UnsafeServer(Exception):  # noqa: N818 - says what it is
    """`problems`: one line a setting, with what would be right. `str()` is all of them."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


async def require_safe(session: Session) -> tuple[str, ...]:
    """Ask all nodes; give those that are away, with what was said of each. They are to be asked again.

    Raises UnsafeServer for what could lose an approval, CassandraError where more are away than a quorum can spare.
    """
    keyspace = session.config.keyspace
    (row,) = await session.execute(
        "SELECT durable_writes, replication FROM system_schema.keyspaces WHERE keyspace_name = %s",
        (keyspace,),
    )
    tables = await session.execute(
        "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = %s",
        (keyspace,),
    )
    replicas = replicas_of(row["replication"], session.config.local_data_centre)
    problems = keyspace_problems(
        keyspace,
        durable_writes=row["durable_writes"],
        times_to_live={table["table_name"]: table["default_time_to_live"] for table in tables},
    )
    away: list[str] = []
    for host in session.hosts():
        where = f"{host.address}:{host.endpoint.port}"
        try:
            (version,) = await session.execute("SELECT release_version FROM system.local", host=host)
            settings = await session.execute(
                "SELECT name, value FROM system_views.settings WHERE name = 'commitlog_sync'", host=host
            )
        except CassandraError as error:
            text = f"{where}: can't be asked whether it is safe ({error})"
            if not error.passing or len(away) + 1 > away_max(replicas):
                raise CassandraError(text, passing=error.passing) from None
            away.append(text)
            continue
        problems += node_problems(
            where,
            version["release_version"],
            {setting["name"]: setting["value"] for setting in settings},
            durability=session.config.durability,
            replicas=replicas,
        )
    if problems:
        raise UnsafeServer(problems)
    return tuple(away)


def away_max(replicas: int) -> int:
    """How many of so many copies a quorum can do without."""
    return max(0, (replicas - 1) // 2)


def replicas_of(replication: Mapping[str, str], data_centre: str) -> int:
    """How many replicas of the home data centre (of the smallest, where none is named) hold each row."""
    counts = {name: value for name, value in replication.items() if name != "class"}
    by_data_centre = bool(data_centre) and "replication_factor" not in counts
    chosen = [counts.get(data_centre, "0")] if by_data_centre else list(counts.values())
    return min((int(count.partition("/")[0]) for count in chosen), default=0)


def keyspace_problems(
    keyspace: str, *, durable_writes: bool, times_to_live: Mapping[str, int]
) -> tuple[str, ...]:
    """What is unsafe about the keyspace. `times_to_live`: seconds, by table; those of others are their business."""
    problems = []
    if not durable_writes:
        problems.append(
            f"keyspace {keyspace}: durable_writes is false, so what it acknowledges is in memory only; "
            f"ALTER KEYSPACE {keyspace} WITH durable_writes = true"
        )
    problems += [
        f"table {keyspace}.{table}: default_time_to_live is {times_to_live[table]} s, so {what} would vanish; "
        f"ALTER TABLE {keyspace}.{table} WITH default_time_to_live = 0"
        for table, what in KEPT.items()
        if times_to_live.get(table)
    ]
    return tuple(problems)


def node_problems(
    where: str, release: str, settings: Mapping[str, str], *, durability: Durability, replicas: int
) -> tuple[str, ...]:
    """What is unsafe about one node. `settings` as in system_views.settings."""
    major = release.partition(".")[0]
    if not major.isdigit() or int(major) < MAJOR_MIN:
        return (f"{where}: release_version is {release}; {MAJOR_MIN}.0 or later is needed",)
    sync = settings.get("commitlog_sync") or "unknown"
    if sync in SYNCED:
        return ()
    if durability == "replicated" and sync == "periodic":
        if replicas >= REPLICAS_FOR_REPLICATED:
            return ()
        wrong = (
            'is periodic, and durability = "replicated" accepts that on '
            f"{REPLICAS_FOR_REPLICATED} replicas or more; the keyspace has {replicas}"
        )
    else:
        wrong = (
            f"is {sync}, which loses up to ten seconds of approvals at a power loss; set commitlog_sync: batch "
            "(or group) in its cassandra.yaml"
        )
    return (f"{where}: commitlog_sync {wrong}",)
