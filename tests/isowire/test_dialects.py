"""Dialects beside iso87-ascii: what each writes otherwise, inheritance, overrides, conditions, codes, the template."""

from importlib import resources
from pathlib import Path
from typing import Any

import iso8583
import pytest
from iso8583.specs import default

from isowire import Dialect, DialectError, dialect_names, is_known, is_response, load_dialect
from isowire.dialect import Meaning, dialect_template
from rules import Reason
from rules.reasons import profile

NAMES = dialect_names()
CHILD = 'extends = "iso87-ascii"\nname = "mine"\ntitle = "Mine"\n'


def own(folder: Path, text: str) -> Dialect:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return load_dialect(file)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(DialectError) as caught:
        own(folder, text)
    return str(caught.value)


def written(dialect: Dialect, mti: str, fields: dict[str, str]) -> bytes:
    """By pyiso8583, from the dialect's own spec."""
    return bytes(iso8583.encode({"t": mti, **fields}, dialect.for_mti(mti).spec)[0])


def test_the_dialects_that_come_along() -> None:
    """All five by name; the template is not one of them."""
    assert NAMES == ["iso87-ascii", "iso87-binary", "iso87-ebcdic", "iso93-ascii", "iso93-binary"]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_named_as_its_file_and_has_the_message_types_of_its_edition(name: str) -> None:
    """1987 begins with 0, 1993 with 1, and what is asked or told is no response."""
    dialect = load_dialect(name)
    assert (dialect.name, dialect.version) == (name, 1987 if "87" in name else 1993)
    for mti in dialect.requests | dialect.advices:
        assert is_known(mti, dialect.version)
        assert not is_response(mti)


@pytest.mark.parametrize("name", ["iso87-binary", "iso87-ebcdic"])
def test_the_editions_of_one_standard_differ_in_writing_only(name: str) -> None:
    """Fields, names, classes and semantics are those of iso87-ascii."""
    base, other = load_dialect("iso87-ascii"), load_dialect(name)
    for field in ("kinds", "echoed", "mandatory", "requests", "advices", "key_fields", "sensitive", "codes"):
        assert getattr(other, field) == getattr(base, field)
    assert {n: f["desc"] for n, f in other.spec.items()} == {n: f["desc"] for n, f in base.spec.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "iso87-ascii",
            b"0100" + b"4000020024000000" + b"06123456" + b"051" + b"07123=456" + b"ABCDEF12 901",
        ),
        (
            "iso87-binary",
            b"\x01\x00" + bytes.fromhex("400004002800000006123456005107123D456F") + b"ABCDEF12 901",
        ),
        (
            "iso87-ebcdic",
            "0100".encode("cp500")
            + bytes.fromhex("4000040028000000")
            + "0612345605107123=456ABCDEF12 901".encode("cp500"),
        ),
    ],
)
def test_the_bytes_of_each_writing(name: str, expected: bytes) -> None:
    """The same fields, by hand: MTI, bitmap, DE2, 22, 35 and 37."""
    track = "123D456" if name == "iso87-binary" else "123=456"
    message = {"2": "123456", "22": "051", "35": track, "37": "ABCDEF12 901"}
    if name == "iso87-ascii":
        expected = expected.replace(b"4000020024000000", b"4000040028000000")
    assert written(load_dialect(name), "0100", message) == expected


def test_ebcdic_is_the_default_layout_of_pyiso8583_in_another_code_page() -> None:
    """Field by field, but for the code page, binary fields counted in bytes, and no DE65."""
    spec = load_dialect("iso87-ebcdic").spec
    for number in ("h", "t", "p", "1", *(str(n) for n in range(2, 129) if n != 65)):
        theirs = {key: "cp500" if value == "ascii" else value for key, value in default[number].items()}
        assert spec[number] == theirs


