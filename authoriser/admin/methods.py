"""What the admin socket's methods do: operators' changes as commands of the ledger, and looks at its state.

A result is made in the same step as the change, and leaves only when the change is durable and every reply decided
before it was sent or dropped. Looks wait likewise: nothing leaves ahead of the log.
"""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import trio

from authoriser.admin import protocol as p
from authoriser.keys import PanKey
from authoriser.ledger import commands as c
from authoriser.ledger.decide import decide
from authoriser.ledger.records import Audit
from authoriser.ledger.state import Account, Card
from authoriser.limits import CHANGE_KEY_LIFETIME_MS, IMPORT_SLICE
from authoriser.owner import ShardOwner
from authoriser.texts import CURRENCIES, iso_time
from authoriser.translate import Tokens
from isowire import luhn_valid
from rules import CardState

T = TypeVar("T")

CARD_ID_BYTES = 8
"""Random bytes in a card id: 64 bits, drawn again if ever taken."""


class Methods:
    """The methods, for one peer after the other. `status` is asked of the server, which knows its links."""

    def __init__(
        self,
        *,
        owner: ShardOwner,
        policy: c.Policy,
        pan_key: PanKey,
        tokens: Tokens,
        time_zone: str,
        status: Callable[[], p.Status],
    ) -> None:
        self._owner = owner
        self._policy = policy
        self._pan_key = pan_key
        self._tokens = tokens
        self._time_zone = time_zone
        self._status = status
        self._methods: dict[str, Callable[[Any, int], Awaitable[Any]]] = {
            "account.open": self._account_open,
            "account.show": self._account_show,
            "account.credit": self._account_credit,
            "card.issue": self._card_issue,
            "card.show": self._card_show,
            "card.freeze": self._card_change(CardState.FROZEN),
            "card.unfreeze": self._card_change(CardState.ACTIVE),
            "card.block": self._card_change(CardState.BLOCKED),
            "import.check": self._import_check,
            "import.apply": self._import_apply,
            "status": self._show_status,
            "exceptions.list": self._exceptions_list,
        }

    async def call(self, method: str, params: Any, uid: int) -> Any:
        """The result struct of `method`. Raises RpcError for what cannot be done, with the reason."""
        try:
            return await self._methods[method](params, uid)
        except c.CommandRefused as refused:
            if refused.kind != "not_admitted":
                await (
                    self._owner.settle()
                )  # a refusal tells of the state too, and must not get ahead of the log
            raise p.application_error(_kind(refused.kind), str(refused)) from None

    # ---- accounts

    async def _account_open(self, params: p.AccountOpen, uid: int) -> p.AccountChanged:
        zone = params.time_zone if isinstance(params.time_zone, str) else self._time_zone
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise c.CommandRefused(
                "conflict", "time_zone is no IANA time zone, as Europe/Berlin is"
            ) from None
        command = c.OpenAccount(
            account_id=params.account,
            currency=_numeric(params.currency),
            credit_line_minor=params.credit_line_minor,
            time_zone=zone,
            audit=self._audit(params, uid, f"account.open:{params.account}"),
        )
        changed = self._change(command)
        return await self._settled(p.AccountChanged(self._account(params.account), changed))

    async def _account_show(self, params: p.AccountShow, _uid: int) -> p.AccountResult:
        return await self._settled(p.AccountResult(self._account(params.account)))

    async def _account_credit(self, params: p.AccountCredit, uid: int) -> p.AccountChanged:
        audit = self._audit(params, uid, f"account.credit:{params.account}:{params.amount_minor}")
        changed = self._change(c.CreditAccount(params.account, params.amount_minor, audit))
        return await self._settled(p.AccountChanged(self._account(params.account), changed))

    # ---- cards

    async def _card_issue(self, params: p.CardIssue, uid: int) -> p.CardChanged:
        if not luhn_valid(params.pan):
            raise c.CommandRefused("conflict", "the card number's check digit is wrong")
        token = self._tokens(params.pan)
        what = f"card.issue:{params.account}:{token.hex()[:16]}"
        card = self._new_card(params, token, CardState(params.state), self._audit(params, uid, what))
        changed = self._change(card)
        return await self._settled(p.CardChanged(self._card(self._owner.state.tokens[token]), changed))

    async def _card_show(self, params: p.CardShow, _uid: int) -> p.CardResult:
        card = self._find(params.card)
        account = self._owner.state.cards[card.card_id]
        return await self._settled(p.CardResult(self._card(card), self._account(account.account_id)))

    def _card_change(self, after: CardState) -> Callable[[Any, int], Awaitable[p.CardChanged]]:
        async def change(params: p.CardFreeze | p.CardUnfreeze | p.CardBlock, uid: int) -> p.CardChanged:
            card = self._find(params.card)
            audit = self._audit(params, uid, f"card.{after.value}:{card.card_id}")
            changed = self._change(c.ChangeCardState(card.card_id, after, audit))
            return await self._settled(p.CardChanged(self._card(card), changed))

        return change

    def _find(self, ref: p.CardRef) -> Card:
        state = self._owner.state
        if isinstance(ref.id, str):
            account = state.cards.get(ref.id)
            if account is None:
                raise c.CommandRefused("not_found", f"there is no card {ref.id!r}")
            return account.cards[ref.id]
        if isinstance(ref.pan, str):
            card = state.tokens.get(self._tokens(ref.pan))
            if card is None:
                raise c.CommandRefused(
                    "not_found", f"there is no card with this number (ending {ref.pan[-4:]})"
                )
            return card
        last_four = str(ref.last_four)
        found = state.cards_by_last_four.get(last_four, [])
        if len(found) == 1:
            return found[0]
        if not found:
            raise c.CommandRefused("not_found", f"there is no card ending {last_four}")
        some = ", ".join(card.card_id for card in found[:3])
        raise c.CommandRefused(
            "ambiguous", f"{len(found)} cards end in {last_four}; name one by its id ({some}, ...)"
        )

    def _new_card(
        self, params: p.CardIssue | p.ImportRow, token: bytes, state: CardState, audit: Audit
    ) -> c.IssueCard:
        return c.IssueCard(
            account_id=params.account,
            card_id=self._new_card_id(),
            token=token,
            key_version=self._pan_key.version,
            last_four=params.pan[-4:],
            expiry=params.expiry,
            expires_ms=expires_ms(params.expiry, self._time_zone),
            state=state,
            audit=audit,
        )

    def _new_card_id(self) -> str:
        while True:
            card_id = f"card_{secrets.token_hex(CARD_ID_BYTES)}"
            if card_id not in self._owner.state.cards:
                return card_id

    # ---- import

    async def _import_check(self, params: p.ImportCheck, uid: int) -> p.ImportChecked:
        problems = []
        new = present = 0
        state, policy = self._owner.state, self._policy
        for place, row in enumerate(params.rows):
            if place % IMPORT_SLICE == 0:
                await trio.lowlevel.checkpoint()
            try:
                outcome = decide(state, self._row(row, Audit("", "", uid, "", "", 0)), state.last_ms, policy)
            except c.CommandRefused as refused:
                problems.append(p.ImportProblem(row.line, str(refused)))
            else:
                new += outcome.changed
                present += not outcome.changed
        return await self._settled(p.ImportChecked(tuple(problems), new, present))

    async def _import_apply(self, params: p.ImportApply, uid: int) -> p.ImportApplied:
        imported = present = 0
        for place, row in enumerate(params.rows):
            if place % IMPORT_SLICE == 0:
                await trio.lowlevel.checkpoint()
            key = f"import:{params.file_sha256[:16]}:{row.line}"
            audit = Audit(key, params.actor, uid, params.reason, f"import:{row.line}", 0)
            changed = self._change(self._row(row, audit))
            imported += changed
            present += not changed
        return await self._settled(p.ImportApplied(imported, present))

    def _row(self, row: p.ImportRow, audit: Audit) -> c.ImportRow:
        if not luhn_valid(row.pan):
            raise c.CommandRefused("conflict", f"line {row.line}: the card number's check digit is wrong")
        account = c.OpenAccount(row.account, _numeric(row.currency), 0, self._time_zone, audit)
        card = self._new_card(row, self._pan_key.token(row.pan), CardState.ACTIVE, audit)
        return c.ImportRow(account, msgspec.structs.replace(card, funded_minor=row.credit_minor))

    # ---- looks

    async def _show_status(self, _params: p.StatusShow, _uid: int) -> p.Status:
        await trio.lowlevel.checkpoint()
        return self._status()  # not held back: an operator asks for it just when the journal is stuck

    async def _exceptions_list(self, params: p.ExceptionsList, _uid: int) -> p.ExceptionsListed:
        commons = self._owner.state.commons
        counts = self._owner.exception_counts
        latest = list(commons.exceptions.items())[: -params.limit - 1 : -1]
        listed = tuple(
            p.ExceptionEntry(
                exception_id=exception_id,
                at=iso_time(entry.at_ms),
                kind=entry.kind,
                link=entry.link,
                network=entry.network,
                mti=entry.mti or None,
                field=entry.field or None,
                detail=entry.detail,
                card_last_four=entry.card_last_four or None,
                amount_minor=entry.amount_minor or None,
                count=counts.get(exception_id, 1),
            )
            for exception_id, entry in latest
        )
        return await self._settled(p.ExceptionsListed(commons.exceptions_total, listed))

    # ---- what they share

    def _change(self, command: c.Command) -> bool:
        if not self._owner.admits:
            raise c.CommandRefused("not_admitted", "the journal is behind; try again with the same key")
        return self._owner.execute(command, self._policy).changed

    async def _settled(self, result: T) -> T:
        await self._owner.settle()
        return result

    def _audit(self, params: p.Change, uid: int, what: str) -> Audit:
        forget_ms = self._owner.now_ms() + CHANGE_KEY_LIFETIME_MS
        return Audit(params.key, params.actor, uid, params.reason, what, forget_ms)

    def _account(self, account_id: str) -> p.Account:
        account = self._owner.state.accounts.get(account_id)
        if account is None:
            raise c.CommandRefused("not_found", f"there is no account {account_id!r}")
        return account_shown(account)

    def _card(self, card: Card) -> p.Card:
        return card_shown(self._owner.state.cards[card.card_id].account_id, card)


