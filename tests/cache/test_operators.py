"""What operators ask for, with every account in memory and with two of them: the same results and the same journal."""

import itertools
from typing import Any

import pytest
import trio
from cache_bench import Disk, Process, account, audit, in_mock_time, leap, pan, pass_time, running
from trio.testing import MockClock, wait_all_tasks_blocked

from authoriser.admin import protocol
from authoriser.admin.methods import Methods
from authoriser.admin.rpc import RpcError
from authoriser.cache import LoadFailedError, Name, Verdict
from authoriser.keys import PanKey
from authoriser.ledger.commands import OpenAccount

BOUND = 2
DAY_S = 86_400


class Desk:
    """An operator at a process. `heard` is what came of each call; card ids, which are drawn, stand as `pan`s."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.heard: list[Any] = []
        self._keys = itertools.count()
        key = PanKey(1, b"secret")
        self.methods = Methods(
            owner=process.owner,
            policy=process.link.policy,
            pan_key=_Plain(key.version, key.secret),
            tokens=process.tokens,
            time_zone="UTC",
            status=lambda: pytest.fail("nobody asks for it"),
            second_person_over_minor=50_000,
            networks={"test": process.link.policy},
        )

    async def ask(self, method: str, uid: int = 1, **params: Any) -> Any:
        if issubclass(protocol.METHODS[method].params, protocol.Change):
            words = {"key": f"key-{next(self._keys)}", "reason": "a test", "actor": "tester"}
            params = words | params
        try:
            result = await self.methods.call(method, protocol.make_params(method, params), uid)
        except RpcError as error:
            self.heard.append((method, error.kind, str(error)))
            return None
        self.heard.append((method, result))
        await self.process.round()
        return result


class _Plain(PanKey):
    """The bench's tokens: a number's own digits."""

    def token(self, pan: str) -> bytes:
        return pan.encode()


async def a_day_at_the_desk(desk: Desk) -> None:
    """Every method that names an account or a card, by each of its names, of accounts that were long out of memory."""
    rows = [
        {"line": 2 + n, "pan": pan(20 + n), "expiry": "4912", "account": account(20 + n // 2)}
        | {"currency": "EUR", "credit_minor": 1_000}
        for n in range(8)
    ]
    file = {"file_sha256": "f" * 64}
    words = {"reason": "a test", "actor": "tester"}
    await desk.ask("import.check", rows=rows)
    await desk.ask("import.apply", rows=rows, **file, **words)
    await desk.ask("import.apply", rows=rows, **file, **words)
    await desk.ask("import.apply", rows=[rows[0] | {"credit_minor": 7}], **file, **words)
    for number in (0, 5, 9, 21):
        card = {"pan": pan(number)}
        await desk.ask("account.show", account=account(number))
        await desk.ask("account.credit", account=account(number), amount_minor=500)
        await desk.ask("card.freeze", card=card)
        await desk.ask("card.show", card={"id": f"card_{number:02}"})
        await desk.ask("card.unfreeze", card={"id": f"card_{number:02}"})
        await desk.ask("card.controls.set", card=card, ecommerce=False)
        await desk.ask("card.controls.show", card={"last_four": pan(number)[-4:]})
    await desk.ask("card.freeze", card={"id": "card_nobodys"})
    await desk.ask("card.freeze", card={"pan": pan(49)})
    await desk.ask("account.credit", account="nobody", amount_minor=1)
    await desk.ask("account.open", account=account(0), currency="EUR", credit_line_minor=0)
    await desk.ask("account.open", account="new", currency="EUR", credit_line_minor=0)
    await desk.ask("card.issue", account="new", pan=pan(0), expiry="4912", state="active")
    await desk.ask("account.adjust", account=account(3), amount_minor=-70_000)
    await desk.ask("account.adjust", account=account(4), amount_minor=60_000)
    listed = await desk.ask("proposals.list")
    await desk.ask("proposals.confirm", uid=2, proposal=listed.proposals[0].proposal)
    await desk.ask("proposals.withdraw", proposal=listed.proposals[1].proposal)
    await desk.process.ask(6)
    await desk.process.ask(7, f11="000007")
    row = {"kind": "presentment", "network": "test", "amount_minor": 2_500, "currency": "EUR"}
    row |= {"settlement_date": "20270115", "acquirer": "123456", "rrn": "632701000001"}
    cleared = [row | {"line": 2 + n, "pan": pan(number)} for n, number in enumerate((6, 7, 8, 48))]
    cleared.append(row | {"line": 9, "card_id": "card_02"})
    await desk.ask("clearing.check", rows=cleared, **file)
    await desk.ask("clearing.post", rows=cleared, **file)
    await desk.ask("clearing.post", rows=cleared, **file)
    await desk.ask("exceptions.list", limit=10)


def seen(accounts_max: int | None, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], str, int]:
    numbers = itertools.count()
    monkeypatch.setattr("secrets.token_hex", lambda size: f"{next(numbers):0{2 * size}x}")
    disk = Disk()

    async def main() -> tuple[list[Any], str, int]:
        async with running(disk, accounts_max) as process:
            await process.open_cards(10)
            await process.round()
            leap(DAY_S)
            await wait_all_tasks_blocked()
            desk = Desk(process)
            await a_day_at_the_desk(desk)
            return desk.heard, disk.hash(), process.counters.counts["cache_evictions"]

    found: tuple[list[Any], str, int] = in_mock_time(main)
    return found


def test_operators_see_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Result for result, and every record of the journal."""
    whole, whole_hash, none = seen(None, monkeypatch)
    tiny, tiny_hash, many = seen(BOUND, monkeypatch)
    for here, there in zip(tiny, whole, strict=True):
        assert here == there
    assert tiny_hash == whole_hash
    done = {method for method, *rest in tiny if len(rest) == 1}
    assert done >= {"import.apply", "card.freeze", "clearing.post", "proposals.confirm", "card.controls.set"}
    assert none == 0
    assert many > 15


