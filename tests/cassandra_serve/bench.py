"""The processes of one shard as an operator and a network see them: started, killed, stopped, continued, and asked.

Owns a line of the network's too, which speaks pyiso8583 alone. What a network says on it is its user's.
"""

import contextlib
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import iso8583
import trio
from iso8583.specs import default_ascii

from authoriser.admin.client import AdminClient, ClientError
from drills.evidence import Shown

START_MAX_S = 60
PATIENCE_S = 3.0
"""How long a network waits for an answer before it tries another line."""
DIAL_MAX_S = 10.0
WINDOW = 8
CARDS = 40
CREDIT_MINOR = 5_000_000
LEASE_MS, HEARTBEAT_MS = 5000, 400
"""A machine that stands still for two seconds changes no leader. The deadline of replies is the lease: the longest."""

Message = dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One `authoriser serve` of the shard."""

    def __init__(self, shard: "Shard", name: str, **cassandra: Any) -> None:
        self.name = name
        self.home = shard.directory / name
        self.home.mkdir()
        self.address = ("127.0.0.1", free_port())
        self.data = self.home / "data"
        self.config = self.home / "authoriser.toml"
        keys = {
            "contact_points": [shard.host],
            "port": shard.port,
            "keyspace": shard.keyspace,
            "heartbeat_ms": HEARTBEAT_MS,
            "lease_ms": LEASE_MS,
        } | cassandra
        lines = [f"{key} = {_toml(value)}" for key, value in keys.items()]
        self.config.write_text(
            f"data_dir = '{self.data}'\n[keys]\npan_key_file = '{shard.directory / 'pan.key'}'\n"
            f"[[links]]\nlisten = '127.0.0.1:{self.address[1]}'\nreply_deadline_ms = {LEASE_MS}\n[cassandra]\n"
            + "\n".join(lines)
            + "\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "authoriser", "serve", "--config", str(self.config)]
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: int) -> int:
        """Send a signal, wait, and give the exit code."""
        process = self._process
        assert process is not None
        process.send_signal(number)
        self._process = None
        return process.wait(START_MAX_S)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    @property
    def started(self) -> bool:
        return self._process is not None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        """The exit code of a process that ends by itself."""
        assert self._process is not None
        process, self._process = self._process, None
        return process.wait(START_MAX_S)

    def log(self) -> str:
        return (self.home / "server.log").read_text()

    def ask(self, method: str, **params: Any) -> Any:
        """On the admin socket. Raises ClientError."""
        with AdminClient(self.data / "admin.sock", answer_timeout_s=10.0, retry_pause_s=0.05) as client:
            return client.call(method, **params)

    def role(self) -> str:
        """leader, follower, or "" where it does not say."""
        try:
            return str(self.ask("status").role)
        except ClientError:
            return ""

    async def until(self, role: str) -> None:
        """Return when it says that it has this role."""
        with trio.fail_after(START_MAX_S):
            while await trio.to_thread.run_sync(self.role) != role:
                assert self._process is not None
                assert self._process.poll() is None, self.log()
                await trio.sleep(0.05)


def _toml(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


class Shard:
    """Processes that share one keyspace, and its cards, two an account."""

    cards = CARDS

    def __init__(self, directory: Path, host: str, port: int, keyspace: str) -> None:
        self.directory = directory
        self.host, self.port, self.keyspace = host, port, keyspace
        self.processes: list[Process] = []

    def process(self, name: str, **cassandra: Any) -> Process:
        self.processes.append(Process(self, name, **cassandra))
        return self.processes[-1]

    async def pair(self) -> tuple[Process, Process]:
        """A leader, with its cards, and a follower."""
        first, second = self.process("first"), self.process("second")
        first.start()
        await first.until("leader")
        cards = self.directory / "cards.csv"
        rows = [
            f"{pan(card)},4912,{account_of(card)},EUR,{self.credit_minor(card)}" for card in range(self.cards)
        ]
        cards.write_text("\n".join(["pan,expiry,account,currency,credit_minor", *rows, ""]))
        command = [sys.executable, "-m", "authoriser", "import", str(cards), "--data", str(first.data)]
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True)
        assert done.returncode == 0
        second.start()
        await second.until("follower")
        return first, second

    def credit_minor(self, card: int) -> int:
        """What the card's account is opened with."""
        return CREDIT_MINOR

    async def leader(self) -> Process:
        with trio.fail_after(START_MAX_S):
            while True:
                for process in self.processes:
                    if process.started and await trio.to_thread.run_sync(process.role) == "leader":
                        return process
                await trio.sleep(0.05)

    async def accounts(self, names: list[str]) -> tuple[Process, list[Shown]]:
        """Who leads while all the others follow, and those accounts as they are there."""
        with trio.fail_after(START_MAX_S):
            while True:
                leader = await self.leader()
                others = [process for process in self.processes if process is not leader and process.started]
                roles = {await trio.to_thread.run_sync(process.role) for process in others}
                if roles <= {"follower"}:
                    with contextlib.suppress(ClientError):  # it leads no more
                        return leader, [await _shown(leader, name) for name in names]
                await trio.sleep(0.05)

    async def log(self) -> list[tuple[int, bytes]]:
        """Every batch in Cassandra."""
        from authoriser.cassandra.session import CassandraConfig, Session
        from authoriser.journal.cassandra import CassandraJournal

        config = CassandraConfig(((self.host, self.port),), self.keyspace)
        async with await Session.open(config) as session:
            journal = await CassandraJournal.open(session, shard=0)
            return await journal.read(1, 1_000_000)

    def close(self) -> None:
        for process in self.processes:
            if process.started:
                process.kill()


