"""Accepts the lines of one link.

Owns the listening socket and the bound on connections. What is on a line is its own.
"""

import errno
import socket
from collections.abc import Callable

import trio

from authoriser import limits
from authoriser.arrival import LoopWatch
from authoriser.door import Door, LineView, Setting, peer_text
from authoriser.line_keeper import LineKeeper
from authoriser.link import Line, Link, OnBytes


class Listener(Door):
    """Accepts the lines of one link and runs each until it ends."""

    role = "listen"

    def __init__(
        self,
        link: Link,
        count: Callable[[str], None],
        watch: LoopWatch | None = None,
        setting: Setting | None = None,
    ) -> None:
        super().__init__(link, count, watch, setting)
        self._sockets: list[socket.socket] = []
        self._accepting = trio.CancelScope()

    def bind(self) -> None:
        """Take the port: from now on `address` has the one that the system gave. Raises OSError."""
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
                sock, peer = listening.accept()
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
            # Here and not in its task, which starts later: the bound and `stop` go by the set of lines.
            line = self._make_line(sock, peer_text(peer))
            self._count("connections_accepted")
            lines.start_soon(self._run_line, line, on_bytes, self._keeper(line))

    def _keeper(self, line: Line) -> LineKeeper | None:
        idle_s = self.setting.echo_idle_s
        if not idle_s:
            return None
        return LineKeeper(line, self._stans, self._count, echo_idle_s=idle_s, now=self.setting.now)

    def stop(self) -> None:
        """Accept no more lines and read no more requests; `run` returns when all that is owed was sent or dropped."""
        self._accepting.cancel()
        for line in self.lines:
            line.stop_reading()

    def view(self, most: int) -> tuple[LineView, ...]:
        return tuple(
            LineView(number, facts.peer, "signed on" if line.signed_on else "open", facts.since)
            for number, (line, facts) in enumerate(list(self.lines.items())[:most], 1)
        )
