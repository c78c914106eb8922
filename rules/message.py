"""A message whose MAC is wrong may have been changed on its way, so nothing in it is believed, not even a refund."""

from rules.facts import Facts
from rules.programme import Programme
from rules.reason import Check, Reason
from rules.rule import EVERYTHING, Judge, Rule
from rules.words import PROOF

FAILED = frozenset({Check.FAILED, Check.TRIES_EXCEEDED})


def _make(programme: Programme, own: bool) -> Judge:  # noqa: ARG001, FBT001 - every rule is made alike
    """MAC_WRONG for one that failed; NOT_AUTHENTICATED for one that the policy asks for and nobody checked."""
    missing = programme.authentication.mac

    def message(facts: Facts) -> Reason | None:
        found = facts.checks.mac
        if found in FAILED:
            return Reason.MAC_WRONG
        return Reason.NOT_AUTHENTICATED if found in missing else None

    return message


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    return f"MAC {PROOF[facts.checks.mac]}"


MESSAGE = Rule("message", _make, _saw, EVERYTHING)
