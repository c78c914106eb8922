"""The demo on the stack: its own checks, its words without Java, and all of it on the real servers, shorter."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authoriser.config import load_config
from demo.checks import CheckFailed
from demo.on_stack.checks import each_has_one_push, feed_agrees, wanted_in_feed
from demo.on_stack.place import LEASE_MS, StackPlace
from demo.on_stack.pushes import COLUMNS, Push, PushLog, push_line
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
DEMO_MAX_S = 300
"""It runs some thirty commands; on two cores that others work on as well each takes seconds."""


def event(number: int, kind: str = "card.authorisation.approved", **more: Any) -> dict[str, Any]:
    return {"id": f"0-{number}", "type": kind, "account": "alice", "amount_minor": 100} | more


def push(number: int, text: str = "1.00 EUR at Grocer.") -> Push:
    return Push(f"0-{number}", "2026-11-26T10:11:12.000Z", "alice", "approved", text)


EVENTS = [
    event(1, "account.credited"),
    event(2),
    event(3, "card.authorisation.declined"),
    event(4, amount_minor=0),
    event(5, account="bob"),
    event(6, "card.state_changed"),
]


def test_each_payment_is_told_once() -> None:
    """Approvals that hold money; declines may be told too, and what asked for nothing need not be."""
    assert each_has_one_push(EVENTS, [push(2), push(5)]) == 2
    assert each_has_one_push(EVENTS, [push(2), push(3), push(5)]) == 3


@pytest.mark.parametrize(
    ("pushes", "words"),
    [
        ([push(2)], "event 0-5 was approved, and nobody was told (one of 1)"),
        ([push(2), push(5), push(5)], "event 0-5 was told twice (one of 1)"),
        ([push(2), push(5), push(9)], "event 0-9 was told, and is no event of the journal (one of 1)"),
    ],
    ids=["missing", "twice", "of nothing"],
)
def test_what_is_not_told_once_is_found(pushes: list[Push], words: str) -> None:
    """A payment that nobody hears of, one that is told twice, and one that never was."""
    with pytest.raises(CheckFailed) as failed:
        each_has_one_push(EVENTS, pushes)
    assert words in str(failed.value)


def test_the_feed_shows_an_accounts_events_the_latest_first() -> None:
    """More may be in it; what must be is there, in order, once."""
    assert wanted_in_feed("alice", EVENTS) == ["0-4", "0-3", "0-2", "0-1"]
    feed_agrees("alice", EVENTS, [{"event_id": f"0-{number}"} for number in (6, 4, 3, 2, 1)])
    for wrong in ((4, 3, 1), (3, 4, 2, 1), (4, 3, 2, 1, 1)):
        with pytest.raises(CheckFailed):
            feed_agrees("alice", EVENTS, [{"event_id": f"0-{number}"} for number in wrong])


def test_pushes_are_read_while_they_come(tmp_path: Path) -> None:
    """A line that is not whole yet waits; what was read is not read again."""
    path = tmp_path / "out"
    log = PushLog(path)
    log.read()
    first, second = (msgspec.json.encode(push(number)) + b"\n" for number in (1, 2))
    path.write_bytes(first + second[:20])
    log.read()
    assert [one.id for one in log.pushes] == ["0-1"]
    path.write_bytes(first + second)
    assert [line.plain for line in log.latest()][-1] == "10:11:12  push to alice: 1.00 EUR at Grocer."
    assert [one.id for one in log.pushes] == ["0-1", "0-2"]
    assert len(push_line(push(3, "long " * 40)).plain) <= COLUMNS


def test_both_servers_have_one_shard_and_one_address(tmp_path: Path) -> None:
    """Their configurations are right ones, and differ in the data directory alone."""
    place = StackPlace(tmp_path / "demo", cards=20, own_names=True)
    place.make()
    place.configure("127.0.0.1:9042", "127.0.0.1:9092")
    first, second = (load_config(server.config) for server in (place.first, place.second))
    assert first.cassandra is not None
    assert first.cassandra.lease_ms == LEASE_MS
    assert (
        msgspec.structs.replace(first, data_dir=second.data_dir, admin=second.admin, file=second.file)
        == second
    )
    assert first.data_dir != second.data_dir


def test_without_java_it_says_what_to_install(tmp_path: Path) -> None:
    """Exit code 1, in the words of the stack; nothing is left running."""
    environment = os.environ | {"PATH": str(tmp_path), "JAVA_HOME": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "demo.on_stack", "--directory", str(tmp_path / "demo")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    said = " ".join(done.stdout.split())
    assert "Cassandra and Kafka did not start." in said
    assert "There is no `java` on the PATH. Install Java 17" in said


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_on_the_stack_tells_its_story(
    tmp_path: Path, cassandra_stack: Stack, kafka_stack: Stack
) -> None:
    """Exit code 0 and the lines that matter, on servers that run already; nothing wider than a terminal."""
    directory = tmp_path / "demo"
    options = ["--seconds", "5", "--cards", "60", "--rate", "80", "--directory", str(directory)]
    servers = ["--cassandra", cassandra_stack.node("cassandra").address]
    servers += ["--kafka", kafka_stack.node("kafka").address]
    done = subprocess.run(
        [sys.executable, "-m", "demo.on_stack", *options, *servers],
        cwd=ROOT, capture_output=True, text=True, timeout=DEMO_MAX_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for line in (
        "1/15 Start Cassandra and Kafka",
        " has schema version ",
        "is ready: demo on 127.0.0.1:",
        "follows shard 0: ",
        "has brought all events so far to Kafka",
        "push texts so far, as they come out of Kafka",
        "Your card is frozen, so ",
        "is dead, its relay and the network's connections with it",
        "the other server leads ",
        "is still frozen [P5]",
        "the killed server is back, and follows",
        "approvals heard are in the journal, code by code",
        "repeats got the same answer, to the approval code",
        "payments were told to their customers",
        "rows, the latest first",
        "every check passed: ",
        "no card number in the ",
        "held and available, added up here from events, are what the server says",
        "servers and readers ended with exit code 0",
        "Every check held",
    ):
        assert line in done.stdout, line
    assert "\x1b" not in done.stdout
    told = [line for line in done.stdout.splitlines() if str(directory) not in line]
    assert max(map(len, told)) <= 80
