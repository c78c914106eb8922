"""The house keeps its order: who imports whom, and whose `iso8583` it is."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import iso8583
import pytest

import isowire

ROOT = Path(isowire.__file__).parents[2]
OURS = {"authoriser", "consumers", "rules", "simulator", "isowire", "demo", "benchmarks", "drills", "stack"}
MAY_IMPORT = {
    "iso8583/isowire": {"isowire"},
    "rules": {"rules"},
    "authoriser/ledger": {"authoriser.ledger", "rules"},
    "authoriser/cassandra": {"authoriser.cassandra", "authoriser.tls"},
    "authoriser/journal": {
        "authoriser.journal",
        "authoriser.cassandra",
        "authoriser.ledger.records",
        "authoriser.limits",
    },
    "authoriser/kafka": {
        "authoriser.kafka",
        "authoriser.config_checks",
        "authoriser.passwords",
        "authoriser.tls",
    },
    "authoriser/published": {"authoriser.published"},
    "authoriser": {"authoriser", "rules", "isowire"},
    "consumers": {
        "consumers",
        "authoriser.cassandra",
        "authoriser.cassandra_access",
        "authoriser.cli.money",
        "authoriser.config_cassandra",
        "authoriser.config_checks",
        "authoriser.kafka",
        "authoriser.passwords",
        "authoriser.published",
        "authoriser.telemetry.logging",
        "rules.reason",
        "rules.reasons",
    },
    "simulator": {"simulator", "isowire"},
    "stack": {"stack"},
    "drills": {
        "drills",
        "authoriser.cassandra.session",
        "authoriser.cassandra_access",
        "authoriser.config",
        "authoriser.config_checks",
        "authoriser.journal.batch",
        "authoriser.kafka",
        "authoriser.ledger.records",
        "authoriser.passwords",
    },
}
"""Folder -> the modules of ours (or beginnings of their names) that it may import."""


def imported(path: Path) -> set[str]:
    """Full names of every module of ours that the file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
    return {name for name in names if name.partition(".")[0] in OURS}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_go_one_way(folder: str) -> None:
    """No file of the folder imports a module of ours that it must not know."""
    allowed = MAY_IMPORT[folder]
    files = list((ROOT / folder).rglob("*.py"))
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported(path)
        if not any(name == may or name.startswith(f"{may}.") for may in allowed)
    }
    assert files
    assert wrong == set()


def test_two_files_meet_the_cassandra_driver() -> None:
    """Its statements in one and its sockets in the other; nothing else of the authoriser imports the driver."""
    meeting = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "authoriser").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (
            isinstance(node, ast.Import)
            and any(name.name.split(".")[0] == "cassandra" for name in node.names)
        )
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cassandra")
    }
    assert meeting == {"authoriser/cassandra/session.py", "authoriser/cassandra/reactor.py"}


def test_a_line_does_not_know_who_dialled() -> None:
    """What is on a line is the same by the same code: it imports neither doors nor what keeps it up."""
    doors = {f"authoriser.{name}" for name in ("door", "doors", "listener", "dialler", "line_keeper")}
    for name in ("link", "tls_line", "tls", "pipeline"):
        assert imported(ROOT / "authoriser" / f"{name}.py") & doors == set(), name


def test_the_relay_is_asyncio_and_its_supervisor_trio() -> None:
    """aiokafka is asyncio: no file of the relay brings trio into it, but the one that runs in the server."""
    loops = {
        path.name: {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        & {"trio", "asyncio", "aiokafka"}
        for path in (ROOT / "authoriser" / "relay").glob("*.py")
    }
    assert "asyncio" in loops["relay.py"]
    assert {name for name, found in loops.items() if "trio" in found} <= {"supervisor.py"}
    assert not loops.get("supervisor.py", set()) & {"asyncio", "aiokafka"}


def test_iso8583_is_pyiso8583() -> None:
    """`import iso8583` finds pyiso8583's package, not the source root of that name (ADR 3)."""
    assert iso8583.__file__ is not None
    assert Path(iso8583.__file__).parent != ROOT / "iso8583"
    assert hasattr(iso8583, "decode")
    assert not (ROOT / "iso8583" / "__init__.py").exists()


def test_every_module_says_what_it_owns() -> None:
    """Each file of the packages opens with a docstring."""
    folders = ("authoriser", "consumers", "rules", "simulator", "iso8583/isowire", "drills", "stack")
    bare = [
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert bare == []


def test_files_and_functions_can_be_held_in_mind() -> None:
    """No file over 500 lines, no function over 80."""
    long: list[str] = []
    for folder in (
        "authoriser",
        "consumers",
        "rules",
        "simulator",
        "iso8583/isowire",
        "benchmarks",
        "demo",
        "drills",
        "stack",
    ):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if text.count("\n") > 500:
                long.append(str(path.relative_to(ROOT)))
            long += [
                f"{path.relative_to(ROOT)}:{node.name}"
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and (node.end_lineno or 0) - node.lineno > 80
            ]
    assert long == []


def test_consumers_do_without_the_ledger() -> None:
    """Not even by way of what they import: a service that reads events installs and loads no part of deciding."""
    program = (
        "import sys, consumers.notifications.cli, consumers.feed.cli; "
        "print([name for name in sys.modules if name.startswith(('authoriser.ledger', 'authoriser.journal'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_the_operations_page_names_tests_that_are_there() -> None:
    """Each file and function that docs/operations.md gives as a row's proof exists."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    files = set(re.findall(r"tests(?:/\w+)+(?:\.py)?", text))
    functions = set(re.findall(r"(?<!/)\btest_\w+\b(?!\.py)", text))
    there = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert (len(files) > 5, len(functions) > 5) == (True, True)
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert functions - there == set()
