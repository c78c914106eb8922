"""Length headers: frames out of any chunking, keep-alives, the maximum, garbage."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isowire import FRAMINGS, EncodeError, FrameReader, Framing, FramingError

BIN2 = FRAMINGS["bin2"]
ASCII4 = FRAMINGS["ascii4"]

framings = st.sampled_from(sorted(FRAMINGS.values(), key=lambda framing: framing.name))
payloads = st.lists(st.binary(max_size=300), max_size=12)


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


def test_the_headers_are_what_the_names_say() -> None:
    """bin2 is two bytes, big-endian; ascii4 four digits; neither counts itself."""
    assert BIN2.wrap(b"x" * 258) == b"\x01\x02" + b"x" * 258
    assert ASCII4.wrap(b"x" * 258) == b"0258" + b"x" * 258
    facts = {name: (f.name, f.header_bytes, f.frame_length_max_bytes) for name, f in FRAMINGS.items()}
    assert facts == {"bin2": ("bin2", 2, 65535), "ascii4": ("ascii4", 4, 9999)}


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_the_longest_frame_fits_and_one_byte_more_does_not(framing: Framing) -> None:
    """wrap takes what the header can say and refuses more."""
    longest = b"x" * framing.frame_length_max_bytes
    assert framing.reader(len(longest)).feed(framing.wrap(longest)) == [longest]
    with pytest.raises(EncodeError, match=f"expected at most {len(longest)} bytes"):
        framing.wrap(longest + b"x")


@settings(deadline=None)
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


@settings(deadline=None)
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
        "a length of 101 bytes",
        "at most 100 bytes",
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


@settings(deadline=None)
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
            assert reader.buffered_bytes < framing.header_bytes + 64
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
