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
from isowire import load_dialect
from rules import CardState, Transaction

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 500_000 * HOUR_MS
"""A full hour, so that lifetimes end where they are added."""

FAR_MS = START_MS + 3_650 * DAY_MS
ACCOUNT = "acc-0"
EUR, USD = "978", "840"

POLICY = c.Policy(
    response_codes=load_dialect("iso87-ascii").response_codes,
    reply_deadline_ms=2_000,
    hold_lifetime_ms=limits.HOLD_LIFETIME_MS,
    request_key_lifetime_ms=limits.REQUEST_KEY_LIFETIME_MS,
    reversal_key_lifetime_ms=limits.REVERSAL_KEY_LIFETIME_MS,
    tombstone_lifetime_ms=limits.TOMBSTONE_LIFETIME_MS,
    kept_answers_max=limits.KEPT_ANSWERS_MAX,
    unknown_card_answers_max=limits.UNKNOWN_CARD_ANSWERS_MAX,
)

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
    """An 0100 of `card`. A repeat of it (0101) is the very same command."""
    particular = particulars(amount_minor=amount_minor, **said)
    return c.AuthorisationRequest(
        particulars=particular,
        key=key_of(particular, card),
        token=token(card),
        last_four=f"{card:04}",
        transaction=transaction,
        stated_expiry=stated_expiry,
    )


def reference(
    original: c.AuthorisationRequest, *, zero_filled: frozenset[str] = frozenset()
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
    original: c.AuthorisationRequest,
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

    def answer(self, command: c.AuthorisationRequest | c.ReversalRequest) -> tuple[str, str]:
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
