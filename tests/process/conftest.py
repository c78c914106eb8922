"""The real server as a process, and a network's side of a line that speaks pyiso8583 directly."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import iso8583
import pytest
import trio
from iso8583.specs import default_ascii

START_MAX_S = 30
REPLY_DEADLINE_MS = 20_000
"""Ten times what is usual: a disk that stands still for two seconds voids nothing that a test counts on."""
REPLY_MAX_S = 30
STOP_MAX_S = 60


class Process:
    """`authoriser serve` on a data directory of its own, and the command line beside it."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self._directory = directory
        self._environment = os.environ | {"XDG_CONFIG_HOME": str(directory / "config"), "COLUMNS": "80"}
        self._process: subprocess.Popen[str] | None = None
        self.address = ("", 0)

    def start(self, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "authoriser",
            "serve",
            "--data",
            str(self.data),
            "--listen",
            "127.0.0.1:0",
        ]
        if "--config" not in options:
            config = self._directory / "patient.toml"
            config.write_text(f"[[links]]\nreply_deadline_ms = {REPLY_DEADLINE_MS}\n")
            command += ["--config", str(config)]
        log = (self._directory / "server.log").open("a")
        process = subprocess.Popen(
            [*command, *options], env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        self._process = process
        assert process.stdout is not None
        ready = process.stdout.readline()
        if " follows shard " in ready:  # where the journal is shared, whoever leads has followed first
            ready = process.stdout.readline()
        assert " is ready: " in ready, ready + self.log()
        host, _, port = ready.split(" on ")[1].split(" ")[0].rpartition(":")
        self.address = (host, int(port))

    def stop(self, number: int) -> int:
        """Send a signal, wait for the end, and give the exit code."""
        process = self._process
        assert process is not None
        self._process = None
        process.send_signal(number)
        code = process.wait(STOP_MAX_S)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def log(self) -> str:
        return (self._directory / "server.log").read_text()

    def run(
        self, *arguments: str, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """One command of the command line, `--data` given."""
        command = [sys.executable, "-m", "authoriser", *arguments, "--data", str(self.data)]
        return subprocess.run(
            command,
            env=self._environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=check,
        )

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("events").stdout.splitlines()]

    def close(self) -> None:
        if self._process is not None:
            self.kill()


class NetworkLine:
    """One connection of the network. `ask` is for a line with nothing else in flight."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def send(self, message: dict[str, str]) -> None:
        payload, _ = iso8583.encode(dict(message), default_ascii)
        await self._stream.send_all(len(payload).to_bytes(2, "big") + bytes(payload))

    async def receive(self) -> dict[str, str]:
        with trio.fail_after(REPLY_MAX_S):
            size = int.from_bytes(await self._exactly(2), "big")
            return iso8583.decode(await self._exactly(size), default_ascii)[0]

    async def ask(self, message: dict[str, str]) -> dict[str, str]:
        await self.send(message)
        return await self.receive()

    async def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = await self._stream.receive_some(count - len(data))
            if not more:
                raise trio.BrokenResourceError("the server closed the connection")
            data += more
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    """Not started yet."""
    process = Process(tmp_path)
    yield process
    process.close()


@pytest.fixture
async def dial(server: Process) -> AsyncIterator[Callable[[], Awaitable[NetworkLine]]]:
    """Opens lines to the server, wherever it listens by now; all are closed in the end."""
    lines: list[NetworkLine] = []

    async def dial() -> NetworkLine:
        lines.append(NetworkLine(await trio.open_tcp_stream(*server.address)))
        return lines[-1]

    yield dial
    for line in lines:
        await line.aclose()
