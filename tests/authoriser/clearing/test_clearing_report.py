"""authoriser.clearing.report: totals of the file and of what was posted, and what is said where they part."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authoriser.admin.clearing_protocol import DEBITS, KINDS, ClearingRow, RowPosted
from authoriser.clearing.report import (
    ClearingReport,
    Difference,
    Look,
    Outcome,
    Total,
    report_on,
    settlement_of,
)

SHA256 = "ab" * 32
EUR_DAY = "settlement:visa:20261125:978"


def row(line: int, kind: str = "presentment", amount_minor: int = 2_500, **more: Any) -> ClearingRow:
    fields = {
        "network": "visa",
        "currency": "EUR",
        "settlement_date": "20261125",
        "pan": "4000000000000002",
        "reference": f"r{line}",
        "merchant": "Corner Shop",
    }
    return ClearingRow(line=line, kind=kind, amount_minor=amount_minor, **(fields | more))  # type: ignore[arg-type]


def posted(of: ClearingRow, outcome: str = "matched", **more: Any) -> RowPosted:
    """The answer of a server that posted the row as the file says."""
    answer = RowPosted(of.line, outcome, of.kind, of.amount_minor, of.fee_minor, 0, settlement_of(of))
    return msgspec.structs.replace(answer, **more)


def report(*pairs: tuple[ClearingRow, RowPosted]) -> ClearingReport:
    return report_on("day.csv", SHA256, [of for of, _ in pairs], [answer for _, answer in pairs])


def test_totals_by_settlement_account() -> None:
    """Debits, credits and fees of each network, day and currency; a reversal gives its fee back."""
    rows = (
        row(2, fee_minor=50),
        row(3, "refund", 400, fee_minor=-5),
        row(4, "reversal", 1_000, fee_minor=20),
        row(5, "chargeback", 300),
        row(6, "representment", 300),
        row(7, amount_minor=900, currency="JPY"),
        row(8, amount_minor=700, settlement_date="20261126"),
        row(9, "refund", 100, network="mc"),
    )
    found = report(*((of, posted(of)) for of in rows))
    assert found.totals == (
        Total("settlement:mc:20261125:978", "mc", "20261125", "EUR", 1, 0, 100, 0, -100, 0),
        Total("settlement:visa:20261125:392", "visa", "20261125", "JPY", 1, 900, 0, 0, 900, 0),
        Total(EUR_DAY, "visa", "20261125", "EUR", 5, 2_800, 1_700, 25, 1_125, 0),
        Total("settlement:visa:20261126:978", "visa", "20261126", "EUR", 1, 700, 0, 0, 700, 0),
    )
    assert (found.reconciles, found.mismatches) == (True, ())


def test_what_a_message_had_posted_counts_and_is_told() -> None:
    """A reconciled row is a part of the day's total, and stands beside it as posted online."""
    of = row(2)
    found = report((of, posted(of, "reconciled")))
    assert found.totals == (Total(EUR_DAY, "visa", "20261125", "EUR", 1, 2_500, 0, 0, 2_500, 2_500),)
    assert found.looks == ()


def test_outcomes_and_what_wants_a_look() -> None:
    """Counts and amounts by outcome; rows that are forced, ambiguous, in suspense or differ are listed."""
    rows = (
        row(2),
        row(3),
        row(4, pan=msgspec.UNSET, card_id="card_1"),
        row(5),
        row(6, currency="USD"),
        row(7),
    )
    found = report(
        (rows[0], posted(rows[0])),
        (rows[1], posted(rows[1], difference_minor=-500)),
        (rows[2], posted(rows[2], "forced")),
        (rows[3], posted(rows[3], "ambiguous")),
        (rows[4], posted(rows[4], "suspense")),
        (rows[5], posted(rows[5], difference_minor=200, repeated=True)),
    )
    assert found.outcomes == (
        Outcome("matched", 3, {"EUR": 7_500}),
        Outcome("reconciled", 0, {}),
        Outcome("forced", 1, {"EUR": 2_500}),
        Outcome("ambiguous", 1, {"EUR": 2_500}),
        Outcome("suspense", 1, {"USD": 2_500}),
    )
    assert found.differing == (Difference("EUR", 2, 200, 500),)
    assert found.looks == (
        Look(3, "****0002", "presentment", 2_500, "EUR", "Corner Shop", "matched", -500),
        Look(4, "card_1", "presentment", 2_500, "EUR", "Corner Shop", "forced", 0),
        Look(5, "****0002", "presentment", 2_500, "EUR", "Corner Shop", "ambiguous", 0),
        Look(6, "****0002", "presentment", 2_500, "USD", "Corner Shop", "suspense", 0),
        Look(7, "****0002", "presentment", 2_500, "EUR", "Corner Shop", "matched", 200),
    )
    assert (found.rows, found.posted, found.present, found.by_line_only) == (6, 5, 1, 0)


