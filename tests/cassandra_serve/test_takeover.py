"""Two processes, one shard, a real Cassandra: one leads, and whatever happens to it, nothing that was heard is lost."""

import signal

import pytest
import trio
from shard_bench import LEASE_MS, Line, Network, Shard, check_from_outside, dial, purchase, rounds

from authoriser.admin.client import AdminError
from stack import Stack
from stack.state import Node

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(1800)]

LINES = 4
ECHO = {"t": "0800", "7": "1122103000", "11": "900001", "70": "301"}


async def test_kills_of_the_leader_lose_nothing(shard: Shard) -> None:
    """SIGKILL under load, over and over: the other serves, and what was heard is in the journal once (P1, P3, P7)."""
    network = Network(seed=6)
    pair = list(await shard.pair())
    async with trio.open_nursery() as nursery:
        for _ in range(LINES):
            nursery.start_soon(network.till, pair)
        for _round in range(rounds()):
            await trio.sleep(network.random.uniform(0.5, 2.0))
            leader = await shard.leader()
            (other,) = [process for process in pair if process is not leader]
            heard = len(network.heard)
            leader.kill()
            await other.until("leader")
            while len(network.heard) <= heard + 2 * LINES:
                await trio.sleep(0.01)
            leader.start()
            await leader.until("follower")
        network.stopping = True
    await check_from_outside(shard, network)


async def test_a_leader_stopped_through_a_takeover_gets_nothing_out(shard: Shard) -> None:
    """SIGSTOP, takeover, SIGCONT, round after round: not one byte leaves it, and it follows (P7).

    What it finds in its sockets when it goes on: a request, a repeat, a reversal and an echo on each line, and answers
    that were under way when it was stopped.
    """
    network = Network(seed=7)
    pair = list(await shard.pair())
    async with trio.open_nursery() as nursery:
        for _ in range(LINES):
            nursery.start_soon(network.till, pair)
        for number in range(rounds()):
            leader = await shard.leader()
            (other,) = [process for process in pair if process is not leader]
            lines = [line for _ in range(3) if (line := await dial(leader)) is not None]
            assert len(lines) == 3
            await ask_all(lines, number, 0)
            await trio.sleep(network.random.uniform(0, 0.05))
            leader.signal(signal.SIGSTOP)
            for line in lines:
                await line.rest(0.2)
            await ask_all(lines, number, 1)
            await other.until("leader")
            leader.signal(signal.SIGCONT)
            left = [await line.rest(LEASE_MS / 1000 + 1.0) for line in lines]
            await leader.until("follower")
            assert left == [b"", b"", b""]
            for line in lines:
                await line.stream.aclose()
        network.stopping = True
    await check_from_outside(shard, network)


async def ask_all(lines: list[Line], number: int, time: int) -> None:
    """On each line a request, its repeat, its reversal and an echo; no other message has their STANs."""
    for place, line in enumerate(lines):
        stan = f"{700_000 + number * 100 + time * 50 + place:06}"
        request = purchase(stan, place, 100)
        await line.send(request)
        await line.send({**request, "t": "0101"})
        await line.send(
            {**request, "t": "0420", "11": f"8{stan[1:]}", "90": f"0100{stan}1123010203{'0' * 22}"}
        )
        await line.send(ECHO)


async def test_a_drained_leader_hands_over_at_once(shard: Shard) -> None:
    """SIGTERM: it ends with 0, and the follower does not wait for the lease."""
    first, second = await shard.pair()
    assert await trio.to_thread.run_sync(first.end, signal.SIGTERM) == 0
    await second.until("leader")
    assert "nobody leads, in order" in second.log()
    assert "the log is silent" not in second.log()


