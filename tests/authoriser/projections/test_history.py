"""authoriser.projections.history: every line once, balances as the ledger's, whatever happened to the file."""

import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from authoriser.admin.clearing_protocol import HistoryEntry
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.projections.history import History, HistoryError, token_right
from rules import Transaction

if TYPE_CHECKING:
    from tests.authoriser.projections.conftest import Ledger, Writer

Writers = Callable[..., "Writer"]
AUDIT = r.Audit("", "ann", 1000, "a test", "", 0)
AT_MS = 1_800_000_000_000


def history_of(ledger: "Ledger") -> History:
    return History(ledger.writer.directory)


def entries(ledger: "Ledger", account: str = "alice", limit: int = 500) -> list[HistoryEntry]:
    """The account's history, oldest first."""
    page = history_of(ledger).page(account, limit)
    assert page is not None
    return list(reversed(page.entries))


def brief(found: list[HistoryEntry]) -> list[tuple[Any, ...]]:
    """What happened, the amount, the balance where it was posted, and what is held after it."""
    return [(e.kind, e.status, e.amount_minor, e.balance_minor, e.held_minor) for e in found]


async def test_a_payment_from_hold_to_posting(ledger: "Ledger") -> None:
    """Authorised, grown, cleared for less with a fee: each step, with balance and holds after it."""
    await ledger.open("alice")
    asked = await ledger.ask("alice", 3_000, network_id="N1")
    await ledger.ask("alice", 500, increment=True, network_id="N1")
    await ledger.clear("alice", 2_500, network_id="N1", fee_minor=50)
    found = entries(ledger)
    assert brief(found) == [
        ("credit", "posted", 100_000, 100_000, 0),
        ("authorisation", "approved", 3_000, None, 3_000),
        ("hold", "grown", 500, None, 3_500),
        ("hold", "captured", -3_500, None, 0),
        ("presentment", "posted", -2_500, 97_500, 0),
        ("fee", "posted", -50, 97_450, 0),
    ]
    assert found[1] == HistoryEntry(
        token="4-0",
        at="2027-01-15T08:00:04.000Z",
        record=4,
        kind="authorisation",
        status="approved",
        amount_minor=3_000,
        currency="EUR",
        held_minor=3_000,
        merchant="Corner Shop",
        city="Lisboa",
        card_id="card_alice",
        last_four="0002",
        payment="4",
        approval_code=asked.reply.approval_code if asked.reply is not None else "",
        rrn="701500000001",
    )
    assert {entry.payment for entry in found[1:]} == {"4"}


async def test_a_declined_payment(ledger: "Ledger") -> None:
    """What was asked and why not; nothing changes."""
    await ledger.open("alice", 1_000)
    await ledger.ask("alice", 3_000)
    (_, declined) = entries(ledger)
    assert brief([declined]) == [("authorisation", "declined", 3_000, None, 0)]
    assert (declined.reason, declined.merchant) == ("insufficient_funds", "Corner Shop")


async def test_holds_that_end_by_themselves(ledger: "Ledger") -> None:
    """Reversed, voided and expired holds; the last two repeat where the payment began."""
    await ledger.open("alice")
    numbers = []
    for _ in range(3):
        outcome = await ledger.ask("alice", 1_000)
        numbers.append(outcome)
    (decided,) = (record for record in numbers[0].records if isinstance(record, r.Decided))
    await ledger.reverse("alice", decided.particulars)
    await ledger.do(c.VoidAnswer("alice", numbers[1].key, numbers[1].hold_id))
    ledger.now_ms += 40 * 86_400_000
    await ledger.do(c.ExpireHold("alice", numbers[2].hold_id))
    ended = entries(ledger)[-3:]
    assert brief(ended) == [
        ("hold", "reversed", -1_000, None, 2_000),
        ("hold", "voided", -1_000, None, 1_000),
        ("hold", "expired", -1_000, None, 0),
    ]
    assert [(e.merchant, e.city, e.last_four, e.payment) for e in ended[1:]] == [
        ("Corner Shop", "Lisboa", "0002", str(numbers[1].hold_id)),
        ("Corner Shop", "Lisboa", "0002", str(numbers[2].hold_id)),
    ]


