"""Processes that share one shard over a log in memory, on a clock that jumps. Each follows, leads, follows again."""

from collections.abc import Callable

import trio

from authoriser.clock import LedgerClock
from authoriser.following import Follower, FollowerObservers, Lease
from authoriser.journal import Fenced
from authoriser.journal.batch import Batch, decode_batch
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger.commands import OpenAccount, Policy
from authoriser.ledger.records import Audit
from authoriser.owner import Observers, ShardOwner
from authoriser.recovery import Replayer
from authoriser.server import policy_of
from authoriser.snapshots.memory import MemorySnapshots
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

    def __init__(self, log: MemoryLog, name: str = "", lease: Lease = LEASE) -> None:
        self.name = name
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

    def follower(self) -> Follower:
        self.replayer = Replayer(0)
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
        )

    async def run(self) -> None:
        """For ever. Loses its state with the shard, as the real process does."""
        while True:
            sealed = await self.follower().until_leading()
            owner = ShardOwner(
                state=self.replayer.state,
                tail=self.replayer.tail,
                journal=self.journal,
                snapshots=MemorySnapshots(),
                policies=POLICIES,
                clock=ledger_clock(),
                observers=Observers(),
                sealed=sealed,
                heartbeat_s=self.lease.heartbeat_s,
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
        owner = self.owner
        owner.execute(
            OpenAccount(account, "978", 0, "UTC", Audit(account, "t", 0, "t", account, 1 << 60)), POLICY
        )
        await owner.settle()
        self.durable.append(account)


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
