"""Two processes, one shard, a real Cassandra: who says what, who hands over, and who is refused.

What dies under load is in tests/drills.
"""

import signal

import pytest
import trio

from authoriser.admin.client import AdminError
from stack.state import Node
from tests.cassandra_serve.bench import PATIENCE_S, START_MAX_S, Line, Message, Shard, dial, purchase
from tests.drills.clients import repeat

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(1800)]

ECHO = {"t": "0800", "7": "1122103000", "11": "900001", "70": "301"}


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
    leads = first.ask("status")
    with trio.fail_after(START_MAX_S):
        while (follows := second.ask("status")).durable_seq < leads.durable_seq:
            await trio.sleep(0.05)
    assert (leads.role, follows.role, follows.epoch, follows.cards) == ("leader", "follower", leads.epoch, 40)
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
        decided = await _decided(line, purchase("000002", 1, 100))
    assert [(reply["t"], reply["39"]) for reply in (echoed, busy, decided)] == [
        ("0810", "00"),
        ("0110", "91"),
        ("0110", "14"),
    ]


async def _decided(line: Line, request: Message) -> Message:
    """Its answer, repeating it as a network does where none comes: a stall of the machine may have made it late."""
    await line.send(request)
    while True:
        with trio.move_on_after(PATIENCE_S):
            return await line.receive()
        await line.send(repeat(request))


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
