"""A scenario's file, read strictly: what README.md beside this file describes, and nothing else.

Owns the keys and their words for what is wrong. Knows no ledger, no journal and no socket: a scenario can be read and
refused without any of them.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

Money = str
"""Digits with as many decimals as the currency has: "40.00". A minus may stand before it."""

DURATION_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_DURATION = re.compile(r"([0-9]+) (second|minute|hour|day)s?")


class ScenarioError(Exception):
    """A file that is no scenario. The text says where and why."""


class Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown keys are refused."""


class AccountGiven(Strict, frozen=True, kw_only=True):
    """An account at the start. `balance` is credited to it."""

    balance: Money = "0"
    credit_line: Money = "0"
    currency: str = "EUR"
    time_zone: str = "UTC"


class CardGiven(Strict, frozen=True, kw_only=True):
    """A card at the start. With `issued = false` it has a number that nobody knows."""

    account: str = ""
    expiry: str = "4912"
    state: Literal["inactive", "active", "frozen", "blocked", "lost", "stolen", "closed"] = "active"
    issued: bool = True
    controls: dict[str, Any] | None = None


ONE_ACCOUNT = {"alice": AccountGiven(balance="100.00")}
ONE_CARD = {"A": CardGiven(account="alice")}


class NetworkData(Strict, frozen=True, kw_only=True):
    """DE63 as the networks of the dialect fill it."""

    id: str = ""
    lifetime_hours: int | None = None
    increment: bool = False
    partial_allowed: bool = False
    sequence: str = ""
    pin: str = ""
    cvv: str = ""
    arqc: str = ""
    mac: str = ""


class AmountTold(Strict, frozen=True, kw_only=True):
    """One amount of the reply's DE54. Below zero it is a debit."""

    type: Literal["01", "02", "57"]
    amount: Money
    account: str = "00"
    currency: str = "EUR"


class ReplyExpected(Strict, frozen=True, kw_only=True):
    """The whole reply is compared: what is echoed, DE39, DE38 where one is due, and what is named here.

    `approval_code` None means: on what a request was approved or verified with (00, 10, 85), and nowhere else.
    """

    code: str
    approval_code: bool | None = None
    amount: Money | None = None
    amounts: list[AmountTold] = field(default_factory=list)


class AccountSeen(Strict, frozen=True, kw_only=True):
    """An account after a step, whole."""

    balance: Money
    held: Money
    available: Money


class PaymentSeen(Strict, frozen=True, kw_only=True):
    """A payment after a step. Amounts that are left out are not compared."""

    state: Literal[
        "none",
        "open",
        "partly captured",
        "captured",
        "expired",
        "reversed",
        "voided",
        "superseded",
        "released",
        "refund open",
    ]
    held: Money | None = None
    authorised: Money | None = None
    captured: Money | None = None
    codes: int | None = None


class Step(Strict, frozen=True, kw_only=True):
    """What every step may say: a note for the reader, and what is true after it."""

    note: str = ""
    accounts: dict[str, AccountSeen] = field(default_factory=dict)
    payments: dict[str, PaymentSeen] = field(default_factory=dict)
    books: dict[str, Money] = field(default_factory=dict)
    exceptions: list[str] | None = None


class Send(Step, frozen=True, kw_only=True):
    """A message of the network. `about` and `by` name an earlier one as networks do."""

    send: str
    name: str = ""
    card: str = ""
    about: str = ""
    by: Literal["key", "reference", "retrieval", "rrn", "network_id", "code", "details", "nothing"] | None = (
        None
    )
    repeats: str = ""
    kind: Literal["purchase", "cash", "cashback", "refund", "balance"] | None = None
    amount: Money | None = None
    currency: str | None = None
    billing: str = ""
    cash: Money | None = None
    fee: Money | None = None
    new_total: Money | None = None
    mcc: str | None = None
    entry: Literal["chip", "chip and PIN", "contactless", "stripe", "typed", "ecommerce"] | None = None
    merchant: str | None = None
    acquirer: str | None = None
    stan: str | None = None
    rrn: str | None = None
    expiry: str | None = None
    response: str | None = None
    network: NetworkData | None = None
    fields: dict[str, str] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)
    unheard: bool = False
    reply: ReplyExpected | None = None


class Together(Step, frozen=True, kw_only=True):
    """Messages that come in one read; each gets its reply after the last of them is decided, or none of them any."""

    together: list[Send]
    unheard: bool = False


class Clear(Step, frozen=True, kw_only=True):
    """One row of a clearing file. `refused` is a row in conflict with what was posted."""

    clear: Literal["presentment", "refund", "reversal", "chargeback", "representment"]
    name: str = ""
    card: str = ""
    about: str = ""
    by: Literal["network_id", "code", "details", "nothing"] = "code"
    repeats: str = ""
    amount: Money | None = None
    currency: str | None = None
    fee: Money = "0"
    final: bool = True
    merchant: str | None = None
    acquirer: str | None = None
    code: str | None = None
    purchased: str = ""
    outcome: Literal["matched", "forced", "reconciled", "ambiguous", "suspense", "repeat", "refused"]
    difference: Money | None = None


