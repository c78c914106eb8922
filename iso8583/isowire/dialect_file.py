"""A dialect's TOML file: inheritance, strict reading, and the words for what is wrong in it.

A wrong key or value is named with its file, its place and what would be right. Owns the file's keys; what a field's
entry means is in `field_notation`, what [subfields] may say in `subfield_file`.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args

import msgspec

from isowire import mti as mtis
from isowire.dialect import Condition, Dialect, FieldSpec, Kind, Version, did_you_mean, find_dialect
from isowire.errors import DialectError
from isowire.field_notation import Encoding, FieldEntry, NotationError, envelope_specs, field_spec
from isowire.framing import FRAMINGS
from isowire.management import Management
from isowire.management_file import ManagementEntry, WrongManagementError, make_management
from isowire.semantics import Semantics
from isowire.semantics_file import EXPONENT_MAX, TABLES, SemanticsEntry, WrongSemanticsError, make_semantics
from isowire.subfield_file import FormEntry, make_form
from isowire.subfields import Form

EXTENDS_MAX: Final = 8
"""Files that build on one another. More is a circle, or nobody can tell any more what a field is."""

_FIELD_FIRST: Final = 2
_FIELD_LAST: Final = 128
_THIRD_BITMAP: Final = 65
_NUMBER_WORDS: Final = {2: "two", 3: "three", 4: "four"}
_T = TypeVar("_T")


class _Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    requests: list[str]
    advices: list[str]


class _Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    field: int
    when: int | None = None
    starts: list[str] = []
    without: int | None = None


class _Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is otherwise in messages whose MTI begins with the table's name. Entries are read one by one."""

    fields: dict[str, Any] = {}
    subfields: dict[str, Any] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The TOML file as it stands, what it builds on included; `_Checker` holds what types can't say.

    Fields and subfields are read one by one, so that an error can name the number.
    """

    name: str
    title: str
    default_framing: str
    key_fields: list[int]
    sensitive: list[int]
    encoding: Encoding
    messages: _Messages
    echoed: dict[str, list[int]]
    mandatory: dict[str, list[int]]
    fields: dict[str, Any]
    version: Version = 1987
    profile: str = ""
    response_codes: dict[str, str] = {}
    management: ManagementEntry = ManagementEntry()
    semantics: SemanticsEntry = SemanticsEntry()
    currency_exponents: dict[str, int] = {}
    conditional: dict[str, list[_Condition]] = {}
    subfields: dict[str, Any] = {}
    codes: dict[str, dict[str, str]] = {}
    by_mti: dict[str, _Override] = {}


_TABLES: Final = (
    _File,
    Encoding,
    _Messages,
    FieldEntry,
    FormEntry,
    _Condition,
    _Override,
    ManagementEntry,
    *TABLES,
)
_KEYS: Final = sorted({key for table in _TABLES for key in table.__struct_encode_fields__} | {"extends"})


def read_dialect(text: str, source: str, folder: Path) -> Dialect:
    """The dialect of a file's text; `source` names it in errors, paths in it start from `folder`.

    Raises DialectError, which names the file that is wrong: this one, or one that it builds on.
    """
    return _Checker(_convert(_document(text, source, folder, 0), _File, source, ""), source).dialect()


def _document(text: str, source: str, folder: Path, depth: int) -> dict[str, Any]:
    """The file with what it extends put under it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DialectError(f"{source}: not TOML: {error}") from None
    base_name = document.pop("extends", None)
    if base_name is None:
        return document
    if not isinstance(base_name, str):
        raise DialectError(
            f"{source}: extends: found {base_name!r}, expected a dialect's name or a .toml file"
        )
    if depth >= EXTENDS_MAX:
        raise DialectError(
            f"{source}: extends: found {EXTENDS_MAX} files in a row, expected fewer: is it a circle?"
        )
    if "name" not in document:
        raise DialectError(f"{source}: name: found none, expected one of its own beside extends")
    try:
        base_text, base_source, base_folder = find_dialect(base_name, folder)
    except DialectError as error:
        raise DialectError(f"{source}: extends: {error}") from None
    base = _document(base_text, base_source, base_folder, depth + 1)
    # Checked by itself first, so that what is wrong in it is not said of the file that builds on it.
    _Checker(_convert(base, _File, base_source, ""), base_source).dialect()
    return _merged(base, document)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables key by key, everything else replaced whole; `false` takes a key away.

    A table that says `field` is a place in a message: half of one and half of another would be no place at all.
    """
    merged = dict(base)
    for key, value in over.items():
        if value is False:
            merged.pop(key, None)
        elif isinstance(value, dict) and "field" not in value and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        elif isinstance(value, dict):
            merged[key] = _merged({}, value)
        else:
            merged[key] = value
    return merged


def _convert(value: object, type_: type[_T], source: str, place: str) -> _T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        place = f"{place}: " if place else ""
        raise DialectError(f"{source}: {place}{_explain(str(error), type_)}") from None


def _explain(problem: str, type_: type) -> str:
    """The text of msgspec, which names the place, with the keys and values that would be right."""
    unknown = re.search(r"unknown field `([^`]*)`", problem)
    if unknown:
        return f"{problem}{did_you_mean(unknown[1], _KEYS)}"
    if "Invalid enum value" in problem:
        owner, path = (Encoding, "$.encoding.") if "$.encoding." in problem else (type_, "$.")
        for key, choice in getattr(owner, "__annotations__", {}).items():
            if f"{path}{key}`" in problem:
                return f"{problem}; {key} is {' or '.join(map(str, _choices(choice)))}"
    return problem


def _choices(annotation: Any) -> list[Any]:
    """The values of a Literal, None of an optional one left out."""
    found: list[Any] = []
    for choice in get_args(annotation):
        if choice is type(None):
            continue
        found += _choices(choice) or [choice]
    return found


class _Checker:
    """Makes the Dialect of a file whose types are right, and refuses values that are not."""

    def __init__(self, file: _File, source: str) -> None:
        self._file = file
        self._source = source

    def dialect(self) -> Dialect:
        file = self._file
        if file.default_framing not in FRAMINGS:
            raise self._wrong("default_framing", repr(file.default_framing), " or ".join(FRAMINGS))
        spec: dict[str, FieldSpec] = envelope_specs(file.encoding)
        kinds: dict[str, Kind] = {}
        self._add_fields("fields", file.fields, spec, kinds)
        requests = self._mtis("messages.requests", file.messages.requests)
        advices = self._mtis("messages.advices", file.messages.advices)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", file.name):
            raise self._wrong("name", repr(file.name), "1 to 64 letters, digits, '.', '_' or '-'")
        if both := requests & advices:
            raise self._wrong("messages", f"{min(both)} among requests and advices", "one of the two")
        self._response_codes(kinds, spec)
        served = {mtis.clear_repeat(mti) for mti in requests | advices}
        subfields = self._subfields("subfields", file.subfields, kinds)
        self._codes(kinds, subfields)
        dialect = Dialect(
            name=file.name,
            title=file.title,
            spec=_frozen(spec),
            kinds=MappingProxyType(kinds),
            default_framing=file.default_framing,
            response_codes=MappingProxyType(dict(file.response_codes)),
            echoed=self._by_request("echoed", file.echoed, served),
            mandatory=self._by_request("mandatory", file.mandatory, served),
            requests=requests,
            advices=advices,
            key_fields=self._numbers("key_fields", file.key_fields),
            sensitive=frozenset(self._numbers("sensitive", file.sensitive)),
            version=file.version,
            conditional=self._conditional(served),
            subfields=MappingProxyType(subfields),
            codes=MappingProxyType({place: MappingProxyType(table) for place, table in file.codes.items()}),
            profile=file.profile,
            semantics=self._semantics(spec, subfields),
            management=self._management(spec, kinds),
            currency_exponents=self._exponents(),
        )
        return (
            replace(dialect, variants=MappingProxyType(self._variants(dialect))) if file.by_mti else dialect
        )

    # ---- fields

    def _add_fields(
        self, table: str, entries: Mapping[str, Any], spec: dict[str, FieldSpec], kinds: dict[str, Kind]
    ) -> None:
        for number, value in entries.items():
            place = f"{table}.{number}"
            self._field_number(place, number)
            if isinstance(value, list):
                notation, description = _convert(value, tuple[str, str], self._source, place)
                entry = FieldEntry(kind=notation, name=description)
            else:
                entry = _convert(value, FieldEntry, self._source, place)
            try:
                spec[number], kinds[number] = field_spec(entry, self._file.encoding)
            except NotationError as wrong:
                raise self._wrong(place, wrong.found, wrong.expected) from None

    def _field_number(self, place: str, number: str) -> None:
        if number == str(_THIRD_BITMAP):
            raise self._wrong(place, "a third bitmap", f"no field {_THIRD_BITMAP}: it is not supported")
        canonical = number.isascii() and number.isdigit() and str(int(number)) == number
        if not (canonical and _FIELD_FIRST <= int(number) <= _FIELD_LAST):
            raise self._wrong(place, repr(number), f"a number {_FIELD_FIRST} to {_FIELD_LAST}")

    def _subfields(
        self, table: str, entries: Mapping[str, Any], kinds: Mapping[str, Kind]
    ) -> dict[str, Form]:
        forms: dict[str, Form] = {}
        for number, value in entries.items():
            place = f"{table}.{number}"
            if number not in kinds:
                raise self._wrong(place, number, "numbers that stand under [fields]")
            entry = _convert(value, FormEntry, self._source, place)
            try:
                forms[number] = make_form(number, entry, kinds[number], self._file.encoding)
            except NotationError as wrong:
                raise self._wrong(place, wrong.found, wrong.expected) from None
        return forms

    def _variants(self, dialect: Dialect) -> dict[str, Dialect]:
        """For each MTI of the standard that a table of [by_mti] is about, the dialect that it is written in."""
        variants: dict[str, Dialect] = {}
        # Short beginnings first: 0810 has what "08" says and then what "0810" says.
        for prefix in sorted(self._file.by_mti, key=len):
            override = self._file.by_mti[prefix]
            about = [mti for mti in mtis.KNOWN_BY_VERSION[dialect.version] if mti.startswith(prefix)]
            if len(prefix) < 2 or not about:
                expected = f"two to four digits that an MTI of ISO 8583:{dialect.version} begins with"
                raise self._wrong(f'by_mti."{prefix}"', repr(prefix), expected)
            for mti in about:
                variants[mti] = self._variant(variants.get(mti, dialect), f'by_mti."{prefix}"', override)
        return variants

    def _variant(self, base: Dialect, place: str, override: _Override) -> Dialect:
        spec, kinds = dict(base.spec), dict(base.kinds)
        for number in override.fields:
            if number not in self._file.fields:
                raise self._wrong(f"{place}.fields", number, "numbers that stand under [fields]")
        self._add_fields(f"{place}.fields", override.fields, spec, kinds)
        # What is inside a field that is written otherwise is no longer what [subfields] says of it.
        inherited = {number: form for number, form in base.subfields.items() if number not in override.fields}
        subfields = inherited | self._subfields(f"{place}.subfields", override.subfields, kinds)
        return replace(
            base, spec=_frozen(spec), kinds=MappingProxyType(kinds), subfields=MappingProxyType(subfields)
        )

    # ---- messages and codes

    def _mtis(self, place: str, values: list[str]) -> frozenset[str]:
        version = self._file.version
        for mti in values:
            if not mtis.is_known(mti, version) or mtis.is_response(mti):
                raise self._wrong(place, repr(mti), f"request and advice MTIs of ISO 8583:{version}")
        return frozenset(values)

    def _numbers(self, place: str, numbers: list[int]) -> tuple[str, ...]:
        fields = tuple(map(str, numbers))
        for number in fields:
            if number not in self._file.fields:
                raise self._wrong(place, number, "numbers that stand under [fields]")
        if len(set(fields)) < len(fields):
            raise self._wrong(place, "a number twice", "each number once")
        return fields

    def _by_request(
        self, table: str, numbers: dict[str, list[int]], served: set[str]
    ) -> Mapping[str, tuple[str, ...]]:
        for mti in sorted(numbers.keys() ^ served):
            found = "a line for it" if mti in numbers else "no line for it"
            raise self._wrong(
                f'{table}."{mti}"',
                found,
                "one line for each request and advice under [messages], its repeat digit cleared",
            )
        return MappingProxyType({mti: self._numbers(f'{table}."{mti}"', numbers[mti]) for mti in numbers})

    def _conditional(self, served: set[str]) -> Mapping[str, tuple[Condition, ...]]:
        made: dict[str, tuple[Condition, ...]] = {}
        for mti, entries in self._file.conditional.items():
            place = f'conditional."{mti}"'
            if mti not in served:
                raise self._wrong(
                    place, mti, "a request or advice under [messages], its repeat digit cleared"
                )
            made[mti] = tuple(self._condition(place, entry) for entry in entries)
        return MappingProxyType(made)

    def _condition(self, place: str, entry: _Condition) -> Condition:
        if entry.when is None and (entry.starts or entry.without is None):
            raise self._wrong(place, f"field {entry.field} without when", "when, or without, or both")
        self._numbers(place, [number for number in (entry.field,) if number is not None])
        for number in (entry.when, entry.without):
            if number is not None:
                self._numbers(place, [number])
        return Condition(
            field=str(entry.field),
            when=None if entry.when is None else str(entry.when),
            starts=tuple(entry.starts),
            without=None if entry.without is None else str(entry.without),
        )

    def _response_codes(self, kinds: Mapping[str, Kind], spec: Mapping[str, FieldSpec]) -> None:
        if "39" not in kinds:
            raise self._wrong("fields", "no field 39", "the field that carries response_codes")
        length = spec["39"]["max_len"]
        letters = "" if kinds["39"] == "n" else "A-Z"
        for reason, code in self._file.response_codes.items():
            if not re.fullmatch(f"[0-9{letters}]{{{length}}}", code):
                digits = f"{_NUMBER_WORDS.get(length, length)} digits"
                expected = f"{digits} or capital letters" if letters else digits
                raise self._wrong(f"response_codes.{reason}", repr(code), expected)

    def _semantics(self, spec: Mapping[str, FieldSpec], subfields: Mapping[str, Form]) -> Semantics:
        try:
            return make_semantics(self._file.semantics, spec, subfields)
        except WrongSemanticsError as wrong:
            raise self._wrong(f"semantics.{wrong.place}", wrong.found, wrong.expected) from None

    def _management(self, spec: Mapping[str, FieldSpec], kinds: Mapping[str, Kind]) -> Management:
        try:
            return make_management(self._file.management, spec, kinds)
        except WrongManagementError as wrong:
            raise self._wrong(f"management.{wrong.place}", wrong.found, wrong.expected) from None

    def _exponents(self) -> Mapping[str, int]:
        for currency, exponent in self._file.currency_exponents.items():
            place = f"currency_exponents.{currency}"
            if not re.fullmatch("[A-Z]{3}", currency):
                raise self._wrong(place, repr(currency), "three capital letters of ISO 4217")
            if not 0 <= exponent <= EXPONENT_MAX:
                raise self._wrong(place, str(exponent), f"0 to {EXPONENT_MAX}")
        return MappingProxyType(dict(self._file.currency_exponents))

    def _codes(self, kinds: Mapping[str, Kind], subfields: Mapping[str, Form]) -> None:
        for place in self._file.codes:
            number, _, part = place.partition(".")
            if number not in kinds:
                raise self._wrong(f'codes."{place}"', number, "numbers that stand under [fields]")
            if part and number not in subfields:
                raise self._wrong(f'codes."{place}"', part, f"a part that [subfields.{number}] names")
            if part and part not in subfields[number].keys:
                raise self._wrong(f'codes."{place}"', part, f"one of {', '.join(subfields[number].keys)}")

    def _wrong(self, place: str, found: str, expected: str) -> DialectError:
        return DialectError(f"{self._source}: {place}: found {found}, expected {expected}")


def _frozen(spec: Mapping[str, FieldSpec]) -> Mapping[str, FieldSpec]:
    return MappingProxyType({number: MappingProxyType(dict(entry)) for number, entry in spec.items()})
