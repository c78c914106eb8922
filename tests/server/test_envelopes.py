"""Framings with an envelope, against the server: the answer goes back where its request came from."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import trio

from isowire import FRAMINGS, envelope_of

if TYPE_CHECKING:
    from tests.server.conftest import Messages, Peer, Running

    Start = Callable[..., Awaitable[Running]]

PATIENCE_S = 10.0


async def frames_of(peer: "Peer", framing: str, count: int) -> list[bytes]:
    reader, frames = FRAMINGS[framing].reader(4096), []
    with trio.fail_after(PATIENCE_S):
        while len(frames) < count:
            frames += reader.feed(await peer.stream.receive_some())
    assert reader.buffered_bytes == 0
    return frames


@pytest.mark.parametrize(
    ("framing", "came_in", "goes_back"),
    [
        ("bin2-tpdu", ["6000010002", "6000030004"], ["6000020001", "6000040003"]),
        (
            "visa-base1",
            [
                "160102{:04X}1111112222223100000000000000000081",
                "160102{:04X}1111113333333100000000000000000082",
            ],
            [
                "160102{:04X}2222221111113100000000000000000081",
                "160102{:04X}3333331111113100000000000000000082",
            ],
        ),
    ],
)
async def test_two_requests_of_one_read_each_get_their_own_way_back(
    start: "Start", messages: "Messages", framing: str, came_in: list[str], goes_back: list[str]
) -> None:
    """An echo and a message that can't be read, answered at once and after the log: each by its own envelope."""
    running = await start(framing=framing)
    peer = await running.connect(sign_on=False)
    echo = messages.management()
    broken = messages.purchase({"4": "ABCDEFGHIJKL"})
    sent = b""
    for envelope, message in zip(came_in, (broken, echo), strict=True):
        payload = messages.encode(message)
        head = bytes.fromhex(envelope.format(22 + len(payload)))
        sent += FRAMINGS[framing].header(len(head) + len(payload)) + head + payload
    await peer.send_bytes(sent)
    received = {messages.decode(frame)["t"]: frame for frame in await frames_of(peer, framing, 2)}
    answers = {
        "0110": messages.answer(broken, "30", without=("4",)),
        "0810": messages.answer(echo, "00"),
    }
    assert {mti: messages.decode(frame) for mti, frame in received.items()} == answers
    assert {mti: envelope_of(frame).hex().upper() for mti, frame in received.items()} == {
        mti: envelope.format(22 + len(received[mti]))
        for mti, envelope in zip(("0110", "0810"), goes_back, strict=True)
    }