class Operator(Step, frozen=True, kw_only=True):
    """What an operator does. `refused` is the kind of refusal that is due."""

    operator: Literal[
        "freeze",
        "unfreeze",
        "block",
        "issue",
        "close",
        "replace",
        "release",
        "adjust",
        "credit",
        "settle",
        "controls",
        "policy",
    ]
    card: str = ""
    new_card: str = ""
    overlap: str = ""
    account: str = ""
    amount: Money | None = None
    payment: str = ""
    exception: str = ""
    controls: dict[str, Any] | None = None
    policy: str = ""
    refused: str = ""


class Wait(Step, frozen=True, kw_only=True):
    """Time passes."""

    wait: str


class Restart(Step, frozen=True, kw_only=True):
    """The process ends, drained or killed, and another takes its place."""

    restart: Literal["drained", "killed"]


class Check(Step, frozen=True, kw_only=True):
    """Nothing happens; what is true is looked at."""

    check: Literal[True]


AnyStep = Send | Together | Clear | Operator | Wait | Restart | Check
_VERBS: dict[str, type[AnyStep]] = {
    "send": Send,
    "together": Together,
    "clear": Clear,
    "operator": Operator,
    "wait": Wait,
    "restart": Restart,
    "check": Check,
}


class Scenario(Strict, frozen=True, kw_only=True):
    """A whole file. Without accounts and cards it has ONE_ACCOUNT and ONE_CARD.

    `before` names a file of `states/` whose steps come first. `in_process_only` is the reason why it can't run against
    a server process, "" where it can. `message` is for the table of docs/semantics.md.
    """

    title: str
    why: str
    step: list[Any]
    accounts: dict[str, AccountGiven] = field(default_factory=lambda: dict(ONE_ACCOUNT))
    cards: dict[str, CardGiven] = field(default_factory=lambda: dict(ONE_CARD))
    policy: str = ""
    message: str = ""
    before: str = ""
    in_process_only: str = ""

    @property
    def steps(self) -> list[AnyStep]:
        return self.step


def read_scenario(path: Path, states: Path | None = None) -> Scenario:
    """The scenario of a file; `states` is the folder of what `before` names. Raises ScenarioError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        raw = msgspec.convert(document, Scenario)
        steps = [_step(step, number) for number, step in enumerate(raw.step, 1)]
        if raw.before:
            steps = [*_steps_before(raw.before, states), *steps]
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ScenarioError) as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    scenario = msgspec.structs.replace(raw, step=steps)
    try:
        _check(scenario)
    except ScenarioError as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    return scenario


def _steps_before(name: str, states: Path | None) -> list[AnyStep]:
    path = None if states is None else states / f"{name.replace(' ', '-')}.toml"
    if path is None or not path.exists():
        raise ScenarioError(f'before = "{name}": there is no such state')
    return read_scenario(path).steps


def _step(raw: object, number: int) -> AnyStep:
    if not isinstance(raw, dict):
        raise ScenarioError(f"step {number} is no table")
    verbs = [verb for verb in _VERBS if verb in raw]
    if len(verbs) != 1:
        raise ScenarioError(f"step {number} has {verbs or 'no verb'}; one of {', '.join(_VERBS)} is due")
    try:
        step: AnyStep = msgspec.convert(raw, _VERBS[verbs[0]])
    except msgspec.ValidationError as error:
        raise ScenarioError(f"step {number} ({verbs[0]}): {error}") from None
    if isinstance(step, Wait):
        duration_ms(step.wait)
    return step


def _check(scenario: Scenario) -> None:
    """What no type can say: names that exist, replies that are stated, an end where everything is looked at."""
    names: set[str] = set()
    for number, step in enumerate(scenario.steps, 1):
        where = f"step {number}"
        messages = step.together if isinstance(step, Together) else [step]
        for message in messages:
            if isinstance(message, Send | Clear):
                _check_message(scenario, message, names, where)
            if isinstance(message, Send):
                unheard = step.unheard if isinstance(step, Together) else message.unheard
                if unheard != (message.reply is None):
                    raise ScenarioError(f"{where}: a message has a reply, or is unheard = true")
        for said, known in (
            (step.accounts.keys(), scenario.accounts.keys()),
            (step.payments.keys(), names),
        ):
            if said - known:
                raise ScenarioError(f"{where}: {', '.join(sorted(said - known))} was never named")
    if not scenario.steps:
        raise ScenarioError("there are no steps")
    missing = scenario.accounts.keys() - scenario.steps[-1].accounts.keys()
    if missing:
        raise ScenarioError(f"the last step must say what became of {', '.join(sorted(missing))}")


def _check_message(scenario: Scenario, message: Send | Clear, names: set[str], where: str) -> None:
    for earlier in (message.about, message.repeats):
        if earlier and earlier not in names:
            raise ScenarioError(f"{where}: there was no message named {earlier}")
    if message.card and message.card not in scenario.cards:
        raise ScenarioError(f"{where}: there is no card {message.card}")
    if not (message.card or message.about or message.repeats):
        raise ScenarioError(f"{where}: whose card? Say card, about or repeats")
    if message.name:
        if message.name in names:
            raise ScenarioError(f"{where}: another message is named {message.name} already")
        names.add(message.name)


def duration_ms(text: str) -> int:
    """Milliseconds of "7 days". Raises ScenarioError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ScenarioError(f'"{text}" is no time to wait, as "90 seconds" or "7 days" is')
    return int(found[1]) * DURATION_MS[found[2]]
