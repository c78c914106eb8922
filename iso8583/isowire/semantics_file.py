"""The [semantics] of a dialect's file: its keys, and the `Semantics` they make. Must not know what a message is."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

import msgspec

from isowire.field_notation import FieldSpec, NotationError
from isowire.semantics import (
    ClearingWay,
    EntryName,
    Flag,
    OnBehalf,
    OriginalWay,
    ProofName,
    ResultName,
    Semantics,
    Source,
    places_of,
)
from isowire.subfields import BerTlv, Form, Tlv

EXPONENT_MAX: Final = 4
"""ISO 4217 has none above it."""


class SourceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a value stands. `at` counts from 1."""

    field: int
    part: str | None = None
    at: int | None = None
    length: int | None = None


class FlagEntry(SourceEntry, frozen=True, forbid_unknown_fields=True):
    is_: list[str] = msgspec.field(name="is", default_factory=list)


class OnBehalfEntry(SourceEntry, frozen=True, forbid_unknown_fields=True):
    passed: list[str] = []
    failed: list[str] = []
    tries_exceeded: list[str] = []
    not_checked: list[str] = []


class SemanticsEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What [semantics] may say."""

    approving: list[str] = []
    network_id: SourceEntry | None = None
    hold_lifetime_hours: SourceEntry | None = None
    partial_approval: FlagEntry | None = None
    increment: FlagEntry | None = None
    not_final: FlagEntry | None = None
    ecommerce: FlagEntry | None = None
    capture_number: SourceEntry | None = None
    capture_count: SourceEntry | None = None
    on_behalf: dict[Literal["pin", "cvv", "arqc", "mac"], OnBehalfEntry] = {}
    entry: dict[str, EntryName] = {}
    originals: list[OriginalWay] = []
    clearings: list[ClearingWay] = []


TABLES: Final = (SourceEntry, FlagEntry, OnBehalfEntry, SemanticsEntry)
_SOURCES: Final = ("network_id", "hold_lifetime_hours", "capture_number", "capture_count")
_FLAGS: Final = ("partial_approval", "increment", "not_final")


class WrongSemanticsError(NotationError):
    """What is wrong, and at which key under [semantics]."""

    def __init__(self, place: str, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.place = place


def make_semantics(
    entry: SemanticsEntry, spec: Mapping[str, FieldSpec], forms: Mapping[str, Form]
) -> Semantics:
    """The semantics of a dialect with these fields and subfields. Raises WrongSemanticsError."""
    maker = _Maker(spec, forms)
    made: dict[str, Any] = {}
    for key in _SOURCES:
        said = getattr(entry, key)
        made[key] = None if said is None else maker.source(key, said)
    for key in _FLAGS:
        flag = getattr(entry, key)
        made[key] = None if flag is None else maker.flag(key, flag)
    if (entry.capture_number is None) != (entry.capture_count is None):
        there, missing = "capture_number", "capture_count"
        if entry.capture_number is None:
            there, missing = missing, there
        raise WrongSemanticsError(there, f"{there} alone", f"{missing} beside it")
    on_behalf = {proof: maker.on_behalf(proof, said) for proof, said in entry.on_behalf.items()}
    places = places_of(maker.sources)
    return Semantics(
        **made,
        ecommerce=None if entry.ecommerce is None else maker.flag("ecommerce", entry.ecommerce),
        on_behalf=MappingProxyType(on_behalf),
        approving=frozenset(_approving(entry.approving, spec)),
        entry=MappingProxyType(dict(_entries(entry.entry, spec))),
        originals=_once("originals", entry.originals),
        clearings=_once("clearings", entry.clearings),
        places=places,
    )


class _Maker:
    """Makes sources, and gathers them under the names of their values."""

    def __init__(self, spec: Mapping[str, FieldSpec], forms: Mapping[str, Form]) -> None:
        self._spec = spec
        self._forms = forms
        self.sources: list[tuple[str, Source]] = []

    def source(self, place: str, entry: SourceEntry) -> Source:
        number = str(entry.field)
        if number not in self._spec:
            raise WrongSemanticsError(place, number, "a field that stands under [fields]")
        if entry.part is not None:
            self._part(place, number, entry.part)
        at, length = entry.at or 0, entry.length or 0
        if (entry.at is None) != (entry.length is None):
            raise WrongSemanticsError(place, "one of at and length", "both, or neither")
        if entry.at is not None and (at < 1 or length < 1):
            raise WrongSemanticsError(place, f"at = {at}, length = {length}", "numbers from 1 on")
        most = self._spec[number]["max_len"]
        if entry.part is None and at and at + length - 1 > most:
            found = f"characters {at} to {at + length - 1}"
            raise WrongSemanticsError(place, found, f"no more than the {most} of field {number}")
        source = Source(number, entry.part or "", at, length)
        self.sources.append((place.removeprefix("on_behalf."), source))
        return source

    def _part(self, place: str, number: str, part: str) -> None:
        form = self._forms.get(number)
        if form is None:
            raise WrongSemanticsError(place, f"part {part!r}", f"a part that [subfields.{number}] names")
        if isinstance(form, BerTlv):
            fits = re.fullmatch("([0-9A-F]{2}){1,4}", part) is not None
            expected = "a tag in hexadecimal, capitals"
        elif isinstance(form, Tlv):
            characters = form.tag_units * (2 if form.packed else 1)
            fits = len(part) == characters
            expected = f"a tag of {characters} characters"
        else:
            fits = part in form.keys
            expected = f"one of {', '.join(form.keys)}"
        if not fits:
            raise WrongSemanticsError(place, f"part {part!r}", expected)

    def flag(self, place: str, entry: FlagEntry) -> Flag:
        if not entry.is_ or not all(entry.is_):
            raise WrongSemanticsError(
                place, f"is = {entry.is_}", "the values that set it, none of them empty"
            )
        return Flag(self.source(place, entry), frozenset(entry.is_))

    def on_behalf(self, proof: ProofName, entry: OnBehalfEntry) -> OnBehalf:
        place = f"on_behalf.{proof}"
        results: dict[str, ResultName] = {}
        names: tuple[tuple[ResultName, list[str]], ...] = (
            ("passed", entry.passed),
            ("failed", entry.failed),
            ("tries_exceeded", entry.tries_exceeded),
            ("not_checked", entry.not_checked),
        )
        for result, values in names:
            for value in values:
                if not value or value in results:
                    raise WrongSemanticsError(place, repr(value), "values that are not empty, each once")
                results[value] = result
        if not results:
            raise WrongSemanticsError(
                place, "no value", "values under passed, failed, tries_exceeded or not_checked"
            )
        return OnBehalf(self.source(place, entry), MappingProxyType(results))


def _approving(codes: list[str], spec: Mapping[str, FieldSpec]) -> Iterable[str]:
    length = spec["39"]["max_len"]
    for code in codes:
        if not re.fullmatch(f"[0-9A-Z]{{{length}}}", code):
            raise WrongSemanticsError(
                "approving", repr(code), f"{length} digits or capital letters, as in DE39"
            )
    return codes


_W = TypeVar("_W", bound=str)


def _once(place: str, ways: list[_W]) -> tuple[_W, ...]:
    if len(set(ways)) != len(ways):
        raise WrongSemanticsError(place, ", ".join(ways), "each way once")
    return tuple(ways)


def _entries(
    entries: Mapping[str, EntryName], spec: Mapping[str, FieldSpec]
) -> Iterable[tuple[str, EntryName]]:
    for digits in entries:
        if "22" not in spec or not re.fullmatch("[0-9]{2}", digits):
            raise WrongSemanticsError(f'entry."{digits}"', repr(digits), "the first two digits of DE22")
    return entries.items()
