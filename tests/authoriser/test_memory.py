"""The garbage collector is told to pass accounts by when many are new, and not before."""

import gc

import pytest
import trio

from authoriser import memory
from authoriser.ledger.state import ShardState
from authoriser.limits import SETTLE_CARDS_MIN, SETTLE_LOOK_S


@pytest.fixture
def freezes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each freeze. Nothing is frozen: other tests share the process."""
    seen: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: seen.append(1))
    return seen


async def _after(state: ShardState, cards: int) -> None:
    state.arrived += cards
    await trio.sleep(2 * SETTLE_LOOK_S)


@pytest.mark.parametrize(
    ("arrive", "frozen"),
    [
        ((0,), 0),
        ((SETTLE_CARDS_MIN,), 0),
        ((SETTLE_CARDS_MIN + 1,), 1),
        ((SETTLE_CARDS_MIN, 1), 1),
        ((SETTLE_CARDS_MIN + 1, SETTLE_CARDS_MIN), 1),
        ((SETTLE_CARDS_MIN + 1, SETTLE_CARDS_MIN + 1), 2),
    ],
)
async def test_many_new_cards_are_passed_by_and_a_few_are_not(
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    freezes: list[int],
    arrive: tuple[int, ...],
    frozen: int,
) -> None:
    state = ShardState(0)
    nursery.start_soon(memory.stay_settled, state)
    await trio.testing.wait_all_tasks_blocked()
    for cards in arrive:
        await _after(state, cards)
    assert len(freezes) == frozen


async def test_of_many_cards_a_quarter_has_to_be_new(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, freezes: list[int]
) -> None:
    """With 20,000 in memory 5,000 new ones change nothing, and one more does."""
    state = ShardState(0)
    state.tokens = dict.fromkeys(number.to_bytes(4, "big") for number in range(20_000))  # type: ignore[arg-type]
    nursery.start_soon(memory.stay_settled, state)
    await trio.testing.wait_all_tasks_blocked()
    await _after(state, 5_000)
    assert not freezes
    await _after(state, 1)
    assert len(freezes) == 1
