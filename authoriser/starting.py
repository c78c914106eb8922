"""What every start has in common, wherever its journal is: what it refuses, and what it asks of the system.

Knows no socket and no journal.
"""

import os
import resource

import structlog

from authoriser import limits

log = structlog.get_logger()

ACCEPT_CLOCK = "AUTHORISER_ACCEPT_CLOCK"
"""Environment: take a clock that is far ahead of the journal for right."""


class StartFailed(Exception):  # noqa: N818 - what happened, said to an operator
    """The process can't serve. The text says what is wrong and where; there is no traceback to read."""


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def refuse_wrong_clock(now_ms: int, last_ms: int) -> None:
    """Raises StartFailed where the clock is too far ahead of the journal's last record to be right."""
    ahead_days = (now_ms - last_ms) // 86_400_000
    if last_ms and ahead_days > limits.START_AFTER_MAX_DAYS and ACCEPT_CLOCK not in os.environ:
        raise StartFailed(
            f"the clock is {ahead_days} days ahead of the journal's last record; if it is right, "
            f"start once with {ACCEPT_CLOCK}=1 (a wrong one would expire every hold, for good)"
        )


def raise_descriptor_limit() -> None:
    """As far as this process may: a line is a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def other_format(found: int) -> None:
    log.warning("the snapshots are another version's; everything is replayed from the journal", format=found)
