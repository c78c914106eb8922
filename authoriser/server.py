"""The process: takes the shard, opens the links and the admin socket, and drains on SIGTERM.

Owns the order of starting and stopping, and what ends the process. Nothing is accepted before the epoch is durable;
nothing is left undecided when it exits in order.
"""

import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import structlog
import trio

from authoriser import __version__, limits
from authoriser.admin import protocol
from authoriser.admin.methods import Methods
from authoriser.admin.roles import Role, Roles
from authoriser.admin.server import AdminServer, AdminSocketError, Callee
from authoriser.arrival import LoopWatch
from authoriser.authentication import Authenticator
from authoriser.config import Config
from authoriser.configured_link import make_link
from authoriser.door import Door
from authoriser.doors import make_door
from authoriser.journal.batch import BatchError
from authoriser.journal.contract import Fenced, JournalLocked, Unknown
from authoriser.journal.group_commit import Commit
from authoriser.journal.sqlite import SqliteJournal
from authoriser.keys import KeyFileError, PanKey, load_or_create_pan_key
from authoriser.link import Link
from authoriser.memory import passing_by_what_stays, settle_memory
from authoriser.owner import Observers, ShardOwner, take_shard
from authoriser.pipeline import Pipeline
from authoriser.places import SHARD, key_mark_of, shard_directory, write_durably
from authoriser.projections.history import History
from authoriser.recovery import RecoveryError
from authoriser.relay.supervisor import supervise
from authoriser.snapshots import STORE_FAILURES, StoreError
from authoriser.snapshots.blobs import described
from authoriser.snapshots.sqlite import SqliteSnapshots
from authoriser.starting import (
    StartFailed,
    leaves,
    other_format,
    raise_descriptor_limit,
    refuse_wrong_clock,
)
from authoriser.status import StatusPage
from authoriser.telemetry.logging import flush_logging, set_up_logging
from authoriser.telemetry.metrics import Counters, serve_metrics
from authoriser.translate import Tokens
from isowire import DialectError

log = structlog.get_logger()

EXIT_OK, EXIT_FAILED, EXIT_LOST = 0, 1, 74
"""74 is EX_IOERR of sysexits.h: the journal is lost to this process; starting again finds out what it has."""

