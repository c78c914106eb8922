"""What a run came to: counts, latency percentiles, what was wrong.

Owns the figures and the form of the summary (`--json`). Must not know connections or how anything is printed.
"""

from collections import Counter

from hdrh.histogram import HdrHistogram
from msgspec import Struct

LATENCY_MAX_US = 600_000_000
"""Ten minutes: longer ones are counted as that."""

LATENCY_DIGITS = 3
"""Significant digits: 1234 µs is kept as 1234, 123456 as 123400 to 123500."""

WRONG_SHOWN_MAX = 100
"""Wrong answers kept in words; all are counted."""

PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class Latency(Struct, frozen=True):
    """Milliseconds from when a request was due to its reply, in a histogram of three significant digits."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class Latencies:
    """Collects durations. Recording takes 1.2 µs."""

    __slots__ = ("_histogram", "_max_us")

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, LATENCY_MAX_US, LATENCY_DIGITS)
        self._max_us = 0

    def record(self, duration_s: float) -> None:
        duration_us = min(max(round(duration_s * 1e6), 1), LATENCY_MAX_US)
        self._max_us = max(self._max_us, duration_us)
        self._histogram.record_value(duration_us)

    def summary(self) -> Latency | None:
        """None where nothing was recorded."""
        count = int(self._histogram.get_total_count())
        if not count:
            return None
        # One pass over the buckets (0.6 ms). A bucket's upper end can lie above the largest value in it.
        found = self._histogram.get_percentile_to_value_dict(list(PERCENTILES))
        p50, p90, p99, p999 = (min(found[each], self._max_us) / 1000 for each in PERCENTILES)
        return Latency(count, p50, p90, p99, p999, self._max_us / 1000)


class Summary(Struct, frozen=True):
    """The end of a run, as `--json` prints it. `sent` = `answered` + `unanswered`; `due` = `sent` + `unsent`."""

    seconds: float
    rate_per_s: float
    due: int
    sent: int
    unsent: int
    """Due while no connection was up."""
    answered: int
    unanswered: int
    late: int
    """Answered later than the network's timer after they were sent: a network would have given up."""
    timer_ms: int
    response_codes: dict[str, int]
    kinds: dict[str, int]
    latency: Latency | None
    wrong: int
    """Answers with something wrong, and replies to nothing."""
    wrong_shown: list[str]
    connections_lost: list[str]
    ended_early: str
    """Why the run stopped before its time; "" where it did not."""

    @property
    def failed(self) -> bool:
        return bool(self.wrong or self.ended_early)


class Tally:
    """Counts while a run goes on."""

    def __init__(self) -> None:
        self.due = 0
        self.unsent = 0
        self.answered = 0
        self.unanswered = 0
        self.late = 0
        self.wrong = 0
        self.wrong_shown: list[str] = []
        self.response_codes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.latencies = Latencies()

    def note_wrong(self, what: list[str]) -> None:
        """One wrong answer, in as many sentences as things are wrong with it."""
        self.wrong += 1
        self.wrong_shown += what[: max(WRONG_SHOWN_MAX - len(self.wrong_shown), 0)]

    def summary(
        self,
        *,
        seconds: float,
        rate_per_s: float,
        timer_ms: int,
        connections_lost: list[str],
        ended_early: str,
    ) -> Summary:
        return Summary(
            seconds=round(seconds, 3),
            rate_per_s=rate_per_s,
            due=self.due,
            sent=self.due - self.unsent,
            unsent=self.unsent,
            answered=self.answered,
            unanswered=self.unanswered,
            late=self.late,
            timer_ms=timer_ms,
            response_codes=dict(sorted(self.response_codes.items())),
            kinds=dict(sorted(self.kinds.items())),
            latency=self.latencies.summary(),
            wrong=self.wrong,
            wrong_shown=list(self.wrong_shown),
            connections_lost=list(connections_lost),
            ended_early=ended_early,
        )
