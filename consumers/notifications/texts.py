"""What the customer reads: an event's reason in plain words, with the amount and the shop filled in.

Owns which events are worth a text. Pure, but for the recent approvals that it remembers to name one that was taken
back.
"""

from collections import OrderedDict

from msgspec import UNSET, Struct, UnsetType

from authoriser.cli.money import currencies, format_amount
from authoriser.published.parts import Decision, Said
from authoriser.published.shapes import HoldVoided, ReversalAccepted
from consumers.incoming import Incoming
from rules.reason import Reason
from rules.reasons import push_text

RECENT_MAX = 10_000
"""Approvals remembered, in case their answers did not leave in time: that shows within seconds."""
SOME_AMOUNT, SOME_SHOP = "A payment", "a shop"
"""Where an event does not say."""


class Notification(Struct, frozen=True):
    """`id` is the event's: whoever gets the same twice drops the second."""

    id: str
    type: str
    time: str
    account: str
    card_id: str | None
    reason: str
    text: str


class _Payment(Struct, frozen=True):
    amount: str
    shop: str


class Texts:
    """Makes notifications of events. Approvals that come by are remembered."""

    def __init__(self) -> None:
        self._recent: OrderedDict[tuple[int, str], _Payment] = OrderedDict()

    def remember(self, incoming: Incoming) -> None:
        """Take note of an approval."""
        event = incoming.event
        if isinstance(event, Decision) and isinstance(event.hold_id, str):
            key = (incoming.shard, event.hold_id)
            self._recent[key] = _Payment(_amount(_minor(event), event.currency), _shop(event))
            self._recent.move_to_end(key)
            if len(self._recent) > RECENT_MAX:
                self._recent.popitem(last=False)

    def of(self, incoming: Incoming) -> Notification | None:
        """The text for an event; None where the customer need not know."""
        event = incoming.event
        account, card_id = getattr(event, "account", None), getattr(event, "card_id", None)
        if event is None or not account:
            return None
        if isinstance(event, HoldVoided):
            paid = self._recent.get((incoming.shard, event.hold_id), _Payment(SOME_AMOUNT, SOME_SHOP))
            reason, text = Reason.ANSWER_VOID, _filled(Reason.ANSWER_VOID, paid)
        elif isinstance(event, Decision | ReversalAccepted):
            self.remember(incoming)
            known = _reason(event)
            if known is None:
                return None
            reason, text = (
                known,
                _filled(known, _Payment(_amount(_minor(event), event.currency), _shop(event))),
            )
        else:
            return None
        if not text:
            return None
        return Notification(incoming.id, incoming.type, event.time, account, card_id, reason.value, text)


def _reason(event: Decision | ReversalAccepted) -> Reason | None:
    """None where there is nothing to tell: a reason that this program does not know yet, or an advice of a decline."""
    try:
        reason = Reason(event.reason)
    except ValueError:
        return None
    nothing_moved = isinstance(event, Decision) and not event.approved_minor and event.moved is UNSET
    return None if reason is Reason.ADVICE_ACCEPTED and nothing_moved else reason


def _minor(event: Decision | ReversalAccepted) -> int:
    """What the text is about: what was approved of it, or what came back."""
    if isinstance(event, ReversalAccepted):
        returned = -sum(move.captured_minor or 0 for move in event.moved or ())
        return event.released_minor or returned or event.amount_minor
    return event.approved_minor or event.amount_minor


def _amount(amount_minor: int, currency: str | UnsetType) -> str:
    known = currencies().get(currency) if isinstance(currency, str) else None
    return format_amount(amount_minor, known.code, known.exponent) if known is not None else SOME_AMOUNT


def _shop(event: Said) -> str:
    named = [part.strip() for part in (event.merchant, event.city) if isinstance(part, str) and part.strip()]
    return ", ".join(named) if isinstance(event.merchant, str) and event.merchant.strip() else SOME_SHOP


def _filled(reason: Reason, payment: _Payment) -> str:
    return push_text(reason).format(amount=payment.amount, merchant=payment.shop)
