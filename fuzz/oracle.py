"""What a codec should say: pyiso8583's verdict, and the stricter checks on top, written a second time.

Must not use isowire's checks, refusals or compiler: agreeing with itself would prove nothing. Of isowire it takes the
dialect, which both sides are given, and the list of checks that may differ.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import iso8583

from fuzz.messages import CHARACTERS
from isowire import Dialect, Message
from isowire.checks import STRICTER

CLASSES: Final = {
    kind: re.compile(f"[{re.escape(characters)}]*")
    for kind, characters in CHARACTERS.items()
    if kind != "x+n"
} | {"x+n": re.compile("(?:[CD][0-9]+)?")}
_HEXADECIMAL: Final = re.compile("[0-9A-Fa-f]{16}")
_THIRD_BITMAP: Final = "65"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`message` (or bytes), or None where refused, and then why."""

    message: Message | None = None
    payload: bytes | None = None
    pyiso8583: bool = False
    """pyiso8583 refused, or failed."""
    stricter: frozenset[tuple[str, str]] = frozenset()
    """(check, field) of every stricter check that doesn't hold."""
    field: str | None = None
    """That pyiso8583 stopped at; None behind the last one."""
    known: Mapping[str, str] | None = None
    """What pyiso8583 had decoded when it stopped."""


def decode(payload: bytes, dialect: Dialect) -> Verdict:
    """What a codec should make of `payload`."""
    mti = _mti(payload, dialect)
    dialect = dialect.for_mti(mti)
    spec = {number: dict(field) for number, field in dialect.spec.items()}
    try:
        fields, encoded = iso8583.decode(payload, spec)
    except iso8583.DecodeError as error:
        at_end = error.msg.startswith("Extra data")
        whole = {number: text for number, text in error.doc_dec.items() if at_end or number != error.field}
        if error.field == "1" and _HEXADECIMAL.fullmatch(error.doc_dec["1"][:16]):
            whole["1"] = error.doc_dec["1"][
                :16
            ]  # it stopped at a third bitmap, which it takes for more of the second
        return Verdict(
            pyiso8583=True,
            stricter=_violated(whole, error.doc_enc, dialect),
            field=None if at_end else error.field,
            known=error.doc_dec,
        )
    except KeyError:
        return Verdict(pyiso8583=True, stricter=frozenset({("unknown field", "")}))
    violated = _violated(fields, encoded, dialect)
    if violated:
        return Verdict(stricter=violated)
    return Verdict(
        Message(fields["t"], {key: text for key, text in fields.items() if key not in ("t", "p", "1")})
    )


def encode(message: Message, dialect: Dialect) -> Verdict:
    """What a codec should make of `message`."""
    dialect = dialect.for_mti(message.mti)
    violated = set()
    if not re.fullmatch("[0-9]{4}", message.mti):
        violated.add(("mti", "t"))
    for number, text in message.fields.items():
        if number not in dialect.kinds:
            violated.add(("unknown field", number))
        elif not CLASSES[dialect.kinds[number]].fullmatch(text):
            violated.add(("class", number))
    if violated:
        return Verdict(stricter=_listed(violated))
    spec = {number: dict(field) for number, field in dialect.spec.items()}
    try:
        payload, _ = iso8583.encode({"t": message.mti, **message.fields}, spec)
    except iso8583.EncodeError as error:
        return Verdict(pyiso8583=True, field=error.field)
    return Verdict(payload=bytes(payload))


def _violated(
    fields: Mapping[str, str], encoded: Mapping[str, Mapping[str, bytes]], dialect: Dialect
) -> frozenset[tuple[str, str]]:
    violated = set()
    if not re.fullmatch("[0-9]{4}", fields.get("t", "")):
        violated.add(("mti", "t"))
    for number, text in fields.items():
        if number in ("h", "t", "p", "1"):
            continue
        if number not in dialect.kinds:
            violated.add(("unknown field", number))
        else:
            if not CLASSES[dialect.kinds[number]].fullmatch(text):
                violated.add(("class", number))
            if not _length_is_number(encoded[number]["len"], dialect.spec[number]):
                violated.add(("length", number))
    for number in ("p", "1"):
        bitmap = fields.get(number, "")[:16]  # pyiso8583 puts a third one behind the second
        if _HEXADECIMAL.fullmatch(bitmap):
            violated |= _unknown_bits(int(bitmap, 16), 64 * (number == "1"), dialect)
        elif bitmap:
            violated.add(("bitmap", number))
    return _listed(violated)


def _unknown_bits(bits: int, before: int, dialect: Dialect) -> set[tuple[str, str]]:
    numbers = {str(before + position) for position in range(1, 65) if bits >> (64 - position) & 1} - {"1"}
    return {
        ("third bitmap" if number == _THIRD_BITMAP else "unknown field", number)
        for number in numbers
        if number not in dialect.kinds
    }


def _length_is_number(length: bytes, spec: Mapping[str, Any]) -> bool:
    if not spec["len_type"] or spec["len_enc"] in ("b", "bcd"):
        return True
    return re.fullmatch("[0-9]+", length.decode(spec["len_enc"], "replace")) is not None


def _listed(violated: set[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    assert {check for check, _ in violated} <= STRICTER.keys()
    return frozenset(violated)


def _mti(payload: bytes, dialect: Dialect) -> str:
    encoding = dialect.spec["t"]["data_enc"]
    return payload[:2].hex() if encoding == "b" else payload[:4].decode(encoding, "replace")
