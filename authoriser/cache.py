"""The accounts of a shard that are in memory, where not every account is: loading on a miss, and eviction.

Whoever decides asks first whether what a command names is here. If not, the command waits until it was loaded, behind
those that came before it, while the commands of other accounts go on. Owns who waits for what, what is under way, and
which account goes when there are too many. Must not know messages, sockets or the driver: what happens to an account
that came or goes is its owner's business (`Host`).

Only an account whose last effect is in an acknowledged snapshot goes. Whose turn it is among those: `authoriser.turns`.
"""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from typing import Literal, NamedTuple, Protocol

import trio

from authoriser.ledger.state import Account, ShardState
from authoriser.limits import (
    CACHE_CRAMPED_MARGIN,
    CACHE_WAITERS_MAX,
    DUE_PAGE,
    LOAD_MAX_S,
    LOADS_AT_ONCE,
    ROOM_MAX_S,
)
from authoriser.snapshots import STORE_FAILURES, Blob, CardEntry, Due, SnapshotStore, StoreError
from authoriser.snapshots.blobs import account_of, first_expiry_ms
from authoriser.turns import Turns


class Verdict(Enum):
    """What became of a wait. Only the card index says ABSENT; FAILED says nothing about what there is."""

    HERE = "here"
    ABSENT = "absent"
    FAILED = "failed"


class Name(NamedTuple):
    """What a command says of an account: its id, or a card's id or token."""

    kind: Literal["account", "card", "token"]
    value: str | bytes


Waiter = Callable[[Verdict], None]
"""Is called once, synchronously: when it is told HERE, the account is in memory until it returns."""


class LoadFailedError(Exception):
    """What was asked for may be there, and could not be loaded now."""


class Host(Protocol):
    """Whose accounts these are."""

    def now_ms(self) -> int: ...

    def account_came(self, account: Account, *, wanted: bool) -> None:
        """It is in memory from now on. If it is `wanted`, something is decided on it next."""
        ...

    def account_goes(self, account: Account) -> None:
        """It leaves memory in this step."""
        ...

    def accounts_in_use(self) -> set[str]:
        """Accounts that must stay, whatever their snapshots say."""
        ...

    def is_unsaved(self, account_id: str) -> bool:
        """Whether it has an effect that no acknowledged snapshot has."""
        ...

    def cache_is_cramped(self) -> None:
        """There are too many accounts, and none that may go: a snapshot round would help."""
        ...

    def cache_counts(self, what: str) -> None:
        """One more of COUNTED."""
        ...

    def load_failed(self, error: Exception) -> None: ...


COUNTED = ("cache_misses", "cache_loads", "cache_evictions", "cache_failed_loads")