async def test_a_single_message_and_its_confirmation(ledger: "Ledger") -> None:
    """A 0200 posts at once; its clearing only confirms, without a balance of its own."""
    await ledger.open("alice")
    await ledger.ask("alice", 2_000, "0200", network_id="N1")
    await ledger.clear("alice", 2_000, network_id="N1")
    assert brief(entries(ledger)[1:]) == [
        ("purchase", "posted", -2_000, 98_000, 0),
        ("presentment", "confirmed", -2_000, None, 0),
    ]


async def test_money_that_comes_back(ledger: "Ledger") -> None:
    """An authorised refund shows without an effect; a cleared one, a chargeback and its representment post."""
    await ledger.open("alice", 0)
    await ledger.ask("alice", 700, transaction=Transaction.REFUND, processing_code="200000", network_id="N9")
    await ledger.clear("alice", 700, "refund", network_id="N9")
    await ledger.clear("alice", 300, "chargeback")
    await ledger.clear("alice", 300, "representment")
    assert brief(entries(ledger)) == [
        ("refund", "approved", 700, None, 0),
        ("refund", "posted", 700, 700, 0),
        ("chargeback", "posted", 300, 1_000, 0),
        ("representment", "posted", -300, 700, 0),
    ]


async def test_another_currency_is_shown_and_moves_nothing(ledger: "Ledger") -> None:
    """A row in dollars for an account in euros is in suspense: a line, and the same balance."""
    await ledger.open("alice")
    await ledger.clear("alice", 900, currency="840")
    assert brief(entries(ledger)[1:]) == [("presentment", "suspense", -900, None, 0)]


async def test_what_operators_do(ledger: "Ledger") -> None:
    """A hold that was released by hand and an adjustment show with the reason that was given."""
    await ledger.open("alice")
    outcome = await ledger.ask("alice", 1_000)
    audit = r.Audit("k1", "ann", 1000, "the shop asked for it", "hold.release", AT_MS * 2)
    await ledger.do(c.ReleaseHold("alice", outcome.hold_id, audit))
    audit = r.Audit("k2", "ann", 1000, "goodwill", "account.adjust", AT_MS * 2)
    await ledger.do(c.AdjustBalance("alice", -250, audit))
    found = entries(ledger)[-2:]
    assert [(e.kind, e.status, e.amount_minor, e.balance_minor, e.reason) for e in found] == [
        ("hold", "released", -1_000, None, "the shop asked for it"),
        ("adjustment", "posted", -250, 99_750, "goodwill"),
    ]


async def test_records_of_old_journals(writers: Writers) -> None:
    """Records without moves, as version 0.1 wrote them, are told from what they released."""
    writer = writers()
    said = r.Particulars("visa", "line", "0100", "0115080000", "000001", "", "", "000000", 900, "978")
    hold = r.HoldPlaced(2, 900, AT_MS * 2)
    from rules import Reason

    await writer.write(
        r.AccountOpened(AT_MS, "alice", "978", 0, "UTC", AUDIT),
        r.Decided(AT_MS, "alice", "card_1", "0002", "k", said, Reason.APPROVED, "00", "A", hold, AT_MS * 2),
        r.Reversed(
            AT_MS,
            "alice",
            "card_1",
            "0002",
            "k2",
            said,
            Reason.REVERSAL_DONE,
            "00",
            "k",
            2,
            300,
            600,
            None,
            0,
        ),
        r.HoldExpired(AT_MS, "alice", "card_1", 2, 600),
    )
    page = History(writer.directory).page("alice", 10)
    assert page is not None
    assert brief(list(reversed(page.entries))) == [
        ("authorisation", "approved", 900, None, 900),
        ("hold", "released", -300, None, 600),
        ("hold", "expired", -600, None, 0),
    ]


