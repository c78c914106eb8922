"""Peers that behave badly with good messages: slow, gone, too many, all at once. Each costs itself alone."""

import os
import resource
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from authoriser import limits

if TYPE_CHECKING:
    from tests.server.conftest import Fields, Messages, Peer, Running

Start = Callable[..., Awaitable["Running"]]

SMALL_BUFFER_BYTES = 4_096
"""For a kernel that soon takes no more; Linux doubles it."""


def shrink_send_buffers(running: "Running") -> None:
    """Connections accepted from now on have send buffers of a few dozen replies."""
    listening = running.server.listeners[0]._sockets[0]
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)


async def is_served(running: "Running", peer: "Peer", request: "Fields", messages: "Messages") -> bool:
    """Whether a good request is approved, with its whole reply."""
    answer = await peer.ask(request)
    assert answer is not None
    return answer == messages.answer(request, "00", approval=answer["38"])


async def test_one_byte_at_a_time(running: "Running", messages: "Messages") -> None:
    """A request that comes byte by byte is answered; other lines are served between any two bytes of it."""
    slow, quick = await running.connect(), await running.connect()
    before = running.counts()
    request = messages.purchase()
    frame = slow.frame(messages.encode(request))
    others = 0
    for place in range(len(frame)):
        await slow.send_bytes(frame[place : place + 1])
        await trio.lowlevel.checkpoint()
        if place % 40 == 0:
            others += 1
            assert await is_served(running, quick, messages.numbered(others), messages)
    answer = await slow.receive()
    assert answer is not None
    assert messages.answer(request, "00", approval=answer["38"]) == answer
    served = others + 1
    assert {"frames": served, "replies": served, "approved": served} == running.counts() - before


async def test_half_close_after_sending(running: "Running", messages: "Messages") -> None:
    """A peer that has said all it has to say still gets its answers; then the server closes too."""
    peer = await running.connect()
    requests = [messages.numbered(stan) for stan in (1, 2, 3)]
    await peer.send(*requests)
    await peer.stream.send_eof()
    answers, _ = await peer.receive_until(None)
    codes = [f"{number:06}" for number in (5, 6, 7)]
    expected = [
        messages.answer(request, "00", approval=code) for request, code in zip(requests, codes, strict=True)
    ]
    assert expected == answers
    await running.until_lines(0)


async def test_connection_beyond_the_maximum(start: Start, messages: "Messages") -> None:
    """The one too many is closed at once and counted; the others are served, and its place is free again later."""
    running = await start(connections_max=2)
    await running.issue_card()
    first, second = await running.connect(), await running.connect()
    before = running.counts()
    assert await (await running.connect(sign_on=False)).receive() is None
    assert {"connections_refused": 1} == running.counts() - before
    assert await is_served(running, first, messages.numbered(1), messages)
    await second.close()
    await running.until_lines(1)
    assert await is_served(running, await running.connect(), messages.numbered(2), messages)


async def test_a_burst_of_connections_stays_within_the_maximum(start: Start) -> None:
    """Of twenty that come at once exactly three are kept, in whatever order their tasks start."""
    running = await start(connections_max=3)
    peers = [await running.connect(sign_on=False) for _ in range(20)]
    await running.until(lambda: running.counts()["connections_refused"] == 17)
    assert (3, 3) == (running.counts()["connections_accepted"], len(running.server.listeners[0].lines))
    assert len(peers) == 20


async def test_several_hundred_connections_at_once(running: "Running", messages: "Messages") -> None:
    """Three hundred lines ask at the same time; each gets the answer to its own request."""
    count = 300
    answers: dict[int, Fields | None] = {}

    async def one(stan: int) -> None:
        peer = await running.connect(sign_on=False)
        answers[stan] = await peer.ask(messages.numbered(stan))
        await peer.close()

    async with trio.open_nursery() as nursery:
        for stan in range(count):
            nursery.start_soon(one, stan)
    assert {f"{stan:06}" for stan in range(count)} == {answer["11"] for answer in answers.values() if answer}
    assert all(
        answer and answer["11"] == f"{stan:06}" and answer["39"] == "00" for stan, answer in answers.items()
    )
    assert count * 1999 == (await running.account()).held_minor


async def test_pipelined_requests_are_answered_on_their_own_line(
    running: "Running", messages: "Messages"
) -> None:
    """Fifty requests in one segment get fifty answers on that line, and the other line hears nothing of them."""
    busy, idle = await running.connect(), await running.connect()
    requests = [messages.numbered(stan) for stan in range(50)]
    await busy.send(*requests)
    answers = [await busy.receive() for _ in requests]
    assert {request["11"] for request in requests} == {answer["11"] for answer in answers if answer}
    await idle.stream.send_eof()
    assert ([], None) == await idle.receive_until(None)


