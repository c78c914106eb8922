"""Whether the batches of a log are one log: no slot missing, each chained to the one before, one writer an epoch.

Pure. Gives what the records say as facts, and what is wrong as faults.
"""

from collections.abc import Iterable

from authoriser.journal.batch import GENESIS, Batch, BatchError, decode_batch
from authoriser.ledger.records import EpochStarted
from drills.evidence import Fault
from drills.facts import Fact, fact_of_record


def read_log(slots: Iterable[tuple[int, bytes]], *, shard: int) -> tuple[list[Fact], list[Fault]]:
    """The facts of all records, in order, of (slot, batch) from slot 1 on. Ends at the first batch that is none."""
    facts: list[Fact] = []
    faults: list[Fault] = []
    writer = _Writer()
    digest, expected, last_ms = GENESIS, 1, 0
    for seq, blob in slots:
        if seq != expected:
            faults.append(
                Fault("P6", "log_gap", f"slot {expected} of the log is empty, and slot {seq} is not")
            )
            return facts, faults
        try:
            batch, digest = decode_batch(blob, seq=seq, shard=shard, previous_hash=digest)
        except BatchError as error:
            faults.append(Fault("P10", "log_damaged", str(error)))
            return facts, faults
        faults += writer.wrongs(batch)
        if batch.first_record_no != len(facts) + 1:
            text = f"batch {seq} begins with record {batch.first_record_no}, after record {len(facts)}"
            faults.append(Fault("P6", "log_gap", text))
        if batch.last_ms < last_ms:
            faults.append(Fault("P10", "log_time", f"batch {seq} is of an earlier time than the one before"))
        last_ms = batch.last_ms
        facts += [
            fact_of_record(record, number=number, seq=seq)
            for number, record in enumerate(batch.records, len(facts) + 1)
        ]
        expected += 1
    return facts, faults


class _Writer:
    """Who has the shard, batch after batch."""

    def __init__(self) -> None:
        self._epoch = 0
        self._nonce = ""

    def wrongs(self, batch: Batch) -> list[Fault]:
        if batch.epoch < self._epoch:
            text = f"batch {batch.seq} is of epoch {batch.epoch}, after one of epoch {self._epoch}"
            return [Fault("P7", "fenced_writer", text)]
        if batch.epoch == self._epoch:
            if batch.nonce != self._nonce:
                return [
                    Fault(
                        "P7", "two_writers", f"batch {batch.seq}: two processes wrote in epoch {batch.epoch}"
                    )
                ]
            return []
        self._epoch, self._nonce = batch.epoch, batch.nonce
        first = batch.records[0] if batch.records else None
        opened = isinstance(first, EpochStarted) and (first.epoch, first.nonce) == (batch.epoch, batch.nonce)
        if not opened or batch.epoch != batch.seq:
            text = f"batch {batch.seq} is of epoch {batch.epoch} and does not open it"
            return [Fault("P7", "fenced_writer", text)]
        return []