async def test_balances_are_the_ledgers(ledger: "Ledger") -> None:
    """After two accounts' mixed traffic: the last balance and holds of each are those of the state."""
    for account in ("alice", "bob"):
        await ledger.open(account)
    for number in range(12):
        account = ("alice", "bob")[number % 2]
        name = f"N{number}"
        await ledger.ask(account, 1_000 + number, ("0100", "0200")[number % 3 == 0], network_id=name)
        await ledger.ask(account, 100, increment=True, network_id=name)
        if number % 4:
            await ledger.clear(account, 900, network_id=name, fee_minor=number - 5, final=number % 4 > 1)
    for account in ("alice", "bob"):
        state = ledger.state.accounts[account]
        found = entries(ledger, account)
        balance = [entry.balance_minor for entry in found if entry.balance_minor is not None][-1]
        assert (balance, found[-1].held_minor) == (state.balance_minor, state.held_minor)
        gained = sum(entry.amount_minor for entry in found if entry.balance_minor is not None)
        assert gained == state.balance_minor


async def test_pages(ledger: "Ledger") -> None:
    """Newest first; each page's token gives the next, nothing twice or left out, though more happens meanwhile."""
    await ledger.open("alice")
    for number in range(7):
        await ledger.ask("alice", 100 + number, network_id=f"N{number}")
    await ledger.clear("alice", 100, network_id="N0", fee_minor=5)
    history = history_of(ledger)
    whole = history.page("alice", 500)
    assert whole is not None
    pages = []
    before: str | None = None
    while True:
        page = history.page("alice", 3, before)
        assert page is not None
        pages.append(page.entries)
        before = page.before
        await ledger.ask("alice", 1)
        if before is None:
            break
    assert [len(page) for page in pages] == [3, 3, 3, 2]
    assert tuple(entry for page in pages for entry in page) == whole.entries
    assert [entry.record for entry in whole.entries] == sorted(
        (entry.record for entry in whole.entries), reverse=True
    )


async def test_no_account_and_nothing_on_it(ledger: "Ledger") -> None:
    """None for an account that was never opened; an empty page for one on which nothing has happened."""
    await ledger.open("alice", 0)
    history = history_of(ledger)
    assert history.page("carol", 10) is None
    assert history.page("alice", 10) == ((), None)
    assert history.page("alice", 10, "1-0") == ((), None)


async def test_catching_up_goes_on_where_it_stopped(ledger: "Ledger") -> None:
    """Each record is added once; when nothing is new nothing is."""
    await ledger.open("alice")
    history = history_of(ledger)
    assert history.catch_up() == 3
    assert history.catch_up() == 0
    await ledger.ask("alice", 100)
    await ledger.writer.write()
    assert history.catch_up() == 1
    assert len(entries(ledger)) == 2


async def test_a_projection_of_another_journal_is_made_anew(writers: Writers, tmp_path: Path) -> None:
    """history.db beside a journal it was not made from: as long, and longer; all of it goes."""
    first, second = writers("first"), writers("second", "another")
    opened = r.AccountOpened(AT_MS, "alice", "978", 0, "UTC", AUDIT)
    credit = r.Posted(AT_MS, "alice", "credit", 500, "funding:978", AUDIT)
    await first.write(opened, credit, credit)
    await first.write(credit)
    assert History(first.directory).catch_up() == 4
    (tmp_path / "first" / "history.db").rename(tmp_path / "second" / "history.db")
    await second.write(opened, credit)
    history = History(second.directory)
    page = history.page("alice", 10)  # the journal is shorter than the projection
    assert page is not None
    assert [entry.balance_minor for entry in page.entries] == [500]
    await first.write(credit)
    assert History(first.directory).catch_up() == 5
    (tmp_path / "first" / "history.db").replace(tmp_path / "second" / "history.db")
    for suffix in ("-wal", "-shm"):
        (tmp_path / "second" / f"history.db{suffix}").unlink(missing_ok=True)
    for _ in range(4):
        await second.write(credit)  # and now it is longer, with other batches
    page = history.page("alice", 10)
    assert page is not None
    assert [entry.balance_minor for entry in page.entries] == [2_500, 2_000, 1_500, 1_000, 500]


