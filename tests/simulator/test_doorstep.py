"""The issuer dials: runs over connections that are accepted, plain and under TLS."""

import ssl
from dataclasses import replace

import pytest
import trio
import trustme

from isowire.framing import FRAMINGS
from simulator.cards import make_cards
from simulator.doorstep import Doorstep
from simulator.errors import SimulatorError
from simulator.lines import LinePolicy
from simulator.messages import decode, encode, network_management
from simulator.session import Order, Session
from simulator.shop import Mix, Shop
from simulator.tally import Summary
from simulator.testing import MOMENT, ScriptedIssuer, still

PAYMENTS = Mix(verification=0, foreign=0, repeat=0, reversal=0, reversal_advice=0)
ORDER = Order(rate_per_s=200.0, seconds=0.2, lines=LinePolicy(count=2))


def frame(code: str, stan: str = "000001") -> bytes:
    return FRAMINGS["bin2"].wrap(encode(network_management(code, stan=stan, at=MOMENT)))


class DiallingIssuer:
    """A scripted issuer that dials a network and signs on."""

    def __init__(self, doorstep: Doorstep, context: ssl.SSLContext | None = None) -> None:
        self.issuer = ScriptedIssuer()
        self.answers: list[dict[str, str]] = []
        self._doorstep = doorstep
        self._context = context

    async def dial(self) -> trio.abc.Stream:
        await self._doorstep.bound.wait()
        stream = await trio.open_tcp_stream("127.0.0.1", self._doorstep.port)
        if self._context is None:
            return stream
        return trio.SSLStream(stream, self._context, server_hostname="network.example", https_compatible=True)

    async def line(self) -> None:
        async with await self.dial() as stream:
            await self.ask(stream, "001")
            await self.issuer.serve(stream)

    async def ask(self, stream: trio.abc.Stream, code: str) -> None:
        await stream.send_all(frame(code))
        data = bytes(await stream.receive_some())
        self.answers.append(decode(data[2:]))


async def a_run(doorstep: Doorstep, issuer: DiallingIssuer, order: Order = ORDER, lines: int = 2) -> Summary:
    async with trio.open_nursery() as nursery:
        for _ in range(lines):
            nursery.start_soon(issuer.line)
        shop = Shop(make_cards(10), PAYMENTS, seed=1, first_stan=100)
        summary = await Session(order, shop, doorstep, now=still).run()
        nursery.cancel_scope.cancel()
    return summary


async def test_a_run_over_connections_that_the_issuer_dialled() -> None:
    """Both are signed on by the issuer, both are used, every answer is right."""
    doorstep = Doorstep("127.0.0.1", 0)
    issuer = DiallingIssuer(doorstep)
    summary = await a_run(doorstep, issuer)
    assert (summary.sent, summary.answered, summary.wrong, summary.connections_lost) == (40, 40, 0, [])
    expected = {"t": "0810", "7": "0309220507", "11": "000001", "39": "00", "70": "001"}
    assert issuer.answers == [expected, expected]
    assert issuer.issuer.managed == ["002", "002"]


async def test_under_tls_with_certificates_on_both_sides() -> None:
    """The same run; an issuer without a certificate gets no line."""
    authority = trustme.CA()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("network.example").configure_cert(ours)
    authority.configure_trust(ours)
    ours.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(theirs)
    doorstep = Doorstep("127.0.0.1", 0, ours)
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(bare)
    refused: list[str] = []

    async def without_a_certificate() -> None:
        stream = await DiallingIssuer(doorstep, bare).dial()
        try:
            await stream.send_all(frame("001"))
            heard = bytes(await stream.receive_some())
        except trio.BrokenResourceError:
            heard = b""
        refused.append("refused" if not heard else "heard")
        await trio.aclose_forcefully(stream)

    authority.issue_cert("issuer.example").configure_cert(theirs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(without_a_certificate)
        summary = await a_run(doorstep, DiallingIssuer(doorstep, theirs))
    assert (summary.answered, summary.wrong, refused) == (40, 0, ["refused"])


async def test_an_issuer_that_signed_off_is_sent_nothing() -> None:
    """It drains: what is due then is counted as not sent."""
    doorstep = Doorstep("127.0.0.1", 0)
    issuer = DiallingIssuer(doorstep)

    async def signed_off_at_once() -> None:
        async with await issuer.dial() as stream:
            await stream.send_all(frame("001") + frame("002", "000002"))
            while await stream.receive_some():
                pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(signed_off_at_once)
        order = replace(ORDER, lines=LinePolicy(count=1, patience_s=1.0))
        shop = Shop(make_cards(10), PAYMENTS, seed=1, first_stan=100)
        summary = await Session(order, shop, doorstep, now=still).run()
        nursery.cancel_scope.cancel()
    assert (summary.due, summary.sent, summary.unsent) == (40, 0, 40)


async def test_nobody_comes(autojump_clock: trio.testing.MockClock) -> None:
    """After a minute it says what would be right."""
    doorstep = Doorstep("127.0.0.1", 0)
    shop = Shop(make_cards(10), PAYMENTS, seed=1, first_stan=100)
    with pytest.raises(SimulatorError) as caught:
        await Session(ORDER, shop, doorstep, now=still).run()
    text = str(caught.value)
    assert text == (
        f"0 of 2 connections came to 127.0.0.1:{doorstep.port} within 60 s. "
        "Is the authoriser running, with a link that connects here?"
    )


async def test_an_address_that_is_taken() -> None:
    """Said in a line."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    shop = Shop(make_cards(10), PAYMENTS, seed=1, first_stan=100)
    async with listener:
        with pytest.raises(SimulatorError, match=rf"cannot listen on 127\.0\.0\.1:{port}: "):
            await Session(ORDER, shop, Doorstep("127.0.0.1", port), now=still).run()
