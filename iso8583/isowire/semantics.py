"""Where a network puts what a decision needs and the standard has no field for: a dialect's [semantics].

Owns reading these values from a message. Must not know files (`semantics_file` reads the TOML), cards, or what a
decision makes of them. Only fields that a declared value comes from are looked into.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from isowire.errors import DecodeError, picture
from isowire.subfields import Form, Tlv

EntryName = Literal[
    "chip", "contactless", "magstripe", "fallback", "manual", "ecommerce", "stored", "unknown"
]
"""How a card's number was taken, in words that every dialect's [semantics.entry] maps its DE22 to."""

OriginalWay = Literal["reference", "retrieval", "network_id"]
"""How a reversal or advice finds its original: DE90; RRN, STAN and DE32; the network's own id."""
ClearingWay = Literal["network_id", "approval_code", "unique"]
"""How a completion or clearing finds its payment: the network's id; DE38 and DE32; the one that is alike."""

ProofName = Literal["pin", "cvv", "arqc", "mac"]
ResultName = Literal["passed", "failed", "tries_exceeded", "not_checked"]

NETWORK_ID_MAX_CHARS: Final = 32
"""Networks' own names of a payment have 15 characters or fewer; what is longer is something else."""
HOLD_LIFETIME_MAX_HOURS: Final = 24 * 366
"""No network lets a hold stand for more than a year."""

