"""Every kind of bad input on a line: what goes back, what is counted, what is logged, and that the server goes on.

The rows are those of docs/bad-input.md, which `test_bad_input_page.py` holds to this file. What takes more than one
send (slowness, closed ends, many connections) is in `test_peers.py`.
"""

import re
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.server.conftest import Fields, Messages, Running

SAMPLES = Path(__file__).parents[2] / "iso8583" / "samples" / "iso87-ascii"
TRACK_2 = "4000000000001232=49122010000012345678"
GOOD_STAN = 900_001
"""The good request that follows each row."""


@dataclass
class Exchange:
    """What is sent, in one segment, and all that it does."""

    send: bytes
    back: list["Fields"] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    logged: list[dict[str, Any]] = field(default_factory=list)
    exceptions: list[dict[str, Any]] = field(default_factory=list)
    held_minor: int = 0


@dataclass
class Row:
    make: Callable[["Messages"], Exchange]
    framing: str
    closed_by: str

    @property
    def name(self) -> str:
        return self.make.__name__


ROWS: list[Row] = []


def row(*, framing: str = "bin2", closed_by: str = "") -> Callable[[Callable[["Messages"], Exchange]], Row]:
    """A row of the table, named by its function. `closed_by` says who ends the connection, "" where it goes on."""

    def add(make: Callable[["Messages"], Exchange]) -> Row:
        ROWS.append(Row(make, framing, closed_by))
        return ROWS[-1]

    return add


def lost(error: str) -> list[dict[str, Any]]:
    return [
        {"event": "framing lost", "link": "default", "error": f"framing lost {error}", "log_level": "warning"}
    ]


def malformed(mti: str, error: str) -> list[dict[str, Any]]:
    return [
        {
            "event": "malformed message",
            "link": "default",
            "mti": mti,
            "error": error,
            "log_level": "debug",
        }
    ]


def dropped(event: str, mti: str) -> list[dict[str, Any]]:
    return [{"event": event, "link": "default", "mti": mti, "log_level": "debug"}]


def refused(messages: "Messages", request: "Fields", error: str, *without: str) -> Exchange:
    """Answered 30, with what could be echoed."""
    return Exchange(
        messages.wire(request),
        [messages.answer(request, "30", without=without)],
        {"frames": 1, "format_errors": 1, "replies": 1},
        malformed(request["t"], error),
    )


def listed(kind: str, mti: str, field_number: str | None, detail: str, *, count: int = 1) -> dict[str, Any]:
    """An entry of the operators' list, as far as it does not change from run to run."""
    return {
        "kind": kind,
        "link": "default",
        "network": "default",
        "mti": mti,
        "field": field_number,
        "detail": detail,
        "card_last_four": "1232",
        "amount_minor": 1999,
        "count": count,
        "account": None,
        "candidates": (),
    }


