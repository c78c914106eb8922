"""`authoriser serve` with [kafka]: the relay runs beside it, is seen in `status`, and survives whatever ends it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authoriser.kafka.settings import KafkaConfig
from authoriser.limits import RELAY_NICENESS
from stack import Stack
from stack.state import started_ticks
from tests.process.conftest import Process

pytest.importorskip("aiokafka")

from tests.relay.brokers import config_text, kafka_config, until_consumed

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE_S = 60


@pytest.fixture
def config(kafka_stack: Stack) -> KafkaConfig:
    return kafka_config(kafka_stack.node("kafka"))


@pytest.fixture
def server(tmp_path: Path, config: KafkaConfig) -> Iterator[Process]:
    file = tmp_path / "authoriser.toml"
    file.write_text(config_text(config))
    server = Process(tmp_path)
    server.start("--config", str(file))
    yield server
    server.close()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def relay(server: Process) -> dict[str, Any]:
    status: dict[str, Any] = server.json("status")["relay"]
    return status


def open_account(server: Process, name: str) -> None:
    server.run("account", "open", name, "--currency", "EUR", "--reason", "new")


def test_the_servers_events_are_in_kafka(server: Process, config: KafkaConfig) -> None:
    """What `authoriser events` prints, in the same order; the last ones come out while the server drains."""
    open_account(server, "alice")
    until(lambda: relay(server)["state"] == "relaying" and relay(server)["lag"] == 0)
    ours, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, relay(server)["pid"]))
    assert its == min(ours + RELAY_NICENESS, 19)  # payments come first
    assert "relaying, 0 records behind" in server.run("status").stdout
    assert server.stop(signal.SIGTERM) == 0
    events = server.events()
    assert [event["type"] for event in events] == ["epoch.started", "account.opened", "epoch.ended"]
    assert asyncio.run(until_consumed(config, len(events))) == events


def test_a_killed_relay_comes_back(server: Process, config: KafkaConfig) -> None:
    """The server goes on without it, starts it again, and what came meanwhile follows."""
    until(lambda: relay(server)["state"] == "relaying")
    first = relay(server)["pid"]
    os.kill(first, signal.SIGKILL)
    open_account(server, "alice")
    until(lambda: relay(server)["pid"] not in {first, None})
    assert relay(server)["restarts"] >= 1
    assert asyncio.run(until_consumed(config, 2)) == server.events()


def test_the_relay_ends_with_a_killed_server(server: Process) -> None:
    """SIGKILL of the server: the pipe's end tells the relay, and none is left that a new one would have to fence."""
    until(lambda: relay(server)["state"] == "relaying")
    pid = relay(server)["pid"]
    server.kill()
    until(lambda: started_ticks(pid) is None)
