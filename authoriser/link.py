"""A link is a listener for one network; a line is one connection on it.

Owns the sockets: raw and non-blocking, because the choice between sent and void must be made in the very step that
hands the bytes to the kernel, with no await between. Replies that are ready together leave in one send. Knows nothing
of what is in a frame: the pipeline is called with bytes and answers through the desk.
"""

import array
import contextlib
import errno
import fcntl
import socket
import struct
import termios
import time
from collections import deque
from collections.abc import Callable

import trio
from msgspec import Struct

from authoriser import limits
from authoriser.answers import PendingReply
from authoriser.ledger.commands import Policy
from isowire import Codec, Dialect, FrameReader, Framing

OnBytes = Callable[["Line", bytes, float], None]
"""Takes what one read brought, and when it arrived, in seconds of `trio.current_time`."""

SO_TIMESTAMPNS = 35
"""Linux, asm-generic/socket.h (Python has no name for it): each read says when its last bytes came in."""
_TIMESPEC = struct.Struct("@ll")
ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
LINGER_POLL_S = 0.005
"""Between two looks at what the peer has acknowledged: a few round trips on a local network."""
AGE_MAX_S = 60.0
"""A clock that is stepped between arrival and read must not make bytes look older than any deadline."""


class Link(Struct, frozen=True):
    """What all lines of one listener share. `listen` is host and port; port 0 takes a free one."""

    name: str
    network: str
    listen: tuple[str, int]
    dialect: Dialect
    codec: Codec
    framing: Framing
    policy: Policy
    reply_deadline_s: float
    frame_length_max_bytes: int
    connections_max: int


