"""Recovery: the same state from snapshots and tail as from the whole journal, or an error that says what and where."""

import gc
from collections.abc import Sequence

import msgspec
import pytest
from msgspec.structs import replace

from authoriser.journal.batch import GENESIS, HASH_BYTES, VERSION, Batch, BatchError, encode_batch
from authoriser.journal.memory import MemoryJournal, MemoryLog
from authoriser.ledger import records as r
from authoriser.ledger.digest import state_hash
from authoriser.recovery import COMMONS_ID, RecoveryError, Replayer, recover
from authoriser.snapshots import Blob, Loaded
from authoriser.snapshots.memory import MemorySnapshots

EUR = "978"
NOBODYS_KEY = r.Audit(key="", actor="mara", uid=1000, reason="a test", what="", forget_ms=0)


def opened(account: str, at_ms: int = 10) -> r.AccountOpened:
    return r.AccountOpened(at_ms, account, EUR, 0, "UTC", NOBODYS_KEY)


def posted(account: str, amount_minor: int, at_ms: int = 20) -> r.Posted:
    return r.Posted(at_ms, account, "credit", amount_minor, f"funding:{EUR}", NOBODYS_KEY)


def epoch(number: int, at_ms: int = 5) -> r.EpochStarted:
    return r.EpochStarted(at_ms, number, "nonce", "test", clean=True)


STORY: tuple[tuple[r.Record, ...], ...] = (
    (epoch(1), opened("acc-a"), opened("acc-b")),
    (posted("acc-a", 100), posted("acc-b", 200)),
    (),
    (posted("acc-a", 10, at_ms=30),),
)
"""Four batches, the third one empty."""


class Writer:
    """Encodes batches one after the other, as the group commit does."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self.record_no = 0
        self.last_ms = 0
        self.chain = GENESIS

    def write(self, records: Sequence[r.Record], **wrong: int) -> None:
        self.last_ms = max([self.last_ms, *(record.at_ms for record in records)])
        batch = Batch(
            version=VERSION,
            shard=0,
            seq=len(self.blobs) + 1,
            epoch=1,
            nonce="nonce",
            first_record_no=self.record_no + 1,
            last_ms=self.last_ms,
            previous_hash=self.chain,
            records=list(records),
        )
        blob, self.chain = encode_batch(replace(batch, **wrong))
        self.record_no += len(records)
        self.blobs.append(blob)


def journal() -> Writer:
    writer = Writer()
    for records in STORY:
        writer.write(records)
    return writer


def replay(blobs: Sequence[bytes], loaded: Loaded | None = None, until: int | None = None) -> Replayer:
    replayer = Replayer(0, loaded)
    for seq in range(replayer.next_seq, (until or len(blobs)) + 1):
        replayer.feed(seq, blobs[seq - 1])
    replayer.finish()
    return replayer


def snapshots_at(blobs: Sequence[bytes], seq: int) -> dict[str, Blob]:
    """Every aggregate as it was after batch `seq`."""
    state = replay(blobs, until=seq).state
    encode = msgspec.msgpack.encode
    found = {name: Blob(name, account.version, encode(account)) for name, account in state.accounts.items()}
    return found | {COMMONS_ID: Blob(COMMONS_ID, state.commons.version, encode(state.commons))}


def test_the_whole_journal_gives_the_state() -> None:
    """From nothing: balances, books, and where the log ends."""
    writer = journal()
    replayer = replay(writer.blobs)
    balances = {name: account.balance_minor for name, account in replayer.state.accounts.items()}
    assert balances == {"acc-a": 110, "acc-b": 200}
    assert replayer.state.commons.books == {"funding:978": -310}
    tail = replayer.tail
    assert (tail.seq, tail.hash, tail.record_no, tail.last_ms) == (4, writer.chain, 6, 30)


@pytest.mark.parametrize("checkpoint_seq", [0, 1, 2])
@pytest.mark.parametrize("newer", [set(), {"acc-a"}, {"acc-b", COMMONS_ID}, {"acc-a", "acc-b", COMMONS_ID}])
def test_snapshots_and_tail_give_the_same_state(checkpoint_seq: int, newer: set[str]) -> None:
    """Blobs at the checkpoint, or newer ones beside them: each aggregate skips what its snapshot has."""
    blobs = journal().blobs
    found = snapshots_at(blobs, 2) if checkpoint_seq else {}
    found |= {name: blob for name, blob in snapshots_at(blobs, 4).items() if name in newer}
    whole, quick = replay(blobs), replay(blobs, Loaded(checkpoint_seq, list(found.values())))
    assert (state_hash(quick.state), quick.tail) == (state_hash(whole.state), whole.tail)


def test_what_the_tail_touched_is_dirty() -> None:
    """The next checkpoint must not pass it before it is saved again; what no record of the tail changed is not."""
    blobs = journal().blobs
    quick = replay(blobs, Loaded(2, list(snapshots_at(blobs, 2).values())))
    assert quick.state.dirty == {"acc-a", COMMONS_ID}


def test_a_checkpoint_at_the_end_leaves_nothing_to_do() -> None:
    """Its own batch is read again for the chain's hash, and applies nothing."""
    blobs = journal().blobs
    replayer = replay(blobs, Loaded(4, list(snapshots_at(blobs, 4).values())))
    assert replayer.state.dirty == set()
    assert replayer.tail == replay(blobs).tail


