"""A line whose peer stalls or goes away, on a socket pair and a clock of the test's own."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
import trio

from authoriser import limits
from authoriser.answers import AnswerDesk
from authoriser.configured_link import policy_of
from authoriser.link import Line, Link
from authoriser.listener import Listener
from isowire import FRAMINGS, Codec, load_dialect

DEADLINE_S = 2.0


@pytest.fixture
def desk() -> AnswerDesk:
    return AnswerDesk(void=lambda _answer: None)


@pytest.fixture
def link() -> Link:
    dialect = load_dialect("iso87-ascii")
    return Link(
        name="test",
        network="test",
        listen=("127.0.0.1", 0),
        dialect=dialect,
        codec=Codec(dialect),
        framing=FRAMINGS["bin2"],
        policy=policy_of(dialect, int(DEADLINE_S * 1000)),
        reply_deadline_s=DEADLINE_S,
        frame_length_max_bytes=4096,
        connections_max=10,
    )


@pytest.fixture
def ends(link: Link) -> Iterator[tuple[Line, socket.socket]]:
    """A line, and the peer's end of it."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield Line(link, ours, set()), theirs


def fill(line: Line) -> None:
    """Leave no room in the kernel's buffer."""
    with contextlib.suppress(BlockingIOError):
        while line._socket.send(b"x" * 65_536):
            pass


def drain(theirs: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            data = theirs.recv(1 << 20)
        except BlockingIOError:
            return received
        if not data:
            return received
        received += data


def owe(desk: AnswerDesk, line: Line, data: bytes) -> None:
    desk.expect(line, data, arrived=trio.current_time(), deadline_s=DEADLINE_S).release()
    line.flush()


def remember(heard: list[bytes]) -> Callable[[Line, bytes, float], None]:
    return lambda _line, data, _arrived: heard.append(data)


async def test_reading_goes_on_when_all_that_waited_was_dropped(
    desk: AnswerDesk, ends: tuple[Line, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """A peer that reads again after its replies' deadline is read again, though nothing was left to send."""
    line, theirs = ends
    heard: list[bytes] = []
    fill(line)
    owe(desk, line, b"r" * (limits.OUTBOX_MAX_BYTES + 1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.run)
        nursery.start_soon(line.write_for_ever, lambda _name: None)
        nursery.start_soon(line.read_for_ever, remember(heard))
        theirs.send(b"the next request")
        await trio.sleep(DEADLINE_S + 1)
        assert ([], 0) == (heard, line.owed)
        assert b"r" not in drain(theirs)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [b"the next request"] == heard


async def test_a_line_closed_while_it_is_not_read_ends(
    desk: AnswerDesk, ends: tuple[Line, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """A peer that goes away with a full outbox ends its line, and raises nothing out of it."""
    line, theirs = ends
    fill(line)
    owe(desk, line, b"r" * (limits.OUTBOX_MAX_BYTES + 1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.write_for_ever, lambda _name: None)
        nursery.start_soon(line.read_for_ever, remember([]))
        await trio.sleep(0.1)
        assert not line.closed
        theirs.close()
    assert line.closed


async def test_a_peer_that_takes_nothing_is_given_up(
    desk: AnswerDesk, ends: tuple[Line, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """After WRITE_STALL_MAX_S without one byte taken the line is closed, and counted."""
    line, theirs = ends
    counted: list[str] = []
    fill(line)
    owe(desk, line, b"r")
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.write_for_ever, counted.append)
        await line.read_for_ever(remember([]))
    assert (["connections_slow"], True) == (counted, line.closed)
    assert limits.WRITE_STALL_MAX_S == pytest.approx(trio.current_time() - began)
    assert b"r" not in drain(theirs)


async def test_the_end_of_a_reply_is_owed_too(
    desk: AnswerDesk, ends: tuple[Line, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """A line has settled when the last byte of a reply is with the kernel, not when the first is."""
    line, theirs = ends
    reply = b"r" * 4_000_000
    received = b""
    owe(desk, line, reply)
    assert 0 == line.owed
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.write_for_ever, lambda _name: None)
        with trio.move_on_after(1) as waited:
            await line.settled()
        assert waited.cancelled_caught
        while len(received) < len(reply):
            received += drain(theirs)
            await trio.sleep(0.001)
        await line.settled()
        nursery.cancel_scope.cancel()
    assert reply == received


class WhenScheduled(trio.abc.Instrument):
    """Calls back in the moment when a task of that name is to run next: what it waited for has come already."""

    def __init__(self, name: str, call: Callable[[], None]) -> None:
        self._name = name
        self._call = call

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        if task.name.endswith(self._name):
            self._call()


async def test_nothing_is_read_after_stop_reading(ends: tuple[Line, socket.socket]) -> None:
    """Bytes that came in the same moment stay unread: whoever stops a line may count on it at once."""
    line, theirs = ends
    heard: list[bytes] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.read_for_ever, remember(heard))
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(WhenScheduled("read_for_ever", line.stop_reading))
        theirs.send(b"a request")
    assert [] == heard
    assert b"a request" == line._socket.recv(100)


async def test_no_line_is_accepted_after_stop(link: Link) -> None:
    """A connection that came in the same moment is not taken: it would miss that reading has ended."""
    counted: list[str] = []
    listener = Listener(link, counted.append)
    listener.bind()
    with socket.socket() as theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.run, remember([]))
            await trio.testing.wait_all_tasks_blocked()
            trio.lowlevel.add_instrument(WhenScheduled("Listener.run", listener.stop))
            theirs.connect(listener.address)
    assert [] == counted


async def test_the_address_outlives_the_sockets(link: Link) -> None:
    """A drained listener still says where it was: the status is asked for until the very end."""
    listener = Listener(link, lambda _name: None)
    listener.bind()
    host, port = listener.address
    assert ("127.0.0.1", True) == (host, port > 0)
    listener.stop()
    await listener.run(remember([]))
    assert (host, port) == listener.address
