"""The state of one shard, as records made it: account aggregates, and what belongs to no single account.

One account aggregate is the unit of snapshot and duplicate memory: the account, its cards, its holds, its
recent keys with their answers, its reversal tombstones. Only `apply` changes anything in here.

Structs that can't be part of a cycle are kept from the garbage collector (gc=False): a full collection would walk
every kept answer of every account in the middle of a payment.
"""

from typing import Final

from msgspec import Struct, field

from authoriser.ledger.records import AmountGiven, Particulars, Tombstone
from rules import (
    NO_USAGE,
    CardState,
    Controls,
    Counted,
    Reason,
    RuleSet,
    Spend,
    Usage,
    default_rules,
    read_policy,
)

NEVER_MS = 1 << 62
"""Later than any record: nothing is waiting to be forgotten."""


class Card(Struct, array_like=True, gc=False):
    """`token` is the PAN's HMAC. `expires_ms` is the first instant at which the card is no longer good.

    `funded_minor` is what its import credited with it; a later import of the same card must say the same. `family` is
    the id of the first card of a row of replacements, "" for a card that replaced none; `closes_ms` is when a
    replaced card ends, 0 for never. `spent` is what was spent in all, `usage` that by class and `recent` the latest
    approvals, each None before the first of them. `replaced_no` is the record by which it was replaced, 0 where it was
    not: what had counted for it by then counts for its successor too. The contactless counters began again with record
    `contactless_from_no`: a tap from before it is no part of them.
    """

    card_id: str
    token: bytes
    key_version: int
    last_four: str
    expiry: str
    expires_ms: int
    state: CardState
    funded_minor: int = 0
    family: str = ""
    closes_ms: int = 0
    controls: Controls | None = None
    usage: dict[str, Usage] | None = None
    recent: list[Spend] | None = None
    contactless_count: int = 0
    contactless_minor: int = 0
    replaced_no: int = 0
    contactless_from_no: int = 0
    spent: Usage | None = None

    def used(self, spending: str) -> Usage:
        """What was spent of one class; "" is all of it."""
        if not spending:
            return self.spent or NO_USAGE
        return self.usage.get(spending, NO_USAGE) if self.usage is not None else NO_USAGE


class Part(Struct, frozen=True, array_like=True, gc=False):
    """What one message added to a payment that was there, as record `number`, and how and for which card it counted.

    `amount_minor` is what of it still counts.
    """

    number: int
    card_id: str
    counted: Counted
    amount_minor: int


class Payment(Struct, array_like=True, gc=False):
    """One card payment through its life: what was approved, what is still held of it, what was posted.

    `hold_id` is the number of the record that began it. `held_minor` above zero is an open hold. It is kept until
    `forget_ms`, long after its hold is gone: a clearing or reversal may still come. `online_minor` was posted by a
    message (0200, 0220), so that a clearing file only confirms it. `transaction_minor` is the approved total in the
    shop's currency, where that is another. `approval_codes` are all DE38 given for it. `ended` is "" while it lives.
    `spoken_no` is the number of the last record by which the network spoke of it (a reversal, an advice, a capture): it
    knows of what was approved before, however the answers fared. `parts` are what made it grow, oldest first: the rest
    of `authorised_minor` counts as `counted` says, which is how its first message did.
    """

    hold_id: int
    card_id: str
    key: str
    held_minor: int
    authorised_minor: int
    captured_minor: int
    placed_ms: int
    expires_ms: int
    forget_ms: int
    approval_codes: tuple[str, ...]
    particulars: Particulars
    kind: str = ""
    online_minor: int = 0
    fee_minor: int = 0
    transaction_minor: int = 0
    ended: str = ""
    counted: Counted | None = None
    answer_unknown: bool = False
    spoken_no: int = 0
    parts: tuple[Part, ...] = ()