def sample(name: str) -> "Fields":
    meant = tomllib.loads((SAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    return {"t": meant["mti"], **meant["fields"]}


# ---- framing


@row(framing="ascii4", closed_by="server")
def not_a_length_header(_messages: "Messages") -> Exchange:
    """Four bytes that are no digits: where the next message begins is not known."""
    return Exchange(
        b"GET / HTTP/1.1\r\n\r\n",
        counted={"connections_lost_framing": 1, "connections_closed": 1},
        logged=lost("(not_a_length): found 'GET ', expected a length of 4 ASCII digits"),
    )


@row()
def length_zero(_messages: "Messages") -> Exchange:
    """A keep-alive, here three of them."""
    return Exchange(b"\0\0" * 3, counted={"keepalives": 3})


@row(framing="ascii4")
def length_zero_in_digits(_messages: "Messages") -> Exchange:
    """The same keep-alive under the other header."""
    return Exchange(b"0000", counted={"keepalives": 1})


@row(closed_by="server")
def over_the_maximum(_messages: "Messages") -> Exchange:
    """A header that says more than the link takes, refused before any of it is kept."""
    return Exchange(
        b"\xff\xff" + b"0" * 1000,
        counted={"connections_lost_framing": 1, "connections_closed": 1},
        logged=lost("(over_maximum): found a length of 65535 bytes, expected at most 40960 bytes"),
    )


@row(closed_by="server")
def good_before_lost_framing(messages: "Messages") -> Exchange:
    """A good request in the same segment is decided and answered before the connection is closed."""
    request = messages.purchase()
    return Exchange(
        messages.wire(request) + b"\xff\xff",
        [messages.answer(request, "00", approval="000005")],
        {"connections_lost_framing": 1, "connections_closed": 1, "frames": 1, "replies": 1, "approved": 1},
        lost("(over_maximum): found a length of 65535 bytes, expected at most 40960 bytes"),
        held_minor=1999,
    )


@row(closed_by="peer")
def truncated_then_closed(messages: "Messages") -> Exchange:
    """Half a request, then the peer ends: nothing of it is decided."""
    return Exchange(messages.wire(messages.purchase())[:-20], counted={"connections_closed": 1})


# ---- messages that can't be read


@row()
def bitmap_names_absent_fields(messages: "Messages") -> Exchange:
    """The bits go on after the bytes have ended; what came before is echoed."""
    request = messages.purchase()
    whole = messages.encode(request)
    cut = whole[: whole.index(b"TERM0001")]
    return Exchange(
        messages.wire(cut),
        [messages.answer(request, "30", without=("41", "42", "49"))],
        {"frames": 1, "format_errors": 1, "replies": 1},
        malformed(
            "0100", f"DE41 at byte {len(cut)}: found 0 bytes to the end of the message, expected 8 bytes"
        ),
    )


@row()
def bytes_after_the_last_field(messages: "Messages") -> Exchange:
    """The bytes go on after the bits have ended."""
    request = messages.purchase()
    whole = messages.encode(request)
    error = f"message at byte {len(whole)}: found 3 bytes after the last field, expected the end"
    exchange = refused(messages, request, error)
    exchange.send = messages.wire(whole + b"123")
    return exchange


@row()
def bitmap_not_hexadecimal(messages: "Messages") -> Exchange:
    """No field can be found, so none is echoed."""
    payload = messages.encode(messages.purchase())
    return Exchange(
        messages.wire(payload[:4] + b"ZZZZZZZZZZZZZZZZ" + payload[20:]),
        [{"t": "0110", "39": "30"}],
        {"frames": 1, "format_errors": 1, "replies": 1},
        malformed(
            "0100", "primary bitmap at byte 4: found 'AAAAAAAAAAAAAAAA', expected 16 hexadecimal characters"
        ),
    )


@row()
def third_bitmap(messages: "Messages") -> Exchange:
    """DE65: the dialect has no third bitmap, and nothing behind it is where it seems."""
    payload = messages.encode(messages.purchase({"70": "301"}))
    with_65 = payload[:20] + b"8" + payload[21:]
    return Exchange(
        messages.wire(with_65),
        [{"t": "0110", "39": "30"}],
        {"frames": 1, "format_errors": 1, "replies": 1},
        malformed(
            "0100",
            "DE65 at byte 20: found a bit for DE65, a third bitmap, expected bits for the fields of iso87-ascii only",
        ),
    )


@row()
def letters_in_amount(messages: "Messages") -> Exchange:
    """DE4 is digits. pyiso8583 itself takes letters."""
    return refused(
        messages,
        messages.purchase({"4": "ABCDEFGHIJKL"}),
        "DE4 at byte 44: found 'AAAAAAAAAAAA', expected 12 digits",
        "4",
    )


@row()
def no_date_in_transmission_time(messages: "Messages") -> Exchange:
    """DE7 of ten digits that are no moment of any year."""
    return refused(
        messages, messages.purchase({"7": "1322103045"}), "DE7: found month 13, expected month 01 to 12", "7"
    )


def _missing(number: str) -> Row:
    def missing(messages: "Messages") -> Exchange:
        request = messages.purchase(without=(number,))
        return refused(messages, request, f"DE{number}: found nothing, expected DE{number} in a 0100")

    missing.__name__ = f"mandatory_field_missing_{number}"
    return Row(missing, "bin2", "")


ROWS += [_missing(number) for number in ("3", "4", "7", "11", "49")]


@row()
def no_card_number(messages: "Messages") -> Exchange:
    """Neither DE2 nor DE35."""
    return refused(
        messages, messages.purchase(without=("2",)), "DE2: found nothing, expected a PAN, in DE2 or in DE35"
    )


@row()
def card_number_too_short(messages: "Messages") -> Exchange:
    """Eleven digits are no card number of any issuer."""
    return refused(
        messages,
        messages.purchase({"2": "40000000000"}),
        "DE2: found '99999999999', expected 12 to 19 digits",
        "2",
    )


@row()
def card_numbers_differ(messages: "Messages") -> Exchange:
    """DE2 names one card and DE35 another: neither is believed."""
    return refused(
        messages,
        messages.purchase({"35": "4000000000002222=49122010000012345678"}),
        "DE35: found another PAN than DE2 has, expected the PAN of DE2",
    )


@row()
def card_number_in_merchant_text(messages: "Messages") -> Exchange:
    """A card number would go from DE43 into the journal and into events, so the request is refused."""
    return refused(
        messages,
        messages.purchase({"43": f"{messages.pan:40}"}),
        "DE43: found the card's number, expected no card number in it",
    )


@row()
def card_number_in_groups_in_merchant_text(messages: "Messages") -> Exchange:
    """The same, written as on the card."""
    return refused(
        messages,
        messages.purchase({"43": f"{'4000 0000-0000 1232':40}"}),
        "DE43: found the card's number, expected no card number in it",
    )


@row()
def network_data_not_of_its_form(messages: "Messages") -> Exchange:
    """DE63 that is no row of tags: what the network says there can't be told."""
    request = messages.purchase({"63": "0199 and no more"})
    return refused(messages, request, "DE63: found a length of 99 at 0, expected no more than is left")


@row()
def network_data_that_cant_be(messages: "Messages") -> Exchange:
    """A hold's lifetime that is no number."""
    request = messages.purchase({"63": "02027D"})
    return refused(messages, request, "DE63: found '9A', expected a number of at most 8784")


@row()
def card_number_as_network_id(messages: "Messages") -> Exchange:
    """The network's name of the payment would go into the journal, so it can't be the card's number."""
    request = messages.purchase({"63": f"0116{messages.pan}"})
    return refused(messages, request, "DE63: found the card's number, expected no card number in it")


@row()
def additional_amounts_not_of_their_form(messages: "Messages") -> Exchange:
    """DE54 of a purchase with cash back is cut short."""
    request = messages.purchase({"3": "090000", "54": "0040978D00000000100"})
    return refused(messages, request, "DE54: found 19 characters, expected a multiple of 20")


@row()
def cash_part_in_another_currency(messages: "Messages") -> Exchange:
    """Notes of one currency can't be a part of an amount in another."""
    request = messages.purchase({"3": "090000", "54": "0040840D000000001000"})
    error = "DE54: found a cash part in another currency than the amount's, expected the currency of DE49"
    return refused(messages, request, error)


# ---- messages that are not for us


@row()
def mti_does_not_exist(messages: "Messages") -> Exchange:
    """An MTI that is not of ISO 8583:1987."""
    return Exchange(
        messages.wire(messages.purchase({"t": "1100"})),
        counted={"frames": 1, "unknown_mti": 1},
        logged=dropped("message of unknown type dropped", "1100"),
    )


@row()
def mti_does_not_exist_0821(messages: "Messages") -> Exchange:
    """The standard gives 0820 no repeat: this is no echo to be answered."""
    return Exchange(
        messages.wire(messages.management({"t": "0821", "70": "002"})),
        counted={"frames": 1, "unknown_mti": 1},
        logged=dropped("message of unknown type dropped", "0821"),
    )


@row()
def mti_not_served(messages: "Messages") -> Exchange:
    """A file action (0302): it exists, and nothing here does it."""
    return Exchange(
        messages.wire(messages.purchase({"t": "0300"})),
        counted={"frames": 1, "unknown_mti": 1},
        logged=dropped("message of unknown type dropped", "0300"),
    )


@row()
def mti_not_digits(messages: "Messages") -> Exchange:
    """Nobody knows whether it asked for anything."""
    return Exchange(
        messages.wire(b"01A0" + messages.encode(messages.purchase())[4:]),
        counted={"frames": 1, "unknown_mti": 1},
        logged=dropped("message of unknown type dropped", ""),
    )


@row()
def response_to_the_server(messages: "Messages") -> Exchange:
    """Nothing was asked, so nothing matches, and a response is never answered."""
    return Exchange(
        messages.wire(messages.answer(messages.purchase(), "00", approval="A00001")),
        counted={"frames": 1, "responses_dropped": 1},
        logged=dropped("response dropped", "0110"),
    )


@row()
def malformed_response(messages: "Messages") -> Exchange:
    """A response that can't be read is a response all the same."""
    payload = messages.encode(messages.answer(messages.purchase(), "00", approval="A00001"))
    return Exchange(
        messages.wire(payload[:-1]),
        counted={"frames": 1, "responses_dropped": 1},
        logged=dropped("response dropped", "0110"),
    )


# ---- well-formed, and to be answered


@row()
def check_digit_wrong(messages: "Messages") -> Exchange:
    """DE2 failing Luhn is nobody's card, not an error."""
    request = messages.purchase({"2": "4000000000001233"})
    return Exchange(
        messages.wire(request),
        [messages.answer(request, "14")],
        {"frames": 1, "replies": 1, "unknown_card": 1},
    )


@row()
def unknown_card(messages: "Messages") -> Exchange:
    """A right check digit, and no card of ours."""
    request = messages.purchase({"2": "4000000000002222"})
    return Exchange(
        messages.wire(request),
        [messages.answer(request, "14")],
        {"frames": 1, "replies": 1, "unknown_card": 1},
    )


@row()
def same_frame_twice(messages: "Messages") -> Exchange:
    """Two copies in one segment: the second joins the first, with the same answer and no hold of its own."""
    request = messages.purchase()
    return Exchange(
        messages.wire(request) * 2,
        [messages.answer(request, "00", approval="000005")] * 2,
        {"frames": 2, "replies": 2, "approved": 1, "repeats": 1, "repeats_joined": 1},
        held_minor=1999,
    )


@row()
def same_key_other_amount(messages: "Messages") -> Exchange:
    """What calls itself the same request and is not: 94, and nothing is held for it."""
    request, other = messages.purchase(), messages.purchase({"4": "000000002999"})
    return Exchange(
        messages.wire(request) + messages.wire(other),
        [messages.answer(request, "00", approval="000005"), messages.answer(other, "94")],
        {"frames": 2, "replies": 2, "approved": 1, "duplicate_mismatch": 1},
        held_minor=1999,
    )


@row()
def every_field(messages: "Messages") -> Exchange:
    """All of DE2 to DE128 but DE65: decided like any other, and nothing more than usual comes back."""
    request = sample("0100-every-field") | {"14": "4912", "39": "00"}
    return Exchange(
        messages.wire(_every_field(request["14"])),
        [messages.answer(request, "00", approval="000005")],
        {"frames": 1, "replies": 1, "approved": 1},
        held_minor=1999,
    )


def _every_field(expiry: str) -> bytes:
    """The sample's bytes, with a card that is good for longer."""
    payload = bytes.fromhex((SAMPLES / "0100-every-field.hex").read_text(encoding="ascii"))
    before = b"11304511223012"
    assert payload.count(before) == 1
    return payload.replace(before, before[:-4] + expiry.encode())


@row()
def track_2_alone(messages: "Messages") -> Exchange:
    """DE35 without DE2 names the card; the track is not echoed and the number is not made up."""
    request = messages.purchase({"35": TRACK_2}, without=("2",))
    return Exchange(
        messages.wire(request),
        [messages.answer(request, "00", approval="000005")],
        {"frames": 1, "replies": 1, "approved": 1},
        held_minor=1999,
    )


@row()
def unsupported_transaction(messages: "Messages") -> Exchange:
    """A transfer between accounts, by 0100 and by 0200: read, and declined."""
    transfer = messages.purchase({"3": "400000"})
    financial = messages.purchase({"t": "0200", "3": "400000"})
    return Exchange(
        messages.wire(transfer) + messages.wire(financial),
        [messages.answer(transfer, "12"), messages.answer(financial, "12")],
        {"frames": 2, "replies": 2, "unsupported_transaction": 2},
    )


@row()
def cash_part_missing(messages: "Messages") -> Exchange:
    """A purchase with cash back that does not say how much of it is cash."""
    request = messages.purchase({"3": "090000"})
    return Exchange(
        messages.wire(request),
        [messages.answer(request, "13")],
        {"frames": 1, "replies": 1, "invalid_amount": 1},
    )


# ---- advices and reversals


@row()
def malformed_reversal(messages: "Messages") -> Exchange:
    """Not answered and not lost: one line on the operators' list, however often it comes."""
    request = messages.reversal({"90": "0" * 42, "7": "1122993115"})
    repeat = request | {"t": "0401"}
    error = "DE7: found time 99:31:15, expected time 00:00:00 to 23:59:59"
    return Exchange(
        messages.wire(request) + messages.wire(repeat) * 2,
        [],
        {"frames": 3, "format_errors": 3, "exceptions": 1},
        malformed("0400", error) + malformed("0401", error) * 2,
        [listed("malformed_advice", "0400", "7", error, count=3)],
    )


@row()
def malformed_advice(messages: "Messages") -> Exchange:
    """The same for a reversal advice, here with letters in the amount."""
    request = messages.reversal({"t": "0420", "4": "00000000199X"})
    error = "DE4 at byte 60: found '99999999999A', expected 12 digits"
    return Exchange(
        messages.wire(request),
        [],
        {"frames": 1, "format_errors": 1, "exceptions": 1},
        malformed("0420", error),
        [listed("malformed_advice", "0420", "4", error) | {"amount_minor": None}],
    )


@row()
def malformed_stand_in_advice(messages: "Messages") -> Exchange:
    """An 0120 whose network data is none: the network keeps it, and nothing is held."""
    request = messages.purchase({"t": "0120", "39": "00", "63": "0199"})
    error = "DE63: found a length of 99 at 0, expected no more than is left"
    return Exchange(
        messages.wire(request),
        [],
        {"frames": 1, "format_errors": 1, "exceptions": 1},
        malformed("0120", error),
        [listed("malformed_advice", "0120", "63", error)],
    )


@row()
def advice_for_unknown_card(messages: "Messages") -> Exchange:
    """An approving 0120 for nobody's card: taken, held for nobody, and an operator is told."""
    request = messages.purchase({"t": "0120", "2": "4000000000002222", "39": "00"})
    entry = listed("advice_for_unknown_card", "0120", None, "no card of ours has this number")
    return Exchange(
        messages.wire(request),
        [messages.answer(request, "00")],
        {"frames": 1, "replies": 1, "advice_accepted": 1, "exceptions": 1},
        exceptions=[entry | {"card_last_four": "2222"}],
    )


@row()
def completion_for_unknown_card(messages: "Messages") -> Exchange:
    """An 0220 for nobody's card: posted to suspense, and an operator is told."""
    request = messages.purchase({"t": "0220", "2": "4000000000002222"})
    entry = listed("posting_for_unknown_card", "0220", None, "posted to suspense: no card of ours")
    return Exchange(
        messages.wire(request),
        [messages.answer(request, "00")],
        {"frames": 1, "replies": 1, "advice_accepted": 1, "exceptions": 1},
        exceptions=[entry | {"card_last_four": "2222"}],
    )


@row()
def reversal_for_unknown_card(messages: "Messages") -> Exchange:
    """Acknowledged as any reversal, and an operator is told."""
    request = messages.reversal({"2": "4000000000002222"})
    entry = listed("reversal_for_unknown_card", "0400", None, "no card of ours has this number")
    return Exchange(
        messages.wire(request),
        [messages.answer(request, "25")],
        {"frames": 1, "replies": 1, "no_original": 1, "exceptions": 1},
        exceptions=[entry | {"card_last_four": "2222"}],
    )


# ---- network management


@row()
def unknown_network_management_code(messages: "Messages") -> Exchange:
    """DE70 999: refused, and the line stays signed on."""
    request = messages.management({"70": "999"})
    return Exchange(messages.wire(request), [messages.answer(request, "12")], {"frames": 1, "replies": 1})


@row()
def malformed_network_management(messages: "Messages") -> Exchange:
    """An 0800 without DE70."""
    request = messages.management(without=("70",))
    return refused(messages, request, "DE70: found nothing, expected DE70 in a 0800")


@row()
def network_management_advice(messages: "Messages") -> Exchange:
    """0820 has no response in the standard."""
    return Exchange(messages.wire(messages.management({"t": "0820"})), counted={"frames": 1})


@row()
def business_before_sign_on(messages: "Messages") -> Exchange:
    """After a sign-off: processed like any other, and counted."""
    off, request = messages.management({"70": "002"}), messages.purchase()
    on = messages.management({"70": "001"})
    return Exchange(
        b"".join(map(messages.wire, (off, request, on))),
        [
            messages.answer(off, "00"),
            messages.answer(on, "00"),
            messages.answer(request, "00", approval="000005"),
        ],
        {"frames": 3, "replies": 3, "approved": 1, "before_sign_on": 1},
        held_minor=1999,
    )


# ---- the test of all rows

NAMES = [each.name for each in ROWS]
PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"
USUAL = {"frames", "replies"}
"""Counted for good input too, so the page doesn't name them."""


@pytest.mark.parametrize("bad", ROWS, ids=NAMES)
def test_the_page_says_so(bad: Row, messages: "Messages") -> None:
    """The row's line in docs/bad-input.md names the DE39 that goes back and the counters that go up."""
    name = re.sub(r"_[0-9]+$", "", bad.name)
    (line,) = re.findall(rf"^\| `{name}` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    _arrives, back, counted, _logged = line.split("|")
    exchange = bad.make(messages)
    assert set(re.findall("`([0-9]{2})`", back)) == {
        reply["39"] for reply in exchange.back if reply["t"] != "0810" or reply["39"] != "00"
    }
    assert set(re.findall("`([a-z_]+)`", counted)) == set(exchange.counted) - USUAL


@pytest.mark.parametrize("bad", ROWS, ids=NAMES)
async def test_bad_input(
    bad: Row, start: Callable[..., Awaitable["Running"]], messages: "Messages", tmp_path: Path
) -> None:
    """Exactly what goes back, exactly what is counted and logged; a good request is served next; no secret is kept."""
    running = await start(framing=bad.framing)
    await running.issue_card()
    exchange = bad.make(messages)
    peer = await running.connect()
    counted, logged = running.counts(), len(running.logs)
    await peer.send_bytes(exchange.send)
    good = messages.numbered(GOOD_STAN)
    if bad.closed_by:
        if bad.closed_by == "peer":
            await peer.stream.send_eof()
        back, _ = await peer.receive_until(None)
        await running.until_lines(0)
        counted = running.counts() - counted
        peer = await running.connect()
        await peer.send(good)
        others, answer = await peer.receive_until(good["11"])
    else:
        await peer.send(good)
        back, answer = await peer.receive_until(good["11"])
        counted = running.counts() - counted
        counted.subtract(["frames", "replies", "approved"])
        await peer.stream.send_eof()
        others, _ = await peer.receive_until(None)
    assert (exchange.back, []) == (back, others)
    assert answer is not None
    assert messages.answer(good, "00", approval=answer["38"]) == answer
    assert exchange.counted == +counted

    lines = [line for line in running.logs[logged:] if line["event"] != "decision"]
    assert exchange.logged == lines
    assert exchange.exceptions == await _exceptions(running)
    account = await running.account()
    assert exchange.held_minor + int(good["4"]) == account.held_minor
    await running.stop()
    assert_no_secret(repr(running.logs), (tmp_path / "data").rglob("*"))


async def _exceptions(running: "Running") -> list[dict[str, Any]]:
    result = await running.admin("exceptions.list")
    assert result.total == len(result.exceptions)
    return [
        {name: getattr(entry, name) for name in entry.__struct_fields__ if name not in ("exception_id", "at")}
        for entry in result.exceptions
    ]


def assert_no_secret(logged: str, files: Any) -> None:
    """No card number of any row, whole or as it stands in a track, in what was logged or written to disk."""
    numbers = re.compile(rb"4000[ -]?0000[ -]?0000[ -]?(1232|1233|2222)")
    assert numbers.search(logged.encode()) is None
    for file in files:
        if file.is_file():
            assert numbers.search(file.read_bytes()) is None, file
