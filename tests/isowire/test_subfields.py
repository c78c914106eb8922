"""What is inside a field, as [subfields] declares it: both ways, and refused with the part named."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isowire import DecodeError, EncodeError, load_dialect

FORMS = """
extends = "iso87-ascii"
name = "mine"
[encoding]
binary = "raw"
[fields]
62 = ["b...255", "Bits"]
63 = ["b...255", "Packed"]
[subfields.48]
form = "tlv"
tag = 2
length = 3
tags = { 92 = "CVV2" }
[subfields.60]
form = "positional"
parts = [["n2", "type"], ["an1", "chip", "chip condition"], ["ans..5", "rest"]]
[subfields.61]
form = "bitmap"
bitmap_bytes = 1
[subfields.61.parts]
1 = ["n3", "first"]
8 = ["b2", "last"]
[subfields.62]
form = "bitmap"
bitmap_bytes = 2
text = "cp500"
numeric = "bcd"
[subfields.62.parts]
1 = ["an2", "letters"]
2 = ["n3", "odd"]
16 = ["b2", "raw"]
[subfields.63]
form = "tlv"
tag = 1
length = 2
"""

GOOD = {
    "48": ("92003123" + "AB000", [("92", "CVV2", "123"), ("AB", "", "")]),
    "60": ("05AX Y", [("type", "type", "05"), ("chip", "chip condition", "A"), ("rest", "rest", "X Y")]),
    "61": ("81123BEEF", [("first", "first", "123"), ("last", "last", "BEEF")]),
    "62": (
        "C001" + "C1F2" + "0123" + "BEEF",
        [("letters",) * 2 + ("A2",), ("odd",) * 2 + ("123",), ("raw",) * 2 + ("BEEF",)],
    ),
    "63": ("C10002BEEF" + "C20000", [("C1", "", "BEEF"), ("C2", "", "")]),
}


@pytest.fixture(name="forms", scope="module")
def _forms(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file: Path = tmp_path_factory.mktemp("forms") / "mine.toml"
    file.write_text(FORMS, encoding="utf-8")
    return load_dialect(file).subfields


@pytest.mark.parametrize("number", GOOD)
def test_apart_and_together_again(forms: Any, number: str) -> None:
    """Keys, names and values in order; the same text from them."""
    text, parts = GOOD[number]
    found = forms[number].parse(text)
    assert [(part.key, part.name, part.value) for part in found] == parts
    values = [(part.key, part.value) for part in found]
    assert forms[number].format(values if number in ("48", "63") else dict(values)) == text


def test_values_do_not_show(forms: Any) -> None:
    """A private field may hold a CVV2."""
    assert repr(forms["48"].parse("92003123")) == "(Subfield('92', 'CVV2', 3 characters),)"


@pytest.mark.parametrize(
    ("number", "text", "found", "expected"),
    [
        ("48", "92", "2 characters at 0", "a tag and a length"),
        ("48", "92+12x", "a length of '+99' at 0", "3 digits"),
        ("48", "92004123", "a length of 4 at 0", "no more than is left"),
        ("60", "05", "0 characters left for chip (chip condition)", "1 characters"),
        ("60", "x5A", "'A9' in type (type)", "class n"),
        ("60", "05A123456", "1 characters after the last part", "the end"),
        ("61", "8", "'9'", "a bitmap of 2 hexadecimal characters"),
        ("61", "8x", "'9A'", "a bitmap of 2 hexadecimal characters"),
        ("61", "C0123", "bit 2", "bits of 1, 8 only"),
        ("61", "80123X", "1 characters after the last part", "the end"),
        ("62", "4000" + "1123", "'9999' in odd (odd)", "class n"),
        ("62", "4000" + "012C", "'99A' in odd (odd)", "class n"),
        ("62", "8000" + "00F2", "'?9' in letters (letters)", "class an"),
        ("63", "C1FF", "4 characters at 0", "a tag and a length"),
        ("63", "C10003BEEF", "a length of 3 at 0", "no more than is left"),
    ],
)
def test_what_is_not_of_the_form_is_refused(
    forms: Any, number: str, text: str, found: str, expected: str
) -> None:
    """Field, part, what stood there, what would be right; digits and letters hidden."""
    with pytest.raises(DecodeError) as caught:
        forms[number].parse(text)
    assert (caught.value.field, caught.value.found, caught.value.expected) == (number, found, expected)


@pytest.mark.parametrize(
    ("number", "values"),
    [
        ("48", [("9", "1")]),
        ("48", [("92", "1" * 1000)]),
        ("63", [("C1", "ABC")]),
        ("60", {"type": "05", "chip": "A", "other": "1"}),
        ("60", {"type": "5", "chip": "A"}),
        ("60", {"type": "05", "chip": "A", "rest": "123456"}),
        ("61", {"second": "1"}),
        ("62", {"raw": "BEEFBEEF"}),
    ],
)
def test_what_does_not_fit_is_not_written(forms: Any, number: str, values: Any) -> None:
    """The error names the field."""
    with pytest.raises(EncodeError) as caught:
        forms[number].format(values)
    assert caught.value.field == number


@given(st.sampled_from(sorted(GOOD)), st.text("0123456789ABCDEF= x\x00\xff", max_size=60))
def test_any_text_gives_parts_or_a_refusal(forms: Any, number: str, text: str) -> None:
    """Never anything else. A field of class b has hexadecimal text: its class has been checked."""
    if number in ("62", "63"):
        text = text.encode("latin-1").hex().upper()
    with contextlib.suppress(DecodeError):
        assert isinstance(forms[number].parse(text), tuple)
