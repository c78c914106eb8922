"""The methods of the admin socket: what each takes and gives, as structs shared by client and server.

Owns the names, the shapes, the limits of each value and the words for a wrong one. Knows neither sockets (rpc.py frames
the lines) nor the ledger. Times are ISO 8601 UTC with milliseconds, amounts whole minor units, expiry YYMM.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from authoriser.admin.rpc import APPLICATION_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from authoriser.limits import IMPORT_ROWS_MAX
from authoriser.telemetry.scrub import holds_pan, mask_digit_runs

AMOUNT_LIMIT_MINOR: Final = 10**12
"""DE4 has twelve digits; no amount of ours is longer."""
PAN_LENGTH_MIN: Final = 12
TEXT_LENGTH_MAX: Final = 500
"""Reasons are read in a table."""
EXCEPTIONS_LIST_MAX: Final = 1000

Kind = Literal["not_found", "ambiguous", "conflict", "not_admitted"]
KINDS: Final[tuple[Kind, ...]] = ("not_found", "ambiguous", "conflict", "not_admitted")
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
    "state": "one of inactive, active, frozen, blocked, lost, stolen, closed",
}


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
        _check_texts(self.reason, self.actor, self.key)


class CardRef(Params, frozen=True, forbid_unknown_fields=True):
    """A card by exactly one of its id, its last four digits (where unique) or its PAN."""

    id: CardId | UnsetType = UNSET
    last_four: LastFour | UnsetType = UNSET
    pan: PanDigits | UnsetType = UNSET

    def __post_init__(self) -> None:
        if sum(value is not UNSET for value in (self.id, self.last_four, self.pan)) != 1:
            raise ValueError("card should have exactly one of id, last_four and pan")


class AccountOpen(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountId
    currency: CurrencyName
    credit_line_minor: AmountMinor = 0
    time_zone: str | None = None

    def __post_init__(self) -> None:
        _check_texts(self.reason, self.actor, self.key)
        _check_account(self.account)


class AccountShow(Params, frozen=True, forbid_unknown_fields=True):
    account: AccountId


class AccountCredit(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountId
    amount_minor: Annotated[int, Meta(ge=1, lt=AMOUNT_LIMIT_MINOR)]


class CardIssue(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountId
    pan: PanDigits
    expiry: Expiry
    state: CardState = "active"

    def __post_init__(self) -> None:
        _check_texts(self.reason, self.actor, self.key)
        _check_account(self.account, self.pan)


class CardShow(Params, frozen=True, forbid_unknown_fields=True):
    card: CardRef


class CardFreeze(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    card: CardRef


class CardUnfreeze(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    card: CardRef


class CardBlock(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    card: CardRef


class ImportRow(Params, frozen=True, forbid_unknown_fields=True):
    """One line of the file; `line` counts from 1, the header's line."""

    line: int
    pan: PanDigits
    expiry: Expiry
    account: AccountId
    currency: CurrencyName
    credit_minor: AmountMinor

    def __post_init__(self) -> None:
        _check_account(self.account, self.pan)


ImportRows = Annotated[tuple[ImportRow, ...], Meta(max_length=IMPORT_ROWS_MAX)]


class ImportCheck(Params, frozen=True, forbid_unknown_fields=True):
    rows: ImportRows


class ImportApply(Params, frozen=True, forbid_unknown_fields=True):
    """Idempotent by file hash and line, so it needs no key."""

    file_sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    rows: ImportRows
    reason: Text
    actor: Text

    def __post_init__(self) -> None:
        _check_texts(self.reason, self.actor)


class StatusShow(Params, frozen=True, forbid_unknown_fields=True):
    pass


class ExceptionsList(Params, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=EXCEPTIONS_LIST_MAX)] = 100


class Card(Struct, frozen=True):
    card_id: str
    account_id: str
    last_four: str
    expiry: str
    state: str


class Hold(Struct, frozen=True):
    """`answer_unknown`: a crash came between decision and reply, so nobody knows whether the network heard it."""

    hold_id: str
    card_id: str
    amount_minor: int
    merchant: str
    city: str
    placed_at: str
    expires_at: str
    approval_code: str
    rrn: str
    answer_unknown: bool


class Account(Struct, frozen=True):
    """`available_minor` = balance + credit line - held; `currency_exponent` 2 means cents."""

    account_id: str
    currency: str
    currency_exponent: int
    balance_minor: int
    held_minor: int
    credit_line_minor: int
    available_minor: int
    time_zone: str
    opened_at: str
    cards: tuple[Card, ...]
    holds: tuple[Hold, ...]


class AccountResult(Struct, frozen=True):
    account: Account


class AccountChanged(Struct, frozen=True):
    """`changed` is False for a repeat of the same key, and where the change was there already."""

    account: Account
    changed: bool


