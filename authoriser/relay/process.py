"""The relay as a process: signals, exit codes, and the pipes to the server that supervises it.

Supervised, each byte on standard input is a wake-up and its end is the order to stop; progress goes out as JSON lines.
Beside a server that decides, it gives way to it (RELAY_NICENESS).
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable

import msgspec
import structlog

from authoriser import limits
from authoriser.cassandra_access import cassandra_config
from authoriser.config import Config
from authoriser.journal.cassandra_slots import CassandraSlots
from authoriser.journal.slots import Slots, SqliteSlots
from authoriser.kafka.client import KafkaSettingsError, quieten_library
from authoriser.kafka.settings import KafkaConfig
from authoriser.memory import passing_by_what_stays
from authoriser.passwords import PasswordError
from authoriser.places import shard_directory
from authoriser.relay.connection import Connection
from authoriser.relay.exits import EXIT_FENCED, EXIT_HALTED, EXIT_STOPPED, EXIT_UNUSABLE
from authoriser.relay.position import Halt, Position, start_of
from authoriser.relay.reader import BatchReader
from authoriser.relay.relay import Fenced, Progress, Relay

log = structlog.get_logger()

REPORT_EVERY_S = 0.1
"""How often progress alone is told; a change of state is told at once."""
READ_BYTES = 65_536


def slots_of(config: Config, shard: int) -> Slots:
    """Where the shard's journal is, by the configuration. Raises PasswordError, ImportError without the driver."""
    if config.cassandra is None:
        return SqliteSlots(shard_directory(config.data_dir, shard))
    return CassandraSlots(cassandra_config(config.cassandra), shard)


def run_relay(config: Config, shard: int, *, supervised: bool) -> int:
    """Relay until SIGTERM, SIGINT or, supervised, the end of standard input. The exit code."""
    kafka = _kafka(config)
    quieten_library()
    if supervised:
        os.nice(limits.RELAY_NICENESS)
    try:
        reader = BatchReader(slots_of(config, shard), shard)
    except PasswordError as error:
        log.critical("the relay ends", shard=shard, problem=str(error))
        return EXIT_UNUSABLE
    with passing_by_what_stays():
        return asyncio.run(_relayed(kafka, shard, reader, supervised=supervised))


def set_position(config: Config, shard: int, seq: int) -> Position:
    """Have relays go on after batch `seq`, whatever the position was. Raises Halt where there is none."""
    kafka = _kafka(config)
    quieten_library()
    return asyncio.run(_position_set(kafka, shard, slots_of(config, shard), seq))


def _kafka(config: Config) -> KafkaConfig:
    assert config.kafka is not None, "the caller has looked"
    return config.kafka


async def _position_set(kafka: KafkaConfig, shard: int, slots: Slots, seq: int) -> Position:
    chosen = start_of(shard)
    if seq:
        batch = await BatchReader(slots, shard).at(seq)
        chosen = msgspec.structs.replace(chosen, seq=seq, record=batch.last_record, hash=batch.digest.hex())
    connection = await Connection.open(kafka, shard)
    try:
        return await connection.set_position(chosen)
    finally:
        await connection.close()


async def _relayed(kafka: KafkaConfig, shard: int, reader: BatchReader, *, supervised: bool) -> int:
    reports = _Reports() if supervised else None
    relay = Relay(
        kafka,
        shard,
        reader,
        on_progress=reports.tell if reports is not None else _nobody,
        poll_s=limits.RELAY_WOKEN_POLL_S if supervised else limits.RELAY_POLL_S,
    )
    loop = asyncio.get_running_loop()
    working = asyncio.ensure_future(relay.run())

    def stop() -> None:
        relay.stop()
        loop.call_later(limits.RELAY_DRAIN_S, working.cancel)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if supervised:
        loop.add_reader(0, _listener(relay.wake, stop, loop))
    code, detail = EXIT_STOPPED, ""
    try:
        await working
    except asyncio.CancelledError:
        log.warning("the relay was stopped before it had relayed everything", shard=shard)
    except Halt as halt:
        code, detail = EXIT_HALTED, str(halt)
    except Fenced as fenced:
        code, detail = EXIT_FENCED, str(fenced)
    except KafkaSettingsError as error:
        code, detail = EXIT_UNUSABLE, str(error)
    if detail:
        log.critical("the relay ends", shard=shard, problem=detail)
    if reports is not None:
        reports.end(detail)
    await reader.close()
    return code


def _listener(
    wake: Callable[[], None], stop: Callable[[], None], loop: asyncio.AbstractEventLoop
) -> Callable[[], None]:
    os.set_blocking(0, False)

    def heard() -> None:
        try:
            said = os.read(0, READ_BYTES)
        except BlockingIOError:
            return
        if said:
            wake()
        else:
            loop.remove_reader(0)
            stop()

    return heard


def _nobody(_progress: Progress) -> None:
    pass


class _Reports:
    """Progress on standard output. A supervisor that is gone stops nothing here: the end of its other pipe does."""

    def __init__(self) -> None:
        self._told = Progress("connecting")
        self._last = self._told
        self._due: asyncio.TimerHandle | None = None

    def tell(self, progress: Progress) -> None:
        self._last = progress
        if (progress.state, progress.detail) != (self._told.state, self._told.detail):
            self._write()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(REPORT_EVERY_S, self._write)

    def end(self, detail: str) -> None:
        self._last = msgspec.structs.replace(self._last, detail=detail or self._last.detail)
        self._write()

    def _write(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._told = self._last
        with contextlib.suppress(OSError):
            os.write(1, msgspec.json.encode(self._told) + b"\n")
