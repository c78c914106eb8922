"""`authoriser replay --policy` as a person meets it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.authoriser.explaining.bench import RRN, Bench, request

Run = Callable[..., tuple[int, str, str]]
SMALL = '[[limits]]\nwindow = "transaction"\namount_minor = 1_000\n'

TABLES = """\
decided by policy {default} (2)
2 decisions compared: 1 the same, 1 not ({took})

 was       would be           times  asked for
 ─────────────────────────────────────────────
 approved  transaction limit      1  25.00 EUR


 in all              times  asked for
 ────────────────────────────────────
 newly declined          1  25.00 EUR
 newly approved          0          -
 for another reason      0          -


 for example  card      RRN           asked for  was       would be
 ───────────────────────────────────────────────────────────────────────────
 record 6     ****0000  412300000017  25.00 EUR  approved  transaction limit

What this cannot know: what was approved stays approved here, so a payment that
"""


@pytest.fixture
def journal(data: Path) -> Path:
    """Two approvals, of 5.00 and 25.00 EUR, in batches 5 and 6."""
    bench = Bench().with_card()
    bench.do(request(500))
    bench.do(request(2_500, stan="000002"))
    return bench.save(data)


def policy(data: Path, text: str) -> str:
    path = data / "new.toml"
    path.write_text(text)
    return str(path)


def test_what_would_differ(journal: Path, run: Run) -> None:
    """By reason, in all, and an example of each; what it cannot know stands below."""
    code, out, err = run("replay", "--policy", policy(journal, SMALL))
    assert (code, err) == (0, "")
    head, _line, rest = "\n".join(line.rstrip() for line in out.splitlines()).partition("\n")
    assert head.endswith(" (new.toml), batches 1 to 6")
    took = rest.partition("not (")[2].partition(")")[0]
    version = rest.partition("policy ")[2].partition(" ")[0]
    assert rest.startswith(TABLES.format(default=version, took=took))
    assert took.endswith("s")  # with a rate, where it took a millisecond


def test_nothing_differs(journal: Path, run: Run) -> None:
    """No table, and what it cannot know all the same."""
    code, out, _err = run("replay", "--policy", policy(journal, ""))
    assert code == 0
    assert "2 decisions compared: 2 the same, 0 not" in out
    assert "newly declined" not in out
    assert "What this cannot know" in out


def test_as_json(journal: Path, run: Run) -> None:
    """The whole report, the examples with it; --from and --to are batches."""
    code, out, _err = run("replay", "--policy", policy(journal, SMALL), "--json", "--from", "6", "--to", "6")
    report = json.loads(out)
    assert (code, report["from_seq"], report["to_seq"], report["compared"]) == (0, 6, 6, 1)
    assert report["newly_declined"] == {"count": 1, "amounts": [{"amount_minor": 2_500, "currency": "EUR"}]}
    [difference] = report["differences"]
    assert (difference["before"], difference["after"]) == ("approved", "transaction_limit")
    assert difference["examples"] == [
        {
            "record": 6,
            "at": "2027-01-15T08:00:00.000Z",
            "rrn": RRN,
            "last_four": "0000",
            "amount_minor": 2_500,
            "currency": "EUR",
        }
    ]


def test_a_bad_policy(journal: Path, run: Run) -> None:
    """Its problems with their lines, exit code 2, and nothing on standard output."""
    path = policy(journal, "\nno_such_key = 1\n")
    code, out, err = run("replay", "--policy", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"authoriser: {path}:2: no_such_key: ")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--from", "7"), "--from 7 is beyond the journal's last batch, 6"),
        (("--from", "3", "--to", "2"), "--to 2 comes before --from 3"),
    ],
)
def test_a_wrong_span(journal: Path, run: Run, args: tuple[str, ...], text: str) -> None:
    """Said in a line, with exit code 2."""
    code, out, err = run("replay", "--policy", policy(journal, ""), *args)
    assert (code, out, err) == (2, "", f"authoriser: {text}\n")


def test_no_such_policy(journal: Path, run: Run) -> None:
    """A file that is not there, and one that is no text."""
    missing = journal / "missing.toml"
    assert run("replay", "--policy", str(missing)) == (
        2,
        "",
        f"authoriser: {missing}: No such file or directory\n",
    )
    binary = journal / "binary.toml"
    binary.write_bytes(b"a\xff")
    assert run("replay", "--policy", str(binary)) == (
        2,
        "",
        f"authoriser: {binary}: is not UTF-8 at byte 1\n",
    )
