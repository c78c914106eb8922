"""A journal on disk with records of the test's choice, and a small ledger that makes them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from authoriser.configured_link import policy_of
from authoriser.journal.batch import GENESIS, VERSION, Batch, encode_batch
from authoriser.journal.sqlite import SqliteJournal
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.apply import apply
from authoriser.ledger.decide import decide
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import ShardState
from isowire import load_dialect
from rules import CardState, Transaction

START_MS = 1_800_000_000_000
DAY_MS = 86_400_000
POLICY = policy_of(load_dialect("iso87-ascii"), 2_000)
AUDIT = r.Audit("", "ann", 1000, "a test", "", 0)


class Writer:
    """Appends batches to a real journal, chained as the server's are."""

    def __init__(self, directory: Path, nonce: str = "a test") -> None:
        self.directory = directory
        self._nonce = nonce
        self._journal = SqliteJournal(directory)
        self._seq = 0
        self._digest = GENESIS
        self.record_no = 0

    async def write(self, *records: r.Record) -> None:
        """One batch, empty or not."""
        self._seq += 1
        last_ms = records[-1].at_ms if records else 0
        batch = Batch(
            VERSION, 0, self._seq, 1, self._nonce, self.record_no + 1, last_ms, self._digest, list(records)
        )
        blob, self._digest = encode_batch(batch)
        await self._journal.append(self._seq, blob)
        self.record_no += len(records)

    async def close(self) -> None:
        await self._journal.close()


class Ledger:
    """Commands decided and applied; every record goes into the journal, a batch a command."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.state = ShardState(0)
        self.now_ms = START_MS
        self._stan = 0

    async def do(self, command: c.Command) -> Outcome:
        self.now_ms += 1_000
        outcome = decide(self.state, command, self.now_ms, POLICY)
        for record in outcome.records:
            apply(self.state, record)
        await self.writer.write(*outcome.records)
        return outcome

    async def open(self, account: str, credit_minor: int = 100_000) -> None:
        await self.do(c.OpenAccount(account, "978", 0, "UTC", AUDIT))
        card = c.IssueCard(
            account,
            f"card_{account}",
            account.encode(),
            1,
            "0002",
            "4912",
            START_MS * 2,
            CardState.ACTIVE,
            AUDIT,
        )
        await self.do(card)
        if credit_minor:
            await self.do(c.CreditAccount(account, credit_minor, AUDIT))

    def said(self, mti: str, amount_minor: int, **more: str) -> r.Particulars:
        self._stan += 1
        fields = {
            "network": "visa",
            "link": "line",
            "transmission": "0115080000",
            "stan": f"{self._stan:06}",
            "rrn": f"7015{self._stan:08}",
            "acquirer": "123456",
            "processing_code": "000000",
            "currency": "978",
            "merchant": "Corner Shop",
            "city": "Lisboa",
            "merchant_id": "SHOP1",
        }
        return r.Particulars(mti=mti, amount_minor=amount_minor, **(fields | more))

    async def ask(
        self,
        account: str,
        amount_minor: int,
        mti: str = "0100",
        transaction: Transaction = Transaction.PURCHASE,
        *,
        increment: bool = False,
        **more: str,
    ) -> Outcome:
        said = self.said(mti, amount_minor, **more)
        return await self.do(
            c.AuthorisationRequest(
                said,
                f"{said.stan}|{mti}",
                account.encode(),
                "0002",
                transaction,
                "",
                increment=increment,
            )
        )

    async def reverse(self, account: str, original: r.Particulars) -> Outcome:
        said = self.said("0420", original.amount_minor)
        reference = c.OriginalReference(original.mti, original.stan, original.transmission, original.acquirer)
        return await self.do(
            c.ReversalRequest(said, f"{said.stan}|0420", account.encode(), "0002", reference, None)
        )

    async def clear(
        self,
        account: str,
        amount_minor: int,
        kind: str = "presentment",
        *,
        fee_minor: int = 0,
        final: bool = True,
        **more: str,
    ) -> Outcome:
        said = self.said("", amount_minor, **({"stan": "", "processing_code": kind} | more))
        key = f"clear|{self._stan}"
        return await self.do(
            c.ClearRow(said, key, account.encode(), "0002", kind, "20270116", fee_minor, final)
        )


@pytest.fixture
async def writers(tmp_path: Path) -> AsyncIterator[Callable[..., Writer]]:
    """Journals in folders of their own; all are closed in the end."""
    made: list[Writer] = []

    def make(name: str = "shard-0", nonce: str = "a test") -> Writer:
        made.append(Writer(tmp_path / name, nonce))
        return made[-1]

    yield make
    for writer in made:
        await writer.close()


@pytest.fixture
def ledger(writers: Callable[..., Writer]) -> Ledger:
    return Ledger(writers())
