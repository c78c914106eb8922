"""A ledger whose records go into a real journal: messages with plain defaults, one batch each.

Owns the defaults. Times are whole hours, so that what is printed can be told by heart: the first record is of
2027-01-15 08:00 UTC.
"""

from pathlib import Path
from typing import Any

import trio
from msgspec.structs import replace

from authoriser.configured_link import policy_of
from authoriser.journal.batch import GENESIS, VERSION, Batch, encode_batch
from authoriser.journal.sqlite import SqliteJournal
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.apply import apply
from authoriser.ledger.decide import decide
from authoriser.ledger.digest import problems
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import Account, ShardState
from authoriser.places import SHARD, shard_directory
from isowire import load_dialect
from rules import CardState, Entry, Transaction

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_800_000_000_000
FAR_MS = START_MS + 3_650 * DAY_MS
EUR, USD = "978", "840"
RRN = "412300000017"

POLICY = policy_of(load_dialect("iso87-ascii"), 2_000)


def token(card: int) -> bytes:
    """What stands for the PAN of card number `card`."""
    return f"token-of-card-{card:02}".encode()


def particulars(mti: str, **said: Any) -> r.Particulars:
    default = r.Particulars(
        network="net-a",
        link="link-a",
        mti=mti,
        transmission="0115080000",
        stan="000001",
        rrn=RRN,
        acquirer="500",
        processing_code="000000",
        amount_minor=1_000,
        currency=EUR,
        mcc="5812",
        merchant_id="M1",
        merchant="SHOP",
    )
    return replace(default, **said)


def key_of(said: r.Particulars, card: int, mti: str = "") -> str:
    parts = (
        said.network,
        token(card).hex(),
        mti or said.mti,
        said.transmission,
        said.stan,
        said.acquirer,
        said.rrn,
    )
    return "|".join(parts)


def request(
    amount_minor: int = 1_000,
    *,
    card: int = 0,
    mti: str = "0100",
    transaction: Transaction = Transaction.PURCHASE,
    entry: Entry = Entry.CHIP,
    original: c.OriginalReference = c.NO_REFERENCE,
    increment: bool = False,
    partial_allowed: bool = False,
    **said: Any,
) -> c.AuthorisationRequest:
    particular = particulars(mti, amount_minor=amount_minor, **said)
    return c.AuthorisationRequest(
        particulars=particular,
        key=key_of(particular, card),
        token=token(card),
        last_four=f"{card:04}",
        transaction=transaction,
        stated_expiry="",
        entry=entry,
        original=original,
        increment=increment,
        partial_allowed=partial_allowed,
    )


def advice(
    amount_minor: int = 1_000,
    *,
    card: int = 0,
    mti: str = "0120",
    approving: bool = True,
    entry: Entry = Entry.UNKNOWN,
    original: c.OriginalReference = c.NO_REFERENCE,
    **said: Any,
) -> c.Advice:
    particular = particulars(mti, amount_minor=amount_minor, **said)
    return c.Advice(
        particulars=particular,
        key=key_of(particular, card),
        sibling_key=key_of(particular, card, mti="0100" if mti == "0120" else "0200"),
        token=token(card),
        last_four=f"{card:04}",
        transaction=Transaction.PURCHASE,
        approving=approving,
        entry=entry,
        original=original,
    )


def reversal(
    *,
    card: int = 0,
    original: c.OriginalReference = c.NO_REFERENCE,
    new_total_minor: int | None = None,
    **said: Any,
) -> c.ReversalRequest:
    particular = particulars("0400", **{"stan": "900001", **said})
    return c.ReversalRequest(
        particulars=particular,
        key=key_of(particular, card),
        token=token(card),
        last_four=f"{card:04}",
        original=original,
        new_total_minor=new_total_minor,
    )


def clear_row(
    amount_minor: int = 1_000,
    *,
    card: int = 0,
    kind: str = "presentment",
    reference: str = "ref-1",
    **said: Any,
) -> c.ClearRow:
    particular = particulars(
        "",
        **{"stan": "", "amount_minor": amount_minor, "reference": reference, "transmission": "0115", **said},
    )
    return c.ClearRow(
        particulars=particular,
        key=f"{reference}:{kind}",
        token=token(card),
        last_four=f"{card:04}",
        kind=kind,
        settlement_date="20270116",
    )


def audit(key: str, what: str = "") -> r.Audit:
    return r.Audit(key=key, actor="mara", uid=1000, reason="a test", what=what or key, forget_ms=FAR_MS)


def load_policy(text: str, key: str = "policy") -> c.LoadPolicy:
    return c.LoadPolicy(text, audit(key))


class Bench:
    """A ledger at work, and the batches that it would write. `now_ms` is moved by hand."""

    def __init__(self) -> None:
        self.state = ShardState(SHARD)
        self.now_ms = START_MS
        self.batches: list[tuple[r.Record, ...]] = []
        self._apply((r.EpochStarted(START_MS, 1, "nonce", "test", clean=True),))

    def with_card(self, *cards: int, balance_minor: int = 10_000) -> "Bench":
        """An account with money and these cards (0 by default), all on it."""
        self.do(c.OpenAccount("acc-0", EUR, 0, "UTC", audit("open")))
        for card in cards or (0,):
            self.do(
                c.IssueCard(
                    account_id="acc-0",
                    card_id=f"card-{card}",
                    token=token(card),
                    key_version=1,
                    last_four=f"{card:04}",
                    expiry="9912",
                    expires_ms=FAR_MS,
                    state=CardState.ACTIVE,
                    audit=audit(f"issue-{card}"),
                )
            )
        self.do(c.CreditAccount("acc-0", balance_minor, audit("credit")))
        return self

    @property
    def account(self) -> Account:
        return self.state.accounts["acc-0"]

    def do(self, command: c.Command) -> Outcome:
        outcome = decide(self.state, command, self.now_ms, POLICY)
        self._apply(outcome.records)
        assert problems(self.state) == []
        return outcome

    def did(self, command: c.Command) -> int:
        """Decide and apply; the number of its first record."""
        number = self.state.record_no + 1
        self.do(command)
        assert self.state.record_no >= number
        return number

    def wait(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    def _apply(self, records: tuple[r.Record, ...]) -> None:
        for record in records:
            apply(self.state, record)
        if records:
            self.batches.append(records)

    def save(self, data_dir: Path) -> Path:
        """Write the journal into a data directory, as a server leaves it."""
        blobs = []
        record_no = last_ms = 0
        chain = GENESIS
        for seq, records in enumerate(self.batches, 1):
            last_ms = max([last_ms, *(record.at_ms for record in records)])
            batch = Batch(VERSION, SHARD, seq, 1, "nonce", record_no + 1, last_ms, chain, list(records))
            blob, chain = encode_batch(batch)
            blobs.append(blob)
            record_no += len(records)

        async def write() -> None:
            journal = SqliteJournal(shard_directory(data_dir, SHARD))
            for seq, blob in enumerate(blobs, 1):
                await journal.append(seq, blob)
            await journal.close()

        trio.run(write)
        return data_dir
