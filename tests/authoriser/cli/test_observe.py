"""authoriser status|exceptions|events|verify, and what every command does with errors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authoriser import __version__
from authoriser.admin.protocol import ExceptionEntry, LineStatus, LinkStatus, SnapshotStatus, Status
from authoriser.admin.testing import AdminServerDouble
from authoriser.cli.errors import CommandError, report

STATUS = Status(
    version="0.1.0", pid=42, started_at="2026-01-02T03:04:05.678Z", data_dir="/srv/cards", shard=0, epoch=3,
    durable_seq=1200, record_no=45000, accounts=1000, cards=1001, holds=17, in_flight=2, pending_records=5,
    links=(LinkStatus("default", "visa", "127.0.0.1:8583", "iso87-ascii", "bin2", 3, 2),),
    decisions={"approved": 40000, "insufficient_funds": 5}, counters={"silences": 0, "repeats": 7},
    snapshots=SnapshotStatus(44000, 12),
)  # fmt: skip
CONNECTS = LinkStatus(
    "north", "north", "10.0.0.5:9000", "iso87-ascii", "bin2", 1, 1, "connect", tls=True, down=1,
    lines=(
        LineStatus(1, "10.0.0.5:9000", "signed on", "2026-01-02T03:04:05.678Z", "", 4),
        LineStatus(2, "10.0.0.5:9000", "waiting", "2026-01-02T03:05:06.789Z", "Connection refused"),
    ),
)  # fmt: skip
ENTRY = ExceptionEntry(
    "exception_1", "2026-01-02T03:04:05.678Z", "malformed", "default", "visa", "0420", "90",
    "should be 42 digits", "0002", 1234, 3,
)  # fmt: skip
BARE_ENTRY = ExceptionEntry(
    "exception_2",
    "2026-01-02T03:04:06.000Z",
    "no_original",
    "default",
    "visa",
    None,
    None,
    "x" * 70,
    None,
    None,
    1,
)


def test_status_of_lines(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """Each line's state, since when, how often it came back, and why it is not up; within 80 columns."""
    double.issuer.status = msgspec.structs.replace(STATUS, links=(CONNECTS,))
    out = run("status").out
    text = " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert "to 10.0.0.5:9000" in text
    for word in ("north 1", "signed on", "north 2", "waiting", "refused"):
        assert word in text
    shown = msgspec.json.decode(run("status", "--json").out)["links"][0]
    assert shown == json.loads(msgspec.json.encode(CONNECTS))


