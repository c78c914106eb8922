"""The heap in pages of 2 MB, where Linux has them: the processor finds a million cards without walking page tables.

A payment's account, card and counters lie anywhere in the heap, and with pages of 4 kB nearly each of them costs a walk
besides the miss itself; on a virtual machine a walk is two. `python -m benchmarks.decide` has the difference.

Owns the choice of what is moved, from /proc/self/smaps (proc(5)), and the two calls of madvise(2). What the kernel
refuses, or does not know, is left as it is: nothing but time depends on it.
"""

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

PAGE: Final = 2 << 20
HUGEPAGE, COLLAPSE = 14, 25
"""Advice of madvise(2): may be in huge pages from now on (2.6.38), and is to be at once (6.1)."""
FULL: Final = 0.5
"""Of a mapping, what has to be in memory already: an idle thread's stack would only get larger."""


class Mapping(NamedTuple):
    """One mapping of this process: addresses, and bytes of it that are in memory and in huge pages."""

    start: int
    end: int
    resident: int
    huge: int


def heap_mappings(lines: Iterable[str]) -> Iterator[Mapping]:
    """What is private, anonymous and writable, from the lines of an smaps file."""
    span: tuple[int, int] | None = None
    resident = huge = 0
    for line in lines:
        name, *rest = line.split()
        if not name.endswith(":"):
            if span is not None:
                yield Mapping(*span, resident, huge)
            span, resident, huge = None, 0, 0
            if rest[0] == "rw-p" and rest[4:] in ([], ["[heap]"]):
                start, end = name.split("-")
                span = int(start, 16), int(end, 16)
        elif name == "Rss:":
            resident = int(rest[0]) << 10
        elif name == "AnonHugePages:":
            huge = int(rest[0]) << 10
    if span is not None:
        yield Mapping(*span, resident, huge)


def collapse_heap() -> int:
    """Move the heap to huge pages; how many bytes of it are in them afterwards, 0 where there are none to be had.

    It blocks: a second for each 1 to 2 GB.
    """
    if sys.platform != "linux":
        return 0
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for found in _read():
        whole = -(-found.start // PAGE) * PAGE
        if found.resident < FULL * (found.end - found.start) or advise(
            found.start, found.end - found.start, HUGEPAGE
        ):
            continue
        for page in range(whole, found.end - PAGE + 1, PAGE):
            advise(page, PAGE, COLLAPSE)
    return sum(found.huge for found in _read())


def _read() -> list[Mapping]:
    path = Path("/proc/self/smaps")
    if not os.access(path, os.R_OK):
        return []
    return list(heap_mappings(path.read_text(encoding="utf-8", errors="replace").splitlines()))