class AccountCache:
    """Of one shard. Turns whose `accounts_max` is None never evict: what was loaded stays."""

    def __init__(
        self,
        state: ShardState,
        store: SnapshotStore,
        host: Host,
        *,
        turns: Turns,
        expired_ms: int,
    ) -> None:
        """`expired_ms`: up to then, every hold that ended of an account not in memory has been let go."""
        self._state = state
        self._store = store
        self._host = host
        self._turns = turns
        self._waiters: dict[Name, list[tuple[int, Waiter]]] = {}
        self._arrivals = itertools.count()
        self._again: set[Name] = set()
        """Names whose account came and went while they were looked up: what the store said of them may be old."""
        self._loading: dict[str, trio.Event] = {}
        self._limiter = trio.CapacityLimiter(LOADS_AT_ONCE)
        self._pinned: Counter[str] = Counter()
        self._room = trio.lowlevel.ParkingLot()
        self._nursery: trio.Nursery | None = None
        self._looked_at = Due(expired_ms, "\U0010ffff")
        self.expired_ms = expired_ms
        self.waiting = 0
        """Commands that wait for a load."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load what is wanted, until cancelled. Who waits then is not told any more."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    # ---- wanting

    def has(self, name: Name) -> bool:
        """Whether the account that is called so is in memory."""
        state, (kind, value) = self._state, name
        if kind == "token":
            return value in state.tokens
        return value in (state.accounts if kind == "account" else state.cards)

    def want(self, name: Name, waiter: Waiter) -> bool:
        """Have `waiter` told when what is not here was loaded, behind those who wait for the same account.

        False where too many wait, nothing more fits in, or the cache has ended with its shard: then nobody is told.
        """
        waiters = self._waiters.get(name)
        if self._nursery is None or self.waiting >= CACHE_WAITERS_MAX or self._is_full():
            return False
        if waiters is None:
            waiters = self._waiters[name] = []
            self._nursery.start_soon(self._look_up, name)
        waiters.append((next(self._arrivals), waiter))
        self.waiting += 1
        self._host.cache_counts("cache_misses")
        return True

    @asynccontextmanager
    async def holding(self, names: Iterable[Name]) -> AsyncIterator[None]:
        """Whatever of `names` there is, in memory as long as the body runs. Raises LoadFailedError.

        Where memory is full of what is not saved, it waits for the round that makes room, which a payment could not.
        """
        pinned: list[str] = []
        try:
            await self._until_room()
            await self._bring_all(set(names), pinned)
            yield
        finally:
            self._pinned.subtract(pinned)
            self._pinned = +self._pinned

    async def _until_room(self) -> None:
        with trio.move_on_after(ROOM_MAX_S):
            while self._is_full():
                self._host.cache_is_cramped()
                await self._room.park()

    async def _bring_all(self, names: set[Name], pinned: list[str]) -> None:
        """Load what is not here of `names`, all at once, and pin each account in the step in which it is here."""
        verdicts: list[Verdict] = []
        waited_for = 0
        done = trio.Event()

        def told(name: Name, verdict: Verdict) -> None:
            verdicts.append(verdict)
            if verdict is Verdict.HERE:
                self._pin(name, pinned)
            if len(verdicts) == waited_for:
                done.set()

        for name in names:
            if self.has(name):
                self._pin(name, pinned)
            elif self.want(name, partial(told, name)):
                waited_for += 1
            else:
                raise LoadFailedError("too many wait for their accounts already")
        if waited_for:
            await done.wait()
        if Verdict.FAILED in verdicts:
            raise LoadFailedError("an account could not be loaded")

    def _pin(self, name: Name, pinned: list[str]) -> None:
        account_id = self._account_id(name)
        self._pinned[account_id] += 1
        pinned.append(account_id)

    def _account_id(self, name: Name) -> str:
        """Of one that is here."""
        state, (kind, value) = self._state, name
        if kind == "account":
            return str(value)
        card_id = state.tokens[value][1].card_id if isinstance(value, bytes) else value
        return state.cards[card_id].account_id

    async def cards_ending(self, last_four: str, count: int) -> list[CardEntry]:
        """Cards of snapshots whose numbers end so. Raises LoadFailedError."""
        try:
            return await self._store.cards_ending(last_four, count)
        except STORE_FAILURES as error:
            self._fail(error)
            raise LoadFailedError(str(error)) from None

    # ---- loading

    async def _look_up(self, name: Name) -> None:
        """The task of a name that somebody waits for."""
        verdict = Verdict.FAILED
        try:
            with trio.move_on_after(LOAD_MAX_S) as patience:
                verdict = await self._found(name)
            if patience.cancelled_caught:
                raise StoreError(f"a load took longer than {LOAD_MAX_S} s")
        except STORE_FAILURES as error:
            self._fail(error)
        waiters = sorted(self._taken(name))
        for _, waiter in waiters:
            waiter(verdict)

    def _fail(self, error: Exception) -> None:
        self._host.cache_counts("cache_failed_loads")
        self._host.load_failed(error)

    async def _found(self, name: Name) -> Verdict:
        while not self.has(name):
            self._again.discard(name)
            account_id = await self._looked_up(name)
            if account_id is not None and not await self._bring(account_id):
                if name.kind != "account":
                    raise StoreError(f"the card index names account {account_id!r}, which has no snapshot")
                account_id = None
            if account_id is None and not self.has(name) and name not in self._again:
                return Verdict.ABSENT
            if account_id is not None and not self.has(name) and account_id in self._state.accounts:
                raise StoreError(f"the card index names a card that account {account_id!r} does not have")
        return Verdict.HERE

    async def _looked_up(self, name: Name) -> str | None:
        """The account's id, of the card index where the name is a card's; None where that has no such card."""
        if isinstance(name.value, str) and name.kind == "account":
            return name.value
        async with self._limiter:
            if isinstance(name.value, bytes):
                entry = await self._store.card_of_token(name.value)
            else:
                entry = await self._store.card_of_id(name.value)
        return entry.account_id if entry is not None else None

    async def _bring(self, account_id: str) -> bool:
        """Load the account unless somebody else does. False where it has no snapshot."""
        while account_id not in self._state.accounts:
            under_way = self._loading.get(account_id)
            if under_way is not None:
                await under_way.wait()
                continue
            done = self._loading[account_id] = trio.Event()
            try:
                async with self._limiter:
                    blob = await self._store.load_one(account_id)
                if blob is None:
                    return account_id in self._state.accounts
                self._take_in(blob)
            finally:
                del self._loading[account_id]
                done.set()
        return True

    def _take_in(self, blob: Blob) -> None:
        """The account comes into memory, and whoever waits for it is told at once, in the order of their coming."""
        state = self._state
        if blob.aggregate_id in state.accounts:
            return
        account = account_of(blob)
        if account.version > state.record_no:
            raise StoreError(
                f"the snapshot of {account.account_id!r} knows record {account.version}, and this process "
                f"{state.record_no}: another one has the shard"
            )
        self._turns.check(account)
        state.load(account)
        self._turns.came(account.account_id)
        self._host.cache_counts("cache_loads")
        names = [Name("account", account.account_id)]
        for card in account.cards.values():
            names += Name("token", card.token), Name("card", card.card_id)
        waiters = sorted(self._taken(*names))
        self._host.account_came(account, wanted=bool(waiters))
        for _, waiter in waiters:
            waiter(Verdict.HERE)
        self.make_room()

    def _taken(self, *names: Name) -> list[tuple[int, Waiter]]:
        """Those who wait for any of `names`, who do so no more."""
        waiters = [waiting for name in names for waiting in self._waiters.pop(name, ())]
        self.waiting -= len(waiters)
        return waiters

    # ---- eviction

    def _is_full(self) -> bool:
        most = self._turns.accounts_max
        return most is not None and len(self._state.accounts) > 2 * most + CACHE_CRAMPED_MARGIN

    def saved(self, account_ids: Iterable[str]) -> None:
        """Snapshots of these were acknowledged: they may go from now on, and new ones among them have their turn."""
        for account_id in account_ids:
            self._turns.came(account_id)
        self.make_room()
        if not self._is_full():
            self._room.unpark_all()

    def make_room(self) -> None:
        """Evict down to a little below the bound, as far as accounts may go."""
        wanted = self._turns.wanted
        if not wanted:
            return
        in_use = self._host.accounts_in_use() | self._pinned.keys()
        now_ms = self._host.now_ms()

        def may_go(account: Account) -> bool:
            return account.account_id not in in_use and self._may_go(account, now_ms)

        self._turns.leave(wanted, may_go, self._evict)
        if self._turns.wanted:
            self._host.cache_is_cramped()

    def _may_go(self, account: Account, now_ms: int) -> bool:
        """A hold that is over by now was looked for in the index before: it would be found by nobody."""
        if self._host.is_unsaved(account.account_id):
            return False
        ends_ms = first_expiry_ms(account)
        return not ends_ms or ends_ms > now_ms

    def _evict(self, account: Account) -> None:
        self._host.account_goes(account)
        self._state.unload(account.account_id)
        self._host.cache_counts("cache_evictions")
        if self._waiters:
            self._again.add(Name("account", account.account_id))
            for card in account.cards.values():
                self._again.update((Name("token", card.token), Name("card", card.card_id)))
            self._again &= self._waiters.keys()

    # ---- holds that end

    async def bring_due(self, until_ms: int) -> bool:
        """Load some accounts that have a hold which ends by then. True once there are no more.

        Raises one of STORE_FAILURES. Asked again, it goes on where it was.
        """
        page = await self._store.due(self._looked_at, until_ms, DUE_PAGE)
        missing = dict.fromkeys(due.account_id for due in page if due.account_id not in self._state.accounts)
        if missing:
            await self._bring_many(missing)
        if page:
            self._looked_at = page[-1]
        return len(page) < DUE_PAGE

    async def _bring_many(self, account_ids: Iterable[str]) -> None:
        """Load those that have a snapshot. Of one account there is one read at a time, whoever asks for it.

        Otherwise an account could come, change, be saved and leave while another read of it is on its way, and come
        back by that as it was before.
        """
        under_way: list[str] = []
        mine: list[str] = []
        for account_id in account_ids:
            (under_way if account_id in self._loading else mine).append(account_id)
        done = trio.Event()
        self._loading.update(dict.fromkeys(mine, done))
        try:
            for blob in await self._store.load_many(mine):
                self._take_in(blob)
        finally:
            for account_id in mine:
                del self._loading[account_id]
            done.set()
        for account_id in under_way:
            await self._bring(account_id)
