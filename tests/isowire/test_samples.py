"""The golden messages: bytes and meaning, both ways, in every way that they may arrive."""

import tomllib
from functools import cache
from pathlib import Path

import iso8583
import pytest

from isowire import (
    FRAMINGS,
    Codec,
    DecodeError,
    Dialect,
    Framing,
    Message,
    clear_repeat,
    dialect_names,
    is_known,
    is_response,
    load_dialect,
    luhn_valid,
    pan_of,
    response_mti,
)

SAMPLES = Path(__file__).parents[2] / "iso8583" / "samples"
NAMES = sorted(f"{file.parent.name}/{file.stem}" for file in SAMPLES.glob("*/*.hex"))


@cache
def dialect_of(name: str) -> Dialect:
    return load_dialect(name.split("/", maxsplit=1)[0])


@cache
def codec_of(dialect: str) -> Codec:
    return Codec(load_dialect(dialect))


def sample(name: str) -> tuple[Codec, bytes, Message]:
    meant = tomllib.loads((SAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    payload = bytes.fromhex((SAMPLES / f"{name}.hex").read_text(encoding="ascii"))
    return codec_of(name.split("/", maxsplit=1)[0]), payload, Message(meant["mti"], meant["fields"])


def test_each_sample_is_a_pair() -> None:
    """No bytes without their meaning, no meaning without bytes."""
    assert sorted(f"{file.parent.name}/{file.stem}" for file in SAMPLES.glob("*/*.toml")) == NAMES


@pytest.mark.parametrize("dialect", dialect_names())
def test_each_dialect_has_one_of_every_message_that_it_serves(dialect: str) -> None:
    """Requests, advices, their repeats and their responses; one message has every field."""
    served = load_dialect(dialect).requests | load_dialect(dialect).advices
    there = {name.split("/")[1][:4] for name in NAMES if name.startswith(f"{dialect}/")}
    assert there == served | {response_mti(mti) for mti in served}
    numbers = {
        number for name in NAMES if name.startswith(f"{dialect}/") for number in sample(name)[2].fields
    }
    assert numbers == set(load_dialect(dialect).kinds)


@pytest.mark.parametrize("name", NAMES)
def test_pyiso8583_takes_the_bytes_for_the_same(name: str) -> None:
    """From the dialect's spec alone, both ways: it has no part in how the samples were written."""
    _, payload, message = sample(name)
    spec = dialect_of(name).for_mti(message.mti).spec
    decoded, _ = iso8583.decode(payload, spec)
    assert {
        number: value for number, value in decoded.items() if number not in ("t", "p", "1")
    } == message.fields
    assert decoded["t"] == message.mti
    encoded, _ = iso8583.encode({"t": message.mti, **message.fields}, spec)
    assert bytes(encoded) == payload


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_what_its_dialect_asks_for(name: str) -> None:
    """Requests and advices miss no mandatory and no conditional field, and each field is what it says it is."""
    _, _, message = sample(name)
    dialect = dialect_of(name)
    if not is_response(message.mti):
        assert dialect.missing(clear_repeat(message.mti), message.fields) == ()
    if "every-field" not in name:
        assert all(dialect.explain(number, value) for number, value in message.fields.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_mean_what_the_page_says(name: str) -> None:
    """Decoding gives exactly the fields, under an MTI of the standard."""
    codec, payload, message = sample(name)
    assert codec.decode(payload) == message
    assert is_known(message.mti, dialect_of(name).version)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_makes_the_bytes(name: str) -> None:
    """Encoding gives exactly the bytes."""
    codec, payload, message = sample(name)
    assert codec.encode(message) == payload


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_whole_byte_by_byte_and_with_the_next_behind(name: str, framing: Framing) -> None:
    """The frame comes out the same however its bytes arrive, also with half of the next one behind it."""
    codec, payload, message = sample(name)
    wire = framing.wrap(payload)
    whole, slow, followed = (framing.reader(len(payload)) for _ in range(3))
    frames = [
        whole.feed(wire),
        [frame for byte in wire for frame in slow.feed(bytes([byte]))],
        followed.feed(wire + wire[: len(wire) // 2]),
    ]
    assert frames == [[payload]] * 3
    assert followed.feed(wire[len(wire) // 2 :]) == [payload]
    assert codec.decode(frames[0][0]) == message


@pytest.mark.parametrize("name", NAMES)
def test_data_behind_the_message_is_refused(name: str) -> None:
    """One byte more is an error that still knows every field."""
    codec, payload, message = sample(name)
    with pytest.raises(DecodeError) as caught:
        codec.decode(payload + b"0")
    error = caught.value
    assert (error.field, error.offset, error.mti, error.fields) == (
        None,
        len(payload),
        message.mti,
        message.fields,
    )


@pytest.mark.parametrize("name", NAMES)
def test_cut_anywhere_it_is_refused_with_what_came_before(name: str) -> None:
    """Every shorter piece is an error, and what it knows is a part of the message, in order."""
    codec, payload, message = sample(name)
    fields = list(message.fields.items())
    for length in range(len(payload)):
        with pytest.raises(DecodeError) as caught:
            codec.decode(payload[:length])
        known = list(caught.value.fields.items())
        assert known == fields[: len(known)]


@pytest.mark.parametrize("name", NAMES)
def test_the_card_numbers_are_made_up_and_right(name: str) -> None:
    """Those of the test range 4000 00, with a right check digit; network management has none."""
    pan = pan_of(sample(name)[2])
    if pan is None:
        assert name.split("/")[1][1:3] in ("80", "81")
    else:
        assert pan.startswith("400000")
        assert luhn_valid(pan)
