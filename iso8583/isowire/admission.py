"""Which layouts are worth compiling, so that a hostile peer can neither buy compilations nor crowd out the others.

Counts how often a key was asked for, in bounded memory, and knows nothing of what a key stands for.

A peer decides which bitmaps arrive. Compiling costs some 0.5 ms, a hundred times a decode, so it must not be had for
the asking. The choices:
- Only what the general path took counts, and it must come `SEEN_FIRST` times before it is compiled.
- There are at most `LAYOUTS_MAX` for good. None is ever evicted: whoever could evict could have every message compiled,
  and the layouts in use, which came first, are the ones to lose. So the cost of compiling is a constant.
- Every `STEP` layouts the price doubles. Made-up bitmaps fill the cheap places; for the last ones a peer has to send
  over a thousand good messages each, and meanwhile real traffic earns them as fast as it does.
- Counting is Misra and Gries' (1982): a full table takes one from every count. New keys without end then keep nobody
  out who makes up more than a share of 1 in `COUNTED_MAX` of what is counted.
"""

from collections.abc import Hashable
from typing import Final

LAYOUTS_MAX: Final = 128
"""For each direction of one codec. Networks use a few dozen. A compiled layout is some 10 kB."""
SEEN_FIRST: Final = 8
"""Messages before the first layouts are compiled: what compiling costs is earned back after some 25 more."""
STEP: Final = 16
"""Layouts at one price. Doubling from 8, all 128 cost 32,640 messages, the last 16 of them 1,024 each."""
COUNTED_MAX: Final = 1024
"""Keys whose sightings are counted, some 200 bytes each."""


class Admission:
    """Counts sightings of keys and says when one has earned its place."""

    __slots__ = ("_admitted", "_counts", "_layouts_max", "_seen_first")

    def __init__(self, *, layouts_max: int = LAYOUTS_MAX, seen_first: int = SEEN_FIRST) -> None:
        self._layouts_max = layouts_max
        self._seen_first = seen_first
        self._admitted = 0
        self._counts: dict[Hashable, int] = {}

    @property
    def counted(self) -> int:
        """How many keys are remembered."""
        return len(self._counts)

    def admit(self, key: Hashable) -> bool:
        """Counts one sighting; True, once, when `key` is to be compiled. Never again after `layouts_max`."""
        if self._admitted >= self._layouts_max:
            return False
        counts = self._counts
        seen = counts.get(key, 0) + 1
        if seen >= self._seen_first << self._admitted // STEP:
            counts.pop(key, None)
            self._admitted += 1
            if self._admitted >= self._layouts_max:
                counts.clear()
            return True
        if seen > 1 or len(counts) < COUNTED_MAX:
            counts[key] = seen
        else:
            self._counts = {other: count - 1 for other, count in counts.items() if count > 1}
        return False
