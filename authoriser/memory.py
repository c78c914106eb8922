"""What stays in memory for good, as far as the garbage collector and the kernel's pages are told.

Knows nothing of what lies there.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from authoriser.huge_pages import collapse_heap
from authoriser.limits import FULL_COLLECTION_MAX_S

_FULL = 2
"""The collector's oldest generation."""


def settle_memory() -> int:
    """What was recovered stays: no walk of the collector over a million cards in a payment, and huge pages for it.

    How many bytes are in huge pages.
    """
    gc.collect()
    gc.freeze()
    return collapse_heap()


@contextmanager
def passing_by_what_stays() -> Iterator[None]:
    """In the block, what outlives a full collection that took long is never walked again.

    A full collection asks each payment and kept answer of every account that it walks, one cache miss each: 80 ms for
    half a million, every few seconds under load. What is passed by is freed like anything else once nothing refers to
    it, as an account that leaves memory does; only if it has become part of a cycle by then, it stays. Accounts and
    closed lines are in none.
    """
    began_s = 0.0

    def collecting(phase: str, info: dict[str, Any]) -> None:
        nonlocal began_s
        if info["generation"] < _FULL:
            return
        # The thread's own time: a machine with other things to do is no reason.
        if phase == "start":
            began_s = time.thread_time()
        elif time.thread_time() - began_s > FULL_COLLECTION_MAX_S:
            gc.freeze()

    gc.callbacks.append(collecting)
    try:
        yield
    finally:
        gc.callbacks.remove(collecting)
