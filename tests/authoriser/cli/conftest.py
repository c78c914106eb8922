"""What tests of the command line share: a server double on a real socket, and a way to run a command."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from authoriser.admin.testing import AdminServerDouble, serving
from authoriser.cli.main import app


class Ran(NamedTuple):
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory that commands use without being told, and a login name of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("AUTHORISER_DATA", str(folder))
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("AUTHORISER_DEBUG", raising=False)
    return folder


@pytest.fixture
def double(data: Path) -> Iterator[AdminServerDouble]:
    with serving(data / "admin.sock") as server:
        yield server


@pytest.fixture
def run(data: Path) -> Callable[..., Ran]:
    def invoke(*args: str, stdin: str = "") -> Ran:
        result = CliRunner().invoke(app, list(args), input=stdin)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return invoke
