"""Merchants: who they are, what is paid there and how. The data is `merchants.toml`; this file reads and draws from it.

Owns the draw of a place, an amount and an entry mode. Must not know messages, cards or time.
"""

import math
import random
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from simulator.messages import Place

# Country -> currency of its tills and time zone of its clocks (one zone a country is near enough for a till).
_COUNTRIES = {
    "AT": ("EUR", "Europe/Vienna"),
    "BE": ("EUR", "Europe/Brussels"),
    "CH": ("CHF", "Europe/Zurich"),
    "DE": ("EUR", "Europe/Berlin"),
    "ES": ("EUR", "Europe/Madrid"),
    "FR": ("EUR", "Europe/Paris"),
    "GB": ("GBP", "Europe/London"),
    "IE": ("EUR", "Europe/Dublin"),
    "IT": ("EUR", "Europe/Rome"),
    "JP": ("JPY", "Asia/Tokyo"),
    "LU": ("EUR", "Europe/Luxembourg"),
    "NL": ("EUR", "Europe/Amsterdam"),
    "PT": ("EUR", "Europe/Lisbon"),
    "US": ("USD", "America/Chicago"),
}

TERMINALS_MAX = 12
"""Tills of one merchant."""


class Kind(Struct, frozen=True, forbid_unknown_fields=True):
    """A sort of place, as `merchants.toml` explains it."""

    mcc: str
    share: int
    median: float
    spread: float
    entry: dict[str, int]
    endings: tuple[int, ...] = ()
    condition: str = "00"


class _Acquirer(Struct, frozen=True, forbid_unknown_fields=True):
    number: str
    countries: tuple[str, ...]


class _Merchant(Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    name: str
    city: str
    country: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    kinds: dict[str, Kind]
    acquirers: tuple[_Acquirer, ...]
    merchants: tuple[_Merchant, ...]


@dataclass(frozen=True, slots=True)
class Merchant:
    """One merchant, with the weight it is drawn with and its tills."""

    kind: Kind
    currency: str
    weight: float
    tills: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Sale:
    """A place with an amount and the way the card was read."""

    place: Place
    amount_minor: int
    entry_mode: str
    condition: str


@cache
def merchants() -> tuple[Merchant, ...]:
    """All merchants of the data file."""
    data = msgspec.convert(
        tomllib.loads(files(__package__).joinpath("merchants.toml").read_text("utf-8")), _File
    )
    acquirers = {country: acquirer.number for acquirer in data.acquirers for country in acquirer.countries}
    of_kind = {name: sum(each.kind == name for each in data.merchants) for name in data.kinds}
    made = []
    for number, each in enumerate(data.merchants):
        kind = data.kinds[each.kind]
        currency, zone = _COUNTRIES[each.country]
        tills = tuple(
            Place(
                merchant_id=f"{each.country}{kind.mcc}{number:07d}",
                terminal_id=f"{each.country}{number:03d}{till:03d}",
                name=each.name,
                city=each.city,
                country=each.country,
                mcc=kind.mcc,
                acquirer=acquirers[each.country],
                zone=ZoneInfo(zone),
            )
            for till in range(1, 2 + number * 5 % TERMINALS_MAX)
        )
        made.append(Merchant(kind, currency, kind.share / of_kind[each.kind], tills))
    return tuple(made)


class Town:
    """The merchants that take one currency, drawn from at random. A currency nobody takes is taken by all."""

    __slots__ = ("_cumulative", "_exponent", "_merchants", "_rng")

    def __init__(self, currency: str, exponent: int, rng: random.Random) -> None:
        everyone = merchants()
        self._merchants = [each for each in everyone if each.currency == currency] or list(everyone)
        self._cumulative: list[float] = []
        total = 0.0
        for each in self._merchants:
            total += each.weight
            self._cumulative.append(total)
        self._exponent = exponent
        self._rng = rng

    def sale(self) -> Sale:
        """A payment somebody might make: always above zero."""
        rng = self._rng
        (merchant,) = rng.choices(self._merchants, cum_weights=self._cumulative)
        kind = merchant.kind
        (entry_mode,) = rng.choices(list(kind.entry), list(kind.entry.values()))
        return Sale(rng.choice(merchant.tills), self._amount_minor(kind), entry_mode, kind.condition)

    def _amount_minor(self, kind: Kind) -> int:
        rng = self._rng
        major = rng.lognormvariate(math.log(kind.median), kind.spread)
        amount = round(major * float(10**self._exponent))
        if self._exponent == 2 and kind.endings:
            amount = amount // 100 * 100 + rng.choice(kind.endings)
        return max(amount, 1)
