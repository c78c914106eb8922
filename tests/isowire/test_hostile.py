"""Any bytes become a Message or a DecodeError, never anything else, and no error repeats them."""

import re
from collections.abc import Callable
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from isowire import Codec, DecodeError, Message, load_dialect, pan_of

CODEC = Codec(load_dialect("iso87-ascii"))
SAMPLES = Path(__file__).parents[2] / "iso8583" / "samples" / "iso87-ascii"
PAYLOADS = [bytes.fromhex(file.read_text(encoding="ascii")) for file in sorted(SAMPLES.glob("*.hex"))]


@st.composite
def near_misses(draw: st.DrawFn) -> bytes:
    """A golden message with a few bytes changed, put in or taken out."""
    payload = bytearray(draw(st.sampled_from(PAYLOADS)))
    for _ in range(draw(st.integers(min_value=1, max_value=6))):
        start = draw(st.integers(min_value=0, max_value=len(payload)))
        stop = start + draw(st.integers(min_value=0, max_value=3))
        payload[start:stop] = draw(
            st.binary(max_size=3) | st.text("0123456789ABCDEF +-_=", max_size=3).map(str.encode)
        )
    return bytes(payload)


@st.composite
def bitmapped(draw: st.DrawFn) -> bytes:
    """Two well-formed bitmaps that name anything, then digits: it gets far."""
    bits = draw(st.integers(min_value=0, max_value=2**128 - 1))
    bitmaps = f"{bits:032X}"
    if not bits >> 127:
        bitmaps = bitmaps[:16]
    return b"0100" + bitmaps.encode() + draw(st.text("012 A", max_size=400)).encode()


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any fields of the dialect with any value that their class and length allow."""
    characters = {
        "n": "0123456789",
        "an": "09AZaz ",
        "ans": "".join(map(chr, range(0x20, 0x7F))),
        "z": "09=D",
        "b": "09AFaf",
    }
    fields = {}
    for number in sorted(draw(st.sets(st.sampled_from(sorted(CODEC.dialect.kinds)), max_size=12)), key=int):
        kind, spec = CODEC.dialect.kinds[number], CODEC.dialect.spec[number]
        longest = spec["max_len"]
        if kind == "x+n":
            digits = draw(st.text("0123456789", min_size=longest - 1, max_size=longest - 1))
            fields[number] = draw(st.sampled_from("CD")) + digits
        else:
            shortest, most = (0, min(longest, 40)) if spec["len_type"] else (longest, longest)
            fields[number] = draw(st.text(characters[kind], min_size=shortest, max_size=most))
    return Message(draw(st.sampled_from(["0100", "0101", "0420", "0800", "9999"])), fields)


@given(st.binary(max_size=200) | near_misses() | bitmapped())
@example(b"0100" + b"C000000000000000" + b"F" * 16)
@example(b"0100" + b"8000000000000000" + b"8" * 16 + b"F" * 16)
def test_any_bytes_are_a_message_or_a_decode_error(payload: bytes) -> None:
    """A message that decodes encodes to the same again; an error holds only fields that do, and shows no digits."""
    outcome = tried(CODEC.decode, payload)
    if isinstance(outcome, DecodeError):
        assert_safe(outcome, payload)
        kept = Message("0100", outcome.fields)
        assert CODEC.decode(CODEC.encode(kept)) == kept
        return
    assert isinstance(outcome, Message)
    assert CODEC.decode(CODEC.encode(outcome)) == outcome
    number = tried(pan_of, outcome)
    if isinstance(number, DecodeError):
        assert_safe(number, payload)


def tried(function: Callable[..., object], *args: object) -> object:
    try:
        return function(*args)
    except DecodeError as error:
        return error


def assert_safe(error: DecodeError, payload: bytes) -> None:
    """No digits in a row in the text but lengths and offsets that fit the payload; nothing of pyiso8583's chained."""
    assert (error.__cause__, error.__context__) == (None, None)
    said = re.sub("9+", "", re.sub("DE[0-9]+|iso8?7?-?[a-z0-9]*", "", str(error)))
    assert all(len(run) <= 4 for run in re.findall("[0-9]+", said))
    assert error.mti in ("", payload[:4].decode("latin-1"))


@given(messages())
def test_what_encodes_decodes_to_the_same(message: Message) -> None:
    """Both ways, for any fields and values of the dialect; the bitmap is written in capitals."""
    payload = CODEC.encode(message)
    assert CODEC.decode(payload) == message
    assert CODEC.encode(CODEC.decode(payload)) == payload
