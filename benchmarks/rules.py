"""What a decision by the rules costs: `python -m benchmarks.rules [--quick] [--json]`.

What the figures do not show:
- The rest of a decision. Finding the card, gathering the facts, the record and the reply are `authoriser.ledger`'s.
- Declines. Each request is approved, which asks every rule that its sort is asked by; a decline ends sooner.
- Cold caches. Requests are 5,000 different ones in turn, of cards that have paid before, but nothing else runs between.
- Waiting. Times are CPU time; the median of the rounds is given, with the 10th and 90th percentile.

Every answer is checked before anything is timed. "own controls" are the same requests of 500 cards that each have a
switch, a list and two limits of their own, which are asked by the longer list of rules.
"""

import argparse
import statistics
import sys
import time
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.machine import Machine, look
from rules import (
    CardState,
    Check,
    Checks,
    Controls,
    Entry,
    Facts,
    Limit,
    Reason,
    RuleSet,
    Spend,
    Transaction,
    Usage,
    read_policy,
)
from rules.usage import first_days

POLICIES: Final = {"default": "default_policy.toml", "strict": "policies/strict.toml"}
SORTS: Final = (
    (30, Transaction.PURCHASE, Entry.CHIP, ("5411", "5812", "5541", "5651")),
    (45, Transaction.PURCHASE, Entry.CONTACTLESS, ("5411", "5814", "4111", "5912")),
    (17, Transaction.PURCHASE, Entry.ECOMMERCE, ("5399", "5815", "7995")),
    (5, Transaction.CASH, Entry.CHIP, ("6011",)),
    (3, Transaction.VERIFICATION, Entry.ECOMMERCE, ("5399",)),
)
"""How many of a hundred: what is asked, how the card is taken, and where. As the simulator's shops, with some cash."""
CARDS: Final = 500
DAY: Final = 740_000
NOW_MS: Final = 1_700_000_000_000


class Setting(Struct, frozen=True):
    """How much is measured."""

    requests: int = 5_000
    rounds: int = 25


QUICK: Final = Setting(requests=200, rounds=3)


class Row(Struct, frozen=True):
    """Microseconds of one `evaluate`, over the rounds."""

    policy: str
    cards: str
    median_us: float
    p10_us: float
    p90_us: float


class Report(Struct, frozen=True):
    machine: Machine
    setting: Setting
    rows: list[Row]


class WrongResultError(Exception):
    """A request that should be approved was not: nothing is timed."""


def requests(rules: RuleSet, number: int, *, own: bool) -> list[Facts]:
    """Requests that `rules` approve, drawn from a seed. `own` gives each card controls that change nothing."""
    draw = Random(8583)
    day, week, month = first_days(DAY)
    cards = [
        Controls(
            magstripe=True,
            merchant_block=("SCAM-SHOP-00001",),
            limits=(Limit("", "day", 400_000 + card, 90), Limit("cash", "day", 90_000 + card, 5)),
        )
        for card in range(CARDS)
    ]
    drawn = []
    for _ in range(number):
        _, asked, entry, mccs = draw.choices(SORTS, [sort[0] for sort in SORTS])[0]
        mcc = draw.choice(mccs)
        classes = rules.classes(asked, mcc, entry)
        used = draw.randint(0, 5_000)
        ages = sorted((draw.randint(61_000, 3_000_000) for _ in range(2)), reverse=True)
        pin = Check.PASSED if entry is Entry.CHIP else Check.ABSENT
        drawn.append(
            Facts(
                now_ms=NOW_MS,
                local_day=DAY,
                transaction=asked,
                amount_minor=0 if asked is Transaction.VERIFICATION else draw.randint(100, 9_000),
                currency="978",
                account_currency="978",
                available_minor=draw.randint(10_000, 1_000_000),
                card_state=CardState.ACTIVE,
                card_expires_ms=NOW_MS + 1,
                mcc=mcc,
                merchant_id=f"SHOP{draw.randint(1, 500):08d}",
                country=draw.choice(("DE", "FR", "PT", "GB")),
                entry=entry,
                checks=Checks(pin, Check.PASSED, Check.PASSED, Check.PASSED),
                controls=draw.choice(cards) if own else None,
                classes=classes,
                usage=tuple(
                    Usage(day, used, 1, week, used, 2, month, 3 * used, 6) for _ in range(1 + len(classes))
                ),
                recent=tuple(Spend(NOW_MS - age, place, used, classes) for place, age in enumerate(ages)),
                contactless_count=draw.randint(0, 4),
                contactless_minor=draw.randint(0, 5_000),
            )
        )
    return drawn


def checked(rules: RuleSet, asked: list[Facts]) -> list[Facts]:
    """The requests, if all of them are approved. Raises WrongResultError."""
    for facts in asked:
        good = Reason.VERIFIED if facts.transaction is Transaction.VERIFICATION else Reason.APPROVED
        if rules.evaluate(facts) is not good:
            raise WrongResultError(f"{rules.evaluate(facts)}: {rules.explain(facts)[-1].saw}")
    return asked


def measure(setting: Setting, directory: Path) -> Report:
    """Every policy with both sorts of cards. Raises WrongResultError where an answer is wrong."""
    rows = []
    for name, file in POLICIES.items():
        rules = read_policy(files("rules").joinpath(file).read_text(encoding="utf-8"), file)
        for own in (False, True):
            asked = checked(rules, requests(rules, setting.requests, own=own))
            took = [_round(rules, asked) for _ in range(setting.rounds)]
            tenths = statistics.quantiles(took, n=10, method="inclusive")
            cards = "own controls" if own else "none of their own"
            rows.append(Row(name, cards, statistics.median(took), tenths[0], tenths[-1]))
    return Report(look(directory), setting, rows)


def _round(rules: RuleSet, asked: list[Facts]) -> float:
    evaluate = rules.evaluate
    began = time.thread_time()
    for facts in asked:
        evaluate(facts)
    return (time.thread_time() - began) / len(asked) * 1e6


def show(report: Report, console: Console) -> None:
    machine = report.machine
    console.print(f"{machine.cpu}, {machine.cores} cores, load {machine.load_average:.1f}, {machine.python}")
    console.print(
        f"commit {machine.commit}; {report.setting.rounds} rounds of {report.setting.requests:,} requests"
    )
    table = Table(title="microseconds of RuleSet.evaluate", title_justify="left", width=100)
    for column in ("policy", "cards' controls", "median", "p10 to p90"):
        table.add_column(column, justify="left" if column in ("policy", "cards' controls") else "right")
    for row in report.rows:
        table.add_row(row.policy, row.cards, f"{row.median_us:.2f}", f"{row.p10_us:.2f} to {row.p90_us:.2f}")
    console.print(table)
    console.print("What these do not show stands at the top of benchmarks/rules.py.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules", description="what the rules cost")
    parser.add_argument("--quick", action="store_true", help="a few calls: does it run?")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    report = measure(QUICK if given.quick else Setting(), Path.cwd())
    if given.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        show(report, Console(width=100))


if __name__ == "__main__":
    main()