class CardResult(Struct, frozen=True):
    card: Card
    account: Account


class CardChanged(Struct, frozen=True):
    card: Card
    changed: bool


class ImportProblem(Struct, frozen=True):
    line: int
    message: str


class ImportChecked(Struct, frozen=True):
    problems: tuple[ImportProblem, ...]
    new: int
    present: int


class ImportApplied(Struct, frozen=True):
    imported: int
    present: int


class LinkStatus(Struct, frozen=True):
    """`connections` are open now; `signed_on` of them have signed on."""

    name: str
    network: str
    listen: str
    dialect: str
    framing: str
    connections: int
    signed_on: int


class SnapshotStatus(Struct, frozen=True):
    checkpoint_record: int
    dirty_accounts: int


class Status(Struct, frozen=True):
    version: str
    pid: int
    started_at: str
    data_dir: str
    shard: int
    epoch: int
    durable_seq: int
    record_no: int
    accounts: int
    cards: int
    holds: int
    in_flight: int
    pending_records: int
    links: tuple[LinkStatus, ...]
    decisions: dict[str, int]
    counters: dict[str, int]
    snapshots: SnapshotStatus


class ExceptionEntry(Struct, frozen=True):
    """Something an operator should look at. What does not apply is None."""

    exception_id: str
    at: str
    kind: str
    link: str
    network: str
    mti: str | None
    field: str | None
    detail: str
    card_last_four: str | None
    amount_minor: int | None
    count: int


class ExceptionsListed(Struct, frozen=True):
    """The newest first; `total` counts all of them."""

    total: int
    exceptions: tuple[ExceptionEntry, ...]


class Method(Struct, frozen=True):
    params: type[Params]
    result: type[Struct]


METHODS: Final[dict[str, Method]] = {
    "account.open": Method(AccountOpen, AccountChanged),
    "account.show": Method(AccountShow, AccountResult),
    "account.credit": Method(AccountCredit, AccountChanged),
    "card.issue": Method(CardIssue, CardChanged),
    "card.show": Method(CardShow, CardResult),
    "card.freeze": Method(CardFreeze, CardChanged),
    "card.unfreeze": Method(CardUnfreeze, CardChanged),
    "card.block": Method(CardBlock, CardChanged),
    "import.check": Method(ImportCheck, ImportChecked),
    "import.apply": Method(ImportApply, ImportApplied),
    "status": Method(StatusShow, Status),
    "exceptions.list": Method(ExceptionsList, ExceptionsListed),
}

_params_decoders = {name: msgspec.json.Decoder(method.params) for name, method in METHODS.items()}
_result_decoders: dict[str, Any] = {
    name: msgspec.json.Decoder(method.result) for name, method in METHODS.items()
}


def decode_params(method: str, params: msgspec.Raw) -> Any:
    """The method's Params. Raises RpcError (-32601, -32602) whose message says what would be right."""
    decoder = _params_decoders.get(method)
    if decoder is None:
        raise RpcError(METHOD_NOT_FOUND, f"no such method; there are: {', '.join(METHODS)}")
    try:
        return decoder.decode(params)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RpcError(INVALID_PARAMS, _should_be(str(error))) from None


def make_params(method: str, params: dict[str, Any]) -> Any:
    """The same checks for a client's values, before anything is sent. Raises RpcError."""
    try:
        return msgspec.convert(params, METHODS[method].params)
    except msgspec.ValidationError as error:
        raise RpcError(INVALID_PARAMS, _should_be(str(error))) from None


def decode_result(method: str, result: msgspec.Raw) -> Any:
    """The method's result struct. Raises msgspec.ValidationError where the server is of another mind."""
    return _result_decoders[method].decode(result)


def application_error(kind: Kind, message: str) -> RpcError:
    """A well-formed request whose answer is no."""
    return RpcError(APPLICATION_ERROR, message, kind)


def _should_be(problem: str) -> str:
    """The words of msgspec, with the place as `params.rows[3].pan` and, for a known key, what would be right."""
    said, _, place = problem.partition(" - at `$")
    place = "params" + place.rstrip("`")
    key = re.sub(r"\[[^]]*\]\Z", "", place).rpartition(".")[2]
    if said.startswith("Expected") and key in _RIGHT and not place.endswith("]"):
        return f"{place} should be {_RIGHT[key]}"
    return mask_digit_runs(f"{place}: {said}")


def _check_texts(reason: str, actor: str, key: str = "") -> None:
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


def _check_account(account: str, pan: str = "") -> None:
    if (pan and pan in account) or holds_pan(account):
        raise ValueError("account must not hold a card number; account ids are shown in logs and events")


def _masked(value: object) -> object:
    return "************" + value[-4:] if isinstance(value, str) else value
