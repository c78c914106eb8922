"""A ledger on the bench: commands with plain defaults, decided and applied one after the other.

Owns the defaults. Every decision is made twice, and the state's hash is taken before and after: `decide` changes
nothing and gives the same outcome for the same inputs, in every test that uses this.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec
from msgspec.structs import replace

from authoriser import limits
from authoriser.ledger import commands as c
from authoriser.ledger import records as r
from authoriser.ledger.apply import apply
from authoriser.ledger.decide import decide
from authoriser.ledger.digest import problems, state_hash
from authoriser.ledger.outcome import Outcome
from authoriser.ledger.state import Account, Card, ShardState
from rules import CardState, Controls, Transaction
from rules.reasons import profile

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 500_000 * HOUR_MS
"""A full hour, so that lifetimes end where they are added."""

FAR_MS = START_MS + 3_650 * DAY_MS
ACCOUNT = "acc-0"
EUR, USD = "978", "840"

POLICY = c.Policy(
    response_codes=profile("generic").codes,
    reply_deadline_ms=2_000,
    hold_lifetime_ms=limits.HOLD_LIFETIME_MS,
    request_key_lifetime_ms=limits.REQUEST_KEY_LIFETIME_MS,
    reversal_key_lifetime_ms=limits.REVERSAL_KEY_LIFETIME_MS,
    tombstone_lifetime_ms=limits.TOMBSTONE_LIFETIME_MS,
    payment_lifetime_ms=limits.PAYMENT_LIFETIME_MS,
    kept_answers_max=limits.KEPT_ANSWERS_MAX,
    unknown_card_answers_max=limits.UNKNOWN_CARD_ANSWERS_MAX,
)

_PROCESSING_CODES = {
    Transaction.PURCHASE: "000000",
    Transaction.VERIFICATION: "000000",
    Transaction.CASH: "010000",
    Transaction.CASHBACK: "090000",
    Transaction.REFUND: "200000",
    Transaction.INQUIRY: "310000",
}
NOBODY = 99
"""The number of a card that is never issued."""


def token(card: int) -> bytes:
    """What stands for the PAN of card number `card` of the tests."""
    return f"token-of-card-{card:02}".encode()


def particulars(mti: str = "0100", **said: Any) -> r.Particulars:
    """What a message says. Keywords replace the defaults."""
    default = r.Particulars(
        network="net-a",
        link="link-a",
        mti=mti,
        transmission="0102030405",
        stan="000001",
        rrn="",
        acquirer="500",
        processing_code="000000",
        amount_minor=1_000,
        currency=EUR,
        merchant="SHOP",
    )
    return replace(default, **said)


def key_of(said: r.Particulars, card: int) -> str:
    """The duplicate key: network, card, MTI with the repeat digit cleared, DE7, DE11, DE32, DE37."""
    parts = (said.network, token(card).hex(), said.mti, said.transmission, said.stan, said.acquirer, said.rrn)
    return "|".join(parts)


def request(
    amount_minor: int = 1_000,
    *,
    card: int = 0,
    transaction: Transaction = Transaction.PURCHASE,
    stated_expiry: str = "",
    **said: Any,
) -> c.AuthorisationRequest:
    """An 0100 of `card`. A repeat of it (0101) is the very same command. What a command has beside its particulars
    (`increment`, `partial_allowed`, `cashback_minor`, `fee_minor`, ...) is taken from `said` too.
    """
    more, said = _parted(c.AuthorisationRequest, said)
    code = _PROCESSING_CODES.get(transaction, "900000")
    particular = particulars(**{"amount_minor": amount_minor, "processing_code": code, **said})
    return c.AuthorisationRequest(
        particulars=particular,
        key=key_of(particular, card),
        token=token(card),
        last_four=f"{card:04}",
        transaction=transaction,
        stated_expiry=stated_expiry,
        **more,
    )


def _parted(kind: type[msgspec.Struct], said: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What belongs to the command itself, and what to its particulars."""
    its_own = set(kind.__struct_fields__)
    more = {name: value for name, value in said.items() if name in its_own}
    return more, {name: value for name, value in said.items() if name not in its_own}


def increment(
    of: c.AuthorisationRequest | c.Advice, amount_minor: int = 500, **said: Any
) -> c.AuthorisationRequest:
    """An 0100 that adds to what `of` began, by DE90 unless `original` says otherwise; DE11 is a new one."""
    asked = {
        **_payment_of(of.particulars),
        "stan": "400001",
        "increment": True,
        "original": reference(of),
        **said,
    }
    return request(amount_minor, card=int(of.last_four), **asked)


