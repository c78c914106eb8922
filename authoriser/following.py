"""The follower of a shard: keeps a warm state from the log, and takes the shard when the log falls silent.

The log is the lease. Its leader appends something every heartbeat, so a log without a new slot for `lease_s`, by the
follower's own monotonic clock, has no leader that can reach it. The follower then puts an epoch record into the first
empty slot. Only that append, applied, proves the end: silence is a reason to try, never a proof. Whoever led finds its
next slot taken, and is fenced. Knows no network, no socket and no database.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping

import trio
from msgspec import Struct

from authoriser.clock import LedgerClock
from authoriser.epochs import Sealed, epoch_records
from authoriser.journal.batch import VERSION, Batch, encode_batch
from authoriser.journal.contract import Fenced, SharedJournal, Unknown
from authoriser.journal.group_commit import append_until_known
from authoriser.ledger.commands import Policy
from authoriser.limits import EVENTS_PAGE
from authoriser.recovery import Replayer
from authoriser.warm import WarmAccounts

LOOKS_A_LEASE = 20
"""A lease is found to be over at most a twentieth of it late."""
LOOK_MIN_S = 0.02
LOOK_MAX_S = 0.2
"""A look is one read of one partition; five a second disturb nobody."""


class Lease(Struct, frozen=True):
    """`lease_s` of silence lets a follower try; a leader with nothing to say breaks it every `heartbeat_s`."""

    heartbeat_s: float
    lease_s: float

    @property
    def look_s(self) -> float:
        """Between two looks of a follower at the log."""
        return min(max(self.lease_s / LOOKS_A_LEASE, LOOK_MIN_S), LOOK_MAX_S)


class FollowerObservers(Struct):
    """Who is told what a follower meets, for logs. Each is called synchronously."""

    on_blind: Callable[[Unknown], None] = lambda _unknown: None
    """The log can't be read; once until it can be again."""
    on_try: Callable[[float, bool], None] = lambda _seconds, _clean: None
    """Sealing is tried now: after so much silence, or because the log ended in order."""
    on_beaten: Callable[[], None] = lambda: None
    """The slot was taken by somebody else."""


class Follower:
    """Follows one shard's log, from a recovered state to an epoch of its own."""

    def __init__(
        self,
        journal: SharedJournal,
        replayer: Replayer,
        *,
        lease: Lease,
        policies: Mapping[str, Policy],
        clock: LedgerClock,
        observers: FollowerObservers | None = None,
        warm: WarmAccounts | None = None,
    ) -> None:
        """With `warm`, not every account is in memory: it brings in what the log touches next."""
        self.replayer = replayer
        self._warm = warm
        self.nonce = secrets.token_hex(8)
        self._journal = journal
        self._lease = lease
        self._policies = policies
        self._clock = clock
        self._told = observers if observers is not None else FollowerObservers()

    async def until_leading(self) -> Sealed:
        """Follow until this process has the shard, and give the epoch; `replayer` then stands right behind its record.

        A log that ended in order, or never began, is taken at once. Raises Unknown(retry=False), and RecoveryError or
        BatchError where the log contradicts itself. Cancelled while it seals, it leaves unknown whether it has.
        """
        silent_since = trio.current_time()
        blind = False
        while True:
            try:
                if self._warm is not None:
                    await self._warm.look()
                if await self.catch_up():
                    silent_since = trio.current_time()
                elif self.replayer.state.commons.ended_clean or self._over(silent_since):
                    sealed = await self._seal(silent_since)
                    if sealed is not None:
                        return sealed
                    silent_since = trio.current_time()
                blind = False
            except Unknown as unknown:
                if not unknown.retry:
                    raise
                # Who can't see must not call it silence: where the log is away, its leader may be as cut off from it.
                silent_since = trio.current_time()
                if not blind:
                    blind = True
                    self._told.on_blind(unknown)
            await trio.sleep(self._lease.look_s)

    def _over(self, silent_since: float) -> bool:
        return trio.current_time() - silent_since >= self._lease.lease_s

    async def catch_up(self) -> bool:
        """Apply what a look at the log shows. Whether anything was new."""
        return await self._apply_from(self._journal.peek)

    async def _apply_from(self, read: Callable[..., Awaitable[list[tuple[int, bytes]]]]) -> bool:
        before = self.replayer.next_seq
        while batches := await read(self.replayer.next_seq, EVENTS_PAGE):
            if self._warm is not None:
                await self._warm.bring(batches)
            for seq, blob in batches:
                self.replayer.feed(seq, blob)
                await trio.lowlevel.checkpoint()
            if self._warm is not None:
                self._warm.applied()
        return self.replayer.next_seq > before

    async def _seal(self, silent_since: float) -> Sealed | None:
        """Put an epoch record into the first empty slot. None where the log went on: its next batch is somebody's.

        Until the slot is known to be ours the state is not touched, so that a batch which stands there can be applied.
        """
        self._told.on_try(trio.current_time() - silent_since, self.replayer.state.commons.ended_clean)
        if await self._apply_from(self._journal.read):
            return None
        replayer = self.replayer
        # The whole log is known now: an account that knows more would be of a store that is not this journal's.
        state, seq = replayer.finish(), replayer.next_seq
        now_ms = self._clock.now_ms(state.last_ms)
        records = epoch_records(state, epoch=seq, nonce=self.nonce, now_ms=now_ms, policies=self._policies)
        batch = Batch(
            version=VERSION,
            shard=state.shard,
            seq=seq,
            epoch=seq,
            nonce=self.nonce,
            first_record_no=replayer.tail.record_no + 1,
            last_ms=max(state.last_ms, now_ms),
            previous_hash=replayer.tail.hash,
            records=list(records),
        )
        blob, _digest = encode_batch(batch)
        began = trio.current_time()
        try:
            await append_until_known(self._journal, seq, blob)
        except Fenced:
            self._told.on_beaten()
            return None
        replayer.feed(seq, blob)
        return Sealed(seq, self.nonce, began)


class Glancing:
    """A shared journal read by looks alone: for a start that follows, and keeps out of the way of whoever leads."""

    def __init__(self, journal: SharedJournal) -> None:
        self.append = journal.append
        self.read = journal.peek
        self.close = journal.close
