"""Words for what rules look at, shared by those that explain themselves."""

from rules.reason import Check

PROOF = {
    Check.ABSENT: "not there",
    Check.NOT_CHECKED: "not checked",
    Check.PASSED: "passed",
    Check.FAILED: "failed",
    Check.TRIES_EXCEEDED: "tried too often",
}
"""What became of a proof."""


def bound(amount_minor: int | None, count: int | None) -> str:
    """A limit in words."""
    words = []
    if amount_minor is not None:
        words.append(f"{amount_minor}")
    if count is not None:
        words.append(f"{count} times")
    return " and ".join(words) or "no limit"


def spending(name: str) -> str:
    """A class of spending in words."""
    return name or "all spending"
