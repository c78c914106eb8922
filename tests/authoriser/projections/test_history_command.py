"""authoriser account history: what a person reads, page by page, with no server at all."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from authoriser.cli.main import app

if TYPE_CHECKING:
    from tests.authoriser.projections.conftest import Ledger


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHORISER_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")


def history(*arguments: str) -> tuple[int, str, str]:
    ran = CliRunner().invoke(app, ["account", "history", *arguments])
    return ran.exit_code, ran.stdout, ran.stderr


def lines(out: str) -> list[str]:
    return [" ".join(line.split()) for line in out.splitlines() if line.strip() and "──" not in line]


async def test_a_page(ledger: "Ledger") -> None:
    """Newest first, the balance after each posting, and how to get the older ones."""
    await ledger.open("alice")
    await ledger.ask("alice", 3_000, network_id="N1")
    await ledger.ask("alice", 900_000)
    await ledger.clear("alice", 2_500, network_id="N1")
    code, out, err = history("alice", "--limit", "4")
    assert (code, err) == (0, "")
    assert lines(out) == [
        "when what amount balance where, and why",
        "2027-01-15 08:00 presentment -25.00 EUR 975.00 EUR Corner Shop, Lisboa; matched",
        "2027-01-15 08:00 hold captured -30.00 EUR Corner Shop, Lisboa",
        "2027-01-15 08:00 authorisation declined 9000.00 EUR Corner Shop, Lisboa; insufficient funds",
        "2027-01-15 08:00 authorisation approved 30.00 EUR Corner Shop, Lisboa",
        "older: authoriser account history alice --before 4-0",
    ]
    code, out, _ = history("alice", "--before", "4-0")
    assert lines(out)[1:] == ["2027-01-15 08:00 credit 1000.00 EUR 1000.00 EUR a test"]


async def test_json(ledger: "Ledger") -> None:
    """One document: the account, the entries without what does not apply, and the token of the next page."""
    await ledger.open("alice")
    await ledger.ask("alice", 3_000)
    document = json.loads(history("alice", "--limit", "1", "--json")[1])
    (entry,) = document.pop("entries")
    assert document == {"account": "alice", "before": "4-0"}
    assert (entry["kind"], entry["status"], entry["held_minor"]) == ("authorisation", "approved", 3_000)
    assert "balance_minor" not in entry


async def test_nothing_yet(ledger: "Ledger") -> None:
    """An account on which nothing has happened, and a page after the last one, say so."""
    await ledger.open("alice", 0)
    assert history("alice") == (0, "account alice: nothing has happened yet\n", "")
    assert history("alice", "--before", "2-0") == (0, "account alice: nothing older than 2-0\n", "")


async def test_no_such_account(ledger: "Ledger", tmp_path: Path) -> None:
    """Exit code 1, and where it was looked for."""
    await ledger.open("alice")
    text = f"authoriser: there is no account 'carol' in the journal of {tmp_path}\n"
    assert history("carol") == (1, "", text)


def test_no_journal(tmp_path: Path) -> None:
    """Exit code 1, and nothing is made."""
    text = f"authoriser: there is no journal in {tmp_path} (looked for {tmp_path}/shard-0/journal.db)\n"
    assert history("alice") == (1, "", text)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_token() -> None:
    """Exit code 2, and what a right one looks like."""
    text = "authoriser: --before should be the token of an entry, as 1234-0; the end of a page names it\n"
    assert history("alice", "--before", "yesterday") == (2, "", text)
