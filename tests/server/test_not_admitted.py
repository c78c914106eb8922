"""What a line is told when the journal stands still and the bound on what is undecided is reached.

The memory journal, which can stall, behind the real listener, pipeline and owner.
"""

from typing import TYPE_CHECKING

import pytest
import trio

from authoriser import limits
from authoriser.configured_link import policy_of
from authoriser.journal.memory import MemoryJournal
from authoriser.ledger.commands import NoteException
from authoriser.link import Link
from authoriser.listener import Listener
from authoriser.owner import ShardOwner, take_shard
from authoriser.pipeline import Pipeline
from authoriser.snapshots.memory import MemorySnapshots
from authoriser.telemetry.metrics import Counters
from authoriser.translate import Tokens
from isowire import FRAMINGS, Codec, load_dialect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.server.conftest import Messages, Peer

DEADLINE_S = 60.0
"""Longer than the test: nothing is dropped while the journal stands still."""


class Bench:
    """A listener in front of an owner whose journal can stall."""

    def __init__(self) -> None:
        dialect = load_dialect("iso87-ascii")
        self.journal = MemoryJournal()
        self.counters = Counters()
        self.link = Link(
            name="test",
            network="test",
            listen=("127.0.0.1", 0),
            dialect=dialect,
            codec=Codec(dialect),
            framing=FRAMINGS["bin2"],
            policy=policy_of(dialect, int(DEADLINE_S * 1000)),
            reply_deadline_s=DEADLINE_S,
            frame_length_max_bytes=4096,
            connections_max=10,
        )
        self.listener = Listener(self.link, self._count)
        self.owner: ShardOwner

    async def start(self, nursery: trio.Nursery) -> None:
        self.owner = await take_shard(
            shard=0,
            journal=self.journal,
            snapshots=MemorySnapshots(),
            policies={"test": self.link.policy},
        )
        await nursery.start(self.owner.run)
        pipeline = Pipeline(
            link=self.link,
            owner=self.owner,
            tokens=Tokens(str.encode),
            exception_secret=b"secret",
            counters=self.counters,
        )
        self.listener.bind()
        self.owner.after_commit(self.listener.flush)
        nursery.start_soon(self.listener.run, pipeline.on_bytes)

    def _count(self, name: str) -> None:
        self.counters.counts[name] += 1

    def fill(self) -> None:
        """Have as many records wait for the journal as may."""
        number = 0
        while self.owner.commit.admits:
            number += 1
            self.owner.note(
                NoteException(str(number), "filling", "test", "test", "", "", "", "", 0), self.link.policy
            )

    def counted(self) -> dict[str, int]:
        names = ("format_errors", "not_admitted", "exceptions", "silences", "voids")
        return {name: self.counters.counts[name] for name in names if self.counters.counts[name]}


@pytest.fixture
async def bench(nursery: trio.Nursery) -> Bench:
    made = Bench()
    await made.start(nursery)
    return made


async def test_beyond_the_bound_nothing_is_decided(
    bench: Bench, dial: "Callable[[tuple[str, int]], Awaitable[Peer]]", messages: "Messages"
) -> None:
    """Requests, malformed ones too, get 91 at once; reversals and advices silence; later all are served again."""
    peer = await dial(bench.listener.address)
    bench.journal.stall()
    waiting = messages.numbered(1)
    await peer.send(waiting)
    with trio.fail_after(10):
        while not bench.owner.desk.outstanding:
            await trio.sleep(0.001)
    await trio.testing.wait_all_tasks_blocked()  # it is on its way into the journal
    bench.fill()
    records = bench.owner.commit.pending_records
    assert records == limits.PENDING_RECORDS_MAX

    request, malformed = messages.purchase(), messages.purchase({"4": "A" * 12})
    reversal, advice = messages.reversal(), messages.purchase({"t": "0120"})
    completion = messages.purchase({"t": "0220"})
    bad_reversal = messages.reversal({"4": "A" * 12})
    echo = messages.management()
    await peer.send(reversal, advice, completion, bad_reversal, request, malformed, echo)
    answers = [await peer.receive() for _ in range(3)]
    assert answers == [
        messages.answer(request, "91"),
        messages.answer(malformed, "91", without=("4",)),
        messages.answer(echo, "00"),
    ]
    assert bench.counted() == {"format_errors": 2, "not_admitted": 6}
    assert bench.owner.commit.pending_records == records

    bench.journal.resume()
    assert await peer.receive() == messages.answer(waiting, "14")
    assert await peer.ask(request) == messages.answer(request, "14")
    assert await peer.ask(reversal) == messages.answer(reversal, "25")
    assert await peer.ask(advice) == messages.answer(advice, "00")
    assert await peer.ask(completion) == messages.answer(completion, "00")


async def test_the_real_answer_or_silence_once_decided(
    bench: Bench, dial: "Callable[[tuple[str, int]], Awaitable[Peer]]", messages: "Messages"
) -> None:
    """While the journal stands still nothing that was decided is answered, and an echo is."""
    peer = await dial(bench.listener.address)
    bench.journal.stall()
    request, malformed, echo = (
        messages.purchase(),
        messages.purchase({"4": "A" * 12}),
        messages.management(),
    )
    await peer.send(request, malformed, echo)
    assert await peer.receive() == messages.answer(echo, "00")
    assert bench.owner.desk.outstanding == 2
    bench.journal.resume()
    answers = [await peer.receive() for _ in range(2)]
    assert answers == [messages.answer(request, "14"), messages.answer(malformed, "30", without=("4",))]
