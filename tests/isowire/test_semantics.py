"""[semantics] and [currency_exponents]: what a message says where a dialect declares it, and wrong declarations."""

from pathlib import Path

import pytest

from isowire import DecodeError, Dialect, DialectError, load_dialect
from isowire.semantics import NOTHING_SAID, NetworkData, Semantics

CHILD = 'extends = "iso87-ascii"\nname = "mine"\ntitle = "Mine"\n'


def own(folder: Path, text: str) -> Dialect:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return load_dialect(file)


def read(dialect: Dialect, **fields: str) -> NetworkData:
    return dialect.semantics.read({number[1:]: text for number, text in fields.items()}, dialect.subfields)


@pytest.fixture(name="plain")
def _plain() -> Dialect:
    return load_dialect("iso87-ascii")


@pytest.mark.parametrize("name", ["iso87-ascii", "iso87-binary", "iso87-ebcdic"])
def test_the_dialects_of_1987_keep_it_in_de63(name: str) -> None:
    """Each tag, all in one message."""
    de63 = "011512345678901234502031680301I04011050401030601X0701F0801P0901N"
    assert read(load_dialect(name), f63=de63) == NetworkData(
        network_id="123456789012345",
        hold_lifetime_hours=168,
        partial_approval=True,
        increment=True,
        final=False,
        on_behalf={"pin": "tries_exceeded", "cvv": "failed", "arqc": "passed", "mac": "not_checked"},
    )


def test_a_message_with_none_of_the_fields_says_nothing(plain: Dialect) -> None:
    """And no object is made for it."""
    assert read(plain, f4="000000001000") is NOTHING_SAID


@pytest.mark.parametrize(
    "de63", ["", "9904none", "0112            ", "02010", "0301P", "04010", "05040303", "0601?"]
)
def test_what_means_nothing_says_nothing(plain: Dialect, de63: str) -> None:
    """Nothing in it, an unknown tag, blanks, a lifetime of 0, other values of flags and results, the last capture."""
    assert read(plain, f63=de63) == NOTHING_SAID


@pytest.mark.parametrize(("de25", "sold"), [("59", True), ("00", False)])
def test_electronic_commerce_by_condition_code(plain: Dialect, de25: str, sold: bool) -> None:
    """DE25 59."""
    assert plain.semantics.is_ecommerce({"25": de25}, plain.subfields) is sold
    assert not plain.semantics.is_ecommerce({}, plain.subfields)


def test_electronic_commerce_by_a_part(tmp_path: Path) -> None:
    """A flag like any other."""
    text = CHILD + "[semantics]\necommerce = { field = 22, part = 'entry', is = ['81'] }\n"
    dialect = own(tmp_path, text)
    assert dialect.semantics.is_ecommerce({"22": "812"}, dialect.subfields)
    assert not dialect.semantics.is_ecommerce({"22": "012"}, dialect.subfields)


@pytest.mark.parametrize(
    ("de63", "told"),
    [
        ("01", "DE63: found 2 characters at 0, expected a tag and a length"),
        ("01XX1", "DE63: found a length of 'AA' at 0, expected 2 digits"),
        ("01051", "DE63: found a length of 5 at 0, expected no more than is left"),
        ("0133" + "A" * 33, f"DE63: found '{'A' * 33}', expected a name of at most 32 visible characters"),
        ("0203ABC", "DE63: found 'AAA', expected a number of at most 8784"),
        ("02048785", "DE63: found '9999', expected a number of at most 8784"),
        ("0504010A", "DE63: found '9A', expected a number"),
        ("0503010", "DE63: found 1 characters from character 3 on, expected 2"),
    ],
)
def test_what_cant_be_is_refused(plain: Dialect, de63: str, told: str) -> None:
    """By the field, and by the shape of what stood there."""
    with pytest.raises(DecodeError) as caught:
        read(plain, f63=de63)
    assert (str(caught.value), caught.value.field) == (told, "63")


def test_the_first_of_two_equal_tags_counts(plain: Dialect) -> None:
    """A value can't be made up by writing it behind the network's."""
    assert read(plain, f63="0601F0601P").on_behalf == {"pin": "failed"}


def test_approving_codes_and_entry_modes(plain: Dialect) -> None:
    """The tables of the base dialect."""
    assert plain.semantics.approving == {"00", "08", "10", "11", "85", "87"}
    assert dict(plain.semantics.entry) == {
        "01": "manual",
        "02": "magstripe",
        "05": "chip",
        "07": "contactless",
        "10": "stored",
        "79": "manual",
        "80": "fallback",
        "81": "ecommerce",
        "90": "magstripe",
        "91": "contactless",
        "95": "chip",
    }
    assert (plain.profile, dict(plain.currency_exponents)) == ("generic", {})


