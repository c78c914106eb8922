"""A proof that was checked and is wrong declines, whatever the policy says: the chip, then the code, then the PIN."""

from rules.facts import Facts
from rules.message import FAILED
from rules.programme import Programme
from rules.reason import Check, Reason
from rules.rule import Judge, Rule
from rules.words import PROOF


def authentication(facts: Facts) -> Reason | None:
    """The failed proof's own reason."""
    checks = facts.checks
    if checks.arqc in FAILED:
        return Reason.CRYPTOGRAM_WRONG
    if checks.cvv in FAILED:
        return Reason.SECURITY_CODE_WRONG
    if checks.pin in FAILED:
        return Reason.PIN_WRONG if checks.pin is Check.FAILED else Reason.PIN_TRIES_EXCEEDED
    return None


def _make(programme: Programme, own: bool) -> Judge:  # noqa: ARG001, FBT001
    return authentication


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    checks = facts.checks
    return f"cryptogram {PROOF[checks.arqc]}, security code {PROOF[checks.cvv]}, PIN {PROOF[checks.pin]}"


AUTHENTICATION = Rule("authentication", _make, _saw)
