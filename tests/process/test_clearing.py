"""SIGKILL in the middle of a clearing file, with payments on the line: it goes on, and every cent is posted once.

Checked from the outside: what the command said, what `events`, `verify`, `account show` and `account history` say.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from authoriser.admin.client import AdminClient

CARDS = 20
PAYING = CARDS - 1
PURCHASES = 200
ROWS = 8_000
"""Seconds of posting, on a quick machine too: enough to be killed in the middle of."""
CREDIT_MINOR = 50_000_000
HEADER = (
    "kind,network,pan,amount,currency,settlement_date,reference,network_id,approval_code,acquirer,rrn,fee\n"
)
MARK = 800
"""The row of the only card that nothing else happens on: once it is posted, the file is being posted."""

Message = dict[str, str]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def pan(card: int) -> str:
    body = f"400000{card:09}"
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in body[::-2])
    return f"{body}{-(doubled + sum(map(int, body[-2::-2]))) % 10}"


def purchase(number: int) -> Message:
    return {
        "t": "0100",
        "2": pan(number % PAYING),
        "3": "000000",
        "4": f"{1_000 + number:012}",
        "7": "1123010203",
        "11": f"{number:06}",
        "18": "5411",
        "22": "051",
        "32": "00000123456",
        "37": f"63270{number:07}",
        "43": "Corner Shop              Lisboa       PT",
        "49": "978",
    }


def decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def clearing_file(approvals: dict[int, str]) -> tuple[str, dict[str, int]]:
    """A presentment for every approval, then refunds to make it long; and what each account gains by it."""
    lines, gains = [], Counter[str]()
    for number, code in approvals.items():
        minor, fee = 1_000 + number, number % 3
        lines.append(
            f"presentment,default,{pan(number % PAYING)},{decimal(minor)},EUR,2026-11-24,ref{number},,{code},"
            f"123456,,{decimal(fee)}"
        )
        gains[f"acc-{number % PAYING}"] -= minor + fee
    for number in range(len(lines), ROWS):
        card = number % PAYING if number != MARK else PAYING
        minor = 1 + number % 7
        lines.append(f"refund,default,{pan(card)},{decimal(minor)},EUR,2026-11-24,back{number},,,,,")
        gains[f"acc-{card}"] += minor
    return HEADER + "\n".join([*lines, ""]), gains


async def approved(server: Any, dial: Callable[[], Awaitable[Any]], folder: Path) -> dict[int, str]:
    """Cards with money, and authorisations on them: DE38 by the purchase's number."""
    rows = [f"{pan(card)},4912,acc-{card},EUR,{CREDIT_MINOR}" for card in range(CARDS)]
    (folder / "cards.csv").write_text("\n".join(["pan,expiry,account,currency,credit_minor", *rows, ""]))
    server.run("import", str(folder / "cards.csv"))
    line = await dial()
    for number in range(PURCHASES):
        await line.send(purchase(number))
    replies = [await line.receive() for _ in range(PURCHASES)]
    assert {reply["39"] for reply in replies} == {"00"}
    return {int(reply["11"]): reply["38"] for reply in replies}


class Payments:
    """Authorisations without end while a file is posted, on whatever line there is."""

    def __init__(self, dial: Callable[[], Awaitable[Any]]) -> None:
        self._dial = dial
        self.heard: dict[str, str] = {}
        self._number = 100_000

    async def pay(self) -> None:
        """Until the connection breaks or the task is cancelled."""
        line = await self._dial()
        try:
            while True:
                self._number += 1
                message = purchase(self._number) | {"4": "000000000001"}
                reply = await line.ask(message)
                self.heard[reply["11"]] = reply["39"]
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


def start_clearing(server: Any, file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "authoriser", "clear", str(file), "--json", "--data", str(server.data)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "80"}
    )


async def until_midway(server: Any) -> None:
    """Return when the row MARK is posted."""

    def balance_minor() -> int:
        return int(client.call("account.show", account=f"acc-{PAYING}").account.balance_minor)

    with AdminClient(server.data / "admin.sock") as client, trio.fail_after(60):
        while await trio.to_thread.run_sync(balance_minor) == CREDIT_MINOR:
            await trio.sleep(0.001)


