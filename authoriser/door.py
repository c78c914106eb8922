"""What a listener and a dialler share: the lines of one link, each run until it ends, and what became ready on them.

Owns the set of lines and the options that every socket has. Knows neither who dialled nor what is on a line.
"""

import contextlib
import random
import socket
from collections.abc import Callable
from datetime import datetime

import structlog
import trio
from msgspec import Struct

from authoriser import limits
from authoriser.arrival import SO_TIMESTAMPNS, LoopWatch
from authoriser.line_keeper import LineKeeper, Stans, utc_now
from authoriser.link import Line, Link, OnBytes
from authoriser.texts import now_iso
from authoriser.tls import Tls
from authoriser.tls_line import TlsLine

log = structlog.get_logger()


class Setting(Struct, frozen=True):
    """How a door's lines are had and kept. `echo_idle_s` is 0.0 where idle lines are left alone."""

    lines: int = 1
    """Of a dialler: how many it keeps up."""
    echo_idle_s: float = 0.0
    tls: Tls | None = None
    now: Callable[[], datetime] = utc_now
    """The wall clock of DE7: aware, UTC."""
    draw: Callable[[], float] = random.random
    """From 0.0 to 1.0, for the jitter of waits."""


class LineFacts(Struct, frozen=True):
    """What is known of a line from outside it. `since` is ISO 8601."""

    peer: str
    since: str


class LineView(Struct, frozen=True):
    """One line as an operator sees it. `since`: of this state. `problem`: why it is not up, or was not, last time."""

    number: int
    peer: str
    state: str
    since: str
    problem: str = ""
    reconnects: int = 0


class Door:
    """The lines of one link. A subclass has `bind`, `run` and `stop`, and gets them."""

    role = ""

    def __init__(
        self,
        link: Link,
        count: Callable[[str], None],
        watch: LoopWatch | None = None,
        setting: Setting | None = None,
    ) -> None:
        self.link = link
        self.lines: dict[Line, LineFacts] = {}
        self.setting = setting if setting is not None else Setting()
        self.address = link.listen
        """Host and port: where it listens, or what it dials."""
        self._touched: set[Line] = set()
        self._count = count
        self._watch = watch
        self._stans = Stans(self.setting.now())
        self._ended = trio.Event()

    def bind(self) -> None:
        """Take what the link needs of this machine. Raises OSError where it can't be had."""

    async def run(self, on_bytes: OnBytes) -> None:
        """Have lines until `stop`, then return when every one of them has ended."""
        raise NotImplementedError

    def stop(self) -> None:
        """Take no more lines and read no more requests; `run` returns when all that is owed was sent or dropped."""
        raise NotImplementedError

    @property
    def where(self) -> str:
        """For the line that says that the process is ready."""
        return f"{'on' if self.role == 'listen' else 'to'} {self.address[0]}:{self.address[1]}"

    @property
    def up(self) -> int:
        """Lines that payments can come in on."""
        return len(self.lines)

    @property
    def down(self) -> int:
        """Lines that should be up and are not."""
        return 0

    def view(self, most: int) -> tuple[LineView, ...]:
        """Its lines, at most so many."""
        raise NotImplementedError

    def _make_line(self, sock: socket.socket, peer: str) -> Line:
        """A line over a connected socket, in the set from now on: the bounds and `stop` go by it."""
        set_options(sock)
        tls = self.setting.tls
        line = (
            Line(self.link, sock, self._touched, self._watch)
            if tls is None
            else TlsLine(self.link, sock, self._touched, self._watch, tls=tls.session())
        )
        self.lines[line] = LineFacts(peer, now_iso())
        return line

    async def _run_line(self, line: Line, on_bytes: OnBytes, keeper: LineKeeper | None = None) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(line.write_for_ever, self._count)
                if await line.open(self._count):
                    if keeper is not None:
                        nursery.start_soon(keeper.run)
                        on_bytes = keeper.hearing(on_bytes)
                    await line.read_for_ever(on_bytes)
                    if keeper is not None:
                        keeper.end()
                    # What was decided for it is still owed: a peer that shut its sending side may be reading on.
                    await line.settled()
                    await line.linger()
                nursery.cancel_scope.cancel()
        finally:
            facts = self.lines.pop(line)
            line.close()
            self._count("connections_closed")
        self._line_ended(line, facts)

    def _line_ended(self, line: Line, facts: LineFacts) -> None:
        if line.problem:
            log.warning("line failed", link=self.link.name, peer=facts.peer, problem=line.problem)

    def flush(self) -> None:
        """Send what became ready on any line: called once a batch is durable and its waiters are released."""
        touched = list(self._touched)
        self._touched.clear()
        for line in touched:
            line.flush()

    def hang_up(self) -> None:
        """Close every line at once, whatever is owed to it. New ones are had as before."""
        for line in list(self.lines):
            line.close()

    async def ended(self) -> None:
        """Return when, after `stop`, every line has sent what it owed and ended."""
        await self._ended.wait()


def set_options(sock: socket.socket) -> None:
    sock.setblocking(False)
    with contextlib.suppress(OSError):  # the peer may be gone already; the first read will say so
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.KEEPALIVE_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.KEEPALIVE_INTERVAL_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, limits.KEEPALIVE_PROBES)


def peer_text(address: tuple[object, ...]) -> str:
    """HOST:PORT of what `accept` or `getpeername` gave."""
    host, port = (*address, "", "")[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
