"""Dialect files: the one that comes with the package, and what a wrong one is told."""

from pathlib import Path

import pytest
from iso8583.specs import default_ascii

from isowire import FRAMINGS, Dialect, DialectError, clear_repeat, dialect_names, load_dialect
from isowire.checks import CHECKS

GOOD = (Path(load_dialect.__code__.co_filename).parent / "dialects" / "iso87-ascii.toml").read_text(
    encoding="utf-8"
)
NEVER_ECHOED = {"14", "35", "36", "45", "52", "53", "55", "64", "128"}


@pytest.fixture(name="dialect")
def _dialect() -> Dialect:
    return load_dialect("iso87-ascii")


@pytest.mark.parametrize("number", ["h", "t", "p", "1", *map(str, range(2, 129))])
def test_the_layout_is_that_of_default_ascii(dialect: Dialect, number: str) -> None:
    """Field by field, name included; of DE65, a third bitmap, there is none."""
    expected = None if number == "65" else default_ascii[number]
    assert dialect.spec.get(number) == expected


def test_it_has_nothing_that_default_ascii_lacks(dialect: Dialect) -> None:
    """The fields of the dialect are 2 to 128 without 65, and each has a class that can be checked."""
    numbers = {str(number) for number in range(2, 129)} - {"65"}
    assert set(dialect.spec) - {"h", "t", "p", "1"} == set(dialect.kinds) == numbers
    assert set(dialect.kinds.values()) <= set(CHECKS)


def test_names_and_framing(dialect: Dialect) -> None:
    """It is the dialect that the package comes with, and its framing exists."""
    assert "iso87-ascii" in dialect_names()
    assert (dialect.name, dialect.default_framing) == ("iso87-ascii", "bin2")
    assert dialect.default_framing in FRAMINGS


def test_de39_is_the_profiles_affair(dialect: Dialect) -> None:
    """The standard's own dialect says nothing otherwise."""
    assert (dialect.profile, dict(dialect.response_codes)) == ("generic", {})


def test_each_request_says_what_it_must_have_and_what_comes_back(dialect: Dialect) -> None:
    """Every request and advice has both lists; what a message must have comes back but for what only we need."""
    served = {clear_repeat(mti) for mti in dialect.requests | dialect.advices}
    assert served == set(dialect.echoed) == set(dialect.mandatory)
    for mti in served:
        assert set(dialect.mandatory[mti]) <= set(dialect.echoed[mti])


def test_a_reversal_is_told_not_asked(dialect: Dialect) -> None:
    """0400 and 0420 with their repeats are never declined."""
    assert {"0400", "0401", "0420", "0421"} <= dialect.advices
    assert not dialect.advices & dialect.requests


def test_card_data_beyond_the_number_never_comes_back(dialect: Dialect) -> None:
    """No reply holds expiry, tracks, PIN block, chip data or a MAC of the request."""
    for fields in dialect.echoed.values():
        assert not NEVER_ECHOED & set(fields)


def test_the_key_fields_and_the_card_are_in_their_lists(dialect: Dialect) -> None:
    """Duplicates are told by DE7, 11, 32 and 37; the number, tracks, PIN and chip data are sensitive."""
    assert dialect.key_fields == ("7", "11", "32", "37")
    assert dialect.sensitive >= NEVER_ECHOED | {"2", "34", "48", "96", "102", "103", "112", "127"}
    assert not dialect.sensitive & set(dialect.key_fields)


def test_a_dialect_does_not_change(dialect: Dialect) -> None:
    """Its mappings are read-only, the field specs too."""
    for mapping in (dialect.spec, dialect.spec["2"], dialect.kinds, dialect.echoed, dialect.response_codes):
        with pytest.raises(TypeError):
            mapping["2"] = None  # type: ignore[index]


def test_a_dialect_of_ones_own_is_a_path(tmp_path: Path) -> None:
    """A Path, or text that ends in .toml, is read as a file."""
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace('name = "iso87-ascii"', 'name = "mine"'), encoding="utf-8")
    assert (load_dialect(file).name, load_dialect(str(file)).name) == ("mine", "mine")


