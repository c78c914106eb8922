"""Which dialects a link may have, and payments in those that are not ASCII, against the server."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import iso8583
import pytest
import trio

from authoriser.config import Address, LinkConfig
from authoriser.server import make_link
from isowire import FRAMINGS, DialectError, load_dialect

if TYPE_CHECKING:
    from tests.server.conftest import Fields, Messages, Running

    Start = Callable[..., Awaitable[Running]]

PATIENCE_S = 10.0


class Network:
    """The other end, which writes and reads by pyiso8583."""

    def __init__(self, stream: trio.abc.Stream, dialect: str, framing: str) -> None:
        self._stream = stream
        self._spec = load_dialect(dialect).spec
        self._framing = FRAMINGS[framing]
        self._reader = self._framing.reader(4096)

    async def ask(self, message: "Fields") -> "Fields":
        payload, _ = iso8583.encode(dict(message), self._spec)
        with trio.fail_after(PATIENCE_S):
            await self._stream.send_all(self._framing.wrap(bytes(payload)))
            frames: list[bytes] = []
            while not frames:
                frames = self._reader.feed(await self._stream.receive_some())
        (reply,) = frames
        fields, _ = iso8583.decode(bytes(reply), self._spec)
        return {number: text for number, text in fields.items() if number not in ("p", "1")}


@pytest.mark.parametrize(
    ("dialect", "framing"),
    [("iso87-binary", "visa-base1"), ("iso87-ebcdic", "hex4"), ("iso87-binary", "bin2-tpdu")],
)
async def test_a_purchase_is_approved_repeated_and_reversed(
    start: "Start", messages: "Messages", dialect: str, framing: str
) -> None:
    """The same answers as in ASCII, code for code; a format error too."""
    running = await start(dialect=dialect, framing=framing)
    await running.issue_card()
    peer = await running.connect(sign_on=False)
    network = Network(peer.stream, dialect, framing)
    sign_on = messages.management({"70": "001"})
    assert await network.ask(sign_on) == messages.answer(sign_on, "00")
    purchase = messages.purchase()
    approved = await network.ask(purchase)
    assert approved == messages.answer(purchase, "00", approval=approved["38"])
    repeat = purchase | {"t": "0101"}
    assert await network.ask(repeat) == approved
    broken = messages.purchase({"7": "1322103045"})
    assert await network.ask(broken) == messages.answer(broken, "30", without=("7",))
    reversal = messages.reversal()
    assert await network.ask(reversal) == messages.answer(reversal, "00")


def config(dialect: str) -> LinkConfig:
    return LinkConfig("north", "visa", Address("127.0.0.1", 0), dialect, "bin2", 2000, 4096, 8)


@pytest.mark.parametrize("dialect", ["iso87-ascii", "iso87-binary", "iso87-ebcdic"])
def test_those_of_1987_are_served(dialect: str) -> None:
    """However they write their fields."""
    assert make_link(config(dialect)).dialect.name == dialect


@pytest.mark.parametrize("dialect", ["iso93-ascii", "iso93-binary"])
def test_those_of_1993_are_refused_by_name(dialect: str) -> None:
    """Their message types would all be dropped as unknown: better said at the start."""
    with pytest.raises(DialectError) as caught:
        make_link(config(dialect))
    assert str(caught.value) == (
        f'links "north": dialect {dialect} has the message types of ISO 8583:1993, '
        "and the authoriser serves those of ISO 8583:1987 only"
    )
