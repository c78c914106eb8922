"""The rows of docs/semantics.md, each a test that carries its name: played in this process."""

from pathlib import Path

import pytest

from tests.scenarios.format import read_scenario
from tests.scenarios.in_process import play_in_process

HERE = Path(__file__).parent
STATES = HERE / "states"
ROWS = sorted((HERE / "rows").glob("*.toml"))


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_row(path: Path) -> None:
    """Answer, money and exceptions are as the row says."""
    play_in_process(read_scenario(path, STATES))


@pytest.mark.parametrize("path", sorted(STATES.glob("*.toml")), ids=lambda path: path.stem)
def test_state(path: Path) -> None:
    """A state before is what its file says, wherever a row begins with it."""
    play_in_process(read_scenario(path))