def account_shown(account: Account) -> p.Account:
    """An account as operators see it: no token, no key, the currency by its letters."""
    currency = CURRENCIES[account.currency]
    return p.Account(
        account_id=account.account_id,
        currency=currency.code,
        currency_exponent=currency.exponent or 0,
        balance_minor=account.balance_minor,
        held_minor=account.held_minor,
        credit_line_minor=account.credit_line_minor,
        available_minor=account.available_minor,
        time_zone=account.time_zone,
        opened_at=iso_time(account.opened_ms),
        cards=tuple(card_shown(account.account_id, card) for card in account.cards.values()),
        holds=tuple(
            p.Hold(
                hold_id=str(hold.hold_id),
                card_id=hold.card_id,
                amount_minor=hold.amount_minor,
                merchant=hold.particulars.merchant,
                city=hold.particulars.city,
                placed_at=iso_time(hold.placed_ms),
                expires_at=iso_time(hold.expires_ms),
                approval_code=hold.approval_code,
                rrn=hold.particulars.rrn,
                answer_unknown=hold.answer_unknown,
            )
            for hold in account.holds.values()
        ),
    )


def card_shown(account_id: str, card: Card) -> p.Card:
    return p.Card(card.card_id, account_id, card.last_four, card.expiry, card.state.value)


@lru_cache(maxsize=1024)
def expires_ms(expiry: str, time_zone: str) -> int:
    """The first instant at which a card of that expiry (YYMM) is no longer good: the next month's first midnight."""
    year, month = 2000 + int(expiry[:2]), int(expiry[2:])
    next_month = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=ZoneInfo(time_zone))
    return int(next_month.timestamp()) * 1000


def _numeric(currency: str) -> str:
    known = CURRENCIES.get(currency)
    if known is None or known.number is None:
        raise c.CommandRefused("conflict", f"{currency} is no ISO 4217 currency, as EUR or 978 is")
    return f"{known.number:03}"


def _kind(kind: str) -> p.Kind:
    for known in p.KINDS:
        if known == kind:
            return known
    raise AssertionError(f"a refusal of kind {kind!r} has no name on the admin socket")
