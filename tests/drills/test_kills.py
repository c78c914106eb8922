"""Kills under load, each judged from the outside: no approval lost, none doubled, no gap, the same order (P1 to P7).

AUTHORISER_KILL_ROUNDS says how often each is done; without it each is done once. AUTHORISER_KAFKA_AWAY_S says for how
long Kafka stays away each time, in seconds; without it, it is started again at once.
"""

import os
import signal

import pytest
import trio

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from stack import Stack
from tests.cassandra_serve.bench import LEASE_MS, Line, dial, purchase
from tests.drills.clients import reversal
from tests.drills.harness import Drill, DrilledShard, rounds, start

KAFKA_AWAY_S = float(os.environ.get("AUTHORISER_KAFKA_AWAY_S", "0"))

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(1800 + rounds() * KAFKA_AWAY_S)]

ECHO = {"t": "0800", "7": "1122103000", "11": "900001", "70": "301"}


async def test_a_killed_authoriser(shard: DrilledShard) -> None:
    """SIGKILL of the leader: the other serves, and its relay goes on where the dead one's was.

    A follower runs no relay. Each third time both die, and there is nobody left who knew anything.
    """
    drill = Drill(shard, seed=6)

    async def kill(number: int) -> None:
        leader, other = await drill.both()
        await shard.until_relaying()
        assert (await trio.to_thread.run_sync(other.ask, "status")).relay is None
        leader.kill()
        if number % 3 == 2:
            other.kill()
            other.start()
        await other.until("leader")
        await drill.clients.served_again()
        leader.start()
        await leader.until("follower")

    judgement = await drill.run(kill, rounds())
    assert judgement.epochs >= rounds() + 1  # a machine that stands still for a lease makes one more


async def test_a_killed_relay(shard: DrilledShard) -> None:
    """SIGKILL of the relay in the middle of whatever it does: the next one leaves no gap and no duplicate."""
    drill = Drill(shard, seed=7)

    async def kill(_number: int) -> None:
        pid = await shard.until_relaying()
        await trio.sleep(drill.clients.random.uniform(0, 0.5))
        os.kill(pid, signal.SIGKILL)
        await drill.clients.served_again()
        await shard.until_relaying(other_than=pid)

    await drill.run(kill, rounds())


async def test_a_killed_kafka(shard: DrilledShard, kafka_stack: Stack) -> None:
    """The network notices nothing while it is away, and what came meanwhile follows in order."""
    drill = Drill(shard, seed=8)

    async def kill(_number: int) -> None:
        await shard.until_relaying()
        kafka_stack.kill("kafka")
        await drill.clients.served_again()
        await trio.sleep(KAFKA_AWAY_S)
        await start(kafka_stack, "kafka")
        await shard.until_relaying()

    await drill.run(kill, rounds())


async def test_a_killed_cassandra(shard: DrilledShard, cassandra_stack: Stack) -> None:
    """The only node dies: silence, and all goes on once it is back.

    Who leads in the end is open: a leader may have been as cut off as its follower.
    """
    drill = Drill(shard, seed=9)

    async def kill(_number: int) -> None:
        cassandra_stack.kill("cassandra")
        await trio.sleep(drill.clients.random.uniform(0.5, 2.0))
        await start(cassandra_stack, "cassandra")
        await drill.clients.served_again()

    await drill.run(kill, rounds())


async def test_a_hung_cassandra(shard: DrilledShard, cassandra_stack: Stack) -> None:
    """The only node says nothing for two leases, and goes on: so does everybody, and what was late is void."""
    drill = Drill(shard, seed=15)

    async def hang(_number: int) -> None:
        cassandra_stack.pause("cassandra")
        await trio.sleep(2 * LEASE_MS / 1000)
        cassandra_stack.resume("cassandra")
        await drill.clients.served_again()

    await drill.run(hang, rounds())


async def test_a_leader_stopped_through_a_takeover(shard: DrilledShard) -> None:
    """SIGSTOP, takeover, SIGCONT: not one byte leaves it, and it follows (P7).

    What it finds in its sockets when it goes on: a request, a repeat, a reversal and an echo on each line, and answers
    that were under way when it was stopped.
    """
    drill = Drill(shard, seed=10)

    async def stop(number: int) -> None:
        leader, other = await drill.both()
        lines = [line for _ in range(3) if (line := await dial(leader)) is not None]
        assert len(lines) == 3
        await _ask_all(drill, lines, 700_000 + 100 * number)
        await trio.sleep(drill.clients.random.uniform(0, 0.05))
        leader.signal(signal.SIGSTOP)
        for line in lines:
            await line.rest(0.2)
        await _ask_all(drill, lines, 700_050 + 100 * number)
        await other.until("leader")
        await drill.clients.served_again()
        leader.signal(signal.SIGCONT)
        left = [await line.rest(LEASE_MS / 1000 + 1.0) for line in lines]
        await leader.until("follower")
        assert left == [b"", b"", b""]
        for line in lines:
            await line.stream.aclose()

    await drill.run(stop, rounds())


async def _ask_all(drill: Drill, lines: list[Line], first_stan: int) -> None:
    """On each line a request, its repeat, its reversal and an echo; nobody heeds the answers."""
    for place, line in enumerate(lines):
        stan = f"{first_stan + place:06}"
        request = drill.clients.note(purchase(stan, place, 100))
        await line.send(request)
        await line.send({**request, "t": "0101"})
        await line.send(drill.clients.note(reversal(f"8{stan[1:]}", request), reverses=stan))
        await line.send(ECHO)
