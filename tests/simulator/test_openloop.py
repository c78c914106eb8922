"""What is due leaves when it is due, or as soon after as the loop comes round; its due time stays its own."""

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from simulator.openloop import Schedule, drive


async def test_each_request_leaves_at_its_moment(autojump_clock: trio.testing.MockClock) -> None:
    """At 4 a second they are a quarter of a second apart."""
    start_s = trio.current_time()
    put: list[tuple[int, float, float]] = []
    await drive(
        Schedule(start_s, 4.0, 3),
        lambda number, due_s: put.append((number, due_s - start_s, trio.current_time() - start_s)),
    )
    assert put == [(0, 0.0, 0.0), (1, 0.25, 0.25), (2, 0.5, 0.5)]


async def test_what_is_late_is_put_at_once_with_the_time_it_was_due(
    mock_clock: trio.testing.MockClock,
) -> None:
    """A stall of a second at 4 a second puts five, each due at its own moment: no omission is coordinated."""
    start_s = trio.current_time()
    put: list[tuple[float, float]] = []
    stalled = Schedule(start_s, 4.0, 5)
    mock_clock.jump(1.0)
    await drive(stalled, lambda _, due_s: put.append((due_s - start_s, trio.current_time() - start_s)))
    assert put == [(0.0, 1.0), (0.25, 1.0), (0.5, 1.0), (0.75, 1.0), (1.0, 1.0)]


@given(
    start_s=st.floats(0, 1e6),
    rate_per_s=st.floats(0.01, 20_000),
    count=st.integers(1, 100_000),
    after_s=st.floats(-1, 100),
)
def test_due_by_and_due_agree(start_s: float, rate_per_s: float, count: int, after_s: float) -> None:
    """Whatever the roundings: what is counted as due was due, and the next one is not."""
    schedule = Schedule(start_s, rate_per_s, count)
    now_s = start_s + after_s
    due = schedule.due_by(now_s)
    assert due == 0 or schedule.due_s(due - 1) <= now_s
    assert due == count or schedule.due_s(due) > now_s