def test_a_checkpoint_at_an_empty_batch_knows_the_record_number() -> None:
    """An empty batch carries the number that comes next."""
    blobs = journal().blobs
    replayer = replay(blobs, Loaded(3, list(snapshots_at(blobs, 3).values())), until=3)
    assert (replayer.state.record_no, replayer.state.last_ms) == (5, 20)


async def test_recover_reads_the_stores() -> None:
    """Journal and snapshots of the contract, read page by page, to the same end."""
    blobs = journal().blobs
    log = MemoryLog()
    log.batches = blobs
    snapshots = MemorySnapshots()
    await snapshots.save(list(snapshots_at(blobs, 2).values()))
    await snapshots.move_checkpoint(2)
    replayer = await recover(MemoryJournal(log), snapshots, 0)
    assert (state_hash(replayer.state), replayer.tail.seq) == (state_hash(replay(blobs).state), 4)


async def test_an_empty_directory_is_an_empty_state() -> None:
    """The first start: no batch, no snapshot, no error."""
    replayer = await recover(MemoryJournal(), MemorySnapshots(), 0)
    assert (replayer.state.record_no, replayer.tail.seq) == (0, 0)


# ---- what must not be served from


def failing(blobs: Sequence[bytes], loaded: Loaded | None = None) -> str:
    with pytest.raises((RecoveryError, BatchError)) as error:
        replay(blobs, loaded)
    return str(error.value)


def test_a_gap_names_the_batch_that_is_missing() -> None:
    replayer = Replayer(0)
    blobs = journal().blobs
    replayer.feed(1, blobs[0])
    with pytest.raises(RecoveryError, match="the journal has a gap: batch 2 is missing before 3"):
        replayer.feed(3, blobs[2])


def test_a_batch_twice_is_refused() -> None:
    """The store hands out slot 1 again: that is no way on."""
    replayer = Replayer(0)
    blobs = journal().blobs
    replayer.feed(1, blobs[0])
    with pytest.raises(RecoveryError, match="batch 2 is missing before 1"):
        replayer.feed(1, blobs[0])


def test_any_flipped_bit_is_found() -> None:
    """Whichever bit of whichever byte of a batch: its hash says so."""
    blobs = journal().blobs
    for place in range(len(blobs[1])):
        damaged = bytearray(blobs[1])
        damaged[place] ^= 1 << place % 8
        assert failing([blobs[0], bytes(damaged)]) == "batch 2: its hash does not match its bytes"


@pytest.mark.parametrize("length", [0, 1, HASH_BYTES - 1, HASH_BYTES, HASH_BYTES + 1])
def test_a_cut_batch_is_found(length: int) -> None:
    blobs = journal().blobs
    assert failing([blobs[0], blobs[1][:length]]) == "batch 2: its hash does not match its bytes"


def test_two_batches_exchanged() -> None:
    """Each is sound by itself, and says which slot it is for."""
    blobs = journal().blobs
    assert failing([blobs[0], blobs[2]]) == "batch 2 of shard 0 says it is batch 3 of shard 0"


def test_a_batch_of_another_history() -> None:
    """The right slot and a sound hash, and not what followed the batch before it."""
    other = Writer()
    other.write((epoch(1), opened("acc-z"), opened("acc-b")))
    other.write(())
    blobs = [journal().blobs[0], other.blobs[1]]
    assert failing(blobs) == "batch 2: it does not follow the batch before it (chain of hashes)"


def test_another_shard() -> None:
    """A journal that was copied to the wrong place."""
    writer = Writer()
    writer.write((), shard=7)
    assert failing(writer.blobs) == "batch 1 of shard 0 says it is batch 1 of shard 7"


