"""The programs of the demo as processes: the real server, simulator and command line.

Owns starting, waiting, stopping and the signals that end the demo. Must not know the story. However it ends,
`Programs` leaves none of them running.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

COMMAND_MAX_S = 60.0
"""No command of the demo takes longer than a few seconds, on a slow disk too."""
STOP_MAX_S = 25.0
"""The server drains within its deadline and two seconds more; after this it is killed."""
POLL_S = 0.05

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProgramFailed(Exception):  # noqa: N818 - says what happened
    """A program ended as it should not; the text is for a person."""


class Interrupted(BaseException):
    """One of the signals that end the demo arrived; `str()` is its name."""


class Program:
    """One that runs beside the demo; its output goes to files."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], out: Path, err: Path, stop_max_s: float
    ) -> None:
        self.name = name
        self._stop_max_s = stop_max_s
        self._process = process
        self._out = out
        self._err = err

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        return self._out.read_text(errors="replace")

    def wait(self, limit_s: float) -> int:
        """Its exit code, negative for a signal. Raises ProgramFailed if it runs on."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{self.name} did not end within {limit_s:g} s.") from None

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; its exit code."""
        self._process.send_signal(number)
        return self.wait(self._stop_max_s)

    @property
    def complaints(self) -> list[str]:
        """The lines of what it said on standard error."""
        return self._err.read_text(errors="replace").strip().splitlines()

    def last_words(self) -> str:
        lines = self.complaints
        return f" It said: {lines[-1]}" if lines else ""


class Programs:
    """A context manager: on the way out every program still running is stopped, by its process id.

    Ctrl-C reaches the demo alone, as each program is in a process group of its own.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[Program] = []
        self._deferring = False
        self._deferred: signal.Signals | None = None

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in _SIGNALS:
            # What is left to do has time limits of its own; a second Ctrl-C must not leave a server behind.
            signal.signal(number, signal.SIG_IGN)
        for program in reversed(self._started):  # what was started first is what others rely on
            if program.running:
                try:
                    program.stop(signal.SIGTERM)
                except ProgramFailed:
                    with suppress(ProgramFailed):
                        program.stop(signal.SIGKILL)

    def running(self) -> list[str]:
        """What was started and has not ended."""
        return [f"{program.name} ({program.pid})" for program in self._started if program.running]

    def start(self, name: str, command: Sequence[str], *, stop_max_s: float = STOP_MAX_S) -> Program:
        """Start one; its output goes to `name`.out, made anew, and what it complains of to the end of `name`.err.

        After `stop_max_s` a program that was told to stop is killed.
        """
        out, err = (self._directory / f"{name}.{kind}" for kind in ("out", "err"))
        with out.open("wb") as to_out, err.open("ab") as to_err, self._uninterrupted():
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=to_out, stderr=to_err, process_group=0
                )
            except FileNotFoundError:
                raise _not_installed(command) from None
            program = Program(name, process, out, err, stop_max_s)
            self._started.append(program)
        return program

    def run(
        self, command: Sequence[str], *, text: str = "", into: Path | None = None, columns: int = 0
    ) -> str:
        """One command to its end; what it printed, or nothing where that goes `into` a file. Raises ProgramFailed.

        `columns` above 0 is how wide it may print.
        """
        try:
            with open(into or "/dev/null", "wb") as file:  # noqa: PTH123 - either
                done = subprocess.run(
                    command,
                    input=text.encode(),
                    stdout=file if into else subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    timeout=COMMAND_MAX_S,
                    check=False,
                    env=os.environ | {"COLUMNS": str(columns)} if columns else None,
                )
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{_short(command)} took longer than {COMMAND_MAX_S:g} s.") from None
        except FileNotFoundError:
            raise _not_installed(command) from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise ProgramFailed(
                f"{_short(command)} ended with exit code {done.returncode}. {' '.join(said[-2:])}"
            )
        return (done.stdout or b"").decode()

    @contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        """Signals wait: one between fork and the list of what was started would leave a process behind."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._deferred is not None:
            raise Interrupted(self._deferred.name)

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        if self._deferring:
            self._deferred = signal.Signals(number)
        else:
            raise Interrupted(signal.Signals(number).name)


def installed(name: str) -> str:
    """The path of a command beside this Python, relative where it lies below the working directory."""
    path = Path(sys.executable).parent / name
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def wait_for(
    condition: Callable[[], bool], *, limit_s: float, tick: Callable[[], None] = lambda: None
) -> bool:
    """Whether it came true within the limit. `tick` is called before each look."""
    end = time.monotonic() + limit_s
    while True:
        tick()
        if condition():
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(POLL_S)


def _short(command: Sequence[str]) -> str:
    words = [Path(command[0]).name, *(word for word in command[1:3] if not word.startswith("-"))]
    return "`" + " ".join(words) + "`"


def _not_installed(command: Sequence[str]) -> ProgramFailed:
    return ProgramFailed(f"{command[0]} is not there; `make setup` installs it.")