@pytest.mark.parametrize(
    ("number", "kind", "most"),
    [
        ("7", "n", 10),
        ("12", "n", 12),
        ("15", "n", 6),
        ("22", "an", 12),
        ("24", "n", 3),
        ("25", "n", 4),
        ("26", "n", 4),
        ("30", "n", 24),
        ("39", "n", 3),
        ("56", "n", 35),
    ],
)
def test_1993_has_its_own_formats(number: str, kind: str, most: int) -> None:
    """Those that differ from 1987 and that a decision rests on."""
    dialect = load_dialect("iso93-ascii")
    assert (dialect.kinds[number], dialect.spec[number]["max_len"]) == (kind, most)


def test_1993_answers_every_reason_by_itself() -> None:
    """With an action code of three digits each: the profiles are of 1987."""
    codes = load_dialect("iso93-ascii").response_codes
    assert codes.keys() == {reason.value for reason in Reason}
    assert {len(code) for code in codes.values()} == {3}


@pytest.mark.parametrize("name", NAMES)
def test_each_code_that_we_answer_with_has_a_meaning(name: str) -> None:
    """And every code of a table fits its field or part."""
    dialect = load_dialect(name)
    codes = dict(profile(dialect.profile).codes) if dialect.profile else {}
    codes |= dialect.response_codes
    assert set(codes.values()) <= set(dialect.codes["39"])
    for place, table in dialect.codes.items():
        number, _, part = place.partition(".")
        lengths = (
            {p.count for p in dialect.subfields[number].parts if p.key == part}  # type: ignore[union-attr]
            if part
            else {dialect.spec[number]["max_len"]}
        )
        assert {len(code) for code in table} == lengths


def test_a_field_in_words() -> None:
    """Whole, by its parts, and chip data by tag."""
    dialect = load_dialect("iso87-ascii")
    assert dialect.explain("39", "51") == (Meaning("Response Code", "51", "not sufficient funds"),)
    assert dialect.explain("39", "ZZ") == (Meaning("Response Code", "ZZ", ""),)
    assert dialect.explain("22", "071") == (
        Meaning("PAN entry mode", "07", "contactless chip"),
        Meaning("PIN entry capability", "1", "can take a PIN"),
    )
    assert dialect.explain("55", "9F360200 1A".replace(" ", "")) == (
        Meaning("Application Transaction Counter", "001A", ""),
    )
    assert "4000" not in repr(dialect.explain("2", "4000000000001232"))


# ---- inheritance


def test_a_child_has_what_it_does_not_say_from_its_base(tmp_path: Path) -> None:
    """Tables key by key; false takes away; the rest is replaced."""
    base = load_dialect("iso87-ascii")
    text = (
        CHILD
        + 'key_fields = [11]\n[response_codes]\ncard_frozen = "57"\n[fields]\n127 = false\n2 = ["n..16", "x"]\n'
    )
    text = text.replace(
        "key_fields", f"sensitive = {[int(n) for n in base.sensitive if n != '127']}\nkey_fields"
    )
    child = own(tmp_path, text)
    assert child.key_fields == ("11",)
    assert child.response_codes == {**base.response_codes, "card_frozen": "57"}
    assert child.spec.keys() == base.spec.keys() - {"127"}
    assert (child.spec["2"]["max_len"], child.spec["3"]) == (16, base.spec["3"])


