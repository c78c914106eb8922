"""The file of what runs, the processes in it, and their ports."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stack import Stack, StackError, Wanted
from stack.__main__ import main
from stack.ports import choose_port, is_free
from stack.state import Node, State, alive, condition, load_state, save_state, signal_node, started_ticks

NODE = Node("kafka", 1, "127.0.0.1", 9092, 9093, "/stack/kafka-1")


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


def running(process: "subprocess.Popen[bytes]", directory: Path) -> Node:
    return msgspec.structs.replace(
        NODE, pid=process.pid, started_ticks=started_ticks(process.pid), directory=str(directory)
    )


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Nothing is lost between two commands."""
    state = State(nodes=(NODE,), commitlog_sync="group", heap_mb=300)
    save_state(tmp_path, state)
    assert load_state(tmp_path) == state
    assert load_state(tmp_path / "elsewhere") == State()


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """A file that is not ours is named, and not overwritten by guess."""
    (tmp_path / "state.json").write_text("[1]")
    with pytest.raises(StackError, match=r"state\.json is not what the stack writes"):
        load_state(tmp_path)


def test_a_process_is_known_by_its_start_too(process: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """A later process of the same id is not ours: it is neither seen nor signalled."""
    ours = running(process, tmp_path)
    assert ours.started_ticks is not None
    theirs = msgspec.structs.replace(ours, started_ticks=ours.started_ticks - 1)
    assert (condition(ours), condition(theirs), condition(NODE)) == ("running", "down", "down")
    with pytest.raises(StackError, match="kafka 1 does not run"):
        signal_node(theirs, signal.SIGKILL)
    assert process.poll() is None


def test_paused_resumed_killed(process: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """The three faults of the command line, on a process that stands for a server."""
    save_state(tmp_path, State(nodes=(running(process, tmp_path),)))
    stack = Stack(tmp_path)
    stack.pause("kafka")
    assert condition(stack.node("kafka")) == "paused"
    stack.resume("kafka")
    assert condition(stack.node("kafka")) == "running"
    stack.kill("kafka")
    assert not alive(stack.node("kafka"))
    assert process.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize(("forget", "number"), [(False, signal.SIGTERM), (True, signal.SIGKILL)])
def test_down_stops_a_paused_process_too(
    process: "subprocess.Popen[bytes]", tmp_path: Path, *, forget: bool, number: int
) -> None:
    """SIGTERM waits behind SIGSTOP: `down` continues it first. `--forget` removes what it had."""
    directory = tmp_path / "kafka-1"
    directory.mkdir()
    state = State(nodes=(running(process, directory),))
    save_state(tmp_path, state)
    process.send_signal(signal.SIGSTOP)
    Stack(tmp_path).down(forget=forget)
    assert process.wait(10) == -number
    assert load_state(tmp_path) == (State() if forget else state)
    assert directory.exists() is not forget


def test_the_usual_port_is_taken_if_free_and_another_if_not() -> None:
    """Somebody else's server on the usual port moves ours; so does a port that is planned for another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        other = choose_port(["127.0.0.1"], port)
        assert other != port
    assert choose_port(["127.0.0.1"], other) == other
    assert choose_port(["127.0.0.1"], other, {other}) != other


def test_a_port_has_to_be_free_on_every_address() -> None:
    """The nodes of a cluster share their number, so one taken on the third address is no good on the first."""
    with socket.create_server(("127.0.0.3", 0)) as taken:
        port = taken.getsockname()[1]
        assert is_free("127.0.0.1", port)
        assert choose_port(["127.0.0.1", "127.0.0.3"], port) != port


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (Wanted(cassandra_nodes=4), "4 Cassandra nodes; 0 to 3 are run"),
        (Wanted(kafka_nodes=2), "2 Kafka nodes; 0 or 1 are run"),
        (Wanted(commitlog_sync="periodic"), '"periodic" should be batch or group'),
    ],
)
def test_what_is_not_run_is_refused(tmp_path: Path, wanted: Wanted, text: str) -> None:
    """Before anything is written or started."""
    with pytest.raises(StackError, match=text):
        Stack(tmp_path, wanted).up()
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown server is an error in one line; nothing started is no success of `status`."""
    assert main(["--directory", str(tmp_path), "status"]) == 1
    assert main(["--directory", str(tmp_path), "kill", "cassandra", "2"]) == 1
    out, err = capsys.readouterr()
    assert out == "nothing was started here; `python -m stack up` does\n"
    assert err == ("stack: There is no cassandra 2 here. There are: none; `python -m stack up` makes them.\n")


def test_the_command_shows_what_runs(
    process: "subprocess.Popen[bytes]", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a server, and its log by its name."""
    save_state(tmp_path, State(nodes=(running(process, tmp_path),)))
    (tmp_path / "server.log").write_text("all is well\n")
    assert main(["--directory", str(tmp_path), "status"]) == 0
    assert main(["--directory", str(tmp_path), "logs", "kafka"]) == 0
    assert capsys.readouterr().out == (
        f"kafka 1      running  127.0.0.1:9092  pid {process.pid}  {tmp_path}/server.log\nall is well\n"
    )
