"""The process where several share a shard: it follows the log, leads when the log falls silent, and follows again.

Owns the order of that, and what is let go when the shard is lost. `server.py` has what both kinds of process do, and
`following.py` when a follower may lead. Of any number of processes at most one decides: see docs/cassandra.md.
"""

import contextlib
import gc
import os
import signal
import sqlite3
import sys
from collections.abc import Callable

import structlog
import trio

from authoriser import __version__
from authoriser.admin import protocol
from authoriser.admin.server import AdminSocketError
from authoriser.admin.standby import RoleMethods
from authoriser.authentication import Authenticator
from authoriser.cassandra.safety import UnsafeServer, require_safe
from authoriser.cassandra.session import CassandraError
from authoriser.clock import LedgerClock
from authoriser.cluster import ClusterError, ToldJournal, check_belongs
from authoriser.config import CassandraSection, Config
from authoriser.epochs import Sealed
from authoriser.following import Follower, FollowerObservers, Glancing, Lease
from authoriser.journal.batch import BatchError
from authoriser.journal.contract import Fenced, Unknown
from authoriser.limits import SHARED_APPEND_PACE_S
from authoriser.link import Link
from authoriser.memory import settle_memory
from authoriser.owner import Partly, ShardOwner
from authoriser.places import SHARD, shard_directory
from authoriser.reaching import RETRY_S, Away, Opened, passes, reached
from authoriser.recovery import RecoveryError, Replayer, recover, recover_tail
from authoriser.relay.supervisor import supervise
from authoriser.server import Server
from authoriser.snapshots import StoreError
from authoriser.snapshots.sqlite import SqliteSnapshots
from authoriser.standby import Doorman, FollowerPipeline, Nobody
from authoriser.starting import StartFailed, leaves, refuse_wrong_clock
from authoriser.status import StatusPage
from authoriser.translate import Tokens
from authoriser.warm import WarmAccounts

log = structlog.get_logger()

RECOVERING, FOLLOWER = "recovering", "follower"
"""What `status` calls a process that does not lead."""
ASK_AGAIN_S = 30.0
"""Between two looks at nodes that were away when this process started."""


