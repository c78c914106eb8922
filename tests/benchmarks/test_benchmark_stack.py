"""The benchmark on the real stack counts nothing that is not in Kafka as it should be, and runs end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.load import Answered, Measured
from benchmarks.stack_report import shares
from benchmarks.truth import UntrueError, require_true
from benchmarks.watch import APPROVED, Event
from simulator.tally import Latency
from stack import Stack
from stack.state import Node

REPOSITORY = Path(__file__).parents[2]


def event(record: int, seq: int = 1, kind: str = APPROVED) -> Event:
    return Event(f"0-{record}", record, seq, "2026-11-26T10:00:00.000Z", kind, f"R{record}", f"C{record}")


def answered(record: int, since_s: float, answered_s: float) -> Answered:
    return Answered(f"R{record}".encode(), f"C{record}".encode(), since_s, answered_s)


def test_what_is_in_kafka_once_and_in_order_is_true() -> None:
    """Two at once may stand in either order; records that nobody asked for stand between."""
    events = [event(1, kind="epoch.started"), event(2), event(3), event(4, seq=2)]
    answers = [answered(3, 0.0, 1.0), answered(2, 0.5, 1.0), answered(4, 1.1, 1.2)]
    assert require_true(answers, events, 4) == 3


@pytest.mark.parametrize(
    ("answers", "events", "words"),
    [
        ([], [event(1), event(3)], "record 3 where 2 is due"),
        ([], [event(1), event(2), event(2)], "record 2 where 3 is due"),
        ([], [event(2), event(1)], "record 2 where 1 is due"),
        ([], [event(1), event(2)], "the journal ends with record 3, and Kafka with 2"),
        ([], [event(1, seq=2), event(2, seq=1)], "record 2 is of batch 1, and stands after one of batch 2"),
        ([answered(4, 0.0, 1.0)], [event(1), event(2), event(3)], "Kafka has no such approval"),
        ([answered(2, 0.0, 1.0)], [event(1), event(2, kind="x"), event(3)], "Kafka has no such approval"),
        (
            [answered(1, 0, 1), answered(1, 0, 1)],
            [event(1), event(2), event(3)],
            "the answer to two requests",
        ),
        (
            [answered(1, 5.0, 6.0), answered(2, 4.0, 7.0), answered(3, 3.0, 4.5)],
            [event(1), event(2), event(3)],
            "record 3 was answered before record 1 was asked for, and stands after it",
        ),
    ],
)
def test_anything_else_is_not(answers: list[Answered], events: list[Event], words: str) -> None:
    """A gap, a copy, another order, an end that is missing, an approval that is missing or has another's place."""
    with pytest.raises(UntrueError, match=words):
        require_true(answers, events, 3)


def test_an_approval_that_is_there_twice_is_not() -> None:
    """Under two records: each answer would find one of them."""
    again = Event("0-2", 2, 1, "", APPROVED, "R1", "C1")
    with pytest.raises(UntrueError, match="DE37 R1 DE38 C1 is in Kafka twice: records 1 and 2"):
        require_true([], [event(1), again], 2)


def test_shares_add_up_to_what_the_machine_did() -> None:
    """Each process's cores, what is nobody's of ours, and what the host took."""
    measured = Measured(
        seconds=9.0,
        sent=1,
        answered=1,
        unanswered=0,
        latency=Latency(1, 1, 1, 1, 1, 1),
        lateness=None,
        server_user_s=3.0,
        server_system_s=1.0,
        load_cpu_s=2.0,
        cpu_s={"kafka": 5.0, "machine": 18.0, "steal": 1.0},
        measured_s=10.0,
    )
    found = shares(measured)
    assert found == pytest.approx({"server": 0.4, "load": 0.2, "kafka": 0.5, "others": 0.6, "steal": 0.1})


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_quick_run_of_the_whole(tmp_path: Path, cassandra_node: Node, kafka_stack: Stack) -> None:
    """Real servers, every phase: all answered, each in Kafka once, nothing is left on the disk."""
    place = ["--contact", cassandra_node.address, "--bootstrap", kafka_stack.node("kafka").address]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stack", "--quick", "--json", "--dir", str(tmp_path), *place],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    (opened,), (closed,) = report["open"], report["closed"]
    setting = report["setting"]
    count = setting["rate_per_s"] * setting["open_s"]
    assert (opened["measured"]["answered"], opened["to_kafka"]["count"]) == (count, count)
    assert (opened["measured"]["unanswered"], closed["measured"]["unanswered"]) == (0, 0)
    assert report["true_answers"] > count + closed["measured"]["answered"]
    assert report["events"] > report["true_answers"]
    assert min(report["yardstick_us"]) > 1
    assert {"relay", "consumer"} <= set(opened["measured"]["cpu_s"])
    assert list(tmp_path.iterdir()) == []