class Line:
    """One connection. Its replies wait in the outbox from the moment the log has caught up with them."""

    def __init__(self, link: Link, sock: socket.socket, touched: set["Line"]) -> None:
        """`touched` is where the line puts itself when a reply became ready, to be flushed with the others."""
        self.link = link
        self._touched = touched
        self.reader: FrameReader = link.framing.reader(link.frame_length_max_bytes)
        self.signed_on = False
        self.lost_framing = False
        self.closed = False
        self.keepalives = 0
        """Of the reader's keep-alives, how many were counted."""
        self.envelope = b""
        """What the frame being decided came in: its answer, made in the same step, goes back in it."""
        self.owed = 0
        """Replies decided for this line and neither sent nor dropped."""
        self._socket = sock
        self._outbox: deque[PendingReply] = deque()
        self._outbox_bytes = 0
        self._rest = b""
        self._writable = trio.lowlevel.ParkingLot()
        self._drained = trio.lowlevel.ParkingLot()
        self._reading = trio.CancelScope()

    # ---- replies

    def take(self, reply: PendingReply) -> None:
        """A reply became ready. It leaves with the next `flush`; a closed line lets it reach its deadline."""
        if not self.closed:
            self._outbox.append(reply)
            self._outbox_bytes += len(reply.data)
            self._touched.add(self)

    def flush(self) -> None:
        """Hand to the kernel what it takes of the outbox, in one send. Sent or void is chosen in here.

        A reply of which one byte was taken is sent, and its rest follows. What a full kernel buffer leaves waits for
        `write_for_ever`, and may still be dropped at its deadline.
        """
        if self.closed or not (self._outbox or self._rest):
            return
        now = trio.current_time()
        replies = [reply for reply in self._outbox if reply.sendable(now)]
        self._outbox.clear()
        data = b"".join([self._rest, *(reply.data for reply in replies)])
        if not data:
            self._outbox_bytes = 0
            self._drained.unpark_all()
            return
        taken = self._send(data)
        if taken is None:
            return
        self._settle(replies, data, taken, now)

    def _send(self, data: bytes) -> int | None:
        """Bytes that the kernel took; None where the connection is gone."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.close()
            return None

    def _settle(self, replies: list[PendingReply], data: bytes, taken: int, now: float) -> None:
        begin = len(self._rest)
        rest_end = begin
        for place, reply in enumerate(replies):
            if begin >= taken:
                self._outbox.extend(replies[place:])
                break
            begin += len(reply.data)
            rest_end = begin
            reply.sent(now)
        self._rest = data[taken:rest_end]
        self._outbox_bytes = len(self._rest) + sum(len(reply.data) for reply in self._outbox)
        if self._outbox_bytes:
            self._writable.unpark()
        else:
            self._drained.unpark_all()

    async def write_for_ever(self, count: Callable[[str], None]) -> None:
        """Wait for room in the kernel's buffer whenever a flush left something behind.

        A peer that takes nothing for `WRITE_STALL_MAX_S` is given up: the line is closed.
        """
        while not self.closed:
            while not self._outbox_bytes:
                await self._writable.park()
            with (
                trio.move_on_after(limits.WRITE_STALL_MAX_S) as patience,
                contextlib.suppress(trio.ClosedResourceError),
            ):
                await trio.lowlevel.wait_writable(self._socket)
            if patience.cancelled_caught:
                count("connections_slow")
                self.close()
            self.flush()

    # ---- requests

    async def read_for_ever(self, on_bytes: OnBytes) -> None:
        """Pass what arrives to `on_bytes` until the peer ends, framing is lost, or `stop_reading` is called.

        A line whose peer does not read its replies is not read either, until it has taken them.
        """
        with self._reading:
            await self._read(on_bytes)

    def stop_reading(self) -> None:
        """Take no more requests. What is owed is still sent."""
        self._reading.cancel()

    async def _read(self, on_bytes: OnBytes) -> None:
        while not self.lost_framing:
            while self._outbox_bytes > limits.OUTBOX_MAX_BYTES and not self.closed:
                await self._drained.park()
            if self.closed:
                return  # a peer that reset the connection while it was not read: there is no socket to wait for
            try:
                await trio.lowlevel.wait_readable(self._socket)
                if self._reading.cancel_called:
                    return  # bytes came in the same moment as `stop_reading`: nothing is decided after it
                data, ancillary, _flags, _peer = self._socket.recvmsg(limits.READ_MAX_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                continue
            except (OSError, trio.ClosedResourceError):
                return
            if not data:
                return
            on_bytes(self, data, trio.current_time() - _age_s(ancillary))

    async def linger(self) -> None:
        """End our side, and wait until the peer's kernel has all that ours took; then it is safe to close.

        Closing with unread requests in the kernel would reset the connection and destroy replies that count as sent,
        so they are read away. Nothing that is read here is decided.
        """
        if self.closed:
            return
        with trio.move_on_after(limits.LINGER_MAX_S), contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while self._reads_away() and _unacknowledged(self._socket):  # noqa: ASYNC110 - the kernel tells nobody
                await trio.sleep(LINGER_POLL_S)

    def _reads_away(self) -> bool:
        """Drop what the peer has sent since. False once it has ended its side."""
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(limits.READ_MAX_BYTES):
                pass
            return False
        return True

    async def settled(self) -> None:
        """Return when nothing is owed to this line any more, the last byte included, or it is closed."""
        while (self.owed or self._rest) and not self.closed:
            await self._drained.park()

    def resolved(self) -> None:
        """One reply of this line was sent or dropped."""
        self.owed -= 1
        if not self.owed:
            self._drained.unpark_all()

    def close(self) -> None:
        """Idempotent. Replies in the outbox reach their deadlines unsent, and are dropped there."""
        if self.closed:
            return
        self.closed = True
        self._outbox.clear()
        self._outbox_bytes = 0
        self._drained.unpark_all()
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()


class Listener:
    """Accepts the lines of one link and runs each until it ends."""

    def __init__(self, link: Link, count: Callable[[str], None]) -> None:
        self.link = link
        self.lines: set[Line] = set()
        self._touched: set[Line] = set()
        self._count = count
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
            line = Line(self.link, sock, self._touched)
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


def _age_s(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Seconds that the bytes of a read had waited in the kernel; 0.0 where it does not say."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            age: float = time.time() - (seconds + nanoseconds / 1e9)
            return min(max(age, 0.0), AGE_MAX_S)
    return 0.0


def _unacknowledged(sock: socket.socket) -> int:
    """Bytes, our end of stream included, that the peer's kernel has not acknowledged yet (SIOCOUTQ of tcp(7))."""
    count = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, count)
    return count[0]