class KeptAnswer(Struct, array_like=True, gc=False):
    """A key's answer, for as long as a repeat may come. `hold_id` is its payment's, 0 where there is none.

    `approved_minor` is what this message alone added to that payment, `replied_minor` the reply's DE4 where it differs,
    `number` its record's. `sibling` is the key of the request that an advice stands for. `part_of` is of a message that
    added to a payment which another began: the key under which that part is kept, its own, or that of the increment
    which an advice speaks of.
    """

    card_id: str
    particulars: Particulars
    reason: Reason
    response_code: str
    approval_code: str
    hold_id: int
    forget_ms: int
    approved_minor: int = 0
    replied_minor: int | None = None
    amounts: tuple[AmountGiven, ...] = ()
    fee_minor: int = 0
    number: int = 0
    sibling: str = ""
    part_of: str = ""


class ClearedKept(Struct, array_like=True, gc=False):
    """What became of a row of a clearing file, for the file's second run.

    `particulars` are those of a row that met no payment, by which a late completion may still be known; else None.
    """

    kind: str
    outcome: str
    amount_minor: int
    fee_minor: int
    difference_minor: int
    settlement: str
    matched_by: str
    forget_ms: int
    final: bool = True
    card_id: str = ""
    particulars: Particulars | None = None


class ClearingFile(Struct, array_like=True, gc=False):
    """A clearing file whose every row is posted."""

    at_ms: int
    rows: int


class ChangeKept(Struct, array_like=True, gc=False):
    """An operator's change that was made under a key of theirs."""

    what: str
    forget_ms: int


class Account(Struct, array_like=True):
    """The account aggregate. `version` is the number of the last record that changed it."""

    account_id: str
    currency: str
    credit_line_minor: int
    time_zone: str
    opened_ms: int
    version: int = 0
    balance_minor: int = 0
    held_minor: int = 0
    cards: dict[str, Card] = field(default_factory=dict)
    payments: dict[int, Payment] = field(default_factory=dict)
    kept: dict[str, KeptAnswer] = field(default_factory=dict)
    tombstones: list[Tombstone] = field(default_factory=list)
    changes: dict[str, ChangeKept] = field(default_factory=dict)
    cleared: dict[str, ClearedKept] = field(default_factory=dict)
    next_forget_ms: int = NEVER_MS

    @property
    def available_minor(self) -> int:
        """What can still be spent: balance plus credit line less holds, in minor units."""
        return self.balance_minor + self.credit_line_minor - self.held_minor

    @property
    def holds(self) -> dict[int, Payment]:
        """The open holds, by their numbers."""
        return {number: payment for number, payment in self.payments.items() if payment.held_minor}


class ExceptionEntry(Struct, array_like=True, gc=False):
    """One line of the operators' exception list."""

    at_ms: int
    kind: str
    link: str
    network: str
    mti: str
    field: str
    detail: str
    card_last_four: str
    amount_minor: int
    about: str = ""
    on_account: str = ""
    candidates: tuple[int, ...] = ()
    new_total_minor: int | None = None


class Proposal(Struct, array_like=True, gc=False):
    """A change that waits for a second person. `uid` and `actor` are the first one's."""

    at_ms: int
    method: str
    params: bytes
    forget_ms: int
    actor: str
    uid: int
    reason: str


class Commons(Struct, array_like=True):
    """What belongs to the shard and to no account. `version` is the number of the last record that changed it.

    `policy_text` is the rules' TOML as last loaded, "" for the default one. `changes` are operators' changes that
    belong to no account; `cleared` are rows of clearing files that do not either, `clearing_files` go by their
    SHA-256. `books` are the issuer's side of every posting, by name and currency (`funding:978`). `unknown_kept` are
    the answers given for cards that nobody knows. `exceptions` holds the latest; every one stays in the journal.
    """

    version: int = 0
    epoch: int = 0
    ended_clean: bool = True
    books: dict[str, int] = field(default_factory=dict)
    unknown_kept: dict[str, KeptAnswer] = field(default_factory=dict)
    unknown_next_forget_ms: int = NEVER_MS
    exceptions: dict[str, ExceptionEntry] = field(default_factory=dict)
    exceptions_total: int = 0
    policy_version: str = ""
    policy_text: str = ""
    proposals: dict[str, Proposal] = field(default_factory=dict)
    changes: dict[str, ChangeKept] = field(default_factory=dict)
    changes_next_forget_ms: int = NEVER_MS
    cleared: dict[str, ClearedKept] = field(default_factory=dict)
    clearing_files: dict[str, ClearingFile] = field(default_factory=dict)