def advice(
    amount_minor: int = 1_000,
    *,
    of: c.AuthorisationRequest | None = None,
    card: int = 0,
    mti: str = "0120",
    transaction: Transaction = Transaction.PURCHASE,
    approving: bool = True,
    **said: Any,
) -> c.Advice:
    """An 0120, or an 0220 by `mti`. Of a request, it has the request's own numbers (a stand-in's answer to that very
    message); what is in `said` replaces them, or adds to the command: `final`, `original`, `fee_minor`, ...
    """
    more, said = _parted(c.Advice, said)
    if of is not None:
        card, transaction = int(of.last_four), of.transaction
        theirs = {name: getattr(of.particulars, name) for name in of.particulars.__struct_fields__}
        said = {**theirs, **said}
    said = {"processing_code": _PROCESSING_CODES.get(transaction, "900000"), **said}
    particular = particulars(**{**said, "mti": mti, "amount_minor": amount_minor})
    sibling = replace(particular, mti={"0120": "0100", "0220": "0200"}[mti])
    return c.Advice(
        particulars=particular,
        key=key_of(particular, card),
        sibling_key=key_of(sibling, card),
        token=token(card),
        last_four=f"{card:04}",
        transaction=transaction,
        **{"approving": approving, "action_code": "00" if approving else "05", **more},
    )


def completion(
    amount_minor: int = 1_000, *, of: c.AuthorisationRequest | None = None, stan: str = "500001", **said: Any
) -> c.Advice:
    """An 0220 with a STAN of its own. Give `network_id` or `approval_code` for it to find what it completes."""
    return advice(amount_minor, of=of, **{"mti": "0220", "stan": stan, **said})


def clear_row(
    amount_minor: int = 1_000,
    kind: str = "presentment",
    *,
    of: c.AuthorisationRequest | c.Advice | None = None,
    card: int = 0,
    reference: str = "REF-1",
    settlement_date: str = "20270115",
    **said: Any,
) -> c.ClearRow:
    """A row of a clearing file. Of a message, it is of its card, network, acquirer, RRN and merchant; give
    `network_id` or `approval_code` for it to find its payment, `merchant_id` and `transmission` for a unique match.
    """
    more, said = _parted(c.ClearRow, said)
    if of is not None:
        card = int(of.last_four)
        said = {**_payment_of(of.particulars), "transmission": of.particulars.transmission, **said}
    row = {
        "link": "",
        "mti": "",
        "stan": "",
        "transmission": "",
        "processing_code": kind,
        "reference": reference,
    }
    particular = particulars(**{**row, **said, "amount_minor": amount_minor})
    return c.ClearRow(
        **{
            "particulars": particular,
            "key": f"clear|{particular.network}|{reference}|{kind}",
            "token": token(card),
            "last_four": f"{card:04}",
            "kind": kind,
            "settlement_date": settlement_date,
            **more,
        }
    )


def _payment_of(said: r.Particulars) -> dict[str, Any]:
    """What every message of one payment says again."""
    names = ("network", "rrn", "acquirer", "currency", "mcc", "merchant_id", "merchant", "network_id")
    return {name: getattr(said, name) for name in names}


def reference(
    original: c.AuthorisationRequest | c.Advice, *, zero_filled: frozenset[str] = frozenset()
) -> c.OriginalReference:
    """DE90 that names `original`, with the parts in `zero_filled` left out."""
    said = original.particulars
    named = {
        "mti": said.mti,
        "stan": said.stan,
        "transmission": said.transmission,
        "acquirer": said.acquirer,
    }
    return c.OriginalReference(**{part: "" if part in zero_filled else text for part, text in named.items()})


def reversal(
    original: c.AuthorisationRequest | c.Advice,
    *,
    new_total_minor: int | None = None,
    mti: str = "0400",
    named: c.OriginalReference | None = None,
    **said: Any,
) -> c.ReversalRequest:
    """A reversal of `original`, by default a full one whose DE90 names it completely. DE11 is a new one."""
    particular = replace(original.particulars, **{"mti": mti, "stan": "900001", "rrn": "", **said})
    card = int(original.last_four)
    return c.ReversalRequest(
        particulars=particular,
        key=key_of(particular, card),
        token=original.token,
        last_four=original.last_four,
        original=reference(original) if named is None else named,
        new_total_minor=new_total_minor,
    )


def audit(key: str, what: str, forget_ms: int = FAR_MS) -> r.Audit:
    return r.Audit(key=key, actor="mara", uid=1000, reason="a test", what=what, forget_ms=forget_ms)


def open_account(
    account: str = ACCOUNT,
    *,
    currency: str = EUR,
    credit_line_minor: int = 0,
    key: str = "open",
    forget_ms: int = FAR_MS,
) -> c.OpenAccount:
    noted = audit(key, f"account.open:{account}", forget_ms)
    return c.OpenAccount(account, currency, credit_line_minor, "UTC", noted)


def issue_card(
    card: int = 0,
    *,
    account: str = ACCOUNT,
    card_id: str = "",
    state: CardState = CardState.ACTIVE,
    expiry: str = "9912",
    expires_ms: int = FAR_MS,
    key: str = "issue",
    forget_ms: int = FAR_MS,
) -> c.IssueCard:
    return c.IssueCard(
        account_id=account,
        card_id=card_id or f"card-{card}",
        token=token(card),
        key_version=1,
        last_four=f"{card:04}",
        expiry=expiry,
        expires_ms=expires_ms,
        state=state,
        audit=audit(f"{key}-{card}", f"card.issue:{account}:{card}", forget_ms),
    )


