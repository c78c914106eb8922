"""The server on a real Cassandra and a real Kafka: `python -m benchmarks.stack [--quick] [--rate N] [--json]`.

What the figures do not show:
- A network, and machines of their own. Two JVMs, the server, its relay, the load generator and the consumer share this
  machine's cores; where each one's share went is printed. Real ones have a machine each, and a round trip between them.
- A cluster. It is one Cassandra node: a quorum of three adds a round trip and the slower of two disks. One broker of
  Kafka likewise.
- A long run. A few seconds fill no disk, compact few tables and wear out no cache.
- A mixed load. All timed requests are purchases that are approved, the dearest ordinary case.
- Your disk. A batch waits for a sync of Cassandra's commit log (`commitlog_sync: batch`); what one costs is printed.

What is done: Cassandra and Kafka are started as `make stack` starts them, and the real server with its supervised
relay. A small mix is checked answer by answer before anything is timed, and each timed reply must be the approval
that is due. Throughput is a closed loop, after a warm-up for the virtual machines. Latency is an open loop, counted
from when a request was due; beside it a read-committed consumer in a process of its own notes when each event came,
counted from the decision's time in it (whole milliseconds). In the end all that was answered is held against what
Kafka has: each approval once, in order, no record missing. If not, nothing is printed but that.
"""

import argparse
import asyncio
import contextlib
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import iso8583
import msgspec
import trio
from iso8583.specs import default_ascii
from msgspec import Struct
from rich.console import Console

from authoriser.admin.client import AdminClient, ClientError
from authoriser.admin.protocol import RelayStatus
from authoriser.cassandra.schema_versions import create_schema
from authoriser.cassandra.session import CassandraConfig, CassandraError
from authoriser.config_checks import parse_address
from authoriser.journal.cassandra_slots import CassandraSlots
from authoriser.places import SHARD
from authoriser.relay.reader import BatchReader
from benchmarks.keyspace import drop_keyspace
from benchmarks.load import Check, Checked, Closed, Measured, Open, Target, in_process, read_answers
from benchmarks.machine import look, platform_line
from benchmarks.process import ServerProcess, ServerProcessError, wait_until_idle
from benchmarks.stack_report import QUICK, ClosedRound, OpenRound, Report, Setting, show
from benchmarks.truth import UntrueError, require_true
from benchmarks.watch import Read, Watch, Watched, read_events
from simulator.cards import make_cards, write_cards
from simulator.tally import Latency
from stack import Stack, Wanted
from stack.errors import StackError

CREDIT_MINOR = 1_000_000_000
"""Every timed request is approved."""
CAUGHT_UP_MAX_S = 120.0
LOOK_EVERY_S = 0.05
YARDSTICK_ROUNDS = 2_000


class Place(Struct, frozen=True):
    """Where Cassandra and Kafka are, HOST:PORT, and their processes where they are ours."""

    contact: str
    bootstrap: str
    pids: dict[str, int] = {}


