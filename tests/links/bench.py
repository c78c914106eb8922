"""A network that is dialled, on socket pairs and a clock of the test's own; it encodes with pyiso8583 alone."""

import socket
from datetime import UTC, datetime
from typing import Any

import iso8583
import trio
from iso8583.specs import default_ascii

from authoriser.answers import AnswerDesk
from authoriser.dialler import Dialler
from authoriser.door import Setting
from authoriser.link import Line, Link
from authoriser.pipeline import Pipeline
from authoriser.telemetry.metrics import Counters
from authoriser.translate import Tokens

Fields = dict[str, str]

NOW = datetime(2026, 11, 22, 10, 30, 45, tzinfo=UTC)
DEADLINE_S = 2.0


def wire(message: Fields) -> bytes:
    payload, _ = iso8583.encode(dict(message), default_ascii)
    return len(payload).to_bytes(2, "big") + bytes(payload)


def unwire(payload: bytes) -> Fields:
    fields, _ = iso8583.decode(payload, default_ascii)
    return {number: text for number, text in fields.items() if number not in ("p", "1")}


def answer(request: Fields, code: str = "00") -> Fields:
    return request | {"t": "0810", "39": code}


class End:
    """The network's end of one line."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self._buffer = b""

    async def receive(self) -> Fields | None:
        """The next message; None where the issuer has ended the line."""
        while True:
            length = int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) >= 2 + length > 2:
                payload, self._buffer = self._buffer[2 : 2 + length], self._buffer[2 + length :]
                return unwire(payload)
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                data = b""
            if not data:
                return None
            self._buffer += data

    async def send(self, message: Fields) -> None:
        await self.stream.send_all(wire(message))

    async def until(self, code: str) -> Fields:
        """Answer every 0800 that comes with 00, up to and without the one with this DE70."""
        while (asked := await self.receive()) is not None:
            if asked["70"] == code:
                return asked
            await self.send(answer(asked))
        raise AssertionError(f"the line ended before an 0800 with DE70 {code}")


class NetworkSide:
    """Takes the dials of a Dialler: each gives a socket pair, or an error while the network is `away`."""

    def __init__(self) -> None:
        self.dialled_at: list[float] = []
        self.away = False
        self._ends: list[End] = []
        self._to_come, self._come = trio.open_memory_channel[End](100)

    async def dial(self, _host: str, _port: int) -> socket.socket:
        self.dialled_at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.away:
            raise ConnectionRefusedError(111, "Connection refused")
        ours, theirs = socket.socketpair()
        self._ends.append(End(theirs))
        self._to_come.send_nowait(self._ends[-1])
        return ours

    async def end(self) -> End:
        """The network's end of the next line that was dialled."""
        return await self._come.receive()

    async def close(self) -> None:
        for end in self._ends:
            await end.stream.aclose()


class Nobody:
    """Stands for a shard's owner in tests without payments."""

    admits = admits_repeats = True
    state = commit = cache = None

    def __init__(self) -> None:
        self.desk = AnswerDesk(void=lambda _answer: None)


class Bench:
    """A dialler, what it counted, and the network that it dials."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.network = NetworkSide()
        self.counters = Counters()
        self.dialler: Any = None
        self.pipeline = Pipeline(
            link=link,
            owner=Nobody(),  # type: ignore[arg-type]
            tokens=Tokens(str.encode),
            exception_secret=b"s",
            counters=self.counters,
        )

    def count(self, name: str) -> None:
        self.counters.counts[name] += 1

    def counts(self, *without: str) -> dict[str, int]:
        return {name: n for name, n in self.counters.counts.items() if n and name not in without}

    def start(self, nursery: trio.Nursery, **setting: Any) -> Dialler:
        """Jitter is at its most where the setting has no `draw`."""
        setting = {"now": lambda: NOW, "draw": lambda: 1.0, "echo_idle_s": 30.0} | setting
        self.dialler = Dialler(self.link, self.count, None, Setting(**setting), dial=self.network.dial)
        nursery.start_soon(self.dialler.run, self.pipeline.on_bytes)
        return self.dialler

    def line(self) -> Line:
        (line,) = self.dialler.lines
        return line
