"""The owner of one shard: its state, its journal's writer, its snapshots, and the only door to all three.

Everything that changes the shard goes through `execute`: decide, apply, submit, in one synchronous step. Replies and
acknowledgements then wait for the log. Owns the background work of a shard (commit, voids, expiries, snapshots).
Where not every account is in memory, `cache` is what brings in those that a command names, before it is decided here.
Knows nothing of sockets or ISO 8583.
"""

import heapq
import secrets
from collections.abc import Callable
from typing import Self

import trio
from msgspec import Struct

from authoriser.answers import Answer, AnswerDesk
from authoriser.cache import AccountCache
from authoriser.clock import LedgerClock
from authoriser.epochs import Sealed, answers_open_ms, epoch_records
from authoriser.journal.contract import Journal
from authoriser.journal.group_commit import Commit, GroupCommit, Tail
from authoriser.ledger.apply import EXCEPTIONS_LISTED_MAX, apply
from authoriser.ledger.commands import (
    Command,
    ExpireHold,
    NoteException,
    Policy,
    VoidAnswer,
)
from authoriser.ledger.decide import decide
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.records import (
    Cleared,
    Decided,
    EpochEnded,
    ExceptionSettled,
    HoldExpired,
    HoldReleased,
    HoldVoided,
    Record,
    Reversed,
)
from authoriser.ledger.state import Account, ShardState
from authoriser.limits import EXPIRIES_STALE_MAX, SWEEP_HOLDS_MAX, SWEEP_INTERVAL_S
from authoriser.recovery import recover, recover_tail
from authoriser.snapshots import STORE_FAILURES, Checkpoint, SnapshotStore, WholeStore
from authoriser.snapshots.writer import SnapshotWriter
from authoriser.turns import Turns

MOVING = (Decided, Reversed, HoldVoided, HoldExpired, Cleared, HoldReleased, ExceptionSettled)
"""Records that change what payments hold."""


class Observers(Struct):
    """Who is told what happens, for metrics and logs. Each is called synchronously and must be quick."""

    on_commit: Callable[[Commit], None] = lambda _commit: None
    on_sent: Callable[[float], None] = lambda _seconds: None
    on_silence: Callable[[], None] = lambda: None
    on_void: Callable[[], None] = lambda: None
    on_clock_jump: Callable[[int], None] = lambda _jump_ms: None
    on_snapshot_failure: Callable[[Exception], None] = lambda _error: None
    on_load_failure: Callable[[Exception], None] = lambda _error: None
    on_cache: Callable[[str], None] = lambda _what: None
    """Is told one of `cache.COUNTED`."""


class Partly(Struct, frozen=True):
    """Not every account is in memory: at most `turns.accounts_max`, or what was loaded stays where that is None.

    `expired_ms` is up to when holds that ended have been let go in what the snapshots have.
    """

    turns: Turns
    expired_ms: int

    @classmethod
    def since(cls, checkpoint: Checkpoint, turns: Turns, now_ms: int) -> Self:
        """With the tail from `checkpoint` in memory, of which nothing left that is not behind a later one."""
        # Before the first checkpoint the tail is the whole journal: nothing is out of memory that could be due.
        return cls(turns, checkpoint.expired_ms if checkpoint.seq else now_ms)


