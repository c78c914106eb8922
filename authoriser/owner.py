"""The owner of one shard: its state, its journal's writer, its snapshots, and the only door to all three.

Everything that changes the shard goes through `execute`: decide, apply, submit, in one synchronous step. Replies and
acknowledgements then wait for the log. Owns the background work of a shard (commit, voids, expiries, snapshots).
Knows nothing of sockets or ISO 8583.
"""

import heapq
import secrets
from collections.abc import Callable

import trio
from msgspec import Struct

from authoriser import __version__
from authoriser.answers import Answer, AnswerDesk
from authoriser.clock import LedgerClock
from authoriser.journal.contract import Journal
from authoriser.journal.group_commit import Commit, GroupCommit, Tail
from authoriser.ledger.apply import EXCEPTIONS_LISTED_MAX, apply
from authoriser.ledger.commands import (
    Command,
    ExpireHold,
    MarkAnswerUnknown,
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
    EpochStarted,
    ExceptionSettled,
    HoldExpired,
    HoldReleased,
    HoldVoided,
    Record,
    Reversed,
)
from authoriser.ledger.state import ShardState
from authoriser.limits import SWEEP_HOLDS_MAX, SWEEP_INTERVAL_S
from authoriser.recovery import recover
from authoriser.snapshots import SnapshotStore
from authoriser.snapshots.writer import SnapshotWriter

ANSWER_UNKNOWN_MARGIN_MS = 1_000
"""Added to the longest deadline when looking for holds whose answers the crash may have swallowed."""


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


class ShardOwner:
    """One shard, owned by this process. Made by `take_shard`."""

    def __init__(
        self,
        *,
        state: ShardState,
        tail: Tail,
        journal: Journal,
        snapshots: SnapshotStore,
        policies: dict[str, Policy],
        clock: LedgerClock,
        observers: Observers,
    ) -> None:
        self.state = state
        self.nonce = secrets.token_hex(8)
        self.commit = GroupCommit(journal, shard=state.shard, nonce=self.nonce, tail=tail)
        self.desk = AnswerDesk(void=self._void, on_sent=observers.on_sent, on_silence=observers.on_silence)
        self.snapshots = SnapshotWriter(state, self.commit, snapshots, observers.on_snapshot_failure)
        self._policies = policies
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
            self._begin_epoch()
            await self.commit.barrier()
            await (
                self._expire_due()
            )  # what fell due while nobody served is released before anything is decided
            nursery.start_soon(self.desk.run)
            nursery.start_soon(self._expire_holds)
            nursery.start_soon(self.snapshots.run)
            task_status.started()

    def _begin_epoch(self) -> None:
        """The epoch record, and after a crash the payments that answers nobody knows of began or added to."""
        state = self.state
        clean = state.commons.ended_clean
        last_ms = state.last_ms
        self._record((EpochStarted(self.now_ms(), self.commit.epoch, self.nonce, __version__, clean),))
        if clean:
            return
        # Whatever was decided longer ago than a deadline before the last record was sent or voided before it.
        deadline_ms = max((policy.reply_deadline_ms for policy in self._policies.values()), default=0)
        since_ms = last_ms - deadline_ms - ANSWER_UNKNOWN_MARGIN_MS
        any_policy = next(iter(self._policies.values()))
        for account in state.accounts.values():
            grown = {
                spend.number
                for card in account.cards.values()
                for spend in card.recent or ()
                if spend.at_ms >= since_ms
            }
            for payment in list(account.payments.values()):
                fresh = payment.placed_ms >= since_ms or payment.hold_id in grown
                posted = payment.online_minor and payment.particulars.mti == "0200"
                if fresh and (not payment.ended or posted):
                    self.execute(MarkAnswerUnknown(account.account_id, payment.hold_id), any_policy)

    async def _expire_holds(self) -> None:
        while True:
            await trio.sleep(SWEEP_INTERVAL_S)
            await self._expire_due()

    async def _expire_due(self) -> None:
        """All that is due by now: slice after slice, so that a busy hour's holds, a week later, stall nobody."""
        any_policy = next(iter(self._policies.values()))
        now_ms = self.now_ms()
        looked_at = expired = 0
        while self._expiries and self._expiries[0][0] <= now_ms and self.admits:
            _, account_id, hold_id = heapq.heappop(self._expiries)
            expired += len(self.execute(ExpireHold(account_id, hold_id), any_policy).records)
            looked_at += 1
            if looked_at % SWEEP_HOLDS_MAX == 0:
                if expired:
                    await self.commit.barrier()
                else:
                    await trio.lowlevel.checkpoint()
                expired = 0

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
) -> ShardOwner:
    """Recover the shard's state. `policies` are by link name. The owner decides nothing before `run` has started.

    Raises RecoveryError or BatchError where journal and snapshots contradict themselves.
    """
    told = observers if observers is not None else Observers()
    replayer = await recover(journal, snapshots, shard)
    return ShardOwner(
        state=replayer.state,
        tail=replayer.tail,
        journal=journal,
        snapshots=snapshots,
        policies=policies,
        clock=clock if clock is not None else LedgerClock(on_jump=told.on_clock_jump),
        observers=told,
    )
