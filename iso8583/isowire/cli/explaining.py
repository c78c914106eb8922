"""A message as people read it: each field with its name, what may be shown of its value, what it means, its parts.

Owns which field means what beyond the dialect's code tables. What comes out may be shown as it is: it
is masked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from isowire.cli import words
from isowire.cli.masking import Masker, counted, masked
from isowire.dialect import Dialect
from isowire.errors import DecodeError
from isowire.fields import parse_additional_amounts, parse_original_data_elements_1993
from isowire.pan import luhn_valid, pan_of
from isowire.subfields import BerTlv
from isowire.tlv import BerTlvError, parse_ber_tlv, tag_name

_TEMPLATES_MAX: Final = 4
"""Constructed tags within one another; chip data has two."""
_AMOUNTS: Final[dict[str, str]] = {
    "4": "49", "5": "50", "6": "51", "8": "51", "28": "49", "29": "50", "30": "49", "31": "50", "97": "50",
    "95.transaction": "49", "95.settlement": "50", "95.transaction fee": "49", "95.settlement fee": "50",
    "30.transaction": "49", "30.reconciliation": "50",
}  # fmt: skip
"""Amount -> the field with its currency, in both editions. What isn't digits, or C or D and digits, is passed over."""
_RATES: Final = ("9", "10")
_CURRENCIES: Final = ("49", "50", "51")
_MTI_PARTS: Final = ("90.mti", "56.mti")
_DE7_PARTS: Final = ("90.transmission",)
_HEX: Final = "0123456789ABCDEFabcdef"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a field. `value` is masked where it has to be; `raw` is for comparing only."""

    key: str
    name: str
    value: str
    meaning: str
    masked: bool
    raw: str = field(repr=False)
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Explained:
    """One field. `value` is masked where it has to be; `raw` is for comparing only."""

    number: str
    name: str
    value: str
    meaning: str
    masked: bool
    raw: str = field(repr=False)
    parts: tuple[Part, ...] = ()


class Explainer:
    """Puts the fields of one message into words. `mti` may be "", `fields` a part of the message's."""

    def __init__(
        self, dialect: Dialect, mti: str, fields: Mapping[str, str], masker: Masker, now_ms: int
    ) -> None:
        self._dialect = dialect.for_mti(mti)
        self._mti = mti
        self._fields = fields
        self._masker = masker
        self._now_ms = now_ms

    def fields(self) -> list[Explained]:
        return [self._explained(number, value) for number, value in self._fields.items()]

    def _explained(self, number: str, value: str) -> Explained:
        spec, kind = self._dialect.spec[number], self._dialect.kinds[number]
        hidden = self._masker.hides(number)
        parts: tuple[Part, ...] = ()
        meaning = self._of_card(number, value)
        try:
            parts = self._parts(number, value)
        except DecodeError as error:
            hidden = hidden or self._masker.sensitive(number)
            meaning = f"not of the declared form: {words.not_a_date(error)}"
        hidden = hidden or any(part.masked for part in parts)
        if not hidden and not meaning:
            meaning = self._meaning(number, number, value, self._dialect.codes.get(number, {}).get(value, ""))
        if parts and not hidden and all(part.meaning for part in parts) and self._codes_only(number):
            meaning, parts = _in_a_row(number, parts), ()
        shown = masked(number, kind, value) if hidden else self._masker.text(value)
        return Explained(number, spec["desc"], shown, meaning, hidden, value, parts)

    def _codes_only(self, number: str) -> bool:
        """Whether each part of the field is a code with a table, so that its words are all there is to say."""
        return any(place.startswith(f"{number}.") for place in self._dialect.codes)

    def _of_card(self, number: str, value: str) -> str:
        """What can be said of card data without showing any of it."""
        if number == "2":
            return "" if luhn_valid(value) else "wrong check digit"
        if number == "35" and "2" in self._fields:
            from isowire.codec import Message

            try:
                pan_of(Message(self._mti, dict(self._fields)))
            except DecodeError as error:
                return f"found {error.found}" if error.field == "35" else ""
            return "the card of DE2"
        return ""

    # ---- parts

    def _parts(self, number: str, value: str) -> tuple[Part, ...]:
        """Raises DecodeError where the value is not of the form that it should have."""
        form = self._dialect.subfields.get(number)
        if isinstance(form, BerTlv):
            return tuple(self._tags(form, number, bytes.fromhex(value) if _is_hex(value) else b"", 0))
        if form is not None:
            return tuple(
                self._part(number, found.key, found.name, found.value) for found in form.parse(value)
            )
        if number == "54":
            return tuple(self._additional_amounts(value))
        if number == "56" and self._dialect.version == 1993:
            original = parse_original_data_elements_1993(value)
            named = (
                ("mti", "original MTI", original.mti),
                ("stan", "original STAN", original.stan),
                ("local", "original DE12", original.local),
                ("acquirer", "original DE32", original.acquirer),
            )
            return tuple(self._part(number, key, name, text) for key, name, text in named if text)
        return ()

    def _part(self, number: str, key: str, name: str, value: str) -> Part:
        if self._masker.hides_part(number, key, name, value):
            return Part(key, name or key, masked("", "ans", value), "", masked=True, raw=value)
        place = f"{number}.{key}"
        meaning = self._meaning(number, place, value, self._dialect.codes.get(place, {}).get(value, ""))
        return Part(key, name or key, self._masker.text(value.strip()), meaning, masked=False, raw=value)

    def _additional_amounts(self, value: str) -> Iterable[Part]:
        accounts = self._dialect.codes.get("3.from", {})
        for amount in parse_additional_amounts(value):
            kind = words.ADDITIONAL_AMOUNTS.get(amount.kind, f"amount type {amount.kind}")
            account = accounts.get(amount.account, f"account type {amount.account}")
            shown = words.amount_in_words(amount.amount_minor, amount.currency)
            hidden = self._masker.hides("54")
            key = f"{amount.account}{amount.kind}{amount.currency}"
            raw = f"{key}{amount.amount_minor}"
            yield Part(key, kind, "*" if hidden else shown, "" if hidden else account, masked=hidden, raw=raw)

    def _tags(self, form: BerTlv, number: str, data: bytes, depth: int) -> Iterable[Part]:
        """The tags of chip data, those inside a template behind it. Raises DecodeError."""
        try:
            items = parse_ber_tlv(data)
        except BerTlvError as error:
            raise DecodeError(
                field=number, found=f"{error.found} at byte {error.offset}", expected=error.expected
            ) from None
        for item in items:
            name = form.names.get(item.tag) or tag_name(item.tag) or "unknown tag"
            value = item.value.hex().upper()
            if item.constructed and depth < _TEMPLATES_MAX:
                yield Part(
                    item.tag,
                    name,
                    f"({counted(len(item.value), 'byte')})",
                    "",
                    masked=False,
                    raw="",
                    depth=depth,
                )
                yield from self._tags(form, number, item.value, depth + 1)
                continue
            hidden = item.constructed or self._masker.hides_part(number, item.tag, name, value)
            shown = masked(number, "b", value) if hidden else value
            meaning = "" if hidden else self._tag_meaning(item.tag, value)
            yield Part(item.tag, name, shown, meaning, masked=hidden, raw=value, depth=depth)

    def _tag_meaning(self, tag: str, value: str) -> str:
        if tag in ("9F02", "9F03") and value.isdigit():
            return words.amount_in_words(int(value), self._fields.get("49"))
        if tag == "5F2A" and value.isdigit():
            return _currency(value[-3:])
        return ""

    # ---- meanings

    def _meaning(self, number: str, place: str, value: str, coded: str) -> str:
        if coded:
            return coded
        if place in _MTI_PARTS:
            return words.mti_in_words(value)
        if place in _DE7_PARTS:
            return self._date("MMDDhhmmss", value) if value.strip("0") else "absent"
        if place in _AMOUNTS and not (place == number and number in self._dialect.subfields):
            return self._amount(value, self._fields.get(_AMOUNTS[place]))
        if place in _CURRENCIES:
            return _currency(value)
        if place in _RATES and value.isdigit():
            return words.rate_in_words(value)
        form = words.DATE_FORMS[self._dialect.version].get(number) if place == number else None
        return self._date(form, value) if form is not None else ""

    def _date(self, form: str, value: str) -> str:
        try:
            return words.date_in_words(form, value, self._now_ms)
        except DecodeError as error:
            return words.not_a_date(error)

    @staticmethod
    def _amount(value: str, code: str | None) -> str:
        sign = {"C": "credit ", "D": "debit "}.get(value[:1], "")
        digits = value[1:] if sign else value
        if not (digits.isascii() and digits.isdigit()):
            return ""
        return sign + words.amount_in_words(int(digits), code)


def _in_a_row(number: str, parts: tuple[Part, ...]) -> str:
    """The meanings of parts in one line. 0 says default or unknown in all these codes, which is not worth a word."""
    first, *others = parts
    said = [part for part in others if part.raw.strip("0")]
    accounts = number == "3"
    return "; ".join(
        [first.meaning, *(f"{part.key} {part.meaning}" if accounts else part.meaning for part in said)]
    )


def _currency(code: str) -> str:
    known = words.currency(code)
    if known is None:
        return "no currency of ISO 4217"
    return known.name if known.code == code else f"{known.code}, {known.name}"


def _is_hex(value: str) -> bool:
    return len(value) % 2 == 0 and all(character in _HEX for character in value)