@pytest.mark.parametrize("damage", ["garbage", "layout", "gone", "empty"])
async def test_a_damaged_projection_is_made_anew(ledger: "Ledger", damage: str) -> None:
    """No database, one of another version, an empty file, or none at all: the same history as before."""
    await ledger.open("alice")
    await ledger.ask("alice", 100)
    history = history_of(ledger)
    before = history.page("alice", 10)
    for suffix in ("-wal", "-shm"):
        history.path.with_name(f"history.db{suffix}").unlink(missing_ok=True)
    if damage == "garbage":
        history.path.write_bytes(b"not a database" * 1000)
    elif damage == "layout":
        with sqlite3.connect(history.path) as connection:
            connection.execute("PRAGMA user_version = 999")
            connection.execute("DELETE FROM lines")
        connection.close()
    elif damage == "gone":
        history.path.unlink()
    else:
        history.path.write_bytes(b"")
    assert history.page("alice", 10) == before


async def test_two_programs_at_once(ledger: "Ledger", monkeypatch: pytest.MonkeyPatch) -> None:
    """Four readers catch up together in steps of two batches: every line stands there once."""
    monkeypatch.setattr("authoriser.projections.history.EVENTS_PAGE", 2)
    await ledger.open("alice")
    for number in range(60):
        await ledger.ask("alice", 100 + number)
    added: list[int] = []
    ready = threading.Barrier(4)

    def read() -> None:
        ready.wait()
        added.append(history_of(ledger).catch_up())

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(trio.to_thread.run_sync, read)
    assert sum(added) == ledger.writer.record_no
    found = entries(ledger)
    assert [entry.amount_minor for entry in found] == [100_000, *range(100, 160)]
    assert [entry.record for entry in found] == list(range(3, 64))


async def test_a_step_that_fails_leaves_nothing_behind(
    ledger: "Ledger", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between a record's lines and the mark: neither is there, and the next one adds both once."""
    await ledger.open("alice")

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("authoriser.projections.history._Adder.write", crash)
        with pytest.raises(KeyboardInterrupt):
            history_of(ledger).catch_up()
    assert len(entries(ledger)) == 1


async def test_a_damaged_journal_is_named(ledger: "Ledger") -> None:
    """A flipped byte in a batch: the error names the journal and the batch; what came before it stays right."""
    await ledger.open("alice")
    with sqlite3.connect(ledger.writer.directory / "journal.db") as connection:
        connection.execute("UPDATE journal SET blob = CAST(blob || x'00' AS BLOB) WHERE seq = 2")
    connection.close()
    with pytest.raises(HistoryError, match=r"journal\.db can't be read: batch 2: its hash"):
        history_of(ledger).catch_up()


def test_no_journal(tmp_path: Path) -> None:
    """Said so; nothing is made."""
    with pytest.raises(HistoryError, match="there is no journal"):
        History(tmp_path).page("alice", 10)
    assert list(tmp_path.iterdir()) == []


async def test_nobody_else_can_read_it(ledger: "Ledger") -> None:
    """The file is its owner's alone."""
    await ledger.open("alice")
    history_of(ledger).catch_up()
    assert stat.S_IMODE(history_of(ledger).path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("token", "right"), [("12-0", True), ("1-23", True), ("12", False), ("x-1", False), ("1-1-1", False)]
)
def test_tokens(token: str, right: bool) -> None:
    """A record's number and a place in it."""
    assert token_right(token) is right
