"""A few rows of bad input against the real process, as a card network meets it: over its sockets and its exit code."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

if TYPE_CHECKING:
    from tests.server.conftest import Messages, Peer

CONFIG = """
data_dir = "{data}"
[keys]
pan_key_file = "{key}"
[[links]]
listen = "127.0.0.1:0"
[telemetry]
log_format = "json"
log_level = "debug"
"""

pytestmark = pytest.mark.slow


class Process:
    """`authoriser serve`; its log is in a file."""

    def __init__(self, directory: Path) -> None:
        config = directory / "authoriser.toml"
        config.write_text(CONFIG.format(data=directory / "data", key=directory / "pan.key"), encoding="utf-8")
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "authoriser", "serve", "--config", config],
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline().decode()
        found = re.search(r"is ready: default on (127\.0\.0\.1):(\d+) \(iso87-ascii, bin2\); 0 cards", ready)
        assert found, f"{ready!r}, {self.log.read_text(encoding='utf-8')}"
        self.address = found[1], int(found[2])

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process(tmp_path)
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.end()


async def test_bad_input_at_the_process(
    process: Process, dial: Callable[[tuple[str, int]], Awaitable["Peer"]], messages: "Messages"
) -> None:
    """Refused, dropped, closed: the process serves on, logs no card number and ends with 0."""
    peer = await dial(process.address)
    await peer.sign_on()
    unknown = messages.purchase()
    no_date = messages.purchase({"7": "1322103045"})
    response = messages.answer(unknown, "00", approval="A00001")
    await peer.send(
        no_date, response, messages.purchase({"t": "1100"}), messages.reversal({"4": "A" * 12}), unknown
    )
    assert await peer.receive() == messages.answer(no_date, "30", without=("7",))
    assert await peer.receive() == messages.answer(unknown, "14")

    lost = await dial(process.address)
    await lost.send_bytes(b"\xff\xff" + b"0" * 100)
    assert await lost.receive() is None
    assert await peer.ask(unknown | {"t": "0101"}) == messages.answer(unknown, "14")

    assert process.end() == 0
    assert await peer.receive() is None
    log = process.log.read_bytes()
    lines = [msgspec.json.decode(line) for line in log.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "decision"] == [
        "memory settled",
        "ready",
        "malformed message",
        "response dropped",
        "message of unknown type dropped",
        "malformed message",
        "framing lost",
        "draining",
        "stopped",
    ]
    assert messages.pan.encode() not in log
    assert not [line for line in lines if "[hidden]" in line.values()]
