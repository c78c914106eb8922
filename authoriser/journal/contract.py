"""What every journal promises, whatever it is made of. The contract tests hold each of them to it."""

from typing import Protocol


class Fenced(Exception):  # noqa: N818 - the word for it
    """Another writer has the slot. This process has lost the shard and must drop its state and all that waits."""


class Unknown(Exception):  # noqa: N818
    """The append may or may not be durable.

    With `retry`, the same bytes go to the same slot until it is known. Without, nothing can be known in this
    process any more (after a failed fsync the page cache lies): it must end at once, and find out on starting.
    """

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class JournalLocked(Exception):  # noqa: N818
    """Another process has this journal open for writing."""


class Journal(Protocol):
    """One shard's batches at consecutive slots, from 1 without a gap."""

    async def append(self, seq: int, blob: bytes) -> None:
        """Return when `blob` is durable in slot `seq`, which must be the one after the last.

        Finding exactly `blob` there already is success: it is our own, tried before. Raises Fenced where something
        else stands there, Unknown where it can't be told. Cancellation before it returns leaves it unknown.
        """
        ...

    async def read(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        """Up to `count` batches from slot `from_seq` on, in order; fewer only at the end of the log.

        Raises Unknown where a log on other machines can't be read now, with `retry` if it may be later.
        """
        ...

    async def close(self) -> None: ...


class SharedJournal(Journal, Protocol):
    """A journal whose log other processes append to as well: the one that leads, and one that takes over."""

    async def peek(self, from_seq: int, count: int) -> list[tuple[int, bytes]]:
        """As `read`, but it may end before the log does, and keeps out of the way of whoever appends.

        What it gives stands there for good; that it gives nothing proves nothing.
        """
        ...
