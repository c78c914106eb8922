"""Compiled layouts: what the source says, where it may come from, and that nothing but speed hangs on them."""

import io
import random
import re
import token
import tokenize
import tomllib
import traceback
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from isowire import Codec, DecodeError, Dialect, EncodeError, Message, dialect_names, load_dialect
from isowire.admission import LAYOUTS_MAX, SEEN_FIRST, STEP
from isowire.compiler import compile_decode, compile_encode, source
from isowire.layout import NotCompilable, bitmaps_of

ASCII = load_dialect("iso87-ascii")
SAMPLES = Path(__file__).parents[2] / "iso8583" / "samples"
NAMES = sorted(f"{file.parent.name}/{file.stem}" for file in SAMPLES.glob("*/*.hex"))
PURCHASE = (SAMPLES / "iso87-ascii" / "0100-purchase.hex").read_text(encoding="ascii")

SMALL = """def decode(payload):
    try:
        end_2 = 22 + LENGTH_2[payload[20:22]]
    except KeyError:
        return None
    if not (
        len(payload) == end_2 + 26
    ):
        return None
    if not (
        payload[20:end_2 + 18].isdigit()
        and payload[end_2 + 18:end_2 + 26].translate(CLASS_ANS).isascii()
    ):
        return None
    text = payload.decode()
    text_end_2 = text[end_2:]
    message = NEW(MESSAGE)
    message.mti = '0100'
    message.fields = {
        '2': text[22:end_2],
        '3': text_end_2[0:6],
        '4': text_end_2[6:18],
        '41': text_end_2[18:26],
    }
    return message


def encode(fields):
    v2, v3, v4, v41, = fields.values()
    n2 = len(v2)
    if not (
        n2 <= 19
        and len(v3) == 6
        and len(v4) == 12
        and len(v41) == 8
    ):
        return None
    try:
        payload = JOIN((
            '01007000000000800000', PREFIX_2[n2], v2, v3, v4, v41,
        )).encode()
    except ValueError:  # no hexadecimal digit, or half of a surrogate pair
        return None
    end_2 = 22 + n2
    if not (
        payload[20:end_2 + 18].isdigit()
        and payload[end_2 + 18:end_2 + 26].translate(CLASS_ANS).isascii()
    ):
        return None
    return payload
"""


