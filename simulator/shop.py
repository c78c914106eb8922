"""What shoppers do: the mix of payments and of all that comes before, after and instead of them, drawn from a seed.

Owns the choice of the next message and what is remembered for repeats and reversals. Must not know connections, and
reads no clock: the caller says when each message is.
"""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from simulator import followups, messages
from simulator.cards import Card
from simulator.checks import NOT_DECIDED, Answer
from simulator.errors import SimulatorError
from simulator.merchants import Town
from simulator.messages import STAN_MAX, Fields, Payment

REMEMBERED_MAX = 5_000
"""Answered requests kept for repeats and reversals: a few seconds of a lively shop, and a bound on memory."""

FOREIGN_CURRENCY = {"978": "840"}
"""What a foreign payment is made in: dollars on a euro card, euros on any other."""


class Kind(StrEnum):
    """What a message is in the mix."""

    PAYMENT = "payment"
    VERIFICATION = "verification"
    FOREIGN = "foreign"
    REPEAT = "repeat"
    REVERSAL = "reversal"
    REVERSAL_ADVICE = "reversal_advice"
    INCREMENT = "increment"
    COMPLETION = "completion"
    ADVICE = "advice"
    REFUND = "refund"
    INQUIRY = "inquiry"


ANSWERED_FOR = frozenset({Kind.PAYMENT, Kind.VERIFICATION, Kind.FOREIGN, Kind.REFUND, Kind.INQUIRY})
"""Requests of their own whose answers are remembered: they can be repeated."""

_OF_AN_APPROVAL = frozenset({Kind.REVERSAL, Kind.REVERSAL_ADVICE, Kind.INCREMENT, Kind.COMPLETION})
_SHARED = tuple(kind for kind in Kind if kind is not Kind.PAYMENT)
"""In the order in which shares are laid out: a kind that is added goes behind the others, so that seeds keep theirs."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How many of a hundred messages are of each kind; the rest are payments."""

    verification: float = 3.0
    """Amount zero: is this card good?"""
    foreign: float = 0.5
    """A payment in a currency that is not the account's."""
    repeat: float = 3.0
    """0101 of a request that was answered."""
    reversal: float = 2.0
    """0400 of an approval."""
    reversal_advice: float = 1.0
    """0420 of an approval."""
    increment: float = 0.0
    """0100 that adds half as much to an approval."""
    completion: float = 0.0
    """0220 of an approval, for its amount."""
    advice: float = 0.0
    """0120: a stand-in approved a payment that never came here."""
    refund: float = 0.0
    """0100 that asks to give money back."""
    inquiry: float = 0.0
    """0100 that asks for the balance."""

    @classmethod
    def parse(cls, text: str) -> "Mix":
        """From `repeat=5,reversal=0`; kinds not named keep their default. Raises SimulatorError."""
        names = [each.name for each in fields(cls)]
        shares: dict[str, float] = {}
        for part in filter(None, (each.strip() for each in text.split(","))):
            name, _, share = part.partition("=")
            try:
                shares[name.strip().replace("-", "_")] = float(share)
            except ValueError:
                raise SimulatorError(f"--mix: {part!r} is not NAME=PERCENT") from None
        unknown = sorted(set(shares) - set(names))
        if unknown:
            raise SimulatorError(f"--mix: no kind {', '.join(unknown)}; the kinds are {', '.join(names)}")
        mix = cls(**shares)
        total = sum(getattr(mix, name) for name in names)
        if not (all(0 <= getattr(mix, name) <= 100 for name in names) and total <= 100):
            raise SimulatorError(f"--mix: shares are percentages that sum to at most 100, not {total:g}")
        return mix


@dataclass(frozen=True, slots=True)
class Planned:
    """The next message: its fields, whose card it is and, for a repeat, the answer it must get."""

    kind: Kind
    fields: Fields
    card: Card
    earlier: Answer | None = None


@dataclass(frozen=True, slots=True)
class _Remembered:
    planned: Planned
    answer: Answer


