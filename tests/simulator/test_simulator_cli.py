"""The command line: exit codes, messages for a person, JSON, and a real socket underneath."""

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import pytest
import trio
from typer.testing import CliRunner

from isowire.framing import FRAMINGS
from simulator.cli import app
from simulator.record import read_record
from simulator.testing import Change, Fault, ScriptedIssuer


class RunningIssuer:
    """A scripted issuer on a loopback port, in a thread of its own."""

    def __init__(self, faults: dict[int, Fault] | None = None, framing: str = "bin2") -> None:
        self.issuer = ScriptedIssuer(faults, framing=FRAMINGS[framing])
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,))
        self._scope = trio.CancelScope()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        self._ready.set()
        with self._scope:
            await trio.serve_listeners(self.issuer.serve, [listener])

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(10)


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    file = tmp_path / "cards.csv"
    assert CliRunner().invoke(app, ["cards", str(file), "--count", "20"]).exit_code == 0
    return file


def shop(cards: Path, port: int, *more: str) -> list[str]:
    return [
        *("shop", "--cards", str(cards), "--connect", f"127.0.0.1:{port}"),
        *("--rate", "200", "--seconds", "0.2", *more),
    ]


@pytest.mark.parametrize("framing", ["bin2", "ascii4"])
def test_a_right_run_exits_with_0_and_says_so(cards: Path, framing: str) -> None:
    """Counts, codes and percentiles in tables no wider than 80 columns."""
    with RunningIssuer(framing=framing) as running:
        result = CliRunner().invoke(
            app, shop(cards, running.port, "--framing", framing, "--connections", "2")
        )
    assert (result.exit_code, result.stderr) == (0, "")
    assert "All 40 answers were right." in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) == 80
    assert [name for name in ("approved", "p50", "p90", "p99.9", "max") if name not in result.stdout] == []


def test_json_is_all_there_is_on_standard_output(cards: Path) -> None:
    """One object, with the whole summary."""
    with RunningIssuer() as running:
        result = CliRunner().invoke(
            app, shop(cards, running.port, "--json", "--mix", "repeat=0,verification=0")
        )
    summary = json.loads(result.stdout)
    counts = {name: summary[name] for name in ("due", "sent", "answered", "unanswered", "unsent", "wrong")}
    assert counts == {"due": 40, "sent": 40, "answered": 40, "unanswered": 0, "unsent": 0, "wrong": 0}
    assert set(summary["latency"]) == {"count", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"}


def test_wrong_answers_exit_with_1(cards: Path) -> None:
    """Each is said with what was expected."""
    with RunningIssuer({0: Change("49", "840")}) as running:
        result = CliRunner().invoke(app, shop(cards, running.port, "--first-stan", "500"))
    assert result.exit_code == 1
    assert "answer to 0100 STAN 000501: DE49: expected 978, found 840" in " ".join(result.stdout.split())
    assert "1 answers were wrong." in result.stdout


def test_the_log_is_repeated_by_a_command(cards: Path, tmp_path: Path) -> None:
    """`shop --log`, then `repeat`: everything answered alike."""
    log = tmp_path / "heard.jsonl"
    with RunningIssuer() as running:
        first = CliRunner().invoke(app, shop(cards, running.port, "--log", str(log), "--mix", "repeat=0"))
        again = CliRunner().invoke(
            app,
            ["repeat", str(log), "--cards", str(cards), "--connect", f"127.0.0.1:{running.port}", "--json"],
        )
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert (len(list(read_record(log))), json.loads(again.stdout)["answered"]) == (40, 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--connect", "nowhere"], "--connect: 'nowhere' is not HOST:PORT, such as 127.0.0.1:8583"),
        (
            ["--connect", "127.0.0.1:99999"],
            "--connect: '127.0.0.1:99999' is not HOST:PORT, such as 127.0.0.1:8583",
        ),
        (
            ["--framing", "bin5"],
            "there is no framing 'bin5'; there are ascii4, bcd2, bin2, bin2-etx, bin2-inclusive,",
        ),
        (
            ["--mix", "tip=1"],
            "--mix: no kind tip; the kinds are verification, foreign, repeat, reversal,",
        ),
        (["--connect", "127.0.0.1:1"], "cannot connect to 127.0.0.1:1: "),
        (
            ["--log", "/nowhere/heard.jsonl"],
            "cannot write the log /nowhere/heard.jsonl: No such file or directory",
        ),
    ],
)
def test_what_cannot_start_exits_with_2_and_a_line(cards: Path, arguments: list[str], message: str) -> None:
    """No traceback; the line says what would be right."""
    result = CliRunner().invoke(app, ["shop", "--cards", str(cards), *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"simulator: {message}")
    assert len(result.stderr.splitlines()) == 1


def test_missing_cards_exit_with_2() -> None:
    """A path that is not there."""
    result = CliRunner().invoke(app, ["shop", "--cards", "nowhere.csv"])
    assert (result.exit_code, result.stderr) == (
        2,
        "simulator: cannot read the cards in nowhere.csv: No such file or directory\n",
    )


def test_an_empty_log_has_nothing_to_repeat(cards: Path, tmp_path: Path) -> None:
    """Said rather than run for no time."""
    log = tmp_path / "heard.jsonl"
    log.write_text("")
    result = CliRunner().invoke(app, ["repeat", str(log), "--cards", str(cards)])
    assert (result.exit_code, result.stderr) == (2, f"simulator: {log} holds no exchange to repeat\n")


def test_the_live_table_fits_a_terminal(cards: Path) -> None:
    """On a terminal of 80 columns no line is wider, and the end stays on the screen."""
    leader, follower = pty.openpty()
    with RunningIssuer() as running, os.fdopen(leader, "rb", buffering=0) as screen:
        command = [sys.executable, "-m", "simulator", *shop(cards, running.port, "--seconds", "1")]
        environment = {**os.environ, "COLUMNS": "80", "LINES": "40", "TERM": "xterm"}
        with subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=environment
        ) as run:
            os.close(follower)
            shown = b""
            try:
                while data := screen.read(65_536):
                    shown += data
            except OSError:
                pass  # the far end of a pty is gone: Linux says EIO
        assert run.returncode == 0
    text = shown.decode()
    assert "waiting" in text
    assert "All 200 answers were right." in text