def sample(name: str) -> tuple[Dialect, bytes, Message]:
    meant = tomllib.loads((SAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    payload = bytes.fromhex((SAMPLES / f"{name}.hex").read_text(encoding="ascii"))
    return load_dialect(name.partition("/")[0]), payload, Message(meant["mti"], meant["fields"])


def with_field(number: str, **spec: Any) -> Dialect:
    """The ASCII dialect with one field written otherwise."""
    changed = MappingProxyType({**ASCII.spec[number], **spec})
    return replace(ASCII, spec=MappingProxyType({**ASCII.spec, number: changed}))


def warmed(dialect: Dialect, payload: bytes) -> Codec:
    """A codec that has compiled the layout of `payload`, both ways."""
    codec = Codec(dialect, seen_first=1)
    codec.encode(codec.decode(payload))
    return codec


def test_the_source_can_be_read() -> None:
    """Both functions of a small layout, whole."""
    assert source(ASCII, "0100", "7000000000800000") == SMALL


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_taken_both_ways(name: str) -> None:
    """Compiled code makes the message and the bytes itself: nothing is left to the general path."""
    dialect, payload, message = sample(name)
    numbers = tuple(message.fields)
    assert compile_decode(dialect, message.mti, bitmaps_of(map(int, numbers)), Message)(payload) == message
    assert compile_encode(dialect, message.mti, numbers)(message.fields) == payload


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_wrong_the_verdict_is_that_of_the_general_path(name: str) -> None:
    """Each byte of a sample changed in four ways, and each cut: message or error, the same with and without."""
    dialect, payload, _ = sample(name)
    fast, general = warmed(dialect, payload), Codec(dialect, layouts_max=0)
    step = max(1, len(payload) // 60)
    for at in range(0, len(payload), step):
        changed = [payload[:at] + bytes([new]) + payload[at + 1 :] for new in (0x00, 0x20, 0x41, 0xF9)]
        for each in (*changed, payload[:at], payload + payload[at:]):
            assert outcome(fast, each) == outcome(general, each)


def outcome(codec: Codec, payload: bytes) -> object:
    try:
        return codec.decode(payload)
    except DecodeError as error:
        chained = (error.__cause__, error.__context__)
        return str(error), error.field, error.offset, error.mti, error.fields, chained


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("2", "4" * 20),
        ("3", "00000\u0660"),
        ("3", "00000"),
        ("3", "0000000"),
        ("4", "00000000199\n"),
        ("41", "TERM000\xe9"),
        ("41", "TERM000\ud800"),
        ("41", "TERM\x000001"),
        ("49", "97-"),
    ],
)
def test_what_does_not_fit_is_not_sent_by_compiled_code_either(number: str, value: str) -> None:
    """The same EncodeError before and after a layout is compiled."""
    payload = bytes.fromhex(PURCHASE)
    wrong = Message("0100", {**Codec(ASCII).decode(payload).fields, number: value})
    errors = []
    for codec in (warmed(ASCII, payload), Codec(ASCII, layouts_max=0)):
        with pytest.raises(EncodeError) as caught:
            codec.encode(wrong)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    assert errors[0].startswith(f"DE{number}: found ")


def test_halves_of_bytes_do_not_make_a_whole_one() -> None:
    """Two binary fields of an odd number of characters side by side: each is refused, though together they fit."""
    dialect = load_dialect("iso93-binary")
    codec = Codec(dialect, seen_first=1)
    for _ in range(2):
        codec.encode(Message("1100", {"55": "ABCD", "96": "EF01"}))
    assert codec.compiled_layouts == 1
    with pytest.raises(EncodeError) as caught:
        codec.encode(Message("1100", {"55": "ABC", "96": "DEF"}))
    assert caught.value.field == "55"


def test_a_value_that_is_no_text_is_never_written() -> None:
    """Bytes of the right length would print as b'...': a TypeError says whose fault it is."""
    payload = bytes.fromhex(PURCHASE)
    codec = warmed(ASCII, payload)
    message = codec.decode(payload)
    message.fields["41"] = b"TERM0001"  # type: ignore[assignment]
    with pytest.raises(TypeError):
        codec.encode(message)


def test_a_traceback_shows_the_line() -> None:
    """Generated code has file, line and text in a traceback, like any other."""
    decode = compile_decode(ASCII, "0100", "7000000000800000", Message)
    try:
        decode(None)  # type: ignore[arg-type]
    except TypeError:
        shown = traceback.format_exc()
    assert 'File "isowire/iso87-ascii/decode_0100_7000000000800000.py", line 3, in decode' in shown
    assert "end_2 = 22 + LENGTH_2[payload[20:22]]" in shown


@pytest.mark.parametrize("name", dialect_names())
def test_source_is_made_of_field_numbers_lengths_and_pads_alone(name: str) -> None:
    """Any layout of any dialect: every name is one of the generator's, every text digits or hexadecimal."""
    rng = random.Random(name)
    dialect = load_dialect(name)
    names = re.compile(
        "def|decode|encode|payload|fields|try|except|KeyError|ValueError|return|None|if|else|not|and|or|in|len|run|"
        "isdigit|isalnum|isascii|translate|values|hex|upper|message|mti|NEW|MESSAGE|JOIN|CONCATENATE|A2B_HEX|BCD|"
        "(LENGTH|PREFIX|CHECK)_[0-9]+|CLASS_[A-Z]+|(TO|FROM)_ASCII_[a-z0-9]+|characters_[a-z0-9]+|"
        "text(_[a-z]+[0-9]+)?(_end_[0-9]+)?|(end_|digits_|v|n)[0-9]+"
    )
    strings = re.compile(r"'([0-9A-F]*)'|b'CD'|\"latin-1\"")
    for _ in range(40):
        numbers = rng.sample(sorted(dialect.kinds), rng.randint(0, 60))
        text = source(dialect, f"{rng.randrange(10_000):04}", bitmaps_of(map(int, numbers)))
        for found in tokenize.generate_tokens(io.StringIO(text).readline):
            if found.type == token.NAME:
                assert names.fullmatch(found.string), found
            elif found.type == token.STRING:
                assert strings.fullmatch(found.string), found


def test_words_of_a_dialect_or_a_message_never_become_source() -> None:
    """Names and descriptions are not in it; an MTI or a bitmap that is no number stops before it."""
    evil = "'\n__import__('os')\n'"
    spec = {number: MappingProxyType({**field, "desc": evil}) for number, field in ASCII.spec.items()}
    dialect = replace(ASCII, title=evil, spec=MappingProxyType(spec))
    assert source(dialect, "0100", "7000000000800000") == SMALL
    for mti, bitmaps in ((evil, "7000000000800000"), ("0100", evil)):
        with pytest.raises(ValueError, match="invalid literal"):
            source(ASCII, mti, bitmaps)
    with pytest.raises(ValueError, match="invalid literal"):
        compile_encode(ASCII, "0100", ("2", evil))


@pytest.mark.parametrize(
    "dialect",
    [
        with_field("41", data_enc="utf-8"),
        with_field("41", data_enc="shift-jis"),
        with_field("41", data_enc="no such encoding"),
        with_field("41", data_enc="b", len_count="nibbles", max_len=3),
        with_field("41", data_enc="b", len_count="nibbles", max_len=3, left_pad="0", right_pad="F"),
        with_field("41", data_enc="b", len_count="nibbles", max_len=3, left_pad="x"),
        with_field("41", len_count="nibbles"),
        with_field("41", len_type=5, max_len=10_000),
        with_field("41", len_type=1, max_len=10),
        with_field("h", max_len=4),
    ],
)
def test_a_spec_that_is_not_understood_is_left_to_the_general_path(dialect: Dialect) -> None:
    """NotCompilable, which no codec lets out."""
    with pytest.raises(NotCompilable):
        source(dialect, "0100", "0000000000800000")


def test_what_can_not_be_compiled_still_decodes() -> None:
    """Text in UTF-8 takes the general path however often it comes."""
    codec = Codec(with_field("41", data_enc="utf-8"), seen_first=1)
    message = Message("0100", {"41": "TERM0001"})
    for _ in range(3):
        assert codec.decode(codec.encode(message)) == message


def test_a_layout_is_compiled_when_it_came_often_enough() -> None:
    """Not before SEEN_FIRST messages, once, and a refused message doesn't count."""
    codec = Codec(ASCII)
    payload = bytes.fromhex(PURCHASE)
    for _ in range(SEEN_FIRST - 1):
        codec.decode(payload)
        with pytest.raises(DecodeError):
            codec.decode(payload[:-1])
    assert not codec.compiled_layouts
    codec.decode(payload)
    assert codec.compiled_layouts == 1
    codec.decode(payload)
    assert codec.compiled_layouts == 1


def test_hostile_bitmaps_cost_a_constant_number_of_compilations_and_memory() -> None:
    """New sets of fields without end, each often enough to be compiled at first: a bound, and flat behind it."""
    codec = Codec(ASCII)
    fixed = [
        number for number in ASCII.kinds if not ASCII.spec[number]["len_type"] and ASCII.kinds[number] == "n"
    ]
    rng = random.Random(1)

    def flood(messages: int) -> None:
        for _ in range(messages):
            numbers = sorted(rng.sample(fixed, 3), key=int)
            message = Message("0100", {number: "0" * ASCII.spec[number]["max_len"] for number in numbers})
            payload = codec.encode(message)
            for _ in range(SEEN_FIRST):
                assert codec.decode(payload) == message

    tracemalloc.start()
    flood(1500)
    compiled, (_, first_peak) = codec.compiled_layouts, tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    flood(1500)
    _, second_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert STEP <= compiled <= codec.compiled_layouts <= compiled + STEP <= 2 * LAYOUTS_MAX
    assert second_peak < 1.2 * first_peak