class Run:
    """One server on one keyspace and one topic, and what is asked of it."""

    def __init__(
        self, setting: Setting, home: Path, place: Place, keyspace: CassandraConfig, server: ServerProcess
    ) -> None:
        self._setting = setting
        self._home = home
        self._place = place
        self._keyspace = keyspace
        self._topic = _topic(keyspace)
        self._server = server
        self._cards = home / "cards.csv"
        self._phases = 0

    def prepare(self) -> Checked:
        """Cards, a checked mix and the warm-up."""
        setting = self._setting
        with self._cards.open("w", encoding="utf-8", newline="") as out:
            write_cards(make_cards(setting.cards, credit_minor=CREDIT_MINOR), out)
        self._server.command("import", str(self._cards))
        self._until_caught_up()
        checked = in_process(Check(self._target(), seed=1), Checked)
        self._closed(setting.warm_up_s)
        return checked

    def rest(self) -> None:
        """Return when nothing of the phase before is left to be done."""
        self._until_caught_up()
        for pid in (self._server.pid, *self._place.pids.values()):
            wait_until_idle(pid)

    def closed(self) -> ClosedRound:
        measured = self._closed(self._setting.closed_s)
        lag = self._relay().lag
        began = time.monotonic()
        self._until_caught_up()
        return ClosedRound(measured, lag or 0, time.monotonic() - began)

    def _closed(self, seconds: float) -> Measured:
        setting = self._setting
        phase = Closed(
            self._target(),
            seed=self._phases,
            seconds=seconds,
            warm_up_s=setting.closed_warm_up_s,
            connections=setting.connections,
            window=setting.window,
            answers=self._answers(),
        )
        return in_process(phase, Measured)

    def open(self) -> OpenRound:
        setting = self._setting
        with _watching(Watch(self._place.bootstrap, self._topic)) as watcher:
            phase = Open(
                self._target(consumer=watcher.pid),
                seed=self._phases,
                seconds=setting.open_s,
                rate_per_s=setting.rate_per_s,
                connections=setting.connections,
                answers=self._answers(),
            )
            measured = in_process(phase, Measured)
            self._until_caught_up()
            watched = _ended(watcher)
        count = watched.count if watched is not None else 0
        # More is right: an approval whose answer did not leave in time is an event too, and another its release.
        if watched is None or count < measured.answered:
            raise UntrueError(f"{measured.answered} were approved, and a consumer got {count} of them")
        return OpenRound(measured, watched)

    def truth(self) -> tuple[int, int]:
        """The answers that are in Kafka as they should be, and its events. Raises UntrueError."""
        self._until_caught_up()
        file = self._home / "events"
        command = _watch(Read(self._place.bootstrap, self._topic, str(file)))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerProcessError(f"Kafka can't be read: {done.stderr.strip()}")
        answers = [answer for each in sorted(self._home.glob("answers-*")) for answer in read_answers(each)]
        events = read_events(file)
        return require_true(answers, events, last_record(self._keyspace)), len(events)

    def _answers(self) -> str:
        self._phases += 1
        return str(self._home / f"answers-{self._phases:03}")

    def _target(self, **beside: int) -> Target:
        relay = self._relay().pid
        if relay is None:
            raise ServerProcessError("the server has no relay")
        pids = self._place.pids | {"relay": relay} | beside
        return Target(self._server.port, self._server.pid, str(self._cards), pids)

    def _relay(self) -> RelayStatus:
        with AdminClient(self._server.data_dir / "admin.sock") as client:
            relay: RelayStatus | None = client.call("status").relay
        if relay is None:
            raise ServerProcessError("the server runs no relay")
        return relay

    def _until_caught_up(self) -> None:
        deadline = time.monotonic() + CAUGHT_UP_MAX_S
        while (relay := self._relay()).lag != 0:
            if time.monotonic() > deadline:
                raise ServerProcessError(
                    f"the relay is {relay.lag} events behind after {CAUGHT_UP_MAX_S:g} s: {relay.state} {relay.detail}"
                )
            time.sleep(LOOK_EVERY_S)


def last_record(keyspace: CassandraConfig) -> int:
    """The number of the journal's last record, from Cassandra itself."""
    slots = CassandraSlots(keyspace, SHARD)
    try:
        return asyncio.run(BatchReader(slots, SHARD).at(slots.end())).last_record
    finally:
        slots.close()


def _watch(task: Watch | Read) -> list[str]:
    return [sys.executable, "-m", "benchmarks.watch", msgspec.json.encode(task).decode()]


