"""How long a shard is without a leader: `python -m benchmarks.takeover [--rounds N] [--contact HOST:PORT] [--json]`.

What the figures do not show:
- Another machine's death. A process that is killed closes its connections, so its network knows at once; a machine that
  loses its power says nothing, and a network's own timer comes on top.
- A lease of another length. The lease is most of the time; it is printed, and --lease-ms and --heartbeat-ms change it.
- A cluster. It is one node on loopback; an epoch record at a quorum of three costs some milliseconds more.
- A million cards. The follower's state is warm, so what it holds costs little, and it was not measured here.

What is done: two real servers share a shard on a real Cassandra (its own, or the one at --contact, in a keyspace that
is dropped in the end). Each round pays at a steady rate at the leader, kills it with SIGKILL, and dials the follower
until it has approved a payment. The time is from the signal to that answer. Then the dead one is started again, and the
next round begins once it follows.
"""

import argparse
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import trio
from msgspec import Struct
from rich.console import Console

from authoriser.admin.client import AdminClient, ClientError
from authoriser.cassandra.schema_versions import create_schema
from authoriser.cassandra.session import CassandraConfig
from authoriser.config_cassandra import HEARTBEAT_DEFAULT_MS, LEASE_DEFAULT_MS
from authoriser.config_checks import parse_address
from benchmarks.keyspace import drop_keyspace
from benchmarks.machine import Machine, look, platform_line
from isowire.framing import FRAMINGS
from simulator.cards import Card, make_cards, write_cards
from simulator.checks import APPROVED
from simulator.errors import SimulatorError
from simulator.messages import Fields, Payment, Place, authorisation
from simulator.network import Exchange, Line, dialler
from stack import Stack, Wanted
from stack.errors import StackError

CREDIT_MINOR = 1_000_000_000
READY_MAX_S = 60.0
DIAL_EVERY_S = 0.005
PATIENCE_S = 2.0
STAN_MAX = 999_999


PLACE = Place(
    merchant_id="SHOP0000000001",
    terminal_id="TERM0001",
    name="Corner Shop",
    city="Lisboa",
    country="PT",
    mcc="5411",
    acquirer="00000123456",
    zone=UTC,
)


class TakeoverError(Exception):
    """Nothing could be measured; the text says why."""


class Setting(Struct, frozen=True):
    """How much is measured. `load_s` is how long the leader is paid at before it is killed, at `rate_per_s`."""

    rounds: int = 50
    cards: int = 1_000
    rate_per_s: float = 200.0
    load_s: float = 2.0
    heartbeat_ms: int = HEARTBEAT_DEFAULT_MS
    lease_ms: int = LEASE_DEFAULT_MS


class Report(Struct, frozen=True):
    """`takeovers_ms`: from SIGKILL to the first approval of the follower, one a round, in their order."""

    machine: Machine
    setting: Setting
    takeovers_ms: list[float]
    median_ms: float
    p90_ms: float
    longest_ms: float


class Server:
    """One of the two processes."""

    def __init__(
        self, home: Path, name: str, contact: tuple[str, int], keyspace: str, setting: Setting
    ) -> None:
        self.home = home / name
        self.home.mkdir()
        self.data = self.home / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._config = self.home / "authoriser.toml"
        self._config.write_text(
            f"data_dir = '{self.data}'\n[keys]\npan_key_file = '{home / 'pan.key'}'\n"
            f"[[links]]\nlisten = '127.0.0.1:{self.port}'\n"
            f"[cassandra]\ncontact_points = ['{contact[0]}']\nport = {contact[1]}\nkeyspace = '{keyspace}'\n"
            f"heartbeat_ms = {setting.heartbeat_ms}\nlease_ms = {setting.lease_ms}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "authoriser", "serve", "--config", str(self._config)],
                stdout=log,
                stderr=log,
            )

    def end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def role(self) -> str:
        try:
            with AdminClient(self.data / "admin.sock", retry_pause_s=0.05) as client:
                return str(client.call("status").role)
        except ClientError:
            return ""

    async def until(self, role: str) -> None:
        """Raises TakeoverError with what it logged last."""
        with trio.move_on_after(READY_MAX_S):
            while await trio.to_thread.run_sync(self.role) != role:  # noqa: ASYNC110 - another process
                await trio.sleep(0.05)
            return
        tail = (self.home / "server.log").read_text("utf-8")[-1000:]
        raise TakeoverError(f"{self.home.name} did not become {role}:\n{tail}")


class Payments:
    """One purchase after the other, each on the next card."""

    def __init__(self, cards: list[Card]) -> None:
        self._cards = cards
        self._sent = 0

    def next(self) -> Fields:
        self._sent += 1
        card = self._cards[self._sent % len(self._cards)]
        payment = Payment(
            pan=card.pan,
            expiry=card.expiry,
            amount_minor=100,
            currency_number="978",
            place=PLACE,
            entry_mode="071",
            condition="00",
        )
        return authorisation(payment, stan=f"{self._sent % STAN_MAX + 1:06}", at=datetime.now(UTC))


async def pay(server: Server, payments: Payments, setting: Setting) -> None:
    """At a steady rate for a while, not waiting for answers."""
    stream = await dialler("127.0.0.1", server.port)()
    line = Line(stream, FRAMINGS["bin2"])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.run)
        due = trio.current_time()
        for _ in range(int(setting.rate_per_s * setting.load_s)):
            line.put(_unheeded(payments.next()))
            due += 1 / setting.rate_per_s
            await trio.sleep_until(due)
        nursery.cancel_scope.cancel()


