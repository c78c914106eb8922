"""How the relay behaves beside a busy leader: not a transaction for each of its batches, and nothing kept back."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import pytest

pytest.importorskip("aiokafka")

from authoriser.kafka.settings import KafkaConfig
from authoriser.ledger.records import EpochEnded
from authoriser.limits import RELAY_PACE_S
from authoriser.relay.connection import Connection
from authoriser.relay.position import Position, start_of
from authoriser.relay.reader import BatchReader, RelayedBatch
from authoriser.relay.relay import Relay

BATCHES = 40


class BusyLog:
    """One batch more at each look, up to BATCHES: the leader appends faster than a transaction takes."""

    def __init__(self) -> None:
        self.durable = 0
        self.at_s: list[float] = []
        """When it was looked at: a transaction's batches are read first."""

    async def after(self, seq: int, _digest: bytes) -> list[RelayedBatch]:
        self.at_s.append(asyncio.get_running_loop().time())
        self.durable = min(self.durable + 10, BATCHES)
        return [
            RelayedBatch(number, b"", number, [EpochEnded(1)], 100)
            for number in range(seq + 1, self.durable + 1)
        ]


class Sent:
    """A connection that remembers which records each transaction had."""

    def __init__(self) -> None:
        self.records: list[int] = []

    async def send(self, messages: Sequence[Any], position: Position) -> None:
        self.records.append(position.record)


def test_a_busy_leaders_batches_go_together() -> None:
    """No two transactions begin closer than the pace, and told to stop it relays what is durable by then."""
    log, sent = BusyLog(), Sent()
    relay = Relay(
        KafkaConfig(bootstrap=()),
        0,
        cast("BatchReader", log),
        on_progress=lambda told: _stop_at(relay, told.seq),
    )
    asyncio.run(relay._relay_from(cast("Connection", sent), start_of(0)))
    assert sent.records == [10, 20, 30, 40]
    between = [later - earlier for earlier, later in pairwise(log.at_s)]
    assert min(between[:2]) > 0.5 * RELAY_PACE_S


def _stop_at(relay: Relay, seq: int) -> None:
    if seq >= BATCHES - 10:
        relay.stop()
