"""How the report on a clearing file is drawn: tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from authoriser.clearing.report import ClearingReport, Look, Total
from authoriser.cli.money import currencies, format_amount
from authoriser.cli.show import print_line, print_table

LOOKS_SHOWN_MAX = 40
"""Who has more rows to look at than a screen is high wants them in a file: --json has all."""

_MEANINGS = {
    "matched": "met its payment",
    "reconciled": "a message had posted it",
    "forced": "posted, no payment of ours",
    "ambiguous": "posted, several payments fit",
    "suspense": "no card of ours, or its currency",
    "finished": "posted long ago, details not kept",
}


def print_clearing(report: ClearingReport) -> None:
    """The outcomes, the totals, the rows to look at, and in the last line whether all of it adds up."""
    print_table(
        ("outcome", ">rows", ">amount", "means"),
        [
            (outcome.outcome, str(outcome.rows), _amounts(outcome.amounts_minor), _MEANINGS[outcome.outcome])
            for outcome in report.outcomes
        ],
    )
    for differing in report.differing:
        over = amount(differing.over_minor, differing.currency)
        under = amount(differing.under_minor, differing.currency)
        print_line(f"{_rows(differing.rows)} unlike what was authorised: {over} more, {under} less")
    print_table(
        ("settlement", ">rows", ">debits", ">credits", ">fees", ">net"),
        [_total(total) for total in report.totals],
    )
    for total in report.totals:
        if total.online_minor:
            online = amount(total.online_minor, total.currency)
            print_line(f"{online} of {_account(total)} had been posted by messages, and was only confirmed")
    looks = report.looks[:LOOKS_SHOWN_MAX]
    print_table(
        (">line", "card", ">amount", "merchant", "outcome"),
        [
            (
                str(look.line),
                look.card,
                amount(look.amount_minor, look.currency),
                look.merchant,
                _outcome(look),
            )
            for look in looks
        ],
    )
    if len(report.looks) > len(looks):
        print_line(f"the first {len(looks)} of {len(report.looks)} rows to look at; --json has them all")
    if report.by_line_only:
        print_line(f"{_rows(report.by_line_only)} without a reference: known by this file and the line only")
    for line in _end(report):
        print_line(line)


def _end(report: ClearingReport) -> Iterator[str]:
    rate = f"{report.seconds:.1f} s, {report.rows / max(report.seconds, 0.001):.0f} rows/s"
    yield f"{_rows(report.posted)} posted, {report.present} had been posted before ({rate})"
    if report.finished_before is not None:
        yield f"the whole file was posted by {report.finished_before[:19].replace('T', ' ')} UTC"
    if report.reconciles:
        yield "the totals agree with the file, to the last minor unit"


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def amount(minor: int, currency: str) -> str:
    return format_amount(minor, currency, currencies()[currency].exponent)


def _amounts(amounts_minor: dict[str, int]) -> str:
    return ", ".join(amount(minor, currency) for currency, minor in sorted(amounts_minor.items()))


def _account(total: Total) -> str:
    day = total.settlement_date
    return f"{total.network} {day[:4]}-{day[4:6]}-{day[6:]} {total.currency}"


def _total(total: Total) -> Iterator[str]:
    exponent = currencies()[total.currency].exponent
    yield _account(total)
    yield str(total.rows)
    for minor in (total.debits_minor, total.credits_minor, total.fees_minor, total.net_minor):
        yield format_amount(minor, "", exponent).rstrip()


def _outcome(look: Look) -> str:
    if not look.difference_minor:
        return look.outcome
    more = "more" if look.difference_minor > 0 else "less"
    return f"{look.outcome}, {amount(abs(look.difference_minor), look.currency)} {more}"
