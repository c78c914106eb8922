"""A batch as bytes: the records, who wrote them, and a hash that chains each batch to the one before.

Shape: MessagePack array (version, shard, seq, epoch, nonce, first_record_no, last_ms, previous_hash, records), then
32 bytes of SHA-256 over it. The nonce makes two processes' batches for one slot differ even if their records do
not; the chain makes a gap, a swap or a flipped bit a loud error on replay.
"""

import hashlib

import msgspec

from authoriser.ledger.records import Record

VERSION = 1
HASH_BYTES = 32
GENESIS = bytes(HASH_BYTES)
"""The hash before the first batch."""


class BatchError(Exception):
    """A batch that is not what it should be. The text says which slot and why; no record's content is in it."""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """`first_record_no` is the number of `records[0]`; an empty batch carries the number that comes next.

    `last_ms` is the time of the last record up to and with this batch. `epoch` is the slot at which the writer took
    the shard: its own first batch's.
    """

    version: int
    shard: int
    seq: int
    epoch: int
    nonce: str
    first_record_no: int
    last_ms: int
    previous_hash: bytes
    records: list[Record]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode_batch(batch: Batch) -> tuple[bytes, bytes]:
    """The blob for the journal, and its hash for the next batch."""
    body = _encoder.encode(batch)
    digest = hashlib.sha256(body).digest()
    return body + digest, digest


def decode_batch(blob: bytes, *, seq: int, shard: int, previous_hash: bytes | None) -> tuple[Batch, bytes]:
    """The batch and its hash. `previous_hash` None leaves the chain unchecked (a reader that starts midway).

    Raises BatchError where the bytes, the hash, the slot, the shard or the chain is wrong.
    """
    body, digest = blob[:-HASH_BYTES], blob[-HASH_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise BatchError(f"batch {seq}: its hash does not match its bytes")
    try:
        batch = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise BatchError(f"batch {seq}: not a batch of this version ({type(error).__name__})") from None
    if batch.version != VERSION:
        raise BatchError(f"batch {seq}: version {batch.version}; this program reads version {VERSION}")
    if (batch.seq, batch.shard) != (seq, shard):
        raise BatchError(f"batch {seq} of shard {shard} says it is batch {batch.seq} of shard {batch.shard}")
    if previous_hash is not None and batch.previous_hash != previous_hash:
        raise BatchError(f"batch {seq}: it does not follow the batch before it (chain of hashes)")
    return batch, digest
