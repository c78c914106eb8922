"""The garbage collector is told to pass by what outlived a long full collection, and nothing else."""

import gc
import subprocess
import sys
import time

import pytest

from authoriser.limits import FULL_COLLECTION_MAX_S
from authoriser.memory import passing_by_what_stays

REAL = """
import gc
from authoriser import memory
from authoriser.memory import passing_by_what_stays
memory.FULL_COLLECTION_MAX_S /= 10  # however quick the machine is
with passing_by_what_stays():
    kept = [[number] for number in range(1_000_000)]
    gc.collect()
    frozen = gc.get_freeze_count()
    kept.clear()
    print(frozen, gc.get_freeze_count(), len(gc.callbacks))
print(len(gc.callbacks))
"""


@pytest.fixture
def freezes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each freeze. Nothing is frozen: other tests share the process."""
    seen: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: seen.append(1))
    return seen


@pytest.mark.parametrize(
    ("generation", "took_s", "frozen"),
    [
        (2, FULL_COLLECTION_MAX_S * 1.01, 1),
        (2, FULL_COLLECTION_MAX_S * 0.99, 0),
        (1, FULL_COLLECTION_MAX_S * 100, 0),
        (0, FULL_COLLECTION_MAX_S * 100, 0),
    ],
)
def test_only_a_long_full_collection_is_the_last_of_its_kind(
    monkeypatch: pytest.MonkeyPatch, freezes: list[int], generation: int, took_s: float, frozen: int
) -> None:
    clock = iter([100.0, 100.0 + took_s])
    gc.disable()
    try:
        with passing_by_what_stays():
            monkeypatch.setattr(time, "thread_time", lambda: next(clock))
            gc.collect(generation)
            monkeypatch.undo()
    finally:
        gc.enable()
    assert len(freezes) == frozen


def test_after_the_block_nothing_is_watched(freezes: list[int]) -> None:
    before = list(gc.callbacks)
    with pytest.raises(ValueError, match="mine"), passing_by_what_stays():
        raise ValueError("mine")
    assert gc.callbacks == before


def test_what_is_passed_by_is_freed_once_nobody_needs_it() -> None:
    """A million lists, in a process of its own: most passed by before the last came, and gone with their last user."""
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, check=True)
    inside, outside = done.stdout.splitlines()
    passed_by, left, watching = (int(word) for word in inside.split())
    assert passed_by > 500_000
    assert left < passed_by / 10
    assert (watching, outside) == (1, "0")
