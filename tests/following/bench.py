"""Processes that share one shard over a log in memory, on a clock that jumps. Each follows, leads, follows again."""

from collections.abc import Callable

import trio

from authoriser.cache import Name
from authoriser.clock import LedgerClock
from authoriser.configured_link import policy_of
from authoriser.following import Follower, FollowerObservers, Lease
from authoriser.journal import Fenced, Unknown
from authoriser.journal.batch import Batch, decode_batch
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger.commands import Command, CreditAccount, OpenAccount, Policy
from authoriser.ledger.records import Audit
from authoriser.owner import Observers, Partly, ShardOwner
from authoriser.recovery import Replayer, recover_tail
from authoriser.snapshots import StoreError
from authoriser.snapshots.memory import MemoryShelf, MemorySnapshots
from authoriser.warm import WarmAccounts
from isowire import load_dialect

LEASE = Lease(heartbeat_s=0.5, lease_s=3.0)
POLICY = policy_of(load_dialect("iso87-ascii"), 2000)
POLICIES: dict[str, Policy] = {"test": POLICY}


def ledger_clock() -> LedgerClock:
    return LedgerClock(
        wall_ms=lambda: 1_800_000_000_000 + int(trio.current_time() * 1000),
        monotonic_ms=lambda: int(trio.current_time() * 1000),
    )


class Process:
    """One process of the shard. `owner` is there while it leads; `told` is what its followers noticed."""

    def __init__(
        self,
        log: MemoryLog,
        name: str = "",
        lease: Lease = LEASE,
        *,
        shelf: MemoryShelf | None = None,
        accounts_max: int = 3,
    ) -> None:
        """With a `shelf`, which the shard's processes share, at most so many accounts are in memory."""
        self.name = name
        self.shelf = shelf
        self.accounts_max = accounts_max
        self.snapshots = MemorySnapshots(shelf)
        self.warm: WarmAccounts | None = None
        self.lease = lease
        self.journal = MemoryJournal(log)
        self.replayer = Replayer(0)
        self.owner: ShardOwner | None = None
        self.led = 0
        self.lost = 0
        self.told: list[str] = []
        self.durable: list[str] = []
        """Accounts whose opening was acknowledged."""

    @property
    def leads(self) -> bool:
        return self.owner is not None

    async def follower(self) -> Follower:
        self.replayer, self.warm = Replayer(0), None
        if self.shelf is not None:
            self.replayer, checkpoint = await recover_tail(self.journal, self.snapshots, 0)
            self.warm = WarmAccounts(
                self.replayer, self.snapshots, checkpoint, accounts_max=self.accounts_max
            )
        observers = FollowerObservers(
            on_blind=lambda _unknown: self.told.append("blind"),
            on_try=lambda _seconds, clean: self.told.append("clean" if clean else "silent"),
            on_beaten=lambda: self.told.append("beaten"),
        )
        return Follower(
            self.journal,
            self.replayer,
            lease=self.lease,
            policies=POLICIES,
            clock=ledger_clock(),
            observers=observers,
            warm=self.warm,
        )

    async def run(self) -> None:
        """For ever. Loses its state with the shard, as the real process does."""
        while True:
            try:
                follower = await self.follower()
            except (Unknown, StoreError):
                await trio.sleep(1)
                continue
            sealed = await follower.until_leading()
            warm = self.warm
            owner = ShardOwner(
                state=self.replayer.state,
                tail=self.replayer.tail,
                journal=self.journal,
                snapshots=self.snapshots,
                policies=POLICIES,
                clock=ledger_clock(),
                observers=Observers(),
                sealed=sealed,
                heartbeat_s=self.lease.heartbeat_s,
                partly=Partly.since(warm.checkpoint, warm.turns, ledger_clock().now_ms(0))
                if warm is not None
                else None,
            )
            self.led += 1
            try:
                async with trio.open_nursery() as term:
                    await term.start(owner.run)
                    self.owner = owner
                    await trio.sleep_forever()
            except* Fenced:
                self.lost += 1
            finally:
                self.owner = None

    async def open_account(self, account: str) -> None:
        """Returns once it is durable; cancelled or left waiting where the shard is lost."""
        assert self.owner is not None
        await self.change(OpenAccount(account, "978", 0, "UTC", audit(account)), account)
        self.durable.append(account)

    async def credit(self, account: str, key: str) -> None:
        """A cent, once by its key; as `open_account`."""
        await self.change(CreditAccount(account, 1, audit(key)), account)

    async def change(self, command: Command, account: str) -> None:
        owner = self.owner
        assert owner is not None
        if owner.cache is None:
            owner.execute(command, POLICY)
        else:
            async with owner.cache.holding([Name("account", account)]):
                owner.execute(command, POLICY)
        await owner.settle()

    @property
    def resident(self) -> set[str]:
        return set(self.replayer.state.accounts)


def audit(key: str) -> Audit:
    return Audit(key, "t", 0, "t", key, 1 << 60)


def batches(log: MemoryLog) -> list[Batch]:
    return [
        decode_batch(blob, seq=n, shard=0, previous_hash=None)[0] for n, blob in enumerate(log.batches, 1)
    ]


def replayed(log: MemoryLog) -> Replayer:
    """The whole log, held to everything that replay holds it to."""
    replayer = Replayer(0)
    for seq, blob in enumerate(log.batches, 1):
        replayer.feed(seq, blob)
    return replayer


async def until(true: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Return when `true()`; the clock jumps from one look of a process to the next."""
    with trio.fail_after(patience_s):
        while not true():
            await trio.sleep(0.01)