def _unheeded(fields: Fields) -> Exchange:
    return Exchange(fields=fields, due_s=trio.current_time(), on_done=lambda _exchange: None)


async def first_approval(server: Server, payments: Payments) -> float:
    """When the first payment was approved, seconds of trio's clock. Dials until somebody listens."""
    dial = dialler("127.0.0.1", server.port)
    with trio.move_on_after(READY_MAX_S):
        while True:
            reply: Fields = {}
            try:
                line = Line(await dial(), FRAMINGS["bin2"])
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(line.run)
                    reply = await line.ask(payments.next(), patience_s=PATIENCE_S)
                    nursery.cancel_scope.cancel()
            except* SimulatorError:
                pass  # nobody listens yet, or who listened is gone
            if reply.get("39") == APPROVED:
                return trio.current_time()
            await trio.sleep(DIAL_EVERY_S)
    raise TakeoverError(f"nobody approved anything within {READY_MAX_S:g} s")


async def measure(setting: Setting, home: Path, contact: tuple[str, int], console: Console | None) -> Report:
    """The whole run, in `home`. Raises TakeoverError."""
    machine = look(home)
    keyspace = f"takeover_{secrets.token_hex(4)}"
    config = CassandraConfig((contact,), keyspace)
    await create_schema(config, 1)
    servers = [Server(home, name, contact, keyspace, setting) for name in ("one", "two")]
    try:
        cards = make_cards(setting.cards, credit_minor=CREDIT_MINOR)
        takeovers = await _rounds(setting, home, servers, cards, console)
    finally:
        for server in servers:
            server.end(signal.SIGKILL)
        await drop_keyspace(config)
    ordered = sorted(takeovers)
    return Report(
        machine=machine,
        setting=setting,
        takeovers_ms=takeovers,
        median_ms=statistics.median(ordered),
        p90_ms=ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))],
        longest_ms=ordered[-1],
    )


async def _rounds(
    setting: Setting, home: Path, servers: list[Server], cards: list[Card], console: Console | None
) -> list[float]:
    leader, follower = servers
    leader.start()
    await leader.until("leader")
    file = home / "cards.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        write_cards(cards, out)
    command = [sys.executable, "-m", "authoriser", "import", str(file), "--data", str(leader.data)]
    await trio.run_process(command, capture_stdout=True)
    follower.start()
    payments = Payments(cards)
    takeovers: list[float] = []
    for number in range(setting.rounds):
        await follower.until("follower")
        await pay(leader, payments, setting)
        began = trio.current_time()
        leader.end(signal.SIGKILL)
        took_ms = 1000 * (await first_approval(follower, payments) - began)
        takeovers.append(took_ms)
        if console is not None:
            console.print(f"[dim]round {number + 1} of {setting.rounds}: {took_ms:,.0f} ms[/dim]")
        leader, follower = follower, leader
        follower.start()
    return takeovers


@contextmanager
def a_cassandra(given: str | None, home: Path) -> Iterator[tuple[str, int]]:
    """The address of the one that is given, or of one that lives as long as the block."""
    if given is not None:
        address = parse_address(given)
        yield address.host, address.port
        return
    with Stack(home / "stack", Wanted(cassandra_nodes=1, kafka_nodes=0), tied=True) as stack:
        node = stack.node("cassandra")
        yield node.host, node.port


def show(report: Report, console: Console) -> None:
    machine, setting = report.machine, report.setting
    console.print(f"{machine.cpu}, {machine.cores} cores, load {machine.load_average:.1f}, {machine.python}")
    console.print(
        f"{setting.cards:,} cards, {setting.rate_per_s:g} payments/s; heartbeat {setting.heartbeat_ms} ms, lease "
        f"{setting.lease_ms} ms; commit {machine.commit}"
    )
    ordered = sorted(report.takeovers_ms)
    console.print(f"from SIGKILL to the follower's first approval, {len(ordered)} takeovers:")
    for name, value in (
        ("shortest", ordered[0]),
        ("median", report.median_ms),
        ("p90", report.p90_ms),
        ("longest", report.longest_ms),
    ):
        console.print(f"  {name:9} {value:8,.0f} ms")
    console.print("What these do not show stands at the top of benchmarks/takeover.py.")


def main() -> None:
    """Exit code 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.takeover",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("rounds", "cards", "heartbeat-ms", "lease-ms"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("rate-per-s", "load-s"):
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--contact", help="HOST:PORT of a Cassandra that runs; without, one is started")
    parser.add_argument("--dir", type=Path, default=Path(), help="where a directory is made for the while")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--versions", action="store_true", help="print versions and commit, measure nothing")
    arguments = parser.parse_args()
    if arguments.versions:
        sys.stdout.write(platform_line() + "\n")
        return
    given = {name: getattr(arguments, name) for name in Setting.__struct_fields__}
    setting = Setting(**{name: value for name, value in given.items() if value is not None})
    console = Console(width=100, highlight=False)
    home = Path(tempfile.mkdtemp(prefix=".benchmark-", dir=arguments.dir)).absolute()
    try:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            contact = stack.enter_context(a_cassandra(arguments.contact, home))
            report = trio.run(measure, setting, home, contact, None if arguments.json else console)
    except (StackError, TakeoverError) as problem:
        sys.exit(f"nothing was measured: {problem}")
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        show(report, console)


if __name__ == "__main__":
    main()