async def _shown(leader: Process, name: str) -> Shown:
    account = (await trio.to_thread.run_sync(partial(leader.ask, "account.show", account=name))).account
    return Shown(name, account.balance_minor, account.held_minor)


def account_of(card: int) -> str:
    """Two cards share one."""
    return f"acc-{card // 2}"


def pan(card: int) -> str:
    body = f"400000{card:09}"
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in body[::-2])
    return f"{body}{-(doubled + sum(int(digit) for digit in body[-2::-2])) % 10}"


class Line:
    """One connection of the network."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._data = b""

    async def send(self, message: Message) -> None:
        payload, _ = iso8583.encode(dict(message), default_ascii)
        await self.stream.send_all(len(payload).to_bytes(2, "big") + bytes(payload))

    async def receive(self) -> Message:
        """The next reply. Raises trio.BrokenResourceError where the connection ends."""
        while True:
            size = int.from_bytes(self._data[:2], "big")
            if len(self._data) >= 2 + size > 2:
                frame, self._data = self._data[2 : 2 + size], self._data[2 + size :]
                return iso8583.decode(frame, default_ascii)[0]
            more = await self.stream.receive_some()
            if not more:
                raise trio.BrokenResourceError("the server closed the connection")
            self._data += more

    async def rest(self, patience_s: float) -> bytes:
        """Whatever still comes, until the end of the connection or the patience is over."""
        data, self._data = self._data, b""
        with trio.move_on_after(patience_s), contextlib.suppress(trio.BrokenResourceError):
            while more := await self.stream.receive_some():
                data += more
        return data


async def dial(process: Process) -> Line | None:
    """None where nobody listens. A process that is stopped does: its kernel takes the line."""
    try:
        with trio.fail_after(DIAL_MAX_S):
            return Line(await trio.open_tcp_stream(*process.address))
    except OSError:
        return None


def purchase(stan: str, card: int, amount_minor: int) -> Message:
    return {
        "t": "0100",
        "2": pan(card),
        "3": "000000",
        "4": f"{amount_minor:012}",
        "7": "1123010203",
        "11": stan,
        "18": "5411",
        "22": "051",
        "32": "00000123456",
        "37": f"632701{stan}",
        "43": "Corner Shop              Lisboa       PT",
        "49": "978",
    }
