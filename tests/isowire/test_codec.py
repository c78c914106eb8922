"""Messages from bytes and back, and what is refused on the way."""

from collections.abc import Callable

import pytest

from isowire import Codec, DecodeError, EncodeError, Message, load_dialect
from isowire.codec import SHOWN_FIELDS

CODEC = Codec(load_dialect("iso87-ascii"))
PAN = "4000000000001232"
FIELDS = {"2": PAN, "3": "000000", "4": "000000001999", "11": "000123", "32": "000123", "41": "TERM0001"}
WIRE = b"0100702000010080000016" + PAN.encode() + b"00000000000000199900012306000123TERM0001"


def refused(payload: bytes, codec: Codec = CODEC) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        codec.decode(payload)
    error = caught.value
    # pyiso8583's own error holds the payload: it must be neither cause nor context.
    assert (error.__cause__, error.__context__) == (None, None)
    assert PAN not in str(error) + repr(error)
    return error


def without(*numbers: str) -> dict[str, str]:
    return {number: value for number, value in FIELDS.items() if number not in numbers}


def test_decodes_and_encodes() -> None:
    """The bytes, the message, the bytes again."""
    assert CODEC.decode(WIRE) == Message("0100", FIELDS)
    assert CODEC.encode(Message("0100", FIELDS)) == WIRE


def test_encode_leaves_the_message_as_it_was() -> None:
    """Neither bitmaps nor the MTI get into the fields of the caller."""
    message = Message("0100", {**FIELDS, "70": "001"})
    CODEC.encode(message)
    assert message == Message("0100", {**FIELDS, "70": "001"})


def test_the_order_of_the_fields_does_not_matter() -> None:
    """Fields go out by number."""
    assert CODEC.encode(Message("0100", dict(reversed(FIELDS.items())))) == WIRE


def test_bitmaps_in_small_letters_are_bitmaps() -> None:
    """Hexadecimal has two ways to write A to F; a secondary bitmap without a bit in it is none the less one."""
    payload = b"0800" + b"c020000000000000" + b"0000000000000000" + b"02" + b"99" + b"000001"
    assert CODEC.decode(payload) == Message("0800", {"2": "99", "11": "000001"})


def test_repr_shows_what_is_allowed_and_masks_the_rest() -> None:
    """Values of the allow-list show, others are stars; a value too long for its field is stars too."""
    message = Message("0100", {**FIELDS, "43": "SHOP", "37": "4000000000001232"})
    expected = (
        "Message(0100: 2=***, 3='000000', 4='000000001999', 11='000123', 32='000123', 41='TERM0001', "
        "43=***, 37=***)"
    )
    assert repr(message) == expected


def test_nothing_sensitive_is_on_the_list_of_what_is_shown() -> None:
    """What the dialect calls sensitive never shows, nor do fields of free text long enough for a PAN."""
    dialect = CODEC.dialect
    assert not SHOWN_FIELDS & dialect.sensitive
    assert all(dialect.spec[number]["max_len"] <= 12 for number in SHOWN_FIELDS)


def test_messages_are_equal_by_content_and_key_nothing() -> None:
    """They change, so they have no hash."""
    assert Message("0100", {"11": "000001"}) != Message("0101", {"11": "000001"})
    assert Message("0100", {}) != "0100"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Message("0100", {}))


@pytest.mark.parametrize(
    ("payload", "field", "offset", "found", "expected"),
    [
        (b"", "t", 0, "''", "4 digits"),
        (b"010", "t", 0, "'999'", "4 digits"),
        (b"01x0" + WIRE[4:], "t", 0, "'99A9'", "4 digits"),
        (b"01\xb20" + WIRE[4:], "t", 0, "'99?9'", "4 digits"),
        (b"+100" + WIRE[4:], "t", 0, "'+999'", "4 digits"),
        (WIRE[:4], "p", 4, "''", "16 hexadecimal characters"),
        (WIRE[:19], "p", 4, "'999999999999999'", "16 hexadecimal characters"),
        (
            b"0100" + b"70200001 0800000" + WIRE[20:],
            "p",
            4,
            "'99999999 9999999'",
            "16 hexadecimal characters",
        ),
        (
            b"0100" + b"7020000\x00\xff0800000" + WIRE[20:],
            "p",
            4,
            "'9999999??9999999'",
            "16 hexadecimal characters",
        ),
        (b"0100" + b"F020000100800000", "1", 20, "''", "16 hexadecimal characters"),
        (
            b"0100" + b"F020000100800000" + b"04000000 0000000",
            "1",
            20,
            "'99999999 9999999'",
            "16 hexadecimal characters",
        ),
    ],
)
def test_without_mti_and_bitmaps_nothing_is_known(
    payload: bytes, field: str, offset: int, found: str, expected: str
) -> None:
    """The part that can't be read is named; there are no fields to echo."""
    error = refused(payload)
    assert (error.field, error.offset, error.found, error.expected) == (field, offset, found, expected)
    assert (error.mti, error.fields) == ("" if field == "t" else "0100", {})


