"""A card programme's settings, as a policy file says them: typed, checked, and with every MCC range written out.

Owns the shapes that the rules are made from. Must not know TOML: `policy_reading` fills these in.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from rules.reason import Check, Entry, Transaction

CASH, ECOMMERCE, CONTACTLESS = "cash", "ecommerce", "contactless"
OWN_CLASSES = (CASH, ECOMMERCE, CONTACTLESS)
"""Classes of spending that every policy has, by what is asked for and how the card was taken. "" is all spending."""

ONLINE = frozenset({Entry.ECOMMERCE, Entry.STORED})
"""Bought online: the number was typed in there, or a shop has it on file. One switch and one class for both."""

SPENDING = frozenset({Transaction.PURCHASE, Transaction.CASH, Transaction.CASHBACK})
"""What takes money: limits, velocity and funds are asked of these alone."""


class Listed(Struct, frozen=True):
    """Two lists of the same sort of thing. An empty one is no list: with no `allow`, everything is allowed."""

    allow: frozenset[str] = frozenset()
    block: frozenset[str] = frozenset()


NOT_LISTED = Listed()


class Switches(Struct, frozen=True):
    """What cards may be used for where their own controls say nothing."""

    magstripe: bool = True
    contactless: bool = True
    ecommerce: bool = True
    cash: bool = True


class Authentication(Struct, frozen=True):
    """By proof: what declines besides a proof that failed, of Check.NOT_CHECKED and Check.ABSENT."""

    mac: frozenset[Check] = frozenset()
    arqc: frozenset[Check] = frozenset()
    cvv: frozenset[Check] = frozenset()
    pin: frozenset[Check] = frozenset()


class Tapping(Struct, frozen=True):
    """How much may be tapped since the last strong authentication. None does not limit."""

    count: int | None = None
    amount_minor: int | None = None
    exempt: frozenset[str] = frozenset()


class SpendingLimit(Struct, frozen=True):
    """A limit of one class of spending in one window, as `rules.facts.Limit` without an end."""

    spending: str
    window: str
    amount_minor: int | None
    count: int | None


class Velocity(Struct, frozen=True):
    """At most `count` payments, and `amount_minor` where it is not None, in any `window_ms` on end."""

    spending: str
    window_ms: int
    count: int
    amount_minor: int | None


class Programme(Struct, frozen=True):
    """The whole policy. Amounts are minor units of the programme's currency; MCCs are single ones, never ranges.

    `classes` are the policy's own, in its order. `hold_days` is by MCC, `hold_default_days` for all others.
    """

    switches: Switches = Switches()
    authentication: Authentication = Authentication()
    entry_modes: Listed = NOT_LISTED
    countries: Listed = NOT_LISTED
    mccs: Listed = NOT_LISTED
    merchants: Listed = NOT_LISTED
    tapping: Tapping = Tapping()
    cashback_minor: int | None = None
    classes: Mapping[str, frozenset[str]] = MappingProxyType({})
    limits: tuple[SpendingLimit, ...] = ()
    velocity: tuple[Velocity, ...] = ()
    hold_days: Mapping[str, int] = MappingProxyType({})
    hold_default_days: int = 7