async def test_an_operator_is_told_of_a_store_that_is_away(mock_clock: MockClock) -> None:
    """Not that the card does not exist: to try again."""
    async with running(Disk(), BOUND) as process:
        await process.open_cards(5)
        await process.round()
        desk = Desk(process)
        process.snapshots.broken = True
        gone = next(number for number in range(5) if account(number) not in process.resident)
        await desk.ask("card.freeze", card={"pan": pan(gone)})
        await desk.ask("card.freeze", card={"last_four": pan(gone)[-4:]})
        assert [kind for _method, kind, _text in desk.heard] == ["not_admitted", "not_admitted"]


async def test_digits_that_several_cards_end_in(mock_clock: MockClock) -> None:
    """One in memory and others not: the operator is asked for an id."""
    async with running(Disk(), 1) as process:
        await process.open_cards(2)
        desk = Desk(process)
        state = process.owner.state
        for number in range(2):
            state.accounts[account(number)].cards[f"card_{number:02}"].last_four = "4444"
        state.cards_by_last_four = {"4444": [card for _account, card in state.tokens.values()]}
        await process.round()
        assert len(process.resident) == 1
        await desk.ask("card.show", card={"last_four": "4444"})
        ((_method, kind, text),) = desk.heard
        assert kind == "ambiguous"
        assert text.startswith("more than 1 cards end in 4444; name one by its id (card_0")


async def test_whoever_waits_is_told_in_the_order_of_coming(mock_clock: MockClock) -> None:
    """By token, card id and account: whichever look-up ends first, all are told in one step, as they came."""
    async with running(Disk(), BOUND) as process:
        await process.open_cards(5)
        await process.round()
        gone = next(number for number in range(5) if account(number) not in process.resident)
        names = [
            Name("token", pan(gone).encode()),
            Name("account", account(gone)),
            Name("card", f"card_{gone:02}"),
            Name("token", pan(gone).encode()),
        ]
        told: list[tuple[int, Verdict]] = []
        cache = process.owner.cache
        assert cache is not None
        process.snapshots.stall()
        for number, name in enumerate(names):
            assert cache.want(name, lambda verdict, number=number: told.append((number, verdict)))  # type: ignore[misc]
        assert cache.waiting == 4
        process.snapshots.resume()
        await wait_all_tasks_blocked()
        assert told == [(number, Verdict.HERE) for number in range(4)]
        assert cache.waiting == 0


async def test_a_change_waits_for_room(mock_clock: MockClock) -> None:
    """A hundred accounts are opened, one after the other, into a cache of two: rounds make room for all."""
    disk = Disk()
    async with running(disk, BOUND) as process, trio.open_nursery() as nursery:
        nursery.start_soon(process.open_cards, 100)
        with trio.move_on_after(60):
            while len(disk.replayed().tokens) < 100:
                await pass_time(0.2)
        assert len(disk.shelf.blobs) > 50
    assert len(disk.replayed().accounts) == 100


async def test_a_change_is_refused_where_no_room_is_made(mock_clock: MockClock) -> None:
    """The store is away, and memory full of what it lacks: told after some seconds, and nothing is done."""
    disk = Disk()
    async with running(disk, BOUND) as process:
        await process.open_cards(68)
        last = Name("account", account(68))
        await process.command(OpenAccount(account(68), "978", 0, "UTC", audit("last")), last)
        process.snapshots.broken = True
        refused: list[str] = []

        async def one_more() -> None:
            try:
                await process.look(1000)
            except LoadFailedError as error:
                refused.append(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one_more)
            await pass_time(4)
            assert refused == []
            await pass_time(2)
        assert refused == ["too many wait for their accounts already"]
