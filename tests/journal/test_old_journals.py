"""A journal that an older version wrote is read for ever.

`fixtures/journal-0.1.db` was written by version 0.1 itself (its ledger, its batches, its SQLite journal; commit
57f42c8): one account with 100.00 and one card. Of six approvals one expires untouched, one is reversed to 7.00 and
expires, one is reversed whole, one is voided, one expires with its answer unknown, and 2.50 is still held at the end;
besides a decline, a verification, an unknown card, a reversal that came first, a freeze and its end.
"""

import shutil
from pathlib import Path

from authoriser.journal.sqlite import JOURNAL_FILE, read_batches
from authoriser.ledger.digest import problems
from authoriser.ledger.state import ShardState
from authoriser.recovery import Replayer

FIXTURE = Path(__file__).with_name("fixtures") / "journal-0.1.db"


def replayed(directory: Path) -> ShardState:
    path = directory / JOURNAL_FILE
    shutil.copy(FIXTURE, path)
    replayer = Replayer(0)
    for seq, blob in read_batches(path, 1, 100):
        replayer.feed(seq, blob)
    return replayer.finish()


def test_version_0_1_gives_the_balances_that_it_had(tmp_path: Path) -> None:
    """Balance, holds and books are what version 0.1 printed when it wrote the journal, and every rule is kept."""
    state = replayed(tmp_path)
    account = state.accounts["acc-0"]
    assert problems(state) == []
    assert (state.record_no, account.balance_minor, account.held_minor) == (24, 10_000, 250)
    assert state.commons.books == {"funding:978": -10_000}
    assert [kept.approval_code for kept in account.kept.values() if kept.approval_code] == [
        "000004",
        "000005",
        "000007",
        "00000I",
        "00000N",
    ]


def test_its_holds_are_payments_now(tmp_path: Path) -> None:
    """How each ended is known from what version 0.1 recorded: so a late clearing finds what it is about."""
    payments = replayed(tmp_path).accounts["acc-0"].payments.values()
    assert [(payment.authorised_minor, payment.held_minor, payment.ended) for payment in payments] == [
        (1_000, 0, "expired"),
        (700, 0, "expired"),
        (0, 0, "reversed"),
        (0, 0, "voided"),
        (150, 0, "expired"),
        (250, 250, ""),
    ]
