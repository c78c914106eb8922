"""The benchmark of the rules times nothing that is wrong, and runs end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.rules import SORTS, WrongResultError, checked, requests
from rules import CardState, default_rules

REPOSITORY = Path(__file__).parents[2]


def test_the_sorts_make_a_hundred() -> None:
    """Shares are of a hundred payments."""
    assert sum(sort[0] for sort in SORTS) == 100


def test_a_wrong_answer_is_not_timed() -> None:
    """One decline among the requests stops the run before it."""
    rules = default_rules()
    asked = checked(rules, requests(rules, 50, own=False))
    with pytest.raises(WrongResultError, match="card_lost: the card is lost"):
        checked(rules, [*asked, replace(asked[0], card_state=CardState.LOST)])


def test_it_runs() -> None:
    """Quick, as JSON: both policies, cards with and without controls."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.rules", "--quick", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows = json.loads(done.stdout)["rows"]
    assert [(row["policy"], row["cards"]) for row in rows] == [
        ("default", "none of their own"),
        ("default", "own controls"),
        ("strict", "none of their own"),
        ("strict", "own controls"),
    ]
    assert all(0 < row["p10_us"] <= row["median_us"] <= row["p90_us"] for row in rows)