@pytest.mark.parametrize(
    ("payload", "field", "offset", "found", "expected", "fields"),
    [
        (WIRE[:20], "2", 20, "''", "a length of 2 digits", {}),
        (WIRE[:21], "2", 20, "'9'", "a length of 2 digits", {}),
        (WIRE[:30], "2", 22, "8 bytes to the end of the message", "16 bytes", {}),
        (WIRE[:50], "4", 44, "6 bytes to the end of the message", "12 bytes", without("4", "11", "32", "41")),
        (WIRE[:-1], "41", 70, "7 bytes to the end of the message", "8 bytes", without("41")),
        (WIRE + b"x", None, 78, "1 bytes after the last field", "the end", FIELDS),
        (WIRE + WIRE, None, 78, "78 bytes after the last field", "the end", FIELDS),
        (b"0800" + b"0" * 16 + b"x", None, 20, "1 bytes after the last field", "the end", {}),
        (WIRE.replace(b"\x3016400", b"\x3020400"), "2", 20, "a length of 20", "a length of at most 19", {}),
        (
            WIRE.replace(b"2306000123", b"2312000123"),
            "32",
            62,
            "a length of 12",
            "a length of at most 11",
            None,
        ),
    ],
)
def test_a_layout_that_does_not_fit_keeps_what_came_before(
    payload: bytes, field: str | None, offset: int, found: str, expected: str, fields: dict[str, str] | None
) -> None:
    """Cut short, too long, or a length over the maximum: field, byte, and the good fields before it."""
    error = refused(payload)
    if fields is None:
        fields = without("32", "41")
    assert (error.field, error.offset, error.found, error.expected) == (field, offset, found, expected)
    assert (error.mti, error.fields) == (payload[:4].decode(), fields)


@pytest.mark.parametrize("length", [b" 6", b"+6", b"-6", b"-1", b"0x", b"\xb2\xb2", b"6 ", b"6_"])
def test_a_length_is_digits(length: bytes) -> None:
    """What int() would still take is no length, and what stands behind it is not trusted."""
    error = refused(WIRE.replace(b"06000123", length + b"000123"))
    assert (error.field, error.offset, error.expected) == ("32", 62, "a length of 2 digits")
    assert (error.mti, error.fields) == ("0100", without("32", "41"))


@pytest.mark.parametrize(
    ("number", "good", "bad", "found", "expected"),
    [
        ("4", b"000000001999", b"ABCDEFGHIJKL", "'AAAAAAAAAAAA'", "12 digits"),
        ("4", b"000000001999", b"00000000 999", "'99999999 999'", "12 digits"),
        ("11", b"00012306", b"+0012306", "'+99999'", "6 digits"),
        ("41", b"TERM0001", b"TERM\x000\n1", "'AAAA?9?9'", "8 printable characters"),
        ("2", PAN.encode(), b"400000000000123D", "'999999999999999A'", "up to 19 digits"),
    ],
)
def test_a_wrong_character_keeps_every_other_field(
    number: str, good: bytes, bad: bytes, found: str, expected: str
) -> None:
    """The layout is whole, so all fields but the bad one may be echoed."""
    payload = WIRE.replace(good, bad)
    error = refused(payload)
    assert (error.field, error.found, error.expected) == (number, found, expected)
    assert error.offset == WIRE.index(good)
    assert (error.mti, error.fields) == ("0100", without(number))


def test_a_byte_beyond_ascii_ends_what_is_known() -> None:
    """pyiso8583 stops there: the fields before it are good."""
    error = refused(WIRE.replace(b"000000001999", b"00000000\xff999"))
    assert (error.field, error.offset, error.found) == ("4", 44, "'99999999?999'")
    assert error.fields == {"2": PAN, "3": "000000"}