def test_a_cent_is_noticed() -> None:
    """A row that was posted for another amount: the row and the total are named."""
    of = row(2)
    found = report((of, posted(of, amount_minor=2_501)))
    posted_as, said_as = (f"presentment of {minor} (fee 0) on {EUR_DAY}" for minor in (2_501, 2_500))
    row_apart = f"line 2 was posted as {posted_as}, and the file says {said_as}"
    total_apart = f"{EUR_DAY}: debits are 2501 posted and 2500 in the file"
    assert (found.reconciles, found.mismatches) == (False, (row_apart, total_apart))


def test_errors_that_cancel_out_are_noticed() -> None:
    """Two wrong amounts with a right sum: the totals agree, and the rows do not."""
    first, second = row(2), row(3)
    found = report(
        (first, posted(first, amount_minor=2_400)),
        (second, posted(second, amount_minor=2_600, repeated=True)),
    )
    assert found.reconciles is False
    assert [text.partition(" as ")[0] for text in found.mismatches] == [
        "line 2 was posted",
        "line 3 was posted by an earlier run",
    ]


def test_rows_without_an_answer_and_answers_without_a_row() -> None:
    """One row was not answered, one line that is none was, and one was answered twice."""
    rows = (row(2), row(3))
    answers = [posted(rows[0]), posted(rows[0]), posted(row(9))]
    found = report_on("day.csv", SHA256, rows, answers)
    assert found.mismatches[:3] == (
        "1 rows were answered more than once",
        "line 9 was answered and is no row of the file",
        "line 3 was not answered",
    )


def test_a_file_that_was_finished_long_ago() -> None:
    """What became of its rows is not kept: nothing is compared, and nothing is claimed."""
    of = row(2)
    answer = RowPosted(2, "finished", repeated=True)
    found = report_on("day.csv", SHA256, [of], [answer], "2026-11-01T00:00:00.000Z")
    assert (found.reconciles, found.totals, found.mismatches, found.present) == (None, (), (), 1)
    assert found.outcomes[-1] == Outcome("finished", 1, {"EUR": 2_500})
    assert found.finished_before == "2026-11-01T00:00:00.000Z"


def test_rows_without_a_reference_are_counted() -> None:
    """They are known by file and line only, which is worth saying."""
    rows = (row(2, reference=""), row(3))
    assert report(*((of, posted(of)) for of in rows)).by_line_only == 1


@st.composite
def files(draw: st.DrawFn) -> list[ClearingRow]:
    count = draw(st.integers(1, 12))
    return [
        row(
            line,
            draw(st.sampled_from(KINDS)),
            draw(st.integers(500, 10**9)),
            fee_minor=draw(st.integers(-500, 500)),
            currency=draw(st.sampled_from(("EUR", "USD", "JPY"))),
            settlement_date=draw(st.sampled_from(("20261125", "20261126"))),
        )
        for line in range(2, count + 2)
    ]


@given(files(), st.data())
def test_whatever_is_posted_otherwise_is_noticed(rows: list[ClearingRow], data: st.DataObject) -> None:
    """All as the file says reconciles, in any order, and net is the sum of signed amounts; any one change does not."""
    answers = data.draw(st.permutations([posted(of) for of in rows]))
    right = report_on("day.csv", SHA256, rows, answers)
    signed = sum(
        (of.amount_minor if of.kind in DEBITS else -of.amount_minor)
        + (-of.fee_minor if of.kind in {"reversal", "chargeback"} else of.fee_minor)
        for of in rows
    )
    assert (right.reconciles, sum(total.net_minor for total in right.totals)) == (True, signed)
    place = data.draw(st.integers(0, len(rows) - 1))
    change = data.draw(
        st.sampled_from(
            (
                {"amount_minor": answers[place].amount_minor + 1},
                {"fee_minor": answers[place].fee_minor - 1},
                {"settlement": "settlement:mc:20261125:978"},
                {"kind": "refund" if answers[place].kind != "refund" else "chargeback"},
            )
        )
    )
    answers[place] = msgspec.structs.replace(answers[place], **change)
    assert report_on("day.csv", SHA256, rows, answers).reconciles is False


@pytest.mark.parametrize(("currency", "number"), [("EUR", "978"), ("978", "978"), ("JPY", "392")])
def test_a_settlement_account_goes_by_digits(currency: str, number: str) -> None:
    """As the ledger names it: network, day, and the currency's three digits."""
    assert settlement_of(row(2, currency=currency)) == f"settlement:visa:20261125:{number}"
