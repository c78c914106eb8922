"""docs/policy.md says what holds: its table is the order, and its examples are policies."""

import re
from pathlib import Path

import rules
from rules import Reason, read_policy
from rules.order import ORDER

PAGE = (Path(rules.__file__).parents[1] / "docs" / "policy.md").read_text(encoding="utf-8")


def test_the_table_is_the_order() -> None:
    """The page's rules stand as they are asked, numbered from 1."""
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [(str(number), rule.name) for number, rule in enumerate(ORDER, 1)]


def test_the_table_names_reasons() -> None:
    """Each reason of the table is one, and each that a rule can give is in it."""
    told = {
        word
        for row in re.findall(r"^\| \d+ \| `\w+` \| (.*?) \|", PAGE, re.MULTILINE)
        for word in re.findall(r"`(\w+)`", row)
    }
    reasons = {reason.value for reason in Reason}
    assert told <= reasons
    others = {
        "approved", "approved_partially", "verified", "balance_given", "advice_accepted", "reversal_done",
        "no_original", "format_error", "unknown_card", "duplicate_mismatch", "reversed_before", "overtaken",
        "answer_void", "not_admitted", "system_error",
    }  # fmt: skip
    assert reasons - told == others


def test_the_examples_are_policies() -> None:
    """Every TOML block of the page can be loaded."""
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [type(read_policy(block)).__name__ for block in blocks] == ["RuleSet"] * 3
