"""Clearing and history through the admin socket of a real server: what is posted, found again, and flows beside it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import trio
from msgspec import UNSET

from authoriser.admin.clearing_protocol import ClearingProblem, ClearingRow, RowPosted
from authoriser.admin.client import AdminError
from authoriser.events import read_events
from authoriser.opening import embedded_journal

if TYPE_CHECKING:
    from tests.server.conftest import Messages, Running

Start = Callable[..., Awaitable["Running"]]
PAN = "4000000000001232"
NOBODY = "4000000000000002"
SHA256, OTHER = "ab" * 32, "cd" * 32
BOOK = "settlement:default:20261125:978"


def row(line: int = 2, kind: str = "presentment", amount_minor: int = 1_999, **more: Any) -> ClearingRow:
    fields = {"network": "default", "currency": "EUR", "settlement_date": "20261125", "pan": PAN}
    return ClearingRow(line=line, kind=kind, amount_minor=amount_minor, **(fields | more))  # type: ignore[arg-type]


async def post(running: "Running", *rows: ClearingRow, sha256: str = SHA256) -> list[RowPosted]:
    return list((await running.admin("clearing.post", file_sha256=sha256, rows=rows)).rows)


async def finish(running: "Running", rows: int, sha256: str = SHA256) -> bool:
    said = {"reason": "a test", "actor": "tester"}
    return bool((await running.admin("clearing.finish", file_sha256=sha256, rows=rows, **said)).changed)


async def test_a_payment_meets_its_presentment(running: "Running", messages: "Messages") -> None:
    """Authorised over TCP, cleared by its DE38: the hold goes, the money goes, and a second time it is only told."""
    peer = await running.connect()
    reply = await peer.ask(messages.purchase())
    assert reply is not None
    before = await running.account()
    cleared = row(approval_code=reply["38"], acquirer="123", fee_minor=50, merchant="CORNER SHOP")
    first = await post(running, cleared)
    again = await post(running, cleared)
    after = await running.account()
    expected = RowPosted(
        2, "matched", "presentment", 1_999, 50, 50, BOOK, matched_by="approval_code", repeated=False
    )
    assert first == [expected]
    assert again == [RowPosted(**{**as_dict(expected), "repeated": True})]
    assert (before.held_minor, after.held_minor) == (1_999, 0)
    assert after.balance_minor == before.balance_minor - 1_999 - 50


def as_dict(answer: RowPosted) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in answer.__struct_fields__}


async def test_cards_that_are_not_ours_go_to_suspense(running: "Running") -> None:
    """An unknown number, an unknown id, and dollars on an account in euros; the account keeps its balance."""
    card_id = (await running.account()).cards[0].card_id
    before = await running.account()
    answers = await post(
        running,
        row(2, pan=NOBODY),
        row(3, pan=UNSET, card_id="card_nobody"),
        row(4, currency="USD"),
        row(5, "refund", 100, pan=UNSET, card_id=card_id),
    )
    assert [(a.line, a.outcome, a.settlement) for a in answers] == [
        (2, "suspense", BOOK),
        (3, "suspense", BOOK),
        (4, "suspense", "settlement:default:20261125:840"),
        (5, "forced", BOOK),
    ]
    assert (await running.account()).balance_minor == before.balance_minor + 100


async def test_a_row_is_known_by_its_reference_or_by_file_and_line(running: "Running") -> None:
    """With a reference it is the same in another file, unless kind or part differ; without one, it is not."""
    named = {"reference": "74000005123456789012345"}
    answers = [
        *await post(running, row(2, **named), row(3)),
        *await post(running, row(2, **named), row(3)),
        *await post(running, row(7, **named), row(3), sha256=OTHER),
        *await post(running, row(8, "chargeback", **named), row(9, **named, sequence="2"), sha256=OTHER),
    ]
    assert [(a.line, a.repeated) for a in answers] == [
        (2, False),
        (3, False),
        (2, True),
        (3, True),
        (7, True),
        (3, False),
        (8, False),
        (9, False),
    ]


async def test_a_reference_with_another_amount_is_a_conflict(running: "Running") -> None:
    """In a later file: the check names line and column, posting refuses the row, and neither moves anything."""
    named = {"reference": "74000005123456789012345"}
    await post(running, row(2, **named))
    before = await running.account()
    changed = row(7, amount_minor=2_500, **named)
    text = (
        "presentment of reference '74000005123456789012345' was posted before, as 1999 and a fee of 0 in 978, and now "
        "it is 2500 and 0 in 978 (minor units); a payment of its own has another reference or sequence"
    )
    checked = await running.admin("clearing.check", file_sha256=OTHER, rows=(row(6, **named), changed))
    assert checked.problems == (ClearingProblem(7, "reference", text),)
    with pytest.raises(AdminError, match="line 7, reference: presentment of reference '74"):
        await post(running, changed, sha256=OTHER)
    assert await running.account() == before


async def test_a_restart_forgets_no_row(start: Start) -> None:
    """What was posted before a restart is found after it, with the same outcome and amounts."""
    running = await start()
    await running.issue_card()
    before = await post(running, row(2), row(3, pan=NOBODY), row(4, "refund", 500))
    await running.end()
    again = await start()
    after = await post(again, row(2), row(3, pan=NOBODY), row(4, "refund", 500))
    assert after == [RowPosted(**{**as_dict(answer), "repeated": True}) for answer in before]


async def test_a_finished_file_is_never_posted_again(running: "Running") -> None:
    """Its rows are told while they are kept; one that is not kept any more is not posted as if it were new."""
    (posted,) = await post(running, row(2))
    assert [await finish(running, 2), await finish(running, 2)] == [True, False]
    before = await running.account()
    checked = await running.admin("clearing.check", file_sha256=SHA256, rows=[row(2)])
    answers = await post(running, row(2), row(3))
    assert answers == [
        RowPosted(**{**as_dict(posted), "repeated": True}),
        RowPosted(3, "finished", repeated=True),
    ]
    assert checked.finished_at is not None
    assert (await running.account()).balance_minor == before.balance_minor


async def test_a_network_that_is_not_served(running: "Running") -> None:
    """The check names it with what there is; posting it is refused, and the rows before it stay posted."""
    rows = [row(2), row(3, network="defualt")]
    checked = await running.admin("clearing.check", file_sha256=SHA256, rows=rows)
    text = "there is no network 'defualt' in the server's configuration; there are: default"
    assert [(p.line, p.column, p.message) for p in checked.problems] == [(3, "network", text)]
    with pytest.raises(AdminError, match=f"line 3, network: {text}"):
        await post(running, *rows)
    assert [answer.repeated for answer in await post(running, row(2))] == [True]


async def test_payments_flow_while_a_file_is_posted(running: "Running", messages: "Messages") -> None:
    """Ten calls of 500 rows, back to back: requests on a line are answered among them, each with its own hold."""
    peer = await running.connect()
    rows_done = answered_meanwhile = 0
    posting = True

    async def pay() -> None:
        nonlocal answered_meanwhile
        stan = 0
        while posting:
            stan += 1
            reply = await peer.ask(messages.numbered(stan) | {"4": "000000000001"})
            assert reply is not None
            assert reply["39"] == "00"
            answered_meanwhile += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pay)
        for chunk in range(10):
            rows = [row(chunk * 500 + n, "refund", 1) for n in range(2, 502)]
            rows_done += len(await post(running, *rows))
        posting = False
    assert rows_done == 5_000
    assert answered_meanwhile >= 10, "less than one payment a call"
    shown = await running.account()
    assert shown.held_minor == answered_meanwhile
    assert shown.balance_minor == 1_000_000 + 5_000


async def test_history_over_the_socket(running: "Running", messages: "Messages") -> None:
    """Newest first and paged, of what is durable; who looked is in the journal; no account is an error."""
    peer = await running.connect()
    reply = await peer.ask(messages.purchase())
    assert reply is not None
    await post(running, row(approval_code=reply["38"], acquirer="123"))
    shown = await running.admin("account.history", account="acc", limit=2)
    older = await running.admin("account.history", account="acc", limit=2, before=shown.before)
    both = [(e.kind, e.status, e.amount_minor, e.balance_minor) for e in (*shown.entries, *older.entries)]
    assert both == [
        ("presentment", "posted", -1_999, 998_001),
        ("hold", "captured", -1_999, None),
        ("authorisation", "approved", 1_999, None),
        ("credit", "posted", 1_000_000, 1_000_000),
    ]
    merchants = {entry.merchant for entry in (*shown.entries, *older.entries[:-1])}
    assert (older.before, merchants) == (None, {"CORNER SHOP RUA DO OURO 1"})
    with pytest.raises(AdminError, match="there is no account 'nobody'"):
        await running.admin("account.history", account="nobody")
    looks = [
        event
        for event in read_events(embedded_journal(running.config.data_dir))
        if event["type"].endswith("looked")
    ]
    assert len(looks) == 2
