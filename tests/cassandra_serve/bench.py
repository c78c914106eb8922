"""The processes of one shard as an operator and a network see them: started, killed, stopped, continued, and asked.

Owns the network's side too: lines that dial whoever listens, repeat what was not answered, and remember what was said.
Speaks pyiso8583 alone, and reads the journal from Cassandra for the comparison at the end.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import iso8583
import trio
from iso8583.specs import default_ascii

from authoriser.admin.client import AdminClient, ClientError
from authoriser.journal.batch import decode_batch
from authoriser.ledger.digest import problems

START_MAX_S = 60
PATIENCE_S = 3.0
"""How long a network waits for an answer before it tries another line."""
WINDOW = 8
CARDS = 40
CREDIT_MINOR = 5_000_000
ASKED_MOST = 200
"""Accounts that the leader is asked for at the end."""
LEASE_MS, HEARTBEAT_MS = 2000, 400

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
            f"[[links]]\nlisten = '127.0.0.1:{self.address[1]}'\n[cassandra]\n" + "\n".join(lines) + "\n"
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
    """Processes that share one keyspace."""

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
        rows = [f"{pan(card)},4912,acc-{card // 2},EUR,{CREDIT_MINOR}" for card in range(self.cards)]
        cards.write_text("\n".join(["pan,expiry,account,currency,credit_minor", *rows, ""]))
        command = [sys.executable, "-m", "authoriser", "import", str(cards), "--data", str(first.data)]
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True)
        assert done.returncode == 0
        second.start()
        await second.until("follower")
        return first, second

    async def leader(self) -> Process:
        with trio.fail_after(START_MAX_S):
            while True:
                for process in self.processes:
                    if process.started and await trio.to_thread.run_sync(process.role) == "leader":
                        return process
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
    with trio.move_on_after(1.0), contextlib.suppress(OSError):
        return Line(await trio.open_tcp_stream(*process.address))
    return None


class Network:
    """What the outside knows: every message sent, and the first answer that was heard to it."""

    def __init__(self, seed: int, cards: int = CARDS) -> None:
        self.random = random.Random(seed)
        self.cards = cards
        self.sent: dict[str, Message] = {}
        self.heard: dict[str, tuple[str, str]] = {}
        self.stopping = False
        self._reversed: set[str] = set()
        self._stan = 0
        self._approved: list[str] = []

    def next_message(self) -> Message:
        """A purchase mostly, now and then the reversal of an approval that was heard."""
        self._stan += 1
        stan = f"{self._stan:06}"
        if self._approved and self.random.random() < 0.15:
            first = self.sent[self._approved.pop(self.random.randrange(len(self._approved)))]
            reference = f"0100{first['11']}{first['7']}{first['32']:>011}{'0' * 11}"
            message = {**first, "t": "0420", "11": stan, "90": reference}
        else:
            message = purchase(stan, self.random.randrange(self.cards), self.random.randrange(100, 9_000))
        self.sent[stan] = message
        return message

    def hears(self, reply: Message) -> None:
        key, answer = reply["11"], (reply["39"], reply.get("38", ""))
        known = key in self.heard
        first = self.heard.setdefault(key, answer)
        assert answer == first, f"STAN {key} was answered {first} and then {answer}"
        if not known and answer[0] == "00" and self.sent[key]["t"] == "0100":
            self._approved.append(key)

    async def till(self, processes: list[Process]) -> None:
        """WINDOW messages in flight until `stopping`: on a lost or silent line to whoever listens, repeating them."""
        open_messages: dict[str, Message] = {}
        for turn in range(1_000_000):
            if self.stopping:
                return
            line = await dial(processes[turn % len(processes)])
            if line is None:
                await trio.sleep(0.02)
                continue
            try:
                async with line.stream:
                    await self._talk(line, open_messages)
            except trio.BrokenResourceError:
                pass
            except trio.TooSlowError:
                pass

    async def _talk(self, line: Line, open_messages: dict[str, Message]) -> None:
        for message in open_messages.values():
            await line.send({**message, "t": message["t"][:3] + "1"})
        while not self.stopping:
            while len(open_messages) < WINDOW:
                message = self.next_message()
                open_messages[message["11"]] = message
                await line.send(message)
            with trio.fail_after(PATIENCE_S):
                reply = await line.receive()
            self.hears(reply)
            open_messages.pop(reply["11"], None)

    async def repeat_everything(self, process: Process) -> None:
        """0101 and 0421 for all that was sent: each gets the answer that was first heard, if any was."""
        line = await dial(process)
        assert line is not None
        keys = list(self.sent)
        async with line.stream:
            for start in range(0, len(keys), 64):
                for key in keys[start : start + 64]:
                    await line.send({**self.sent[key], "t": self.sent[key]["t"][:3] + "1"})
                for _ in keys[start : start + 64]:
                    with trio.fail_after(30):
                        self.hears(await line.receive())


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


async def check_from_outside(shard: Shard, network: Network) -> None:
    """What clients heard, what stands in Cassandra and what the leader says, held against each other."""
    from authoriser.events import event_of
    from authoriser.recovery import Replayer

    leader = await shard.leader()
    await network.repeat_everything(leader)
    replayer = Replayer(0)
    events = []
    epochs = []
    for seq, blob in await shard.log():
        batch, _ = decode_batch(blob, seq=seq, shard=0, previous_hash=None)
        replayer.feed(seq, blob)
        epochs.append(batch.epoch)
        events += [
            event_of(record, number=number, seq=seq, shard=0)
            for number, record in enumerate(batch.records, batch.first_record_no)
        ]
    assert epochs == sorted(epochs)
    assert [event["record"] for event in events] == list(range(1, len(events) + 1))
    approved = Counter(e["stan"] for e in events if e["type"] == "card.authorisation.approved")
    holds = {e["hold_id"]: e["stan"] for e in events if e["type"] == "card.authorisation.approved"}
    void = {holds[e["hold_id"]] for e in events if e["type"] == "hold.voided"}
    heard = {k for k, (code, _) in network.heard.items() if code == "00" and network.sent[k]["t"] == "0100"}
    assert heard == (set(approved) & set(network.sent)) - void
    assert max(approved.values()) == 1
    assert problems(replayer.state) == []
    held, balance = Counter[str](), Counter[str]()
    for event in events:
        if event["type"] == "card.authorisation.approved":
            held[event["account"]] += event["amount_minor"]
        elif "released_minor" in event:
            held[event["account"]] -= event["released_minor"]
        elif event["type"] == "account.credited":
            balance[event["account"]] += event["amount_minor"]
    cards = range(0, shard.cards, 2)
    for card in cards if len(cards) <= ASKED_MOST else network.random.sample(cards, ASKED_MOST):
        name = f"acc-{card // 2}"
        shown = (await trio.to_thread.run_sync(ask_account(leader, name))).account
        kept = replayer.state.accounts[name]
        assert (shown.balance_minor, shown.held_minor) == (balance[name], held[name])
        assert (kept.balance_minor, kept.held_minor) == (balance[name], held[name])


def ask_account(process: Process, name: str) -> Callable[[], Any]:
    return lambda: process.ask("account.show", account=name)


def rounds(default: int = 3) -> int:
    """How often something is killed or stopped: AUTHORISER_TAKEOVER_ROUNDS, or a few."""
    return int(os.environ.get("AUTHORISER_TAKEOVER_ROUNDS", default))
