"""A drill: two processes of a shard, a relay, clients that never stop, something that is done to it, and the judge.

Owns the order of that. What is done each round is the test's; who judges is `python -m drills.outside`, a process that
gets a file of what clients heard and nothing else of ours.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import trio

from authoriser.kafka.settings import KafkaConfig
from drills.evidence import write_lines
from drills.outside import KEPT, Judgement
from stack import Stack
from tests.cassandra_serve.bench import CARDS, Process, Shard, account_of
from tests.drills.clients import LINES, PAUSE_S, Clients
from tests.relay.brokers import config_text

PATIENCE_S = 120
Fault = Callable[[int], Awaitable[None]]
"""Makes something happen in the round of that number (from 0), and returns when it is over or to be lived with."""


def rounds(default: int = 1) -> int:
    """How often each thing is done: AUTHORISER_KILL_ROUNDS, or a few, so that the tests end soon."""
    return int(os.environ.get("AUTHORISER_KILL_ROUNDS", default))


class DrilledShard(Shard):
    """Processes with a relay each, over one Cassandra node or three; accounts that are soon empty, and large ones."""

    kafka: KafkaConfig
    contact_points: tuple[str, ...] = ()

    def process(self, name: str, **cassandra: Any) -> Process:
        points = {"contact_points": list(self.contact_points)} if self.contact_points else {}
        process = super().process(name, **points, **cassandra)
        with process.config.open("a") as file:
            file.write(config_text(self.kafka))
        return process

    def credit_minor(self, card: int) -> int:
        return 20_000 * (card // 2 + 1)

    async def until_relaying(self, *, other_than: int | None = None) -> int:
        """The leader's relay's process, once it relays and is not the one named."""
        with trio.fail_after(PATIENCE_S):
            while True:
                leader = await self.leader()
                relay = (await trio.to_thread.run_sync(leader.ask, "status")).relay
                if relay is not None and relay.state == "relaying" and relay.pid not in {None, other_than}:
                    return int(relay.pid)
                await trio.sleep(0.05)


class Drill:
    """One drill. `pair` are its processes once it runs, `silences` the longest one around each fault, in seconds."""

    def __init__(self, shard: DrilledShard, seed: int, pause_s: float = PAUSE_S) -> None:
        self.shard = shard
        self.clients = Clients(seed, pause_s=pause_s)
        self.pair: tuple[Process, Process]
        self.silences: list[float] = []

    async def run(self, fault: Fault, times: int) -> Judgement:
        """Do it so many times, under load all the while; then stop the load and have it judged: there is no fault."""
        clients = self.clients
        self.pair = await self.shard.pair()
        async with trio.open_nursery() as nursery:
            for _ in range(LINES):
                nursery.start_soon(clients.till, list(self.pair))
            await clients.served_again()
            for number in range(times):
                await trio.sleep(clients.random.uniform(0.3, 1.5))
                clients.watch()
                await fault(number)
                await clients.served_again()
                self.silences.append(clients.longest_silence_s)
            clients.stopping = True
        assert [process.running for process in self.pair] == [True, True]
        return await self._judged()

    async def both(self) -> tuple[Process, Process]:
        """Who leads, and the other."""
        leader = await self.shard.leader()
        (other,) = [process for process in self.pair if process is not leader]
        return leader, other

    async def _judged(self) -> Judgement:
        await self.clients.repeat_everything(self.shard.leader)
        leader, shown = await self.shard.accounts([account_of(card) for card in range(0, CARDS, 2)])
        answers, balances = self.shard.directory / "answers", self.shard.directory / "balances"
        write_lines(answers, self.clients.exchanges())
        write_lines(balances, shown)
        command = [sys.executable, "-m", "drills.outside", "--config", leader.config, "--json"]
        options = ["--answers", answers, "--balances", balances, "--patience-s", str(PATIENCE_S)]
        with trio.fail_after(2 * PATIENCE_S):
            done = await trio.run_process(
                [*command, *options], capture_stdout=True, capture_stderr=True, check=False
            )
        assert done.stdout, done.stderr.decode()
        judgement = msgspec.json.decode(done.stdout, type=Judgement)
        assert judgement.faults == []
        assert done.returncode == KEPT
        waited = ", ".join(f"{seconds:.1f}" for seconds in self.silences)
        sys.stdout.write(f"{judgement}\nlongest silence around each fault (s): {waited}\n")
        return judgement


_starter = ThreadPoolExecutor(max_workers=1)
"""A server that is tied ends with the thread that started it, so that thread has to live as long as the tests."""


async def start(stack: Stack, server: str, number: int = 1) -> None:
    """Start one that was killed, while clients go on; return when it serves."""
    await trio.to_thread.run_sync(_starter.submit(stack.start, server, number).result)
