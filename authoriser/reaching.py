"""What a process of a shared shard holds open from its start to its end, opened once Cassandra is there.

Owns what is waited for and what ends a start: nodes that are away may be back, a wrong setting stays wrong. Knows
nothing of who leads.
"""

import contextlib
import math
import os
import sqlite3
from collections.abc import Callable

import structlog
import trio
from msgspec import Struct
from msgspec.structs import replace

from authoriser.cassandra.session import Session
from authoriser.cassandra_access import cassandra_config
from authoriser.cluster import ClusterError, check_belongs, open_cluster, open_snapshots
from authoriser.config import CassandraSection, Config, LinkConfig
from authoriser.configured_link import make_link
from authoriser.journal.cassandra import CassandraJournal
from authoriser.journal.cassandra_slots import CassandraSlots
from authoriser.journal.contract import JournalLocked, Unknown
from authoriser.journal.sqlite import lock_directory
from authoriser.keys import KeyFileError, PanKey
from authoriser.link import Link
from authoriser.passwords import PasswordError
from authoriser.places import SHARD, shard_directory
from authoriser.projections.history import History
from authoriser.snapshots import StoreError
from authoriser.snapshots.cassandra import CassandraSnapshots
from authoriser.snapshots.sqlite import SqliteSnapshots
from authoriser.starting import StartFailed, other_format
from isowire import DialectError

log = structlog.get_logger()

RETRY_S = 1.0
"""Between two tries to reach or to read a log that is away."""
TELL_AGAIN_S = 30.0
"""Between two lines that say so."""


class Opened(Struct, frozen=True):
    """Each is closed by the stack that it was opened on."""

    links: list[Link]
    session: Session
    journal: CassandraJournal
    snapshots: SqliteSnapshots | CassandraSnapshots
    history: History
    pan_key: PanKey


async def reached(
    stack: contextlib.AsyncExitStack,
    config: Config,
    section: CassandraSection,
    *,
    pan_key: Callable[[], PanKey],
    stopping: trio.Event,
) -> Opened | None:
    """Everything opened, however long Cassandra stays away; None where the process is to stop first.

    Raises StartFailed for what does not pass by itself.
    """
    told = Away()
    try:
        directory = shard_directory(config.data_dir, SHARD)
        links = [make_link(in_time(link, section)) for link in config.links]
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        stack.callback(os.close, lock_directory(directory))
        key = pan_key()
        while not stopping.is_set():
            try:
                async with contextlib.AsyncExitStack() as attempt:
                    opened = await _open(attempt, config, section, links, key)
                    stack.push_async_callback(attempt.pop_all().aclose)
            except (ClusterError, Unknown) as error:
                if not passes(error):
                    raise
                told.away(error)
            else:
                told.back()
                return None if stopping.is_set() else opened
            with trio.move_on_after(RETRY_S):
                await stopping.wait()
    except (
        ClusterError,
        DialectError,
        JournalLocked,
        KeyFileError,
        OSError,
        PasswordError,
        Unknown,
        sqlite3.Error,
    ) as error:
        raise StartFailed(str(error)) from error
    return None


async def _open(
    stack: contextlib.AsyncExitStack,
    config: Config,
    section: CassandraSection,
    links: list[Link],
    key: PanKey,
) -> Opened:
    directory = shard_directory(config.data_dir, SHARD)
    session, journal = await open_cluster(section, shard=SHARD, pan_key=key)
    stack.push_async_callback(session.close)
    slots = CassandraSlots(cassandra_config(section), SHARD)
    stack.callback(slots.close)
    await check_belongs(directory, journal)
    snapshots: SqliteSnapshots | CassandraSnapshots
    if config.cache_accounts_max is not None:  # those that the shard's processes share
        snapshots = await open_snapshots(session, section, shard=SHARD)
    else:  # a cache of this process's own
        snapshots = await trio.to_thread.run_sync(SqliteSnapshots, directory, other_format)
    stack.push_async_callback(snapshots.close)
    return Opened(links, session, journal, snapshots, History(directory, slots), key)


def in_time(link: LinkConfig, section: CassandraSection) -> LinkConfig:
    """No deadline is longer than the lease: a reply that an append lets go has passed its deadline by the moment at
    which another process may lead. So what was ready before this process was stopped stays behind too.
    """
    return replace(link, reply_deadline_ms=min(link.reply_deadline_ms, section.lease_ms))


def passes(error: ClusterError | StoreError | Unknown) -> bool:
    """Whether it may be over when the same is tried again."""
    return error.retry if isinstance(error, Unknown) else error.passing


class Away:
    """Tells that the journal is away: at once and now and then, not at each try. And that it is there again."""

    def __init__(self) -> None:
        self._since_s = math.inf
        self._next_s = -math.inf

    def away(self, error: Exception) -> None:
        """A try came to nothing."""
        now_s = trio.current_time()
        self._since_s = min(self._since_s, now_s)
        if now_s >= self._next_s:
            self._next_s = now_s + TELL_AGAIN_S
            log.warning("the journal is away; trying again", error=str(error))

    def back(self) -> None:
        """One came to something."""
        if self._since_s < math.inf:
            waited_s = trio.current_time() - self._since_s
            log.info("the journal is there again", elapsed_ms=round(1000 * waited_s))
