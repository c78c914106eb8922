"""The [management] table of a dialect's file, and what is right in it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from isowire.checks import CHECKS
from isowire.field_notation import FieldSpec, Kind
from isowire.management import Management

OURS: Final = ("7", "11", "70")
"""Fields that whoever sends an 0800 fills in each time."""


class ManagementEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table as it stands in the file. The codes are those of ISO 8583:1987, annex B, where it says none."""

    sign_on: str = "001"
    sign_off: str = "002"
    echo: str = "301"
    fields: dict[str, str] = {}


class WrongManagementError(ValueError):
    """A value of the table that is not right: its place below [management], what was found, what would be right."""

    def __init__(self, place: str, found: str, expected: str) -> None:
        super().__init__(place, found, expected)
        self.place = place
        self.found = found
        self.expected = expected


def make_management(
    entry: ManagementEntry, spec: Mapping[str, FieldSpec], kinds: Mapping[str, Kind]
) -> Management:
    """Raises WrongManagementError for a code that is no three digits, two that are the same, a field that can't be."""
    codes = {"sign_on": entry.sign_on, "sign_off": entry.sign_off, "echo": entry.echo}
    for key, code in codes.items():
        if not re.fullmatch("[0-9]{3}", code):
            raise WrongManagementError(key, repr(code), "three digits")
    if len(set(codes.values())) < len(codes):
        raise WrongManagementError(
            "echo", "a code twice", "three codes that tell sign-on, sign-off and echo apart"
        )
    for number, value in entry.fields.items():
        _require_field(number, value, spec, kinds)
    return Management(**codes, fields=MappingProxyType(dict(entry.fields)))


def _require_field(number: str, value: str, spec: Mapping[str, FieldSpec], kinds: Mapping[str, Kind]) -> None:
    place = f"fields.{number}"
    if number in OURS:
        raise WrongManagementError(
            place, number, f"fields other than {', '.join(OURS)}, which differ each time"
        )
    if number not in kinds:
        raise WrongManagementError(place, number, "numbers that stand under [fields]")
    entry: Mapping[str, Any] = spec[number]
    most = entry["max_len"] * (
        2 if kinds[number] == "b" and entry.get("len_count", "bytes") == "bytes" else 1
    )
    fits = len(value) <= most if entry["len_type"] else len(value) == most
    if not (value and fits and CHECKS[kinds[number]](value)):
        up_to = "up to " if entry["len_type"] else ""
        raise WrongManagementError(place, repr(value), f"{up_to}{most} characters of class {kinds[number]}")