def test_a_base_may_be_a_file_beside_it(tmp_path: Path) -> None:
    """Paths start from the folder of the file that names them."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.toml").write_text(CHILD + 'default_framing = "hex4"\n', encoding="utf-8")
    child = own(tmp_path, 'extends = "sub/base.toml"\nname = "leaf"\n')
    assert (child.name, child.title, child.default_framing) == ("leaf", "Mine", "hex4")


def test_what_is_wrong_in_a_base_is_said_of_the_base(tmp_path: Path) -> None:
    """The error names the file that is wrong, not the one that builds on it."""
    (tmp_path / "base.toml").write_text(CHILD + "key_fields = [65]\n", encoding="utf-8")
    told = refusal(tmp_path, 'extends = "base.toml"\nname = "leaf"\n')
    assert told.startswith(f"{tmp_path / 'base.toml'}: key_fields: found 65")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('extends = "iso87-asci"\nname = "x"', "extends: there is no dialect 'iso87-asci'; did you mean"),
        ('extends = "none.toml"\nname = "x"', "none.toml: can't be read"),
        ('extends = 7\nname = "x"', "extends: found 7, expected a dialect's name or a .toml file"),
        ('extends = "iso87-ascii"', "name: found none, expected one of its own beside extends"),
        ('extends = "mine.toml"\nname = "x"', "found 8 files in a row, expected fewer: is it a circle?"),
        ('extend = "iso87-ascii"', "unknown field `extend`; did you mean 'extends'?"),
        (CHILD + "fields = 7", "Expected `object`, got `int` - at `$.fields`"),
        (CHILD + '[fields]\n2 = ["n..19"]', "fields.2: Expected `array` of length 2, got 1"),
        (CHILD + '[fields]\n2 = { class = "n..19" }', "fields.2: Object missing required field `name`"),
        (
            CHILD + '[fields]\n2 = { class = "n..19", name = "x", encoding = "bdc" }',
            "fields.2: Invalid enum value 'bdc' - at `$.encoding`; encoding is ascii or cp500 or cp037 or bcd",
        ),
        (
            CHILD + '[fields]\n2 = { class = "n..19", name = "x", encoding = "raw" }',
            "fields.2: found encoding = 'raw', expected ascii or cp500 or cp037 or bcd for class n",
        ),
        (
            CHILD + '[fields]\n3 = { class = "n6", name = "x", length = "bcd" }',
            "fields.3: found a length, expected none: the field has a fixed length",
        ),
        (
            CHILD + '[fields]\n2 = { class = "n..19", name = "x", length_bytes = 1 }',
            "fields.2: found length_bytes = 1, expected none: the dots say how many digits",
        ),
        (
            CHILD + '[fields]\n48 = { class = "ans...999", name = "x", length = "binary", length_bytes = 1 }',
            "fields.48: found length_bytes = 1, expected 2 to 4, which hold 999",
        ),
        (
            CHILD + '[fields]\n2 = { class = "n..19", name = "x", pad = "left-0" }',
            "fields.2: found pad = 'left-0', expected a pad where encoding = \"bcd\" only",
        ),
        (
            CHILD + '[fields]\n55 = ["b...999", "x"]',
            "found 'b...999', 1998 characters, expected what 3 digits",
        ),
        (
            CHILD + '[conditional]\n"0300" = []',
            'conditional."0300": found 0300, expected a request or advice',
        ),
        (
            CHILD + '[conditional]\n"0100" = [{ field = 55 }]',
            "found field 55 without when, expected when, or without, or both",
        ),
        (CHILD + '[conditional]\n"0100" = [{ field = 65, when = 22 }]', 'conditional."0100": found 65'),
        (CHILD + '[codes.65]\n"1" = "x"', 'codes."65": found 65, expected numbers that stand under'),
        (
            CHILD + '[codes."4.x"]\n"1" = "x"',
            'codes."4.x": found x, expected a part that [subfields.4] names',
        ),
        (CHILD + '[codes."3.x"]\n"1" = "x"', 'codes."3.x": found x, expected one of transaction, from, to'),
        (
            CHILD + '[by_mti."1".fields]\n48 = ["n6", "x"]',
            "by_mti.\"1\": found '1', expected two to four digits",
        ),
        (
            CHILD + '[by_mti."11".fields]\n48 = ["n6", "x"]',
            "expected two to four digits that an MTI of ISO 8583:1987",
        ),
        (
            CHILD + '[by_mti."08".fields]\n65 = ["n6", "x"]',
            'by_mti."08".fields: found 65, expected numbers that',
        ),
        (CHILD + "[subfields.65]\nform = 'ber-tlv'", "subfields.65: found 65, expected numbers that stand"),
        (CHILD + "[subfields.48]\nform = 'ber'", "form is positional or tlv or ber-tlv or bitmap"),
        (
            CHILD + "[subfields.48]\nform = 'ber-tlv'",
            "found ber-tlv in a field of class ans, expected a field of class b",
        ),
        (
            CHILD + "[subfields.48]\nform = 'tlv'\ntag = 2",
            "subfields.48: found no length, expected length of 1 to 4",
        ),
        (
            CHILD + "[subfields.48]\nform = 'tlv'\ntag = 2\nlength = 2\nbitmap_bytes = 1",
            "found bitmap_bytes in form tlv",
        ),
        (CHILD + "[subfields.48]\nform = 'positional'", "found no list of parts, expected parts = [["),
        (
            CHILD + "[subfields.48]\nform = 'positional'\nparts = [['n..6', 'a'], ['n2', 'b']]",
            "subfields.48: found 'n..6', expected a class like",
        ),
        (
            CHILD + "[subfields.48]\nform = 'positional'\nparts = [['n6', 'a'], ['n2', 'a']]",
            "found the key 'a' twice, expected each key once",
        ),
        (
            CHILD + "[subfields.48]\nform = 'bitmap'\nbitmap_bytes = 1\nparts = { 9 = ['n6', 'a'] }",
            "subfields.48: found bit '9', expected 1 to 8",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    """File, place, what was found, what would be right."""
    said = refusal(tmp_path, text)
    assert said.startswith(f"{tmp_path}")
    assert told in said


# ---- overrides, conditions, template


def test_a_field_may_be_otherwise_in_some_messages(tmp_path: Path) -> None:
    """The longest beginning that fits wins; responses and repeats too; other messages are as they were."""
    child = own(
        tmp_path,
        CHILD + '[by_mti."08".fields]\n48 = ["an6", "Key"]\n[by_mti."0810".fields]\n48 = ["an8", "Key"]\n',
    )
    lengths = {
        mti: child.for_mti(mti).spec["48"]["max_len"] for mti in ("0100", "0800", "0801", "0810", "9999")
    }
    assert lengths == {"0100": 999, "0800": 6, "0801": 6, "0810": 8, "9999": 999}
    assert written(child, "0800", {"48": "ABCDEF"}) == b"08000000000000010000ABCDEF"
    assert written(child, "0100", {"48": "ABCDEF"}) == b"01000000000000010000006ABCDEF"
    assert child.for_mti("0100") is child


def test_conditions() -> None:
    """When, starts and without, from the template."""
    dialect = template()
    whole = dict.fromkeys(dialect.mandatory["0100"], "1")
    assert dialect.missing("0100", whole | {"14": "3012"}) == ()
    assert dialect.missing("0100", whole) == ("14",)
    assert dialect.missing("0100", whole | {"35": "x", "22": "051"}) == ("55",)
    assert dialect.missing("0100", whole | {"35": "x", "22": "051", "55": "9F"}) == ()
    assert dialect.missing("0100", {"14": "3012"}) == dialect.mandatory["0100"]
    assert dialect.missing("0999", {}) == ()


def template() -> Dialect:
    return load_dialect(Path(str(resources.files("isowire").joinpath("dialects", "template.toml"))))


def test_the_template_is_a_dialect() -> None:
    """It loads, says what it shows, and its text is there to copy."""
    dialect = template()
    assert (dialect.name, dialect.default_framing) == ("my-network", "bin2-tpdu")
    assert dialect.spec["62"]["len_enc"] == "b"
    assert dialect.for_mti("0800").spec["48"]["max_len"] == 32
    assert 'extends = "iso87-ascii"' in dialect_template()


def test_the_template_shows_every_key() -> None:
    """Nothing that a file may say is left for the reader to find in the code."""
    from isowire.dialect_file import _KEYS

    text = dialect_template()
    assert {key for key in _KEYS if key not in text} == {"version"}


def test_an_override_does_not_change(tmp_path: Path) -> None:
    """Variants are as read-only as the dialect."""
    variant: Any = own(tmp_path, CHILD + '[by_mti."08".fields]\n48 = ["an6", "Key"]\n').for_mti("0800")
    with pytest.raises(TypeError):
        variant.spec["48"]["max_len"] = 7
