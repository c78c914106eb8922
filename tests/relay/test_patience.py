"""A relay whose Kafka is away: it tries again and again, ever more seldom, and says so."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

pytest.importorskip("aiokafka")

from aiokafka.errors import KafkaConnectionError

from authoriser import limits
from authoriser.kafka.settings import KafkaConfig
from authoriser.ledger.records import EpochEnded
from authoriser.relay.connection import Connection
from authoriser.relay.position import Position, start_of
from authoriser.relay.reader import BatchReader, RelayedBatch
from authoriser.relay.relay import Progress, Relay


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each time that it tried to connect, in vain."""
    seen: list[int] = []

    async def refuse(_config: KafkaConfig, _shard: int) -> Connection:
        seen.append(1)
        raise KafkaConnectionError("away")

    monkeypatch.setattr(Connection, "open", refuse)
    return seen


def _relay(log: Any, told: list[Progress]) -> Relay:
    return Relay(KafkaConfig(bootstrap=()), 0, cast("BatchReader", log), on_progress=told.append)


def test_new_batches_do_not_hurry_it(attempts: list[int]) -> None:
    """A busy leader wakes it every 5 ms. In a second that makes five tries with the longest luck, and not 200."""

    async def live() -> None:
        relay = _relay(None, [])
        running = asyncio.ensure_future(relay.run())
        for _ in range(200):
            relay.wake()
            await asyncio.sleep(0.005)
        relay.stop()
        await running

    asyncio.run(live())
    assert 1 <= len(attempts) <= 6


def test_told_to_stop_it_rests_no_longer(attempts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RELAY_BACKOFF_FIRST_S", 3600.0)
    told: list[Progress] = []

    async def live() -> None:
        relay = _relay(None, told)
        running = asyncio.ensure_future(relay.run())
        while not attempts:
            await asyncio.sleep(0)
        relay.stop()
        async with asyncio.timeout(60):
            await running

    asyncio.run(live())
    assert (told[-1].state, told[-1].detail) == (
        "waiting",
        "KafkaConnectionError: KafkaConnectionError: away",
    )


class OneBatch:
    """A log of one batch with one record."""

    async def after(self, seq: int, _digest: bytes) -> list[RelayedBatch]:
        return [] if seq else [RelayedBatch(1, b"", 1, [EpochEnded(1)], 100)]


def test_a_transaction_that_takes_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """While Kafka says nothing the relay says that it waits; once it is done, that it relays."""
    monkeypatch.setattr(limits, "RELAY_SLOW_S", 0.01)
    told: list[Progress] = []

    class Slow:
        async def send(self, _messages: Sequence[Any], _position: Position) -> None:
            while not told:
                await asyncio.sleep(0)
            relay.stop()

    relay = _relay(OneBatch(), told)
    asyncio.run(relay._relay_from(cast("Connection", Slow()), start_of(0)))
    assert [(each.state, each.seq, each.detail) for each in told] == [
        ("waiting", 0, "a transaction takes longer than 0.01 s"),
        ("relaying", 1, ""),
    ]


def test_brokers_that_say_nothing_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """At first that it takes long; later what the try before ended with, while the next one is under way."""
    monkeypatch.setattr(limits, "RELAY_SLOW_S", 0.01)
    monkeypatch.setattr(limits, "RELAY_BACKOFF_FIRST_S", 0.001)
    told: list[Progress] = []

    async def mute(_config: KafkaConfig, _shard: int) -> Connection:
        await asyncio.sleep(0.05)
        if len(told) > 2:
            relay.stop()
        raise KafkaConnectionError("mute")

    monkeypatch.setattr(Connection, "open", mute)
    relay = _relay(None, told)
    asyncio.run(relay.run())
    error = "KafkaConnectionError: KafkaConnectionError: mute"
    assert [(each.state, each.detail) for each in told] == [
        ("connecting", "connecting takes longer than 0.01 s"),
        ("waiting", error),
        ("connecting", error),
        ("waiting", error),
    ]