@contextlib.contextmanager
def _watching(task: Watch) -> Iterator[subprocess.Popen[bytes]]:
    """A consumer that has begun to watch; it ends with the block. Raises ServerProcessError where it does not begin."""
    with subprocess.Popen(_watch(task), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watcher:
        try:
            assert watcher.stdout is not None
            if watcher.stdout.readline() != b"watching\n":
                raise ServerProcessError("a consumer of Kafka did not begin to read")
            yield watcher
        finally:
            watcher.kill()


def _ended(watcher: subprocess.Popen[bytes]) -> Latency | None:
    """What it saw, once it was told to stop."""
    out, _ = watcher.communicate(timeout=CAUGHT_UP_MAX_S)
    if watcher.returncode:
        raise ServerProcessError("a consumer of Kafka failed")
    return msgspec.json.decode(out, type=Watched).latency


def measure(setting: Setting, home: Path, place: Place, say: Console | None) -> Report:
    """The whole run, in `home`. Raises ServerProcessError, and UntrueError where an answer or an event is wrong."""
    machine = look(home)
    contact = parse_address(place.contact)
    keyspace = CassandraConfig(((contact.host, contact.port),), f"bench_{secrets.token_hex(4)}")
    trio.run(create_schema, keyspace, 1)
    try:
        with ServerProcess(home, _tables(setting, place, keyspace)) as server:
            run = Run(setting, home, place, keyspace, server)
            _tell(say, "checking answers, and warming up")
            checked = run.prepare()
            yardstick: list[float] = []

            def ready(what: str, number: int) -> None:
                run.rest()
                yardstick.append(yardstick_us(checked))
                _tell(say, f"{what}, round {number + 1} of {setting.rounds}")

            closed, opened = [], []
            for number in range(setting.rounds):
                ready("closed loop", number)
                closed.append(run.closed())
            for number in range(setting.rounds):
                ready(f"open loop at {setting.rate_per_s:g}/s", number)
                opened.append(run.open())
            _tell(say, "holding answers against Kafka")
            true_answers, events = run.truth()
    finally:
        if not place.pids:
            trio.run(drop_keyspace, keyspace)  # ours goes as a whole
    return Report(
        machine=machine,
        setting=setting,
        checked=checked.messages,
        yardstick_us=yardstick,
        per_s=statistics.median(each.measured.answered / each.measured.seconds for each in closed),
        closed=closed,
        open=opened,
        true_answers=true_answers,
        events=events,
    )


def yardstick_us(checked: Checked) -> float:
    """Microseconds of one decode by pyiso8583: figures of two days are held beside each other by it."""
    request = bytes.fromhex(checked.request_hex)
    started = time.perf_counter()
    for _ in range(YARDSTICK_ROUNDS):
        iso8583.decode(request, default_ascii)
    return (time.perf_counter() - started) / YARDSTICK_ROUNDS * 1e6


def _topic(keyspace: CassandraConfig) -> str:
    return f"events.{keyspace.keyspace}"


def _tables(setting: Setting, place: Place, keyspace: CassandraConfig) -> str:
    return (
        f"[[links]]\nreply_deadline_ms = {setting.reply_deadline_ms}\n"
        f"[cassandra]\nlease_ms = {setting.lease_ms}\ncontact_points = ['{place.contact}']\n"
        f"keyspace = '{keyspace.keyspace}'\n"
        f"[kafka]\nbootstrap = ['{place.bootstrap}']\ntopic = '{_topic(keyspace)}'\n"
        "replication_factor = 1\nmin_insync_replicas = 1\n"
    )


@contextlib.contextmanager
def a_stack(given: Place | None, home: Path) -> Iterator[Place]:
    """The one that is given, or one that lives as long as the block."""
    if given is not None:
        yield given
        return
    with Stack(home / "stack", Wanted(), tied=True) as stack:
        nodes = {name: stack.node(name) for name in ("cassandra", "kafka")}
        pids = {name: node.pid for name, node in nodes.items() if node.pid is not None}
        yield Place(nodes["cassandra"].address, nodes["kafka"].address, pids)


def _tell(console: Console | None, what: str) -> None:
    if console is not None:
        console.print(f"[dim]{what} ...[/dim]")


def _setting(arguments: argparse.Namespace) -> Setting:
    setting = QUICK if arguments.quick else Setting()
    changes: dict[str, object] = {}
    if arguments.seconds:
        changes |= {"closed_s": arguments.seconds, "open_s": arguments.seconds}
    if arguments.rate:
        changes["rate_per_s"] = arguments.rate
    for name in ("rounds", "warm_up_s", "connections", "window", "cards"):
        if getattr(arguments, name) is not None:
            changes[name] = getattr(arguments, name)
    return msgspec.structs.replace(setting, **changes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds: shows that it works, not how fast"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--versions", action="store_true", help="print versions and commit, measure nothing")
    parser.add_argument("--rate", type=float, help="of the open loop, a second")
    parser.add_argument("--seconds", type=float, help="of each round")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--warm-up-s", type=float, help="before the first round, seconds")
    parser.add_argument("--connections", type=int)
    parser.add_argument("--window", type=int, help="open requests on each connection, closed loop")
    parser.add_argument("--cards", type=int)
    parser.add_argument("--contact", help="HOST:PORT of a Cassandra that runs; with --bootstrap")
    parser.add_argument("--bootstrap", help="HOST:PORT of a Kafka that runs; a topic of its own stays there")
    parser.add_argument("--dir", type=Path, default=Path(), help="where a directory is made for the while")
    arguments = parser.parse_args()
    if (arguments.contact is None) != (arguments.bootstrap is None):
        parser.error("--contact and --bootstrap go together")
    return arguments


def main() -> None:
    """Exit code 1 where an answer or an event was wrong, or something did not start."""
    arguments = _arguments()
    if arguments.versions:
        sys.stdout.write(platform_line() + "\n")
        return
    console = Console(width=80, highlight=False)
    given = Place(arguments.contact, arguments.bootstrap) if arguments.contact else None
    home = Path(tempfile.mkdtemp(prefix=".benchmark-", dir=arguments.dir)).absolute()
    try:
        with a_stack(given, home) as place:
            report = measure(_setting(arguments), home, place, None if arguments.json else console)
    except (CassandraError, ClientError, ServerProcessError, StackError, UntrueError) as problem:
        sys.exit(f"nothing was measured: {problem}")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        show(report, console)


if __name__ == "__main__":
    main()
