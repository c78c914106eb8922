"""The demo as `make demo` runs it, shorter and into a pipe."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO_MAX_S = 200
"""It runs some thirty commands; with a load of 8 on 2 cores that took 80 s."""


def command(directory: Path) -> list[str]:
    options = ["--seconds", "3", "--cards", "50", "--directory", str(directory)]
    return [sys.executable, "-m", "demo", *options]


def nothing_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) != 0


@pytest.mark.slow
@pytest.mark.timeout(DEMO_MAX_S + 20)
def test_the_demo_tells_its_story_and_every_check_holds(tmp_path: Path) -> None:
    """Exit code 0, the lines that matter, no escape codes, nothing wider than a terminal, nothing left running."""
    directory = tmp_path / "demo"
    done = subprocess.run(
        command(directory), cwd=ROOT, capture_output=True, text=True, timeout=DEMO_MAX_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for line in (
        "1/14 Start the server",
        "50 cards imported, 0 were there already",
        "is frozen: card_",
        "62 frozen",
        "declined with code 62",
        "is dead, and the network's connections with it",
        "approvals heard are in the journal, code by code",
        "repeats got the same answer, to the approval code",
        "none of them was decided a second time",
        "two holds: 380.00 EUR for the stay and 41.50 EUR for the dinner",
        "61 over limit",
        "ecommerce a day: 3490 + 2990 of 5000",
        "amount_limit saw 34.90 EUR spent, 29.90 EUR asked for and 50.00 EUR allowed",
        "matched, 32.50 EUR more",
        "the totals agree with the file, to the last minor unit",
        "rows met their payments",
        "the same file again: nothing was posted a second time",
        "the guest has paid 488.90 EUR",
        "every check passed: ",
        "no card number in the ",
        "held and available, added up here from events, are what the server says",
        "p99.9",
        "the server ended with exit code 0",
        "Every check held",
    ):
        assert line in done.stdout
    assert "\x1b" not in done.stdout
    told = [line for line in done.stdout.splitlines() if str(directory) not in line]
    assert max(map(len, told)) <= 80
    assert nothing_listens(directory / "data" / "admin.sock")


@pytest.mark.slow
@pytest.mark.timeout(DEMO_MAX_S + 20)
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C under load: exit code 130, one line, the server and the network are gone."""
    directory = tmp_path / "demo"
    with subprocess.Popen(
        command(directory), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "simulator shop" in line:
                break
        os.kill(demo.pid, signal.SIGINT)
        said, wrong = demo.communicate(timeout=DEMO_MAX_S)
    assert (demo.returncode, wrong) == (130, "")
    assert "Interrupted by SIGINT; everything that was started is stopped." in said
    assert nothing_listens(directory / "data" / "admin.sock")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Only what the demo made is removed."""
    (tmp_path / "thesis.tex").write_text("ten years of work")
    done = subprocess.run(
        command(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=DEMO_MAX_S, check=False
    )
    assert done.returncode == 1
    assert "is not empty and not the demo's" in " ".join(done.stdout.split())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