def test_status(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """What it does in 80 columns: the most frequent decision first, counters that count nothing left out."""
    double.issuer.status = STATUS
    lines = [line.rstrip() for line in run("status").out.splitlines()]
    words = [line.split() for line in lines if line]
    expected = [
        "authoriser  0.1.0, process 42, since 2026-01-02 03:04:05",
        "data        /srv/cards",
        "journal     shard 0, epoch 3, batch 1200, record 45000",
        "snapshots   to record 44000; 12 accounts to write",
        "in memory   1000 accounts, 1001 cards, 17 holds",
        "under way   2 requests, 5 records",
    ]
    assert lines[:6] == expected
    assert max(map(len, lines)) <= 80
    rows = [["default", "visa", "127.0.0.1:8583", "iso87-ascii", "bin2", "3", "2"], ["approved", "40000"],
            ["insufficient_funds", "5"], ["repeats", "7"]]  # fmt: skip
    assert [row for row in words if row in rows or "silences" in row] == rows


def test_status_as_json(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """The protocol's status as one document."""
    double.issuer.status = STATUS
    assert json.loads(run("status", "--json").out) == json.loads(msgspec.json.encode(STATUS))


def test_exceptions(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """A row each that fits, and how many more there are."""
    double.issuer.exceptions = (ENTRY, BARE_ENTRY, ENTRY)
    lines = run("exceptions", "--limit", "2").out.splitlines()
    assert (max(map(len, lines)) <= 80, lines[-1]) == (True, "the newest 2 of 3; --limit shows more")
    assert "****0002" in " ".join(lines)


def test_no_exceptions(run: Callable[..., Any], double: AdminServerDouble) -> None:
    """An empty list is said in words, and is a document of JSON."""
    assert (run("exceptions").out, json.loads(run("exceptions", "--json").out)) == (
        "no exceptions\n",
        {"total": 0, "exceptions": []},
    )


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_wrong_limit(run: Callable[..., Any], limit: str) -> None:
    """A line that names the option, exit code 2."""
    ran = run("exceptions", "--limit", limit)
    assert (ran.code, ran.err.startswith("authoriser: "), "--limit" in ran.err, ran.err.count("\n")) == (
        2,
        True,
        True,
        1,
    )


@pytest.mark.parametrize("command", ["events", "verify"])
def test_no_data_directory(run: Callable[..., Any], tmp_path: Path, command: str) -> None:
    """Reading what is not there says how it comes to be."""
    none = tmp_path / "none"
    expected = (
        f"authoriser: there is no data directory {none}; --data names one, authoriser serve makes one\n"
    )
    assert run(command, "--data", str(none)) == (1, "", expected)


def test_an_empty_data_directory_has_no_events(run: Callable[..., Any], data: Path) -> None:
    """A directory without a journal is an error in a line."""
    ran = run("events")
    assert (ran.code, ran.out, ran.err.startswith(f"authoriser: there is no journal in {data}")) == (
        1,
        "",
        True,
    )


def test_an_empty_data_directory_does_not_verify(run: Callable[..., Any], data: Path) -> None:
    """The problem is in the report, as text and as JSON, and the exit code is 1."""
    plain, document = run("verify"), run("verify", "--json")
    report_ = json.loads(document.out)
    assert (plain.code, document.code, report_["ok"], len(report_["problems"])) == (1, 1, False, 1)
    assert plain.out.startswith(report_["problems"][0])
    assert plain.err == f"authoriser: 1 check fails on {data}\n"


def test_version(run: Callable[..., Any]) -> None:
    """The name and the version."""
    assert run("--version") == (0, f"authoriser {__version__}\n", "")


@pytest.mark.parametrize(
    "command",
    [(), ("serve",), ("import",), ("card",), ("card", "issue"), ("card", "freeze"), ("account",),
     ("account", "credit"), ("status",), ("events",), ("verify",), ("exceptions",)],
)  # fmt: skip
def test_help_fits_80_columns(run: Callable[..., Any], command: tuple[str, ...]) -> None:
    """Every command explains itself, with exit code 0."""
    ran = run(*command, "--help")
    assert (ran.code, ran.err, max(map(len, ran.out.splitlines())) <= 80, "Usage:" in ran.out) == (
        0,
        "",
        True,
        True,
    )


@pytest.mark.parametrize(
    ("args", "err"),
    [
        (("nope",), "No such command 'nope'. (authoriser --help tells more)"),
        (("status", "--nope"), "No such option: --nope (authoriser status --help tells more)"),
        (("card", "freeze"), "Missing argument 'CARD'. (authoriser card freeze --help tells more)"),
    ],
)
def test_usage_errors_are_a_line(run: Callable[..., Any], args: tuple[str, ...], err: str) -> None:
    """No boxes; the command whose help to read is named."""
    assert run(*args) == (2, "", f"authoriser: {err}\n")


def test_serve_names_every_wrong_value(run: Callable[..., Any], tmp_path: Path) -> None:
    """A line each, exit code 2, before anything is opened."""
    file = tmp_path / "a.toml"
    file.write_text("[telemetry]\nlog_level = 'loud'\n")
    ran = run("serve", "--config", str(file), "--listen", "nowhere", "--framing", "bin3")
    expected = [
        (
            'authoriser: --framing: "bin3" is not known; allowed: ascii4, bcd2, bin2, bin2-etx, '
            "bin2-inclusive, bin2-tpdu, bin4, hex4, visa-base1; did you mean bin4?"
        ),
        'authoriser: --listen: "nowhere" should be "HOST:PORT", such as "127.0.0.1:8583" or "[::1]:8583"',
        'authoriser: telemetry.log_level: "loud" is not known; allowed: debug, info, warning, error',
    ]
    assert (ran.code, ran.out, ran.err.splitlines()) == (2, "", expected)


@pytest.mark.parametrize(
    ("error", "code", "err"),
    [
        (CommandError("one", "two"), 1, "authoriser: one\nauthoriser: two\n"),
        (PermissionError(13, "Permission denied", "/srv"), 1, "authoriser: /srv: Permission denied\n"),
        (RuntimeError("card 4000000000000002"), 1,
         "authoriser: this is a fault of the program: RuntimeError: card [digits] (AUTHORISER_DEBUG=1 shows where)\n"),
    ],
)  # fmt: skip
def test_errors_are_lines(
    error: Exception, code: int, err: str, capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    """Expected ones in words, unexpected ones with their type and without digits; no traceback unless asked."""
    assert (report(error), capsys.readouterr().err) == (code, err)
