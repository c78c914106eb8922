"""The journal read beside the leader that writes it: by commands of their own, and by the leader for its operators."""

import json
import subprocess
import sys

import pytest
import trio

from tests.cassandra_serve.bench import Process, Shard

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(600)]

COMMAND_MAX_S = 60


def run(process: Process, *words: str) -> str:
    command = [sys.executable, "-m", "authoriser", *words, "--config", str(process.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_MAX_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


async def test_readers_do_not_disturb_who_leads(shard: Shard) -> None:
    """It leads on, in its epoch, with every append known at once; and readers see what it acknowledged.

    A disk that stands still may leave an append unknown, or two. Readers that disturb do so again and again.
    """
    leader = shard.process("first")
    leader.start()
    await leader.until("leader")
    said = {"reason": "new", "actor": "ann"}
    before = leader.ask("status")
    leader.ask("account.open", account="alice", currency="EUR", **said)
    unknown = [before.counters.get("journal_retries", 0)]
    for number in range(5):
        leader.ask("account.credit", account="alice", amount_minor=100, key=f"k{number}", **said)
        reading = await trio.to_thread.run_sync(run, leader, "events", "--json")
        types = [json.loads(line)["type"] for line in reading.splitlines()]
        assert types == ["epoch.started", "account.opened", *["account.credited"] * (number + 1)]
        unknown.append(leader.ask("status").counters.get("journal_retries", 0))
    report = json.loads(await trio.to_thread.run_sync(run, leader, "verify", "--json"))
    assert (report["ok"], report["records"], report["accounts"]) == (True, 7, 1)
    after = leader.ask("status")
    unknown.append(after.counters.get("journal_retries", 0))
    assert (after.role, after.epoch) == ("leader", before.epoch)
    assert len(set(unknown)) <= 3
    shown = leader.ask("account.history", account="alice", limit=2, actor="ann")
    assert [(entry.kind, entry.balance_minor) for entry in shown.entries] == [
        ("credit", 500),
        ("credit", 400),
    ]
