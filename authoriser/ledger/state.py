"""The state of one shard, as records made it: account aggregates, and what belongs to no single account.

One account aggregate is the unit of snapshot and duplicate memory: the account, its cards, its holds, its
recent keys with their answers, its reversal tombstones. Only `apply` changes anything in here.

Structs that can't be part of a cycle are kept from the garbage collector (gc=False): a full collection would walk
every kept answer of every account in the middle of a payment.
"""

from msgspec import Struct, field

from authoriser.ledger.records import Particulars, Tombstone
from rules import CardState, Reason

NEVER_MS = 1 << 62
"""Later than any record: nothing is waiting to be forgotten."""


class Card(Struct, array_like=True, gc=False):
    """`token` is the PAN's HMAC. `expires_ms` is the first instant at which the card is no longer good.

    `funded_minor` is what its import credited with it; a later import of the same card must say the same.
    """

    card_id: str
    token: bytes
    key_version: int
    last_four: str
    expiry: str
    expires_ms: int
    state: CardState
    funded_minor: int = 0


class Hold(Struct, array_like=True, gc=False):
    """Funds set aside for an approval. `amount_minor` shrinks by partial reversals, `placed_minor` does not.

    `spoken_of`: the network has sent a reversal for it, so it knows of the approval, however its answer fared.
    """

    hold_id: int
    card_id: str
    key: str
    amount_minor: int
    placed_minor: int
    placed_ms: int
    expires_ms: int
    approval_code: str
    particulars: Particulars
    answer_unknown: bool = False
    spoken_of: bool = False


class KeptAnswer(Struct, array_like=True, gc=False):
    """A key's answer, for as long as a repeat may come. `hold_id` is 0 where the answer held nothing."""

    card_id: str
    particulars: Particulars
    reason: Reason
    response_code: str
    approval_code: str
    hold_id: int
    forget_ms: int


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
    holds: dict[int, Hold] = field(default_factory=dict)
    kept: dict[str, KeptAnswer] = field(default_factory=dict)
    tombstones: list[Tombstone] = field(default_factory=list)
    changes: dict[str, ChangeKept] = field(default_factory=dict)
    next_forget_ms: int = NEVER_MS

    @property
    def available_minor(self) -> int:
        """What can still be spent: balance plus credit line less holds, in minor units."""
        return self.balance_minor + self.credit_line_minor - self.held_minor


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


class Commons(Struct, array_like=True):
    """What belongs to the shard and to no account. `version` is the number of the last record that changed it.

    `books` are the issuer's side of every posting, by name and currency (`funding:978`). `unknown_kept` are
    the answers given for cards that nobody knows. `exceptions` holds the latest; every one stays in the
    journal.
    """

    version: int = 0
    epoch: int = 0
    ended_clean: bool = True
    books: dict[str, int] = field(default_factory=dict)
    unknown_kept: dict[str, KeptAnswer] = field(default_factory=dict)
    unknown_next_forget_ms: int = NEVER_MS
    exceptions: dict[str, ExceptionEntry] = field(default_factory=dict)
    exceptions_total: int = 0


class ShardState:
    """One shard in memory.

    `record_no` numbers records from 1 without a gap; `last_ms` is the time of the last one. `cards` and
    `tokens` are indexes over the accounts, rebuilt on load. `dirty` gathers the ids of accounts changed
    since a snapshot round last took it ("" stands for the commons).
    """

    __slots__ = (
        "accounts",
        "cards",
        "cards_by_last_four",
        "commons",
        "dirty",
        "last_ms",
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
        self.tokens: dict[bytes, Card] = {}
        self.cards_by_last_four: dict[str, list[Card]] = {}
        self.dirty: set[str] = set()

    def load(self, account: Account) -> None:
        """Take in one account from its snapshot, with its cards' index entries."""
        self.accounts[account.account_id] = account
        for card in account.cards.values():
            self.index(account, card)

    def index(self, account: Account, card: Card) -> None:
        """Make a card findable by its id, its token and its last four digits."""
        self.cards[card.card_id] = account
        self.tokens[card.token] = card
        self.cards_by_last_four.setdefault(card.last_four, []).append(card)
