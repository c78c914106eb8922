"""authoriser import: all or nothing, twice is once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from authoriser.admin.protocol import ImportApply, application_error
from authoriser.admin.standby import FOLLOWS
from authoriser.admin.testing import AdminServerDouble
from authoriser.cli import busy

HEADER = "pan,expiry,account,currency,credit_minor\n"
GOOD = "4000000000000002,2912,alice,EUR,100000\n4000000000000010,2912,alice,EUR,50\n"


@pytest.fixture
def cards(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "cards.csv"
        path.write_text(text)
        return str(path)

    return write


def many(rows: int) -> str:
    """A file of that many cards; the check digit is chosen to fit."""
    lines = []
    for number in range(rows):
        body = f"400000{number:09d}"
        doubled = [int(d) * 2 if i % 2 == 0 else int(d) for i, d in enumerate(reversed(body))]
        total = sum(d - 9 if d > 9 else d for d in doubled)
        lines.append(f"{body}{-total % 10},2912,account-{number},EUR,100\n")
    return HEADER + "".join(lines)


def test_an_import(run: Callable[..., Any], double: AdminServerDouble, cards: Callable[[str], str]) -> None:
    """Accounts are opened and funded, cards issued; the line says how many and how fast; nothing else is printed."""
    code, out, err = run("import", cards(HEADER + GOOD))
    alice = double.issuer.accounts["alice"]
    assert (code, err, alice.balance_minor, len(alice.cards)) == (0, "", 100050, 2)
    assert out.startswith("2 cards imported, 0 were there already (")


def test_twice_changes_nothing(
    run: Callable[..., Any], double: AdminServerDouble, cards: Callable[[str], str]
) -> None:
    """The second run finds every card there."""
    file = cards(HEADER + GOOD)
    run("import", file)
    before = dict(double.issuer.accounts)
    report = json.loads(run("import", file, "--json").out)
    del report["seconds"]
    assert report == {"file": "cards.csv", "rows": 2, "imported": 0, "present": 2, "problems": []}
    assert double.issuer.accounts == before


def test_it_goes_in_chunks(
    run: Callable[..., Any], double: AdminServerDouble, cards: Callable[[str], str]
) -> None:
    """No call has more than 1000 rows, all carry the file's hash, and everything is checked before any is applied."""
    run("import", cards(many(2001)))
    asked = [(method, len(params.rows)) for method, params in double.issuer.requests]
    hashes = {params.file_sha256 for _, params in double.issuer.requests if isinstance(params, ImportApply)}
    sizes = [1000, 1000, 1]
    expected = [*(("import.check", size) for size in sizes), *(("import.apply", size) for size in sizes)]
    assert (asked, len(hashes)) == (expected, 1)


def test_a_lost_answer_imports_once(
    run: Callable[..., Any], double: AdminServerDouble, cards: Callable[[str], str]
) -> None:
    """The connection breaks after the rows were applied: they are sent again and found there."""
    double.lose_answers = 1
    code, _, _ = run("import", cards(HEADER + GOOD))
    assert (code, double.issuer.accounts["alice"].balance_minor) == (0, 100050)


@pytest.mark.parametrize(("said", "tries", "code"), [("memory is full", 3, 0), (FOLLOWS, 1, 1)])
def test_a_server_that_takes_nothing_for_now(
    run: Callable[..., Any],
    double: AdminServerDouble,
    cards: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    tries: int,
    code: int,
) -> None:
    """It is asked again, as its memory has to be saved first; a follower is not, as it never will."""
    monkeypatch.setattr(busy, "BUSY_PAUSE_S", 0.001)
    answer, refused = double.issuer.answer, []

    def full_at_first(method: str, params: Any) -> Any:
        if method == "import.apply" and len(refused) < 2:
            refused.append(method)
            raise application_error("not_admitted", said)
        return answer(method, params)

    monkeypatch.setattr(double.issuer, "answer", full_at_first)
    assert run("import", cards(HEADER + GOOD)).code == code
    assert len(refused) == min(tries, 2)
    assert ("alice" in double.issuer.accounts) == (code == 0)


def test_wrong_lines_are_named_and_nothing_is_imported(
    run: Callable[..., Any], double: AdminServerDouble, cards: Callable[[str], str]
) -> None:
    """A line of standard error for each, exit code 2, and the server is not even asked."""
    code, out, err = run("import", cards(HEADER + GOOD + "4000000000000003,2913,bob,EUR,1\n"))
    expected = [
        "authoriser: cards.csv: line 4, pan: ************0003 is mistyped: its check digit (Luhn) does not fit",
        "authoriser: cards.csv: line 4, expiry: should be YYMM with a month of 01 to 12, found '2913'",
        "authoriser: nothing was imported",
    ]
    assert (code, out, err.splitlines(), double.issuer.requests) == (2, "", expected, [])


def test_what_the_server_finds_wrong_is_named_too(
    run: Callable[..., Any], double: AdminServerDouble, cards: Callable[[str], str]
) -> None:
    """A card that belongs to another account already stops the whole file."""
    double.issuer.import_problems["4000000000000010"] = "the card ****0010 is another account's"
    code, out, err = run("import", cards(HEADER + GOOD), "--json")
    expected = "authoriser: cards.csv: line 3: the card ****0010 is another account's"
    problems = [{"line": 3, "column": None, "message": "the card ****0010 is another account's"}]
    assert (code, err.splitlines()[0], json.loads(out)["problems"]) == (2, expected, problems)
    assert double.issuer.cards == {}


def test_many_wrong_lines_are_cut(run: Callable[..., Any], cards: Callable[[str], str]) -> None:
    """Twenty are shown and the rest counted; --json has all."""
    file = cards(HEADER + "x,2912,a,EUR,1\n" * 50)
    short = run("import", file).err.splitlines()
    full = json.loads(run("import", file, "--json").out)
    assert (len(short), short[20], len(full["problems"])) == (
        22,
        "authoriser: cards.csv: and 30 more; --json has them all",
        50,
    )


def test_a_file_that_is_not_there(run: Callable[..., Any], tmp_path: Path) -> None:
    """Named in a line, exit code 2."""
    path = tmp_path / "none.csv"
    assert run("import", str(path)) == (2, "", f"authoriser: {path}: No such file or directory\n")


def test_no_server(run: Callable[..., Any], data: Path, cards: Callable[[str], str]) -> None:
    """A right file with nobody to import it: exit code 1 and what to start."""
    code, _, err = run("import", cards(HEADER + GOOD))
    assert (code, err.startswith(f"authoriser: no authoriser is running on {data} (no socket at ")) == (
        1,
        True,
    )
