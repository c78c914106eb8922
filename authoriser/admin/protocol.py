"""The methods of the admin socket: what each takes and gives, as structs shared by client and server, and for whom.

Owns the table of methods and the structs of accounts, cards, imports and looks; `operations.py` has those of controls,
holds, policies and proposals, `values.py` what single values must be. Knows neither sockets (rpc.py frames the lines)
nor the ledger.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from authoriser.admin import clearing_protocol as cp
from authoriser.admin import operations as o
from authoriser.admin.roles import Role
from authoriser.admin.rpc import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from authoriser.admin.values import (
    AMOUNT_LIMIT_MINOR,
    EXCEPTIONS_LIST_MAX,
    KINDS,
    AccountId,
    AmountMinor,
    CardRef,
    CardState,
    Change,
    CurrencyName,
    Expiry,
    Kind,
    Look,
    PanDigits,
    Params,
    Text,
    application_error,
    check_account,
    check_texts,
    should_be,
)
from authoriser.limits import IMPORT_ROWS_MAX

__all__ = [
    "AMOUNT_LIMIT_MINOR",
    "EXCEPTIONS_LIST_MAX",
    "KINDS",
    "METHODS",
    "CardRef",
    "Change",
    "Kind",
    "Look",
    "Params",
    "application_error",
    "decode_params",
    "decode_result",
    "make_params",
]


class AccountOpen(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountId
    currency: CurrencyName
    credit_line_minor: AmountMinor = 0
    time_zone: str | None = None

    def __post_init__(self) -> None:
        check_texts(self.reason, self.actor, self.key)
        check_account(self.account)


class AccountShow(Look, frozen=True, forbid_unknown_fields=True):
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
        check_texts(self.reason, self.actor, self.key)
        check_account(self.account, self.pan)


class CardShow(Look, frozen=True, forbid_unknown_fields=True):
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
        check_account(self.account, self.pan)


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
        check_texts(self.reason, self.actor)


class StatusShow(Params, frozen=True, forbid_unknown_fields=True):
    pass


class ExceptionsList(Params, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=EXCEPTIONS_LIST_MAX)] = 100


class Card(Struct, frozen=True):
    """`family` is the first of a row of replacements, "" where there is none; `closes_at` when a replaced card ends."""

    card_id: str
    account_id: str
    last_four: str
    expiry: str
    state: str
    family: str = ""
    closes_at: str | None = None


class Hold(Struct, frozen=True):
    """A payment of which something is still held: `amount_minor`. All of its DE38 are `approval_codes`.

    `answer_unknown`: a crash came between decision and reply, so nobody knows whether the network heard it.
    """

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
    authorised_minor: int = 0
    captured_minor: int = 0
    approval_codes: tuple[str, ...] = ()


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
    """`changed` is False where the change was there already, and while it waits for a second person as `proposal`."""

    account: Account
    changed: bool
    proposal: str | None = None


class CardResult(Struct, frozen=True):
    card: Card
    account: Account


class CardChanged(Struct, frozen=True):
    card: Card
    changed: bool


class CardReplaced(Struct, frozen=True):
    """`card` is the new one. The old one is good until `old.closes_at`."""

    card: Card
    old: Card
    changed: bool


class CardControls(Struct, frozen=True):
    """Amounts in `controls` are of this currency."""

    card: Card
    currency: str
    currency_exponent: int
    controls: o.Controls


class CardControlsChanged(Struct, frozen=True):
    card: Card
    currency: str
    currency_exponent: int
    controls: o.Controls
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


class LineStatus(Struct, frozen=True):
    """One line. `state`: "open" or "signed on" of one that was accepted; of one that we dial also "dialling", "waiting"
    (to dial again), "signing on", "signed off", "signing off", "ended". `since`: of that state, or of the connection.
    `problem`: why it is not up.
    """

    number: int
    peer: str
    state: str
    since: str
    problem: str = ""
    reconnects: int = 0


class LinkStatus(Struct, frozen=True):
    """`connections` are open now; `signed_on` of them have signed on. `role` is "listen" or "connect"; `listen` is
    where it listens, or what it connects to. `lines` are the first of them, one by one; `down` should be up.
    """

    name: str
    network: str
    listen: str
    dialect: str
    framing: str
    connections: int
    signed_on: int
    role: str = "listen"
    tls: bool = False
    down: int = 0
    lines: tuple[LineStatus, ...] = ()


class SnapshotStatus(Struct, frozen=True):
    checkpoint_record: int
    dirty_accounts: int


class RelayStatus(Struct, frozen=True):
    """`lag`: durable records that are not in Kafka yet, None until it is known. `seq` is the last batch that is.

    `state`: starting, connecting, relaying, waiting, fenced, halted. `detail` is what is wrong, "" if nothing is.
    """

    state: str
    lag: int | None
    seq: int
    detail: str
    restarts: int
    pid: int | None


class Status(Struct, frozen=True):
    """`role` is leader, follower or recovering. A follower's figures are of the state that it keeps warm from the log.

    `journal` is where the log is, "" where it is in the data directory. `relay` is None where the configuration has no
    [kafka], and where this process does not lead.
    """

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
    role: str = "leader"
    journal: str = ""
    relay: RelayStatus | None = None


class ExceptionEntry(Struct, frozen=True):
    """Something an operator should look at. What does not apply is None.

    `candidates` are the holds (payments) of `account` that the message may have meant; `exceptions.settle` takes one.
    """

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
    account: str | None = None
    candidates: tuple[str, ...] = ()


class ExceptionsListed(Struct, frozen=True):
    """The newest first; `total` counts all of them."""

    total: int
    exceptions: tuple[ExceptionEntry, ...]


class ProposalEnded(Struct, frozen=True):
    """`resolution`: confirmed or withdrawn. `account` is as it is then; None for a repeat of the same key."""

    proposal: str
    resolution: str
    account: Account | None


class Method(Struct, frozen=True):
    """`role` is the least that the caller must have."""

    params: type[Params]
    result: type[Struct]
    role: Role


_VIEWER, _OPERATOR, _SUPERVISOR = Role.VIEWER, Role.OPERATOR, Role.SUPERVISOR

METHODS: Final[dict[str, Method]] = {
    "account.open": Method(AccountOpen, AccountChanged, _OPERATOR),
    "account.show": Method(AccountShow, AccountResult, _VIEWER),
    "account.credit": Method(AccountCredit, AccountChanged, _OPERATOR),
    "account.adjust": Method(o.AccountAdjust, AccountChanged, _OPERATOR),
    "card.issue": Method(CardIssue, CardChanged, _OPERATOR),
    "card.show": Method(CardShow, CardResult, _VIEWER),
    "card.freeze": Method(CardFreeze, CardChanged, _OPERATOR),
    "card.unfreeze": Method(CardUnfreeze, CardChanged, _OPERATOR),
    "card.block": Method(CardBlock, CardChanged, _OPERATOR),
    "card.activate": Method(o.CardActivate, CardChanged, _OPERATOR),
    "card.close": Method(o.CardClose, CardChanged, _OPERATOR),
    "card.lost": Method(o.CardLost, CardChanged, _OPERATOR),
    "card.stolen": Method(o.CardStolen, CardChanged, _OPERATOR),
    "card.replace": Method(o.CardReplace, CardReplaced, _OPERATOR),
    "card.controls.show": Method(o.CardControlsShow, CardControls, _VIEWER),
    "card.controls.set": Method(o.CardControlsSet, CardControlsChanged, _OPERATOR),
    "hold.release": Method(o.HoldRelease, AccountChanged, _OPERATOR),
    "policy.show": Method(o.PolicyShow, o.PolicyResult, _VIEWER),
    "policy.check": Method(o.PolicyCheck, o.PolicyChecked, _VIEWER),
    "policy.load": Method(o.PolicyLoad, o.PolicyLoaded, _SUPERVISOR),
    "proposals.list": Method(o.ProposalsList, o.ProposalsListed, _VIEWER),
    "proposals.confirm": Method(o.ProposalsConfirm, ProposalEnded, _SUPERVISOR),
    "proposals.withdraw": Method(o.ProposalsWithdraw, ProposalEnded, _OPERATOR),
    "account.history": Method(cp.AccountHistory, cp.HistoryShown, _VIEWER),
    "clearing.check": Method(cp.ClearingCheck, cp.ClearingChecked, _OPERATOR),
    "clearing.post": Method(cp.ClearingPost, cp.ClearingPosted, _SUPERVISOR),
    "clearing.finish": Method(cp.ClearingFinish, cp.ClearingFinished, _SUPERVISOR),
    "import.check": Method(ImportCheck, ImportChecked, _OPERATOR),
    "import.apply": Method(ImportApply, ImportApplied, _SUPERVISOR),
    "status": Method(StatusShow, Status, _VIEWER),
    "exceptions.list": Method(ExceptionsList, ExceptionsListed, _VIEWER),
    "exceptions.settle": Method(o.ExceptionsSettle, o.ExceptionSettled, _OPERATOR),
}
"""An import opens accounts with money on them, a clearing file moves it, and a policy governs every card: all three
want a supervisor."""

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
        raise RpcError(INVALID_PARAMS, should_be(str(error), method)) from None


def make_params(method: str, params: dict[str, Any]) -> Any:
    """The same checks for a client's values, before anything is sent. Raises RpcError."""
    try:
        return msgspec.convert(params, METHODS[method].params)
    except msgspec.ValidationError as error:
        raise RpcError(INVALID_PARAMS, should_be(str(error), method)) from None


def decode_result(method: str, result: msgspec.Raw) -> Any:
    """The method's result struct. Raises msgspec.ValidationError where the server is of another mind."""
    return _result_decoders[method].decode(result)
