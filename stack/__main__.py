"""`python -m stack`: reads the command line, calls `stack.servers`, prints.

Exit codes: 0 done, for `status` everything runs; 1 it could not be done, or something is down; 2 wrong usage.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from stack import cassandra
from stack.errors import StackError
from stack.secure import Secure
from stack.servers import DIRECTORY, SERVERS, Stack, Wanted
from stack.state import condition

OK, FAILED = 0, 1
UP = "everything serves"
LOOK_S = 1.0
"""How often `run` looks whether whoever started it is still there."""
TAIL_BYTES = 20_000


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    wanted = Wanted()
    if options.command in {"up", "run"}:
        secure = Secure(str(options.secure.absolute())) if options.secure is not None else None
        wanted = Wanted(options.cassandra, options.kafka, options.commitlog_sync, options.heap_mb, secure)
    stack = Stack(
        options.directory,
        wanted,
        library=options.jars if options.jars is not None else options.directory / "jars",
        tied=options.command == "run",
        say=lambda text: print(text, flush=True),
    )
    try:
        return _run(stack, options)
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("stack: interrupted; `python -m stack down` stops what was started", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run(stack: Stack, options: argparse.Namespace) -> int:
    match options.command:
        case "up":
            stack.up()
        case "run":
            _stay(stack)
        case "down":
            stack.down(forget=options.forget)
        case "status":
            return _status(stack)
        case "logs":
            _logs(stack, options.server, options.number)
        case _:
            getattr(stack, options.command)(options.server, options.number)
    return OK


def _stay(stack: Stack) -> None:
    """Up until a signal comes, or whoever started this is gone, then down: nothing is left running."""
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt), stack:
        print(f"{UP}; Ctrl-C stops it", flush=True)
        while os.getppid() == parent:
            time.sleep(LOOK_S)


def _status(stack: Stack) -> int:
    nodes = stack.nodes
    if not nodes:
        print("nothing was started here; `python -m stack up` does")
        return FAILED
    for node in nodes:
        state = condition(node)
        pid = f"  pid {node.pid}" if state != "down" else ""
        print(f"{node.name:<12} {state:<8} {node.address}{pid}  {node.log}")
    return OK if all(condition(node) == "running" for node in nodes) else FAILED


def _logs(stack: Stack, server: str, number: int) -> None:
    log = stack.node(server, number).log
    if not log.exists():
        raise StackError(f"{server} {number} has no log yet: it was never started.")
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        print(file.read().decode(errors="replace"), end="")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stack", description="A real Apache Cassandra and a real Apache Kafka on this machine."
    )
    parser.add_argument(
        "--directory", type=Path, default=DIRECTORY, help="where everything of it lies (default: .stack)"
    )
    parser.add_argument(
        "--jars", type=Path, metavar="FOLDER", help="where the servers' jars are kept (default: jars in it)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start what does not run, and return when all of it serves"),
        ("run", "the same, and stay: Ctrl-C stops all of it"),
    ):
        up = commands.add_parser(name, help=text)
        up.add_argument("--cassandra", type=int, default=1, metavar="NODES", help="0 to 3 (default: 1)")
        up.add_argument("--kafka", type=int, default=1, metavar="NODES", help="0 or 1 (default: 1)")
        up.add_argument("--commitlog-sync", choices=cassandra.COMMITLOG_SYNC, default="batch")
        up.add_argument("--heap-mb", type=int, default=512, help="of each server (default: 512)")
        up.add_argument(
            "--secure", type=Path, metavar="FOLDER", help="ask for TLS and a password; FOLDER: docs/stack.md"
        )
    down = commands.add_parser("down", help="stop everything; data stays")
    down.add_argument("--forget", action="store_true", help="remove data, logs and ports too")
    commands.add_parser("status", help="what runs where; exit code 1 if something is down")
    for name, text in (
        ("start", "start one that was killed, on its data"),
        ("logs", "the end of its log"),
        ("kill", "SIGKILL"),
        ("pause", "SIGSTOP: it keeps its connections and says nothing"),
        ("resume", "SIGCONT"),
    ):
        one = commands.add_parser(name, help=text)
        one.add_argument("server", choices=SERVERS)
        one.add_argument("number", type=int, nargs="?", default=1)
    return parser


if __name__ == "__main__":
    sys.exit(main())
