"""Starting, stopping, killing and pausing the servers of one stack folder.

Owns the order of things and the folder: `jars/` (or a folder shared with others), `state.json`, and one folder a
server with its configuration, data and log. How each server is configured is in `stack.cassandra` and `stack.kafka`.
"""

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from stack import cassandra, kafka
from stack.artifacts import find_java, jars
from stack.errors import StackError
from stack.ports import choose_port
from stack.readiness import answers, require_driver
from stack.secure import Secure
from stack.state import (
    Node,
    State,
    alive,
    condition,
    load_state,
    save_state,
    signal_node,
    started_ticks,
)

DIRECTORY = Path(".stack")
LIBRARY = DIRECTORY / "jars"
SERVERS = ("cassandra", "kafka")
READY_MAX_S = 180.0
"""Ten seconds on an idle machine with two cores; a minute was seen on one that ten others worked on."""
STOP_MAX_S = 30.0
"""Cassandra flushes on SIGTERM. After this it is killed: its commit log has everything."""
POLL_S = 0.25
SIGNAL_POLL_S = 0.01
LOG_LINES_SHOWN = 5

Say = Callable[[str], None]


class Wanted(msgspec.Struct, frozen=True):
    """What `up` is to bring up. `commitlog_sync`: "batch" or "group"; `heap_mb`: megabytes a server."""

    cassandra_nodes: int = 1
    kafka_nodes: int = 1
    commitlog_sync: str = "batch"
    heap_mb: int = 512
    secure: Secure | None = None
    """Ask who is there: for servers that are made now."""


