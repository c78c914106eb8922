"""Accepts the lines of one link, runs each until it ends, and sends what became ready on any of them.

Owns the listening socket, the bound on connections and the options that every line has. What is on a line is its own.
"""

import contextlib
import errno
import socket
from collections.abc import Callable

import trio

from authoriser import limits
from authoriser.arrival import SO_TIMESTAMPNS, LoopWatch
from authoriser.link import Line, Link, OnBytes


class Listener:
    """Accepts the lines of one link and runs each until it ends."""

    def __init__(self, link: Link, count: Callable[[str], None], watch: LoopWatch | None = None) -> None:
        self.link = link
        self.lines: set[Line] = set()
        self._touched: set[Line] = set()
        self._count = count
        self._watch = watch
        self._sockets: list[socket.socket] = []
        self._accepting = trio.CancelScope()
        self._ended = trio.Event()
        self.address = link.listen
        """Where it listens: the configured host, and from `bind` on the port that the system gave."""

    def bind(self) -> None:
        """Raises OSError where the address can't be had."""
        host, port = self.link.listen
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind(address)
            sock.listen(limits.ACCEPT_BACKLOG)
        except OSError:
            sock.close()
            raise
        self._sockets.append(sock)
        self.address = sock.getsockname()[:2]

    async def run(self, on_bytes: OnBytes) -> None:
        """Accept until `stop`, then return when every line has ended."""
        async with trio.open_nursery() as lines:
            try:
                with self._accepting:
                    await self._accept_for_ever(lines, on_bytes)
            finally:
                for sock in self._sockets:
                    sock.close()
        self._ended.set()

    async def _accept_for_ever(self, lines: trio.Nursery, on_bytes: OnBytes) -> None:
        listening = self._sockets[0]
        while True:
            await trio.lowlevel.wait_readable(listening)
            if self._accepting.cancel_called:
                return  # a line from this very moment would miss `stop`
            try:
                sock, _peer = listening.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                self._count("accept_failures")
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    await trio.sleep(limits.ACCEPT_PAUSE_S)
                continue
            if len(self.lines) >= self.link.connections_max:
                self._count("connections_refused")
                sock.close()
                continue
            _set_options(sock)
            line = Line(self.link, sock, self._touched, self._watch)
            # Here and not in its task, which starts later: the bound and `stop` go by this set.
            self.lines.add(line)
            self._count("connections_accepted")
            lines.start_soon(self._run_line, line, on_bytes)

    async def _run_line(self, line: Line, on_bytes: OnBytes) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(line.write_for_ever, self._count)
                await line.read_for_ever(on_bytes)
                # What was decided for it is still owed: a peer that shut its sending side may be reading on.
                await line.settled()
                await line.linger()
                nursery.cancel_scope.cancel()
        finally:
            self.lines.discard(line)
            line.close()
            self._count("connections_closed")

    def flush(self) -> None:
        """Send what became ready on any line: called once a batch is durable and its waiters are released."""
        touched = list(self._touched)
        self._touched.clear()
        for line in touched:
            line.flush()

    def stop(self) -> None:
        """Accept no more lines and read no more requests; `run` returns when all that is owed was sent or dropped."""
        self._accepting.cancel()
        for line in self.lines:
            line.stop_reading()

    def hang_up(self) -> None:
        """Close every line at once, whatever is owed to it. New ones are accepted."""
        for line in list(self.lines):
            line.close()

    async def ended(self) -> None:
        """Return when, after `stop`, every line has sent what it owed and ended."""
        await self._ended.wait()


def _set_options(sock: socket.socket) -> None:
    sock.setblocking(False)
    with contextlib.suppress(OSError):  # the peer may be gone already; the first read will say so
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.KEEPALIVE_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.KEEPALIVE_INTERVAL_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, limits.KEEPALIVE_PROBES)