_NOBODY: Final = (None, None)


class ShardState:
    """One shard in memory.

    `record_no` numbers records from 1 without a gap; `last_ms` is the time of the last one. `cards` and
    `tokens` are indexes over the accounts, rebuilt on load: a card's account by its id, both by its number's
    HMAC; so is `advised`, the keys of the requests that kept advices stand for. `dirty` gathers the ids of
    accounts changed since a snapshot round last took it ("" stands for the commons), `new_cards` the ids of
    cards that came with a record and that no snapshot has brought to the store yet. `compiled` are the rules of
    `compiled_text`, once they were asked for.

    It may hold some of the shard's accounts only: whoever decides sees to it that those are here that a command names
    (`authoriser.cache`). Nothing in the ledger asks for the others.
    """

    __slots__ = (
        "accounts",
        "advised",
        "cards",
        "cards_by_last_four",
        "commons",
        "compiled",
        "compiled_text",
        "dirty",
        "last_ms",
        "new_cards",
        "record_no",
        "shard",
        "tokens",
    )

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.record_no = 0
        self.last_ms = 0
        self.commons = Commons()
        self.accounts: dict[str, Account] = {}
        self.cards: dict[str, Account] = {}
        self.tokens: dict[bytes, tuple[Account, Card]] = {}
        self.advised: set[str] = set()
        self.cards_by_last_four: dict[str, list[Card]] = {}
        self.dirty: set[str] = set()
        self.new_cards: set[str] = set()
        self.compiled: RuleSet | None = None
        self.compiled_text: str | None = None

    @property
    def rules(self) -> RuleSet:
        """The policy's rules, compiled when they are first asked for. Raises PolicyError for a text that is none."""
        text = self.commons.policy_text
        if self.compiled is None or self.compiled_text is not text:
            self.compiled = read_policy(text) if text else default_rules()
            self.compiled_text = text
        return self.compiled

    def find(self, token: bytes | None) -> tuple[Account, Card] | tuple[None, None]:
        """Account and card of a number's HMAC; None for both where it names no card of ours, or there is none."""
        return self.tokens.get(token, _NOBODY) if token is not None else _NOBODY

    def load(self, account: Account) -> None:
        """Take in one account from its snapshot, with its cards' index entries."""
        self.accounts[account.account_id] = account
        for card in account.cards.values():
            self.index(account, card)
        self.advised.update([kept.sibling for kept in account.kept.values() if kept.sibling])

    def unload(self, account_id: str) -> Account:
        """Let go of an account that its snapshot has as it is, and of its cards' index entries."""
        account = self.accounts.pop(account_id)
        self.advised.difference_update([kept.sibling for kept in account.kept.values() if kept.sibling])
        for card in account.cards.values():
            del self.cards[card.card_id], self.tokens[card.token]
            ending = self.cards_by_last_four[card.last_four]
            ending.remove(card)
            if not ending:
                del self.cards_by_last_four[card.last_four]
        return account

    def issue(self, account: Account, card: Card) -> None:
        """Give an account a card that a record brought."""
        account.cards[card.card_id] = card
        self.new_cards.add(card.card_id)
        self.index(account, card)

    def index(self, account: Account, card: Card) -> None:
        """Make a card findable by its id, its token and its last four digits."""
        self.cards[card.card_id] = account
        self.tokens[card.token] = account, card
        self.cards_by_last_four.setdefault(card.last_four, []).append(card)
