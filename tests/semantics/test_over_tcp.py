"""The same rows over TCP, against the real server as a process of its own: one process for all, row after row.

The scenarios follow on the same process, but for those in which days pass: each wait costs a start, and the rows have
enough of them. What a file cannot do here, and why, stands in the file itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from authoriser.opening import embedded_journal
from authoriser.verify import verify
from tests.scenarios.format import Scenario, Wait, read_scenario
from tests.scenarios.play import Player
from tests.scenarios.world import JournalReader
from tests.semantics.served import OverTcp, Served

HERE = Path(__file__).parent
ROWS = {path.stem: read_scenario(path, HERE / "states") for path in sorted((HERE / "rows").glob("*.toml"))}
SCENARIOS = {
    path.stem: scenario
    for path in sorted((HERE.parent / "scenarios").glob("*.toml"))
    for scenario in [read_scenario(path)]
    if not any(isinstance(step, Wait) for step in scenario.steps)
}
CARDS_OF_A_FILE = 10
CARD_NUMBER = re.compile(rb"400000[0-9]{10}")
"""Every card of a scenario has such a number."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One process for all. In the end its directory is verified as an operator would, and no card number is in it."""
    server = Served(tmp_path_factory.mktemp("served"))
    server.start()
    yield server
    assert server.stop() == 0
    report = verify(embedded_journal(server.data), server.data)
    assert (report.ok, report.problems) == (True, ())
    written = [path for path in server.data.rglob("*") if path.is_file()]
    assert [path.name for path in written if CARD_NUMBER.search(path.read_bytes())] == []
    assert CARD_NUMBER.search(server.log().encode()) is None


@pytest.fixture(scope="module")
def journal() -> JournalReader:
    return JournalReader()


def play(served: Served, journal: JournalReader, scenario: Scenario, name: str, number: int) -> None:
    if scenario.in_process_only:
        pytest.skip(scenario.in_process_only)
    world = OverTcp(served, journal)
    player = Player(scenario, world, prefix=f"{name}.", first_card=1 + CARDS_OF_A_FILE * number)
    trio.run(player.play)


@pytest.mark.parametrize("name", ROWS)
def test_row(served: Served, journal: JournalReader, name: str) -> None:
    """Answer, money and exceptions are as the row says, over a socket and from the journal's file."""
    play(served, journal, ROWS[name], name, list(ROWS).index(name))


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(served: Served, journal: JournalReader, name: str) -> None:
    """A story with policies, controls and operators, over both sockets."""
    play(served, journal, SCENARIOS[name], name, len(ROWS) + list(SCENARIOS).index(name))
