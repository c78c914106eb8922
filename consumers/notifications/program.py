"""From events to delivered texts: one a decision, each account's in order, none twice, and what fails set aside.

Within a shard record numbers only grow, so an event that is not above the last one is one that was dealt with.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from consumers.incoming import Incoming, Message
from consumers.notifications.delivery import Delivery, Undeliverable
from consumers.notifications.texts import Notification, Texts

AT_ONCE = 16
"""Accounts whose texts are under way at the same time."""
LOOK_BACK = 1_000
"""Offsets read again on starting: more than one batch, so that it is known which events were dealt with."""

log = structlog.get_logger()


class DeadLetters(Protocol):
    async def bury(self, message: Message, why: str) -> None:
        """Keep a message that could not be dealt with, and why. Returns when it is kept."""
        ...


class Notifier:
    """The handler of `consumers.reading`."""

    def __init__(self, delivery: Delivery, dead_letters: DeadLetters) -> None:
        self._delivery = delivery
        self._dead_letters = dead_letters
        self._texts = Texts()
        self._last: dict[int, int] = {}
        """Shard -> its last record that was dealt with."""
        self._slots = asyncio.Semaphore(AT_ONCE)

    def remember(self, event: Incoming) -> None:
        self._last[event.shard] = max(event.record, self._last.get(event.shard, 0))
        self._texts.remember(event)

    async def handle(self, events: Sequence[Incoming]) -> None:
        """Raises what the dead letters raise; then all of these events are new still."""
        last = dict(self._last)
        by_account: dict[str, list[tuple[Incoming, Notification]]] = {}
        for event in events:
            if event.record > last.get(event.shard, 0):
                last[event.shard] = event.record
                notification = self._texts.of(event)
                if notification is not None:
                    by_account.setdefault(notification.account, []).append((event, notification))
        outcomes = await asyncio.gather(
            *(self._deliver(texts) for texts in by_account.values()), return_exceptions=True
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        self._last = last

    async def unreadable(self, message: Message, why: str) -> None:
        await self._dead_letters.bury(message, why)

    async def _deliver(self, texts: list[tuple[Incoming, Notification]]) -> None:
        async with self._slots:
            for event, notification in texts:
                try:
                    await self._delivery.deliver(notification)
                except Undeliverable as error:
                    log.warning("a notification goes to the dead letters", key=event.id, reason=str(error))
                    await self._dead_letters.bury(event.message, str(error))
