"""Batches as bytes: what was encoded comes back, and what was touched is refused by name."""

import msgspec
import pytest

from authoriser.journal.batch import GENESIS, VERSION, Batch, BatchError, decode_batch, encode_batch
from authoriser.ledger.records import EpochEnded, EpochStarted

BATCH = Batch(
    version=VERSION,
    shard=0,
    seq=7,
    epoch=7,
    nonce="0123456789abcdef",
    first_record_no=42,
    last_ms=1_800_000_000_000,
    previous_hash=GENESIS,
    records=[
        EpochStarted(1_800_000_000_000, 7, "0123456789abcdef", "0.1.0", True),
        EpochEnded(1_800_000_000_000),
    ],
)


def test_a_batch_comes_back_as_it_went() -> None:
    """Encoding and decoding are inverse, and both give the same hash."""
    blob, digest = encode_batch(BATCH)
    assert decode_batch(blob, seq=7, shard=0, previous_hash=GENESIS) == (BATCH, digest)


@pytest.mark.parametrize("place", range(0, 180, 13))
def test_a_flipped_bit_is_found(place: int) -> None:
    """One bit anywhere, and the batch is refused with its slot named."""
    blob, _ = encode_batch(BATCH)
    place %= len(blob)
    damaged = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
    with pytest.raises(BatchError, match="batch 7: its hash"):
        decode_batch(damaged, seq=7, shard=0, previous_hash=GENESIS)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"seq": 8}, "says it is batch 8"),
        ({"shard": 1}, "of shard 1"),
        ({"version": 2}, "version 2; this program reads version 1"),
        ({"previous_hash": bytes([1]) * 32}, "does not follow the batch before it"),
    ],
)
def test_a_batch_in_the_wrong_place_is_refused(changed: dict[str, object], expected: str) -> None:
    """A sound batch of another slot, shard, version or history is refused, with what is wrong."""
    blob, _ = encode_batch(msgspec.structs.replace(BATCH, **changed))
    with pytest.raises(BatchError, match=expected):
        decode_batch(blob, seq=7, shard=0, previous_hash=GENESIS)


def test_two_processes_never_write_the_same_bytes() -> None:
    """The nonce parts two writers whose records for one slot are equal."""
    other = msgspec.structs.replace(BATCH, nonce="fedcba9876543210")
    assert encode_batch(BATCH)[0] != encode_batch(other)[0]
