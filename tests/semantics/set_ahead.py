"""`authoriser` on a machine whose clock is set ahead: `python set_ahead.py MILLISECONDS serve ...`.

What days are to a process that was not there: between two starts the wall clock has gone on. Changes what the system
call says, and nothing of ours.
"""

import sys
import time

ahead_ns = int(sys.argv.pop(1)) * 1_000_000
wall_ns = time.time_ns
time.time_ns = lambda: wall_ns() + ahead_ns

from authoriser.cli.main import main  # noqa: E402 - after the clock is set

main()
