"""One connection to an issuer: pipelined requests out, each reply given to the request it answers.

What the issuer asks of network management (0800) is answered.
Owns the correlation and the connection's life from open stream to loss. Must not know what is sent or whether an
answer is right, nor how to dial again. `Line` runs over any trio stream, so tests need no socket.
"""

import math
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import trio

from isowire.errors import FramingError
from isowire.framing import FRAMINGS, Framing
from simulator import messages
from simulator.checks import APPROVED
from simulator.errors import LineLostError, SimulatorError
from simulator.messages import Fields
from simulator.tls import secured

Dial = Callable[[], Awaitable[trio.abc.Stream]]
"""Opens a stream to the issuer. Raises SimulatorError in words for a person."""

Clock = Callable[[], datetime]
"""The wall clock of DE7: aware, UTC."""

RECEIVE_BYTES = 65_536
"""One read: some 250 replies."""

FRAME_LENGTH_MAX_BYTES = 4_096
"""No reply of an issuer is longer; every framing can say it."""

OUTBOUND_BYTES_MAX = 16 * 1024 * 1024
"""Queued for an issuer that does not read: about 60,000 requests. Beyond it nothing more is taken."""

DIAL_TIMEOUT_S = 10.0
"""A host that does not answer at all is given up after this."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def framing_named(name: str) -> Framing:
    """Raises SimulatorError that lists the names there are."""
    framing = FRAMINGS.get(name)
    if framing is None:
        raise SimulatorError(f"there is no framing {name!r}; there are {', '.join(sorted(FRAMINGS))}")
    return framing


def dialler(host: str, port: int, context: ssl.SSLContext | None = None, name: str = "") -> Dial:
    """A Dial over TCP, without Nagle's delay (trio sets TCP_NODELAY). `name` is the certificate's, "" for the host."""

    async def dial() -> trio.abc.Stream:
        try:
            with trio.fail_after(DIAL_TIMEOUT_S):
                stream = await trio.open_tcp_stream(host, port)
                return await secured(stream, context, server_side=False, name=name or host)
        except trio.TooSlowError:
            raise SimulatorError(f"{host}:{port} did not answer within {DIAL_TIMEOUT_S:g} s") from None
        except OSError as problem:
            why = problem.strerror or "nothing listens there"
            raise SimulatorError(
                f"cannot connect to {host}:{port}: {why}. Is the authoriser running?"
            ) from None

    return dial


@dataclass(slots=True, eq=False, kw_only=True)
class Exchange:
    """A request and, in the end, its reply or the reason that there is none. Times are trio's clock, in seconds."""

    fields: Fields = field(repr=False)
    due_s: float
    on_done: "Callable[[Exchange], None]" = field(repr=False)
    """Called once, when `reply` or `lost` is set. Must not block."""
    sent_s: float = math.nan
    answered_s: float = math.nan
    reply: Fields | None = field(default=None, repr=False)
    lost: str = ""