def test_fields_may_be_left_out(tmp_path: Path) -> None:
    """A dialect has the fields that its file lists."""
    file = tmp_path / "mine.toml"
    file.write_text(
        GOOD.replace('\n56  = ["ans...999",  "Reserved ISO"]', "").replace(" 56,", ""), encoding="utf-8"
    )
    assert "56" not in load_dialect(file).spec


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "iso87-asci",
            "there is no dialect 'iso87-asci'; did you mean 'iso87-ascii'?; there are iso87-ascii, iso87-binary",
        ),
        (
            "xyz",
            "there is no dialect 'xyz'; there are iso87-ascii, iso87-binary, iso87-ebcdic, iso93-ascii, iso93-bin",
        ),
    ],
)
def test_a_wrong_name_is_told_the_right_ones(name: str, told: str) -> None:
    """With the nearest one first."""
    with pytest.raises(DialectError) as caught:
        load_dialect(name)
    assert str(caught.value).startswith(told)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says which file could not be read."""
    with pytest.raises(DialectError, match=r"none\.toml: can't be read"):
        load_dialect(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("title =", "titel =", "unknown field `titel`; did you mean 'title'?"),
        ('text = "ascii"', 'txet = "ascii"', "unknown field `txet` - at `$.encoding`; did you mean 'text'?"),
        ('text = "ascii"', 'text = "utf-8"', "`$.encoding.text`; text is ascii or cp500 or cp037"),
        (
            'text = "ascii"',
            'text = "ascii"\nlength = "bin"',
            "$.encoding.length`; length is text or bcd or binary",
        ),
        ("version = 1987", "version = 1988", "$.version`; version is 1987 or 1993"),
        (
            "version = 1987",
            "version = 1993",
            "found '0100', expected request and advice MTIs of ISO 8583:1993",
        ),
        ('title = "ISO 8583:1987, ASCII, hexadecimal bitmaps"', "", "missing required field `title`"),
        ('title = "ISO', "title = ISO", "not TOML"),
        ('name = "iso87-ascii"', 'name = "a\\u0000b"', "name: found 'a\\x00b', expected 1 to 64 letters"),
        ("key_fields = [7,", 'key_fields = ["7",', "Expected `int`, got `str` - at `$.key_fields[0]`"),
        (
            "key_fields = [7,",
            "key_fields = [65,",
            "key_fields: found 65, expected numbers that stand under [fields]",
        ),
        (
            "key_fields = [7, 11,",
            "key_fields = [7, 7,",
            "key_fields: found a number twice, expected each number once",
        ),
        ('"bin2"', '"bin5"', "default_framing: found 'bin5', expected bin2 or bin2-inclusive or bcd2"),
        (
            "[fields]",
            '[response_codes]\napproved = "0"\n[fields]',
            "response_codes.approved: found '0', expected two digits or capital",
        ),
        ('3   = ["n6",', '3   = ["q6",', "fields.3: found 'q6', expected a class like \"n6\""),
        (
            '2   = ["n..19",',
            '2   = ["n.19",',
            "fields.2: found 'n.19', expected a dot for each digit of the length",
        ),
        ('2   = ["n..19",', '2   = ["n..190",', "fields.2: found 'n..190', expected a dot for each digit"),
        ('2   = ["n..19",', '2   = ["n..0",', "fields.2: found 'n..0', expected a class like"),
        ("[fields]", '[fields]\n65 = ["b8", "x"]', "fields.65: found a third bitmap, expected no field 65"),
        ("[fields]", '[fields]\n129 = ["b8", "x"]', "fields.129: found '129', expected a number 2 to 128"),
        ("[fields]", '[fields]\n1 = ["b8", "x"]', "fields.1: found '1', expected a number 2 to 128"),
        ("[fields]", '[fields]\n"²" = ["b8", "x"]', "found '²', expected a number 2 to 128"),
        (
            'requests = ["0100",',
            'requests = ["0110",',
            "messages.requests: found '0110', expected request and advice",
        ),
        ('requests = ["0100",', 'requests = ["0120",', "messages: found 0120 among requests and advices"),
        (
            '"0800" = [7, 11, 24',
            '"0300" = [7, 11, 24',
            'echoed."0300": found a line for it, expected one line for',
        ),
        ('"0800" = [7, 11, 24, 33, 70]', "", 'echoed."0800": found no line for it, expected one line for'),
        ('sign_on = "001"', 'sign_on = "1"', "management.sign_on: found '1', expected three digits"),
        ('sign_on = "001"', 'sign_on = "301"', "management.echo: found a code twice, expected three codes"),
        (
            'echo = "301"',
            'echo = "301"\nfields = { 33 = "A" }',
            "management.fields.33: found 'A', expected up to 11 characters of class n",
        ),
        (
            'echo = "301"',
            'echo = "301"\nfields = { 11 = "000001" }',
            "management.fields.11: found 11, expected fields other than 7, 11, 70, which differ each time",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_would_be_right(
    tmp_path: Path, right: str, wrong: str, told: str
) -> None:
    """One change to the good file each: file, key, what was found, what would be right."""
    assert right in GOOD
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(DialectError) as caught:
        load_dialect(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert told in str(caught.value)
