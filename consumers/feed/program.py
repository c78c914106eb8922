"""From events to rows: written before their offsets are kept, so that none is missed; twice is once.

While Cassandra is away the same rows are tried again; what can't pass ends the program.
"""

import asyncio
import random
from collections.abc import Sequence

import structlog

from authoriser.cassandra.session import CassandraError
from consumers.feed.rows import entry_of
from consumers.feed.tables import Feed
from consumers.incoming import Incoming, Message

PAUSE_FIRST_S, PAUSE_MAX_S = 0.2, 10.0

log = structlog.get_logger()


class FeedWriter:
    """The handler of `consumers.reading`."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def remember(self, event: Incoming) -> None:
        """Rows need no memory."""

    async def handle(self, events: Sequence[Incoming]) -> None:
        """Raises CassandraError where trying again can't help."""
        entries = [entry for event in events if (entry := entry_of(event)) is not None]
        pause = PAUSE_FIRST_S
        while entries:
            try:
                await asyncio.to_thread(self._feed.write, entries)
                return
            except CassandraError as error:
                if not error.passing:
                    raise
                log.warning("rows are tried again", count=len(entries), error=str(error))
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, PAUSE_MAX_S)

    async def unreadable(self, message: Message, why: str) -> None:
        length_bytes = len(message.value or b"")
        log.error("a message of the events' topic is passed over", problem=why, length_bytes=length_bytes)
