"""Dialects: which fields a network's messages have, how they are written, and what the network means by them.

Owns the TOML files in `dialects/` and their strict reading: a wrong key or value is named with its file, its place and
what would be right. Must not decode messages; `codec` does, from the `Dialect` made here.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import msgspec

from isowire import mti as mtis
from isowire.errors import DialectError
from isowire.framing import FRAMINGS

FieldSpec = Mapping[str, Any]
Kind = Literal["n", "a", "an", "ans", "x+n", "z", "b"]
"""What may stand in a field: the letters of its class."""

_CLASS: Final = re.compile(r"(n|a|an|ans|x\+n|z|b)(\.{0,4})([1-9][0-9]{0,3})")
_CLASS_EXPECTED: Final = 'a class like "n6", "n..19", "an12", "ans...999", "x+n8", "z..37" or "b8"'
_HEX_CHARACTERS_A_BYTE: Final = 2
_BITMAP_HEX_CHARACTERS: Final = 16
_FIELD_FIRST: Final = 2
_FIELD_LAST: Final = 128
_THIRD_BITMAP: Final = 65


@dataclass(frozen=True, slots=True)
class Dialect:
    """One network's way to write ISO 8583. Fields are text keys, "2" to "128"; nothing in it changes."""

    name: str
    title: str
    spec: Mapping[str, FieldSpec]
    """As pyiso8583 takes it, with "h", "t", "p" and "1"."""
    kinds: Mapping[str, Kind]
    """Field -> what may stand in it."""
    default_framing: str
    response_codes: Mapping[str, str]
    """Reason of a decision -> DE39."""
    echoed: Mapping[str, tuple[str, ...]]
    """Request MTI, its repeat digit cleared -> fields that the reply copies when they are there."""
    mandatory: Mapping[str, tuple[str, ...]]
    """Request MTI, its repeat digit cleared -> fields that it must have."""
    requests: frozenset[str]
    """MTIs that may be declined, with "format error" too."""
    advices: frozenset[str]
    """MTIs that tell a fact and are never declined."""
    key_fields: tuple[str, ...]
    """What tells two messages of one network, card and MTI apart."""
    sensitive: frozenset[str]
    """Fields that are never logged, stored or shown."""


def dialect_names() -> list[str]:
    """The dialects that come with the package, in alphabetical order."""
    entries = resources.files("isowire").joinpath("dialects").iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))


def load_dialect(name_or_path: str | Path) -> Dialect:
    """A dialect of the package by name, or one from a TOML file (a `Path`, or text ending in `.toml`).

    Raises DialectError.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        source = str(name_or_path)
        try:
            text = Path(name_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DialectError(f"{source}: can't be read: {error}") from None
        return _parse(text, source)
    names = dialect_names()
    if name_or_path not in names:
        raise DialectError(
            f"there is no dialect {name_or_path!r}{_did_you_mean(name_or_path, names)}; "
            f"there are {', '.join(names)}, or give the path of a .toml file"
        )
    resource = resources.files("isowire").joinpath("dialects", f"{name_or_path}.toml")
    return _parse(resource.read_text(encoding="utf-8"), f"{name_or_path}.toml")


class _Encoding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Literal["ascii"]
    binary: Literal["hex"]


class _Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    requests: list[str]
    advices: list[str]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The TOML file as it stands; `_Checker` holds what types can't say."""

    name: str
    title: str
    default_framing: str
    key_fields: list[int]
    sensitive: list[int]
    encoding: _Encoding
    messages: _Messages
    echoed: dict[str, list[int]]
    mandatory: dict[str, list[int]]
    response_codes: dict[str, str]
    fields: dict[str, tuple[str, str]]


_KEYS: Final = sorted({key for table in (_File, _Encoding, _Messages) for key in table.__struct_fields__})


