"""Whatever ends the demo, nothing that it started runs on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.programs import Interrupted, ProgramFailed, Programs


@pytest.fixture(autouse=True)
def _handlers() -> object:
    """`Programs` sets the process's handlers for good: the demo ends with it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run_with_a_sleeper(programs: Programs, end: Callable[[], object]) -> None:
    """Start a program that would run on, then let something end it all."""
    with programs:
        sleeper = programs.start("sleeper", ["sleep", "600"])
        assert programs.running() == [f"sleeper ({sleeper.pid})"]
        end()


def test_an_exception_stops_what_was_started(tmp_path: Path) -> None:
    """By its process id."""
    programs = Programs(tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_with_a_sleeper(programs, lambda: 1 // 0)
    assert programs.running() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_what_was_started(tmp_path: Path, number: signal.Signals) -> None:
    """It is an exception where the demo stands; its name is kept."""
    programs = Programs(tmp_path)
    with pytest.raises(Interrupted) as caught:
        run_with_a_sleeper(programs, lambda: os.kill(os.getpid(), number))
    assert str(caught.value) == number.name
    assert programs.running() == []


def test_the_exit_code_of_a_stopped_program_is_its_own(tmp_path: Path) -> None:
    """Negative for a signal that it did not handle."""
    with Programs(tmp_path) as programs:
        killed = programs.start("killed", ["sleep", "600"])
        assert killed.stop(signal.SIGKILL) == -signal.SIGKILL


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    """Its last words on standard error are in the sentence."""
    with Programs(tmp_path) as programs, pytest.raises(ProgramFailed) as caught:
        programs.run(["sh", "-c", "echo no such card >&2; exit 3"])
    assert str(caught.value) == "`sh echo no such card >&2; exit 3` ended with exit code 3. no such card"


@pytest.mark.parametrize("how", ["run", "start"])
def test_a_command_that_is_not_installed_says_so(tmp_path: Path, how: str) -> None:
    """And how to get it."""
    programs = Programs(tmp_path)
    command = ["./nowhere/authoriser", "status"]
    with pytest.raises(ProgramFailed) as caught:
        programs.run(command) if how == "run" else programs.start("authoriser", command)
    assert str(caught.value) == "./nowhere/authoriser is not there; `make setup` installs it."
