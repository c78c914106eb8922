"""The command line beside the real server: what the double can't show."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PAN = "4000000000000002"
CARDS = f"pan,expiry,account,currency,credit_minor\n{PAN},2912,alice,EUR,100000\n"
COMMAND = [sys.executable, "-c", "from authoriser.cli.main import main; main()"]

pytestmark = pytest.mark.slow


@pytest.fixture
def server(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """`authoriser serve` on any free port, ready."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    with subprocess.Popen(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("authoriser ")
        yield process
        process.kill()


def test_import_freeze_and_what_is_left(
    run: Callable[..., Any], server: subprocess.Popen[str], tmp_path: Path
) -> None:
    """Cards come in, one is frozen, the server drains with exit code 0, and events and verify tell the story."""
    (tmp_path / "cards.csv").write_text(CARDS)
    imported = run("import", str(tmp_path / "cards.csv"))
    frozen = run("card", "freeze", "-", "--reason", "lost", stdin=PAN)
    shown = json.loads(run("card", "show", "0002", "--json").out)
    status = json.loads(run("status", "--json").out)
    assert [imported.code, frozen.code, shown["card"]["state"], status["cards"]] == [0, 0, "frozen", 1]
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0
    events = [json.loads(line) for line in run("events").out.splitlines()]
    expected = ["epoch.started", "account.opened", "card.issued", "account.credited", "card.state_changed"]
    assert [event["type"] for event in events if event["type"] in expected] == expected
    assert PAN not in json.dumps(events)
    ran = run("verify")
    assert (ran.code, ran.err, ran.out.splitlines()[-1]) == (0, "", "every check passed")


def test_following_ends_quietly(server: subprocess.Popen[str]) -> None:
    """Ctrl-C, or a reader that goes away, ends `events --follow` with exit code 0 and not a word."""
    ends = []
    for end in ("ctrl-c", "closed pipe"):
        with subprocess.Popen(
            [*COMMAND, "events", "--follow"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert json.loads(process.stdout.readline())["type"] == "epoch.started"
            if end == "ctrl-c":
                process.send_signal(signal.SIGINT)
            else:
                process.stdout.close()
                subprocess.run([*COMMAND, "account", "open", "bob", "--currency", "EUR"], check=True, timeout=20,
                               stdout=subprocess.DEVNULL)  # fmt: skip
            ends.append((process.wait(20), process.stderr.read()))
    assert ends == [(0, ""), (0, "")]
