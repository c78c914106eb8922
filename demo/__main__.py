"""`python -m demo`: reads options, tells the story, cleans up whatever happens.

Exit codes: 0 every check held; 1 one did not, or a program failed; 130 it was interrupted. No process is left running
in any of these.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from demo.checks import CheckFailed
from demo.programs import Interrupted, ProgramFailed, Programs
from demo.screen import Screen
from demo.stage import Stage
from demo.story import tell
from demo.workspace import Workspace, WorkspaceError

OK, FAILED, INTERRUPTED = 0, 1, 130
DEBUG_VARIABLE = "DEMO_DEBUG"

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
    try:
        with Programs(workspace.directory) as programs:
            tell(Stage(screen, programs, workspace, rate_per_s=options.rate, seconds=options.seconds))
    except CheckFailed as failure:
        screen.failed(
            f"This check failed: {failure}", f"Everything is as it was left in {workspace.directory}."
        )
        return FAILED
    except (ProgramFailed, WorkspaceError) as failure:
        screen.failed(str(failure))
        return FAILED
    except Interrupted as signal:
        screen.failed(f"Interrupted by {signal}; everything that was started is stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        # Who read along has seen enough. Python would flush again at exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as fault:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        screen.failed(f"This is a fault of the demo: {fault!r} ({DEBUG_VARIABLE}=1 shows where)")
        return FAILED
    return OK


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="The authoriser, end to end.")
    parser.add_argument(
        "--seconds", type=_within(SECONDS_MIN, 600), default=15.0, help="how long the load lasts"
    )
    parser.add_argument(
        "--cards", type=_within(CARDS_MIN, 100_000), default=1000, help="how many are imported"
    )
    parser.add_argument(
        "--rate", type=_within(RATE_MIN_PER_S, RATE_MAX_PER_S), default=400.0, help="messages a second"
    )
    parser.add_argument(
        "--directory", type=Path, default=Path(".demo"), help="made afresh each time (default: .demo)"
    )
    options = parser.parse_args()
    options.cards = int(options.cards)
    return options


def _within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"should be between {least:g} and {most:g}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
