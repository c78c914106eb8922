"""Each file beside this one is a test that carries its name: what customers and shops live with, told step by step."""

from pathlib import Path

import pytest

from tests.scenarios.format import read_scenario
from tests.scenarios.in_process import play_in_process

FILES = sorted(Path(__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """Every reply, balance, hold and exception is as the file says, and the journal replays to the same state."""
    play_in_process(read_scenario(path))


def test_there_are_scenarios_to_play() -> None:
    """An empty folder would pass as well."""
    assert len(FILES) >= 38
