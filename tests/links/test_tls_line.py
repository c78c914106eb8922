"""A line under TLS: sent or void where replies are encrypted, the handshake, and its end."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from authoriser import limits
from authoriser.answers import Answer, AnswerDesk
from authoriser.link import Line, Link
from authoriser.tls import Tls, TlsConfig, make_tls
from authoriser.tls_line import TlsLine

DEADLINE_S = 2.0
BIG = 4_000_000
"""More than a socket pair's buffers take."""


class Stubborn(socket.socket):
    """A kernel that says that there is room and then takes nothing, while it is full."""

    full = False

    def send(self, data: Any, flags: int = 0) -> int:
        if self.full:
            raise BlockingIOError
        return super().send(data, flags)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> Tls:
    """Of a link that listens and asks for no certificate."""
    files = authority.issue_cert("issuer.example")
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in files.cert_chain_pems))
    key.write_bytes(files.private_key_pem.bytes())
    return make_tls(TlsConfig(certificate_file=certificate, private_key_file=key), listens=True)


class Ends:
    """A line, and the network's TLS over the other end of a socket pair."""

    def __init__(self, link: Link, tls: Tls, authority: trustme.CA, desk: AnswerDesk) -> None:
        ours, theirs = socket.socketpair()
        self.sock = Stubborn(fileno=ours.detach())
        self.sock.setblocking(False)
        theirs.setblocking(False)
        self.desk = desk
        self.touched: set[Line] = set()
        self.line = TlsLine(link, self.sock, self.touched, tls=tls.session())
        context = ssl.create_default_context()
        authority.configure_trust(context)
        self.raw = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        self.network = trio.SSLStream(self.raw, context, server_hostname="issuer.example")
        self.heard: list[bytes] = []
        self.counted: list[str] = []

    async def open(self) -> bool:
        opened = []

        async def ours() -> None:
            opened.append(await self.line.open(self.counted.append))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours)
            nursery.start_soon(self.network.do_handshake)
        return opened[0]

    def read(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self.line.write_for_ever, self.counted.append)
        nursery.start_soon(self.line.read_for_ever, lambda _line, data, _at: self.heard.append(data))

    def owe(self, data: bytes, answer: Answer | None = None) -> None:
        """A reply that is ready now."""
        now = trio.current_time()
        self.desk.expect(self.line, data, arrived=now, deadline_s=DEADLINE_S, answer=answer).release()
        self.line.flush()

    async def take(self, count: int) -> bytes:
        """So many bytes of what the line said."""
        data = b""
        while len(data) < count:
            more = await self.network.receive_some(count - len(data))
            assert more, f"the line ended after {len(data)} bytes"
            data += bytes(more)
        return data


@pytest.fixture
def voided() -> list[Answer]:
    return []


@pytest.fixture
async def ends(link: Link, tls: Tls, authority: trustme.CA, voided: list[Answer]) -> Any:
    made = Ends(link, tls, authority, AnswerDesk(void=voided.append))
    yield made
    made.line.close()
    await made.raw.aclose()


