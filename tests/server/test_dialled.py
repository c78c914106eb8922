"""Lines that the issuer dials carry what accepted ones do: payments, repeats, bad input, and an end in order."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import trio

if TYPE_CHECKING:
    from tests.server.conftest import Messages, Peer, Running

PATIENCE_S = 10.0


class Network:
    """Listens; each line of the issuer's is answered its sign-on and handed out as a peer."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        self.address = listener.socket.getsockname()[:2]

    async def peer(self, messages: "Messages", running: "Running") -> "Peer":
        with trio.fail_after(PATIENCE_S):
            stream = await self._listener.accept()
        peer = running.peer_type(stream, "bin2")
        running.peers.append(peer)
        asked = await peer.receive()
        assert asked is not None
        assert (asked["t"], asked["70"]) == ("0800", "001")
        await peer.send(messages.answer(asked, "00"))
        return peer


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        yield Network(listener)


@pytest.fixture
def dialling(
    start: Callable[..., Awaitable["Running"]], network: Network
) -> Callable[..., Awaitable["Running"]]:
    async def started(lines: int) -> "Running":
        host, port = network.address
        running = await start(role="connect", connect=f"{host}:{port}", lines=lines)
        await running.issue_card()
        return running

    return started


async def test_a_repeat_on_the_other_line_gets_the_same_answer(
    dialling: Callable[..., Awaitable["Running"]], network: Network, messages: "Messages"
) -> None:
    """Two lines of one network: the 0101 on the second is the 0100 on the first, and moves no money."""
    running = await dialling(2)
    one, other = await network.peer(messages, running), await network.peer(messages, running)
    request = messages.purchase()
    answer = await one.ask(request)
    assert answer is not None
    assert answer == messages.answer(request, "00", approval=answer["38"])
    assert await other.ask(request | {"t": "0101"}) == answer
    assert (await running.account()).held_minor == 1999
    assert running.counts()["repeats"] == 1


async def test_bad_input_on_a_dialled_line(
    dialling: Callable[..., Awaitable["Running"]], network: Network, messages: "Messages"
) -> None:
    """What can't be read is answered 30 or dropped, what loses framing ends the line, which is dialled again."""
    running = await dialling(1)
    peer = await network.peer(messages, running)
    no_date = messages.purchase({"7": "1322103045"})
    response = messages.answer(messages.purchase(), "00", approval="A00001")
    await peer.send(no_date, response, messages.purchase({"t": "1100"}))
    assert await peer.receive() == messages.answer(no_date, "30", without=("7",))
    await peer.send_bytes(b"\xff\xff" + b"0" * 100)
    assert await peer.receive() is None
    await peer.close()
    again = await network.peer(messages, running)
    request = messages.purchase()
    answer = await again.ask(request)
    assert answer is not None
    assert answer["39"] == "00"
    counts = running.counts()
    names = ("format_errors", "responses_dropped", "unknown_mti", "connections_lost_framing", "reconnects")
    assert {name: counts[name] for name in names} == dict.fromkeys(names, 1)


async def test_the_end_of_a_server_that_dials(
    dialling: Callable[..., Awaitable["Running"]], network: Network, messages: "Messages"
) -> None:
    """It signs off; a request that crosses the sign-off is answered; then the line ends, and so does the server."""
    running = await dialling(1)
    peer = await network.peer(messages, running)
    await running.until(lambda: running.server.listeners[0].up == 1)
    running.server.stopping.set()
    off = await peer.receive()
    assert off is not None
    assert (off["t"], off["70"]) == ("0800", "002")
    request = messages.purchase()
    answer = await peer.ask(request)
    assert answer is not None
    assert answer["39"] == "00"
    await peer.send(messages.answer(off, "00"))
    assert await peer.receive() is None
    await peer.close()
    with trio.fail_after(PATIENCE_S):
        await running.finished.wait()
    assert running.logs[-1]["event"] == "stopped"


async def test_an_idle_line_of_a_link_that_listens_is_echoed_over(
    start: Callable[..., Awaitable["Running"]], messages: "Messages"
) -> None:
    """If it is configured: each echo that is answered is followed by the next, and none is missed."""
    running = await start(echo_idle_ms=1_000)
    peer = await running.connect()
    echo = await peer.receive()
    assert echo is not None
    assert (echo["t"], echo["70"]) == ("0800", "301")
    await peer.send(messages.answer(echo, "00"))
    assert await peer.receive() is not None
    assert running.counts()["echoes_missed"] == 0
