"""How a demo is told and how it ends: what every one of them does with checks that fail, programs that fail and Ctrl-C.

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
from demo.workspace import WorkspaceError

OK, FAILED, INTERRUPTED = 0, 1, 130
DEBUG_VARIABLE = "DEMO_DEBUG"


def told(screen: Screen, directory: Path, story: Callable[[Programs], None]) -> int:
    """Tell it, and give the exit code."""
    try:
        with Programs(directory) as programs:
            story(programs)
    except CheckFailed as failure:
        screen.failed(f"This check failed: {failure}", f"Everything is as it was left in {directory}.")
        return FAILED
    except (ProgramFailed, WorkspaceError) as failure:
        screen.failed(*str(failure).splitlines())
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


def within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"should be between {least:g} and {most:g}")
        return value

    return number
