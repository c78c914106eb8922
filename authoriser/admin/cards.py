"""The admin socket's methods that concern one card: issuing, its states, its replacement and its controls."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

from authoriser.admin import controls
from authoriser.admin import operations as o
from authoriser.admin import protocol as p
from authoriser.admin.base import MethodsBase, expires_ms
from authoriser.ledger import commands as c
from authoriser.ledger.records import Audit
from authoriser.texts import CURRENCIES
from isowire import luhn_valid
from rules import CardState
from rules.programme import OWN_CLASSES

CARD_ID_BYTES = 8
"""Random bytes in a card id: 64 bits, drawn again if ever taken."""
DAY_MS = 86_400_000


class CardMethods(MethodsBase):
    """`card.*`."""

    async def card_issue(self, params: p.CardIssue, uid: int) -> p.CardChanged:
        token = self._token(params.pan)
        what = f"card.issue:{params.account}:{token.hex()[:16]}"
        card = self._new_card(
            params, params.account, token, CardState(params.state), self._audit(params, uid, what)
        )
        changed = self._change(card)
        return await self._settled(
            p.CardChanged(self._card_shown(self._owner.state.tokens[token][1]), changed)
        )

    async def card_show(self, params: p.CardShow, uid: int) -> p.CardResult:
        card = self._find(params.card)
        self._looked(f"card.show:{card.card_id}", params, uid)
        account = self._owner.state.cards[card.card_id]
        return await self._settled(
            p.CardResult(self._card_shown(card), self._account_shown(account.account_id))
        )

    def card_change(
        self, after: CardState, *, activating: bool = False
    ) -> Callable[[Any, int], Awaitable[p.CardChanged]]:
        """The method that takes a card to a state."""
        verb = "activate" if activating else after.value

        async def change(params: Any, uid: int) -> p.CardChanged:
            card = self._find(params.card)
            audit = self._audit(params, uid, f"card.{verb}:{card.card_id}")
            changed = self._change(c.ChangeCardState(card.card_id, after, audit, activating))
            return await self._settled(p.CardChanged(self._card_shown(card), changed))

        return change

    async def card_replace(self, params: o.CardReplace, uid: int) -> p.CardReplaced:
        old = self._find(params.card)
        account = self._owner.state.cards[old.card_id]
        token = self._token(params.pan)
        audit = self._audit(params, uid, f"card.replace:{old.card_id}:{token.hex()[:16]}")
        new = self._new_card(params, account.account_id, token, CardState(params.state), audit)
        closes_ms = self._owner.now_ms() + params.overlap_days * DAY_MS
        changed = self._change(c.ReplaceCard(old.card_id, closes_ms, new, audit))
        _account, card = self._owner.state.tokens[token]
        return await self._settled(p.CardReplaced(self._card_shown(card), self._card_shown(old), changed))

    # ---- controls

    async def card_controls_show(self, params: o.CardControlsShow, uid: int) -> p.CardControls:
        card = self._find(params.card)
        self._looked(f"card.controls.show:{card.card_id}", params, uid)
        account = self._owner.state.cards[card.card_id]
        currency = CURRENCIES[account.currency]
        return await self._settled(
            p.CardControls(
                self._card_shown(card),
                currency.code,
                currency.exponent or 0,
                controls.shown(card, self._owner.now_ms(), account.time_zone),
            )
        )

    async def card_controls_set(self, params: o.CardControlsSet, uid: int) -> p.CardControlsChanged:
        card = self._find(params.card)
        account = self._owner.state.cards[card.card_id]
        now_ms = self._owner.now_ms()
        self._refuse_unknown_class(params)
        try:
            after = controls.patched(card.controls, params, now_ms, ZoneInfo(account.time_zone))
        except ValueError as error:
            raise c.CommandRefused("conflict", str(error)) from None
        what = f"card.controls.set:{card.card_id}:{controls.patch_digest(params)}"
        changed = self._change(c.SetControls(card.card_id, after, self._audit(params, uid, what)))
        currency = CURRENCIES[account.currency]
        return await self._settled(
            p.CardControlsChanged(
                self._card_shown(card),
                currency.code,
                currency.exponent or 0,
                controls.shown(card, now_ms, account.time_zone),
                changed,
            )
        )

    def _refuse_unknown_class(self, params: o.CardControlsSet) -> None:
        """A limit of a class that the policy lacks would limit nothing, and nobody would notice."""
        known = (*OWN_CLASSES, *self._owner.state.rules.programme.classes)
        for limit in params.limits:
            taken_away = limit.amount_minor is None and limit.count is None
            if limit.spending and limit.spending not in known and not taken_away:
                text = f"the policy has no class {limit.spending!r}; it has {', '.join(known)}"
                raise c.CommandRefused("conflict", text)

    # ---- new cards

    def _token(self, pan: str) -> bytes:
        if not luhn_valid(pan):
            raise c.CommandRefused("conflict", "the card number's check digit is wrong")
        return self._tokens(pan)

    def _new_card(
        self,
        said: p.CardIssue | p.ImportRow | o.CardReplace,
        account_id: str,
        token: bytes,
        state: CardState,
        audit: Audit,
    ) -> c.IssueCard:
        return c.IssueCard(
            account_id=account_id,
            card_id=self._new_card_id(),
            token=token,
            key_version=self._pan_key.version,
            last_four=said.pan[-4:],
            expiry=said.expiry,
            expires_ms=expires_ms(said.expiry, self._time_zone),
            state=state,
            audit=audit,
        )

    def _new_card_id(self) -> str:
        while True:
            card_id = f"card_{secrets.token_hex(CARD_ID_BYTES)}"
            if card_id not in self._owner.state.cards:
                return card_id
