"""A world over TCP: the real server as a process, the admin socket beside it, and the journal that it writes.

Owns the process and both sockets. Messages are written and read by pyiso8583 alone. Days pass by ending the process
and starting it with a clock that is set ahead; silence is a network that does not read.
"""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import iso8583
import trio
from iso8583.specs import default_ascii

from authoriser.admin.client import AdminClient, AdminError
from authoriser.journal.sqlite import JOURNAL_FILE, read_batches
from authoriser.ledger.records import Decided, Reversed
from authoriser.places import SHARD, shard_directory
from tests.scenarios.format import DURATION_MS, Operator, Scenario, duration_ms
from tests.scenarios.messages import Fields
from tests.scenarios.world import ClearingRow, JournalReader, Names

PATIENCE_S = 20.0
HASTY_DEADLINE_MS = 600
"""Of the link whose network does not read: long enough for the disk, short enough to wait for."""
SMALL_BUFFER_BYTES = 4_096
"""For a kernel that soon takes no more."""
ECHOES = 1_000
"""At a time, until their replies get stuck: some 50,000 where the kernel holds four megabytes for a peer."""
ECHOES_MAX = 400_000
DEAF_MAX_S = 15.0
"""A peer that takes not one byte is given up after 30 seconds; until then one deaf line serves row after row."""
SET_AHEAD = Path(__file__).with_name("set_ahead.py")
READY = re.compile(r" on 127\.0\.0\.1:([0-9]+)")


