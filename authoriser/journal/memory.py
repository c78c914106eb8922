"""The fake: a journal in memory, with the faults that a real one has. Passes the same contract tests.

Several `MemoryJournal`s may share one `MemoryLog`, as processes share a disk or a cluster.
"""

import trio

from authoriser.journal.contract import Fenced, Unknown


class MemoryLog:
    """What outlives a process: the durable batches. Slot `n` is `batches[n - 1]`."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []


class MemoryJournal:
    """One process's handle on a `MemoryLog`, with switches for its faults."""

    def __init__(self, log: MemoryLog | None = None) -> None:
        self.log = log if log is not None else MemoryLog()
        self.appends_begun = 0
        self._running = trio.Event()
        self._running.set()
        self._unknown: list[bool] = []
        self._blind = False

    def stall(self) -> None:
        """From now on appends wait, as on a disk that does not answer."""
        if self._running.is_set():
            self._running = trio.Event()

    def resume(self) -> None:
        self._running.set()

    def fail_next(self, *, written: bool) -> None:
        """Make the next append raise Unknown, with the batch `written` all the same or not."""
        self._unknown.append(written)

    def blind(self, blind: bool) -> None:  # noqa: FBT001 - a switch
        """Make reads fail, as where no quorum answers, or let them work again."""
        self._blind = blind

    async def append(self, seq: int, blob: bytes) -> None:
        self.appends_begun += 1
        await self._running.wait()
        await trio.lowlevel.checkpoint()
        if self._unknown:
            if self._unknown.pop(0):
                self._write(seq, blob)
            raise Unknown("the test said so", retry=True)
        self._write(seq, blob)

    def _write(self, seq: int, blob: bytes) -> None:
        batches = self.log.batches
        if seq == len(batches) + 1:
            batches.append(blob)
        elif not 1 <= seq <= len(batches) or batches[seq - 1] != blob:
            raise Fenced(f"slot {seq} is not ours")

    async def read(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        await trio.lowlevel.checkpoint()
        if self._blind:
            raise Unknown("the test said so", retry=True)
        start = max(from_seq, 1)
        found = self.log.batches[start - 1 : start - 1 + count]
        return list(enumerate(found, start))

    async def peek(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        return await self.read(from_seq, count)

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