class Line:
    """One connection. `run` it in a nursery, `put` exchanges or `ask` one question at any time."""

    def __init__(
        self, stream: trio.abc.Stream, framing: Framing, *, on_stray: Callable[[str], None] | None = None
    ) -> None:
        """`on_stray` hears, in words, of replies that answer nothing that was asked."""
        self._stream = stream
        self._framing = framing
        self._on_stray = on_stray or (lambda _: None)
        self._outbound: list[bytes] = []
        self._outbound_bytes = 0
        self._wake = trio.Event()
        self._waiting: dict[str, list[Exchange]] = {}
        self._closing = ""
        self.signed_on = trio.Event()
        """Set when the issuer has signed on."""
        self.signed_off = False
        """Whether the issuer has signed off since."""
        self.lost: str = ""
        """Why the connection ended; "" while it is up."""

    @property
    def waiting(self) -> list[Exchange]:
        """What was sent and is not answered yet."""
        return [exchange for same in self._waiting.values() for exchange in same]

    async def run(self) -> None:
        """Read and write until the connection ends or `close` is called. Raises LineLostError unless it was closed.

        Replies that had arrived before the end are given out first; then every exchange still waiting is done, with
        `lost` set. Cancelled, it closes the stream and leaves those exchanges waiting.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                why = await self._read()
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(self._stream)
        self.lost = self._closing or why
        left, self._waiting = self.waiting, {}
        for exchange in left:
            exchange.lost = self.lost
            exchange.on_done(exchange)
        if not self._closing:
            raise LineLostError(why)

    async def close(self, why: str = "closed") -> None:
        """End the connection from this side; `run` then returns, and `why` is what `lost` says."""
        self._closing = why
        await trio.aclose_forcefully(self._stream)

    def put(self, exchange: Exchange) -> bool:
        """Send it with whatever else is due. False, and nothing sent, where the line is lost or takes no more."""
        if self.lost or self._closing or self._outbound_bytes > OUTBOUND_BYTES_MAX:
            return False
        frame = self._framing.wrap(messages.encode(exchange.fields))
        self._waiting.setdefault(exchange.fields["11"], []).append(exchange)
        exchange.sent_s = trio.current_time()
        self._outbound.append(frame)
        self._outbound_bytes += len(frame)
        self._wake.set()
        return True

    async def ask(self, fields: Fields, *, patience_s: float) -> Fields:
        """Send one request, wait for its reply. Raises LineLostError; SimulatorError after `patience_s` of silence."""
        done = trio.Event()
        exchange = Exchange(fields=fields, due_s=trio.current_time(), on_done=lambda _: done.set())
        if not self.put(exchange):
            raise LineLostError(self.lost or "the connection takes no more")
        with trio.move_on_after(patience_s):
            await done.wait()
        if exchange.reply is not None:
            return exchange.reply
        if exchange.lost:
            raise LineLostError(exchange.lost)
        self._forget(exchange)
        raise SimulatorError(f"no answer to {fields['t']} STAN {fields['11']} within {patience_s:g} s")

    async def manage(self, code: str, *, stan: str, at: datetime, patience_s: float) -> None:
        """Sign on, sign off or echo: `code` is DE70. Raises SimulatorError where the answer is not 00."""
        reply = await self.ask(messages.network_management(code, stan=stan, at=at), patience_s=patience_s)
        answer = reply.get("39", "nothing")
        if (reply["t"], reply.get("70"), answer) != ("0810", code, APPROVED):
            raise SimulatorError(
                f"the issuer answered 0800 with DE70 {code} by {reply['t']} with DE70 {reply.get('70')} and DE39 "
                f"{answer}; 0810 with DE70 {code} and DE39 {APPROVED} would be right"
            )

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            data = b"".join(self._outbound)
            self._outbound.clear()
            self._outbound_bytes = 0
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                # Replies may still be on the way in: the reader finds the end.
                return

    async def _read(self) -> str:
        """Until the connection ends; says why it did."""
        reader = self._framing.reader(FRAME_LENGTH_MAX_BYTES)
        while True:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return "the connection was reset"
            if not data:
                cut = f" in the middle of a frame ({reader.buffered_bytes} bytes of it)"
                return "the issuer closed the connection" + (cut if reader.buffered_bytes else "")
            now_s = trio.current_time()
            try:
                frames = reader.feed(bytes(data))
            except FramingError as problem:
                for frame in problem.frames:
                    self._receive(frame, now_s)
                return f"the issuer does not speak {self._framing.name} here: {problem}"
            for frame in frames:
                self._receive(frame, now_s)

    def _receive(self, payload: bytes, now_s: float) -> None:
        try:
            reply = messages.decode(payload)
        except SimulatorError as problem:
            self._on_stray(f"a reply of {len(payload)} bytes: {problem}")
            return
        if reply["t"] in ("0800", "0801"):
            self._manage_for(reply)
            return
        exchange = self._match(reply)
        if exchange is None:
            self._on_stray(
                f"a reply to nothing that was asked: {reply['t']} STAN {reply.get('11', 'missing')}"
            )
            return
        self._forget(exchange)
        exchange.reply = reply
        exchange.answered_s = now_s
        exchange.on_done(exchange)

    def _manage_for(self, asked: Fields) -> None:
        """The issuer signs on or off, or echoes."""
        code = asked.get("70", "")
        known = code in (messages.SIGN_ON, messages.SIGN_OFF, messages.ECHO)
        frame = self._framing.wrap(messages.encode(messages.management_answer(asked, known=known)))
        self._outbound.append(frame)
        self._outbound_bytes += len(frame)
        self._wake.set()
        if code == messages.SIGN_ON:
            self.signed_on.set()
            self.signed_off = False
        elif code == messages.SIGN_OFF:
            self.signed_off = True

    def _match(self, reply: Fields) -> Exchange | None:
        """The exchange it answers: same STAN, and of those the one that most of the key agrees with.

        A reply with the right STAN and a wrong key still answers something: the check then says which field is wrong.
        """
        same = self._waiting.get(reply.get("11", ""))
        if not same:
            return None
        return max(same, key=lambda exchange: _agreement(exchange.fields, reply))

    def _forget(self, exchange: Exchange) -> None:
        stan = exchange.fields["11"]
        same = self._waiting[stan]
        same.remove(exchange)
        if not same:
            del self._waiting[stan]


def _agreement(request: Fields, reply: Fields) -> int:
    """How many parts of the key agree: the MTI pair, DE7, 32 and 37. `max` keeps the first of equals, the oldest."""
    agreed = reply["t"] == messages.response_mti(request["t"])
    return agreed + sum(request.get(name) == reply.get(name) for name in ("7", "32", "37"))
