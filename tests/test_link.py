"""A line on a real socket: what counts as sent when the kernel takes only part of it."""

import socket
from collections.abc import Iterator

import pytest
import trio

from authoriser.answers import Answer, AnswerDesk
from authoriser.arrival import LoopWatch
from authoriser.configured_link import policy_of
from authoriser.link import Line, Link
from isowire import FRAMINGS, Codec, load_dialect

BIG = 4_000_000
"""More than a socket pair's buffers hold."""


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
        policy=policy_of(dialect, 2000),
        reply_deadline_s=2.0,
        frame_length_max_bytes=4096,
        connections_max=10,
    )


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with theirs:
        yield ours, theirs
    ours.close()


def drain(sock: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            data = sock.recv(1 << 20)
        except BlockingIOError:
            return received
        if not data:
            return received
        received += data


async def test_one_byte_taken_is_sent_and_the_rest_follows(
    link: Link, ends: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """The kernel takes part of the first reply: that one is sent, whole in the end; the second one goes void."""
    ours, theirs = ends
    voided: list[str] = []
    desk = AnswerDesk(void=lambda answer: voided.append(answer.key))
    line = Line(link, ours, set())
    first, second = (
        desk.open_answer(key, "acc", number, "test") for number, key in enumerate(("first", "second"), 1)
    )
    for answer, data in ((first, b"1" * BIG), (second, b"2" * 10)):
        desk.expect(line, data, arrived=trio.current_time(), deadline_s=2.0, answer=answer).release()
    line.flush()
    assert desk.joined("first") is None
    await trio.sleep(3)
    desk.sweep(trio.current_time())
    received = b""
    while chunk := drain(theirs):
        received += chunk
        line.flush()
    assert (voided, received == b"1" * BIG, line.owed) == (["second"], True, 0)


async def test_replies_that_are_ready_together_leave_in_one_send(
    link: Link, ends: tuple[socket.socket, socket.socket]
) -> None:
    """Three replies, one flush, one piece at the other end."""
    ours, theirs = ends
    desk = AnswerDesk(void=lambda _answer: None)
    line = Line(link, ours, set())
    for data in (b"one", b"two", b"three"):
        desk.expect(line, data, arrived=trio.current_time(), deadline_s=2.0).release()
    line.flush()
    assert theirs.recv(100) == b"onetwothree"


async def test_a_broken_connection_sends_nothing_and_voids_later(
    link: Link, ends: tuple[socket.socket, socket.socket]
) -> None:
    """The peer is gone when the reply is ready: the line closes, and the answer waits for its deadline."""
    ours, theirs = ends
    voided: list[Answer] = []
    desk = AnswerDesk(void=voided.append)
    line = Line(link, ours, set())
    theirs.close()
    answer = desk.open_answer("key", "acc", 1, "test")
    arrived = trio.current_time()
    reply = desk.expect(line, b"reply", arrived=arrived, deadline_s=2.0, answer=answer)
    reply.release()
    line.flush()
    before = list(voided)
    desk.sweep(arrived + 2.0)
    assert (line.closed, before, voided, desk.outstanding) == (True, [], [answer], 0)


async def test_a_line_that_ends_with_unread_requests_loses_no_reply(link: Link) -> None:
    """Closing with unread bytes would reset the connection; a line that lingers lets the peer read all it was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    ours.setblocking(False)
    desk = AnswerDesk(void=lambda _answer: None)
    line = Line(link, ours, set())
    theirs.sendall(b"a request that nobody will read" * 100)
    desk.expect(line, b"reply" * 1_000, arrived=trio.current_time(), deadline_s=2.0).release()
    line.flush()
    await line.linger()
    line.close()
    received = b""
    with theirs:
        while data := theirs.recv(1 << 16):
            received += data
    assert received == b"reply" * 1_000


async def test_bytes_that_waited_while_the_line_was_not_read_are_as_old_as_that(
    link: Link, ends: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """A slow reader's request lies unread for three seconds; younger bytes behind it do not make it look young."""
    ours, theirs = ends
    desk = AnswerDesk(void=lambda _answer: None)
    line = Line(link, ours, set())
    arrivals: list[float] = []
    desk.expect(line, b"1" * BIG, arrived=trio.current_time(), deadline_s=60.0).release()
    line.flush()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.read_for_ever, lambda _line, _data, arrived: arrivals.append(arrived))
        theirs.send(b"a request")
        await trio.sleep(3)
        theirs.send(b"an echo")
        while drain(theirs):
            line.flush()
        await trio.testing.wait_all_tasks_blocked()
        theirs.send(b"a later one")
        await trio.sleep(0.1)
        line.stop_reading()
    assert arrivals == [began, began + 3]


async def test_a_stalled_loop_makes_what_it_finds_as_old_as_its_last_look(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What a look finds at once may have come right after the look before; what it waited for has just come."""
    watch = LoopWatch()
    bounds = []
    for looked_for_s in (5.0, 0.0, 2.0):
        watch.before_io_wait(0)
        autojump_clock.jump(looked_for_s)
        watch.after_io_wait(0)
        bounds.append(watch.bound)
        autojump_clock.jump(1.0)  # the tasks that then ran
    assert bounds == [5.0, 5.0, 9.0]
