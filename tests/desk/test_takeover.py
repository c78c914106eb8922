"""What a takeover does to answers: those that nobody knows of are marked, and whoever lost the shard is mute."""

import pytest
import trio
import trio.testing
from desk_bench import Bench, Clock, FakeLine, codes, message, settled

from authoriser.clock import LedgerClock
from authoriser.following import Follower, Lease
from authoriser.journal import Fenced
from authoriser.journal.batch import decode_batch
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger.records import AnswerUnknown, EpochStarted
from authoriser.recovery import Replayer
from authoriser.standby import Doorman, FollowerPipeline, Nobody
from authoriser.translate import Tokens
from isowire import FRAMINGS

LEASE = Lease(heartbeat_s=0.5, lease_s=3.0)
ECHO = {"70": "301"}


async def take_over(log: MemoryLog, bench: Bench) -> Follower:
    """Another process, from nothing to its epoch."""
    wall_ms = lambda: 1_800_000_000_000 + int(trio.current_time() * 1000)  # noqa: E731
    follower = Follower(
        MemoryJournal(log),
        Replayer(0),
        lease=LEASE,
        policies={"test": bench.link.policy},
        clock=LedgerClock(wall_ms=wall_ms, monotonic_ms=lambda: int(trio.current_time() * 1000)),
    )
    await follower.until_leading()
    return follower


def aside(bench: Bench) -> FollowerPipeline:
    nobody = Nobody(on_sent=lambda _seconds: None, on_silence=lambda: None)
    return FollowerPipeline(
        link=bench.link,
        nobody=nobody,
        tokens=Tokens(str.encode),
        exception_secret=b"secret",
        counters=bench.counters,
    )


def doorman(bench: Bench) -> Doorman:
    made = Doorman(aside(bench), bench.counters, LEASE.lease_s)
    made.lead(bench.pipeline, bench.owner.commit)
    return made


def knock(door: Doorman | FollowerPipeline, line: FakeLine, mti: str = "0100", **changed: str) -> None:
    door.on_bytes(line, FRAMINGS["bin2"].wrap(message(mti, **changed)), trio.current_time())  # type: ignore[arg-type]


async def test_what_nobody_knows_is_marked_in_the_batch_that_begins_the_epoch(
    autojump_clock: Clock,
) -> None:
    """A crash right after an approval: its hold is `answer_unknown` in the same batch as the epoch record."""
    log = MemoryLog()
    async with trio.open_nursery() as life:
        bench = await Bench(log).start(life)
        await bench.open_card()
        bench.send(bench.line())
        await settled(bench)
        life.cancel_scope.cancel()
    await take_over(log, bench)
    last, _ = decode_batch(log.batches[-1], seq=len(log.batches), shard=0, previous_hash=None)
    assert [type(record) for record in last.records] == [EpochStarted, AnswerUnknown]


async def test_a_leader_that_lost_its_shard_says_nothing_at_all(autojump_clock: Clock) -> None:
    """Stopped through a takeover and continued: no answer, no decline, no echo; then it learns of it (P7)."""
    log = MemoryLog()
    lines: list[FakeLine] = []
    with pytest.RaisesGroup(Fenced, flatten_subgroups=True):
        async with trio.open_nursery() as life:
            bench = await Bench(log).start(life)
            await bench.open_card()
            door = doorman(bench)
            lines.append(bench.line())
            knock(door, lines[0], "0800", **ECHO)
            bench.journal.stall()
            knock(door, lines[0])
            await take_over(log, bench)
            knock(door, lines[0], "0100", f11="000002")
            knock(door, lines[0], "0101")
            knock(door, lines[0], "0800", **ECHO)
            knock(door, lines[0], "0420", f11="000003")
            bench.journal.resume()
    assert [code[0] for code in codes(lines[0])] == ["0810"]
    assert bench.counters.counts["frames_while_unsure"] == 4


async def test_a_leader_that_was_slow_and_has_its_shard_goes_on(bench: Bench, autojump_clock: Clock) -> None:
    """No append for two leases and nobody there to take over: mute meanwhile, and at work with the next append."""
    door = doorman(bench)
    line = bench.line()
    bench.journal.stall()
    bench.send(line)
    await trio.sleep(2 * LEASE.lease_s)
    knock(door, line, "0100", f11="000002")
    bench.journal.resume()
    await settled(bench)
    knock(door, line, "0100", f11="000003")
    await settled(bench)
    assert [code[:2] for code in codes(line)] == [("0110", "00")]


async def test_a_follower_answers_what_needs_no_shard(bench: Bench, autojump_clock: Clock) -> None:
    """Sign-on and echo 00, a new request 91; repeats, advices and reversals nothing, as the network keeps them."""
    line = bench.line()
    door = aside(bench)
    knock(door, line, "0800", f11="000001", **ECHO)
    knock(door, line, "0100", f11="000002")
    knock(door, line, "0101", f11="000003")
    knock(door, line, "0120", f11="000004")
    knock(door, line, "0420", f11="000005")
    assert [code[:2] for code in codes(line)] == [("0810", "00"), ("0110", "91")]
    assert bench.counters.counts["not_admitted"] == 4
