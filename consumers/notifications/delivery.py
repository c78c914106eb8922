"""Where a text goes: standard output, or a webhook with retries.

A webhook gets the notification as JSON with the event's id as Idempotency-Key; its status says whether it has it.
"""

import asyncio
import random
import sys
from typing import Protocol, TextIO

import httpx
import msgspec
from msgspec import Struct

from consumers.notifications.texts import Notification

TOKEN_VARIABLE = "AUTHORISER_WEBHOOK_TOKEN"  # noqa: S105 - the name of the variable
PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""A little later the same may go well."""


class Undeliverable(Exception):  # noqa: N818 - what the notification is
    """It will not be delivered. The text says why, and nothing of the notification."""


class Delivery(Protocol):
    async def deliver(self, notification: Notification) -> None:
        """Return when the receiver has it. Raises Undeliverable."""
        ...


class Patience(Struct, frozen=True):
    """`attempts` in all; between them a pause that doubles up to `pause_max_s`, with jitter. Seconds."""

    attempts: int = 8
    pause_first_s: float = 0.2
    pause_max_s: float = 15.0
    answer_max_s: float = 10.0


class StandardOutput:
    """A JSON line each."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout

    async def deliver(self, notification: Notification) -> None:
        self._stream.write(msgspec.json.encode(notification).decode() + "\n")
        self._stream.flush()


class Webhook:
    """`token` goes as a bearer token; it is in no text of ours. Close it in the end."""

    def __init__(self, url: str, *, token: str = "", patience: Patience | None = None) -> None:
        self._url = url
        self._patience = patience if patience is not None else Patience()
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {token}"} if token else {}
        )
        self._client = httpx.AsyncClient(headers=headers, timeout=self._patience.answer_max_s)

    async def deliver(self, notification: Notification) -> None:
        body = msgspec.json.encode(notification)
        pause = self._patience.pause_first_s
        for left in reversed(range(self._patience.attempts)):
            why, wanted_s, passing = await self._post(body, notification.id)
            if not why:
                return
            if not passing:
                raise Undeliverable(f"refused with {why}")
            if left:
                await asyncio.sleep(
                    max(pause * random.uniform(0.5, 1.5), min(wanted_s, self._patience.pause_max_s))
                )
                pause = min(2 * pause, self._patience.pause_max_s)
        raise Undeliverable(f"{self._patience.attempts} attempts, the last ended with {why}")

    async def _post(self, body: bytes, key: str) -> tuple[str, float, bool]:
        """What went wrong ("" if nothing did), how long the receiver asked us to wait, whether it may pass."""
        try:
            answer = await self._client.post(self._url, content=body, headers={"idempotency-key": key})
        except httpx.TransportError as error:
            return type(error).__name__, 0.0, True
        if answer.is_success:
            return "", 0.0, False
        asked = answer.headers.get("retry-after", "")
        return (
            f"status {answer.status_code}",
            float(asked) if asked.isdecimal() else 0.0,
            (answer.status_code in PASSING_STATUSES),
        )

    async def close(self) -> None:
        await self._client.aclose()
