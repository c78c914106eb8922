"""What runs: one JSON file in the stack's folder, and whether a process in it is still the one we started.

Owns the file's shape. Starts and stops nothing.
"""

import os
from pathlib import Path

import msgspec

from stack.errors import StackError
from stack.secure import Secure

STATE_FILE = "state.json"


class Node(msgspec.Struct, frozen=True):
    """One server. `started_ticks` tells its process from a later one of the same id; None where it never ran."""

    server: str
    number: int
    host: str
    port: int
    inner_port: int
    directory: str
    pid: int | None = None
    started_ticks: int | None = None

    @property
    def name(self) -> str:
        return f"{self.server} {self.number}"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        return Path(self.directory) / "server.log"


class State(msgspec.Struct, frozen=True):
    nodes: tuple[Node, ...] = ()
    commitlog_sync: str = "batch"
    heap_mb: int = 512
    secure: Secure | None = None


def load_state(directory: Path) -> State:
    """An empty state where there is no file. Raises StackError for one that nobody can read."""
    path = directory / STATE_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except msgspec.MsgspecError as error:
        raise StackError(
            f"{path} is not what the stack writes ({error}). Stop its servers and remove it."
        ) from None


def save_state(directory: Path, state: State) -> None:
    """Whole or not at all: whoever reads meanwhile sees the one before."""
    directory.mkdir(parents=True, exist_ok=True)
    new = directory / f"{STATE_FILE}.new"
    new.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")
    new.replace(directory / STATE_FILE)


def started_ticks(pid: int) -> int | None:
    """When the process began, in ticks since boot; None where there is none or it is dead and unread (a zombie)."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def condition(node: Node) -> str:
    """One of "running", "paused" and "down"."""
    if node.pid is None or node.started_ticks is None or started_ticks(node.pid) != node.started_ticks:
        return "down"
    fields = _stat(node.pid)
    return "paused" if fields is not None and fields[0] in "Tt" else "running"


def alive(node: Node) -> bool:
    return condition(node) != "down"


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on. A name may hold blanks and brackets: the last one ends it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def signal_node(node: Node, number: int) -> None:
    """To that process and no other. Raises StackError if it is gone."""
    if node.pid is None or not alive(node):
        raise StackError(f"{node.name} does not run.")
    os.kill(node.pid, number)
