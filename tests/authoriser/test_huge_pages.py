"""The heap in huge pages: which mappings are taken, and that the kernel did it, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from authoriser.huge_pages import Mapping, heap_mappings

ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SMAPS = """\
00400000-00600000 r-xp 00000000 fe:00 42                                 /usr/bin/python3
Size:               2048 kB
Rss:                2048 kB
AnonHugePages:         0 kB
7f0000000000-7f0000400000 rw-p 00000000 00:00 0                          [heap]
Size:               4096 kB
Rss:                4000 kB
AnonHugePages:      2048 kB
VmFlags: rd wr mr mw me ac sd
7f0000400000-7f0000600000 rw-p 00000000 00:00 0
Size:               2048 kB
Rss:                   8 kB
AnonHugePages:         0 kB
7f0000600000-7f0000800000 rw-s 00000000 00:01 7                          /dev/shm/shared
Rss:                2048 kB
7f0000800000-7f0000a00000 rw-p 00000000 fe:00 42                         /usr/lib/libc.so.6
Rss:                2048 kB
7f0000a00000-7f0000a01000 ---p 00000000 00:00 0
Rss:                   0 kB
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                 132 kB
"""


def test_the_heap_is_what_is_private_writable_and_of_no_file() -> None:
    """Code, shared memory, files' data, guard pages and the stack stay as they are."""
    assert list(heap_mappings(SMAPS.splitlines())) == [
        Mapping(0x7F0000000000, 0x7F0000400000, 4000 << 10, 2048 << 10),
        Mapping(0x7F0000400000, 0x7F0000600000, 8 << 10, 0),
    ]


def test_no_mapping_of_nothing() -> None:
    """Where /proc is not what it is on Linux."""
    assert list(heap_mappings([])) == []


SETTLED = """
import mmap
from authoriser.huge_pages import PAGE, collapse_heap

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS:")) << 10

objects = [(number, str(number)) for number in range(400_000)]
untouched = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
before = resident()
huge = collapse_heap()
assert objects[399_999] == (399_999, "399999")
print(huge // PAGE, (resident() - before) // PAGE)
"""


def test_objects_are_moved_and_what_was_never_touched_is_not() -> None:
    """Forty megabytes of objects, and a mapping of 64 as large and empty as a thread's stack."""
    if not ENABLED.exists() or "[never]" in ENABLED.read_text():
        pytest.skip("the kernel has no transparent huge pages")
    done = subprocess.run(
        [sys.executable, "-c", SETTLED], capture_output=True, text=True, timeout=60, check=True
    )
    pages, more = map(int, done.stdout.split())
    assert pages >= 1  # as many as memory has free pieces for
    assert more <= 8
