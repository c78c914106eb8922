"""The authentication port: what became of the proofs that a message carries (PIN, security code, cryptogram, MAC).

Owns the port, the authenticator that checks nothing and says so, and what the network found on our behalf. Must not
know what a finding means: the rules do. A proof itself never leaves here.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from isowire import BerTlvError, Message, parse_ber_tlv
from isowire.semantics import ProofName, ResultName
from rules import NO_CHECKS, Check, Checks, Entry, Transaction

_CRYPTOGRAM: Final = "9F26"
"""EMV Book 3 annex A: Application Cryptogram. DE55 without it proves nothing."""

_STRIPE: Final = frozenset({Entry.MAGSTRIPE, Entry.FALLBACK})
_RESULTS: Final[dict[ResultName, Check]] = {
    "passed": Check.PASSED,
    "failed": Check.FAILED,
    "tries_exceeded": Check.TRIES_EXCEEDED,
    "not_checked": Check.NOT_CHECKED,
}


class Authenticator(Protocol):
    """Checks the proofs of one request."""

    def check(self, message: Message, transaction: Transaction, entry: Entry) -> Checks:
        """What became of each proof. Called in the middle of deciding: it may not wait, nor keep anything of `message`.

        May raise DecodeError for a proof that is not of its form (the request is answered as a format error), and
        whatever else where it can't tell: that request alone is answered as a system error, and nothing is decided.
        """
        ...


class NotChecked:
    """The authenticator of an issuer that has no keys here: proofs are there or not, and that is all it says.

    A security code that was typed in stands in no field of the standard, so only that of a stripe is seen.
    """

    def check(self, message: Message, transaction: Transaction, entry: Entry) -> Checks:  # noqa: ARG002 - the port's
        fields = message.fields
        pin = "52" in fields
        cvv = entry in _STRIPE and ("35" in fields or "45" in fields)
        arqc = "55" in fields and _has_cryptogram(fields["55"])
        mac = "64" in fields or "128" in fields
        return _UNCHECKED[pin, cvv, arqc, mac]


def _has_cryptogram(chip_data: str) -> bool:
    chip_data = chip_data.upper()
    at = chip_data.find(_CRYPTOGRAM)
    if at <= 0:
        return at == 0
    try:
        return any(item.tag == _CRYPTOGRAM for item in parse_ber_tlv(bytes.fromhex(chip_data)))
    except (BerTlvError, ValueError):
        return (
            True  # nothing is read of it here, so nothing is wrong with it; it was there, and was not checked
        )


_ANY: Final = (False, True)
_SEEN: Final = {False: Check.ABSENT, True: Check.NOT_CHECKED}
_UNCHECKED: Final = {
    (pin, cvv, arqc, mac): Checks(_SEEN[pin], _SEEN[cvv], _SEEN[arqc], _SEEN[mac])
    if pin or cvv or arqc or mac
    else NO_CHECKS
    for pin in _ANY
    for cvv in _ANY
    for arqc in _ANY
    for mac in _ANY
}


class FixedChecks:
    """A double for tests: finds the same of every message, and remembers how often it was asked."""

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        self.asked = 0

    def check(self, message: Message, transaction: Transaction, entry: Entry) -> Checks:  # noqa: ARG002 - the port's
        self.asked += 1
        return self.checks


def with_network(checks: Checks, on_behalf: Mapping[ProofName, ResultName]) -> Checks:
    """`checks` with the network's own results over them: it has seen what may not have been passed on to us.

    `on_behalf` is proof -> passed, failed, tries_exceeded or not_checked, as a dialect's semantics read it. That the
    network did not check a proof says only that there was one; what our own authenticator found of it stands.
    """
    if not on_behalf:
        return checks
    get = on_behalf.get
    return Checks(
        _with(checks.pin, get("pin")),
        _with(checks.cvv, get("cvv")),
        _with(checks.arqc, get("arqc")),
        _with(checks.mac, get("mac")),
    )


def _with(ours: Check, result: ResultName | None) -> Check:
    if result is None or (result == "not_checked" and ours is not Check.ABSENT):
        return ours
    return _RESULTS[result]
