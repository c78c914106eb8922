"""The driver's connections in trio's own loop: what it reads and writes is read and written by the thread that decides.

The driver brings a loop of its own, libev in a thread of its own. Each statement then crosses threads twice, and each
crossing waits for the interpreter's lock while a busy trio holds it. Here an append is handed to the kernel in the step
that made it, and its answer is taken by the task that the kernel woke. The driver's other threads (connecting,
heartbeats) go on: what they send is sent by trio's.

Owns sockets and timers, by the driver's own seam for that (`cassandra.connection.Connection`). Knows no statement.
"""

import contextlib
import heapq
import itertools
import math
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import structlog
import trio
from cassandra.connection import Connection, ConnectionShutdown

RECEIVE_BYTES = 65_536
"""Taken from a socket at a time. More than a TLS record, so that nothing stays behind where no kernel tells of it."""

log = structlog.get_logger()


class TrioLoop:
    """The loop of the trio that it is made in, for connections of any thread."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.get_ident()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._sooner = trio.lowlevel.ParkingLot()
        self._ringing = False
        self._next = math.inf

    def do(self, step: Callable[[], None]) -> bool:
        """Take a step in trio's thread: at once where this is it. False where trio has ended: nothing is done then."""
        if threading.get_ident() == self._thread:
            step()
            return True
        try:
            self._token.run_sync_soon(step)
        except trio.RunFinishedError:
            return False
        return True

    def call_later(self, seconds: float, callback: Callable[[], None]) -> "Timer":
        """Call back in trio's thread, unless the timer is cancelled before."""
        timer = Timer(callback)
        # The clock is trio's, which only its thread may ask: from another, the wait begins a moment later.
        self.do(lambda: self._add(trio.current_time() + seconds, timer))
        return timer

    def _add(self, due: float, timer: "Timer") -> None:
        heapq.heappush(self._timers, (due, next(self._numbers), timer))
        if not self._ringing:
            self._ringing = self.spawn(self._ring)
        elif due < self._next:
            self._sooner.unpark()

    def spawn(self, task: Callable[[], Awaitable[None]]) -> bool:
        """Start a task, in trio's thread. False where trio is ending, and takes none any more."""
        try:
            trio.lowlevel.spawn_system_task(task)
        except RuntimeError:
            return False
        return True

    async def _ring(self) -> None:
        try:
            while self._timers:
                self._next = self._timers[0][0]
                if self._next > trio.current_time():
                    with trio.move_on_at(self._next):
                        await self._sooner.park()
                    continue
                _due, _number, timer = heapq.heappop(self._timers)
                timer.ring()
        finally:
            self._ringing = False


class Timer:
    """One call to come, as the driver wants it."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """In any thread; harmless afterwards."""
        self._callback = None

    def ring(self) -> None:
        callback, self._callback = self._callback, None
        if callback is None:
            return
        try:
            callback()
        except Exception:
            log.exception("the Cassandra driver failed in a timer")


class MendedConnection(Connection):  # type: ignore[misc]
    """What the driver gets wrong in every loop of its own, until it does not (3.30.1).

    Of a segment's header that a read cut in two it drops the first part, takes what follows for another header, finds
    that the checksum is wrong and gives up the connection: now and then, in a large answer. And whether a node that was
    just connected takes a keyspace it waits for without an end, in one of two threads that connect.
    """

    def _process_segment_buffer(self) -> None:
        if self._io_buffer.readable_io_bytes() >= self._segment_codec.header_length_with_crc:
            super()._process_segment_buffer()
            return
        self._io_buffer._segment_consumed = False  # noqa: SLF001 - as the method that this stands for
        self._io_buffer.io_buffer.seek(0)

    def wait_for_response(self, msg: Any, timeout: float | None = None, **options: Any) -> Any:
        """As the driver's, but never for ever."""
        return super().wait_for_response(msg, timeout=timeout or self.connect_timeout, **options)


class TrioConnection(MendedConnection):
    """One connection of the driver's. Its socket is touched by trio's thread alone, once it is connected."""

    loop: ClassVar[TrioLoop]
    is_closed: bool
    last_error: Exception | None

    @classmethod
    def within(cls, loop: TrioLoop) -> type["TrioConnection"]:
        """The class of connections in this loop, which is how the driver wants to be told."""
        return type(cls.__name__, (cls,), {"loop": loop})

    @classmethod
    def create_timer(cls, timeout: float, callback: Callable[[], None]) -> Timer:
        return cls.loop.call_later(timeout, callback)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Connects, in a thread of the driver's. Raises OSError."""
        super().__init__(*arguments, **options)
        self._unsent: deque[bytes] = deque()
        self._waits_for_room = False
        self._connect_socket()
        self._socket.setblocking(False)
        self._send_options_message()
        self.loop.do(self._begin)

    def _begin(self) -> None:
        if not self.is_closed:
            self.loop.spawn(self._read_for_ever)

    def push(self, data: bytes) -> None:
        """Send, in any thread, after everything that was pushed before."""
        self._unsent.append(data)
        self.loop.do(self._flush)

    def _flush(self) -> None:
        """Hand to the kernel what it takes. What it leaves waits for room, or for what TLS has to read first."""
        if self.is_closed or self._waits_for_room:
            return
        try:
            while self._unsent:
                data = self._unsent[0]
                sent = self._socket.send(data)
                if sent < len(data):
                    self._unsent[0] = data[sent:]
                else:
                    self._unsent.popleft()
        except ssl.SSLWantReadError:
            pass  # the reader flushes once it has read
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._waits_for_room = self.loop.spawn(self._until_room)
        except OSError as error:
            self.defunct(error)

    async def _until_room(self) -> None:
        # Never of a closed socket: trio would wait for number -1, and take the next one that does for a mistake.
        if not self.is_closed:
            with contextlib.suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_writable(self._socket)
        self._waits_for_room = False
        self._flush()

    async def _read_for_ever(self) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            while not self.is_closed:
                await trio.lowlevel.wait_readable(self._socket)
                self._read()

    def _read(self) -> None:
        """What is there, once. An answer that can't be understood ends the connection, never trio."""
        if self.is_closed:
            return
        try:
            data = self._socket.recv(RECEIVE_BYTES)
            if data:
                self._iobuf.write(data)
                self.process_io_buffer()
                self._flush()
            else:
                self.close()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, this connection is of no use any more
            self.defunct(error)

    def close(self) -> None:
        """In any thread. Whatever was asked and not answered fails."""
        with self.lock:
            if self.is_closed:
                return
            self.is_closed = True
        self._unsent.clear()
        if not self.loop.do(self._close_socket):
            self._socket.close()
        if not self.is_defunct:
            ended = ConnectionShutdown(f"Connection to {self.endpoint} was closed")
            if not self.connected_event.is_set():
                self.last_error = self.last_error or ended
            self.error_all_requests(ended)
            self.connected_event.set()

    def _close_socket(self) -> None:
        if self._socket.fileno() >= 0:
            with contextlib.suppress(RuntimeError):  # trio has ended, and this is its thread
                trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
