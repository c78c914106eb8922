"""When bytes arrived, as early as it can have been: deadlines count from there, not from when they were read.

The kernel's own stamp says when the *newest* of the bytes in a read came, because it merges segments that wait. So it
is held against two other bounds: bytes that were not there when the loop last looked came after that look, and bytes
of a line that was not being read may have come as soon as reading stopped.
"""

import socket
import struct
import time

import trio

SO_TIMESTAMPNS = 35
"""Linux, asm-generic/socket.h (Python has no name for it): each read says when its newest bytes came in."""
_TIMESPEC = struct.Struct("@ll")
ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
AGE_MAX_S = 60.0
"""As long as the longest deadline there is. A clock that is stepped forward silences what is in flight, once."""
BLOCKED_S = 0.001
"""A look for I/O that took longer than this was waiting, and what ended it had just come."""


class LoopWatch(trio.abc.Instrument):
    """Notes when the loop looks for I/O. `bound` is the earliest that what it found last can have come."""

    def __init__(self) -> None:
        self.bound = self._began = self._ended = float("inf")

    def before_io_wait(self, _timeout: float) -> None:
        self._began = trio.current_time()

    def after_io_wait(self, _timeout: float) -> None:
        before, self._ended = self._ended, trio.current_time()
        self.bound = self._ended if self._ended - self._began > BLOCKED_S else before


def age_s(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Seconds that the newest bytes of a read had waited in the kernel; 0.0 where it does not say."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            age: float = time.time() - (seconds + nanoseconds / 1e9)
            return min(max(age, 0.0), AGE_MAX_S)
    return 0.0
