"""A drill without servers: a log as a leader writes it, its events, and what clients heard, to be spoilt by a test."""

import msgspec
from msgspec import Struct

from authoriser.events import event_of
from authoriser.journal.batch import GENESIS, VERSION, Batch, encode_batch
from authoriser.ledger import records as r
from drills.evidence import Exchange, Heard, Shown
from drills.outside import Judgement, judge
from rules import Reason

AT_MS = 1_800_000_000_000
NO_AUDIT = r.Audit("", "tester", 0, "a test", "", 0)
CREDIT_MINOR = 1_000


def said(mti: str, stan: str, amount_minor: int) -> r.Particulars:
    return r.Particulars(
        "visa", "default", mti, "0115080000", stan, f"6327{stan}", "1234", "000000", amount_minor, "978"
    )


def opened(account: str) -> r.AccountOpened:
    return r.AccountOpened(AT_MS, account, "978", CREDIT_MINOR, "UTC", NO_AUDIT)


def decided(
    stan: str, amount_minor: int, *, hold_id: int = 0, account: str = "alice", mti: str = "0100"
) -> r.Decided:
    """An approval with its hold; a decline where `hold_id` is 0."""
    hold = r.HoldPlaced(hold_id, amount_minor, AT_MS + 1) if hold_id else None
    reason, code = (Reason.APPROVED, "00") if hold_id else (Reason.INSUFFICIENT_FUNDS, "51")
    return r.Decided(
        AT_MS, account, f"card_{account}", "0002", f"key {stan}", said(mti, stan, amount_minor), reason, code,
        f"{hold_id:06}" if hold_id else "", hold, AT_MS + 2,
    )  # fmt: skip


def reversed_(stan: str, hold_id: int, amount_minor: int, account: str = "alice") -> r.Reversed:
    moved = (r.Moved(hold_id, -amount_minor, -amount_minor, ended="reversed"),)
    return r.Reversed(
        AT_MS, account, f"card_{account}", "0002", f"key {stan}", said("0420", stan, amount_minor),
        Reason.REVERSAL_DONE, "00", "", hold_id, amount_minor, 0, None, AT_MS + 2, moved,
    )  # fmt: skip


def voided(hold_id: int, amount_minor: int, account: str = "alice") -> r.HoldVoided:
    moved = (r.Moved(hold_id, -amount_minor, -amount_minor, ended="voided"),)
    return r.HoldVoided(
        AT_MS, account, f"card_{account}", "", hold_id, amount_minor, Reason.ANSWER_VOID, "68", moved
    )


class Written(Struct):
    """One batch as it is to be written: `epoch` 0 is that of the batch before."""

    records: list[r.Record]
    epoch: int = 0
    nonce: str = "one"


def epoch(seq: int, nonce: str = "one") -> Written:
    return Written([r.EpochStarted(AT_MS, seq, nonce, "test", False)], seq, nonce)


class Story:
    """`batches`, `exchanges` and `shown` may be changed, then `written`; `slots` and `events` after that."""

    def __init__(self) -> None:
        self.batches = [
            epoch(1),
            Written([opened("alice"), opened("bob")]),
            Written([decided("000001", 400, hold_id=4), decided("000002", 700)]),
            Written([reversed_("000003", 4, 400), decided("000004", 900, hold_id=7)]),
            epoch(5, "two"),
            Written([decided("000005", 300, hold_id=9, account="bob")], nonce="two"),
            Written([], nonce="two"),
        ]
        self.exchanges = [
            exchange("000001", 400, Heard("00", "000004")),
            exchange("000002", 700, Heard("51")),
            exchange("000003", 400, Heard("00"), mti="0420", reverses="000001"),
            exchange("000004", 900, Heard("00", "000007"), Heard("00", "000007")),
            exchange("000005", 300, Heard("00", "000009"), account="bob"),
            exchange("000006", 50),
        ]
        self.shown = [Shown("alice", 0, 900), Shown("bob", 0, 300)]
        self.slots: list[tuple[int, bytes]] = []
        self.events: list[bytes] = []

    def written(self) -> "Story":
        """Write the log, and relay it."""
        digest, number, number_of_epoch = GENESIS, 1, 0
        for seq, batch in enumerate(self.batches, 1):
            number_of_epoch = batch.epoch or number_of_epoch
            blob, digest = encode_batch(
                Batch(VERSION, 0, seq, number_of_epoch, batch.nonce, number, AT_MS, digest, batch.records)
            )
            self.slots.append((seq, blob))
            for record in batch.records:
                self.events.append(msgspec.json.encode(event_of(record, number=number, seq=seq, shard=0)))
                number += 1
        return self

    def judged(self, *, others: bool = False) -> Judgement:
        return judge(
            exchanges=self.exchanges, slots=self.slots, events=self.events, shown=self.shown, others=others
        )

    def faults(self) -> set[tuple[str, str]]:
        """(promise, kind) of every fault that is found."""
        return {(fault.promise, fault.kind) for fault in self.judged().faults}


def exchange(
    stan: str, amount_minor: int, *heard: Heard, account: str = "alice", mti: str = "0100", reverses: str = ""
) -> Exchange:
    return Exchange(mti, "0115080000", stan, account, amount_minor, "1234", f"6327{stan}", reverses, heard)
