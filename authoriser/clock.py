"""The ledger's time: wall-clock milliseconds that never go back and never leap.

The ledger itself reads no clock; its owner asks this one and passes the answer in.
"""

import time
from collections.abc import Callable

from authoriser.limits import CLOCK_JUMP_MAX_MS


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _monotonic_ms() -> int:
    """Goes on while the machine is suspended, as the wall clock does."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class LedgerClock:
    """`max(wall clock, last record)`, unless the wall clock leapt ahead of the monotonic one.

    A leap by more than `jump_max_ms` is not followed: it would expire holds and forget keys before their time.
    Time then goes on by the monotonic clock, and `on_jump` hears of the leap (milliseconds), once.
    """

    def __init__(
        self,
        *,
        wall_ms: Callable[[], int] = _wall_ms,
        monotonic_ms: Callable[[], int] = _monotonic_ms,
        jump_max_ms: int = CLOCK_JUMP_MAX_MS,
        on_jump: Callable[[int], None] = lambda _jump_ms: None,
    ) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self._jump_max_ms = jump_max_ms
        self._on_jump = on_jump
        self._offset_ms = wall_ms() - monotonic_ms()
        self._alarmed = False

    def now_ms(self, last_ms: int) -> int:
        """Milliseconds since the epoch, UTC; at least `last_ms`, the time of the last record."""
        monotonic = self._monotonic_ms()
        expected = monotonic + self._offset_ms
        wall = self._wall_ms()
        ahead = wall - expected
        if ahead > self._jump_max_ms:
            if not self._alarmed:
                self._alarmed = True
                self._on_jump(ahead)
            wall = expected
        else:
            # Never lowered: a clock set back and then right again has not leapt.
            self._offset_ms = max(self._offset_ms, wall - monotonic)
            self._alarmed = False
        return max(last_ms, wall)
