"""A line is one connection of a network; a link is what all lines of one door share, whoever dialled them.

Owns the connected sockets: raw and non-blocking, because the choice between sent and void must be made in the very
step that hands the bytes to the kernel, with no await between. Replies that are ready together leave in one send. Knows
nothing of what is in a frame: the pipeline is called with bytes and answers through the desk.
"""

import array
import contextlib
import fcntl
import socket
import termios
from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio
from msgspec import Struct

from authoriser import limits
from authoriser.arrival import ANCILLARY_BYTES, LoopWatch, age_s
from authoriser.ledger.commands import Policy
from isowire import Codec, Dialect, FrameReader, Framing, Message

OnBytes = Callable[["Line", bytes, float], None]
"""Takes what one read brought, and when it arrived, in seconds of `trio.current_time`."""

SETTLE_MARGIN_S = 1.0
"""Beyond the reply deadline, for the rest of a reply whose first byte has left."""
LINGER_POLL_S = 0.005
"""Between two looks at what the peer has acknowledged: a few round trips on a local network."""
LINGER_READS_MAX = 16
"""Reads thrown away between two looks, so that a peer that floods does not hold the loop."""


class Outgoing(Protocol):
    """What an outbox holds: a reply of the desk's, or a message of our own."""

    data: bytes

    def sendable(self, now: float) -> bool:
        """Whether it may begin to leave at `now`. Once it may not, it never may."""

    def sent(self, now: float) -> None:
        """A byte of it was handed to the kernel."""


class Asked(Protocol):
    """Something that we asked the network on a line."""

    def hears(self, message: Message) -> bool:
        """Whether a response answers it."""


class Link(Struct, frozen=True):
    """What all lines of one door share. `listen` is host and port of the door; a listener's port 0 takes a free one."""

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

    def __init__(
        self, link: Link, sock: socket.socket, touched: set["Line"], watch: LoopWatch | None = None
    ) -> None:
        """`touched` is where the line puts itself when a reply became ready, to be flushed with the others."""
        self._watch = watch if watch is not None else LoopWatch()
        self._behind_since = float("inf")
        """While bytes may wait in the kernel unread: the earliest that they can have come."""
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
        self.asked: Asked | None = None
        """What the network owes us an answer to, if we asked anything."""
        self.problem = ""
        """Why it ended, in words, where somebody should hear of that."""
        self._socket = sock
        self._outbox: deque[Outgoing] = deque()
        self._outbox_bytes = 0
        self._rest = b""
        self._writable = trio.lowlevel.ParkingLot()
        self._drained = trio.lowlevel.ParkingLot()
        self._reading = trio.CancelScope()

    async def open(self, count: Callable[[str], None]) -> bool:  # noqa: ARG002 - of a line that has more to do
        """What has to come before the first message: nothing, on a plain line. False where it failed."""
        return True

    # ---- replies

    def take(self, reply: Outgoing) -> None:
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

    def _settle(self, replies: list[Outgoing], data: bytes, taken: int, now: float) -> None:
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
                self._behind_since = min(self._behind_since, trio.current_time())
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
            on_bytes(self, data, self._arrived(len(data), ancillary))

    def _arrived(self, count: int, ancillary: list[tuple[int, int, bytes]]) -> float:
        """The earliest that `count` bytes just read can have come, and note whether more may be waiting."""
        now = trio.current_time()
        arrived = min(now - age_s(ancillary), self._watch.bound, self._behind_since)
        self._behind_since = arrived if count == limits.READ_MAX_BYTES else float("inf")
        return arrived

    async def linger(self) -> None:
        """End our side, and wait until the peer's kernel has all that ours took; then closing costs no reply.

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
            for _ in range(LINGER_READS_MAX):
                if not self._socket.recv(limits.READ_MAX_BYTES):
                    return False
        return True

    async def settled(self) -> None:
        """Return when nothing is owed to this line any more, the last byte included, or it is closed.

        What is owed is sent or dropped by its deadline. A peer that leaves a reply half taken for a second more than
        that is not waited for: it would hold up the end of the process.
        """
        with trio.move_on_after(self.link.reply_deadline_s + SETTLE_MARGIN_S):
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


def _unacknowledged(sock: socket.socket) -> int:
    """Bytes, our end of stream included, that the peer's kernel has not acknowledged yet (SIOCOUTQ of tcp(7))."""
    count = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, count)
    return count[0]
