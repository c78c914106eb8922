"""The relay's life: connect, go on from the position, relay batch after batch; after any error begin again.

Owns when it gives up and when it tries again. Knows no signal and no pipe: `process` has those.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Literal

import structlog
from aiokafka.errors import KafkaError, ProducerFenced
from msgspec import Struct

from authoriser import limits
from authoriser.journal.contract import Unknown
from authoriser.kafka.settings import KafkaConfig
from authoriser.relay.connection import Connection
from authoriser.relay.messages import MessageMaker
from authoriser.relay.position import Position, advanced
from authoriser.relay.reader import BatchReader, RelayedBatch

log = structlog.get_logger()

PASSING = (KafkaError, OSError, TimeoutError, Unknown)
"""What a new producer, or a little later, may put right."""

RelayState = Literal["connecting", "relaying", "waiting"]


class Fenced(Exception):  # noqa: N818 - the word for it
    """A newer relay has this shard. Whoever runs this one must know that the shard is still theirs before another."""


class Progress(Struct, frozen=True):
    """Where the relay is. `detail` is what keeps it waiting. Times are of `time.time`, in milliseconds."""

    state: RelayState
    seq: int = 0
    record: int = 0
    detail: str = ""


class Relay:
    """One shard's. `on_progress` is told every change and must be quick."""

    def __init__(
        self,
        config: KafkaConfig,
        shard: int,
        reader: BatchReader,
        *,
        on_progress: Callable[[Progress], None],
        poll_s: float = limits.RELAY_POLL_S,
    ) -> None:
        self._config = config
        self._shard = shard
        self._reader = reader
        self._maker = MessageMaker(shard, config.source)
        self._on_progress = on_progress
        self._poll_s = poll_s
        self._progress = Progress("connecting")
        self._woken = asyncio.Event()
        self._stopped = asyncio.Event()

    def wake(self) -> None:
        """There may be a new batch. Called from the loop."""
        self._woken.set()

    def stop(self) -> None:
        """Relay what is durable by now, then return from `run`."""
        self._stopped.set()
        self._woken.set()

    @property
    def _stopping(self) -> bool:
        return self._stopped.is_set()

    async def run(self) -> None:
        """Until `stop`. Raises Halt, Fenced, and KafkaSettingsError; everything that may pass is tried again."""
        pause = limits.RELAY_BACKOFF_FIRST_S
        while not self._stopping:
            relayed = self._progress.seq
            try:
                await self._live()
            except ProducerFenced:
                raise Fenced(f"a newer relay has taken shard {self._shard}") from None
            except PASSING as error:
                text = f"{type(error).__name__}: {error}".removesuffix(": ")
                log.warning("the relay begins again", shard=self._shard, error=text)
                self._say(state="waiting", detail=text)
                if self._progress.seq > relayed:
                    pause = limits.RELAY_BACKOFF_FIRST_S
                # A new batch is no reason to be in a hurry: a busy leader has a hundred a second.
                await _until(self._stopped, pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, limits.RELAY_BACKOFF_MAX_S)

    async def _live(self) -> None:
        """One producer's life."""
        self._say(state="connecting")  # with what ended the life before, while nothing newer is known
        with self._patiently("connecting", "connecting"):
            async with asyncio.timeout(limits.RELAY_STEP_S):
                connection = await Connection.open(self._config, self._shard)
        try:
            async with asyncio.timeout(limits.RELAY_STEP_S):
                position = await connection.position()
                await self._reader.require(position)
            log.info("relaying", shard=self._shard, seq=position.seq, record_no=position.record)
            self._say(state="relaying", seq=position.seq, record=position.record, detail="")
            await self._relay_from(connection, position)
        finally:
            await connection.close()

    async def _relay_from(self, connection: Connection, position: Position) -> None:
        """`position` is what Kafka has; the tail may be further, by batches without a record."""
        seq, digest, record = position.seq, position.digest, position.record
        now = asyncio.get_running_loop().time
        next_at = now()
        while True:
            if not self._stopping:
                await asyncio.sleep(next_at - now())
            next_at = now() + limits.RELAY_PACE_S
            self._woken.clear()
            stopping = self._stopping
            batches = await self._reader.after(seq, digest)
            resting, at_end = not batches, len(batches) < limits.RELAY_PAGE_BATCHES
            while batches:
                part = _transaction(batches)
                batches = batches[len(part) :]
                seq, digest, record = part[-1].seq, part[-1].digest, part[-1].last_record
                messages = [message for batch in part for message in self._maker.messages(batch)]
                if messages or seq - position.seq >= limits.RELAY_EMPTY_BATCHES:
                    last = messages[-1].id if messages else ""
                    position = advanced(position, seq=seq, record=record, digest=digest, last_event=last)
                    with self._patiently("waiting", "a transaction"):
                        await connection.send(messages, position)
                self._say(state="relaying", seq=seq, record=record, detail="")
            # Asked after the order to stop, it was all that was durable then. A new leader may go on for ever.
            if stopping and at_end:
                return
            if resting and not self._stopping:
                await _until(self._woken, self._poll_s)

    @contextlib.contextmanager
    def _patiently(self, state: RelayState, what: str) -> Iterator[None]:
        """Whoever looks is told of a step that takes long; what is known of an earlier failure says more."""

        def slow() -> None:
            detail = self._progress.detail or f"{what} takes longer than {limits.RELAY_SLOW_S:g} s"
            self._say(state=state, detail=detail)

        timer = asyncio.get_running_loop().call_later(limits.RELAY_SLOW_S, slow)
        try:
            yield
        finally:
            timer.cancel()

    def _say(
        self,
        state: RelayState | None = None,
        seq: int | None = None,
        record: int | None = None,
        detail: str | None = None,
    ) -> None:
        now = self._progress
        told = Progress(
            state=now.state if state is None else state,
            seq=now.seq if seq is None else seq,
            record=now.record if record is None else record,
            detail=now.detail if detail is None else detail,
        )
        if told != now:
            self._progress = told
            self._on_progress(told)


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Return when it is set, and no later than after `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _transaction(batches: list[RelayedBatch]) -> list[RelayedBatch]:
    """As many of the first as make one transaction; one at least."""
    size = 0
    for count, batch in enumerate(batches):
        size += batch.size_bytes
        if count and size > limits.RELAY_TRANSACTION_BYTES:
            return batches[:count]
    return batches
