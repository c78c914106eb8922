"""What every step of the story is given, and the commands it can run.

Owns command lines and waiting for programs to be ready or done. Must not know the order of the steps or their words.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from demo import timeline
from demo.checks import CheckFailed, Event
from demo.heard import NetworkLog
from demo.programs import Program, ProgramFailed, Programs, installed, wait_for
from demo.screen import Screen
from demo.workspace import Workspace

START_MAX_S = 30.0
"""For a program to be up: each takes less than a second on an idle machine."""
CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """The screen, the programs, the folder, and how much load is wanted."""

    screen: Screen
    programs: Programs
    place: Workspace
    rate_per_s: float
    seconds: float

    CRASH = timeline.RESTART
    """What a crash is called in a customer's story."""

    def authoriser(self, *words: str) -> list[str]:
        """A command of the authoriser's command line on the demo's data."""
        return [installed("authoriser"), *words, "--data", str(self.place.data)]

    def serve(self) -> list[str]:
        return [installed("authoriser"), "serve", "--config", str(self.place.config)]

    def simulator(self, *words: str) -> list[str]:
        """The network, connected to the demo's server."""
        place = self.place
        command = [installed("simulator"), *words, "--cards", str(place.cards), "--connect", place.address]
        return [*command, "--connections", str(CONNECTIONS)]

    def ask(self, *words: str, text: str = "") -> Any:
        """What a command of the authoriser says with --json; `text` is its standard input."""
        return json.loads(self.programs.run([*self.authoriser(*words), "--json"], text=text))

    def say(self, *words: str) -> str:
        """What a command of the authoriser prints for people, as wide as the screen shows it."""
        return self.programs.run(self.authoriser(*words), columns=self.screen.output_columns)

    def events(self, from_record: int = 1) -> list[Event]:
        """From the real event stream, kept in a file of the demo's folder too."""
        self.programs.run(self.authoriser("events", "--from", str(from_record)), into=self.place.events)
        with self.place.events.open() as lines:
            return [json.loads(line) for line in lines]

    def start_server(self, tick: Callable[[], None] = lambda: None) -> Program:
        """Returns when it is ready. Raises ProgramFailed."""
        server = self.programs.start("server", self.serve())

        def ready_or_dead() -> bool:
            return " is ready: " in server.output or not server.running

        if not wait_for(ready_or_dead, limit_s=START_MAX_S, tick=tick) or not server.running:
            raise ProgramFailed(f"The server did not start.{server.last_words()}")
        return server


@dataclass(frozen=True, slots=True)
class Load:
    """The network while it pays: the simulator, and the log that it writes."""

    program: Program
    log: NetworkLog
    started_s: float

    @classmethod
    def start(cls, stage: Stage, command: list[str], log: NetworkLog) -> "Load":
        """Returns with the first answer. Raises ProgramFailed."""
        program = stage.programs.start("simulator", command)

        def begun_or_dead() -> bool:
            log.read()
            return bool(log.exchanges) or not program.running

        if not wait_for(begun_or_dead, limit_s=START_MAX_S) or not program.running:
            raise ProgramFailed(f"The simulator did not start to pay.{program.last_words()}")
        return cls(program, log, time.monotonic())

    def elapsed_s(self) -> float:
        return time.monotonic() - self.started_s


def summary_of(program: Program) -> Any:
    """What the simulator, which has ended, says of its run. Raises CheckFailed unless all was right."""
    code = program.wait(1)
    if not program.output:
        raise ProgramFailed(
            f"The {program.name} ended with exit code {code} and no summary.{program.last_words()}"
        )
    summary = json.loads(program.output)
    if summary["wrong"]:
        raise CheckFailed(f"{summary['wrong']:,} answers were wrong: {summary['wrong_shown'][0]}")
    if code:
        raise CheckFailed(f"the network gave up: {summary['ended_early'] or 'nothing was answered'}.")
    return summary


def now_iso() -> str:
    """ISO 8601, UTC, milliseconds: the form of the simulator's log."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def times(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
