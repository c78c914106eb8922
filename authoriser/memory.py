"""What stays in memory for good, as far as the garbage collector and the kernel's pages are told.

Knows nothing of what lies there.
"""

import gc

import trio

from authoriser.huge_pages import collapse_heap
from authoriser.ledger.state import ShardState
from authoriser.limits import SETTLE_CARDS_MIN, SETTLE_LOOK_S


def settle_memory() -> int:
    """What was recovered stays: no walk of the collector over a million cards in a payment, and huge pages for it.

    How many bytes are in huge pages.
    """
    gc.collect()
    gc.freeze()
    return collapse_heap()


async def stay_settled(state: ShardState) -> None:
    """For ever: accounts that came into memory since are left alone by the collector as well.

    A full collection asks each payment and kept answer of every account that it walks, one cache miss each: 80 ms for
    half a million. The collector is told to forget whenever a quarter of the cards is new, and never on a clock: a
    cycle that it was told to forget, such as a connection that ends later, is not collected any more.
    """
    settled = state.arrived
    while True:
        await trio.sleep(SETTLE_LOOK_S)
        if state.arrived - settled > max(SETTLE_CARDS_MIN, len(state.tokens) // 4):
            gc.collect(1)
            gc.freeze()
            settled = state.arrived