class ShardOwner:
    """One shard, owned by this process. Made by `take_shard`."""

    def __init__(  # noqa: PLR0913 - each by its name, and every caller has them all
        self,
        *,
        state: ShardState,
        tail: Tail,
        journal: Journal,
        snapshots: SnapshotStore,
        policies: dict[str, Policy],
        clock: LedgerClock,
        observers: Observers,
        sealed: Sealed | None = None,
        heartbeat_s: float = 0.0,
        pace_s: float = 0.0,
        partly: Partly | None = None,
    ) -> None:
        """`sealed` is the epoch where one was begun already. `heartbeat_s` over 0 keeps the log from falling silent;
        `pace_s` is for a journal to which an append costs much, however little is in it.
        `partly` None has every account of the shard in `state`.
        """
        self.state = state
        self.nonce = sealed.nonce if sealed is not None else secrets.token_hex(8)
        self._sealed = sealed
        self._heartbeat_s = heartbeat_s
        epoch = sealed.epoch if sealed is not None else 0
        self.commit = GroupCommit(
            journal, shard=state.shard, nonce=self.nonce, tail=tail, epoch=epoch, pace_s=pace_s
        )
        if sealed is not None:
            self.commit.proven = sealed.began
        self.desk = AnswerDesk(void=self._void, on_sent=observers.on_sent, on_silence=observers.on_silence)
        self._policies = policies
        self._any_policy = next(iter(policies.values()))
        self.cache: AccountCache | None = None
        if partly is not None:
            self.cache = AccountCache(
                state, snapshots, self, turns=partly.turns, expired_ms=partly.expired_ms
            )
        self.snapshots = SnapshotWriter(
            state,
            self.commit,
            snapshots,
            observers.on_snapshot_failure,
            cache=self.cache,
            now_ms=self.now_ms,
            answers_open_ms=answers_open_ms(policies),
        )
        self._clock = clock
        self._observers = observers
        self._ending = False
        self.exception_counts: dict[str, int] = {}
        self._after_commit: list[Callable[[], None]] = []
        self._expiries = [
            (payment.expires_ms, account.account_id, payment.hold_id)
            for account in state.accounts.values()
            for payment in account.payments.values()
            if payment.held_minor
        ]
        heapq.heapify(self._expiries)
        self.open_holds = len(self._expiries)

    @property
    def admits_repeats(self) -> bool:
        """Whether what makes no record may still be answered: up to twice as much, and then silence."""
        return self.commit.admits_waiters and self.desk.admits_repeats and not self._ending

    @property
    def admits(self) -> bool:
        """Whether another request may be decided. If not, the answer is 91 or silence, and nothing is kept."""
        return self.commit.admits and self.desk.admits and not self._ending

    def now_ms(self) -> int:
        return self._clock.now_ms(self.state.last_ms)

    def execute(self, command: Command, policy: Policy) -> Outcome:
        """Decide, apply and submit, in one step that nothing can come between.

        Raises CommandRefused for an operator's change that cannot be made; then nothing happened. An exception out
        of `apply` means that the state can no longer be trusted: it ends the process.
        """
        outcome = decide(self.state, command, self.now_ms(), policy)
        self._record(outcome.records)
        return outcome

    def enact(self, outcome: Outcome) -> None:
        """Make a decision of `decide` so. It must be the last one made on this state."""
        self._record(outcome.records)

    def note(self, command: NoteException, policy: Policy) -> None:
        """Put something on the operators' list. What stands there already only counts, until the next start."""
        self.execute(command, policy)
        counts = self.exception_counts
        counts[command.exception_id] = counts.get(command.exception_id, 0) + 1
        while len(counts) > EXCEPTIONS_LISTED_MAX:
            del counts[next(iter(counts))]

    def _record(self, records: tuple[Record, ...]) -> None:
        for record in records:
            apply(self.state, record)
            if isinstance(record, Decided):
                self._watch_expiry(record)
            if isinstance(record, MOVING):
                for moved in record.moved:
                    # An expiry that comes late may be the payment's end as well: then it is forgotten by now.
                    payment = self.state.accounts[record.account_id].payments.get(moved.hold_id)
                    held_minor = payment.held_minor if payment is not None else 0
                    self.open_holds += bool(held_minor) - bool(held_minor - moved.held_minor)
        self.commit.submit(records)

    def _watch_expiry(self, record: Decided) -> None:
        """A new hold, or one whose end moved, is due then. An entry that comes too early finds nothing to do."""
        placed = record.hold
        if placed is not None and placed.amount_minor:
            self.open_holds += 1
            heapq.heappush(self._expiries, (placed.expires_ms, record.account_id, placed.hold_id))
        for moved in record.moved:
            if moved.expires_ms:
                heapq.heappush(self._expiries, (moved.expires_ms, record.account_id, moved.hold_id))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` after the waiters of every batch: lines flush what became ready."""
        self._after_commit.append(callback)

    def _void(self, answer: Answer) -> None:
        command = VoidAnswer(answer.account_id, answer.key, answer.hold_id)
        if self.execute(command, self._policies[answer.policy_name]).records:
            self._observers.on_void()

    def _committed(self, commit: Commit) -> None:
        for callback in self._after_commit:
            callback()
        self._observers.on_commit(commit)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take the shard with an epoch record, then work until cancelled. Started once the epoch is durable.

        Raises what the journal raises: Fenced, or Unknown(retry=False).
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.commit.run, self._committed)
            if self.cache is not None:
                await nursery.start(self.cache.run)
            if self._sealed is None:
                self._begin_epoch()
            await self.commit.barrier()
            await (
                self._expire_due()
            )  # what fell due while nobody served is released before anything is decided
            nursery.start_soon(self.desk.run)
            nursery.start_soon(self._expire_holds)
            nursery.start_soon(self.snapshots.run)
            if self._heartbeat_s:
                nursery.start_soon(self.commit.beat, self._heartbeat_s)
            task_status.started()

    def _begin_epoch(self) -> None:
        """The epoch record, and after a crash the holds whose answers nobody knows of."""
        epoch, policies = self.commit.epoch, self._policies
        self._record(
            epoch_records(self.state, epoch=epoch, nonce=self.nonce, now_ms=self.now_ms(), policies=policies)
        )

    async def _expire_holds(self) -> None:
        while True:
            await trio.sleep(SWEEP_INTERVAL_S)
            await self._expire_due()

    async def _expire_due(self) -> None:
        """All that is due by now: slice after slice, so that a busy hour's holds, a week later, stall nobody."""
        now_ms = self.now_ms()
        if self.cache is None:
            await self._expire_here(now_ms)
            return
        whole = False
        while not whole:
            try:
                whole = await self.cache.bring_due(now_ms)
            except STORE_FAILURES as error:
                # What is in memory expires all the same; the rest is looked for again from where it was left.
                self._observers.on_load_failure(error)
                await self._expire_here(now_ms)
                return
            if not await self._expire_here(now_ms):
                return
        self.cache.expired_ms = now_ms
        if len(self._expiries) > 2 * self.open_holds + EXPIRIES_STALE_MAX:
            self._drop_stale_expiries()

    async def _expire_here(self, now_ms: int) -> bool:
        """Let go what is due of the accounts in memory. False where the journal is too far behind to go on."""
        looked_at = expired = 0
        while self._expiries and self._expiries[0][0] <= now_ms:
            if not self.admits:
                return False
            _, account_id, hold_id = heapq.heappop(self._expiries)
            if account_id not in self.state.accounts:
                continue  # evicted since; the index knows when its holds end
            expired += len(self.execute(ExpireHold(account_id, hold_id), self._any_policy).records)
            looked_at += 1
            if looked_at % SWEEP_HOLDS_MAX == 0:
                if expired:
                    await self.commit.barrier()
                else:
                    await trio.lowlevel.checkpoint()
                expired = 0
        return True

    def _drop_stale_expiries(self) -> None:
        """Forget those of evicted accounts, and all but one of accounts that came again."""
        accounts = self.state.accounts
        self._expiries = [entry for entry in set(self._expiries) if entry[1] in accounts]
        heapq.heapify(self._expiries)

    # ---- for the cache

    def account_came(self, account: Account, *, wanted: bool) -> None:
        """Watch its holds. What is due of an account that something is decided on next is let go first."""
        now_ms = self.now_ms()
        due: list[tuple[int, int]] = []
        for payment in account.payments.values():
            if not payment.held_minor:
                continue
            self.open_holds += 1
            if wanted and payment.expires_ms <= now_ms:
                due.append((payment.expires_ms, payment.hold_id))
            else:
                heapq.heappush(self._expiries, (payment.expires_ms, account.account_id, payment.hold_id))
        for _, hold_id in sorted(due):
            self.execute(ExpireHold(account.account_id, hold_id), self._any_policy)

    def account_goes(self, account: Account) -> None:
        self.open_holds -= len(account.holds)
        self.snapshots.forget(account.account_id)

    def accounts_in_use(self) -> set[str]:
        """Those with an answer that may yet be void."""
        return self.desk.accounts_waiting()

    def is_unsaved(self, account_id: str) -> bool:
        return self.snapshots.is_unsaved(account_id)

    def cache_is_cramped(self) -> None:
        self.snapshots.want_round()

    def cache_counts(self, what: str) -> None:
        self._observers.on_cache(what)

    def load_failed(self, error: Exception) -> None:
        self._observers.on_load_failure(error)

    # ---- ending

    async def settle(self) -> None:
        """Return when everything decided is durable, and every reply older than that was sent or dropped.

        What an operator's acknowledgement waits for: no reply decided before the change leaves after it.
        """
        before = self.desk.mark()
        await self.commit.barrier()
        await self.desk.settled(before)

    async def finish(self) -> None:
        """End the epoch in order: all answers sent or voided, all durable, all saved. Nothing may be decided after."""
        self._ending = True
        await self.settle()
        self._record((EpochEnded(self.now_ms()),))
        await self.commit.barrier()
        await self.snapshots.finish()


async def take_shard(
    *,
    shard: int,
    journal: Journal,
    snapshots: SnapshotStore,
    policies: dict[str, Policy],
    clock: LedgerClock | None = None,
    observers: Observers | None = None,
    cache_accounts_max: int | None = None,
) -> ShardOwner:
    """Recover the shard's state. `policies` are by link name. The owner decides nothing before `run` has started.

    With `cache_accounts_max`, or on a store that can't be read whole, the journal's tail alone is brought into memory,
    and the rest when it is asked for. Raises RecoveryError or BatchError where journal and snapshots contradict
    themselves, and what the store raises.
    """
    told = observers if observers is not None else Observers()
    clock = clock if clock is not None else LedgerClock(on_jump=told.on_clock_jump)
    partly: Partly | None = None
    if cache_accounts_max is None and isinstance(snapshots, WholeStore):
        replayer = await recover(journal, snapshots, shard)
    else:
        replayer, checkpoint = await recover_tail(journal, snapshots, shard)
        turns = Turns(replayer.state.accounts, cache_accounts_max)
        partly = Partly.since(checkpoint, turns, clock.now_ms(replayer.state.last_ms))
    return ShardOwner(
        state=replayer.state,
        tail=replayer.tail,
        journal=journal,
        snapshots=snapshots,
        policies=policies,
        clock=clock,
        observers=told,
        partly=partly,
    )
