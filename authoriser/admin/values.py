"""What one value of the admin socket has to be, and the words for a wrong one; what all params have in common.

Owns no method: `protocol.py` and `operations.py` put these together. Times are ISO 8601 UTC with milliseconds, amounts
whole minor units, expiry YYMM.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from authoriser.admin.rpc import APPLICATION_ERROR, RpcError
from authoriser.limits import IMPORT_ROWS_MAX, OVERLAP_MAX_DAYS, POLICY_TEXT_MAX
from authoriser.telemetry.scrub import holds_pan, mask_digit_runs

AMOUNT_LIMIT_MINOR: Final = 10**12
"""DE4 has twelve digits; no amount of ours is longer."""
PAN_LENGTH_MIN: Final = 12
TEXT_LENGTH_MAX: Final = 500
"""Reasons are read in a table."""
EXCEPTIONS_LIST_MAX: Final = 1000

Kind = Literal["not_found", "ambiguous", "conflict", "not_admitted", "forbidden"]
KINDS: Final[tuple[Kind, ...]] = ("not_found", "ambiguous", "conflict", "not_admitted", "forbidden")
Window = Literal["transaction", "day", "week", "month"]
CardState = Literal["inactive", "active", "frozen", "blocked", "lost", "stolen", "closed"]

AccountId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{1,64}\Z")]
CardId = Annotated[str, Meta(pattern=r"\Acard_[A-Za-z0-9_-]{1,60}\Z")]
LastFour = Annotated[str, Meta(pattern=r"\A[0-9]{4}\Z")]
PanDigits = Annotated[str, Meta(pattern=r"\A[0-9]{12,19}\Z")]
Expiry = Annotated[str, Meta(pattern=r"\A[0-9]{2}(0[1-9]|1[0-2])\Z")]
CurrencyName = Annotated[str, Meta(pattern=r"\A([A-Z]{3}|[0-9]{3})\Z")]
AmountMinor = Annotated[int, Meta(ge=0, lt=AMOUNT_LIMIT_MINOR)]
Key = Annotated[str, Meta(pattern=r"\A[!-~]{1,64}\Z")]
Text = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,500}\Z")]
Number = Annotated[str, Meta(pattern=r"\A[0-9]{1,18}\Z")]
"""The number of a record, such as a hold's, as text: a JSON number may lose digits."""
ProposalId = Annotated[str, Meta(pattern=r"\Aprop_[0-9a-f]{12}\Z")]
ExceptionId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
SpendingClass = Annotated[str, Meta(pattern=r"\A([a-z][a-z0-9_-]{0,31})?\Z")]
Mcc = Annotated[str, Meta(pattern=r"\A[0-9]{4}\Z")]
Merchant = Annotated[str, Meta(pattern=r"\A[ -~]{1,15}\Z")]
Country = Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z")]

_RIGHT: Final = {
    "account": "1 to 64 letters, digits, '_', '.' or '-'",
    "id": 'a card id, as "card_..."',
    "last_four": "four digits",
    "pan": "12 to 19 digits",
    "expiry": "YYMM, with a month of 01 to 12",
    "currency": 'an ISO 4217 currency, as "EUR" or "978"',
    "credit_line_minor": "a whole number of minor units, 0 to 999999999999",
    "amount_minor": "a whole number of minor units, 1 to 999999999999",
    "credit_minor": "a whole number of minor units, 0 to 999999999999",
    "key": "1 to 64 visible ASCII characters, made by the client and kept for its retries",
    "reason": f"1 to {TEXT_LENGTH_MAX} characters without control characters",
    "actor": f"1 to {TEXT_LENGTH_MAX} characters without control characters",
    "file_sha256": "64 hexadecimal digits",
    "rows": f"a list of at most {IMPORT_ROWS_MAX} rows",
    "limit": f"a whole number from 1 to {EXCEPTIONS_LIST_MAX}",
    "proposal": 'a proposal, as "prop_..."',
    "hold": "the number of a hold, as text",
    "exception": "the id of an entry of the exception list",
    "overlap_days": f"a whole number of days, 0 to {OVERLAP_MAX_DAYS}",
    "spending": 'a class of the policy in small letters, as "cash", or "" for all spending',
    "window": "one of transaction, day, week, month",
    "count": "a whole number from 0 to 999999",
    "limits.amount_minor": "a whole number of minor units, 0 to 999999999999",
    "account.adjust.amount_minor": "a whole number of minor units, -999999999999 to 999999999999 and not 0",
    "text": f"a policy's TOML of at most {POLICY_TEXT_MAX} characters",
    "state": "one of inactive, active, frozen, blocked, lost, stolen, closed",
}
_RIGHT_ITEM: Final = {
    "mcc_allow": "a merchant category of four digits",
    "mcc_block": "a merchant category of four digits",
    "merchant_allow": "a merchant's id of 1 to 15 characters (DE42)",
    "merchant_block": "a merchant's id of 1 to 15 characters (DE42)",
    "country_allow": 'a country of two letters (ISO 3166), as "PT"',
    "country_block": 'a country of two letters (ISO 3166), as "PT"',
}
"""What stands in a list has words of its own."""


