"""authoriser clear: all lines right or nothing, twice is once, and a report that must agree with the file."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authoriser.admin import clearing_protocol as cp
from authoriser.admin.protocol import application_error
from authoriser.admin.testing import AdminServerDouble, MemoryIssuer, serving
from authoriser.clearing.report import settlement_of
from authoriser.cli import busy

HEADER = "kind,network,pan,amount,currency,settlement_date,reference,merchant\n"
GOOD = (
    "presentment,visa,4000000000000002,25.00,EUR,2026-11-25,r1,Corner Shop\n"
    "refund,visa,4000000000000010,5.00,EUR,2026-11-25,r2,Book Shop\n"
)
Run = Callable[..., Any]
File = Callable[[str], str]


class ClearingIssuer(MemoryIssuer):
    """Posts rows into a dictionary, once each by reference or line; outcomes are the test's."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: dict[str, cp.RowPosted] = {}
        self.outcomes: dict[int, str] = {}
        self.changes: dict[int, dict[str, Any]] = {}
        """Line -> what is posted otherwise than the file says."""
        self.problems: tuple[cp.ClearingProblem, ...] = ()
        self.busy = 0
        self.on_first_post: Callable[[], None] = lambda: None
        self.finished: list[tuple[str, int, str, str]] = []

    def _clearing_check(self, params: cp.ClearingCheck) -> cp.ClearingChecked:
        finished = any(sha256 == params.file_sha256 for sha256, *_ in self.finished)
        return cp.ClearingChecked(self.problems, "2026-11-25T20:00:00.000Z" if finished else None)

    def _clearing_post(self, params: cp.ClearingPost) -> cp.ClearingPosted:
        if self.busy:
            self.busy -= 1
            raise application_error("not_admitted", "the journal is behind")
        if not self.posted:
            self.on_first_post()
        return cp.ClearingPosted(tuple(self._post(row, params.file_sha256) for row in params.rows))

    def _post(self, row: cp.ClearingRow, sha256: str) -> cp.RowPosted:
        key = row.reference or f"{sha256}|{row.line}"
        if key in self.posted:
            return msgspec.structs.replace(self.posted[key], line=row.line, repeated=True)
        outcome = self.outcomes.get(row.line, "matched")
        answer = cp.RowPosted(
            row.line, outcome, row.kind, row.amount_minor, row.fee_minor, 0, settlement_of(row)
        )
        self.posted[key] = msgspec.structs.replace(answer, **self.changes.get(row.line, {}))
        return self.posted[key]

    def _clearing_finish(self, params: cp.ClearingFinish) -> cp.ClearingFinished:
        self.finished.append((params.file_sha256, params.rows, params.reason, params.actor))
        return cp.ClearingFinished(len(self.finished) == 1)


@pytest.fixture
def issuer() -> ClearingIssuer:
    return ClearingIssuer()


@pytest.fixture
def double(data: Path, issuer: ClearingIssuer) -> Iterator[AdminServerDouble]:
    with serving(data / "admin.sock", issuer) as server:
        yield server


@pytest.fixture
def day(tmp_path: Path) -> File:
    def write(text: str) -> str:
        path = tmp_path / "day.csv"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "BUSY_PAUSE_S", 0.001)


def many(rows: int) -> str:
    lines = (f"presentment,visa,4000000000000002,1.00,EUR,2026-11-25,r{n},Shop\n" for n in range(rows))
    return HEADER + "".join(lines)


def test_a_day(run: Run, double: AdminServerDouble, issuer: ClearingIssuer, day: File) -> None:
    """Outcomes, totals, the rows to look at, and the last line says that all agrees; exit code 0."""
    issuer.outcomes[3] = "forced"
    issuer.changes[2] = {"difference_minor": -500}
    code, out, err = run("clear", day(HEADER + GOOD))
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert (code, err) == (0, "")
    for expected in (
        "matched 1 25.00 EUR met its payment",
        "forced 1 5.00 EUR posted, no payment of ours",
        "1 row unlike what was authorised: 0.00 EUR more, 5.00 EUR less",
        "visa 2026-11-25 EUR 2 25.00 5.00 0.00 20.00",
        "2 ****0002 25.00 EUR Corner Shop matched, 5.00 EUR less",
        "3 ****0010 5.00 EUR Book Shop forced",
        "the totals agree with the file, to the last minor unit",
    ):
        assert expected in lines
    assert max(map(len, out.splitlines())) <= 80
    assert "4000000000000002" not in out
    ((sha256, rows, reason, actor),) = issuer.finished
    assert (len(sha256), rows, reason, actor) == (64, 2, "clearing of day.csv", "ann")


def test_twice_is_once(run: Run, double: AdminServerDouble, issuer: ClearingIssuer, day: File) -> None:
    """The second run posts nothing, says when it was all posted, and tells the same outcomes and totals."""
    file = day(HEADER + GOOD)
    first = json.loads(run("clear", file, "--json").out)
    before = dict(issuer.posted)
    second = json.loads(run("clear", file, "--json").out)
    assert (first["posted"], first["present"], first["finished_before"]) == (2, 0, None)
    assert (second["posted"], second["present"]) == (0, 2)
    assert second["finished_before"] == "2026-11-25T20:00:00.000Z"
    same = ("outcomes", "totals", "differing", "looks", "reconciles", "mismatches", "sha256", "rows")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    assert issuer.posted == before