class SharedServer(Server):
    """One of the processes of a shard whose journal is in Cassandra. `run` is the whole life of it."""

    def __init__(
        self,
        config: Config,
        section: CassandraSection,
        *,
        on_lost: Callable[[], None],
        authenticator: Authenticator | None = None,
    ) -> None:
        super().__init__(config, on_lost=on_lost, authenticator=authenticator)
        self._section = section
        self._directory = shard_directory(config.data_dir, SHARD)
        self._lease = Lease(section.heartbeat_ms / 1000, section.lease_ms / 1000)
        self._clock = LedgerClock(on_jump=self._observers().on_clock_jump)
        where = f"Cassandra, keyspace {section.keyspace}"
        self._page = StatusPage(config, self.counters, self.listeners, journal=where)
        self._replayer = Replayer(SHARD)
        """The state of a follower; empty until it has read itself in."""
        self._warm: WarmAccounts | None = None
        """Where not every account is in memory."""
        self._role = RECOVERING
        self._term: trio.CancelScope | None = None
        """Of what runs while this process leads."""
        self._roles = RoleMethods(self._following)
        self._doormen: dict[str, Doorman] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow, lead and follow again until a signal comes or `stopping` is set. Started once it follows."""
        trio.lowlevel.add_instrument(self._watch)
        self._watch_nobody()
        try:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._await_signal, signals)
                    async with contextlib.AsyncExitStack() as stack:
                        opened = await reached(
                            stack, self._config, self._section, pan_key=self._pan_key, stopping=self.stopping
                        )
                        if opened is not None:
                            self._history = opened.history
                            await self._serve(opened, task_status)
                    nursery.cancel_scope.cancel()
            log.info("stopped")
        finally:
            trio.lowlevel.remove_instrument(self._watch)

    async def _serve(self, opened: Opened, task_status: trio.TaskStatus[None]) -> None:
        """Follow, lead and follow again until `stopping` is set."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_house, None)
            nursery.start_soon(self._ask_the_away, opened)
            await self._open_for_all(opened, nursery)
            while not self.stopping.is_set():
                sealed = await self._follow(opened, task_status)
                task_status = trio.TASK_STATUS_IGNORED
                if sealed is not None:
                    await self._lead(opened, sealed)
            nursery.cancel_scope.cancel()

    # ---- starting

    async def _ask_the_away(self, opened: Opened) -> None:
        """Until every node was asked whether it keeps what it acknowledges. One that does not is told of each time: to
        stop for it would turn what may be lost with its power into an outage for certain.
        """
        away, unsafe = opened.journal.away, ""
        while away or unsafe:
            if unsafe:
                log.critical("a node may lose approvals at a power loss", problem=unsafe)
            else:
                log.warning("a node is away; it is asked later whether it is safe", detail="; ".join(away))
            await trio.sleep(ASK_AGAIN_S)
            try:
                away, unsafe = await require_safe(opened.session), ""
            except UnsafeServer as error:
                unsafe = str(error)
            except CassandraError:
                continue  # more are away than before

    @property
    def _bounded(self) -> bool:
        return self._config.cache_accounts_max is not None

    async def _open_for_all(self, opened: Opened, nursery: trio.Nursery) -> None:
        """What stays open whoever leads: the admin socket, metrics, and the links where a follower listens too."""
        nobody = Nobody(
            on_sent=lambda _seconds: self._count("replies"), on_silence=lambda: self._count("silences")
        )
        nursery.start_soon(nobody.desk.run)
        for link in opened.links:
            aside = FollowerPipeline(
                link=link,
                nobody=nobody,
                tokens=Tokens(opened.pan_key.token),
                exception_secret=opened.pan_key.secret,
                counters=self.counters,
            )
            self._doormen[link.name] = Doorman(aside, self.counters, self._lease.lease_s)
        try:
            await nursery.start(self._admin_server(self._roles).run)
            self._serve_metrics()
        except (AdminSocketError, OSError, ValueError) as error:
            raise StartFailed(str(error)) from error
        if self._section.follower_listens:
            self._open_links(opened.links, nursery)

    def _open_links(self, links: list[Link], nursery: trio.Nursery) -> None:
        for link in links:
            listener = self._listen(link)
            nursery.start_soon(listener.run, self._doormen[link.name].on_bytes)

    # ---- following

    async def _follow(self, opened: Opened, task_status: trio.TaskStatus[None]) -> Sealed | None:
        """Until this process has the shard; None where it is to stop. Raises StartFailed for a log that is no log."""
        sealed: Sealed | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_following, nursery.cancel_scope)
            try:
                self._replayer = await self._recovered(opened)
                follower = Follower(
                    opened.journal,
                    self._replayer,
                    lease=self._lease,
                    policies={link.name: link.policy for link in opened.links},
                    clock=self._clock,
                    observers=_logged,
                    warm=self._warm,
                )
                self._role = FOLLOWER
                self._watch_follower()
                self._say_following()
                task_status.started()
                sealed = await follower.until_leading()
            except (RecoveryError, BatchError, ClusterError, StoreError, Unknown, sqlite3.Error) as error:
                raise StartFailed(f"{self._page.journal}: {error}") from error
            nursery.cancel_scope.cancel()
        return sealed

    async def _stop_following(self, scope: trio.CancelScope) -> None:
        await self.stopping.wait()
        scope.cancel()

    async def _recovered(self, opened: Opened) -> Replayer:
        """A state from snapshots and the log. A log or a store that is away is waited for."""
        told = Away()
        while True:
            try:
                await check_belongs(self._directory, opened.journal)
                replayer = await self._read_in(opened)
            except (StoreError, Unknown) as error:
                if not passes(error):
                    raise
                told.away(error)
                await trio.sleep(RETRY_S)
            else:
                told.back()
                last_ms = replayer.state.last_ms
                refuse_wrong_clock(self._clock.now_ms(last_ms), last_ms)
                # In a thread: while the kernel moves a million cards, the session's heartbeats are to be answered.
                settled = await trio.to_thread.run_sync(settle_memory)
                log.debug("memory settled", huge_pages_mb=settled >> 20)
                return replayer

    async def _read_in(self, opened: Opened) -> Replayer:
        """Everything; with a bound on memory what the tail touches, and `_warm` for what is touched later."""
        journal, snapshots = Glancing(opened.journal), opened.snapshots
        self._warm = None
        if isinstance(snapshots, SqliteSnapshots):
            return await recover(journal, snapshots, SHARD)
        replayer, checkpoint = await recover_tail(journal, snapshots, SHARD)
        self._warm = WarmAccounts(
            replayer,
            snapshots,
            checkpoint,
            accounts_max=self._config.cache_accounts_max,
            on_failure=lambda error: log.warning("the checkpoint can't be looked at", error=str(error)),
        )
        return replayer

    def _following(self) -> protocol.Status:
        saved = self._warm.saved_record_no if self._warm is not None else 0
        return self._page.following(self._replayer, self._role, saved_record_no=saved)

    def _watch_nobody(self) -> None:
        """Of a process that has no state of the shard, or none any more."""
        counters = self.counters
        counters.watch("in_flight", lambda: 0)
        counters.watch("connections", lambda: sum(len(listener.lines) for listener in self.listeners))
        counters.watch("pending_records", lambda: 0)
        counters.watch("leading", lambda: 0)
        for gauge in (
            "accounts",
            "durable_seq",
            "epoch",
            "loads_waiting",
            "relay_lag_records",
            "relay_relaying",
        ):
            counters.unwatch(gauge)

    def _watch_follower(self) -> None:
        counters = self.counters
        counters.watch("accounts", lambda: len(self._replayer.state.accounts))
        counters.watch("durable_seq", lambda: self._replayer.tail.seq)
        counters.watch("epoch", lambda: self._replayer.state.commons.epoch)
        if self._bounded:
            counters.watch("loads_waiting", lambda: 0)

    def _say_following(self) -> None:
        replayer = self._replayer
        epoch, seq, cards = replayer.state.commons.epoch, replayer.tail.seq, len(replayer.state.cards)
        sys.stdout.write(
            f"authoriser {__version__} follows shard {SHARD}: epoch {epoch}, batch {seq}; {cards} cards\n"
        )
        sys.stdout.flush()
        began = self._warm.checkpoint.seq if self._warm is not None else 0
        accounts = len(replayer.state.accounts)
        log.info(
            "following",
            pid=os.getpid(),
            epoch=epoch,
            durable_seq=seq,
            checkpoint_seq=began,
            accounts=accounts,
            cards=cards,
        )

    # ---- leading

    async def _lead(self, opened: Opened, sealed: Sealed) -> None:
        """Decide until the shard is lost or the process stops. Whatever waits when it is lost never leaves."""
        began = trio.current_time()
        await self._mark_directory(opened)
        gc.freeze()  # what was followed stays; a look through all of it would hold up the first payments
        owner = ShardOwner(
            state=self._replayer.state,
            tail=self._replayer.tail,
            journal=ToldJournal(opened.journal, self._append_unknown, self._step_down),
            snapshots=opened.snapshots,
            policies={link.name: link.policy for link in opened.links},
            clock=self._clock,
            observers=self._observers(),
            sealed=sealed,
            heartbeat_s=self._lease.heartbeat_s,
            pace_s=SHARED_APPEND_PACE_S,
            partly=self._partly(),
        )
        try:
            async with trio.open_nursery() as term:
                self._term = term.cancel_scope
                await term.start(owner.run)
                await trio.lowlevel.checkpoint_if_cancelled()  # it may have been fenced in this very moment
                self._open_term(opened, owner, term)
                self._say_ready(owner, trio.current_time() - began)
                await self.stopping.wait()
                await self._drain(owner)
                term.cancel_scope.cancel()
        except* Fenced as lost:
            log.warning(
                "another process leads now; following it", epoch=sealed.epoch, error=str(leaves(lost)[0])
            )
        except* Unknown as lost:
            with self._ending_when_lost():
                raise leaves(lost)[0] from lost
        finally:
            self._close_term()

    def _partly(self) -> Partly | None:
        """What is in memory when this process begins to lead; None for everything."""
        warm, self._warm = self._warm, None
        if warm is None:
            return None
        now_ms = self._clock.now_ms(self._replayer.state.last_ms)
        return Partly.since(warm.checkpoint, warm.turns, now_ms)

    async def _mark_directory(self, opened: Opened) -> None:
        """Before anything of the shard is saved in it. Its first batch may be the one that was just appended."""
        while True:
            try:
                return await check_belongs(self._directory, opened.journal)
            except Unknown as unknown:
                if not unknown.retry:
                    raise
                await trio.sleep(RETRY_S)

    def _open_term(self, opened: Opened, owner: ShardOwner, term: trio.Nursery) -> None:
        tokens = Tokens(opened.pan_key.token)
        methods = self._methods(
            opened.links, owner, opened.pan_key, tokens, lambda: self._page.leading(owner)
        )
        self._roles.lead(methods)
        for link in opened.links:
            pipeline = self._pipeline(link, owner, tokens, opened.pan_key)
            self._doormen[link.name].lead(pipeline, owner.commit)
        if not self._section.follower_listens:
            self._open_links(opened.links, term)
        for listener in self.listeners:
            owner.after_commit(listener.flush)
        self._watch_owner(owner)
        self._page.relay = supervise(self._config, owner, self.counters, term)

    def _append_unknown(self, unknown: Unknown | None) -> None:
        """An append whose outcome nobody knows goes again, or never; None: it is known now."""
        if unknown is None:
            log.info("appends succeed again")
            return
        if not unknown.retry:
            self._step_down()
            return
        self._count("journal_retries")
        log.warning("an append's outcome is not known; the same bytes go again", error=str(unknown))

    def _step_down(self) -> None:
        """This process is no leader from this moment, whatever of the term takes its time to end."""
        if self._term is None:
            return
        self._term.cancel()
        self._term = None
        self._role = RECOVERING
        if self._page.relay is not None:
            self._page.relay.abandon()
            self._page.relay = None
        self._replayer = Replayer(SHARD)
        self._watch_nobody()
        self._roles.follow()
        for doorman in self._doormen.values():
            doorman.follow()
        for listener in self.listeners:
            listener.hang_up()

    def _close_term(self) -> None:
        """Nothing of the shard is left, and nobody waits for it."""
        self._step_down()
        if not self._section.follower_listens:
            self.listeners.clear()
            self.counters.lines.clear()
        gc.unfreeze()


def _tell_try(seconds: float, clean: bool) -> None:  # noqa: FBT001 - the follower's callback
    if clean:
        log.info("nobody leads, in order; taking the shard")
    else:
        log.warning("the log is silent; taking the shard", elapsed_ms=round(seconds * 1000))


_logged = FollowerObservers(
    on_blind=lambda unknown: log.warning("the log can't be read; nothing is concluded", error=str(unknown)),
    on_try=_tell_try,
    on_beaten=lambda: log.info("another process was faster; following it"),
)
