"""`python -m demo`: reads options and tells the story. Exit codes are those of `demo.telling`."""

import argparse
import sys
from pathlib import Path

from demo.programs import Programs
from demo.screen import Screen
from demo.stage import Stage
from demo.story import tell
from demo.telling import told, within
from demo.workspace import Workspace

SECONDS_MIN = 3.0
"""Less holds no freeze and no crash."""
CARDS_MIN = 20
"""With fewer every card runs out of money before anything is seen."""
RATE_MIN_PER_S, RATE_MAX_PER_S = 50.0, 2000.0
"""Fewer and a busy card is hard to find; beyond it this process, reading along, takes time from the other two."""


def main() -> int:
    options = _options()
    screen = Screen()
    workspace = Workspace(options.directory, cards=options.cards)

    def story(programs: Programs) -> None:
        tell(Stage(screen, programs, workspace, rate_per_s=options.rate, seconds=options.seconds))

    return told(screen, workspace.directory, story)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="The authoriser, end to end.")
    parser.add_argument(
        "--seconds", type=within(SECONDS_MIN, 600), default=15.0, help="how long the load lasts"
    )
    parser.add_argument(
        "--cards", type=within(CARDS_MIN, 100_000), default=1000, help="how many are imported"
    )
    parser.add_argument(
        "--rate", type=within(RATE_MIN_PER_S, RATE_MAX_PER_S), default=400.0, help="messages a second"
    )
    parser.add_argument(
        "--directory", type=Path, default=Path(".demo"), help="made afresh each time (default: .demo)"
    )
    options = parser.parse_args()
    options.cards = int(options.cards)
    return options


if __name__ == "__main__":
    sys.exit(main())