async def test_bytes_go_both_ways(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """What the network says is heard, what is owed arrives; replies that are ready together leave in one record."""
    assert await ends.open()
    ends.read(nursery)
    await ends.network.send_all(b"a request")
    await trio.testing.wait_all_tasks_blocked()
    assert ends.heard == [b"a request"]
    for data in (b"one", b"two", b"three"):
        now = trio.current_time()
        ends.desk.expect(ends.line, data, arrived=now, deadline_s=DEADLINE_S).release()
    ends.line.flush()
    assert (ends.line.owed, ends.line._outbox_bytes) == (0, 0)
    assert bytes(await ends.network.receive_some()) == b"onetwothree"


async def test_what_came_with_the_end_of_the_handshake_is_heard(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A network sends its first request behind its last handshake message; nothing else need come to wake the line."""
    async with trio.open_nursery() as opening:
        opening.start_soon(ends.network.send_all, b"the first request")
        assert await ends.line.open(ends.counted.append)
    ends.read(nursery)
    await trio.testing.wait_all_tasks_blocked()
    assert ends.heard == [b"the first request"]


async def test_nothing_is_encrypted_that_the_kernel_has_no_room_for(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, voided: list[Answer]
) -> None:
    """A slow reader's replies are void at their deadlines; what it reads later is whole, and the line goes on."""
    assert await ends.open()
    ends.owe(b"x" * BIG)
    assert ends.line.owed == 0  # begun, so sent
    answer = ends.desk.open_answer("key", "acc", 1, "north")
    ends.owe(b"late", answer)
    assert (ends.line.owed, ends.line._record) == (1, b"")
    ends.read(nursery)
    nursery.start_soon(ends.desk.run)
    await trio.sleep(DEADLINE_S + 1)
    assert (ends.line.owed, voided, ends.line.closed) == (0, [answer], False)
    assert await ends.take(BIG) == b"x" * BIG
    ends.owe(b"in time")
    assert await ends.take(7) == b"in time"


async def test_replies_of_a_record_are_sent_when_the_kernel_has_a_byte_of_it(
    ends: Ends, autojump_clock: trio.testing.MockClock, voided: list[Answer]
) -> None:
    """While it has none the answers may still become void; from its first byte on they are sent, for good."""
    assert await ends.open()
    answer = ends.desk.open_answer("key", "acc", 1, "north")
    ends.sock.full = True
    ends.owe(b"reply", answer)
    assert (ends.line.owed, ends.line._record != b"") == (1, True)
    ends.sock.full = False
    ends.line.flush()
    ends.desk.sweep(trio.current_time() + DEADLINE_S)
    assert (ends.line.owed, voided, ends.line._record) == (0, [], b"")
    assert await ends.take(5) == b"reply"


async def test_a_record_that_is_too_late_ends_the_line(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, voided: list[Answer]
) -> None:
    """It can't be taken back and must not be said late: the answer is void, and no byte of it leaves."""
    assert await ends.open()
    answer = ends.desk.open_answer("key", "acc", 1, "north")
    ends.sock.full = True
    ends.owe(b"reply", answer)
    nursery.start_soon(ends.desk.run)
    await trio.sleep(DEADLINE_S + 1)
    ends.sock.full = False
    ends.line.flush()
    assert (voided, ends.line.closed) == ([answer], True)
    with pytest.raises(trio.BrokenResourceError):
        await ends.network.receive_some()


async def test_a_line_that_lingers_says_that_nothing_follows(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The network can tell the end of a line from one that was cut."""
    assert await ends.open()
    ends.owe(b"the last reply")
    nursery.start_soon(ends.line.linger)
    assert bytes(await ends.network.receive_some()) == b"the last reply"
    assert bytes(await ends.network.receive_some()) == b""


async def test_the_networks_end_ends_reading(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """What it said before is heard; what is owed can still leave."""
    assert await ends.open()
    await ends.network.send_all(b"the last request")
    with pytest.raises(ssl.SSLWantReadError):
        ends.network._ssl_object.unwrap()
    await ends.raw.send_all(ends.network._outgoing.read())
    await ends.line.read_for_ever(lambda _line, data, _at: ends.heard.append(data))
    assert (ends.heard, ends.line.problem) == ([b"the last request"], "")
    ends.owe(b"reply")
    assert ends.line.owed == 0


async def test_bytes_that_are_no_records_end_the_line(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """As lost framing does, with a reason in words; nothing of them is heard."""
    assert await ends.open()
    await ends.raw.send_all(b"\x17\x03\x03\x00\x20" + b"0" * 32)
    await ends.line.read_for_ever(lambda _line, data, _at: ends.heard.append(data))
    assert ends.heard == []
    assert ends.line.problem == "TLS failed: decryption failed or bad record mac"


async def test_a_peer_that_says_nothing_is_given_up(
    ends: Ends, autojump_clock: trio.testing.MockClock
) -> None:
    """After TLS_HANDSHAKE_MAX_S it no longer holds a place among the connections."""
    ends.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    assert not await ends.line.open(ends.counted.append)
    assert trio.current_time() == pytest.approx(limits.TLS_HANDSHAKE_MAX_S, abs=limits.LINGER_MAX_S)
    assert ends.counted == ["tls_failures"]
    assert ends.line.problem == "no TLS within 10 s: the peer may not speak it"


async def test_a_peer_that_ends_midway_is_said(ends: Ends, autojump_clock: trio.testing.MockClock) -> None:
    """In words, not as an error out of here."""
    await ends.raw.aclose()
    assert not await ends.line.open(ends.counted.append)
    assert ends.line.problem == "the peer ended the connection before TLS was agreed on"


async def test_stop_reading_ends_a_handshake(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A drain does not wait for a peer that has not even begun; that is nobody's failure."""
    results: list[bool] = []

    async def opening() -> None:
        results.append(await ends.line.open(ends.counted.append))

    nursery.start_soon(opening)
    await trio.testing.wait_all_tasks_blocked()
    ends.line.stop_reading()
    await trio.testing.wait_all_tasks_blocked()
    assert (results, ends.counted, ends.line.problem) == ([False], [], "")


@pytest.mark.parametrize("pieces", [1, 7, 100])
async def test_records_in_pieces(
    ends: Ends, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, pieces: int
) -> None:
    """A record that comes in pieces is heard once it is whole."""
    assert await ends.open()
    ends.read(nursery)
    ends.network._ssl_object.write(b"a request")
    data = ends.network._outgoing.read()
    for place in range(0, len(data), pieces):
        assert ends.heard == []
        await ends.raw.send_all(data[place : place + pieces])
        await trio.testing.wait_all_tasks_blocked()
    assert ends.heard == [b"a request"]