def test_the_first_of_two_faults_is_named() -> None:
    """Letters in DE4 and a missing end: DE4 is named, and neither is echoed."""
    error = refused(WIRE.replace(b"000000001999", b"00000000A999")[:-1])
    assert (error.field, error.fields) == ("4", without("4", "41"))


@pytest.mark.parametrize("second", [b"8000000000000000", b"8400000000000000"])
def test_a_third_bitmap_is_refused_by_name(second: bytes) -> None:
    """DE65 is never dropped in silence, and fields past 128 never trip anything."""
    payload = b"0800" + b"8020000000000000" + second + b"F" * 16 + b"000001" + b"001"
    error = refused(payload)
    assert (error.field, error.offset) == ("65", 20)
    assert error.found == "a bit for DE65, a third bitmap"
    assert error.expected == "bits for the fields of iso87-ascii only"
    assert (error.mti, error.fields) == ("0800", {})


@pytest.mark.parametrize(
    ("number", "value", "good"),
    [
        ("28", "C00000025", True),
        ("28", "X00000025", False),
        ("28", "000000025", False),
        ("28", "DD0000025", False),
        ("35", PAN + "=3012", True),
        ("35", PAN + "D3012F", True),
        ("35", PAN + "=x", False),
        ("37", "63261000 12A", True),
        ("37", "63261000-12A", False),
        ("45", "B" + PAN + "^DOE/JANE^3012", True),
        ("49", "EUR", True),
        ("49", "E-R", False),
        ("52", "0123456789abcdEF", True),
        ("52", "0123456789abcdEG", False),
        ("55", "9F26 1", False),
        ("48", "", True),
        ("99", "", True),
        ("35", "", True),
    ],
)
def test_each_class_takes_its_characters_both_ways(number: str, value: str, good: bool) -> None:
    """Sign, track, binary and the rest: what decodes encodes, and what does not, does not."""
    spec = CODEC.dialect.spec[number]
    bit = 1 << (128 - int(number))
    bitmaps = f"{bit | 1 << 127:032X}" if int(number) > 64 else f"{bit:032X}"[:16]
    length = f"{len(value):0{spec['len_type']}}" if spec["len_type"] else ""
    payload = f"0100{bitmaps}{length}{value}".encode()
    message = Message("0100", {number: value})
    if good:
        assert (CODEC.decode(payload), CODEC.encode(message)) == (message, payload)
        return
    assert refused(payload).field == number
    with pytest.raises(EncodeError) as caught:
        CODEC.encode(message)
    assert caught.value.field == number


@pytest.mark.parametrize(
    ("change", "field", "found", "expected"),
    [
        (lambda m: setattr(m, "mti", "01x0"), "t", "'99A9'", "4 digits"),
        (lambda m: setattr(m, "mti", "01000"), "t", "'99999'", "4 digits"),
        (lambda m: setattr(m, "mti", "01\u0660\u0660"), "t", "'99??'", "4 digits"),
        (lambda m: m.fields.update({"4": "1999"}), "4", "4 characters", "12 digits"),
        (lambda m: m.fields.update({"4": "ABCDEFGHIJKL"}), "4", "'AAAAAAAAAAAA'", "12 digits"),
        (lambda m: m.fields.update({"4": "\u0660" * 12}), "4", "'????????????'", "12 digits"),
        (lambda m: m.fields.update({"2": "4" * 20}), "2", "20 characters", "up to 19 digits"),
        (lambda m: m.fields.update({"41": "CAF\u00c9 001"}), "41", "'AAA? 999'", "8 printable characters"),
        (lambda m: m.fields.update({"65": "0" * 16}), None, None, "fields of iso87-ascii only"),
        (lambda m: m.fields.update({"1": "0" * 16}), None, None, "fields of iso87-ascii only"),
        (lambda m: m.fields.update({"129": "0"}), None, None, "fields of iso87-ascii only"),
        (lambda m: m.fields.update({"04": "000000001999"}), None, None, "fields of iso87-ascii only"),
    ],
)
def test_what_does_not_fit_is_not_sent(
    change: Callable[[Message], object], field: str | None, found: str | None, expected: str
) -> None:
    """The error names the field and what would be right, and shows no digit of the message."""
    message = Message("0100", dict(FIELDS))
    change(message)
    with pytest.raises(EncodeError) as caught:
        CODEC.encode(message)
    error = caught.value
    assert (error.field, error.found, error.expected) == (
        field,
        found or "a field that the dialect doesn't have",
        expected,
    )
    assert (error.__cause__, error.__context__) == (None, None)
