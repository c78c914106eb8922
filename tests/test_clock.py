"""The ledger's time never goes back and never leaps, whatever the wall clock does."""

from authoriser.clock import LedgerClock

HOUR_MS = 3_600_000


class Clocks:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000_000
        self.monotonic = 5_000
        self.leaps: list[int] = []

    def ledger(self) -> LedgerClock:
        return LedgerClock(
            wall_ms=lambda: self.wall,
            monotonic_ms=lambda: self.monotonic,
            jump_max_ms=HOUR_MS,
            on_jump=self.leaps.append,
        )

    def pass_by(self, ms: int) -> None:
        self.wall += ms
        self.monotonic += ms


def test_time_follows_the_wall_clock() -> None:
    """In step with it while both clocks agree."""
    clocks = Clocks()
    clock = clocks.ledger()
    clocks.pass_by(1_234)
    assert clock.now_ms(0) == 1_800_000_001_234


def test_time_is_never_before_the_last_record() -> None:
    """A wall clock set back leaves time where the last record put it."""
    clocks = Clocks()
    clock = clocks.ledger()
    last = clock.now_ms(0)
    clocks.wall -= 2 * HOUR_MS
    assert clock.now_ms(last) == last


def test_a_leap_ahead_is_not_followed_and_told_once() -> None:
    """Ten hours in no time: the ledger goes on by the monotonic clock."""
    clocks = Clocks()
    clock = clocks.ledger()
    clocks.wall += 10 * HOUR_MS
    clocks.pass_by(500)
    assert [clock.now_ms(0), clock.now_ms(0)] == [1_800_000_000_500] * 2
    assert clocks.leaps == [10 * HOUR_MS]


def test_a_correction_below_the_bound_is_followed() -> None:
    """The time service moves the clock by some minutes."""
    clocks = Clocks()
    clock = clocks.ledger()
    clocks.wall += HOUR_MS // 2
    assert (clock.now_ms(0), clocks.leaps) == (1_800_000_000_000 + HOUR_MS // 2, [])


def test_a_clock_set_back_and_right_again_has_not_leapt() -> None:
    """Two hours back, then two hours forward: no alarm, and time is right at once."""
    clocks = Clocks()
    clock = clocks.ledger()
    last = clock.now_ms(0)
    clocks.wall -= 2 * HOUR_MS
    clocks.pass_by(1_000)
    last = clock.now_ms(last)
    clocks.wall += 2 * HOUR_MS
    assert (clock.now_ms(last), clocks.leaps) == (1_800_000_001_000, [])
