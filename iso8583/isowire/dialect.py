"""Dialects: which fields a network's messages have, how they are written, and what the network means by them.

Owns what a dialect is, and where one is found; `dialect_file` reads the TOML in `dialects/`. Must not decode messages;
`codec` does, from the `Dialect` made here.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from isowire.errors import DecodeError, DialectError
from isowire.field_notation import FieldSpec, Kind
from isowire.management import Management
from isowire.semantics import Semantics
from isowire.subfields import Form

__all__ = [
    "Condition",
    "Dialect",
    "FieldSpec",
    "Kind",
    "Meaning",
    "Version",
    "dialect_names",
    "dialect_template",
    "load_dialect",
]

Version = Literal[1987, 1993]

_TEMPLATE: Final = "template"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Condition:
    """`field` must be there when field `when` is, and begins with one of `starts` (none: whatever it holds), and
    `without` is not. A part that is None is no condition.
    """

    field: str
    when: str | None = None
    starts: tuple[str, ...] = ()
    without: str | None = None

    def holds(self, fields: Mapping[str, str]) -> bool:
        if self.without is not None and self.without in fields:
            return False
        if self.when is None:
            return True
        value = fields.get(self.when)
        return value is not None and (not self.starts or value.startswith(self.starts))


@dataclass(frozen=True, slots=True)
class Meaning:
    """A part of a field in words: what it is called, how it reads, what its code means ("" where no table says)."""

    name: str
    value: str = field(repr=False)
    meaning: str = ""


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
    """Reason of a decision -> DE39: all of them, or, where there is a `profile`, what this network says otherwise."""
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
    version: Version = 1987
    """The edition of the standard whose message types it has."""
    conditional: Mapping[str, tuple[Condition, ...]] = field(default_factory=lambda: _NOTHING)
    """Request MTI, its repeat digit cleared -> fields that it must have under a condition."""
    subfields: Mapping[str, Form] = field(default_factory=lambda: _NOTHING)
    """Field -> what is inside it."""
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: _NOTHING)
    """Field ("39"), or field and part ("3.transaction") -> code -> what it means."""
    profile: str = ""
    """The network profile that DE39 is filled by; "" where `response_codes` has every reason."""
    semantics: Semantics = field(default_factory=Semantics)
    """Where a message says what the standard has no field for."""
    management: Management = field(default_factory=Management)
    """What network management is called in DE70, and what an 0800 of our own says besides."""
    currency_exponents: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    """ISO 4217 letters -> decimals of its amounts here, where the network has others than the standard."""
    variants: "Mapping[str, Dialect]" = field(default_factory=lambda: _NOTHING)
    """MTI -> the dialect of its messages, where some of their fields are written otherwise; see `for_mti`."""

    def for_mti(self, mti: str) -> "Dialect":
        """The dialect that messages of this type are written in: most often this one."""
        return self.variants.get(mti, self)

    def missing(self, mti: str, fields: Mapping[str, str]) -> tuple[str, ...]:
        """Fields that a message must have and hasn't, in the dialect's order. `mti` has its repeat digit cleared."""
        absent = [number for number in self.mandatory.get(mti, ()) if number not in fields]
        absent += [
            condition.field
            for condition in self.conditional.get(mti, ())
            if condition.field not in fields and condition.field not in absent and condition.holds(fields)
        ]
        return tuple(absent)

    def explain(self, number: str, value: str) -> tuple[Meaning, ...]:
        """A field in words: one entry, or one a part where [subfields] knows them.

        Raises DecodeError where the value isn't of the declared form. Values are as they came: what is sensitive
        is for the caller to mask.
        """
        if number not in self.spec:
            raise DecodeError(field=number, found="no such field", expected=f"a field of {self.name}")
        form = self.subfields.get(number)
        if form is None or not value:
            return (
                Meaning(self.spec[number]["desc"], value, self.codes.get(number, _NOTHING).get(value, "")),
            )
        return tuple(
            Meaning(
                part.name or part.key,
                part.value,
                self.codes.get(f"{number}.{part.key}", _NOTHING).get(part.value, ""),
            )
            for part in form.parse(value)
        )


def dialect_names() -> list[str]:
    """The dialects that come with the package, in alphabetical order."""
    entries = resources.files("isowire").joinpath("dialects").iterdir()
    names = [entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")]
    return sorted(name for name in names if name != _TEMPLATE)


def dialect_template() -> str:
    """The TOML text from which to write a dialect of one's own."""
    return resources.files("isowire").joinpath("dialects", f"{_TEMPLATE}.toml").read_text(encoding="utf-8")


def load_dialect(name_or_path: str | Path) -> Dialect:
    """A dialect of the package by name, or one from a TOML file (a `Path`, or text ending in `.toml`).

    Raises DialectError.
    """
    # Here, because the reader needs the checks, and they need `Dialect`.
    from isowire.dialect_file import read_dialect

    text, source, folder = find_dialect(name_or_path, Path())
    return read_dialect(text, source, folder)


def find_dialect(name_or_path: str | Path, folder: Path) -> tuple[str, str, Path]:
    """A dialect's text, what to call it in errors, and the folder that paths in it start from.

    A relative path starts from `folder`. Raises DialectError.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        path = folder / name_or_path
        try:
            return path.read_text(encoding="utf-8"), str(path), path.parent
        except (OSError, UnicodeDecodeError) as error:
            raise DialectError(f"{path}: can't be read: {error}") from None
    names = dialect_names()
    if name_or_path not in names:
        raise DialectError(
            f"there is no dialect {name_or_path!r}{did_you_mean(name_or_path, names)}; "
            f"there are {', '.join(names)}, or give the path of a .toml file"
        )
    resource = resources.files("isowire").joinpath("dialects", f"{name_or_path}.toml")
    return resource.read_text(encoding="utf-8"), f"{name_or_path}.toml", folder


def did_you_mean(found: str, right: Iterable[str]) -> str:
    near = difflib.get_close_matches(found, list(right), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
