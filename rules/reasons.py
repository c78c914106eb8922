"""What a reason is called outside: the network's DE39 by profile, the customer's push, the operator's advice.

Owns the reading of `reasons.toml`, which holds all of it, and says on import if a reason is missing there. Knows no
message and no customer: who fills in the placeholders of a push is its caller.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from string import Formatter
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Struct

from rules.reason import Reason

PLACEHOLDERS = frozenset({"amount", "merchant"})
"""What a push may have filled in."""

ResponseCode = Annotated[str, msgspec.Meta(pattern="^[0-9A-Z]{2}$")]
"""DE39 of ISO 8583:1987: two alphanumerics."""


class Profile(Struct, frozen=True):
    """How one network's DE39 is filled. `codes` has every reason's value.

    `refund_codes` are what a refund request may be declined with, empty for any; a decline with another code is told as
    `refund_else`.
    """

    name: str
    about: str
    codes: Mapping[str, str]
    refund_codes: frozenset[str]
    refund_else: str


class _ProfileTable(Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    refund_codes: list[ResponseCode]
    refund_else: ResponseCode


class _ReasonTable(Struct, frozen=True, forbid_unknown_fields=True):
    codes: dict[str, ResponseCode]
    push: str
    advice: Annotated[str, msgspec.Meta(min_length=1)]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    profiles: dict[str, _ProfileTable]
    reasons: dict[Reason, _ReasonTable]


class ReasonTable(Struct, frozen=True):
    """The whole table: profiles by name, push and advice by reason."""

    profiles: Mapping[str, Profile]
    push: Mapping[Reason, str]
    advice: Mapping[Reason, str]


def read_reasons(text: str) -> ReasonTable:
    """The table of a TOML text. Raises ValueError where it is not TOML, has a wrong shape, or is not complete."""
    file = msgspec.convert(tomllib.loads(text), _File)
    missing = [reason.value for reason in Reason if reason not in file.reasons]
    if missing:
        raise ValueError(f"reasons: none for {', '.join(missing)}, expected every Reason")
    for reason, entry in file.reasons.items():
        if entry.codes.keys() != file.profiles.keys():
            raise ValueError(
                f"reasons.{reason}.codes: found {', '.join(entry.codes)}, expected {', '.join(file.profiles)}"
            )
        unknown = {name for _, name, _, _ in Formatter().parse(entry.push) if name is not None} - PLACEHOLDERS
        if unknown:
            raise ValueError(
                f"reasons.{reason}.push: found {{{unknown.pop()}}}, expected {{amount}} or {{merchant}}"
            )
    return ReasonTable(
        profiles=MappingProxyType(
            {
                name: Profile(
                    name=name,
                    about=table.about,
                    codes=MappingProxyType(
                        {reason.value: file.reasons[reason].codes[name] for reason in Reason}
                    ),
                    refund_codes=frozenset(table.refund_codes),
                    refund_else=table.refund_else,
                )
                for name, table in file.profiles.items()
            }
        ),
        push=MappingProxyType({reason: entry.push for reason, entry in file.reasons.items()}),
        advice=MappingProxyType({reason: entry.advice for reason, entry in file.reasons.items()}),
    )


_TABLE = read_reasons(files("rules").joinpath("reasons.toml").read_text(encoding="utf-8"))

PROFILES: tuple[str, ...] = tuple(_TABLE.profiles)
"""The names of the network profiles."""


def profile(name: str) -> Profile:
    """The profile of that name. Raises ValueError, which names those there are."""
    try:
        return _TABLE.profiles[name]
    except KeyError:
        raise ValueError(f"profile: found {name!r}, expected one of {', '.join(PROFILES)}") from None


def push_text(reason: Reason) -> str:
    """What the customer's phone says, with {amount} and {merchant} to be filled in; "" where nothing is sent."""
    return _TABLE.push[reason]


def operator_advice(reason: Reason) -> str:
    """What an operator who looks at such a decision should know or do."""
    return _TABLE.advice[reason]
