"""The model's dictionaries: accounts, cards, payments, answers, books, and how records bring forgetting.

Owns what is known and the smallest movements of it. Which message moves what is said in the files beside this one. Must
not know the ledger's records, state or rules.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any, NamedTuple

HOUR = 3_600_000
DAY = 24 * HOUR
SHARD = ""
"""Where answers for cards of nobody are kept: with no account."""

Payment = dict[str, Any]
Kept = dict[str, Any]

CODES = {
    "approved": "00",
    "approved_partially": "10",
    "verified": "85",
    "balance_given": "00",
    "advice_accepted": "00",
    "unknown_card": "14",
    "card_inactive": "78",
    "card_frozen": "62",
    "card_blocked": "62",
    "card_closed": "46",
    "card_expired": "54",
    "expiry_mismatch": "54",
    "wrong_currency": "13",
    "invalid_amount": "13",
    "unsupported_transaction": "12",
    "ecommerce_off": "57",
    "cash_off": "57",
    "pin_required": "65",
    "cashback_not_allowed": "87",
    "transaction_limit": "61",
    "amount_limit": "61",
    "count_limit": "65",
    "velocity_limit": "65",
    "insufficient_funds": "51",
    "duplicate_mismatch": "94",
    "not_admitted": "91",
    "answer_void": "68",
    "reversed_before": "05",
    "overtaken": "68",
    "reversal_done": "00",
    "no_original": "25",
}
"""DE39 of the generic profile for each reason that the machine can provoke."""


class Said(NamedTuple):
    """A reply: reason, DE39, DE38, DE4 where it is another, DE54 as account, kind, currency and amount."""

    reason: str
    code: str
    approval_code: str = ""
    replied: int | None = None
    amounts: tuple[tuple[str, str, str, int], ...] = ()


class Expected(NamedTuple):
    """`conflict` is the kind of refusal of an operator's change, `cleared` a row's outcome, difference and payment."""

    reply: Said | None = None
    records: int = 0
    repeated: bool = False
    refused: bool = False
    changed: bool = False
    conflict: str = ""
    cleared: tuple[str, int, int] | None = None


def say(reason: str, approval_code: str = "", **more: Any) -> Said:
    return Said(reason, CODES[reason], approval_code, **more)


def base36(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "".join(digits[number // 36**place % 36] for place in range(5, -1, -1))


def full_hour(at: int) -> int:
    return at if at % HOUR == 0 else at - at % HOUR + HOUR


def exception_name(kind: str, key: str) -> str:
    return hashlib.sha256(f"{kind}:{key}".encode()).hexdigest()[:24]


class Base:
    def __init__(self, kept_max: int, unknown_max: int) -> None:
        self.kept_max = kept_max
        self.unknown_max = unknown_max
        self.record_no = 0
        self.accounts: dict[str, dict[str, Any]] = {}
        self.cards: dict[str, dict[str, Any]] = {}
        self.card_of: dict[bytes, str] = {}
        self.payments: dict[int, Payment] = {}
        self.kept: dict[str, dict[str, Kept]] = defaultdict(dict)
        self.cleared: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self.changes: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
        self.stones: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.books: dict[str, int] = defaultdict(int)
        self.exceptions: dict[str, dict[str, Any]] = {}
        self.noted = 0
        self.policy_text = ""
        self.touched: dict[str, int] = {}
        self.last = 0

    # ---- what can be seen

    def seen(self) -> dict[str, Any]:
        """Everything the machine compares, by account."""
        return {
            account: {
                "balance": of["balance"],
                "held": self.held(account),
                "available": self.available(account),
                "cards": {
                    name: {
                        "state": card["state"],
                        "used": self.used(name),
                        "recent": [(s["at"], s["number"], s["amount"]) for s in card["recent"]],
                        "tapped": tuple(card["tapped"]),
                    }
                    for name, card in self.cards.items()
                    if card["account"] == account
                },
                "payments": {
                    number: {
                        "held": p["held"],
                        "authorised": p["authorised"],
                        "captured": p["captured"],
                        "online": p["online"],
                        "fee": p["fee"],
                        "ended": p["ended"],
                        "kind": p["kind"],
                        "unknown": p["unknown"],
                        "expires": p["expires"],
                        "forget": p["forget"],
                        "codes": tuple(p["codes"]),
                    }
                    for number, p in self.payments.items()
                    if p["account"] == account
                },
                "tombstones": [(stone["card"], stone["forget"]) for stone in self.stones[account]],
                "answers": {key: (kept["reply"], kept["forget"]) for key, kept in self.kept[account].items()},
                "cleared": set(self.cleared[account]),
            }
            for account, of in self.accounts.items()
        }

    def used(self, card: str) -> dict[tuple[str, str], tuple[int, int, int]]:
        """By class and window: the latest period that was paid in, its amount and its count."""
        return {
            which: (latest, *periods[latest])
            for which, periods in self.cards[card]["usage"].items()
            for latest in [max(periods)]
        }

    def ends(self) -> list[int]:
        """Every moment at which something runs out."""
        found = [p["expires"] for p in self.payments.values() if p["held"]]
        found += [p["forget"] for p in self.payments.values()]
        found += [card["expires"] for card in self.cards.values()]
        found += [card["closes"] for card in self.cards.values()]
        found += [kept["forget"] for answers in self.kept.values() for kept in answers.values()]
        found += [row["forget"] for rows in self.cleared.values() for row in rows.values()]
        found += [stone["forget"] for stones in self.stones.values() for stone in stones]
        return found + [forget for changes in self.changes.values() for _, forget in changes.values()]

    @property
    def holds(self) -> dict[int, Payment]:
        return {number: p for number, p in self.payments.items() if p["held"]}

    def held(self, account: str) -> int:
        return sum(p["held"] for p in self.payments.values() if p["account"] == account)

    def available(self, account: str) -> int:
        of = self.accounts[account]
        return of["balance"] + of["credit_line"] - self.held(account)

    # ---- records

    def record(self, at: int, *places: str) -> int:
        """One more record. What it makes forgotten in the places that it touches goes at the end of the command."""
        self.record_no += 1
        self.last = at
        self.touched |= dict.fromkeys(places, at)
        return self.record_no

    def forget(self) -> None:
        """What a command let go of may have been remembered for nothing else, so this comes after it."""
        for place, at in self.touched.items():
            self.kept[place] = {k: v for k, v in self.kept[place].items() if v["forget"] > at}
            self.cleared[place] = {k: v for k, v in self.cleared[place].items() if v["forget"] > at}
            self.changes[place] = {k: v for k, v in self.changes[place].items() if v[1] > at}
            self.stones[place] = [stone for stone in self.stones[place] if stone["forget"] > at]
            for number, p in list(self.payments.items()):
                if p["account"] == place and p["forget"] <= at and not p["held"]:
                    del self.payments[number]
        self.touched = {}

    def full(self, place: str, most: int, at: int) -> bool:
        return sum(kept["forget"] > at for kept in self.kept[place].values()) >= most

    def find_kept(self, place: str, key: str) -> Kept | None:
        return self.kept[place].get(key) or self.kept[SHARD].get(key)

    def place_of(self, token: bytes | None) -> tuple[str | None, str]:
        card = self.card_of.get(token) if token is not None else None
        return card, self.cards[card]["account"] if card else SHARD

    def keep(
        self, place: str, key: str, said: Any, card: str | None, reply: Said, forget: int, **more: Any
    ) -> None:
        kept = {"key": key, "said": said, "card": card, "reply": reply, "forget": full_hour(forget)}
        self.kept[place][key] = {
            **kept,
            "asked_for": None,
            "payment": 0,
            "added": 0,
            "posted": 0,
            "fee": 0,
            "part": 0,
            "shop": 0,
            "number": self.record_no,
            "root": key,
            "part_of": "",
            **more,
        }

    def note(self, kind: str, key: str, now: int, **about: Any) -> None:
        """An entry of the exception list, by a record of its own."""
        self.note_named(exception_name(kind, key), now, kind=kind, about=key, **about)

    def note_named(self, name: str, now: int, **entry: Any) -> None:
        self.record(now, SHARD)
        self.exceptions[name] = entry
        self.noted += 1

    # ---- money

    def post(self, account: str, amount: int, book: str) -> None:
        """The account gains, the book loses; with no account the suspense book stands for it."""
        if not amount:
            return
        self.touched[SHARD] = self.last
        currency = book.rpartition(":")[2]
        if account:
            self.accounts[account]["balance"] += amount
        else:
            self.books[f"suspense:{currency}"] += amount
        self.books[book] -= amount

    # ---- families

    def family(self, card: str) -> str:
        return self.cards[card]["family"] or card

    def payments_of(self, card: str, network: str, now: int) -> list[Payment]:
        """Those of the card and of all that it replaced or was replaced by, on this network, and not outlived."""
        return [
            p
            for p in self.payments.values()
            if self.family(p["card"]) == self.family(card)
            and p["said"].network == network
            and (p["held"] or p["forget"] > now)
        ]

    def remembered(self, number: int, now: int) -> Payment | None:
        """A payment, unless it is outlived: whether a record has come by since must not matter."""
        p = self.payments.get(number)
        return p if p is not None and (p["held"] or p["forget"] > now) else None

    def alive(self, place: str, key: str, now: int) -> Kept | None:
        """An answer, unless it is outlived: whether a record has come by since must not matter."""
        kept = self.kept[place].get(key)
        return kept if kept is not None and kept["forget"] > now else None

    def answers_of(self, place: str, card: str, network: str, now: int) -> list[Kept]:
        """Kept answers of such cards to what may be an original, and that are not outlived."""
        return [
            kept
            for kept in self.kept[place].values()
            if kept["card"]
            and kept["forget"] > now
            and self.family(kept["card"]) == self.family(card)
            and kept["said"].network == network
            and kept["said"].mti in {"0100", "0200", "0120", "0220"}
        ]