class Shop:
    """Draws messages. With the same seed, cards, moments and answers it draws the same ones."""

    def __init__(self, cards: Sequence[Card], mix: Mix, *, seed: int, first_stan: int = 1) -> None:
        """`first_stan`: where the numbering starts; two networks at once need places of their own."""
        self._cards = cards
        self._mix = mix
        self._rng = random.Random(seed)
        self._stan = (first_stan - 1) % STAN_MAX
        self._towns: dict[str, Town] = {}
        self._answered: deque[_Remembered] = deque(maxlen=REMEMBERED_MAX)
        self._approved: deque[_Remembered] = deque(maxlen=REMEMBERED_MAX)

    def next_stan(self) -> str:
        self._stan = self._stan % STAN_MAX + 1
        return f"{self._stan:06d}"

    def next(self, at: datetime) -> Planned:
        """The message sent at `at` (aware, UTC). A repeat or reversal with nothing to go by becomes a payment."""
        kind = self._kind()
        if kind is Kind.REPEAT and self._answered:
            one = self._rng.choice(self._answered)
            return Planned(kind, messages.repeat(one.planned.fields), one.planned.card, one.answer)
        if kind in _OF_AN_APPROVAL and self._approved:
            return self._follow_up(kind, at)
        if kind in {Kind.REPEAT, *_OF_AN_APPROVAL}:
            kind = Kind.PAYMENT
        return self._purchase(kind, at)

    def _follow_up(self, kind: Kind, at: datetime) -> Planned:
        place = self._rng.randrange(len(self._approved))
        one = self._approved[place]
        original, code = one.planned.fields, one.answer.approval_code
        if kind is Kind.INCREMENT:
            more_minor = max(1, int(original["4"]) // 2)
            fields = followups.increment(original, amount_minor=more_minor, stan=self.next_stan(), at=at)
            return Planned(kind, fields, one.planned.card)
        # Taken out: a second reversal or completion of the same is a scenario, not a shop.
        del self._approved[place]
        if kind is Kind.COMPLETION:
            fields = followups.completion(
                original,
                amount_minor=int(original["4"]),
                stan=self.next_stan(),
                at=at,
                approval_code=code,
            )
        else:
            fields = messages.reversal(
                original,
                stan=self.next_stan(),
                at=at,
                approval_code=code,
                advice=kind is Kind.REVERSAL_ADVICE,
            )
        return Planned(kind, fields, one.planned.card)

    def learn(self, planned: Planned, answer: Answer) -> None:
        """Remember an answer that was right, for repeats, reversals and completions to come."""
        if planned.kind not in ANSWERED_FOR or answer.response_code in NOT_DECIDED:
            return
        one = _Remembered(planned, answer)
        self._answered.append(one)
        if answer.approved and planned.kind in {Kind.PAYMENT, Kind.FOREIGN}:
            self._approved.append(one)

    def _kind(self) -> Kind:
        draw = self._rng.uniform(0, 100)
        for kind in _SHARED:
            draw -= getattr(self._mix, kind.value)
            if draw < 0:
                return kind
        return Kind.PAYMENT

    def _purchase(self, kind: Kind, at: datetime) -> Planned:
        # A few cards are used far more than the rest: the square of an even draw gives half the uses to a quarter.
        card = self._cards[int(len(self._cards) * self._rng.random() ** 2)]
        sale = self._town(card).sale()
        currency = card.currency_number
        payment = Payment(
            pan=card.pan,
            expiry=card.expiry,
            amount_minor=0 if kind is Kind.VERIFICATION else sale.amount_minor,
            currency_number=FOREIGN_CURRENCY.get(currency, "978") if kind is Kind.FOREIGN else currency,
            place=sale.place,
            entry_mode=sale.entry_mode,
            condition=sale.condition,
        )
        stan = self.next_stan()
        if kind is Kind.REFUND:
            return Planned(kind, followups.refund(payment, stan=stan, at=at), card)
        if kind is Kind.INQUIRY:
            return Planned(kind, followups.balance_inquiry(payment, stan=stan, at=at), card)
        request = messages.authorisation(payment, stan=stan, at=at)
        if kind is Kind.ADVICE:
            request = followups.advice(request, approval_code=f"S{int(stan) % 100_000:05d}")
        return Planned(kind, request, card)

    def _town(self, card: Card) -> Town:
        town = self._towns.get(card.currency)
        if town is None:
            town = self._towns[card.currency] = Town(card.currency, card.currency_exponent, self._rng)
        return town