class Served:
    """`authoriser serve` on a directory of its own. Everything in here blocks."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.data = directory / "data"
        self._process: subprocess.Popen[str] | None = None
        self._line: socket.socket | None = None
        self._deaf: socket.socket | None = None
        self._deaf_since_s = 0.0
        self._buffer = b""
        self._keys = itertools.count(1)
        self.ahead_ms = 0
        self._ports: list[int] = []
        config = (
            f"data_dir = '{self.data}'\n[keys]\npan_key_file = '{directory / 'pan.key'}'\n"
            "[[links]]\nname = 'patient'\nlisten = '127.0.0.1:0'\nreply_deadline_ms = 20000\n"
            f"[[links]]\nname = 'hasty'\nlisten = '127.0.0.1:0'\nreply_deadline_ms = {HASTY_DEADLINE_MS}\n"
        )
        (directory / "authoriser.toml").write_text(config, encoding="utf-8")

    def start(self) -> None:
        command = [sys.executable, str(SET_AHEAD), str(self.ahead_ms), "serve"]
        log = (self._directory / "server.log").open("a", encoding="utf-8")
        with log:
            self._process = subprocess.Popen(
                [*command, "--config", str(self._directory / "authoriser.toml")],
                env=os.environ | {"COLUMNS": "80"},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        self._ports = [int(port) for port in READY.findall(ready)]
        assert len(self._ports) == 2, ready + self.log()
        self._line = socket.create_connection(("127.0.0.1", self._ports[0]), timeout=PATIENCE_S)

    def stop(self, number: int = signal.SIGTERM) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if self._line is not None:
            self._line.close()
        self._close_deaf()
        process.send_signal(number)
        code = process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def log(self) -> str:
        return (self._directory / "server.log").read_text(encoding="utf-8")

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    # ---- the network's side

    def ask(self, messages: list[Fields]) -> list[Fields]:
        assert self._line is not None
        self._line.sendall(b"".join(_frame(message) for message in messages))
        return [self._receive() for _ in messages]

    def _receive(self) -> Fields:
        size = int.from_bytes(self._exactly(2), "big")
        fields, _ = iso8583.decode(self._exactly(size), default_ascii)
        return {number: text for number, text in fields.items() if number not in ("p", "1")}

    def _exactly(self, count: int) -> bytes:
        assert self._line is not None
        while len(self._buffer) < count:
            more = self._line.recv(65_536)
            assert more, "the server closed the line"
            self._buffer += more
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def unheard(self, messages: list[Fields], decided: Callable[[], bool]) -> None:
        """Ask on a line that nobody reads, and return when each answer was dropped at its deadline."""
        if self._deaf is None or time.monotonic() > self._deaf_since_s + DEAF_MAX_S:
            self._go_deaf(messages[0]["7"])
        assert self._deaf is not None
        self._deaf.sendall(b"".join(_frame(message) for message in messages))
        self.until(decided)
        self.until(lambda: self.status().in_flight == 0)
        self.settle()

    def _go_deaf(self, transmission: str) -> None:
        """A line whose buffers are full, in both kernels: nothing more gets out of the server on it."""
        self._close_deaf()
        self._deaf_since_s = time.monotonic()
        deaf = self._deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        deaf.settimeout(PATIENCE_S)
        deaf.connect(("127.0.0.1", self._ports[1]))
        echo = {"t": "0800", "7": transmission, "11": "000001", "70": "301"}
        frames = self.status().counters["frames"]
        for _ in range(ECHOES_MAX // ECHOES):
            deaf.sendall(_frame(echo) * ECHOES)
            frames += ECHOES
            self.until(lambda: self.status().counters["frames"] == frames)  # noqa: B023 - asked at once
            if self.status().in_flight:
                return
        raise AssertionError("the kernel takes everything")

    def _close_deaf(self) -> None:
        if self._deaf is not None:
            self._deaf.close()
            self._deaf = None

    def settle(self) -> None:
        """Return when all that was decided is durable: a look waits for that."""
        self.call("exceptions.list")

    def _stuck(self) -> bool:
        """Whether replies wait that no kernel takes: they are there still when everything decided is durable."""
        for _ in range(3):
            if not self.status().in_flight:
                return False
            time.sleep(0.02)
        return True

    # ---- the operators' side

    def call(self, method: str, **params: Any) -> Any:
        with AdminClient(self.data / "admin.sock") as client:
            return client.call(method, **params)

    def change(self, method: str, **params: Any) -> Any:
        return self.call(
            method, key=f"row-{next(self._keys)}-{self.ahead_ms}", reason="a row", actor="operator", **params
        )

    def status(self) -> Any:
        return self.call("status")

    def batches(self, from_seq: int) -> list[tuple[int, bytes]]:
        return read_batches(shard_directory(self.data, SHARD) / JOURNAL_FILE, from_seq, 1_000_000)

    def until(self, true: Callable[[], bool]) -> None:
        limit = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < limit, "it did not come in time"
            time.sleep(0.005)


def _frame(message: Fields) -> bytes:
    payload, _ = iso8583.encode(dict(message), default_ascii)
    return len(payload).to_bytes(2, "big") + bytes(payload)


class OverTcp:
    """The world of a scenario on a server that runs already, and that others use before and after."""

    def __init__(self, served: Served, journal: JournalReader) -> None:
        self._served = served
        self._cleared = 0
        self.journal = journal

    def now_ms(self) -> int:
        return self._served.now_ms()

    async def begin(self, scenario: Scenario, names: Names) -> None:
        await trio.to_thread.run_sync(self._begin, scenario, names)

    def _begin(self, scenario: Scenario, names: Names) -> None:
        change = self._served.change
        change("policy.load", text=scenario.policy)
        for name, account in scenario.accounts.items():
            account_id = names.account_id(name)
            change(
                "account.open",
                account=account_id,
                currency=account.currency,
                credit_line_minor=names.minor(account.credit_line, name),
                time_zone=account.time_zone,
            )
            balance_minor = names.minor(account.balance, name)
            if balance_minor:
                change("account.credit", account=account_id, amount_minor=balance_minor)
        for name, card in scenario.cards.items():
            if card.issued:
                account_id, pan = names.account_id(card.account), names.pan(name)
                change("card.issue", account=account_id, pan=pan, expiry=card.expiry, state=card.state)
                if card.controls is not None:
                    change("card.controls.set", card={"pan": pan}, **self._controls(card.controls))

    async def ask(self, messages: list[Fields]) -> list[Fields]:
        return await trio.to_thread.run_sync(self._served.ask, messages)

    async def unheard(self, messages: list[Fields]) -> None:
        await trio.to_thread.run_sync(self._served.unheard, messages, lambda: self._decided(len(messages)))

    def _decided(self, count: int) -> bool:
        self.journal.feed(self._served.batches(self.journal.next_seq))
        return sum(isinstance(record, Decided | Reversed) for record in self.journal.records) == count

    async def clear(self, row: ClearingRow) -> str:
        return await trio.to_thread.run_sync(self._clear, row)

    def _clear(self, row: ClearingRow) -> str:
        day = time.strftime("%Y%m%d", time.gmtime(self.now_ms() / 1000))
        said = {
            "line": 2,
            "kind": row.kind,
            "network": "default",
            "amount_minor": row.amount_minor,
            "currency": row.currency,
            "settlement_date": day,
            "pan": row.pan,
            "network_id": row.network_id,
            "approval_code": row.approval_code,
            "acquirer": row.acquirer,
            "rrn": row.rrn,
            "reference": row.reference,
            "merchant_id": row.merchant_id,
            "fee_minor": row.fee_minor,
            "transaction_date": day[:4] + row.purchased if row.purchased else "",
            "final": row.final,
        }
        try:
            self._served.call("clearing.post", file_sha256="0" * 64, rows=[said])
        except AdminError as refused:
            return refused.kind or "wrong params"
        return ""

    async def operate(self, step: Operator, names: Names) -> str:
        return await trio.to_thread.run_sync(self._operate, step, names)

    def _operate(self, step: Operator, names: Names) -> str:
        method, params = self._asked(step, names)
        try:
            self._served.change(method, **params)
        except AdminError as refused:
            return refused.kind or "wrong params"
        return ""

    def _asked(self, step: Operator, names: Names) -> tuple[str, dict[str, Any]]:
        if step.operator in ("freeze", "unfreeze", "block", "close"):
            return f"card.{step.operator}", {"card": {"pan": names.pan(step.card)}}
        if step.operator == "issue":
            account_id, pan = names.account_id(step.account), names.pan(step.card)
            return "card.issue", {"account": account_id, "pan": pan, "expiry": "4912"}
        if step.operator in ("adjust", "credit"):
            assert step.amount is not None, "an adjustment or credit has an amount"
            amount_minor = names.minor(step.amount, step.account)
            account_id = names.account_id(step.account)
            return f"account.{step.operator}", {"account": account_id, "amount_minor": amount_minor}
        if step.operator == "release":
            account_id, number = names.payment(step.payment)
            return "hold.release", {"account": account_id, "hold": str(number)}
        if step.operator == "settle":
            hold = str(names.payment(step.payment)[1]) if step.payment else None
            return "exceptions.settle", {"exception": names.exception(step.exception), "hold": hold}
        if step.operator == "controls":
            said = {"reset": True} if step.controls is None else self._controls(step.controls)
            return "card.controls.set", {"card": {"pan": names.pan(step.card)}, **said}
        if step.operator == "policy":
            return "policy.load", {"text": step.policy}
        days = duration_ms(step.overlap) // DURATION_MS["day"]
        new = {"pan": names.pan(step.new_card), "expiry": "5112", "overlap_days": days}
        return "card.replace", {"card": {"pan": names.pan(step.card)}, **new}

    def _controls(self, said: dict[str, Any]) -> dict[str, Any]:
        limits = []
        for wanted in said.get("limits", []):
            limit = dict(wanted)
            if "for" in limit:
                until_s = (self.now_ms() + duration_ms(limit.pop("for"))) / 1000
                limit["until"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until_s))
            limits.append(limit)
        return {**said, "limits": limits}

    async def wait(self, wait_ms: int) -> None:
        """The process ends, and starts again when the time has passed. A short wait is waited for."""
        if wait_ms <= 2 * DURATION_MS["second"]:
            await trio.sleep(wait_ms / 1000)
            return
        self._served.ahead_ms += wait_ms
        await self.restart(drained=True)

    async def restart(self, *, drained: bool) -> None:
        number = signal.SIGTERM if drained else signal.SIGKILL
        await trio.to_thread.run_sync(self._served.stop, number)
        await trio.to_thread.run_sync(self._served.start)
        # Holds that fell due meanwhile are let go of before anything is looked at, and a look waits for the disk.
        await trio.to_thread.run_sync(self._served.settle)

    async def look(self) -> None:
        self.journal.feed(await trio.to_thread.run_sync(self._served.batches, self.journal.next_seq))

    async def check_account(self, account_id: str, amounts: tuple[int, int, int]) -> None:
        """The admin socket says the same."""
        shown = await trio.to_thread.run_sync(self._shown, account_id)
        assert amounts == (shown.balance_minor, shown.held_minor, shown.available_minor)

    def _shown(self, account_id: str) -> Any:
        return self._served.call("account.show", account=account_id).account
