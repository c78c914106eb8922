"""A line under TLS: what `link.Line` is, with records in place of bytes.

Owns the handshake, and the choice between sent and void where replies are encrypted. A record, once written, can't be
taken back: the ones behind it could not be read. So nothing is encrypted before the kernel has room for it, and then a
record at a time; its replies are sent when the kernel has taken a byte of it, and void as before when it has not. Where
the kernel takes nothing after all, and one of them reaches its deadline, the line is closed rather than say it late.

Bytes are read from the socket as on any line, so the kernel's stamps say when they came, TLS or not. trio's SSLStream
would have hidden both: its sending awaits, and its receiving has no stamps.
"""

import contextlib
import select
import socket
import ssl
from collections.abc import Callable

import trio

from authoriser import limits
from authoriser.arrival import ANCILLARY_BYTES, LoopWatch
from authoriser.link import Line, Link, OnBytes, Outgoing
from authoriser.tls import Session, words


class TlsLine(Line):
    """One connection under TLS. `open` has to come first."""

    def __init__(
        self,
        link: Link,
        sock: socket.socket,
        touched: set[Line],
        watch: LoopWatch | None = None,
        *,
        tls: Session,
    ) -> None:
        super().__init__(link, sock, touched, watch)
        self._session = tls
        self._record = b""
        """Encrypted, and no byte of it with the kernel. `_rest` has what is, or answers nobody."""
        self._in_record: list[Outgoing] = []
        self._opening = trio.CancelScope()
        self._opened_at = 0.0
        self._room = select.poll()
        self._room.register(sock, select.POLLOUT)

    # ---- the handshake

    async def open(self, count: Callable[[str], None]) -> bool:
        """Shake hands. False, with `problem` in words, where that fails or takes too long."""
        with self._opening, trio.move_on_after(limits.TLS_HANDSHAKE_MAX_S) as patience:
            try:
                await self._shake_hands()
            except ssl.SSLError as error:
                self.problem = words(error)
            except (OSError, trio.ClosedResourceError):
                self.problem = "the peer ended the connection before TLS was agreed on"
            else:
                return True
        if self._opening.cancelled_caught:
            return False
        if patience.cancelled_caught:
            self.problem = f"no TLS within {limits.TLS_HANDSHAKE_MAX_S:g} s: the peer may not speak it"
        count("tls_failures")
        await super().linger()  # so that the alert reaches the peer
        return False

    async def _shake_hands(self) -> None:
        """Raises ssl.SSLError, OSError, trio.ClosedResourceError."""
        session = self._session
        while True:
            try:
                session.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._hand_over(session.outgoing.read())
            except ssl.SSLError:
                await self._hand_over(session.outgoing.read())
                raise
            else:
                await self._hand_over(session.outgoing.read())
                return
            await trio.lowlevel.wait_readable(self._socket)
            with contextlib.suppress(BlockingIOError):
                data, ancillary, _flags, _peer = self._socket.recvmsg(limits.READ_MAX_BYTES, ANCILLARY_BYTES)
                if not data:
                    raise ConnectionResetError
                self._opened_at = self._arrived(len(data), ancillary)
                session.incoming.write(data)

    async def _hand_over(self, data: bytes) -> None:
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._socket)

    # ---- requests

    async def read_for_ever(self, on_bytes: OnBytes) -> None:
        def on_records(_line: Line, data: bytes, arrived: float) -> None:
            self._session.incoming.write(data)
            plain = self._decrypted()
            self._queue_our_own()
            if plain:
                on_bytes(self, plain, arrived)
            elif self._rest:
                self.flush()

        # Requests may have come behind the last message of the handshake.
        on_records(self, b"", self._opened_at)
        await super().read_for_ever(on_records)

    def _decrypted(self) -> bytes:
        """What the records that are whole by now hold. What is no record ends the line, as lost framing does."""
        parts = []
        try:
            while part := self._session.tls.read(limits.READ_MAX_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts)
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError as error:
            self.problem = words(error)
            self.lost_framing = True
            return b"".join(parts)
        self.stop_reading()  # the peer has ended its side, in order
        return b"".join(parts)

    def stop_reading(self) -> None:
        self._opening.cancel()
        super().stop_reading()

    # ---- replies

    def flush(self) -> None:
        """As `Line.flush`, a record at a time."""
        while not self.closed:
            if (self._rest or self._record) and not self._send_encrypted():
                return
            if not self._outbox:
                return
            if not self._room.poll(0):
                self._writable.unpark()
                return
            self._encrypt()

    def _encrypt(self) -> None:
        """Of the outbox what fits one record, and at least one reply, less what is too late by now."""
        now = trio.current_time()
        size = 0
        plain = []
        while self._outbox:
            reply = self._outbox[0]
            if size and size + len(reply.data) > limits.TLS_RECORD_BYTES:
                break
            self._outbox.popleft()
            if reply.sendable(now):
                plain.append(reply.data)
                size += len(reply.data)
                self._in_record.append(reply)
        left = memoryview(b"".join(plain))
        try:
            while left:
                left = left[self._session.tls.write(left) :]
        except ssl.SSLError as error:
            self.problem = self.problem or words(error)
            self.close()
            return
        self._queue_our_own()

    def _queue_our_own(self) -> None:
        """Whatever TLS has to say goes behind what it has said: the order of records can't change."""
        said = self._session.outgoing.read()
        if self._in_record:
            self._record += said
        else:
            self._rest += said
        self._account()

    def _send_encrypted(self) -> bool:
        """Whether the kernel took everything that is encrypted."""
        now = trio.current_time()
        if not all(reply.sendable(now) for reply in self._in_record):
            self.problem = "the peer took nothing of a record until an answer in it was too late"
            self.close()
            return False
        data = self._rest + self._record
        taken = self._send(data)
        if taken is None:
            return False
        if taken > len(self._rest):
            for reply in self._in_record:
                reply.sent(now)
            self._in_record.clear()
            self._rest, self._record = data[taken:], b""
        else:
            self._rest = self._rest[taken:]
        self._account()
        if self._rest or self._record:
            self._writable.unpark()
            return False
        return True

    def _account(self) -> None:
        waiting = sum(len(reply.data) for reply in self._outbox)
        self._outbox_bytes = len(self._rest) + len(self._record) + waiting
        if not self._outbox_bytes:
            self._drained.unpark_all()

    # ---- the end

    async def linger(self) -> None:
        """Say that nothing follows, then as `Line.linger`."""
        if not self.closed:
            with contextlib.suppress(ssl.SSLError):
                self._session.tls.unwrap()
            self._queue_our_own()
            self.flush()
        await super().linger()

    def close(self) -> None:
        if not self.closed:
            self._in_record.clear()
            self._record = b""
        super().close()
