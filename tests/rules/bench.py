"""A request that nothing speaks against, and policies to ask about it. Imported as `rules_bench`."""

from datetime import date
from pathlib import Path
from typing import Any

from msgspec.structs import replace

import rules
from rules import CardState, Entry, Facts, Reason, RuleSet, Transaction, read_policy

TODAY = date(2026, 11, 25).toordinal()
"""A Wednesday."""

GOOD = Facts(
    now_ms=10_000_000,
    local_day=TODAY,
    transaction=Transaction.PURCHASE,
    amount_minor=500,
    currency="978",
    account_currency="978",
    available_minor=500,
    card_state=CardState.ACTIVE,
    card_expires_ms=10_000_001,
    mcc="5411",
    merchant_id="SHOP1",
    country="PT",
    entry=Entry.CHIP,
)
"""A purchase that nothing speaks against, for exactly what is available, in the card's last millisecond."""

STRICT = (Path(rules.__file__).parent / "policies" / "strict.toml").read_text(encoding="utf-8")

NO_POLICY = read_policy("")


def facts(**changed: Any) -> Facts:
    return replace(GOOD, **changed)


def decided(policy: str | RuleSet, **changed: Any) -> Reason:
    """What a policy (or its text) says of GOOD with changes; `explain` must say the same."""
    its = read_policy(policy) if isinstance(policy, str) else policy
    asked = facts(**changed)
    reason = its.evaluate(asked)
    told = its.explain(asked)[-1].reason
    assert told is (None if reason in PASSED else reason)
    return reason


PASSED = frozenset({Reason.APPROVED, Reason.VERIFIED, Reason.BALANCE_GIVEN})