def test_it_goes_in_chunks(run: Run, double: AdminServerDouble, issuer: ClearingIssuer, day: File) -> None:
    """No call has more than 500 rows; all are checked before any is posted; the file is finished once, at the end."""
    run("clear", day(many(1001)))
    asked = [(method, getattr(params, "rows", ())) for method, params in issuer.requests]
    sizes = [(method, rows if isinstance(rows, int) else len(rows)) for method, rows in asked]
    chunks = [500, 500, 1]
    assert sizes == [
        *(("clearing.check", size) for size in chunks),
        *(("clearing.post", size) for size in chunks),
        ("clearing.finish", 1001),
    ]


def test_a_lost_answer_posts_once(
    run: Run, double: AdminServerDouble, issuer: ClearingIssuer, day: File
) -> None:
    """The connection breaks after rows were posted: they are sent again and found there."""
    issuer.on_first_post = lambda: setattr(double, "lose_answers", 1)
    report = json.loads(run("clear", day(HEADER + GOOD), "--json").out)
    assert (report["rows"], report["present"], report["reconciles"], len(issuer.posted)) == (2, 2, True, 2)


def test_a_busy_server_is_waited_for(
    run: Run, double: AdminServerDouble, issuer: ClearingIssuer, day: File
) -> None:
    """Payments go first: a server that takes nothing for now is asked again."""
    issuer.busy = 3
    code, _, _ = run("clear", day(HEADER + GOOD))
    assert (code, len(issuer.posted)) == (0, 2)


def test_a_server_that_stays_busy(
    run: Run,
    double: AdminServerDouble,
    issuer: ClearingIssuer,
    day: File,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a while it is told what is posted and that running it again is safe; exit code 1."""
    monkeypatch.setattr(busy, "BUSY_MAX_S", 0.01)
    issuer.busy = 10**6
    code, out, err = run("clear", day(HEADER + GOOD))
    assert (code, out, err.splitlines()) == (
        1,
        "",
        [
            "authoriser: the journal is behind",
            "authoriser: 0 of 2 rows are posted for certain; run it again: what is posted is not posted twice",
        ],
    )


@pytest.mark.parametrize(
    "change", [{"amount_minor": 2_501}, {"fee_minor": 1}, {"settlement": "settlement:mc:1:978"}]
)
def test_totals_that_do_not_agree(
    run: Run, double: AdminServerDouble, issuer: ClearingIssuer, day: File, change: dict[str, Any]
) -> None:
    """Exit code 1, in capitals, with the row and the accounts; the report is printed all the same."""
    issuer.changes[2] = change
    code, out, err = run("clear", day(HEADER + GOOD), "--json")
    report = json.loads(out)
    assert (code, report["reconciles"]) == (1, False)
    assert err.splitlines()[0] == (
        "authoriser: THE TOTALS DO NOT AGREE WITH THE FILE: what is posted is not what the file says"
    )
    assert err.splitlines()[1].startswith("authoriser: line 2 was posted as presentment of ")


def test_wrong_lines_are_named_and_nothing_is_posted(
    run: Run, double: AdminServerDouble, issuer: ClearingIssuer, day: File
) -> None:
    """A line of standard error for each, exit code 2, and the server is not even asked."""
    already = "already with the same kind and sequence; it would not be posted twice"
    code, out, err = run("clear", day(HEADER + GOOD + GOOD.replace("0002", "0003")))
    expected = [
        "authoriser: day.csv: line 4, pan: ************0003 is mistyped: its check digit (Luhn) does not fit",
        f"authoriser: day.csv: line 5, reference: is on line 3 {already}, found 'r2'",
        "authoriser: nothing was posted",
    ]
    assert (code, out, err.splitlines(), issuer.requests) == (2, "", expected, [])


def test_what_the_server_finds_wrong_is_named_too(
    run: Run, double: AdminServerDouble, issuer: ClearingIssuer, day: File
) -> None:
    """A network that is none of the configuration's stops the whole file."""
    issuer.problems = (cp.ClearingProblem(2, "network", "there is no network 'visa'"),)
    code, out, err = run("clear", day(HEADER + GOOD), "--json")
    assert (code, err.splitlines()) == (
        2,
        [
            "authoriser: day.csv: line 2, network: there is no network 'visa'",
            "authoriser: nothing was posted",
        ],
    )
    assert json.loads(out)["problems"] == [
        {"line": 2, "column": "network", "message": "there is no network 'visa'"}
    ]
    assert issuer.posted == {}


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """Named in a line, exit code 2."""
    path = tmp_path / "none.csv"
    assert run("clear", str(path)) == (2, "", f"authoriser: {path}: No such file or directory\n")


def test_no_server(run: Run, data: Path, day: File) -> None:
    """A right file with nobody to post it: exit code 1 and what to start."""
    code, _, err = run("clear", day(HEADER + GOOD))
    assert (code, err.startswith(f"authoriser: no authoriser is running on {data} (no socket at ")) == (
        1,
        True,
    )