def credit(
    amount_minor: int, *, account: str = ACCOUNT, key: str = "credit", forget_ms: int = FAR_MS
) -> c.CreditAccount:
    noted = audit(key, f"account.credit:{account}:{amount_minor}", forget_ms)
    return c.CreditAccount(account, amount_minor, noted)


def card_change(
    after: CardState, *, card_id: str = "card-0", key: str, forget_ms: int = FAR_MS
) -> c.ChangeCardState:
    return c.ChangeCardState(card_id, after, audit(key, f"card.{after.value}:{card_id}", forget_ms))


def replace_card(
    old_card_id: str = "card-0",
    *,
    card: int = 1,
    account: str = ACCOUNT,
    card_id: str = "",
    closes_ms: int = FAR_MS,
    key: str = "replace",
    forget_ms: int = FAR_MS,
) -> c.ReplaceCard:
    """`card` as the new number for an old card."""
    noted = audit(key, f"card.replace:{old_card_id}:{card}", forget_ms)
    issued = replace(issue_card(card, account=account, card_id=card_id), audit=noted)
    return c.ReplaceCard(old_card_id, closes_ms, issued, noted)


def set_controls(
    controls: Controls | None, *, card_id: str = "card-0", key: str = "controls", forget_ms: int = FAR_MS
) -> c.SetControls:
    noted = audit(key, f"card.controls.set:{card_id}:{controls}", forget_ms)
    return c.SetControls(card_id, controls, noted)


def release_hold(
    hold_id: int, *, account: str = ACCOUNT, key: str = "release", forget_ms: int = FAR_MS
) -> c.ReleaseHold:
    return c.ReleaseHold(account, hold_id, audit(key, f"hold.release:{account}:{hold_id}", forget_ms))


def adjust(
    amount_minor: int, *, account: str = ACCOUNT, key: str = "adjust", forget_ms: int = FAR_MS
) -> c.AdjustBalance:
    noted = audit(key, f"account.adjust:{account}:{amount_minor}", forget_ms)
    return c.AdjustBalance(account, amount_minor, noted)


def settle_exception(
    exception_id: str, hold_id: int = 0, *, key: str = "settle", forget_ms: int = FAR_MS
) -> c.SettleException:
    """Match an entry of the exception list with the payment `hold_id`; 0 dismisses it."""
    noted = audit(key, f"exception.settle:{exception_id}:{hold_id}", forget_ms)
    return c.SettleException(exception_id, hold_id, noted)


def load_policy(text: str, *, key: str = "policy", forget_ms: int = FAR_MS) -> c.LoadPolicy:
    return c.LoadPolicy(text, audit(key, f"policy.load:{text}", forget_ms))


def import_row(
    card: int,
    *,
    account: str = ACCOUNT,
    currency: str = EUR,
    credit_minor: int = 0,
    expiry: str = "9912",
    card_id: str = "",
) -> c.ImportRow:
    """One line of an import. Its audit keeps no key: the card's presence says that it was done."""
    opened = open_account(account, currency=currency, key=f"import:{card}", forget_ms=0)
    issued = issue_card(
        card, account=account, expiry=expiry, card_id=card_id, key=f"import:{card}", forget_ms=0
    )
    return c.ImportRow(opened, msgspec.structs.replace(issued, funded_minor=credit_minor))


class Bench:
    """A ledger at work. `now_ms` is moved by hand; `records` are all that were applied."""

    def __init__(self, **limits_replaced: int) -> None:
        self.state = ShardState(0)
        self.now_ms = START_MS
        self.policy = replace(POLICY, **limits_replaced)
        self.records: list[r.Record] = []

    def with_card(self, *, balance_minor: int = 10_000, state: CardState = CardState.ACTIVE) -> Self:
        """Open the account, issue card 0 on it and pay in `balance_minor`."""
        self.do(open_account())
        self.do(issue_card(state=state))
        if balance_minor:
            self.do(credit(balance_minor))
        return self

    def look(self, command: c.Command) -> Outcome:
        """Decide, twice, and change nothing."""
        before = state_hash(self.state)
        outcome = decide(self.state, command, self.now_ms, self.policy)
        assert decide(self.state, command, self.now_ms, self.policy) == outcome
        assert state_hash(self.state) == before
        return outcome

    def do(self, command: c.Command) -> Outcome:
        """Decide and apply."""
        outcome = self.look(command)
        for record in outcome.records:
            apply(self.state, record)
        self.records += outcome.records
        assert problems(self.state) == []
        return outcome

    def answer(self, command: c.AuthorisationRequest | c.ReversalRequest | c.Advice) -> tuple[str, str]:
        """The reason and DE39 of the reply to a network's message."""
        reply = self.do(command).reply
        assert reply is not None
        return reply.reason.value, reply.response_code

    def wait(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    @property
    def account(self) -> Account:
        return self.state.accounts[ACCOUNT]

    @property
    def card(self) -> Card:
        return self.account.cards["card-0"]

    @property
    def money(self) -> tuple[int, int, int]:
        """Balance, held and available of the account, in minor units."""
        account = self.account
        return account.balance_minor, account.held_minor, account.available_minor
