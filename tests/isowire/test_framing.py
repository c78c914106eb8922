"""Length headers: frames out of any chunking, keep-alives, the maximum, garbage."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isowire import FRAMINGS, EncodeError, FrameReader, Framing, FramingError, envelope_of

BIN2 = FRAMINGS["bin2"]
ASCII4 = FRAMINGS["ascii4"]

framings = st.sampled_from(sorted(FRAMINGS.values(), key=lambda framing: framing.name))
payloads = st.lists(st.binary(max_size=300), max_size=12)


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


def test_the_headers_are_what_the_names_say() -> None:
    """The header of 258 bytes in each framing, with what stands around the message."""
    payload = b"x" * 258
    around = {name: framing.wrap(payload).split(payload) for name, framing in FRAMINGS.items()}
    base1 = bytes.fromhex("0118 0000 160102 0118") + bytes(17)
    assert around == {
        "bin2": [b"\x01\x02", b""],
        "bin2-inclusive": [b"\x01\x04", b""],
        "bcd2": [b"\x02\x58", b""],
        "ascii4": [b"0258", b""],
        "hex4": [b"0102", b""],
        "bin4": [b"\x00\x00\x01\x02", b""],
        "bin2-tpdu": [b"\x01\x07\x60\x00\x00\x00\x00", b""],
        "visa-base1": [base1, b""],
        "bin2-etx": [b"\x01\x03", b"\x03"],
    }


def test_each_says_how_long_a_message_may_be() -> None:
    """What the header can say, less what it counts beside the message; four bytes are held to a mebibyte."""
    facts = {
        name: (f.name, f.header_bytes, f.overhead_bytes, f.frame_length_max_bytes)
        for name, f in FRAMINGS.items()
    }
    assert facts == {
        "bin2": ("bin2", 2, 0, 65535),
        "bin2-inclusive": ("bin2-inclusive", 2, 0, 65533),
        "bcd2": ("bcd2", 2, 0, 9999),
        "ascii4": ("ascii4", 4, 0, 9999),
        "hex4": ("hex4", 4, 0, 65535),
        "bin4": ("bin4", 4, 0, 1048576),
        "bin2-tpdu": ("bin2-tpdu", 2, 5, 65530),
        "visa-base1": ("visa-base1", 4, 22, 65280),
        "bin2-etx": ("bin2-etx", 2, 1, 65534),
    }


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("bin2", b"\0\0"),
        ("bin2-inclusive", b"\0\2"),
        ("bin2-inclusive", b"\0\0"),
        ("bcd2", b"\0\0"),
        ("ascii4", b"0000"),
        ("hex4", b"0000"),
        ("bin4", b"\0\0\0\0"),
        ("bin2-tpdu", b"\0\0"),
        ("bin2-tpdu", b"\0\5\x60\0\1\0\2"),
        ("visa-base1", b"\0\0\0\0"),
        ("visa-base1", b"\0\x16\0\0\x16" + bytes(21)),
        ("bin2-etx", b"\0\0"),
        ("bin2-etx", b"\0\1\3"),
    ],
)
def test_nothing_in_a_frame_is_a_keep_alive(name: str, header: bytes) -> None:
    """A length of zero, and an envelope without a message in it: skipped, counted, nothing left over."""
    reader = FRAMINGS[name].reader(10)
    assert (reader.feed(header * 2), reader.keepalives, reader.buffered_bytes) == ([], 2, 0)


def test_a_plain_frame_has_no_envelope() -> None:
    """Its answer is the header and the payload, whatever is asked for."""
    frame = BIN2.reader(10).feed(b"\0\3abc")[0]
    assert (envelope_of(frame), BIN2.answer(envelope_of(frame), b"de")) == (b"", b"\0\2de")


def test_the_answer_goes_back_where_the_tpdu_came_from() -> None:
    """Kind kept, destination and source changed over."""
    framing = FRAMINGS["bin2-tpdu"]
    frame = framing.reader(10).feed(b"\0\x08" + bytes.fromhex("6000121234") + b"abc")[0]
    assert frame == b"abc"
    assert envelope_of(frame) == bytes.fromhex("6000121234")
    assert framing.answer(envelope_of(frame), b"de") == b"\0\x07" + bytes.fromhex("6012340012") + b"de"


def test_the_answer_goes_back_where_the_base1_header_came_from() -> None:
    """Stations changed over, the length anew, every other byte as it came."""
    framing = FRAMINGS["visa-base1"]
    envelope = bytes.fromhex("16 01 02 0019 111111 222222 31 4142 515253 61 717273 81")
    frame = framing.reader(10).feed(b"\0\x19\0\0" + envelope + b"abc")[0]
    assert (frame, envelope_of(frame)) == (b"abc", envelope)
    answer = bytes.fromhex("16 01 02 0018 222222 111111 31 4142 515253 61 717273 81")
    assert framing.answer(envelope, b"de") == b"\0\x18\0\0" + answer + b"de"


def test_a_base1_header_says_its_own_length() -> None:
    """That of a rejected message has 26 bytes: it is not taken for a part of the message."""
    envelope = b"\x1a" + bytes(21) + b"\x80\x00\x01\x23"
    frame = FRAMINGS["visa-base1"].reader(10).feed(b"\0\x1d\0\0" + envelope + b"abc")[0]
    assert (frame, envelope_of(frame)) == (b"abc", envelope)


@pytest.mark.parametrize(
    ("name", "data", "reason", "found", "expected"),
    [
        ("bin2-inclusive", b"\0\1", "not_a_length", r"'\x##\x##'", "a length of 2 bytes, at least 2"),
        ("bcd2", b"\x1a\x00", "not_a_length", r"'\x#a\x##'", "a length of 4 BCD digits"),
        ("hex4", b"0x1F", "not_a_length", "'#x#F'", "a length of 4 hexadecimal characters"),
        ("hex4", b" 1f ", "not_a_length", "' #f '", "a length of 4 hexadecimal characters"),
        ("bin4", b"\xff\xff\xff\xff", "over_maximum", "a length of 4294967295 bytes", "at most 100 bytes"),
        ("bin2-tpdu", b"\0\4abcd", "not_a_length", "a length of 4 bytes", "0, or at least 5 bytes"),
        ("visa-base1", b"\0\x15\0\0", "not_a_length", "a length of 21 bytes", "0, or at least 22 bytes"),
        (
            "visa-base1",
            b"\0\x16\0\0" + b"\x15" + bytes(21),
            "not_an_envelope",
            "a frame that begins or ends otherwise",
            "a frame of visa-base1",
        ),
        (
            "visa-base1",
            b"\0\x16\0\0" + b"\x17" + bytes(21),
            "not_an_envelope",
            "a frame that begins or ends otherwise",
            "a frame of visa-base1",
        ),
        (
            "bin2-etx",
            b"\0\4abcd",
            "not_an_envelope",
            "a frame that begins or ends otherwise",
            "a frame of bin2-etx",
        ),
    ],
)
def test_what_is_no_frame_loses_the_place(
    name: str, data: bytes, reason: str, found: str, expected: str
) -> None:
    """Reason, what stood there and what would be right; the frames before it are good; nothing follows."""
    framing = FRAMINGS[name]
    reader = framing.reader(100)
    with pytest.raises(FramingError) as caught:
        reader.feed(framing.wrap(b"a") + data)
    error = caught.value
    assert (error.reason, error.found, error.expected, error.frames) == (reason, found, expected, [b"a"])
    with pytest.raises(FramingError):
        reader.feed(framing.wrap(b"b"))


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_the_longest_frame_fits_and_one_byte_more_does_not(framing: Framing) -> None:
    """wrap takes what the header can say and refuses more."""
    longest = b"x" * framing.frame_length_max_bytes
    assert framing.reader(len(longest)).feed(framing.wrap(longest)) == [longest]
    with pytest.raises(EncodeError, match=f"expected at most {len(longest)} bytes"):
        framing.wrap(longest + b"x")


@given(framings, payloads, st.lists(st.integers(min_value=0, max_value=10_000), max_size=20))
def test_chunking_changes_nothing(framing: Framing, sent: list[bytes], cuts: list[int]) -> None:
    """However the bytes arrive, the same frames come out in order, and empty ones count as keep-alives."""
    reader = framing.reader(300)
    received = [
        frame for chunk in chunked(b"".join(map(framing.wrap, sent)), cuts) for frame in reader.feed(chunk)
    ]
    assert received == [frame for frame in sent if frame]
    assert reader.keepalives == sent.count(b"")
    assert reader.buffered_bytes == 0


@given(framings, payloads)
def test_byte_by_byte_gives_each_frame_at_its_last_byte(framing: Framing, sent: list[bytes]) -> None:
    """A frame comes out with its last byte, not later."""
    reader = framing.reader(300)
    for payload in sent:
        wire = framing.wrap(payload)
        outcomes = [reader.feed(wire[place : place + 1]) for place in range(len(wire))]
        assert outcomes == [[]] * (len(wire) - 1) + [[payload] if payload else []]


def test_byte_by_byte_holds_the_incomplete_frame_only() -> None:
    """buffered_bytes is the part of the frame under way, header included, and falls to 0 with its last byte."""
    reader = BIN2.reader(10)
    assert [(reader.feed(bytes([byte])), reader.buffered_bytes) for byte in b"\x00\x03abc\x00"] == [
        ([], 1),
        ([], 2),
        ([], 3),
        ([], 4),
        ([b"abc"], 0),
        ([], 1),
    ]


def test_two_copies_in_one_segment_are_two_frames() -> None:
    """Nothing is dropped for looking like what came before."""
    assert BIN2.reader(10).feed(BIN2.wrap(b"abc") * 2) == [b"abc", b"abc"]


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_over_the_maximum_is_refused_at_its_header(framing: Framing) -> None:
    """The length is checked before a byte of the frame is kept; the frames before it are in the error."""
    reader = framing.reader(100)
    header = framing.wrap(b"x" * 101)[: framing.header_bytes]
    with pytest.raises(FramingError) as caught:
        reader.feed(framing.wrap(b"a") + framing.wrap(b"b" * 100) + header)
    error = caught.value
    assert (error.reason, error.found, error.expected, error.frames) == (
        "over_maximum",
        f"a length of {101 + framing.overhead_bytes} bytes",
        f"at most {100 + framing.overhead_bytes} bytes",
        [b"a", b"b" * 100],
    )
    assert reader.buffered_bytes == 0


@pytest.mark.parametrize(
    "garbage",
    [b"GET ", b"+012", b" 012", b"1_00", b"-001", b"12 4", b"\xff\xff\xff\xff", b"\xb2\xb2\xb2\xb2"],
)
def test_ascii4_takes_four_digits_and_nothing_else(garbage: bytes) -> None:
    """What int() would still take is no length."""
    with pytest.raises(FramingError) as caught:
        ASCII4.reader(100).feed(b"0001a" + garbage)
    assert (caught.value.reason, caught.value.frames) == ("not_a_length", [b"a"])


def test_the_error_shows_letters_of_the_header_and_hides_its_digits() -> None:
    """`GET ` tells an HTTP client; digits might be part of a card number."""
    with pytest.raises(FramingError) as caught:
        ASCII4.reader(100).feed(b"G3\n7")
    assert (
        str(caught.value)
        == r"framing lost (not_a_length): found 'G#\n#', expected a length of 4 ASCII digits"
    )


def test_a_lost_reader_stays_lost() -> None:
    """Once framing is lost every feed raises again, without the frames that were handed over already."""
    reader = ASCII4.reader(100)
    with pytest.raises(FramingError):
        reader.feed(b"0001aGET ")
    with pytest.raises(FramingError) as caught:
        reader.feed(b"0001b")
    assert (caught.value.reason, caught.value.frames) == ("not_a_length", [])


@given(framings, st.binary(max_size=2000), st.lists(st.integers(min_value=0, max_value=10_000), max_size=20))
def test_any_bytes_give_frames_or_a_framing_error(framing: Framing, data: bytes, cuts: list[int]) -> None:
    """Garbage in any chunking: the same frames and the same loss as in one piece, and a bounded buffer."""

    def outcome(chunks: list[bytes]) -> tuple[list[bytes], str | None, int]:
        reader, frames = framing.reader(64), []
        for chunk in chunks:
            try:
                frames += reader.feed(chunk)
            except FramingError as error:
                return [*frames, *error.frames], error.reason, reader.keepalives
            assert reader.buffered_bytes < framing.header_bytes + framing.overhead_bytes + 64
        return frames, None, reader.keepalives

    assert outcome([data]) == outcome(chunked(data, cuts))


@pytest.mark.parametrize("maximum", [0, -1, 10_000])
def test_a_maximum_that_the_header_cannot_say_is_refused(maximum: int) -> None:
    """A link's maximum is 1 to what the header can say."""
    with pytest.raises(ValueError, match="ascii4 takes 1 to 9999"):
        ASCII4.reader(maximum)


def test_feeding_byte_by_byte_is_linear() -> None:
    """The buffer is looked at again only when a header or a frame is whole: 64 kB cost two cuts."""
    cuts = []
    payload = bytes(65535)

    class Counting(FrameReader):
        __slots__ = ()

        def _cut(self, data: bytes) -> list[bytes]:
            cuts.append(len(data))
            return super()._cut(data)

    counting = Counting(BIN2, 65535)
    for byte in BIN2.wrap(payload):
        frames = counting.feed(bytes([byte]))
    assert frames == [payload]
    assert cuts == [1, 2, 65537]
