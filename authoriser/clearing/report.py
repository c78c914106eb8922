"""What came of a clearing file: how many rows met their payments, what wants a look, and totals that must agree.

Owns the arithmetic: the totals of each settlement account, once from the file and once from what the server says that
it posted. Pure; knows neither the socket nor how a report is drawn. Amounts are whole minor units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from authoriser.admin.clearing_protocol import DEBITS, ClearingRow, RowPosted
from authoriser.cli.csv_lines import LineProblem
from authoriser.cli.money import currencies

OUTCOMES = ("matched", "reconciled", "forced", "ambiguous", "suspense", "finished")
WANT_A_LOOK = frozenset({"forced", "ambiguous", "suspense"})
FINISHED = "finished"
"""Of a row whose file was finished so long ago that what became of the row is not kept."""


class Outcome(msgspec.Struct, frozen=True):
    """How many rows had this outcome, and what they are worth, by currency and without their signs."""

    outcome: str
    rows: int
    amounts_minor: dict[str, int]


class Difference(msgspec.Struct, frozen=True):
    """Rows of one currency that posted another amount than was authorised: `over_minor` more, `under_minor` less."""

    currency: str
    rows: int
    over_minor: int
    under_minor: int


class Total(msgspec.Struct, frozen=True):
    """One settlement account: what cardholders pay (`debits_minor`), get back (`credits_minor`), and pay in fees.

    `net_minor` = debits - credits + fees. `online_minor` is the part of debits and credits that a message had posted
    before, so that the file only confirmed it.
    """

    account: str
    network: str
    settlement_date: str
    currency: str
    rows: int
    debits_minor: int
    credits_minor: int
    fees_minor: int
    net_minor: int
    online_minor: int


class Look(msgspec.Struct, frozen=True):
    """A row that wants a look. `card` is its last four digits, or its id where the file names it so."""

    line: int
    card: str
    kind: str
    amount_minor: int
    currency: str
    merchant: str
    outcome: str
    difference_minor: int


class ClearingReport(msgspec.Struct, frozen=True):
    """What --json prints. With problems nothing was posted; `reconciles` None says that nothing was compared.

    `posted` rows are new, `present` ones had been posted by an earlier run. `finished_before` is when the whole
    file had been posted, None for a first run. `by_line_only` rows have no reference: another file with the same row
    would post it again.
    """

    file: str
    sha256: str
    rows: int
    posted: int
    present: int
    by_line_only: int
    finished_before: str | None
    reconciles: bool | None
    mismatches: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    differing: tuple[Difference, ...]
    totals: tuple[Total, ...]
    looks: tuple[Look, ...]
    seconds: float = 0.0
    problems: tuple[LineProblem, ...] = ()


class _Item(NamedTuple):
    """One row's part in a total."""

    settlement: str
    kind: str
    amount_minor: int
    fee_minor: int
    online: bool


def report_on(
    name: str,
    sha256: str,
    rows: Sequence[ClearingRow],
    answers: Sequence[RowPosted],
    finished_before: str | None = None,
) -> ClearingReport:
    """The report on a file whose every row was answered, in whatever order."""
    by_line = {answer.line: answer for answer in answers}
    known = [row for row in rows if _known(by_line.get(row.line))]
    said = [answer for answer in answers if _known(answer)]
    totals = _totals(_Item(a.settlement, a.kind, a.amount_minor, a.fee_minor, _online(a)) for a in said)
    expected = _totals(
        _Item(settlement_of(row), row.kind, row.amount_minor, row.fee_minor, online=False) for row in known
    )
    mismatches = (
        *_rows_apart(rows, answers, by_line),
        *_totals_apart(expected, totals),
    )
    return ClearingReport(
        file=name,
        sha256=sha256,
        rows=len(rows),
        posted=sum(not answer.repeated for answer in answers),
        present=sum(answer.repeated for answer in answers),
        by_line_only=sum(not row.reference for row in rows),
        finished_before=finished_before,
        reconciles=not mismatches if known or mismatches else None,
        mismatches=mismatches,
        outcomes=tuple(_outcomes(rows, by_line)),
        differing=tuple(_differing(known, by_line)),
        totals=tuple(totals[account] for account in sorted(totals)),
        looks=tuple(_looks(known, by_line)),
    )


def settlement_of(row: ClearingRow) -> str:
    """The settlement account that the file says a row belongs to, as the ledger names it."""
    return f"settlement:{row.network}:{row.settlement_date}:{currencies()[row.currency].number}"


def _known(answer: RowPosted | None) -> bool:
    return answer is not None and answer.outcome != FINISHED


def _online(answer: RowPosted) -> bool:
    return answer.outcome == "reconciled"


