"""The whole path from frame to reply on the memory journal, which can stall; only the socket is a stand-in."""

import iso8583
import trio
import trio.testing
from iso8583.specs import default_ascii

from authoriser.answers import PendingReply
from authoriser.clock import LedgerClock
from authoriser.configured_link import policy_of
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger.commands import CreditAccount, IssueCard, OpenAccount
from authoriser.ledger.records import Audit
from authoriser.link import Link
from authoriser.owner import ShardOwner, take_shard
from authoriser.pipeline import Pipeline
from authoriser.snapshots.memory import MemorySnapshots
from authoriser.telemetry.metrics import Counters
from authoriser.translate import Tokens
from isowire import FRAMINGS, Codec, load_dialect
from rules import CardState

Clock = trio.testing.MockClock
PAN = "4000000000001232"
DEADLINE_S = 2.0
BIN2 = FRAMINGS["bin2"]


class FakeLine:
    """A line whose kernel takes `room` bytes; what it took is in `taken`."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.reader = link.framing.reader(link.frame_length_max_bytes)
        self.signed_on = True
        self.lost_framing = False
        self.closed = False
        self.keepalives = 0
        self.owed = 0
        self.full = False
        self.taken: list[dict[str, str]] = []
        self._ready: list[PendingReply] = []

    def take(self, reply: PendingReply) -> None:
        if not self.closed:
            self._ready.append(reply)

    def resolved(self) -> None:
        self.owed -= 1

    def flush(self) -> None:
        if self.full or self.closed:
            return
        now = trio.current_time()
        ready, self._ready = self._ready, []
        for reply in ready:
            if reply.sendable(now):
                self.taken.append(iso8583.decode(reply.data[2:], default_ascii)[0])
                reply.sent(now)


class Bench:
    """An owner, a pipeline and a journal that can stall, with one card holding 100.00 EUR."""

    def __init__(self, log: MemoryLog | None = None) -> None:
        self.journal = MemoryJournal(log)
        self.counters = Counters()
        dialect = load_dialect("iso87-ascii")
        self.link = Link(
            name="test",
            network="test",
            listen=("127.0.0.1", 0),
            dialect=dialect,
            codec=Codec(dialect),
            framing=BIN2,
            policy=policy_of(dialect, 2000),
            reply_deadline_s=DEADLINE_S,
            frame_length_max_bytes=4096,
            connections_max=10,
        )
        self.lines: list[FakeLine] = []

    async def start(self, nursery: trio.Nursery) -> "Bench":
        self.owner: ShardOwner = await take_shard(
            shard=0,
            journal=self.journal,
            snapshots=MemorySnapshots(),
            policies={"test": self.link.policy},
            clock=LedgerClock(
                wall_ms=lambda: 1_800_000_000_000 + int(trio.current_time() * 1000),
                monotonic_ms=lambda: int(trio.current_time() * 1000),
            ),
        )
        await nursery.start(self.owner.run)
        self.owner.after_commit(lambda: [line.flush() for line in self.lines])  # type: ignore[arg-type, return-value]
        self.pipeline = Pipeline(
            link=self.link,
            owner=self.owner,
            tokens=Tokens(str.encode),
            exception_secret=b"secret",
            counters=self.counters,
        )
        return self

    async def open_card(self) -> None:
        def audit(key: str) -> Audit:
            return Audit(key, "test", 0, "test", key, 1 << 60)

        policy = self.link.policy
        self.owner.execute(OpenAccount("acc", "978", 0, "UTC", audit("1")), policy)
        self.owner.execute(CreditAccount("acc", 10_000, audit("2")), policy)
        self.owner.execute(
            IssueCard(
                "acc", "card_1", PAN.encode(), 1, PAN[-4:], "4912", 1 << 60, CardState.ACTIVE, audit("3")
            ),
            policy,
        )
        await self.owner.settle()

    def line(self) -> FakeLine:
        line = FakeLine(self.link)
        self.lines.append(line)
        return line

    def send(self, line: FakeLine, mti: str = "0100", **changed: str) -> None:
        self.pipeline.on_bytes(line, BIN2.wrap(message(mti, **changed)), trio.current_time())  # type: ignore[arg-type]

    @property
    def held(self) -> int:
        return self.owner.state.accounts["acc"].held_minor


def message(mti: str, **changed: str) -> bytes:
    fields = {
        "t": mti,
        "2": PAN,
        "3": "000000",
        "4": "000000002500",
        "7": "1123010203",
        "11": "000001",
        "32": "123456",
        "37": "632701000001",
        "49": "978",
    } | {name.removeprefix("f"): value for name, value in changed.items()}
    return bytes(iso8583.encode(fields, default_ascii)[0])


def codes(line: FakeLine) -> list[tuple[str, str, str]]:
    return [(reply["t"], reply["39"], reply.get("38", "")) for reply in line.taken]


async def settled(bench: Bench) -> None:
    await bench.owner.commit.barrier()