async def test_a_follower_says_who_it_is_and_changes_nothing(shard: Shard) -> None:
    """`status` has role, epoch and batch; everything else is refused in words, and its port is closed."""
    first, second = await shard.pair()
    leads, follows = first.ask("status"), second.ask("status")
    assert (leads.role, follows.role, follows.epoch, follows.cards) == ("leader", "follower", leads.epoch, 40)
    assert follows.durable_seq >= leads.durable_seq - 1
    with pytest.raises(AdminError) as refused:
        second.ask("card.freeze", card={"last_four": "0000"}, reason="a test", actor="tester")
    assert (refused.value.kind, str(refused.value)) == (
        "not_admitted",
        "this process follows the shard's log and decides nothing; ask the process that leads",
    )
    assert await dial(second) is None


async def test_a_follower_that_listens_answers_what_needs_no_shard(shard: Shard) -> None:
    """Echo 00 and a request 91 while it follows; the same line is served when it leads."""
    first = shard.process("first")
    first.start()
    await first.until("leader")
    second = shard.process("second", follower_listens=True)
    second.start()
    await second.until("follower")
    line = await dial(second)
    assert line is not None
    async with line.stream:
        await line.send(ECHO)
        echoed = await line.receive()
        await line.send(purchase("000001", 1, 100))
        busy = await line.receive()
        first.kill()
        await second.until("leader")
        await line.send(purchase("000002", 1, 100))
        decided = await line.receive()
    assert [(reply["t"], reply["39"]) for reply in (echoed, busy, decided)] == [
        ("0810", "00"),
        ("0110", "91"),
        ("0110", "14"),
    ]


async def test_a_cassandra_that_stops_and_one_that_dies_lose_nothing(
    shard: Shard, cassandra_stack: Stack
) -> None:
    """The only node is paused for two leases, then killed and started, under load: silence, and then all goes on.

    Who leads in the end is open: a leader may have been as cut off as its follower.
    """
    network = Network(seed=8)
    pair = list(await shard.pair())
    async with trio.open_nursery() as nursery:
        for _ in range(LINES):
            nursery.start_soon(network.till, pair)
        await trio.sleep(1)
        cassandra_stack.pause("cassandra")
        await trio.sleep(2 * LEASE_MS / 1000)
        cassandra_stack.resume("cassandra")
        await served_again(network)
        cassandra_stack.kill("cassandra")
        # Not on a thread: a server that is tied ends with the thread that started it, which trio lets go.
        cassandra_stack.start("cassandra")
        await served_again(network)
        network.stopping = True
    assert [process.running for process in pair] == [True, True]
    await check_from_outside(shard, network)


async def served_again(network: Network) -> None:
    """Return when every line has had new answers."""
    heard = len(network.heard)
    with trio.fail_after(120):
        while len(network.heard) <= heard + 4 * LINES:
            await trio.sleep(0.01)


async def test_a_server_that_would_lose_approvals_is_refused(shard: Shard, cassandra_node: Node) -> None:
    """Without durable writes: exit code 1, the setting's name, and the statement that makes it right."""
    from authoriser.cassandra.session import CassandraConfig, Session

    config = CassandraConfig(((cassandra_node.host, cassandra_node.port),), shard.keyspace)
    async with await Session.open(config) as session:
        await session.execute(f"ALTER KEYSPACE {shard.keyspace} WITH durable_writes = false")
    process = shard.process("first")
    process.start()
    assert await trio.to_thread.run_sync(process.wait) == 1
    assert f"ALTER KEYSPACE {shard.keyspace} WITH durable_writes = true" in process.log()


async def test_a_keyspace_that_is_not_there_is_refused(shard: Shard) -> None:
    """With the command that makes it."""
    process = shard.process("first", keyspace="not_there")
    process.start()
    assert await trio.to_thread.run_sync(process.wait) == 1
    assert "authoriser schema create --contact " in process.log()


async def test_another_key_is_refused(shard: Shard) -> None:
    """A process whose PAN key is not the deployment's would find no card: it is refused by the setting's name."""
    first = shard.process("first")
    first.start()
    await first.until("leader")
    stranger = shard.process("stranger")
    text = stranger.config.read_text()
    stranger.config.write_text(text.replace("pan.key'", "other.key'"))
    stranger.start()
    assert await trio.to_thread.run_sync(stranger.wait) == 1
    assert "keys.pan_key_file is not the key" in stranger.log()
