"""The golden messages: bytes and meaning, both ways, in every way that they may arrive."""

import tomllib
from pathlib import Path

import pytest

from isowire import FRAMINGS, Codec, DecodeError, Framing, Message, is_known, load_dialect, luhn_valid, pan_of

SAMPLES = Path(__file__).parents[2] / "iso8583" / "samples"
NAMES = sorted(f"{file.parent.name}/{file.stem}" for file in SAMPLES.glob("*/*.hex"))


def sample(name: str) -> tuple[Codec, bytes, Message]:
    meant = tomllib.loads((SAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    payload = bytes.fromhex((SAMPLES / f"{name}.hex").read_text(encoding="ascii"))
    return (
        Codec(load_dialect(name.split("/", maxsplit=1)[0])),
        payload,
        Message(meant["mti"], meant["fields"]),
    )


def test_each_sample_is_a_pair() -> None:
    """No bytes without their meaning, no meaning without bytes, and the main flow is there."""
    assert sorted(f"{file.parent.name}/{file.stem}" for file in SAMPLES.glob("*/*.toml")) == NAMES
    mtis = {name.split("/")[1][:4] for name in NAMES}
    assert mtis >= {"0100", "0101", "0110", "0400", "0401", "0410", "0420", "0421", "0430", "0800", "0810"}


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_mean_what_the_page_says(name: str) -> None:
    """Decoding gives exactly the fields, under an MTI of the standard."""
    codec, payload, message = sample(name)
    assert codec.decode(payload) == message
    assert is_known(message.mti)


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
        assert "/08" in name
    else:
        assert pan.startswith("400000")
        assert luhn_valid(pan)