def test_another_version() -> None:
    """A newer program wrote it: this one must not guess."""
    writer = Writer()
    writer.write((), version=VERSION + 1)
    assert failing(writer.blobs) == f"batch 1: version {VERSION + 1}; this program reads version {VERSION}"


def test_an_epoch_that_goes_back() -> None:
    """A leader that was replaced got a batch in: the fence did not hold."""
    writer = Writer()
    writer.write((epoch(1),))
    writer.write((epoch(2),), epoch=2)
    writer.write((), epoch=1)
    assert failing(writer.blobs) == "batch 3: epoch 1 after epoch 2"


def test_record_numbers_that_skip() -> None:
    """Numbers go on from the last record without a gap."""
    writer = Writer()
    writer.write((epoch(1), opened("acc-a")))
    writer.write((posted("acc-a", 1),), first_record_no=4)
    assert failing(writer.blobs) == "batch 2: record 4 where 3 must follow"


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (posted("acc-z", 1), "Posted"),
        (opened("acc-a"), "AccountOpened"),
        (r.HoldExpired(20, "acc-a", "card-0", 77, 100), "HoldExpired"),
        (epoch(1), "EpochStarted"),
    ],
)
def test_a_record_that_contradicts_those_before(record: r.Record, what: str) -> None:
    """Posted to nobody, opened twice, released and never held, an epoch again: batch, record and kind are named."""
    writer = Writer()
    writer.write((epoch(1), opened("acc-a")))
    writer.write((record,))
    assert failing(writer.blobs).startswith(f"batch 2: record 3 ({what}) contradicts what stands before it (")


def test_an_account_missing_from_the_snapshots() -> None:
    """A checkpoint promised that everything before it is saved: the store lost a blob."""
    blobs = journal().blobs
    found = snapshots_at(blobs, 2)
    del found["acc-a"]
    text = failing(blobs, Loaded(2, list(found.values())))
    assert text.startswith("batch 2: record 4 (Posted) contradicts what stands before it (")


@pytest.mark.parametrize("ahead", ["acc-a", COMMONS_ID])
@pytest.mark.parametrize("checkpoint_seq", [0, 2])
def test_a_snapshot_ahead_of_the_journal(ahead: str, checkpoint_seq: int) -> None:
    """The journal was restored from a backup, or cut, and the snapshots were not."""
    blobs = journal().blobs
    found = snapshots_at(blobs, 2) | {ahead: snapshots_at(blobs, 4)[ahead]}
    assert failing(blobs[:3], Loaded(checkpoint_seq, list(found.values()))) == (
        "the snapshots know more than the journal, which ends at record 5: "
        "the journal is older than the snapshots, or was cut"
    )


def test_a_checkpoint_ahead_of_the_journal() -> None:
    """The checkpoint's batch is not there at all."""
    blobs = journal().blobs
    text = failing(blobs[:3], Loaded(4, list(snapshots_at(blobs, 2).values())))
    assert text.startswith("the snapshots know more than the journal")


@pytest.mark.parametrize(("name", "called"), [("acc-a", "'acc-a'"), (COMMONS_ID, "'the commons'")])
def test_a_snapshot_that_cannot_be_read(name: str, called: str) -> None:
    """Which one, and that the journal can stand in for it."""
    blobs = journal().blobs
    loaded = Loaded(2, [Blob(name, 1, b"\xc1 nothing of ours")])
    assert failing(blobs, loaded) == (
        f"the snapshot of {called} can't be read; without snapshots.db everything is replayed"
    )


def test_a_snapshot_that_got_lost_is_missed() -> None:
    """Of an account that the tail does not touch nobody would ask: the checkpoint knows how many there were."""
    blobs = journal().blobs
    saved = snapshots_at(blobs, 4)
    kept = [blob for name, blob in saved.items() if name != "acc-b"]
    text = failing(blobs, Loaded(4, kept, len(saved)))
    assert text == "1 of 3 snapshots are missing; without snapshots.db everything is replayed"


@pytest.mark.parametrize("was_on", [True, False])
async def test_the_collector_is_left_as_it_was(was_on: bool) -> None:
    """It rests while everything is loaded, and goes on afterwards where it was on, after an error too."""
    log = MemoryLog()
    for seq, blob in enumerate(journal().blobs, start=1):
        await MemoryJournal(log).append(seq, blob)
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        await recover(MemoryJournal(log), MemorySnapshots(), shard=0)
        assert gc.isenabled() is was_on
        with pytest.raises(BatchError):
            await recover(MemoryJournal(log), MemorySnapshots(), shard=1)
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()
