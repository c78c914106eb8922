"""The driver's connections in trio's loop, against a peer that is a bare socket: bytes, ends, threads and timers."""

import fcntl
import socket
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
import trio
from cassandra.connection import ConnectionException, ConnectionShutdown, segment_codec_no_compression

from authoriser.cassandra.reactor import Timer, TrioConnection, TrioLoop

PATIENCE_S = 10


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(PATIENCE_S)
        yield ours, theirs


def connected(loop: TrioLoop, ours: socket.socket) -> TrioConnection:
    """A connection over a socket that is there already. It has asked for the peer's options, as all do first."""

    class Given(TrioConnection.within(loop)):  # type: ignore[misc]
        def _connect_socket(self) -> None:
            self._socket = ours

    return Given("peer", 1)


async def _received(theirs: socket.socket, count: int) -> bytes:
    def receive() -> bytes:
        data = b""
        while len(data) < count and (more := theirs.recv(65_536)):
            data += more
        return data

    return await trio.to_thread.run_sync(receive)


async def greeted(pair: tuple[socket.socket, socket.socket]) -> tuple[TrioConnection, socket.socket]:
    """A connection in this trio, and its peer, which has taken what it asked first."""
    ours, theirs = pair
    connection = connected(TrioLoop(), ours)
    assert await _received(theirs, 1)
    return connection, theirs


def _unread(sock: socket.socket) -> int:
    """Bytes that came and were not received."""
    return int.from_bytes(fcntl.ioctl(sock, termios.FIONREAD, bytes(4)), sys.byteorder)


async def _until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not holds():
            await trio.sleep(0.001)


async def test_what_is_sent_leaves_whole_and_in_order_though_the_peer_is_slow(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Five megabytes in four pieces, more than any buffer of the kernel's takes, while nobody reads at first."""
    connection, theirs = await greeted(pair)
    pieces = [bytes([number]) * 1_250_000 for number in range(4)]
    for piece in pieces:
        connection.push(piece)
    await trio.sleep(0.02)
    assert connection._unsent
    assert await _received(theirs, 5_000_000) == b"".join(pieces)
    connection.close()


async def test_a_connection_that_ends_while_it_waits_for_room_ends_alone(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """What did not fit, and the end, in one step, twice: trio would have waited for a socket that has no number."""
    for ours, theirs in (pair, socket.socketpair()):
        with ours, theirs:
            connection, _ = await greeted((ours, theirs))
            connection.push(b"x" * 5_000_000)
            connection.close()
            await _until(lambda ours=ours: ours.fileno() == -1)
            assert (connection.is_closed, ours.fileno(), len(connection._unsent)) == (True, -1, 0)


@pytest.mark.parametrize("cut", [1, 3, 5, 6, 7, 24, 26, 28, 29, 30, 45])
async def test_an_answer_arrives_wherever_the_network_cuts_it(
    pair: tuple[socket.socket, socket.socket], cut: int
) -> None:
    """Two frames in a segment each (protocol v5): in a header's middle the driver alone would lose its place."""
    connection, theirs = await greeted(pair)
    connection._enable_checksumming()
    heard: list[bytes] = []
    data = BytesIO()
    for stream in (7, 8):
        connection._requests[stream] = (heard.append, lambda *given: bytes(given[5]), None)
        body = b"answer %d" % stream
        segment_codec_no_compression.encode(data, struct.pack(">BBhBi", 0x85, 0, stream, 8, len(body)) + body)
    whole = data.getvalue()
    theirs.send(whole[:cut])
    await _until(lambda: _unread(pair[0]) == 0)
    theirs.send(whole[cut:])
    await _until(lambda: len(heard) == 2 or connection.is_closed)
    assert heard == [b"answer 7", b"answer 8"]
    connection.close()


async def test_another_thread_sends_and_closes_through_trio(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """The socket is touched by trio's thread alone: what a thread pushes comes out, and then the end."""
    connection, theirs = await greeted(pair)
    await trio.to_thread.run_sync(connection.push, b"hello")
    assert await _received(theirs, 5) == b"hello"
    await trio.to_thread.run_sync(connection.close)
    await _until(lambda: pair[0].fileno() == -1)
    assert await _received(theirs, 1) == b""


async def test_a_peer_that_ends_while_it_is_asked_is_a_failed_connect(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Whoever waits for the connection is told at once, and not after the time for connecting."""
    connection, theirs = await greeted(pair)
    theirs.close()
    with trio.fail_after(PATIENCE_S):
        assert await trio.to_thread.run_sync(connection.connected_event.wait, PATIENCE_S)
    assert isinstance(connection.last_error, ConnectionShutdown)
    assert connection.is_closed


async def test_an_answer_that_is_none_ends_its_connection_and_not_trio(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    connection, theirs = await greeted(pair)
    theirs.send(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
    await _until(lambda: connection.is_closed)
    assert connection.last_error is not None


async def test_a_peer_that_resets_ends_its_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    """What was on its way fails: whoever waits for an answer hears of it."""
    ours, theirs = pair
    connection = connected(TrioLoop(), ours)
    answers: list[object] = []
    connection._requests[7] = (answers.append, None, None)
    theirs.close()
    connection.push(b"x" * 100)
    await _until(lambda: len(answers) == 1)
    assert isinstance(answers[0], ConnectionShutdown)


async def test_timers_ring_in_their_order_and_not_when_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A later one that was set first does not hold up the others; one whose callback fails neither."""
    loop, rung = TrioLoop(), list[tuple[str, float]]()
    began = trio.current_time()

    def ring(name: str) -> Callable[[], None]:
        return lambda: rung.append((name, round(trio.current_time() - began, 3)))

    def fail() -> None:
        raise ValueError("in a timer")

    loop.call_later(5.0, ring("late"))
    await trio.sleep(0.5)
    loop.call_later(0.5, ring("soon"))
    loop.call_later(0.6, fail)
    loop.call_later(1.0, ring("never")).cancel()
    await trio.sleep(6)
    assert rung == [("soon", 1.0), ("late", 5.0)]


def test_when_trio_has_ended_nothing_is_done_and_nothing_raised(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """The driver's threads outlive it: what they send then goes nowhere, and closing still closes."""
    made: list[TrioConnection] = []

    async def main() -> None:
        made.append((await greeted(pair))[0])

    trio.run(main)
    (connection,) = made
    done: list[Timer] = []

    def late() -> None:
        connection.push(b"late")
        done.append(connection.create_timer(1.0, lambda: None))
        connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    thread.join(PATIENCE_S)
    assert (len(done), pair[0].fileno()) == (1, -1)


async def test_a_node_that_takes_no_keyspace_is_waited_for_no_longer_than_for_a_connection(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """It answered the handshake and fell silent: one of the driver's two connecting threads would wait for ever."""
    connection, _theirs = await greeted(pair)
    connection.connect_timeout = 0.05
    with trio.fail_after(PATIENCE_S), pytest.raises(ConnectionException, match="keyspace"):
        await trio.to_thread.run_sync(connection.set_keyspace_blocking, "authoriser")
    assert connection.is_defunct
