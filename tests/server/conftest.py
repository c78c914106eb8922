"""A real server in this process, and a card network's end of its lines.

Owns starting and stopping `authoriser.server.Server` on a data directory of the test's own, and a client that encodes
and decodes with pyiso8583 alone: a fault of our codec must not stand on both sides. Knows no case of bad input.
"""

import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import iso8583
import pytest
import structlog
import trio
from iso8583.specs import default_ascii

from authoriser.admin.client import AdminClient
from authoriser.authentication import Authenticator
from authoriser.config import Config, load_config
from authoriser.server import Server

Fields = dict[str, str]

PAN = "4000000000001232"
PURCHASE: Fields = {
    "t": "0100",
    "2": PAN,
    "3": "000000",
    "4": "000000001999",
    "7": "1122103045",
    "11": "000123",
    "12": "113045",
    "13": "1122",
    "14": "4912",
    "18": "5411",
    "22": "051",
    "25": "00",
    "32": "000123",
    "37": "632610000123",
    "41": "TERM0001",
    "42": "SHOP0000000001 ",
    "43": f"{'CORNER SHOP RUA DO OURO 1':25}{'LISBON':13}PT",
    "49": "978",
}
REVERSAL: Fields = {
    "t": "0400",
    "2": PAN,
    "3": "000000",
    "4": "000000001999",
    "7": "1122103115",
    "11": "000124",
    "32": "000123",
    "37": "632610000123",
    "49": "978",
    "90": "010000012311221030450000000012300000000000",
}
ECHO: Fields = {"t": "0800", "7": "1122103000", "11": "000001", "70": "301"}
ECHOED = {
    "01": ("2", "3", "4", "7", "11", "12", "13", "24", "25", "32", "33", "37", "41", "42", "49"),
    "02": ("2", "3", "4", "7", "11", "12", "13", "24", "25", "32", "33", "37", "41", "42", "49"),
    "04": ("2", "3", "4", "7", "11", "12", "13", "24", "25", "32", "33", "37", "41", "42", "49", "90", "95"),
    "08": ("7", "11", "24", "33", "70"),
}
"""What a reply repeats of its request, written out here so that the dialect's own table is tested too."""

OPENING_CREDIT_MINOR = 1_000_000
PATIENCE_S = 10.0
"""What should take milliseconds: long enough for a loaded machine, short enough to name the test that hangs."""
REPLY_DEADLINE_MS = 5_000
"""Of a test that says nothing else: a disk that stands still for two seconds makes no answer void."""
HOUSEKEEPING = frozenset(
    {"admin_requests", "admin_errors", "journal_appends", "journal_retries", "log_records", "snapshots"}
)
"""Counters that go up however well the input was formed."""


def encode(message: Mapping[str, str]) -> bytes:
    payload, _ = iso8583.encode(dict(message), default_ascii)
    return bytes(payload)


def decode(payload: bytes) -> Fields:
    fields, _ = iso8583.decode(payload, default_ascii)
    return {number: text for number, text in fields.items() if number not in ("p", "1")}


class Messages:
    """Messages and the answers that they should get, as plain dictionaries with the MTI under "t"."""

    pan = PAN

    def purchase(self, changes: Mapping[str, str] | None = None, *, without: tuple[str, ...] = ()) -> Fields:
        return _changed(PURCHASE, changes, without)

    def reversal(self, changes: Mapping[str, str] | None = None, *, without: tuple[str, ...] = ()) -> Fields:
        return _changed(REVERSAL, changes, without)

    def management(
        self, changes: Mapping[str, str] | None = None, *, without: tuple[str, ...] = ()
    ) -> Fields:
        return _changed(ECHO, changes, without)

    def numbered(self, stan: int) -> Fields:
        """A purchase like no other: its own STAN and RRN."""
        return _changed(PURCHASE, {"11": f"{stan:06}", "37": f"6326{stan:08}"}, ())

    def answer(
        self, request: Fields, code: str, *, approval: str = "", without: tuple[str, ...] = ()
    ) -> Fields:
        """The whole reply: what is echoed, less what could not be read, and DE39 (and DE38 of an approval)."""
        mti = request["t"]
        reply = {"t": f"{mti[:2]}{int(mti[2]) + 1}0"}
        reply |= {
            number: request[number]
            for number in ECHOED[mti[:2]]
            if number in request and number not in without
        }
        reply["39"] = code
        return reply | ({"38": approval} if approval else {})

    def wire(self, message: Mapping[str, str] | bytes) -> bytes:
        """A frame with the two-byte header."""
        payload = message if isinstance(message, bytes) else encode(message)
        return len(payload).to_bytes(2, "big") + payload

    encode = staticmethod(encode)
    decode = staticmethod(decode)