class Shape(Struct, frozen=True, omit_defaults=True):
    """A struct whose repr shows no card number, so that a log, a traceback or a failed assertion doesn't either."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        values = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, _masked(value) if name == "pan" else value) for name, value in values]


class Params(Shape, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a method takes; an unknown key is an error, because it may be a misspelt optional one."""


class Change(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every change takes. `key` makes it idempotent; `reason` and `actor` go into the journal."""

    key: Key
    reason: Text
    actor: Text

    def __post_init__(self) -> None:
        check_texts(self.reason, self.actor, self.key)


class Look(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every reading of a card or an account takes: it is journaled. Without `actor`, the peer's user name is."""

    actor: Text | None = None

    def __post_init__(self) -> None:
        if self.actor is not None:
            check_texts("a look", self.actor)


class CardRef(Params, frozen=True, forbid_unknown_fields=True):
    """A card by exactly one of its id, its last four digits (where unique) or its PAN."""

    id: CardId | UnsetType = UNSET
    last_four: LastFour | UnsetType = UNSET
    pan: PanDigits | UnsetType = UNSET

    def __post_init__(self) -> None:
        if sum(value is not UNSET for value in (self.id, self.last_four, self.pan)) != 1:
            raise ValueError("card should have exactly one of id, last_four and pan")


def application_error(kind: Kind, message: str) -> RpcError:
    """A well-formed request whose answer is no."""
    return RpcError(APPLICATION_ERROR, message, kind)


def should_be(problem: str, method: str) -> str:
    """The words of msgspec, with the place as `params.rows[3].pan` and, for a known key, what would be right."""
    said, _, place = problem.partition(" - at `$")
    place = "params" + place.rstrip("`")
    path = re.sub(r"\[[^]]*\]", "", place).removeprefix("params").removeprefix(".")
    key = path.rpartition(".")[2]
    if said.startswith(("Expected", "Invalid enum value")):
        words = _RIGHT_ITEM if place.endswith("]") else _RIGHT
        right = words.get(f"{method}.{path}") or words.get(path) or words.get(key)
        if right is not None:
            return f"{place} should be {right}"
    return mask_digit_runs(f"{place}: {said}")


def check_texts(reason: str, actor: str, key: str = "") -> None:
    if not reason.strip():
        raise ValueError("reason is blank; say why, for those who read the journal")
    if not actor.strip():
        raise ValueError("actor is blank; say who asks")
    if holds_pan(reason) or holds_pan(actor):
        raise ValueError(
            "reason and actor go into the journal and must hold no card number; use the last four digits"
        )
    # Not by Luhn: a UUID would fail now and then, by the luck of its digits.
    digits = key.replace("-", "")
    if len(digits) >= PAN_LENGTH_MIN and digits.isdigit():
        raise ValueError("key goes into the journal and may be taken for a card number; put a letter in it")


def check_account(account: str, pan: str = "") -> None:
    if (pan and pan in account) or holds_pan(account):
        raise ValueError("account must not hold a card number; account ids are shown in logs and events")


def _masked(value: object) -> object:
    return "************" + value[-4:] if isinstance(value, str) else value
