"""Any bytes on a socket leave the server serving: the rule of which every row of bad input is a case."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.server.conftest import Fields, Messages, Peer, Running

Serving = Callable[..., AbstractAsyncContextManager["Running"]]

REPEAT_AFTER_S = 2.0
"""For longer than the deadline: then no answer comes any more."""

Pieces = list[tuple[str, bytes]]
SAMPLES = Path(__file__).parents[2] / "iso8583" / "samples" / "iso87-ascii"
PAYLOADS = [bytes.fromhex(file.read_text(encoding="ascii")) for file in sorted(SAMPLES.glob("*.hex"))]


@st.composite
def near_misses(draw: st.DrawFn) -> bytes:
    """A golden message with a few bytes changed, put in or taken out, often under another MTI."""
    payload = bytearray(draw(st.sampled_from(PAYLOADS)))
    if draw(st.booleans()):
        payload[:4] = draw(
            st.sampled_from([b"0100", b"0120", b"0200", b"0302", b"0420", b"0801", b"0821", b"1804"])
        )
    for _ in range(draw(st.integers(min_value=0, max_value=4))):
        start = draw(st.integers(min_value=0, max_value=len(payload)))
        stop = start + draw(st.integers(min_value=0, max_value=3))
        payload[start:stop] = draw(
            st.binary(max_size=3) | st.text("0123456789ABCDEF +-_=", max_size=3).map(str.encode)
        )
    return bytes(payload)


pieces = st.lists(
    st.tuples(st.just("frame"), near_misses() | st.binary(max_size=300))
    | st.tuples(st.just("bytes"), st.binary(max_size=40)),
    max_size=6,
)
connections = st.lists(st.tuples(pieces, st.booleans()), max_size=8)
"""For each line: frames and bare bytes that are sent on it, and whether it ends with a reset."""


@pytest.mark.parametrize("framing", ["bin2", "ascii4"])
@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lines=connections)
def test_any_bytes_leave_the_server_serving(
    framing: str, lines: list[tuple[Pieces, bool]], serving: Serving, messages: "Messages"
) -> None:
    """Whatever was sent on however many lines, a new line is served, and nothing is left in flight."""

    async def send_all_and_ask() -> None:
        async with serving(framing=framing, reply_deadline_ms=250) as running:
            for sent, by_reset in lines:
                await send(running, sent, by_reset=by_reset)
            good = await running.connect()
            request = messages.purchase({"2": "4000000000002222"})
            assert messages.answer(request, "14") == await _answered(good, request)
            await running.until_lines(1)
            # What was decided for a line that was reset waits for its deadline; the drain waits for that.
            await running.stop()
            counts = running.server.counters.counts
            assert counts["connections_accepted"] == counts["connections_closed"] == len(lines) + 1
            assert not [line for line in running.logs if line["log_level"] in ("error", "critical")]

    trio.run(send_all_and_ask)


async def _answered(peer: "Peer", request: "Fields") -> "Fields | None":
    """Its answer, repeating it where a stall of the machine made one too late to be sent."""
    await peer.send(request)
    while True:
        with trio.move_on_after(REPEAT_AFTER_S):
            return await peer.receive()
        await peer.send(request | {"t": "0101"})


async def send(running: "Running", pieces: Pieces, *, by_reset: bool) -> None:
    """Everything on one line, which then ends in one of the two ways."""
    peer = await running.connect(sign_on=False)
    data = b"".join(peer.frame(piece) if kind == "frame" else piece for kind, piece in pieces)
    with contextlib.suppress(trio.BrokenResourceError):  # framing was lost while it was still sending
        await peer.send_bytes(data)
    if by_reset:
        peer.reset()
    else:
        await peer.close()