_NO_RESULTS: Final[Mapping[ProofName, ResultName]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value stands: in `field`, or in the part `part` of it, and there in the `length` characters from `at` on.

    `at` counts from 1; 0 is the whole of it.
    """

    field: str
    part: str = ""
    at: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Flag:
    """Set when the value at `source` is one of `values`."""

    source: Source
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """What the network found of a proof for us: the value at `source`, by `results`. Another value says nothing."""

    source: Source
    results: Mapping[str, ResultName]


Places = Mapping[str, Mapping[str, tuple[tuple[str, Source], ...]]]
"""Field -> its part, "" for the whole of it -> which values come from there, and from which characters."""


class NetworkData(msgspec.Struct, frozen=True, gc=False):
    """What a network says of a message beyond the standard's fields. What it does not say is "", 0 or False.

    `on_behalf` has the proofs of which the network says a result. `final` False: more captures of the payment follow.
    """

    network_id: str = ""
    hold_lifetime_hours: int = 0
    partial_approval: bool = False
    increment: bool = False
    final: bool = True
    on_behalf: Mapping[ProofName, ResultName] = _NO_RESULTS


NOTHING_SAID: Final = NetworkData()


@dataclass(frozen=True, slots=True)
class Semantics:
    """A dialect's [semantics]. What is None or empty its network does not say."""

    network_id: Source | None = None
    hold_lifetime_hours: Source | None = None
    partial_approval: Flag | None = None
    increment: Flag | None = None
    not_final: Flag | None = None
    ecommerce: Flag | None = None
    capture_number: Source | None = None
    capture_count: Source | None = None
    """Of a payment's captures: which one this is, and how many there are."""
    on_behalf: Mapping[ProofName, OnBehalf] = field(default_factory=lambda: MappingProxyType({}))
    approving: frozenset[str] = frozenset()
    """DE39 of advices that approve."""
    entry: Mapping[str, EntryName] = field(default_factory=lambda: MappingProxyType({}))
    """DE22's first two digits -> how the number was taken. Others are unknown."""
    originals: tuple[OriginalWay, ...] = ()
    """The order in which originals are looked for, () for the authoriser's own."""
    clearings: tuple[ClearingWay, ...] = ()
    """The order in which payments of completions and clearings are."""
    places: Places = field(default_factory=lambda: MappingProxyType({}))
    """Of every value but `ecommerce`, by the field it comes from; see `places_of`."""

    def read(self, fields: Mapping[str, str], forms: Mapping[str, Form]) -> NetworkData:
        """What a message says. `forms` are the subfields of the dialect that its MTI is written in.

        Raises DecodeError, naming the field, for a field that is not of its form, or a value that can't be: a name of
        more than NETWORK_ID_MAX_CHARS or with what can't be printed, a lifetime or a count that is no number.
        """
        said: dict[str, str] = {}
        for number, wanted in self.places.items():
            text = fields.get(number)
            if text is not None:
                _gather(said, number, text, wanted, forms)
        if not said:
            return NOTHING_SAID
        get = said.get
        return NetworkData(
            network_id=_name(get("network_id"), self.network_id),
            hold_lifetime_hours=_number(
                get("hold_lifetime_hours"), self.hold_lifetime_hours, HOLD_LIFETIME_MAX_HOURS
            ),
            partial_approval=_has(get("partial_approval"), self.partial_approval),
            increment=_has(get("increment"), self.increment),
            final=not _has(get("not_final"), self.not_final)
            and _number(get("capture_number"), self.capture_number)
            >= _number(get("capture_count"), self.capture_count),
            on_behalf=self._on_behalf(said),
        )

    def is_ecommerce(self, fields: Mapping[str, str], forms: Mapping[str, Form]) -> bool:
        """Whether the message says that it is a sale over the net. Apart from `read`, since it is most often asked of
        DE25, which every message has. Raises DecodeError.
        """
        flag = self.ecommerce
        if flag is None:
            return False
        source = flag.source
        text = fields.get(source.field)
        if text is None:
            return False
        if not source.part and not source.at:
            return text.strip() in flag.values
        said: dict[str, str] = {}
        _gather(said, source.field, text, {source.part: (("ecommerce", source),)}, forms)
        return said.get("ecommerce") in flag.values

    def _on_behalf(self, said: Mapping[str, str]) -> Mapping[ProofName, ResultName]:
        found: dict[ProofName, ResultName] = {}
        for proof, where in self.on_behalf.items():
            result = where.results.get(said.get(proof, ""))
            if result is not None:
                found[proof] = result
        return found or _NO_RESULTS


def places_of(sources: Iterable[tuple[str, Source]]) -> Places:
    """Sources under the names of their values, by field and part: a field that holds several is taken apart once."""
    places: dict[str, dict[str, tuple[tuple[str, Source], ...]]] = {}
    for name, source in sources:
        parts = places.setdefault(source.field, {})
        parts[source.part] = (*parts.get(source.part, ()), (name, source))
    return MappingProxyType({number: MappingProxyType(parts) for number, parts in places.items()})


def _gather(
    said: dict[str, str],
    number: str,
    text: str,
    wanted: Mapping[str, tuple[tuple[str, Source], ...]],
    forms: Mapping[str, Form],
) -> None:
    """Put into `said` what one field says, without the blanks around it; of a part that comes twice, the first."""
    parts = {"": text} if "" in wanted else {}
    if len(wanted) > len(parts):
        parts |= _first_values(forms[number], text)
    for part, value in parts.items():
        for name, source in wanted.get(part, ()):
            cut = value
            if source.at and value:
                cut = value[source.at - 1 : source.at - 1 + source.length]
                if len(cut) < source.length:
                    found = f"{len(cut)} characters from character {source.at} on"
                    raise DecodeError(field=number, found=found, expected=str(source.length))
            said[name] = cut.strip()


def _first_values(form: Form, text: str) -> dict[str, str]:
    if isinstance(form, Tlv):
        return form.first_values(text)
    return {part.key: part.value for part in reversed(form.parse(text))}


def _has(value: str | None, flag: Flag | None) -> bool:
    return value is not None and flag is not None and value in flag.values


def _name(name: str | None, source: Source | None) -> str:
    if not name or source is None:
        return ""
    if len(name) > NETWORK_ID_MAX_CHARS or not (name.isascii() and name.isprintable()):
        expected = f"a name of at most {NETWORK_ID_MAX_CHARS} visible characters"
        raise DecodeError(field=source.field, found=picture(name), expected=expected)
    return name


def _number(text: str | None, source: Source | None, most: int | None = None) -> int:
    if not text or source is None:
        return 0
    # At most as many digits as an amount: int() of thousands would take its time.
    if not (text.isascii() and text.isdigit() and len(text) <= 12) or (most is not None and int(text) > most):
        expected = "a number" if most is None else f"a number of at most {most}"
        raise DecodeError(field=source.field, found=picture(text), expected=expected)
    return int(text)
