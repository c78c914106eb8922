"""What the admin socket's methods share: one door to the ledger, names of cards, audits, and how things are shown.

A result is made in the same step as the change, and leaves only when the change is durable and every reply decided
before it was sent or dropped. Looks wait likewise: nothing leaves ahead of the log, and who looked is in it.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from authoriser.admin import protocol as p
from authoriser.cache import LoadFailedError, Name
from authoriser.keys import PanKey
from authoriser.ledger import commands as c
from authoriser.ledger.decide import decide
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.records import Audit
from authoriser.ledger.state import Account, Card
from authoriser.limits import CHANGE_KEY_LIFETIME_MS, LAST_FOUR_LISTED
from authoriser.owner import ShardOwner
from authoriser.texts import CURRENCIES, iso_time
from authoriser.translate import Tokens
from rules import CardState

T = TypeVar("T")


class MethodsBase:
    """The shard's owner and the keys to it. `time_zone` is the issuer's, in which a card's last month ends.

    A change of more than `second_person_over_minor` waits for somebody else; None asks nobody.
    """

    def __init__(
        self,
        *,
        owner: ShardOwner,
        policy: c.Policy,
        pan_key: PanKey,
        tokens: Tokens,
        time_zone: str,
        second_person_over_minor: int | None = None,
    ) -> None:
        self._owner = owner
        self._policy = policy
        self._pan_key = pan_key
        self._tokens = tokens
        self._time_zone = time_zone
        self._second_person_over_minor = second_person_over_minor

    def _admit(self) -> None:
        if not self._owner.admits:
            raise c.CommandRefused(
                "not_admitted", "the journal is behind; try again, with the same key if any"
            )

    @asynccontextmanager
    async def _in_memory(self, names: Iterable[Name]) -> AsyncIterator[None]:
        """Have whatever of `names` there is in memory as long as the body runs. Raises CommandRefused."""
        cache = self._owner.cache
        if cache is None:
            yield
            return
        try:
            async with cache.holding(names):
                yield
        except LoadFailedError as error:
            text = f"{error}; the store of snapshots is away or slow: try again, with the same key if any"
            raise c.CommandRefused("not_admitted", text) from None

    async def _names_of_card(self, ref: p.CardRef) -> list[Name]:
        """What to have in memory before `_find` is asked. Raises CommandRefused."""
        if isinstance(ref.id, str):
            return [Name("card", ref.id)]
        if isinstance(ref.pan, str):
            return [Name("token", self._tokens(ref.pan))]
        cache = self._owner.cache
        if cache is None:
            return []
        try:
            entries = await cache.cards_ending(str(ref.last_four), LAST_FOUR_LISTED + 1)
        except LoadFailedError as error:
            raise c.CommandRefused("not_admitted", f"{error}; try again") from None
        return [Name("card", entry.card_id) for entry in entries]

    def _change(self, command: c.Command) -> bool:
        self._admit()
        return self._owner.execute(command, self._policy).changed

    def _foresee(self, command: c.Command) -> Outcome:
        """What the command would do now. Raises CommandRefused."""
        return decide(self._owner.state, command, self._owner.now_ms(), self._policy)

    def _looked(self, what: str, params: p.Look, uid: int) -> None:
        """Put into the journal who reads what. The answer waits for it."""
        self._admit()
        actor = params.actor if params.actor is not None else f"uid {uid}"
        self._owner.execute(c.NoteLook(what, actor, uid), self._policy)

    async def _settled(self, result: T) -> T:
        await self._owner.settle()
        return result

    def _audit(self, params: p.Change, uid: int, what: str) -> Audit:
        forget_ms = self._owner.now_ms() + CHANGE_KEY_LIFETIME_MS
        return Audit(params.key, params.actor, uid, params.reason, what, forget_ms)

    def _account(self, account_id: str) -> Account:
        account = self._owner.state.accounts.get(account_id)
        if account is None:
            raise c.CommandRefused("not_found", f"there is no account {account_id!r}")
        return account

    def _account_shown(self, account_id: str) -> p.Account:
        return account_shown(self._account(account_id), self._owner.now_ms())

    def _card_shown(self, card: Card) -> p.Card:
        account_id = self._owner.state.cards[card.card_id].account_id
        return card_shown(account_id, card, self._owner.now_ms())

    def _find(self, ref: p.CardRef) -> Card:
        state = self._owner.state
        if isinstance(ref.id, str):
            account = state.cards.get(ref.id)
            if account is None:
                raise c.CommandRefused("not_found", f"there is no card {ref.id!r}")
            return account.cards[ref.id]
        if isinstance(ref.pan, str):
            _account, card = state.find(self._tokens(ref.pan))
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
        some = ", ".join(card.card_id for card in found[:LAST_FOUR_LISTED])
        # Where not every card is in memory, there may be more of them.
        count = f"{len(found)}" if self._owner.cache is None else f"more than {len(found) - 1}"
        raise c.CommandRefused(
            "ambiguous", f"{count} cards end in {last_four}; name one by its id ({some}, ...)"
        )


def slices(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`rows` in their order, so many at a time."""
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


# ---- what is shown


def account_shown(account: Account, now_ms: int) -> p.Account:
    """An account as operators see it at `now_ms`: no token, no key, the currency by its letters."""
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
        cards=tuple(card_shown(account.account_id, card, now_ms) for card in account.cards.values()),
        holds=tuple(
            p.Hold(
                hold_id=str(payment.hold_id),
                card_id=payment.card_id,
                amount_minor=payment.held_minor,
                merchant=payment.particulars.merchant,
                city=payment.particulars.city,
                placed_at=iso_time(payment.placed_ms),
                expires_at=iso_time(payment.expires_ms),
                approval_code=payment.approval_codes[0] if payment.approval_codes else "",
                rrn=payment.particulars.rrn,
                answer_unknown=payment.answer_unknown,
                authorised_minor=payment.authorised_minor,
                captured_minor=payment.captured_minor,
                approval_codes=payment.approval_codes,
            )
            for payment in account.holds.values()
        ),
    )


def card_shown(account_id: str, card: Card, now_ms: int) -> p.Card:
    """A card as operators see it. One that was replaced is closed from its end on, without a record saying so."""
    closes_at = iso_time(card.closes_ms) if card.closes_ms else None
    over = card.closes_ms and card.closes_ms <= now_ms and card.state in _IN_USE
    state = CardState.CLOSED if over else card.state
    return p.Card(card.card_id, account_id, card.last_four, card.expiry, state.value, card.family, closes_at)


_IN_USE = frozenset({CardState.INACTIVE, CardState.ACTIVE, CardState.FROZEN})
"""What a replaced card's end makes of a blocked, lost or stolen one is nothing: these say more."""


@lru_cache(maxsize=1024)
def expires_ms(expiry: str, time_zone: str) -> int:
    """The first instant at which a card of that expiry (YYMM) is no longer good: the next month's first midnight."""
    year, month = 2000 + int(expiry[:2]), int(expiry[2:])
    next_month = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=ZoneInfo(time_zone))
    return int(next_month.timestamp()) * 1000


def currency_number(currency: str) -> str:
    """ISO 4217's three digits, of its letters or of themselves. Raises CommandRefused for what is no currency."""
    known = CURRENCIES.get(currency)
    if known is None or known.number is None:
        raise c.CommandRefused("conflict", f"{currency} is no ISO 4217 currency, as EUR or 978 is")
    return f"{known.number:03}"