def _parse(text: str, source: str) -> Dialect:
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as error:
        raise DialectError(f"{source}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise DialectError(f"{source}: {_explain(str(error))}") from None
    return _Checker(file, source).dialect()


def _explain(problem: str) -> str:
    """The text of msgspec, which names the place, with the keys and values that would be right."""
    unknown = re.search(r"unknown field `([^`]*)`", problem)
    if unknown:
        return f"{problem}{_did_you_mean(unknown[1], _KEYS)}"
    if "Invalid enum value" in problem:
        for key, choice in _Encoding.__annotations__.items():
            if f"$.encoding.{key}" in problem:
                return f"{problem}; {key} is {' or '.join(get_args(choice))}"
    return problem


def _did_you_mean(found: str, right: Iterable[str]) -> str:
    near = difflib.get_close_matches(found, list(right), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class _Checker:
    """Makes the Dialect of a file whose types are right, and refuses values that are not."""

    def __init__(self, file: _File, source: str) -> None:
        self._file = file
        self._source = source

    def dialect(self) -> Dialect:
        file = self._file
        if file.default_framing not in FRAMINGS:
            raise self._wrong("default_framing", repr(file.default_framing), " or ".join(FRAMINGS))
        spec: dict[str, FieldSpec] = dict(_ENVELOPE)
        kinds: dict[str, Kind] = {}
        for number, (notation, description) in file.fields.items():
            self._field_number(number)
            spec[number], kinds[number] = self._field(number, notation, description)
        requests = self._mtis("messages.requests", file.messages.requests)
        advices = self._mtis("messages.advices", file.messages.advices)
        if both := requests & advices:
            raise self._wrong("messages", f"{min(both)} among requests and advices", "one of the two")
        for reason, code in file.response_codes.items():
            if not re.fullmatch("[0-9A-Z]{2}", code):
                raise self._wrong(f"response_codes.{reason}", repr(code), "two digits or capital letters")
        served = {mtis.clear_repeat(mti) for mti in requests | advices}
        return Dialect(
            name=file.name,
            title=file.title,
            spec=MappingProxyType({number: MappingProxyType(dict(field)) for number, field in spec.items()}),
            kinds=MappingProxyType(kinds),
            default_framing=file.default_framing,
            response_codes=MappingProxyType(dict(file.response_codes)),
            echoed=self._by_request("echoed", file.echoed, served),
            mandatory=self._by_request("mandatory", file.mandatory, served),
            requests=requests,
            advices=advices,
            key_fields=self._numbers("key_fields", file.key_fields),
            sensitive=frozenset(self._numbers("sensitive", file.sensitive)),
        )

    def _field_number(self, number: str) -> None:
        if number == str(_THIRD_BITMAP):
            raise self._wrong("fields.65", "a third bitmap", "no field 65: it is not supported")
        canonical = number.isascii() and number.isdigit() and str(int(number)) == number
        if not (canonical and _FIELD_FIRST <= int(number) <= _FIELD_LAST):
            raise self._wrong(f"fields.{number}", repr(number), f"a number {_FIELD_FIRST} to {_FIELD_LAST}")

    def _field(self, number: str, notation: str, description: str) -> tuple[FieldSpec, Kind]:
        """pyiso8583's spec of one field from the classic notation, and what may stand in it."""
        found = _CLASS.fullmatch(notation)
        if found is None:
            raise self._wrong(f"fields.{number}", repr(notation), _CLASS_EXPECTED)
        length_digits, count = len(found[2]), int(found[3])
        if length_digits == 1 or (length_digits and count >= 10**length_digits):
            raise self._wrong(
                f"fields.{number}", repr(notation), "a dot for each digit of the length, two or more"
            )
        kind: Kind = found[1]  # type: ignore[assignment]  # _CLASS matches no other letters
        length = {"b": count * _HEX_CHARACTERS_A_BYTE, "x+n": count + 1}.get(kind, count)
        return _field_spec(length_digits, length, description), kind

    def _mtis(self, place: str, values: list[str]) -> frozenset[str]:
        for mti in values:
            if not mtis.is_known(mti) or mtis.is_response(mti):
                raise self._wrong(place, repr(mti), "request and advice MTIs of ISO 8583:1987")
        return frozenset(values)

    def _numbers(self, place: str, numbers: list[int]) -> tuple[str, ...]:
        fields = tuple(map(str, numbers))
        for field in fields:
            if field not in self._file.fields:
                raise self._wrong(place, field, "numbers that stand under [fields]")
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

    def _wrong(self, place: str, found: str, expected: str) -> DialectError:
        return DialectError(f"{self._source}: {place}: found {found}, expected {expected}")


def _field_spec(length_digits: int, length: int, description: str) -> FieldSpec:
    return {
        "data_enc": "ascii",
        "len_enc": "ascii",
        "len_type": length_digits,
        "max_len": length,
        "desc": description,
    }


_ENVELOPE: Final[Mapping[str, FieldSpec]] = {
    "h": _field_spec(0, 0, "Message Header"),
    "t": _field_spec(0, 4, "Message Type"),
    "p": _field_spec(0, _BITMAP_HEX_CHARACTERS, "Bitmap, Primary"),
    "1": _field_spec(0, _BITMAP_HEX_CHARACTERS, "Bitmap, Secondary"),
}
