"""Dials the lines of one link: the issuer connects to the network, signs on, and connects again when a line is lost.

Owns how many lines there should be, which of them are up, and how long to wait before the next try. What is on a line
is its own, and as on a line that was accepted.
"""

import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
import trio

from authoriser import limits
from authoriser.arrival import LoopWatch
from authoriser.door import Door, LineFacts, LineView, Setting, peer_text
from authoriser.line_keeper import LineKeeper
from authoriser.link import Line, Link, OnBytes
from authoriser.texts import now_iso

log = structlog.get_logger()

Dial = Callable[[str, int], Awaitable[socket.socket]]
"""A connected socket, non-blocking. Raises OSError."""


async def dial_tcp(host: str, port: int) -> socket.socket:
    """Tries every address of the host, a quarter of a second apart (RFC 8305)."""
    stream = await trio.open_tcp_stream(host, port)
    return socket.socket(fileno=stream.socket.detach())


class Backoff:
    """How long to wait before the next try: doubling, bounded, and by half up to chance.

    The chance keeps the lines of many issuers, lost in the same moment, from coming back in the same moment.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._longest_s = limits.REDIAL_FIRST_S

    def next_s(self) -> float:
        longest_s = self._longest_s
        self._longest_s = min(2 * longest_s, limits.REDIAL_MAX_S)
        return longest_s * (0.5 + self._draw() / 2)

    def reset(self) -> None:
        self._longest_s = limits.REDIAL_FIRST_S


class Slot:
    """One of the lines that should be up, whichever connection it has by now."""

    def __init__(self, number: int, peer: str) -> None:
        self.number = number
        self.peer = peer
        self.up = False
        self.was_up = False
        self.reconnects = 0
        self.problem = ""
        self.state = "dialling"
        self.since = now_iso()
        self.keeper: LineKeeper | None = None
        self.line: Line | None = None
        self.waiting = trio.CancelScope()
        """Around what `stop` ends at once: dialling, and waiting to dial."""

    def becomes(self, state: str) -> None:
        self.state = state
        self.since = now_iso()


class Dialler(Door):
    """Keeps `setting.lines` lines of one link up."""

    role = "connect"

    def __init__(
        self,
        link: Link,
        count: Callable[[str], None],
        watch: LoopWatch | None = None,
        setting: Setting | None = None,
        dial: Dial = dial_tcp,
    ) -> None:
        super().__init__(link, count, watch, setting)
        self._dial = dial
        self._stopping = False
        self.slots = [Slot(number, peer_text(self.address)) for number in range(1, self.setting.lines + 1)]

    @property
    def up(self) -> int:
        return sum(slot.up for slot in self.slots)

    @property
    def down(self) -> int:
        return sum(not slot.up for slot in self.slots)

    def view(self, most: int) -> tuple[LineView, ...]:
        return tuple(
            LineView(slot.number, slot.peer, _state(slot), slot.since, slot.problem, slot.reconnects)
            for slot in self.slots[:most]
        )

    async def run(self, on_bytes: OnBytes) -> None:
        """Keep the lines up until `stop`, then return when every one of them has ended."""
        async with trio.open_nursery() as nursery:
            for slot in self.slots:
                nursery.start_soon(self._keep_up, slot, on_bytes)
        self._ended.set()

    def stop(self) -> None:
        """Dial no more; sign off what is up, and send what is owed."""
        self._stopping = True
        for slot in self.slots:
            slot.waiting.cancel()
            if slot.keeper is not None and slot.up:
                slot.becomes("signing off")
                slot.keeper.leave()
            elif slot.line is not None:
                slot.line.stop_reading()

    async def _keep_up(self, slot: Slot, on_bytes: OnBytes) -> None:
        backoff = Backoff(self.setting.draw)
        while not self._stopping:
            held = await self._one_try(slot, on_bytes)
            if self._stopping:
                break
            if held:
                backoff.reset()
            wait_s = backoff.next_s()
            log.warning(
                "line lost" if slot.was_up else "line not up",
                link=self.link.name,
                connection=slot.number,
                peer=slot.peer,
                problem=slot.problem,
                hint=f"dialled again in {wait_s:.1f} s",
            )
            slot.becomes("waiting")
            with trio.CancelScope() as slot.waiting:
                await trio.sleep(wait_s)
        slot.becomes("ended")

    async def _one_try(self, slot: Slot, on_bytes: OnBytes) -> bool:
        """Dial, and run the line until it is lost. Whether its sign-on held: then the next try need not wait long."""
        slot.becomes("dialling")
        sock = None
        with trio.CancelScope() as slot.waiting:
            sock = await self._dialled(slot)
        if sock is None:
            return False
        self._count("connections_dialled")
        line = self._make_line(sock, slot.peer)
        slot.becomes("signing on")
        keeper = LineKeeper(
            line,
            self._stans,
            self._count,
            echo_idle_s=self.setting.echo_idle_s,
            signs_on=True,
            on_signed_on=partial(self._signed_on, slot),
            now=self.setting.now,
        )
        slot.line, slot.keeper = line, keeper
        try:
            await self._run_line(line, on_bytes, keeper)
        finally:
            slot.line = slot.keeper = None
            slot.up = False
        slot.problem = line.problem or "the network ended the connection"
        began = keeper.signed_on_at
        return began is not None and trio.current_time() - began >= limits.SIGN_ON_HELD_S

    async def _dialled(self, slot: Slot) -> socket.socket | None:
        host, port = self.address
        try:
            with trio.fail_after(limits.DIAL_MAX_S):
                return await self._dial(host, port)
        except trio.TooSlowError:
            slot.problem = f"no answer within {limits.DIAL_MAX_S:g} s"
        except OSError as error:
            slot.problem = _words(error)
        self._count("dial_failures")
        return None

    def _signed_on(self, slot: Slot) -> None:
        slot.up = True
        slot.problem = ""
        slot.becomes("signed on")
        if slot.was_up:
            slot.reconnects += 1
            self._count("reconnects")
        slot.was_up = True
        log.info("line signed on", link=self.link.name, connection=slot.number, peer=slot.peer)

    def _line_ended(self, line: Line, facts: LineFacts) -> None:
        """Said by whoever dials it again."""


def _state(slot: Slot) -> str:
    """The network may have signed a line off that we had signed on."""
    if slot.state == "signed on" and slot.line is not None and not slot.line.signed_on:
        return "signed off"
    return slot.state


def _words(error: OSError) -> str:
    """What the system says. trio puts an address, or the errors of several, around it."""
    cause: BaseException = error
    while isinstance(cause.__cause__, BaseException):
        cause = cause.__cause__
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[-1]
    found = cause if isinstance(cause, OSError) else error
    if isinstance(found, socket.gaierror) or not found.errno:
        return found.strerror or "it can't be reached"
    return os.strerror(found.errno)
