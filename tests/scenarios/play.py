"""Plays a scenario against a world, and holds every step to what the file says.

Owns the order: do, look, compare. What was expected and what is there are compared as whole values in the file's own
words, so that a failure reads like the file.
"""

import zlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from authoriser.ledger.digest import problems
from authoriser.ledger.records import Cleared, Decided, ExceptionNoted, ExceptionSettled
from authoriser.ledger.state import Payment
from tests.scenarios.format import (
    AnyStep,
    Check,
    Clear,
    Operator,
    PaymentSeen,
    Restart,
    Scenario,
    Send,
    Together,
    Wait,
    duration_ms,
)
from tests.scenarios.messages import CURRENCIES, Sent, Writer, approval_due, minor, money, pan, reply_to
from tests.scenarios.world import ClearingRow, World

CODES = {number: name for name, (number, _) in CURRENCIES.items()}


class Player:
    """One scenario on one world. `first_card` parts its cards from those of others on the same server."""

    def __init__(self, scenario: Scenario, world: World, *, prefix: str = "", first_card: int = 1) -> None:
        self._scenario = scenario
        self._world = world
        self._accounts = {name: f"{prefix}{name}" for name in scenario.accounts}
        self._pans = {name: pan(first_card + place) for place, name in enumerate(scenario.cards)}
        self._writer = Writer(self._pans)
        self._rows: dict[str, ClearingRow] = {}
        self._payments: dict[str, int] = {}
        self._exceptions: dict[str, str] = {}
        self._expected_exceptions: list[str] = []
        self._books: Counter[str] = Counter()
        self._cleared = 0
        # Of this scenario alone, on a server that others use as well.
        self._references = f"r{zlib.crc32(prefix.encode()):08x}"

    # ---- names

    def pan(self, card: str) -> str:
        return self._pans[card]

    def account_id(self, account: str) -> str:
        return self._accounts[account]

    def card_id(self, card: str) -> str:
        """By the last four digits and the account: a world may keep its numbers under a key that nobody knows."""
        last_four = self._pans[card][-4:]
        found = [
            known.card_id
            for account_id in self._accounts.values()
            for known in self._world.journal.state.accounts[account_id].cards.values()
            if known.last_four == last_four
        ]
        if len(found) != 1:
            raise KeyError(f"{len(found)} cards of the scenario end like {card}")
        return found[0]

    def payment(self, name: str) -> tuple[str, int]:
        number = self._payments[name]
        for account_id in self._accounts.values():
            if number in self._world.journal.state.accounts[account_id].payments:
                return account_id, number
        raise KeyError(f"no account knows payment {name}")

    def exception(self, kind: str) -> str:
        return [name for name, noted in self._exceptions.items() if noted == kind][-1]

    def minor(self, amount: str, account: str) -> int:
        return minor(amount, self._scenario.accounts[account].currency)

    # ---- the story

    async def play(self) -> None:
        """Raises AssertionError, with the step's number and note, for what is not as the file says."""
        world = self._world
        await world.begin(self._scenario, self)
        await world.look()
        self._books = self._book_sums()
        for number, step in enumerate(self._scenario.steps, 1):
            where = f"step {number}" + (f" ({step.note})" if step.note else "")
            world.journal.forget()
            seen: dict[str, Any] = {}
            expected: dict[str, Any] = {}
            await self._do(step, expected, seen)
            await world.look()
            self._take_in(step)
            self._compare_row(step, expected, seen)
            await self._state_of_things(step, expected, seen)
            assert (where, expected) == (where, seen)
            assert (where, []) == (where, problems(world.journal.state))

    async def _do(self, step: AnyStep, expected: dict[str, Any], seen: dict[str, Any]) -> None:
        world = self._world
        if isinstance(step, Send):
            await self._send([step], step.unheard, expected, seen)
        elif isinstance(step, Together):
            await self._send(step.together, step.unheard, expected, seen)
        elif isinstance(step, Clear):
            expected["refused"] = "conflict" if step.outcome == "refused" else ""
            seen["refused"] = await world.clear(self._row(step))
        elif isinstance(step, Operator):
            expected["refused"] = step.refused
            seen["refused"] = await world.operate(step, self)
        elif isinstance(step, Wait):
            await world.wait(duration_ms(step.wait))
        elif isinstance(step, Restart):
            await world.restart(drained=step.restart == "drained")
        else:
            assert isinstance(step, Check)

    async def _send(
        self, steps: list[Send], unheard: bool, expected: dict[str, Any], seen: dict[str, Any]
    ) -> None:
        sent = [self._writer.message(step, self._world.now_ms()) for step in steps]
        if unheard:
            await self._world.unheard([message.fields for message in sent])
            return
        replies = await self._world.ask([message.fields for message in sent])
        wanted = []
        for step, message, reply in zip(steps, sent, replies, strict=True):
            assert step.reply is not None, "the format has seen to it"
            code = reply.get("38", "")
            if approval_due(message, step.reply):
                # What it is can't be known; a code that is no code, or none, is told apart.
                code = self._approval_code(step, message, code)
            else:
                code = ""
            message.reply, message.approval_code = reply, code
            wanted.append(reply_to(message, step.reply, code))
        expected["replies"], seen["replies"] = wanted, replies

    def _approval_code(self, step: Send, message: Sent, code: str) -> str:
        """The code that must stand in the reply: six letters or digits, the first one's own for a repeat."""
        if step.repeats:
            return self._writer.sent[step.repeats].approval_code
        others = {other.approval_code for other in self._writer.sent.values() if other is not message}
        good = len(code) == 6 and code.isalnum() and code not in others
        return code if good else "a code of its own"

    def _row(self, step: Clear) -> ClearingRow:
        if step.repeats:
            row = self._rows[step.repeats]
            currency = CODES[row.currency]
            return row if step.amount is None else replace(row, amount_minor=minor(step.amount, currency))
        self._cleared += 1
        original = self._writer.sent.get(step.about)
        fields = original.fields if original is not None else {}
        currency = step.currency or (original.currency if original is not None else "EUR")
        card = step.card or (original.card if original is not None else "")
        said_minor = minor(step.amount, currency) if step.amount is not None else int(fields["4"])
        named = original is not None
        row = ClearingRow(
            kind=step.clear,
            reference=f"{self._references}-{self._cleared}",
            pan=self._pans[card],
            amount_minor=said_minor,
            fee_minor=minor(step.fee, currency),
            currency=CURRENCIES[currency][0],
            network_id=original.network_id if original is not None and step.by == "network_id" else "",
            approval_code=step.code
            or (original.approval_code if original is not None and step.by == "code" else ""),
            acquirer=(step.acquirer or fields.get("32", "000123")).lstrip("0"),
            rrn=fields.get("37", "") if step.by in ("code", "network_id") else "",
            merchant_id=(step.merchant or fields.get("42", "")).strip() if step.by != "nothing" else "",
            purchased=self._purchased(step, fields) if named and step.by != "nothing" else "",
            final=step.final,
        )
        if step.name:
            self._rows[step.name] = row
        return row

    def _purchased(self, step: Clear, fields: dict[str, str]) -> str:
        """MMDD of the message that the row is about, or so much later."""
        if not step.purchased:
            return fields["7"][:4]
        later = timedelta(milliseconds=duration_ms(step.purchased))
        said = datetime.fromtimestamp(self._world.now_ms() / 1000, UTC)
        return f"{said.replace(month=int(fields['7'][:2]), day=int(fields['7'][2:4])) + later:%m%d}"

    # ---- looking

    def _take_in(self, step: AnyStep) -> None:
        """Which payments the step's messages began, and what came onto the exception list or left it."""
        records = self._world.journal.records
        messages = step.together if isinstance(step, Together) else [step]
        for message in messages:
            if not isinstance(message, Send) or not message.name:
                continue
            fields = self._writer.sent[message.name].fields
            for record in records:
                if isinstance(record, Decided) and record.hold is not None:
                    said = record.particulars
                    if (said.mti, said.stan) == (f"{fields['t'][:3]}0", fields["11"]):
                        self._payments[message.name] = record.hold.hold_id
        for record in records:
            if isinstance(record, ExceptionNoted):
                self._exceptions[record.exception_id] = record.kind
            elif isinstance(record, ExceptionSettled):
                self._exceptions.pop(record.exception_id, None)
        if step.exceptions is not None:
            self._expected_exceptions = step.exceptions

    def _compare_row(self, step: AnyStep, expected: dict[str, Any], seen: dict[str, Any]) -> None:
        if not isinstance(step, Clear):
            return
        cleared = [record for record in self._world.journal.records if isinstance(record, Cleared)]
        expected["outcome"] = [] if step.outcome in {"repeat", "refused"} else [step.outcome]
        seen["outcome"] = [record.outcome for record in cleared]
        if step.difference is not None:
            expected["difference"] = step.difference
            currency = CODES[cleared[0].particulars.currency] if cleared else "EUR"
            seen["difference"] = money(cleared[0].difference_minor, currency) if cleared else None

    async def _state_of_things(self, step: AnyStep, expected: dict[str, Any], seen: dict[str, Any]) -> None:
        state = self._world.journal.state
        for name, account_seen in step.accounts.items():
            account = state.accounts[self._accounts[name]]
            currency = self._scenario.accounts[name].currency
            amounts = (account.balance_minor, account.held_minor, account.available_minor)
            expected[name] = (account_seen.balance, account_seen.held, account_seen.available)
            seen[name] = tuple(money(amount, currency) for amount in amounts)
            await self._world.check_account(account.account_id, amounts)
        for name, payment_seen in step.payments.items():
            expected[f"payment {name}"], seen[f"payment {name}"] = self._payment_seen(name, payment_seen)
        sums = self._book_sums() if step.books else Counter()
        for name, amount in step.books.items():
            currency = name.partition(" ")[2] or "EUR"
            key = name if " " in name else f"{name} EUR"
            expected[f"book {name}"], seen[f"book {name}"] = (
                amount,
                money(sums[key] - self._books[key], currency),
            )
        expected["exceptions"] = sorted(self._expected_exceptions)
        seen["exceptions"] = sorted(self._exceptions.values())

    def _payment_seen(self, name: str, wanted: PaymentSeen) -> tuple[dict[str, Any], dict[str, Any]]:
        number = self._payments.get(name)
        found: Payment | None = None
        if number is not None:
            for account_id in self._accounts.values():
                account = self._world.journal.state.accounts[account_id]
                found = found or account.payments.get(number)
        if found is None:
            return {"state": wanted.state}, {"state": "none"}
        currency = CODES[found.particulars.currency]
        expected: dict[str, Any] = {"state": wanted.state}
        seen: dict[str, Any] = {"state": state_of(found)}
        for key, words, amount in (
            ("held", wanted.held, found.held_minor),
            ("authorised", wanted.authorised, found.authorised_minor),
            ("captured", wanted.captured, found.captured_minor),
        ):
            if words is not None:
                expected[key], seen[key] = words, money(amount, currency)
        if wanted.codes is not None:
            expected["codes"], seen["codes"] = wanted.codes, len(set(found.approval_codes))
        return expected, seen

    def _book_sums(self) -> Counter[str]:
        """The issuer's books by kind and currency, whatever network and day they are of."""
        sums: Counter[str] = Counter()
        for book, amount in self._world.journal.state.commons.books.items():
            kind, *_, currency = book.split(":")
            sums[f"{kind} {CODES.get(currency, currency)}"] += amount
        return sums


def state_of(payment: Payment) -> str:
    """A payment's state in one word of the format."""
    if payment.ended:
        return payment.ended
    if payment.kind == "refund":
        return "refund open"
    if payment.held_minor:
        return "partly captured" if payment.captured_minor else "open"
    return "captured" if payment.captured_minor else "empty"
