"""What the policy says of a proof that nobody checked, or that is not there: accepted, or not authenticated.

A proof is missed only where the card was taken in a way that can carry it: a cryptogram comes from a chip, a PIN from a
card that is there (what is tapped without one has counters of its own), and a shop that has the number on file may not
have kept the security code. Where nobody says how the card was taken, everything is missed.
"""

from rules.facts import Facts
from rules.programme import Programme
from rules.reason import Check, Entry, Reason
from rules.rule import Judge, Rule
from rules.words import PROOF

_ARQC = frozenset({Entry.CHIP, Entry.CONTACTLESS, Entry.UNKNOWN})
_CVV = frozenset(Entry) - {Entry.STORED}
_PIN = frozenset({Entry.CHIP, Entry.MAGSTRIPE, Entry.FALLBACK, Entry.UNKNOWN})
_NEVER: frozenset[Check] = frozenset()


def _make(programme: Programme, own: bool) -> Judge | None:  # noqa: ARG001, FBT001
    """NOT_AUTHENTICATED where a proof that this entry can carry is as the policy declines it."""
    asked = programme.authentication
    if not (asked.arqc or asked.cvv or asked.pin):
        return None
    missing = {
        entry: (
            asked.arqc if entry in _ARQC else _NEVER,
            asked.cvv if entry in _CVV else _NEVER,
            asked.pin if entry in _PIN else _NEVER,
        )
        for entry in Entry
    }

    def proofs(facts: Facts) -> Reason | None:
        checks = facts.checks
        arqc, cvv, pin = missing[facts.entry]
        if checks.arqc in arqc or checks.cvv in cvv or checks.pin in pin:
            return Reason.NOT_AUTHENTICATED
        return None

    return proofs


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    checks = facts.checks
    return (
        f"taken by {facts.entry}: cryptogram {PROOF[checks.arqc]}, security code {PROOF[checks.cvv]}, "
        f"PIN {PROOF[checks.pin]}"
    )


PROOFS = Rule("proofs", _make, _saw)
