"""The accounts that a follower keeps in memory, where not every account is: the log touches them, and they are there.

A follower saves nothing. What its leader saved is told by the checkpoint: every account that was touched up to there
has its snapshot. So an account may leave memory once its last effect is behind the checkpoint; whatever is not behind
it stays, and stays marked dirty, so that this process saves it if it leads next.

Owns when the checkpoint is looked at, and who leaves. Must not know the journal's ways, nor when a follower may lead.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import trio

from authoriser.journal.contract import Unknown
from authoriser.ledger.state import Account
from authoriser.limits import CHECKPOINT_LOOK_MAX_S, CHECKPOINT_LOOK_S, CHECKPOINT_MARKS_MAX
from authoriser.recovery import RecoveryError, Replayer, touched_by
from authoriser.snapshots.blobs import COMMONS_ID, account_of
from authoriser.snapshots.contract import STORE_FAILURES, Checkpoint, SnapshotStore, StoreError
from authoriser.turns import Turns


class _Mark(NamedTuple):
    """Batch `seq` ends with record `record_no`."""

    seq: int
    record_no: int


class WarmAccounts:
    """Of one follower, over what `recover_tail` gave it."""

    def __init__(
        self,
        replayer: Replayer,
        store: SnapshotStore,
        checkpoint: Checkpoint,
        *,
        accounts_max: int | None,
        on_failure: Callable[[Exception], None] = lambda _error: None,
    ) -> None:
        """`on_failure` is told why the checkpoint could not be looked at."""
        self._replayer = replayer
        self._store = store
        self._on_failure = on_failure
        self.turns = Turns(replayer.state.accounts, accounts_max)
        self.checkpoint = checkpoint
        """As it was last seen. It only moves on."""
        self.saved_record_no = 0
        """Every account touched up to this record has its snapshot."""
        self.loaded = 0
        """Accounts loaded since the start, because the log was about to touch them."""
        self._touched: set[str] = set()
        self._marks: deque[_Mark] = deque()
        self._next_look = trio.current_time()
        self._mark()

    async def bring(self, batches: list[tuple[int, bytes]]) -> None:
        """Load what these batches touch and is not here. To be called before they are fed, and `applied` after.

        Raises Unknown where the store is away, RecoveryError where it contradicts itself, BatchError.
        """
        state = self._replayer.state
        self._touched = touched_by(batches, state.shard)
        missing = self._touched.difference(state.accounts)
        if not missing:
            return
        try:
            for blob in await self._store.load_many(missing):
                account = account_of(blob)
                self.turns.check(account)
                state.load(account)
                self.turns.came(account.account_id)
                self.loaded += 1
        except STORE_FAILURES as error:
            if isinstance(error, StoreError) and not error.passing:
                raise RecoveryError(str(error)) from None
            raise Unknown(str(error), retry=True) from None

    def applied(self) -> None:
        """The batches brought for last were fed."""
        for account_id in self._touched:
            self.turns.came(account_id)
        self._touched = set()
        self._mark()
        self._make_room()

    async def look(self) -> None:
        """See how far the leader's snapshots are, now and then, and let go of what they have.

        A store that is away says nothing new. Raises RecoveryError where the checkpoint has gone back.
        """
        now = trio.current_time()
        if now < self._next_look:
            return
        self._next_look = now + CHECKPOINT_LOOK_S
        found = self.checkpoint
        try:
            with trio.move_on_after(CHECKPOINT_LOOK_MAX_S):
                found = await self._store.checkpoint()
        except STORE_FAILURES as error:
            self._on_failure(error)
            return
        if found.seq < self.checkpoint.seq:
            raise RecoveryError(
                f"the checkpoint of the snapshots was batch {self.checkpoint.seq} and is {found.seq} now: "
                "the store has lost writes"
            )
        self.checkpoint = found
        self._settle()
        self._make_room()

    def _mark(self) -> None:
        tail = self._replayer.tail
        self._marks.append(_Mark(tail.seq, tail.record_no))
        if len(self._marks) > CHECKPOINT_MARKS_MAX:
            self._marks = deque(list(self._marks)[1::2])

    def _settle(self) -> None:
        """What was last touched behind the checkpoint is saved, and so are its cards' entries in the index."""
        reached = None
        while self._marks and self._marks[0].seq <= self.checkpoint.seq:
            reached = self._marks.popleft()
        if reached is None:
            return
        state = self._replayer.state
        saved = self.saved_record_no = reached.record_no
        state.dirty = {aggregate_id for aggregate_id in state.dirty if self._version(aggregate_id) > saved}
        state.new_cards = {
            card_id
            for card_id in state.new_cards
            if card_id in state.cards and state.cards[card_id].version > saved
        }

    def _version(self, aggregate_id: str) -> int:
        state = self._replayer.state
        return (state.commons if aggregate_id == COMMONS_ID else state.accounts[aggregate_id]).version

    def _make_room(self) -> None:
        wanted = self.turns.wanted
        if wanted:
            self.turns.leave(wanted, self._may_leave, self._leave)

    def _may_leave(self, account: Account) -> bool:
        return account.account_id not in self._replayer.state.dirty

    def _leave(self, account: Account) -> None:
        self._replayer.state.unload(account.account_id)
