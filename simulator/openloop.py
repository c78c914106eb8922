"""Open-loop load: requests leave when they are due, whether or not earlier ones were answered.

Owns when the n-th request is due and the loop that hands them out. Must not know what a request is. Latency belongs
to the moment a request was *due*: a generator that waits for a slow server, then counts from when it sent, leaves the
slow answers out (coordinated omission).
"""

from collections.abc import Callable
from dataclasses import dataclass

import trio


@dataclass(frozen=True, slots=True)
class Schedule:
    """`count` requests, evenly spaced, the first at `start_s` of trio's clock."""

    start_s: float
    rate_per_s: float
    count: int

    def due_s(self, number: int) -> float:
        """When request `number`, from 0, is due."""
        return self.start_s + number / self.rate_per_s

    def due_by(self, now_s: float) -> int:
        """How many requests are due at `now_s` or before."""
        if now_s < self.start_s:
            return 0
        due = min(self.count, int((now_s - self.start_s) * self.rate_per_s) + 1)
        # Of the two roundings, that of `due_s` governs: a request is never due before its own moment.
        while due and self.due_s(due - 1) > now_s:
            due -= 1
        while due < self.count and self.due_s(due) <= now_s:
            due += 1
        return due


async def drive(schedule: Schedule, put: Callable[[int, float], None]) -> None:
    """Call `put(number, due_s)` for each request once it is due, in order.

    `put` must not block. However late the loop comes round, everything due is put at once, and the tasks that write
    it run before the next round. epoll counts whole milliseconds, so a round may come up to one late; it is in the
    latency. (Spinning through the last millisecond takes a core from the server: on two cores p99 rose fivefold.)
    Cancelling it stops between rounds.
    """
    number = 0
    while number < schedule.count:
        await trio.sleep_until(schedule.due_s(number))
        until = max(schedule.due_by(trio.current_time()), number + 1)
        for each in range(number, until):
            put(each, schedule.due_s(each))
        number = until
