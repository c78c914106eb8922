"""The journal's records, read beside a running server page by page, oldest first.

Owns the way to look for a few records among millions: a batch is decoded only where the bytes that are looked for
stand in it. MessagePack writes text and whole numbers as they are, so no record is missed.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator

import msgspec
from msgspec import Struct

from authoriser.events import first_record_of
from authoriser.journal.batch import BatchError, decode_batch
from authoriser.journal.contract import Unknown
from authoriser.journal.slots import Slots, find_slot, pages
from authoriser.ledger import records as r
from authoriser.opening import NoJournalError
from authoriser.places import SHARD

Watch = Callable[[int], None]
"""Is told, now and then, up to which batch a reading has come."""


class Read(Struct, frozen=True):
    """One record, with its number and its batch's."""

    seq: int
    number: int
    record: r.Record


class JournalReader:
    """One shard's journal. `last_seq` is its end when it was opened: what comes later is not read.

    Every method raises NoJournalError where the journal is damaged or can't be read.
    """

    def __init__(self, slots: Slots) -> None:
        """Raises NoJournalError likewise."""
        self._slots = slots
        with self._readable():
            self.last_seq = slots.end()

    def read(
        self,
        watch: Watch,
        needles: Collection[bytes] | None = None,
        from_seq: int = 1,
        to_seq: int | None = None,
    ) -> Iterator[Read]:
        """Every record of the batches that hold one of `needles`, or of all without.

        `needles` is looked at anew for each batch, so it may grow on the way.
        """
        end = self.last_seq if to_seq is None else min(to_seq, self.last_seq)
        rest = pages(self._slots, from_seq, end)
        while True:
            with self._readable():
                page = next(rest, None)
            if page is None:
                break
            for at, blob in page:
                if needles is None or any(needle in blob for needle in needles):
                    yield from self._records(blob, at)
            watch(page[-1][0])

    def _records(self, blob: bytes, seq: int) -> Iterator[Read]:
        with self._readable():
            batch, _digest = decode_batch(blob, seq=seq, shard=SHARD, previous_hash=None)
        for number, record in enumerate(batch.records, batch.first_record_no):
            yield Read(seq, number, record)

    def seq_of(self, number: int) -> int:
        """The batch that holds record `number`: the last one, where the journal has not come to it."""
        with self._readable():
            return find_slot(self._slots, self.last_seq, lambda blob, at: first_record_of(blob, at) <= number)

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except BatchError as error:
            raise NoJournalError(f"{self._slots.name} can't be read: {error}") from None
        except Unknown as error:
            raise NoJournalError(str(error)) from None


def needle(value: str | int) -> bytes:
    """What stands in a batch wherever a record holds `value`."""
    return value.encode() if isinstance(value, str) else msgspec.msgpack.encode(value)
