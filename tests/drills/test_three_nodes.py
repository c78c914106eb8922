"""Three Cassandra nodes, a copy on each: what one node's death changes for the network, and two nodes'.

AUTHORISER_KILL_ROUNDS says how often each is done; without it each is done once.
"""

import pytest
import trio

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from stack import Stack
from tests.cassandra_serve.bench import LEASE_MS
from tests.drills.clients import LINES, WINDOW
from tests.drills.harness import Drill, DrilledShard, rounds, start

MORE = 4 * LINES * WINDOW
"""Answers: too many to have been under way already."""

PAUSE_S = 0.1
"""A node that starts shares two cores with the other two, and with all that they answer."""

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(1800)]


async def test_one_node_of_three_dies(wide_shard: DrilledShard, three_nodes: Stack) -> None:
    """Service goes on while it is away, and no approval is lost, whichever node it is."""
    drill = Drill(wide_shard, seed=11, pause_s=PAUSE_S)

    async def kill(number: int) -> None:
        node = number % 3 + 1
        three_nodes.kill("cassandra", node)
        await drill.clients.served_again(MORE)
        await start(three_nodes, "cassandra", node)

    await drill.run(kill, rounds())


async def test_one_node_of_three_hangs(wide_shard: DrilledShard, three_nodes: Stack) -> None:
    """As a machine that lost its power: its connections stay, and nothing comes. Service goes on."""
    drill = Drill(wide_shard, seed=12, pause_s=PAUSE_S)

    async def hang(number: int) -> None:
        node = number % 3 + 1
        three_nodes.pause("cassandra", node)
        try:
            await drill.clients.served_again(MORE)
        finally:
            three_nodes.resume("cassandra", node)

    await drill.run(hang, rounds())


async def test_a_takeover_while_one_node_of_three_is_away(
    wide_shard: DrilledShard, three_nodes: Stack
) -> None:
    """The leader dies while a node is down: the other serves, and the dead one comes back to follow."""
    drill = Drill(wide_shard, seed=13, pause_s=PAUSE_S)

    async def kill(number: int) -> None:
        node = number % 3 + 1
        leader, other = await drill.both()
        three_nodes.kill("cassandra", node)
        leader.kill()
        await other.until("leader")
        await drill.clients.served_again()
        leader.start()
        await leader.until("follower")
        assert "a node is away; it is asked later whether it is safe" in leader.log()
        await start(three_nodes, "cassandra", node)

    await drill.run(kill, rounds())


async def test_two_nodes_of_three_die(wide_shard: DrilledShard, three_nodes: Stack) -> None:
    """Without a quorum there is silence; with one again, service."""
    drill = Drill(wide_shard, seed=14, pause_s=PAUSE_S)

    async def kill(number: int) -> None:
        first, second = number % 3 + 1, (number + 1) % 3 + 1
        three_nodes.kill("cassandra", first)
        three_nodes.kill("cassandra", second)
        await trio.sleep(LEASE_MS / 1000)
        heard = len(drill.clients.answered)
        await trio.sleep(LEASE_MS / 1000)
        assert len(drill.clients.answered) == heard
        await start(three_nodes, "cassandra", second)
        await drill.clients.served_again()
        await start(three_nodes, "cassandra", first)

    await drill.run(kill, rounds())