async def test_slow_reader(start: Start, messages: "Messages") -> None:
    """What a peer doesn't read in time is void: its holds are released. Other lines don't notice."""
    running = await start(reply_deadline_ms=2_000)
    await running.issue_card()
    shrink_send_buffers(running)
    slow = await running.connect(receive_buffer_bytes=SMALL_BUFFER_BYTES)
    quick = await running.connect()
    before = running.counts()
    requests = [messages.numbered(stan) | {"4": "000000000001"} for stan in range(400)]
    in_order = [(request, "00") for request in requests]
    await slow.send(*requests)
    assert await is_served(running, quick, messages.numbered(1000), messages)

    def settled() -> bool:
        delta = running.counts() - before
        return delta["replies"] - 1 + delta["silences"] == len(requests)

    await running.until(settled)
    delta = running.counts() - before
    voids = delta["voids"]
    assert 0 < voids < len(requests)
    assert (voids, len(requests) + 1) == (delta["silences"], delta["approved"])
    assert await is_served(running, quick, messages.numbered(1001), messages)
    assert len(requests) - voids + 2 * 1999 == (await running.account()).held_minor

    heard = [await slow.receive() for _ in range(len(requests) - voids)]
    codes = [answer["38"] for answer in heard if answer]
    expected = [messages.answer(*asked, approval=code) for asked, code in zip(in_order, codes, strict=False)]
    assert expected == heard
    late = requests[-1] | {"t": "0101"}
    assert messages.answer(late, "68") == await slow.ask(late)


async def test_a_peer_that_reads_nothing_is_not_read_beyond_a_bound(
    start: Start, messages: "Messages"
) -> None:
    """Its replies wait in at most OUTBOX_MAX_BYTES and one read's worth; when it is reset, the server goes on."""
    running = await start()
    await running.issue_card()
    shrink_send_buffers(running)
    greedy = await running.connect(receive_buffer_bytes=SMALL_BUFFER_BYTES)
    (line,) = running.server.listeners[0].lines
    quick = await running.connect()
    echo = greedy.frame(messages.encode(messages.management()))
    count = 4 * limits.OUTBOX_MAX_BYTES // len(echo)

    with trio.CancelScope() as sending:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(greedy.stream.send_all, echo * count)
            await running.until(lambda: line._outbox_bytes > limits.OUTBOX_MAX_BYTES)
            frames = running.counts()["frames"]
            for stan in range(5):
                assert await is_served(running, quick, messages.numbered(stan), messages)
            assert frames + 5 == running.counts()["frames"]
            assert line._outbox_bytes < limits.OUTBOX_MAX_BYTES + 2 * limits.READ_MAX_BYTES
            sending.cancel()
    greedy.reset()
    await running.until_lines(1)
    assert await is_served(running, quick, messages.numbered(6), messages)


async def test_a_reset_before_the_answer_voids_it(start: Start, messages: "Messages") -> None:
    """The answer can't be handed to the kernel of a peer that is gone, so at its deadline the hold is released."""
    running = await start(reply_deadline_ms=2_000)
    await running.issue_card()
    peer = await running.connect()
    request = messages.purchase()
    # With no await between: the server finds the request and the reset at once.
    os.write(peer.stream.socket.fileno(), peer.frame(messages.encode(request)))
    peer.reset()
    await running.until(lambda: running.counts()["silences"] == 1)
    assert (1, 0) == (running.counts()["voids"], (await running.account()).held_minor)
    other = await running.connect()
    repeat = request | {"t": "0101"}
    assert messages.answer(repeat, "68") == await other.ask(repeat)


async def test_signing_off_and_on(running: "Running", messages: "Messages") -> None:
    """The state is the line's own, shows in the status, and changes with DE70 001 and 002 alone."""

    async def signed_on() -> int:
        return int((await running.admin("status")).links[0].signed_on)

    one, two = await running.connect(sign_on=False), await running.connect()
    states = [await signed_on()]
    for code in ("301", "001", "301", "999", "002"):
        answer = await one.ask(messages.management({"70": code}))
        assert messages.answer(messages.management({"70": code}), "12" if code == "999" else "00") == answer
        states.append(await signed_on())
    assert [1, 1, 2, 2, 2, 1] == states
    await two.close()


async def test_out_of_descriptors(running: "Running", messages: "Messages") -> None:
    """Connections that the system can't hand over wait; those that are open are served, and later all are."""
    early = await running.connect()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with trio.socket.socket() as late:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # whatever is open stays open
        try:
            await late.connect(running.server.listeners[0].address)
            await running.until(lambda: running.counts()["accept_failures"] > 0)
            assert await is_served(running, early, messages.numbered(1), messages)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await late.send(messages.wire(messages.numbered(2)))
        await running.until(lambda: running.counts()["approved"] == 2)
        assert len(await late.recv(1000)) > 100