class Stack:
    """The servers of one folder. As a context manager it brings them up, and stops them at the end.

    `tied`: servers end with this process, however it ends (where setpriv of util-linux is at hand).
    """

    def __init__(
        self,
        directory: Path = DIRECTORY,
        wanted: Wanted | None = None,
        *,
        library: Path = LIBRARY,
        tied: bool = False,
        say: Say = lambda _text: None,
    ) -> None:
        self.directory = directory.absolute()
        self._wanted = wanted if wanted is not None else Wanted()
        self._library = library.absolute()
        self._tied = tied
        self._say = say
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()

    @property
    def nodes(self) -> tuple[Node, ...]:
        return load_state(self.directory).nodes

    def node(self, server: str, number: int = 1) -> Node:
        """Raises StackError, saying which there are, where there is no such server."""
        for node in self.nodes:
            if (node.server, node.number) == (server, number):
                return node
        known = ", ".join(node.name for node in self.nodes) or "none; `python -m stack up` makes them"
        raise StackError(f"There is no {server} {number} here. There are: {known}.")

    def up(self) -> None:
        """Start whatever is wanted and does not run, with the ports and the data it had; return when all serve.

        Raises MissingError, before anything is started, for what the machine lacks; StackError for a server that
        ended or did not serve in time. What was started then runs on: `down` stops it.
        """
        state = self._planned()
        for server in {node.server for node in state.nodes}:
            require_driver(server)
        java = find_java()
        wanted = dict.fromkeys(node.server for node in state.nodes)
        folders = {server: jars(server, self._library, self._say) for server in wanted}
        save_state(self.directory, state)
        for node in state.nodes:
            condition_now = condition(node)
            if condition_now == "down":
                self._start(node, java, folders[node.server], state)
            elif condition_now == "paused":
                signal_node(node, signal.SIGCONT)
        for node in self.nodes:
            self._until_ready(node)

    def start(self, server: str, number: int = 1) -> None:
        """Start one that was killed, on its data; return when it serves."""
        node = self.node(server, number)
        if not alive(node):
            self._start(node, find_java(), jars(server, self._library, self._say), load_state(self.directory))
        self._until_ready(self.node(server, number))

    def down(self, *, forget: bool = False) -> None:
        """Stop everything, paused or not; with `forget`, data, logs and ports are gone too.

        What is forgotten is killed: there is nothing that it would have to put in order first.
        """
        nodes = self.nodes
        for node in nodes:
            with contextlib.suppress(StackError, ProcessLookupError):
                signal_node(node, signal.SIGCONT)
                signal_node(node, signal.SIGKILL if forget else signal.SIGTERM)
        end = time.monotonic() + STOP_MAX_S
        for node in nodes:
            if not self._gone(node, end):
                with contextlib.suppress(StackError, ProcessLookupError):
                    signal_node(node, signal.SIGKILL)
                self._gone(node, time.monotonic() + STOP_MAX_S)
        if forget:
            for node in nodes:
                shutil.rmtree(node.directory, ignore_errors=True)
            save_state(self.directory, State())

    def kill(self, server: str, number: int = 1) -> None:
        """SIGKILL; returns when it is gone."""
        node = self.node(server, number)
        signal_node(node, signal.SIGKILL)
        if not self._gone(node, time.monotonic() + STOP_MAX_S):
            raise StackError(f"{node.name} was killed and is still there after {STOP_MAX_S:g} s.")

    def pause(self, server: str, number: int = 1) -> None:
        """SIGSTOP: it keeps its connections and says nothing, once this returns."""
        node = self.node(server, number)
        signal_node(node, signal.SIGSTOP)
        while condition(node) == "running":  # a signal takes hold when the kernel gets to it
            time.sleep(SIGNAL_POLL_S)

    def resume(self, server: str, number: int = 1) -> None:
        """SIGCONT: it goes on, once this returns."""
        node = self.node(server, number)
        signal_node(node, signal.SIGCONT)
        while condition(node) == "paused":
            time.sleep(SIGNAL_POLL_S)

    def _planned(self) -> State:
        """The state there is, with what is wanted and not in it yet. Its ports are chosen here and kept for good."""
        wanted = self._wanted
        if not 0 <= wanted.cassandra_nodes <= cassandra.NODES_MAX:
            raise StackError(f"{wanted.cassandra_nodes} Cassandra nodes; 0 to {cassandra.NODES_MAX} are run.")
        if wanted.kafka_nodes not in {0, 1}:
            raise StackError(f"{wanted.kafka_nodes} Kafka nodes; 0 or 1 are run.")
        if wanted.commitlog_sync not in cassandra.COMMITLOG_SYNC:
            allowed = " or ".join(cassandra.COMMITLOG_SYNC)
            raise StackError(f'commitlog_sync "{wanted.commitlog_sync}" should be {allowed}.')
        if wanted.secure is not None:
            wanted.secure.check()
        state = load_state(self.directory)
        secure = state.secure if state.nodes else wanted.secure
        there = {(node.server, node.number) for node in state.nodes}
        nodes = list(state.nodes)
        planned = [("cassandra", number) for number in range(1, wanted.cassandra_nodes + 1)]
        planned += [("kafka", number) for number in range(1, wanted.kafka_nodes + 1)]
        for server, number in planned:
            if (server, number) not in there:
                nodes.append(self._plan(server, number, nodes))
        return State(tuple(nodes), wanted.commitlog_sync, wanted.heap_mb, secure)

    def _plan(self, server: str, number: int, nodes: Sequence[Node]) -> Node:
        usual = (
            (cassandra.USUAL_PORT, cassandra.USUAL_STORAGE_PORT)
            if server == "cassandra"
            else (kafka.USUAL_PORT, kafka.USUAL_CONTROLLER_PORT)
        )
        host = cassandra.host_of(number) if server == "cassandra" else cassandra.host_of(1)
        first = next((node for node in nodes if node.server == server), None)
        if first is not None:  # every node of a cluster uses the numbers of its first
            port, inner_port = first.port, first.inner_port
        else:
            hosts = [cassandra.host_of(n) for n in range(1, cassandra.NODES_MAX + 1)]
            taken = {used for node in nodes for used in (node.port, node.inner_port)}
            port = choose_port(hosts, usual[0], taken)
            inner_port = choose_port(hosts, usual[1], taken | {port})
        directory = str(self.directory / f"{server}-{number}")
        return Node(server, number, host, port, inner_port, directory)

    def _start(self, node: Node, java: Path, folder: Path, state: State) -> None:
        self._say(f"starting {node.name} on {node.address}")
        if node.server == "cassandra":
            if node.number > 1 and not cassandra.has_joined(node):
                self._until_ready(self.node("cassandra", node.number - 1))
            cassandra.write_config(node, commitlog_sync=state.commitlog_sync, secure=state.secure)
            command = cassandra.command(node, java=java, jars=folder, heap_mb=state.heap_mb)
        else:
            kafka.write_config(node, state.secure)
            if not kafka.is_formatted(node):
                self._format(node, java, folder, state.secure)
            command = kafka.command(node, java=java, jars=folder, heap_mb=state.heap_mb)
        tie = shutil.which("setpriv") if self._tied else None
        if tie is not None:
            command = [tie, "--pdeathsig", "KILL", *command]
        with node.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=node.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever asked, not for the servers
            )
        self._children[process.pid] = process
        self._note(msgspec.structs.replace(node, pid=process.pid, started_ticks=started_ticks(process.pid)))

    def _format(self, node: Node, java: Path, folder: Path, secure: Secure | None) -> None:
        done = subprocess.run(
            kafka.format_command(node, java=java, jars=folder, secure=secure),
            capture_output=True,
            text=True,
            timeout=READY_MAX_S,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise StackError(f"The folder of {node.name} could not be formatted. It said: {said[-1]}")

    def _note(self, node: Node) -> None:
        state = load_state(self.directory)
        nodes = tuple(node if known.name == node.name else known for known in state.nodes)
        save_state(self.directory, msgspec.structs.replace(state, nodes=nodes))

    def _until_ready(self, node: Node) -> None:
        """Return when it serves. Raises StackError with the end of its log when it ended or takes too long."""
        began = time.monotonic()
        secure = load_state(self.directory).secure
        while not answers(node.server, node.host, node.port, secure):
            if not alive(node):
                raise StackError(f"{node.name} ended while starting.{_last_words(node)}")
            if time.monotonic() - began > READY_MAX_S:
                raise StackError(
                    f"{node.name} did not serve within {READY_MAX_S:g} s; it runs on.{_last_words(node)}"
                )
            time.sleep(POLL_S)
        self._say(f"{node.name} serves on {node.address}")

    def _gone(self, node: Node, end: float) -> bool:
        """Whether it is gone by `end`; a child of ours is collected, so that it does not stay as a zombie."""
        child = self._children.get(node.pid or 0)
        if child is not None:
            # Its first thread may be dead, and look so, while others still end: only waiting tells.
            try:
                child.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                return False
            del self._children[child.pid]
        while alive(node):
            if time.monotonic() > end:
                return False
            time.sleep(POLL_S)
        return True


def _last_words(node: Node) -> str:
    try:
        lines = node.log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    wrong = [line for line in lines if " ERROR " in line or "Exception" in line] or lines
    return "".join(f"\n  {line[:200]}" for line in wrong[-LOG_LINES_SHOWN:]) + f"\nThe whole log: {node.log}"
