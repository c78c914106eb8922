"""A process that starts while Cassandra is away, as after a power cut of both: it waits, and serves once it can."""

import signal

import pytest
import trio

pytest.importorskip("aiokafka")
pytest.importorskip("cassandra")

from stack import Stack
from tests.cassandra_serve.bench import START_MAX_S, Process
from tests.drills.harness import DrilledShard, start

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(600)]

AWAY = "the journal is away; trying again"


async def test_a_process_that_starts_before_cassandra_waits_for_it(
    shard: DrilledShard, cassandra_stack: Stack
) -> None:
    """SIGTERM ends the wait in order; without it, the process leads by itself once Cassandra is there."""
    first = shard.process("first")
    cassandra_stack.kill("cassandra")
    try:
        first.start()
        await _says(first, AWAY)
        assert await trio.to_thread.run_sync(first.end, signal.SIGTERM) == 0
        first.start()
        await _says(first, AWAY, times=2)
    finally:
        await start(cassandra_stack, "cassandra")
    await first.until("leader")
    assert "the journal is there again" in first.log()


async def _says(process: Process, words: str, times: int = 1) -> None:
    with trio.fail_after(START_MAX_S):
        while process.log().count(words) < times:
            assert process.running, process.log()
            await trio.sleep(0.05)
