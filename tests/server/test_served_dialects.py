"""Which dialects a link may have, and payments in those that are not ASCII, against the server."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import iso8583
import msgspec
import pytest
import trio

from authoriser.config import Address, LinkConfig
from authoriser.configured_link import make_link
from authoriser.ledger.matching import MESSAGE_WAYS, PAYMENT_WAYS
from isowire import FRAMINGS, DialectError, load_dialect
from isowire.semantics import ClearingWay, OriginalWay
from rules.reasons import profile

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


async def test_a_message_type_that_a_dialect_lacks_is_unknown(
    start: "Start", messages: "Messages", tmp_path: Path
) -> None:
    """A network without financial messages: its 0200 is dropped like any other type that nothing here serves."""
    file = tmp_path / "north.toml"
    file.write_text(
        'extends = "iso87-ascii"\nname = "north"\n[messages]\nrequests = ["0100", "0101", "0800"]\n'
        'advices = ["0400", "0401"]\n'
        + "".join(
            f'[{table}]\n"0120" = false\n"0200" = false\n"0220" = false\n"0420" = false\n'
            for table in ("echoed", "mandatory")
        ),
        encoding="utf-8",
    )
    running = await start(dialect=str(file))
    await running.issue_card()
    peer = await running.connect()
    for mti in ("0200", "0220"):
        await peer.send(messages.purchase({"t": mti}))
    request = messages.purchase()
    reply = await peer.ask(request) or {}
    assert reply == messages.answer(request, "00", approval=reply["38"])
    assert running.counts()["unknown_mti"] == 2


def test_a_dialect_that_leaves_a_reason_without_a_code_is_refused(tmp_path: Path) -> None:
    """At start, not when the first such decision is to be told."""
    file = tmp_path / "north.toml"
    file.write_text(
        'extends = "iso87-ascii"\nname = "north"\nprofile = ""\n[response_codes]\napproved = "00"\n',
        encoding="utf-8",
    )
    with pytest.raises(
        DialectError,
        match=r"^north: response_codes: none for approved_partially, .*; expected every reason, or",
    ):
        make_link(config(str(file)))


def test_a_profile_that_is_none_is_refused(tmp_path: Path) -> None:
    """With the names of those that there are."""
    file = tmp_path / "north.toml"
    file.write_text('extends = "iso87-ascii"\nname = "north"\nprofile = "visalike"\n', encoding="utf-8")
    with pytest.raises(
        DialectError, match=r"^north: profile: found 'visalike', expected one of generic, visa-like"
    ):
        make_link(config(str(file)))


def test_the_links_profile_goes_before_the_dialects() -> None:
    """And the dialect's own words, of which this one has none, over both."""
    mine, other = make_link(config("iso87-ascii")).policy, profile("visa-like")
    theirs = make_link(msgspec.structs.replace(config("iso87-ascii"), profile="visa-like")).policy
    assert (mine.response_codes["answer_void"], mine.refund_codes, mine.refund_else) == (
        "68",
        frozenset(),
        "05",
    )
    assert (theirs.response_codes, theirs.refund_codes, theirs.refund_else) == (
        other.codes,
        other.refund_codes,
        other.refund_else,
    )


def test_a_dialects_code_for_a_voided_answer_is_that_of_an_overtaken_request(tmp_path: Path) -> None:
    """Where it has no word of its own for it: both say that somebody else answered."""
    codes = ['answer_void = "91"', 'answer_void = "91"\novertaken = "05"']
    told = []
    for name, words in zip(("north", "south"), codes, strict=True):
        file = tmp_path / f"{name}.toml"
        text = f'extends = "iso87-ascii"\nname = "{name}"\n[response_codes]\n{words}\n'
        file.write_text(text, encoding="utf-8")
        told.append(make_link(config(str(file))).policy.response_codes["overtaken"])
    assert told == ["91", "05"]


def test_the_ways_that_a_dialect_may_name_are_the_ledgers() -> None:
    """A way that only one of the two knows would be refused, or fail at the first reversal."""
    assert set(get_args(OriginalWay)) == set(MESSAGE_WAYS)
    assert set(get_args(ClearingWay)) == set(PAYMENT_WAYS)


def test_a_dialect_has_an_order_of_matching_of_its_own(tmp_path: Path) -> None:
    """What it says governs; what it leaves out is the authoriser's own order."""
    file = tmp_path / "north.toml"
    text = 'extends = "iso87-ascii"\nname = "north"\n[semantics]\noriginals = ["network_id", "reference"]\n'
    file.write_text(text, encoding="utf-8")
    policy = make_link(config(str(file))).policy
    assert (policy.matching, policy.clearing_matching) == (
        ("network_id", "reference"),
        ("network_id", "approval_code", "unique"),
    )