def test_1993_declares_none_yet() -> None:
    """Its messages are read, and not served."""
    dialect = load_dialect("iso93-ascii")
    assert (dialect.semantics, dialect.profile) == (Semantics(), "")


def test_a_whole_field_a_slice_a_part_and_a_slice_of_a_part(tmp_path: Path) -> None:
    """The four ways to name a place; a bitmap's part by its key, chip data's by its tag."""
    dialect = own(
        tmp_path,
        CHILD
        + "[semantics]\nhold_lifetime_hours = false\ncapture_number = false\ncapture_count = false\n"
        + "ecommerce = false\non_behalf = false\n"
        + "not_final = { field = 60, is = ['M'] }\n"
        + "increment = { field = 61, at = 3, length = 2, is = ['IN'] }\n"
        + "network_id = { field = 62, part = 'id', at = 1, length = 3 }\n"
        + "partial_approval = { field = 55, part = '9F6E', is = ['01'] }\n"
        + "[subfields.62]\nform = 'bitmap'\nbitmap_bytes = 1\nparts = { 2 = ['n5', 'id'] }\n",
    )
    assert dialect.semantics.places.keys() == {"55", "60", "61", "62"}
    assert read(dialect, f55="9F6E0101", f60="M ", f61="xxINxx", f62="4012345") == NetworkData(
        network_id="123", partial_approval=True, increment=True, final=False
    )


def test_a_place_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A field of its own does not inherit the part of another field."""
    dialect = own(tmp_path, CHILD + "[semantics]\nnetwork_id = { field = 48 }\n")
    assert read(dialect, f48=" NET 1 ").network_id == "NET 1"


def test_what_a_child_does_not_say_it_has_from_its_base(tmp_path: Path) -> None:
    """Key by key."""
    child = own(tmp_path, CHILD + "[semantics]\nincrement = { field = 60, is = ['1'] }\n")
    assert read(child, f60="1", f63="01011") == NetworkData(network_id="1", increment=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("network_id = { field = 65 }", "semantics.network_id: found 65, expected a field that stands under"),
        (
            "network_id = { field = 48, part = '01' }",
            "semantics.network_id: found part '01', expected a part that [subfields.48] names",
        ),
        (
            "network_id = { field = 63, part = '1' }",
            "semantics.network_id: found part '1', expected a tag of 2 characters",
        ),
        (
            "network_id = { field = 22, part = 'x' }",
            "semantics.network_id: found part 'x', expected one of entry, pin",
        ),
        (
            "network_id = { field = 55, part = '9f26' }",
            "semantics.network_id: found part '9f26', expected a tag in hexadecimal, capitals",
        ),
        ("network_id = { field = 60, at = 1 }", "found one of at and length, expected both, or neither"),
        (
            "network_id = { field = 60, at = 0, length = 1 }",
            "found at = 0, length = 1, expected numbers from 1",
        ),
        (
            "network_id = { field = 22, at = 3, length = 2 }",
            "found characters 3 to 4, expected no more than the 3 of field 22",
        ),
        (
            "increment = { field = 60 }",
            "semantics.increment: found is = [], expected the values that set it, none of them empty",
        ),
        ("increment = { field = 60, is = [''] }", "semantics.increment: found is = ['']"),
        ("increment = { fild = 60 }", "unknown field `fild`"),
        (
            "capture_count = false",
            "semantics.capture_number: found capture_number alone, expected capture_count beside it",
        ),
        (
            "originals = ['reference', 'reference']",
            "semantics.originals: found reference, reference, expected each",
        ),
        ("clearings = ['reference']", "Invalid enum value 'reference'"),
        ("approving = ['0']", "semantics.approving: found '0', expected 2 digits or capital letters, as in"),
        (
            "on_behalf = { pin = { field = 60 } }",
            "semantics.on_behalf.pin: found no value, expected values under passed, failed, tries_exceeded or",
        ),
        (
            "on_behalf = { pin = { field = 60, passed = ['1'], failed = ['1'] } }",
            "semantics.on_behalf.pin: found '1', expected values that are not empty, each once",
        ),
        ("on_behalf = { pni = { field = 60, passed = ['1'] } }", "Invalid enum value 'pni'"),
        (
            "entry = { '5' = 'chip' }",
            "semantics.entry.\"5\": found '5', expected the first two digits of DE22",
        ),
        ("entry = { '05' = 'chp' }", "Invalid enum value 'chp'"),
        (
            "[currency_exponents]\nisk = 2",
            "currency_exponents.isk: found 'isk', expected three capital letters",
        ),
        ("[currency_exponents]\nISK = 5", "currency_exponents.ISK: found 5, expected 0 to 4"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    """File, place, what was found, what would be right."""
    with pytest.raises(DialectError) as caught:
        own(tmp_path, f"{CHILD}[semantics]\n{text}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'mine.toml'}: ")
    assert told in str(caught.value)
