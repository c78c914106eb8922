"""A shard of fifty cards behind its pipeline, with as few of them in memory as a test wants.

Time is trio's MockClock and moves only where a test moves it. Stores outlive the process: `Disk` is what is left.
"""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing
from desk_bench import BIN2, FakeLine, message
from trio.testing import wait_all_tasks_blocked

from authoriser.cache import Name
from authoriser.clock import LedgerClock
from authoriser.configured_link import policy_of
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger.commands import Command, CreditAccount, IssueCard, OpenAccount
from authoriser.ledger.digest import state_hash
from authoriser.ledger.records import Audit
from authoriser.ledger.state import ShardState
from authoriser.link import Link
from authoriser.owner import Observers, ShardOwner, take_shard
from authoriser.pipeline import Pipeline
from authoriser.recovery import Replayer
from authoriser.snapshots import SnapshotStore
from authoriser.snapshots.memory import MemoryShelf, MemorySnapshots
from authoriser.telemetry.metrics import Counters
from authoriser.translate import Tokens
from isowire import Codec, load_dialect, luhn_valid
from rules import CardState

START_MS = 1_800_000_000_000
CARDS = 50
OPENING_MINOR = 100_000


def pan(number: int) -> str:
    first = f"400000000{number:06}"
    return next(f"{first}{digit}" for digit in range(10) if luhn_valid(f"{first}{digit}"))


def account(number: int) -> str:
    return f"acc-{number:02}"


def audit(key: str) -> Audit:
    return Audit(key, "test", 0, "test", key, 1 << 60)


class Disk:
    """What outlives a process: the journal and the snapshots."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.shelf = MemoryShelf()

    def replayed(self) -> ShardState:
        """The whole journal, from nothing."""
        replayer = Replayer(0)
        for seq, blob in enumerate(self.log.batches, 1):
            replayer.feed(seq, blob)
        return replayer.finish()

    def hash(self) -> str:
        return state_hash(self.replayed())


class Process:
    """One process that owns the shard, with at most `accounts_max` accounts in memory; None for all of them."""

    def __init__(self, disk: Disk, accounts_max: int | None, snapshots: SnapshotStore | None = None) -> None:
        self.disk = disk
        self.accounts_max = accounts_max
        self.journal = MemoryJournal(disk.log)
        self.snapshots: Any = snapshots if snapshots is not None else MemorySnapshots(disk.shelf)
        self.counters = Counters()
        self.failures: list[str] = []
        dialect = load_dialect("iso87-ascii")
        self.link = Link(
            name="test",
            network="test",
            listen=("127.0.0.1", 0),
            dialect=dialect,
            codec=Codec(dialect),
            framing=BIN2,
            policy=policy_of(dialect, 2000),
            reply_deadline_s=2.0,
            frame_length_max_bytes=4096,
            connections_max=10,
        )
        self.line = FakeLine(self.link)
        self._keys = itertools.count()

    async def start(self, nursery: trio.Nursery) -> None:
        def count(what: str) -> None:
            self.counters.counts[what] += 1

        self.owner: ShardOwner = await take_shard(
            shard=0,
            journal=self.journal,
            snapshots=self.snapshots,
            policies={"test": self.link.policy},
            clock=LedgerClock(
                wall_ms=lambda: START_MS + int(trio.current_time() * 1000),
                monotonic_ms=lambda: int(trio.current_time() * 1000),
            ),
            observers=Observers(
                on_cache=count, on_load_failure=lambda error: self.failures.append(str(error))
            ),
            cache_accounts_max=self.accounts_max,
        )
        await nursery.start(self.owner.run)
        self.owner.after_commit(self.line.flush)
        self.tokens = Tokens(str.encode)
        self.pipeline = Pipeline(
            link=self.link,
            owner=self.owner,
            tokens=self.tokens,
            exception_secret=b"secret",
            counters=self.counters,
        )

    async def command(self, command: Command, *names: Name) -> None:
        """As an operator's change: what it names is loaded first. Durable when this returns."""
        if self.owner.cache is None:
            self.owner.execute(command, self.link.policy)
        else:
            async with self.owner.cache.holding(names):
                self.owner.execute(command, self.link.policy)
        await self.owner.settle()

    async def open_cards(self, cards: int = CARDS) -> None:
        for number in range(cards):
            name = Name("account", account(number))
            token = pan(number).encode()
            await self.command(OpenAccount(name.value, "978", 0, "UTC", audit("1")), name)  # type: ignore[arg-type]
            await self.command(CreditAccount(account(number), OPENING_MINOR, audit("2")), name)
            card = IssueCard(
                account(number),
                f"card_{number:02}",
                token,
                1,
                pan(number)[-4:],
                "4912",
                1 << 60,
                CardState.ACTIVE,
                audit("3"),
            )
            await self.command(card, name, Name("token", token))

    def send(self, number: int, mti: str = "0100", *, arrived: float | None = None, **changed: str) -> None:
        """One message of a card, not waited for. It came now, or when the test says."""
        frame = BIN2.wrap(message(mti, **{"f2": pan(number), **changed}))
        came = trio.current_time() if arrived is None else arrived
        self.pipeline.on_bytes(self.line, frame, came)  # type: ignore[arg-type]

    async def ask(self, number: int, mti: str = "0100", **changed: str) -> list[dict[str, str]]:
        """What came on the line until everything stood still; [] is silence so far."""
        self.line.taken.clear()
        self.send(number, mti, **changed)
        await wait_all_tasks_blocked()
        return list(self.line.taken)

    async def look(self, number: int) -> None:
        """Have an account in memory for a moment, and change nothing."""
        assert self.owner.cache is not None
        async with self.owner.cache.holding([Name("account", account(number))]):
            assert account(number) in self.resident

    async def round(self) -> None:
        await self.owner.snapshots.round()

    @property
    def resident(self) -> set[str]:
        return set(self.owner.state.accounts)

    @property
    def counted(self) -> Counter[str]:
        return Counter(
            {name: n for name, n in self.counters.counts.items() if name.startswith("cache_") and n}
        )


@asynccontextmanager
async def running(disk: Disk, accounts_max: int | None, snapshots: SnapshotStore | None = None) -> Any:
    """A process that runs as long as the body, and is then killed."""
    async with trio.open_nursery() as nursery:
        process = Process(disk, accounts_max, snapshots)
        await process.start(nursery)
        yield process
        nursery.cancel_scope.cancel()


def leap(seconds: float) -> None:
    """Move the clock at once. What is due happens when the test next waits."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.jump(seconds)


async def pass_time(seconds: float) -> None:
    """Move the clock, second after second, and let everything happen that is due."""
    whole, rest = divmod(seconds, 1)
    for step in [1.0] * int(whole) + [rest] * bool(rest):
        leap(step)
        await wait_all_tasks_blocked()


def in_mock_time(main: Callable[[], Awaitable[Any]]) -> Any:
    return trio.run(main, clock=trio.testing.MockClock())