COUNTS_LOGGED_EVERY_S = 60.0


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT. The exit code: 0 drained, 1 could not start, 74 lost the journal."""
    set_up_logging(config.telemetry.log_format, config.telemetry.log_level, background=True)
    raise_descriptor_limit()
    failed = ""
    try:
        with passing_by_what_stays():
            trio.run(_server_for(config).run)
    except* StartFailed as group:
        failed = "; ".join(str(error) for error in leaves(group))
    finally:
        flush_logging()
    if failed:
        sys.stderr.write(f"authoriser: {failed}\n")
        return EXIT_FAILED
    return EXIT_OK


def _server_for(config: Config) -> "Server":
    if config.cassandra is None:
        return Server(config, on_lost=_leave_at_once)
    try:
        from authoriser.shared_server import SharedServer
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "cassandra":
            raise
        text = "[cassandra] is configured and the driver is not installed: pip install 'authoriser[stack]'"
        raise StartFailed(text) from None
    return SharedServer(config, config.cassandra, on_lost=_leave_at_once)


def _leave_at_once() -> None:
    """No unwinding: a disk that has failed an fsync may never answer again, and nothing more may leave."""
    flush_logging()
    os._exit(EXIT_LOST)


class Server:
    """One process that owns one shard. `run` is the whole life of it."""

    def __init__(
        self, config: Config, *, on_lost: Callable[[], None], authenticator: Authenticator | None = None
    ) -> None:
        """Without an `authenticator`, the proofs that messages carry are not checked."""
        self._config = config
        self._history = History(shard_directory(config.data_dir, SHARD))
        self._authenticator = authenticator
        self._on_lost = on_lost
        self.counters = Counters()
        self.listeners: list[Door] = []
        self.stopping = trio.Event()
        self._watch = LoopWatch()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Recover, serve, and drain when a signal comes or `stopping` is set."""
        began = trio.current_time()
        trio.lowlevel.add_instrument(self._watch)
        links, journal, snapshots, pan_key = await self._open()
        try:
            owner = await self._recover(links, journal, snapshots)
            async with trio.open_nursery() as nursery:
                await nursery.start(self._own, owner)
                nursery.start_soon(self._keep_house, journal)
                await self._open_doors(links, owner, pan_key, nursery)
                self._say_ready(owner, trio.current_time() - began)
                task_status.started()
                with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    nursery.start_soon(self._await_signal, signals)
                    await self.stopping.wait()
                    await self._drain(owner)
                nursery.cancel_scope.cancel()
            log.info("stopped", durable_seq=owner.commit.durable_seq, record_no=owner.state.record_no)
        finally:
            trio.lowlevel.remove_instrument(self._watch)
            with trio.CancelScope(shield=True):
                await snapshots.close()
                await journal.close()

    # ---- starting

    async def _open(self) -> tuple[list[Link], SqliteJournal, SqliteSnapshots, PanKey]:
        config = self._config
        directory = shard_directory(config.data_dir, SHARD)
        try:
            links = [make_link(link) for link in config.links]
            journal = await trio.to_thread.run_sync(self._open_journal, directory)
            snapshots = await self._open_snapshots(directory)
            return links, journal, snapshots, self._pan_key()
        except (
            DialectError,
            JournalLocked,
            Unknown,
            KeyFileError,
            StoreError,
            OSError,
            sqlite3.Error,
        ) as error:
            raise StartFailed(str(error)) from error

    async def _open_snapshots(self, directory: Path) -> SqliteSnapshots:
        """With their indexes, where not every account will be in memory."""
        indexed = self._config.cache_accounts_max is not None
        store = await trio.to_thread.run_sync(
            partial(SqliteSnapshots, directory, other_format, indexed=indexed)
        )
        if indexed and not await store.indexes_are_whole():
            await store.make_indexes(described)
        return store

    def _open_journal(self, directory: Path) -> SqliteJournal:
        return SqliteJournal(directory, on_full=self._disk_full)

    async def _recover(
        self, links: list[Link], journal: SqliteJournal, snapshots: SqliteSnapshots
    ) -> ShardOwner:
        try:
            owner = await take_shard(
                shard=SHARD,
                journal=journal,
                snapshots=snapshots,
                policies={link.name: link.policy for link in links},
                observers=self._observers(),
                cache_accounts_max=self._config.cache_accounts_max,
            )
        except (RecoveryError, BatchError, *STORE_FAILURES) as error:
            raise StartFailed(f"{self._config.data_dir}: {error}") from error
        refuse_wrong_clock(owner.now_ms(), owner.state.last_ms)
        log.debug("memory settled", huge_pages_mb=settle_memory() >> 20)
        return owner

    def _disk_full(self, full: bool) -> None:  # noqa: FBT001 - the journal's callback
        if full:
            log.error(
                "the disk is full: nothing is decided until there is room", data_dir=self._config.data_dir
            )
        else:
            log.info("the disk has room again", data_dir=self._config.data_dir)

    def _pan_key(self) -> PanKey:
        """The key, checked against the mark that the data directory keeps of it."""
        path = self._config.keys.pan_key_file
        key = load_or_create_pan_key(path)
        mark = key_mark_of(self._config.data_dir)
        if not mark.exists():
            write_durably(mark, f"{key.version} {key.fingerprint}\n")
        elif mark.read_text(encoding="ascii").split() != [str(key.version), key.fingerprint]:
            raise KeyFileError(
                f"{path} is not the key that the cards in {self._config.data_dir} were stored under; "
                "with it no card would be found. Configure keys.pan_key_file"
            )
        return key

    def _observers(self) -> Observers:
        counters = self.counters
        counts = counters.counts
        append = counters.stages["append"].observe
        answer = counters.stages["answer"].observe

        def on_sent(seconds: float) -> None:
            counts["replies"] += 1
            answer(seconds)

        def on_commit(commit: Commit) -> None:
            counts["journal_appends"] += 1
            counts["log_records"] += commit.records
            counters.batch_records.observe(commit.records)
            append(commit.ended - commit.began)

        return Observers(
            on_commit=on_commit,
            on_sent=on_sent,
            on_silence=lambda: self._count("silences"),
            on_void=lambda: self._count("voids"),
            on_clock_jump=lambda jump_ms: log.error(
                "the wall clock leapt ahead and is not followed; check the time service", clock_ms=jump_ms
            ),
            on_snapshot_failure=lambda error: log.error(
                "snapshots could not be saved; the journal has everything", error=str(error)
            ),
            on_load_failure=lambda error: log.error("an account could not be loaded", error=str(error)),
            on_cache=self._count,
        )

    async def _own(
        self, owner: ShardOwner, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        try:
            await owner.run(task_status=task_status)
        except* (Fenced, Unknown) as lost:
            with self._ending_when_lost():
                raise leaves(lost)[0] from lost

    async def _open_doors(
        self, links: list[Link], owner: ShardOwner, pan_key: PanKey, nursery: trio.Nursery
    ) -> None:
        """The admin socket, then the links: an operator can freeze a card before its next request comes in."""
        tokens = Tokens(pan_key.token)
        page = StatusPage(self._config, self.counters, self.listeners)
        page.relay = supervise(self._config, owner, self.counters, nursery)
        methods = self._methods(links, owner, pan_key, tokens, lambda: page.leading(owner))
        try:
            await nursery.start(self._admin_server(methods).run)
            for link in links:
                self._open_link(link, owner, tokens, pan_key, nursery)
            self._watch_owner(owner)
            self._serve_metrics()
        except (AdminSocketError, OSError, ValueError) as error:
            raise StartFailed(str(error)) from error

    def _methods(
        self,
        links: list[Link],
        owner: ShardOwner,
        pan_key: PanKey,
        tokens: Tokens,
        status: Callable[[], protocol.Status],
    ) -> Methods:
        return Methods(
            owner=owner,
            policy=links[0].policy,
            pan_key=pan_key,
            tokens=tokens,
            time_zone=self._config.issuer.time_zone,
            status=status,
            second_person_over_minor=self._config.admin.second_person_over_minor,
            networks={link.network: link.policy for link in links},
            history=self._history,
        )

    def _admin_server(self, methods: Callee) -> AdminServer:
        admin = self._config.admin
        roles = Roles(
            {
                Role.VIEWER: admin.roles.viewer,
                Role.OPERATOR: admin.roles.operator,
                Role.SUPERVISOR: admin.roles.supervisor,
            }
        )
        return AdminServer(admin.socket, methods, self._count, roles=roles, group=admin.group)

    def _open_link(
        self, link: Link, owner: ShardOwner, tokens: Tokens, pan_key: PanKey, nursery: trio.Nursery
    ) -> None:
        listener = self._listen(link)
        pipeline = self._pipeline(link, owner, tokens, pan_key)
        owner.after_commit(listener.flush)
        nursery.start_soon(listener.run, pipeline.on_bytes)

    def _listen(self, link: Link) -> Door:
        listener = make_door(link, self._config.links, self._count, self._watch)
        try:
            listener.bind()
        except OSError as error:
            host, port = link.listen
            text = f"link {link.name} can't listen on {host}:{port}: {error.strerror}"
            raise StartFailed(text) from error
        self.listeners.append(listener)
        self.counters.lines[link.name] = lambda: (listener.up, listener.down)
        return listener

    def _pipeline(self, link: Link, owner: ShardOwner, tokens: Tokens, pan_key: PanKey) -> Pipeline:
        return Pipeline(
            link=link,
            owner=owner,
            tokens=tokens,
            exception_secret=pan_key.secret,
            counters=self.counters,
            authenticator=self._authenticator,
        )

    def _watch_owner(self, owner: ShardOwner) -> None:
        counters = self.counters
        counters.watch("in_flight", lambda: owner.desk.outstanding)
        counters.watch("connections", lambda: sum(len(listener.lines) for listener in self.listeners))
        counters.watch("pending_records", lambda: owner.commit.pending_records)
        counters.watch("accounts", lambda: len(owner.state.accounts))
        cache = owner.cache
        if cache is not None:
            counters.watch("loads_waiting", lambda: cache.waiting)
        counters.watch("durable_seq", lambda: owner.commit.durable_seq)
        counters.watch("epoch", lambda: owner.commit.epoch)
        counters.watch("leading", lambda: 1)

    def _serve_metrics(self) -> None:
        """On a thread of its own that ends with the process, if a port is configured."""
        if self._config.telemetry.metrics_listen is not None:
            serve_metrics(self._config.telemetry.metrics_listen, self.counters)

    def _say_ready(self, owner: ShardOwner, seconds: float) -> None:
        links = "; ".join(
            f"{listener.link.name} {listener.where} "
            f"({listener.link.dialect.name}, {listener.link.framing.name})"
            for listener in self.listeners
        )
        state = owner.state
        sys.stdout.write(f"authoriser {__version__} is ready: {links}; {len(state.cards)} cards\n")
        sys.stdout.flush()
        log.info(
            "ready",
            version=__version__,
            pid=os.getpid(),
            data_dir=str(self._config.data_dir),
            epoch=owner.commit.epoch,
            record_no=state.record_no,
            accounts=len(state.accounts),
            cards=len(state.cards),
            elapsed_ms=round(seconds * 1000),
        )

    # ---- serving

    def _count(self, name: str) -> None:
        self.counters.counts[name] += 1

    async def _keep_house(self, journal: SqliteJournal | None) -> None:
        """Checkpoints off the commit path, and now and then the counts in the log."""
        logged: dict[str, int] = {}
        due = trio.current_time() + COUNTS_LOGGED_EVERY_S
        while True:
            await trio.sleep(1)
            if journal is not None:
                with self._ending_when_lost():
                    await journal.checkpoint_if_due()
            if trio.current_time() >= due:
                due += COUNTS_LOGGED_EVERY_S
                now = {**self.counters.counts, **self.counters.decisions}
                changed = {
                    name: n - logged.get(name, 0) for name, n in now.items() if n != logged.get(name, 0)
                }
                logged = now
                if changed:
                    log.info("counts of the last minute", counts=changed)

    @contextlib.contextmanager
    def _ending_when_lost(self) -> Iterator[None]:
        """The journal is lost to this process: say so and leave, before anything else can happen."""
        try:
            yield
        except (Fenced, Unknown) as lost:
            log.critical("the journal is lost; leaving at once", error=str(lost))
            self._on_lost()
            raise

    # ---- stopping

    async def _await_signal(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            log.info("draining", signal=signal.Signals(number).name)
            self.stopping.set()

    async def _drain(self, owner: ShardOwner) -> None:
        """Stop reading, send what is owed, end the epoch. What takes too long is left to recovery.

        The epoch ends in order only if every line did: else the next start must ask which answers left.
        """
        for listener in self.listeners:
            listener.stop()
        longest_s = max(listener.link.reply_deadline_s for listener in self.listeners)
        with trio.move_on_after(longest_s + limits.DRAIN_MARGIN_S) as patience:
            for listener in self.listeners:
                await listener.ended()
            await owner.finish()
            return
        if patience.cancelled_caught:
            log.error("draining took too long; leaving, and the next start recovers what is missing")
            self._on_lost()  # a disk that hangs would hold up every tidier way out
