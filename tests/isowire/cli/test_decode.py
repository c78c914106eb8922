"""`isowire decode` on every sample, in every shape that people paste, and on what does not decode."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from isowire import FRAMINGS, Codec, Message, load_dialect
from isowire.cli import app

SAMPLES = Path(__file__).parents[3] / "iso8583" / "samples"
NAMES = sorted(f"{file.parent.name}/{file.stem}" for file in SAMPLES.glob("*/*.hex"))
PURCHASE = "iso87-ascii/0100-purchase"
PAN = "4000000000001232"
CODEC = Codec(load_dialect("iso87-ascii"))


def run(*args: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(args), input=given)


def payload(name: str = PURCHASE) -> bytes:
    return bytes.fromhex((SAMPLES / f"{name}.hex").read_text(encoding="ascii"))


def page(name: str = PURCHASE) -> dict[str, str]:
    fields: dict[str, str] = tomllib.loads((SAMPLES / f"{name}.toml").read_text(encoding="utf-8"))["fields"]
    return fields


def decoded(given: bytes, *args: str) -> dict[str, object]:
    result = run("decode", "--json", *args, given=given)
    assert result.exit_code in (0, 1), result.output
    document: dict[str, object] = json.loads(result.stdout)
    return document


def summary(given: bytes) -> tuple[object, object, list[str]]:
    """Dialect, framing and the MTIs that were found."""
    document = decoded(given)
    messages = document["messages"]
    assert isinstance(messages, list)
    return document["dialect"], document["framing"], [message["mti"] for message in messages]


def secrets(name: str) -> set[str]:
    """Card data of a sample that may not stand in masked output: numbers, tracks, PIN blocks, chip data."""
    fields = page(name)
    found = {fields[number] for number in ("2", "34", "35", "36", "45", "52", "53", "55") if number in fields}
    for number in ("34", "35", "36", "45"):
        found |= set(re.findall("[0-9]{12,19}", fields.get(number, "")))
    # The made-up digits of the page with every field stand in half of its fields, sensitive and not.
    return {value for value in found if value not in ("0123456789ABCDEF", "1234567890123456")}


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_found_in_its_dialect(name: str) -> None:
    """Without a word about dialect and framing, each sample is one message of its own dialect."""
    dialect, file = name.split("/")
    assert summary((SAMPLES / f"{name}.hex").read_bytes()) == (dialect, "none", [file[:4]])


@pytest.mark.parametrize("name", NAMES)
def test_masked_output_holds_no_card_data(name: str) -> None:
    """Neither the table nor the JSON of a sample shows a card number, track, PIN block or chip data."""
    file = str(SAMPLES / f"{name}.hex")
    shown = run("decode", file).output + run("decode", "--json", file).output
    assert {secret for secret in secrets(name) if secret in shown} == set()
    assert PAN not in re.sub(r"\s", "", shown)


@pytest.mark.parametrize("name", NAMES)
def test_reveal_shows_no_track_and_no_pin(name: str) -> None:
    """--reveal shows the card number, and says that it does; tracks and PIN blocks stay masked."""
    result = run("decode", "--reveal", "--json", str(SAMPLES / f"{name}.hex"))
    fields = page(name)
    assert result.stderr.startswith("isowire: --reveal")
    shown = {field["field"]: field["value"] for field in json.loads(result.stdout)["messages"][0]["fields"]}
    assert shown.get("2") == fields.get("2")
    for number in ("35", "36", "45", "52", "53"):
        assert shown.get(number) is None or shown[number] != fields[number]
    tracks = {fields[number] for number in ("35", "36", "45") if fields.get(number)}
    assert {track for track in tracks if track in result.stdout} == set()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [50, 99])
def test_a_cut_message_shows_no_card_data(name: str, share: int) -> None:
    """What does not decode is as masked as what does, the bytes beside the error too."""
    data = payload(name)[: len(payload(name)) * share // 100]
    result = run(
        "decode", "--dialect", name.split("/", maxsplit=1)[0], "--framing", "none", given=data.hex().encode()
    )
    assert result.exit_code == 1
    assert "does not decode" in result.output
    assert {secret for secret in secrets(name) if secret in result.output} == set()
    # Of the view of bytes: the card's number in BCD, ASCII and EBCDIC.
    bytes_shown = re.sub(r"\s", "", result.output)
    for written in (PAN, PAN.encode().hex(), PAN.encode("cp500").hex()):
        assert written not in bytes_shown


def dump(data: bytes, form: str) -> str:
    """What a tool prints for bytes, with offsets and characters."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        pairs = row.hex(" ")
        fours = " ".join(row[two : two + 2].hex() for two in range(0, len(row), 2))
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(
            {
                "hexdump -C": f"{at:08x}  {row[:8].hex(' '):23}  {row[8:].hex(' '):23}  |{text}|",
                "xxd": f"{at:08x}: {fours:39}  {text}",
                "tcpdump -X": f"\t0x{at:04x}:  {fours:39}  {text}",
                "wireshark": f"{at:04x}   {pairs:47}   {text}",
                "od": f"{at:06x} {pairs:47}  >{text}<",
            }[form]
        )
    if form in ("hexdump -C", "od"):
        lines.append(f"{len(data):08x}" if form == "hexdump -C" else f"{len(data):06x}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("form", ["hexdump -C", "xxd", "tcpdump -X", "wireshark", "od"])
@pytest.mark.parametrize("name", [PURCHASE, "iso87-ascii/0800-echo", "iso87-binary/0110-approved"])
def test_dumps_are_read(form: str, name: str) -> None:
    """Offsets and the column of characters are told from bytes, in what each tool prints."""
    wire = FRAMINGS["bin2"].wrap(payload(name))
    assert summary(dump(wire, form).encode()) == (
        name.split("/", maxsplit=1)[0],
        "bin2",
        [name.split("/")[1][:4]],
    )


def test_a_line_that_hexdump_leaves_out_is_put_back() -> None:
    """An asterisk stands for lines like the one before it."""
    fields = {"7": "1122103045", "11": "000001", "70": "301", "48": "0" * 80}
    data = CODEC.encode(Message("0800", dict(sorted(fields.items(), key=lambda field: int(field[0])))))
    lines = dump(data, "hexdump -C").splitlines()
    squeezed = [line for at, line in enumerate(lines) if not (at and line[8:] == lines[at - 1][8:])]
    first = next(at for at, line in enumerate(lines[1:], 1) if line[8:] == lines[at - 1][8:])
    squeezed.insert(first, "*")
    assert len(squeezed) < len(lines)
    assert summary("\n".join(squeezed).encode()) == ("iso87-ascii", "none", ["0800"])


def hexadecimal_forms() -> dict[str, str]:
    digits = payload().hex()
    pairs = re.findall("..", digits)
    return {
        "plain": digits,
        "capitals": digits.upper(),
        "spaces": " ".join(pairs),
        "colons": ":".join(pairs),
        "0x before all": f"0x{digits}",
        "0x before each": ", ".join(f"0x{pair}" for pair in pairs),
        "escaped": "".join(f"\\x{pair}" for pair in pairs),
        "C array": "{ " + ", ".join(f"0x{pair}" for pair in pairs) + " };",
        "lines": "\r\n".join(re.findall(".{1,40}", digits)),
        "comments": f"# from the switch\n{digits}\n",
    }


@pytest.mark.parametrize("form", hexadecimal_forms())
def test_hexadecimal_is_read_in_many_forms(form: str) -> None:
    """Spaces, colons, commas, 0x and \\x are no part of the bytes."""
    assert summary(hexadecimal_forms()[form].encode()) == ("iso87-ascii", "none", ["0100"])


def test_bytes_and_text_are_read() -> None:
    """A payload as it is, as text with a line feed, and text whose every character is a hexadecimal digit too."""
    assert summary(payload()) == ("iso87-ascii", "none", ["0100"])
    assert summary(payload() + b"\n") == ("iso87-ascii", "none", ["0100"])
    assert summary(payload("iso87-ascii/0800-echo")) == ("iso87-ascii", "none", ["0800"])


def test_lines_may_be_messages() -> None:
    """One message a line, in hexadecimal or as text."""
    two = [payload(), payload("iso87-ascii/0110-approved")]
    expected = ("iso87-ascii", "none", ["0100", "0110"])
    assert summary(b"\n".join(each.hex().encode() for each in two)) == expected
    assert summary(b"\n".join(two)) == expected


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", [PURCHASE, "iso87-binary/0100-purchase", "iso93-ascii/1100-purchase"])
def test_frames_are_cut_and_their_framing_found(framing: str, name: str) -> None:
    """Two frames and a keep-alive between them, in each framing, without a word about which."""
    way = FRAMINGS[framing]
    wire = way.wrap(payload(name)) + way.wrap(b"") + way.wrap(payload(name))
    document = decoded(wire)
    mti = name.split("/")[1][:4]
    assert summary(wire) == (name.split("/", maxsplit=1)[0], framing, [mti, mti])
    assert document["keepalives"] == 1


def packet(data: bytes, *, sequence: int, reply: bool = False) -> bytes:
    """IPv4 and TCP around a piece of a stream, as tcpdump -X shows it."""
    ports = (8583, 40000) if reply else (40000, 8583)
    hosts = (b"\x0a\0\0\x05", b"\x0a\0\0\x09") if reply else (b"\x0a\0\0\x09", b"\x0a\0\0\x05")
    tcp = b"".join(port.to_bytes(2, "big") for port in ports)
    tcp += sequence.to_bytes(4, "big") + bytes(4) + b"\x50\x18" + bytes(6) + data
    head = b"\x45\0" + (20 + len(tcp)).to_bytes(2, "big") + bytes(4) + b"\x40\x06\0\0"
    return head + b"".join(hosts) + tcp


def test_tcpdump_is_read_through_its_headers() -> None:
    """Both directions, an empty acknowledgement, and a segment that was sent twice."""
    asked = FRAMINGS["bin2"].wrap(payload())
    answered = FRAMINGS["bin2"].wrap(payload("iso87-ascii/0110-approved"))
    packets = [
        packet(asked[:100], sequence=1),
        packet(b"", sequence=1, reply=True),
        packet(asked[100:], sequence=101),
        packet(asked[100:], sequence=101),
        packet(answered, sequence=1, reply=True),
    ]
    text = "".join(
        f"12:00:0{at}.000 IP 10.0.0.9.40000 > 10.0.0.5.8583: Flags [P.]\n{dump(each, 'tcpdump -X')}"
        for at, each in enumerate(packets)
    )
    document = decoded(text.encode())
    messages = document["messages"]
    assert isinstance(messages, list)
    assert [(message["mti"], message["stream"], message["error"]) for message in messages] == [
        ("0100", "10.0.0.9:40000 > 10.0.0.5:8583", None),
        ("0110", "10.0.0.5:8583 > 10.0.0.9:40000", None),
    ]
    ethernet = bytes(12) + b"\x08\x00" + packet(asked, sequence=1)
    assert summary(dump(ethernet, "wireshark").encode()) == ("iso87-ascii", "bin2", ["0100"])


def test_fields_have_their_meaning() -> None:
    """Amounts in their currency, codes in words, DE43 in parts, the card's number by its last four."""
    fields = {
        field["field"]: (field["value"], field["meaning"])
        for field in decoded(payload())["messages"][0]["fields"]  # type: ignore[index]
    }
    assert fields["2"] == ("************1232", "")
    assert fields["3"] == ("000000", "purchase")
    assert fields["4"] == ("000000001999", "19.99 EUR")
    assert fields["7"][1].endswith("-11-22 10:30:45 UTC")
    assert fields["12"] == ("113045", "11:30:45 local")
    assert fields["14"] == ("****", "")
    assert fields["22"] == ("051", "chip; can take a PIN")
    assert fields["49"] == ("978", "EUR, Euro")


def test_parts_have_theirs() -> None:
    """DE43, DE54, DE55, DE90 and DE95 part by part."""
    every = decoded(payload("iso87-ascii/0100-every-field"))["messages"][0]["fields"]  # type: ignore[index]
    parts = {
        field["field"]: [(part["name"], part["value"], part["meaning"]) for part in field["parts"]]
        for field in every
        if field["parts"]
    }
    assert parts["43"] == [
        ("name and street", "CORNER SHOP RUA DO OURO 1", ""),
        ("city", "LISBON", ""),
        ("country", "PT", ""),
    ]
    assert parts["54"] == [("ledger balance", "19.99 EUR", "default account")]
    assert parts["55"] == [
        ("Application Cryptogram", "(8 bytes)", ""),
        ("Cryptogram Information Data", "(1 byte)", ""),
        ("Application Transaction Counter", "(2 bytes)", ""),
    ]
    assert parts["90"][0] == ("original MTI", "0100", "authorisation request")
    assert parts["95"][0] == ("transaction amount", "000000001500", "15.00 EUR")


def test_reveal_keeps_what_is_never_shown_in_chip_data() -> None:
    """Track 2 and PIN data in DE55 stay masked, in a template too; the other tags are shown."""
    track = "4000000000001232D3012201"
    inner = f"57{len(track) // 2:02X}{track}9F360200FF"
    chip = f"9F02060000000019995F2A020978{inner}71{len(inner) // 2:02X}{inner}99020000"
    fields = {**page(), "55": chip}
    data = CODEC.encode(Message("0100", dict(sorted(fields.items(), key=lambda field: int(field[0])))))
    result = run("decode", "--reveal", "--json", given=data)
    assert track not in result.stdout
    (field,) = [each for each in json.loads(result.stdout)["messages"][0]["fields"] if each["field"] == "55"]
    assert [(part["key"], part["value"], part["masked"]) for part in field["parts"]] == [
        ("9F02", "000000001999", False),
        ("5F2A", "0978", False),
        ("57", "(12 bytes)", True),
        ("9F36", "00FF", False),
        ("71", "(19 bytes)", False),
        ("57", "(12 bytes)", True),
        ("9F36", "00FF", False),
        ("99", "(2 bytes)", True),
    ]
    assert (field["value"], field["parts"][0]["meaning"]) == (f"({len(chip) // 2} bytes)", "19.99 EUR")


def test_the_card_number_is_masked_wherever_it_stands() -> None:
    """A field that is not sensitive, and holds the card's number all the same."""
    fields = {**page(), "43": f"SHOP {PAN}".ljust(38) + "PT", "44": f"card {PAN}"}
    data = CODEC.encode(Message("0100", dict(sorted(fields.items(), key=lambda field: int(field[0])))))
    shown = run("decode", given=data).output + run("decode", "--json", given=data).output
    assert PAN not in shown
    assert "card ************1232" in shown
    broken = run("decode", given=data[:-40]).output
    assert "does not decode" in broken
    assert PAN not in re.sub(r"\s", "", broken)
    assert PAN.encode().hex() not in re.sub(r"\s", "", broken)


def test_an_error_is_shown_where_it_is() -> None:
    """What decoded, the error with its offset, and a caret under the byte, the card's number masked."""
    data = payload().replace(b"000000001999", b"00000000A999")
    result = run("decode", given=data)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    (row,) = [at for at, line in enumerate(lines) if line.startswith("  0020  ")]
    assert "does not decode: DE4 at byte 44: found '99999999A999', expected 12 digits" in lines
    assert lines[row] == "  0020  ** ** ** ** ** ** 30 30 30 30 30 30 3* 3* 3* 3*  ******0000009999"
    assert lines[row + 1].rstrip() == " " * 44 + "^^" + " " * 23 + "^"
    assert any(line.split()[:1] == ["49"] for line in lines)


def test_a_shifted_message_shows_nothing() -> None:
    """DE2 with too short a length puts pieces of the number into other fields: all are masked, --reveal or not."""
    data = payload().replace(b"16" + PAN.encode(), b"12" + PAN.encode())
    for args in ((), ("--reveal",)):
        result = run("decode", *args, given=data)
        assert result.exit_code == 1
        assert "fields may be shifted" in result.stdout
        shown = {line.split()[-1] for line in result.stdout.splitlines() if re.match(" *[0-9]+  [A-Z]", line)}
        assert shown
        assert all(not re.search("[0-9]{3}", value.replace("1232", "")) for value in shown)


def test_fields_behind_a_lost_byte_are_not_shown() -> None:
    """One byte less in DE4: the fields behind it hold pieces of others, the expiry date's too, so all are masked."""
    data = payload().replace(b"000000001999", b"0000000A999")
    result = run("decode", "--json", given=data)
    fields = json.loads(result.stdout)["messages"][0]["fields"]
    assert [field["field"] for field in fields if not field["masked"]] == ["3"]
    assert "may be shifted" in run("decode", given=data).stdout


def test_an_incomplete_frame_says_what_is_missing() -> None:
    """The header says more than there is: what is there is decoded."""
    wire = FRAMINGS["bin2"].wrap(payload())
    result = run("decode", given=wire + wire[:100])
    assert result.exit_code == 1
    assert "2 of 2: 0100" in result.stdout
    assert f"the input ends {len(wire) - 100} bytes before the frame does" in result.stdout


def test_missing_fields_are_told() -> None:
    """A message that decodes, and lacks what the dialect asks for."""
    fields = {number: value for number, value in page().items() if number != "11"}
    messages = decoded(CODEC.encode(Message("0100", fields)))["messages"]
    assert isinstance(messages, list)
    assert [message["missing"] for message in messages] == [["11"]]


@pytest.mark.parametrize(
    ("args", "given", "said"),
    [
        (("4000000000001232",), None, "isowire: [digits]: no such file"),
        (("-", "--dialect", "iso87-asci"), b"30", "isowire: there is no dialect 'iso87-asci'; did you mean"),
        (("-", "--framing", "bin3"), b"30", "isowire: found framing 'bin3', expected none or one of bin2"),
        (("-",), b"", "isowire: standard input: found nothing, expected a message"),
        (
            ("-",),
            payload().hex().encode()[:-1],
            "isowire: this is nearly hexadecimal: 361 hexadecimal digits",
        ),
        (
            ("-",),
            payload().hex().replace("5445", "54O5", 1).encode(),
            "isowire: this is nearly hexadecimal: line 1",
        ),
        (("-",), b"\xd4\xc3\xb2\xa1" + bytes(20), "isowire: standard input: is a packet capture"),
        (("-",), b"GET / HTTP/1.1\r\n\r\n", "isowire: found no message of iso87-ascii, "),
    ],
)
def test_bad_input_is_one_line(args: tuple[str, ...], given: bytes | None, said: str) -> None:
    """Exit code 2, a line on standard error that says what would be right, nothing on standard output."""
    result = run("decode", *args, given=given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1