def _changed(message: Fields, changes: Mapping[str, str] | None, without: tuple[str, ...]) -> Fields:
    return {number: text for number, text in {**message, **(changes or {})}.items() if number not in without}


class Peer:
    """One connection of the network. Reading and writing are the test's: nothing happens by itself."""

    def __init__(self, stream: trio.SocketStream, framing: str) -> None:
        self.stream = stream
        self._header_bytes = 2 if framing == "bin2" else 4
        self._buffer = b""

    async def send_bytes(self, data: bytes) -> None:
        with trio.fail_after(PATIENCE_S):
            await self.stream.send_all(data)

    async def send(self, *messages: Mapping[str, str]) -> None:
        await self.send_bytes(b"".join(self.frame(encode(message)) for message in messages))

    def frame(self, payload: bytes) -> bytes:
        if self._header_bytes == 2:
            return len(payload).to_bytes(2, "big") + payload
        return b"%04d" % len(payload) + payload

    async def receive(self) -> Fields | None:
        """The next reply; None where the server has closed the connection."""
        with trio.fail_after(PATIENCE_S):
            while True:
                header, rest = self._buffer[: self._header_bytes], self._buffer[self._header_bytes :]
                if len(header) == self._header_bytes:
                    length = int.from_bytes(header, "big") if self._header_bytes == 2 else int(header)
                    if len(rest) >= length:
                        self._buffer = rest[length:]
                        return decode(rest[:length])
                try:
                    data = await self.stream.receive_some()
                except trio.BrokenResourceError:
                    data = b""  # a reset: what was sent behind a lost frame was never read
                if not data:
                    assert self._buffer == b"", "the connection ends between two replies"
                    return None
                self._buffer += data

    async def receive_until(self, stan: str | None) -> tuple[list[Fields], Fields | None]:
        """Every reply before the one with this DE11, and that one; None stands for the end of the connection."""
        replies: list[Fields] = []
        while (reply := await self.receive()) is not None and reply.get("11") != stan:
            replies.append(reply)
        assert (reply is None) == (stan is None), f"closed before the answer to {stan}; came: {replies}"
        return replies, reply

    async def ask(self, message: Mapping[str, str]) -> Fields | None:
        await self.send(message)
        return await self.receive()

    async def sign_on(self) -> None:
        request = ECHO | {"70": "001"}
        assert await self.ask(request) == request | {"t": "0810", "39": "00"}

    async def close(self) -> None:
        await self.stream.aclose()

    def reset(self) -> None:
        """End the connection with a TCP reset, as a crashed peer's kernel does."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


@dataclass
class Running:
    """A server, and everything that a test asks of it."""

    server: Server
    config: Config
    framing: str
    logs: list[dict[str, Any]]
    finished: trio.Event = field(default_factory=trio.Event)
    peers: list[Peer] = field(default_factory=list)
    peer_type: type[Peer] = Peer
    """For tests that get their connections otherwise; test modules can't import this one."""

    async def connect(self, *, sign_on: bool = True, receive_buffer_bytes: int = 0) -> Peer:
        """`receive_buffer_bytes` makes a peer whose kernel soon takes no more of what it doesn't read."""
        sock = trio.socket.socket()
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        with trio.fail_after(PATIENCE_S):
            await sock.connect(self.server.listeners[0].address)
        peer = Peer(trio.SocketStream(sock), self.framing)
        self.peers.append(peer)
        if sign_on:
            await peer.sign_on()
        return peer

    async def admin(self, method: str, **params: Any) -> Any:
        """Ask on the admin socket, as an operator does."""
        if method.partition(".")[2] in {"open", "credit", "issue", "freeze", "unfreeze", "block"}:
            params |= {"reason": "a test", "actor": "tester"}
        return await trio.to_thread.run_sync(self._call, method, params)

    def _call(self, method: str, params: dict[str, Any]) -> Any:
        with AdminClient(self.config.admin.socket) as client:
            return client.call(method, **params)

    async def issue_card(self) -> None:
        """The account "acc" in EUR, with OPENING_CREDIT_MINOR and the card PAN."""
        await self.admin("account.open", account="acc", currency="EUR")
        await self.admin("account.credit", account="acc", amount_minor=OPENING_CREDIT_MINOR)
        await self.admin("card.issue", account="acc", pan=PAN, expiry="4912")

    async def account(self) -> Any:
        return (await self.admin("account.show", account="acc")).account

    def counts(self) -> Counter[str]:
        """Every counter but those of the house, and the decisions by their reasons."""
        counters = self.server.counters
        counts = {name: count for name, count in counters.counts.items() if name not in HOUSEKEEPING}
        return Counter(counts) + Counter({str(reason): n for reason, n in counters.decisions.items()})

    async def until_lines(self, count: int) -> None:
        """Return when so many connections are open."""
        await self.until(lambda: len(self.server.listeners[0].lines) == count)

    async def until(self, true: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE_S):
            while not true():
                await trio.sleep(0.001)

    async def stop(self) -> None:
        """Drain, as SIGTERM does, and return when the server has ended."""
        self.server.stopping.set()
        with trio.fail_after(PATIENCE_S):
            await self.finished.wait()

    async def end(self) -> None:
        """Close every connection, and stop."""
        for peer in self.peers:
            await peer.close()
        await self.stop()


