"""The day's clearing file, made of what the network heard approved: what a shop asked for, it is now paid.

Owns the columns that the demo fills (docs/clearing.md has them all). Must not know what the issuer did with a row.
"""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from demo.heard import APPROVED, Heard

NETWORK = "testnet"
"""As the demo's configuration names it."""

COLUMNS = (
    "kind",
    "network",
    "pan",
    "amount",
    "currency",
    "settlement_date",
    "reference",
    "approval_code",
    "acquirer",
    "rrn",
    "merchant",
    "city",
    "mcc",
)


@dataclass(frozen=True, slots=True)
class Due:
    """What a shop is paid for one payment."""

    exchange: Heard
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Total:
    """Of a file."""

    rows: int
    amount_minor: int


def everything_due(heard: Iterable[Heard]) -> list[Due]:
    """Each approved payment once, at its amount, but for those that were reversed; in the order they were heard."""
    approved: dict[tuple[str, str], Heard] = {}
    reversed_since = set()
    for each in heard:
        payment = (each.rrn, each.de32.lstrip("0"))
        if each.response_code != APPROVED:
            continue
        if each.mti.startswith("04"):
            reversed_since.add(payment)
        elif each.mti.startswith("010"):
            approved.setdefault(payment, each)
    return [
        Due(each, each.amount_minor) for payment, each in approved.items() if payment not in reversed_since
    ]


def write(path: Path, due: Iterable[Due], pan_of: Callable[[Heard], str], day: date) -> Total:
    """The file, a line for each. The numbers of cards stand in it, as in any clearing file."""
    rows = amount_minor = 0
    with path.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        for number, each in enumerate(due, 1):
            heard = each.exchange
            amount = f"{each.amount_minor // 100}.{each.amount_minor % 100:02d}"
            card = ("presentment", NETWORK, pan_of(heard), amount, heard.currency, day.isoformat())
            named = (f"{day:%Y%m%d}-{number:06d}", heard.approval_code, heard.de32, heard.rrn)
            lines.writerow((*card, *named, *heard.shop, heard.fields["18"]))
            rows, amount_minor = number, amount_minor + each.amount_minor
    return Total(rows, amount_minor)
