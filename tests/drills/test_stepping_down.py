"""A leader that was fenced is none from that moment, whatever of its term takes its time to end."""

import os
import signal

import pytest
import trio

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from tests.cassandra_serve.bench import dial
from tests.drills.harness import PATIENCE_S, DrilledShard

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_fenced_leader_with_a_hung_relay_says_that_it_does_not_lead(shard: DrilledShard) -> None:
    """Its port is closed, and `status` never says "leader" beside that; its relay does not outlive the term."""
    first, second = await shard.pair()
    relay = await shard.until_relaying()
    os.kill(relay, signal.SIGSTOP)
    first.signal(signal.SIGSTOP)
    await second.until("leader")
    first.signal(signal.SIGCONT)
    with trio.fail_after(PATIENCE_S):
        while (role := await trio.to_thread.run_sync(first.role)) != "follower":
            line = await dial(first)
            if line is not None:
                await line.stream.aclose()
            elif role == "leader":
                assert await trio.to_thread.run_sync(first.role) != "leader"
    with pytest.raises(ProcessLookupError):
        os.kill(relay, 0)
    assert await trio.to_thread.run_sync(second.role) == "leader"