def _totals(items: Iterable[_Item]) -> dict[str, Total]:
    totals: dict[str, Total] = {}
    for item in items:
        before = totals.get(item.settlement)
        if before is None:
            _, network, day, number = [*item.settlement.split(":"), "", "", "", ""][:4]
            known = currencies().get(number)
            currency = known.code if known is not None else number
            before = Total(item.settlement, network, day, currency, 0, 0, 0, 0, 0, 0)
        debit = item.amount_minor if item.kind in DEBITS else 0
        credit = item.amount_minor - debit
        # What a reversal or a chargeback gives back, it gives back with its fee.
        fee = -item.fee_minor if item.kind in {"reversal", "chargeback"} else item.fee_minor
        totals[item.settlement] = msgspec.structs.replace(
            before,
            rows=before.rows + 1,
            debits_minor=before.debits_minor + debit,
            credits_minor=before.credits_minor + credit,
            fees_minor=before.fees_minor + fee,
            net_minor=before.net_minor + debit - credit + fee,
            online_minor=before.online_minor + (item.amount_minor if item.online else 0),
        )
    return totals


def _rows_apart(
    rows: Sequence[ClearingRow], answers: Sequence[RowPosted], by_line: dict[int, RowPosted]
) -> Iterator[str]:
    """Rows whose answer is missing, is there twice, or is of another amount than the file's."""
    if len(answers) != len(by_line):
        yield f"{len(answers) - len(by_line)} rows were answered more than once"
    lines = {row.line for row in rows}
    for line in sorted(by_line.keys() - lines):
        yield f"line {line} was answered and is no row of the file"
    for row in rows:
        answer = by_line.get(row.line)
        if answer is None:
            yield f"line {row.line} was not answered"
        elif _known(answer):
            told = (answer.kind, answer.settlement, answer.amount_minor, answer.fee_minor)
            if told != (row.kind, settlement_of(row), row.amount_minor, row.fee_minor):
                before = "was posted by an earlier run" if answer.repeated else "was posted"
                yield (
                    f"line {row.line} {before} as {_words(*told)}, and the file says "
                    f"{_words(row.kind, settlement_of(row), row.amount_minor, row.fee_minor)}"
                )


def _words(kind: str, settlement: str, amount_minor: int, fee_minor: int) -> str:
    return f"{kind} of {amount_minor} (fee {fee_minor}) on {settlement}"


def _totals_apart(expected: dict[str, Total], posted: dict[str, Total]) -> Iterator[str]:
    for account in sorted(expected.keys() | posted.keys()):
        file_sums, server_sums = _sums(expected.get(account)), _sums(posted.get(account))
        for what, of_file, of_server in zip(_SUMS, file_sums, server_sums, strict=True):
            if of_file != of_server:
                yield f"{account}: {what} are {of_server} posted and {of_file} in the file"


_SUMS = ("rows", "debits", "credits", "fees")


def _sums(total: Total | None) -> tuple[int, ...]:
    if total is None:
        return (0, 0, 0, 0)
    return (total.rows, total.debits_minor, total.credits_minor, total.fees_minor)


def _outcomes(rows: Sequence[ClearingRow], by_line: dict[int, RowPosted]) -> Iterator[Outcome]:
    counts: dict[str, int] = {}
    amounts: dict[str, dict[str, int]] = {}
    for row in rows:
        answer = by_line.get(row.line)
        if answer is not None:
            counts[answer.outcome] = counts.get(answer.outcome, 0) + 1
            of_outcome = amounts.setdefault(answer.outcome, {})
            of_outcome[row.currency] = of_outcome.get(row.currency, 0) + row.amount_minor
    for outcome in (*OUTCOMES, *sorted(counts.keys() - set(OUTCOMES))):
        if outcome in counts or outcome != FINISHED:
            yield Outcome(outcome, counts.get(outcome, 0), amounts.get(outcome, {}))


def _differing(rows: Sequence[ClearingRow], by_line: dict[int, RowPosted]) -> Iterator[Difference]:
    found: dict[str, Difference] = {}
    for row in rows:
        by_minor = by_line[row.line].difference_minor
        if by_minor:
            before = found.get(row.currency, Difference(row.currency, 0, 0, 0))
            found[row.currency] = Difference(
                row.currency,
                before.rows + 1,
                before.over_minor + max(by_minor, 0),
                before.under_minor + max(-by_minor, 0),
            )
    yield from (found[currency] for currency in sorted(found))


def _looks(rows: Sequence[ClearingRow], by_line: dict[int, RowPosted]) -> Iterator[Look]:
    for row in rows:
        answer = by_line[row.line]
        if answer.outcome in WANT_A_LOOK or answer.difference_minor:
            yield Look(
                line=row.line,
                card=f"****{row.pan[-4:]}" if isinstance(row.pan, str) else str(row.card_id),
                kind=row.kind,
                amount_minor=row.amount_minor,
                currency=row.currency,
                merchant=row.merchant,
                outcome=answer.outcome,
                difference_minor=answer.difference_minor,
            )
