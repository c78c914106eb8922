"""What every step of the demo on the stack is given: two servers, the stack's own program, and the consumers.

Owns command lines and waiting for programs to be ready. Must not know the order of the steps or their words.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from demo import timeline
from demo.checks import Event
from demo.on_stack.place import Server, StackPlace
from demo.on_stack.pushes import PushLog
from demo.programs import Program, ProgramFailed, installed, wait_for
from demo.stage import START_MAX_S, Stage

FETCHED_MAX_S = 1_800.0
"""Twice what the stack gives Maven for one of the two servers."""
DOWN_MAX_S = 70.0
"""The stack stops its servers within a minute, and kills what does not stop."""
CAUGHT_UP_MAX_S = 60.0
EVERYTHING_SERVES = "everything serves"
"""How `python -m stack run` says that it is ready."""

_SERVES = re.compile(r"^(cassandra|kafka) 1 serves on (\S+)$", re.MULTILINE)
_READS_THE_JOURNAL = ("events", "verify", "audit", "explain", "replay")


@dataclass(frozen=True, slots=True)
class StackStage(Stage):
    """Commands that read the journal read it in Cassandra; all others ask the server that decides."""

    place: StackPlace
    pushes: PushLog

    CRASH = timeline.TAKEOVER

    def authoriser(self, *words: str) -> list[str]:
        if words[0] in _READS_THE_JOURNAL or words[:2] == ("account", "history"):
            return [installed("authoriser"), *words, "--config", str(self.place.config)]
        return Stage.authoriser(self, *words)

    def stack(self, *words: str) -> list[str]:
        directories = ["--directory", str(self.place.stack), "--jars", ".stack/jars"]
        return [installed("python"), "-m", "stack", *directories, *words]

    def start_stack(self, say: Callable[[str], None]) -> Program:
        """Returns when both serve; `say` is told what it does meanwhile. Raises ProgramFailed, with its words."""
        program = self.programs.start("stack", self.stack("run"), stop_max_s=DOWN_MAX_S)

        told = 0

        def tick() -> None:
            nonlocal told
            lines = program.output.strip().splitlines()
            for line in lines[told:]:
                say(line)
            told = len(lines)

        def up_or_dead() -> bool:
            return EVERYTHING_SERVES in program.output or not program.running

        if not wait_for(up_or_dead, limit_s=FETCHED_MAX_S, tick=tick) or not program.running:
            said = [line.removeprefix("stack: ").strip() for line in program.complaints]
            raise ProgramFailed("\n".join(["Cassandra and Kafka did not start.", *said]))
        return program

    def addresses(self, stack: Program) -> dict[str, str]:
        """Where they serve: HOST:PORT by "cassandra" and "kafka"."""
        return dict(_SERVES.findall(stack.output))

    def start(self, server: Server, said: str, tick: Callable[[], None] = lambda: None) -> Program:
        """Start one of the servers; returns when it says that. Raises ProgramFailed."""
        command = [installed("authoriser"), "serve", "--config", str(server.config)]
        program = self.programs.start(server.name, command)

        def said_or_dead() -> bool:
            return said in program.output or not program.running

        if not wait_for(said_or_dead, limit_s=START_MAX_S, tick=tick) or not program.running:
            raise ProgramFailed(f"The {server.name} server did not start.{program.last_words()}")
        return program

    def status(self, server: Server) -> Any:
        command = [installed("authoriser"), "status", "--data", str(server.data), "--json"]
        return json.loads(self.programs.run(command))

    def notifications(self) -> list[str]:
        return [
            installed("authoriser-notifications"),
            "--config",
            str(self.place.first.config),
            "--group",
            f"{self.place.topic}-pushes",
        ]

    def feed(self, *words: str) -> list[str]:
        command = [installed("authoriser-feed"), "--config", str(self.place.first.config)]
        return [*command, "--keyspace", self.place.feed_keyspace, *words]

    def feed_writer(self) -> list[str]:
        return self.feed("--group", f"{self.place.topic}-feed", "--create-tables", "--replicas", "1")

    def feed_of(self, account: str) -> list[Event]:
        said = self.programs.run(self.feed("--show", account, "--limit", "500"))
        return [json.loads(line) for line in said.splitlines()]

    def until_caught_up(self, condition: Callable[[], bool]) -> bool:
        """Whether it came true while events were still on their way."""
        return wait_for(condition, limit_s=CAUGHT_UP_MAX_S, tick=self.pushes.read)