@pytest.fixture
def messages() -> Messages:
    return Messages()


@pytest.fixture
def logs() -> Iterator[list[dict[str, Any]]]:
    """Every log line as it is written, before anything is masked: what is not there can't leak."""
    capture = structlog.testing.LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture.entries  # type: ignore[misc]
    structlog.reset_defaults()


@pytest.fixture
def authenticator() -> Authenticator | None:
    """Nobody: proofs are not checked. A test that is parametrised with another has its servers ask that one."""
    return None


@pytest.fixture
def make(
    tmp_path: Path, logs: list[dict[str, Any]], authenticator: Authenticator | None
) -> Callable[..., Running]:
    """Servers that have not begun, on the test's data directory; keywords are keys of `[[links]]`."""

    def made(**link: str | int) -> Running:
        config = load_config(_write_config(tmp_path, link))
        server = Server(config, on_lost=_lost, authenticator=authenticator)
        return Running(server, config, str(link.get("framing", "bin2")), logs)

    return made


def _lost() -> None:
    raise AssertionError("the journal was lost")


@pytest.fixture
def serving(make: Callable[..., Running]) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """A server for the length of a block, in whatever task and run of trio the test is."""

    @asynccontextmanager
    async def serving_one(**link: str | int) -> AsyncIterator[Running]:
        async with trio.open_nursery() as nursery:
            running = make(**link)
            await nursery.start(_run, running)
            yield running
            await running.end()

    return serving_one


@pytest.fixture
async def start(
    make: Callable[..., Running], nursery: trio.Nursery
) -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """Start servers, one after another on the same data directory; they are stopped when the test ends."""
    started: list[Running] = []

    async def start_one(**link: str | int) -> Running:
        started.append(make(**link))
        await nursery.start(_run, started[-1])
        return started[-1]

    yield start_one
    for running in started:
        await running.end()


async def _run(running: Running, *, task_status: trio.TaskStatus[None]) -> None:
    try:
        await running.server.run(task_status=task_status)
    finally:
        running.finished.set()


def _write_config(tmp_path: Path, link: Mapping[str, str | int]) -> Path:
    path = tmp_path / "authoriser.toml"
    where = {} if "connect" in link else {"listen": "127.0.0.1:0"}
    keys = {**where, "reply_deadline_ms": REPLY_DEADLINE_MS, **link}
    lines = [f"{key} = {value!r}" for key, value in keys.items()]
    text = f"data_dir = '{tmp_path / 'data'}'\n[keys]\npan_key_file = '{tmp_path / 'pan.key'}'\n[[links]]\n"
    path.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
async def running(start: Callable[..., Awaitable[Running]]) -> Running:
    """A server with the defaults and one card."""
    server = await start()
    await server.issue_card()
    return server


@pytest.fixture
async def dial() -> AsyncIterator[Callable[[tuple[str, int]], Awaitable[Peer]]]:
    """Connect to a listener that is not part of a `Running`."""
    peers: list[Peer] = []

    async def to(address: tuple[str, int]) -> Peer:
        peers.append(Peer(await trio.open_tcp_stream(*address), "bin2"))
        return peers[-1]

    yield to
    for peer in peers:
        await peer.close()