async def finished(clearing: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = await trio.to_thread.run_sync(clearing.communicate)
    return clearing.returncode, out, err


def check_from_outside(server: Any, gains: dict[str, int], report: dict[str, Any], paid: int) -> None:
    """Every row is an event once; balances are credit plus what the file says; no hold of a cleared payment is left."""
    assert (report["rows"], report["posted"] + report["present"]) == (ROWS, ROWS)
    assert (report["reconciles"], report["mismatches"]) == (True, [])
    outcomes = {outcome["outcome"]: outcome["rows"] for outcome in report["outcomes"] if outcome["rows"]}
    assert outcomes == {"matched": PURCHASES, "forced": ROWS - PURCHASES}
    events = server.events()
    posted = Counter(event["reference"] for event in events if event["type"] == "clearing.posted")
    assert (len(posted), max(posted.values())) == (ROWS, 1)
    (total,) = report["totals"]
    assert total["credits_minor"] - total["debits_minor"] - total["fees_minor"] == sum(gains.values())
    held = 0
    with AdminClient(server.data / "admin.sock") as client:
        for account, gained in gains.items():
            shown = client.call("account.show", account=account).account
            assert shown.balance_minor == CREDIT_MINOR + gained, account
            held += shown.held_minor
            newest = client.call("account.history", account=account, limit=500).entries
            balances = [entry.balance_minor for entry in newest if entry.balance_minor is not None]
            assert (balances[0], newest[0].held_minor) == (shown.balance_minor, shown.held_minor)
        # And once more by the program that reads the journal itself, beside the server.
        beside = server.json("account", "history", account, "--limit", "500")["entries"]
        assert [entry["token"] for entry in beside] == [entry.token for entry in newest]
    assert held == paid
    assert server.json("verify")["ok"] is True


async def test_the_server_is_killed(server: Any, dial: Callable[[], Awaitable[Any]], tmp_path: Path) -> None:
    """The command says what to do; the same command then posts the rest, and the report is of the whole file."""
    server.start()
    text, gains = clearing_file(await approved(server, dial, tmp_path))
    file = tmp_path / "day.csv"
    file.write_text(text)
    payments = Payments(dial)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(payments.pay)
        clearing = start_clearing(server, file)
        await until_midway(server)
        server.kill()
    code, out, err = await finished(clearing)
    assert (code, out) == (1, "")
    assert err.endswith("run it again: what is posted is not posted twice\n")
    assert payments.heard
    assert set(payments.heard.values()) == {"00"}

    server.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(payments.pay)
        code, out, err = await finished(start_clearing(server, file))
        nursery.cancel_scope.cancel()
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["present"] > MARK
    assert report["posted"] > 0
    approvals = sum(1 for event in server.events() if _is_small_approval(event))
    assert approvals >= len(payments.heard)
    check_from_outside(server, gains, report, approvals)
    again = json.loads((await finished(start_clearing(server, file)))[1])
    assert (again["posted"], again["present"], again["totals"]) == (0, ROWS, report["totals"])


def _is_small_approval(event: dict[str, Any]) -> bool:
    return event["type"] == "card.authorisation.approved" and event["amount_minor"] == 1


async def test_the_command_is_killed(server: Any, dial: Callable[[], Awaitable[Any]], tmp_path: Path) -> None:
    """Nothing is left half done in the server: the same command goes on, and payments never stopped."""
    server.start()
    text, gains = clearing_file(await approved(server, dial, tmp_path))
    file = tmp_path / "day.csv"
    file.write_text(text)
    payments = Payments(dial)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(payments.pay)
        clearing = start_clearing(server, file)
        await until_midway(server)
        clearing.send_signal(signal.SIGKILL)
        code, _, _ = await finished(clearing)
        assert code == -signal.SIGKILL
        code, out, err = await finished(start_clearing(server, file))
        nursery.cancel_scope.cancel()
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert 0 < report["posted"] < ROWS - MARK
    approvals = sum(1 for event in server.events() if _is_small_approval(event))
    assert approvals >= len(payments.heard) > 0
    check_from_outside(server, gains, report, approvals)
