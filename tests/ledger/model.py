"""What the ledger should do, said a second time: plain dictionaries, from the design and not from the code.

Knows the commands' shapes and nothing else of the ledger: no records, no state, no rules, no policy's table. The state
machine compares the ledger with this after every step.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any, NamedTuple

HOUR = 3_600_000
DAY = 24 * HOUR

CODES = {
    "approved": "00",
    "verified": "85",
    "unknown_card": "14",
    "card_inactive": "78",
    "card_frozen": "62",
    "card_blocked": "62",
    "card_expired": "54",
    "expiry_mismatch": "54",
    "wrong_currency": "13",
    "invalid_amount": "13",
    "unsupported_transaction": "12",
    "insufficient_funds": "51",
    "duplicate_mismatch": "94",
    "not_admitted": "91",
    "answer_void": "68",
    "reversed_before": "05",
    "reversal_done": "00",
    "no_original": "25",
}
"""DE39 of the iso87-ascii dialect for each reason that the machine can provoke."""

ALLOWED_CHANGES = {
    ("active", "frozen"),
    ("frozen", "active"),
    ("active", "blocked"),
    ("inactive", "blocked"),
    ("frozen", "blocked"),
}
SHARD = ""
"""Where answers for cards of nobody are kept: with no account."""


class Expected(NamedTuple):
    """`reply` is reason, DE39, DE38; `conflict` is the kind of refusal of an operator's change."""

    reply: tuple[str, str, str] | None = None
    records: int = 0
    repeated: bool = False
    refused: bool = False
    changed: bool = False
    conflict: str = ""


def base36(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "".join(digits[number // 36**place % 36] for place in range(5, -1, -1))


def full_hour(at: int) -> int:
    return at if at % HOUR == 0 else at - at % HOUR + HOUR


class Model:
    def __init__(self, kept_max: int, unknown_max: int) -> None:
        self.kept_max = kept_max
        self.unknown_max = unknown_max
        self.record_no = 0
        self.accounts: dict[str, dict[str, Any]] = {}
        self.cards: dict[str, dict[str, Any]] = {}
        self.card_of: dict[bytes, str] = {}
        self.holds: dict[int, dict[str, Any]] = {}
        self.kept: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self.changes: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
        self.stones: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.funding: dict[str, int] = defaultdict(int)
        self.exceptions: dict[str, None] = {}
        self.noted = 0

    # ---- what can be seen

    def seen(self) -> dict[str, Any]:
        """Everything the machine compares, by account."""
        return {
            account: {
                "balance": of["balance"],
                "held": self.held(account),
                "available": self.available(account),
                "cards": {card: c["state"] for card, c in self.cards.items() if c["account"] == account},
                "holds": {
                    hold: (h["amount"], h["unknown"])
                    for hold, h in self.holds.items()
                    if h["account"] == account
                },
                "tombstones": [(stone["card"], stone["forget"]) for stone in self.stones[account]],
                "answers": {key: kept["reply"] for key, kept in self.kept[account].items()},
            }
            for account, of in self.accounts.items()
        }

    def ends(self) -> list[int]:
        """Every moment at which something runs out."""
        found = [hold["expires"] for hold in self.holds.values()]
        found += [card["expires"] for card in self.cards.values()]
        found += [kept["forget"] for answers in self.kept.values() for kept in answers.values()]
        found += [stone["forget"] for stones in self.stones.values() for stone in stones]
        return found + [forget for changes in self.changes.values() for _, forget in changes.values()]

    def held(self, account: str) -> int:
        return sum(hold["amount"] for hold in self.holds.values() if hold["account"] == account)

    def available(self, account: str) -> int:
        of = self.accounts[account]
        return of["balance"] + of["credit_line"] - self.held(account)

    # ---- records

    def record(self, at: int, *places: str) -> int:
        """One more record, and the forgetting that it brings to each place it touches."""
        self.record_no += 1
        for place in places:
            self.kept[place] = {k: v for k, v in self.kept[place].items() if v["forget"] > at}
            self.changes[place] = {k: v for k, v in self.changes[place].items() if v[1] > at}
            self.stones[place] = [stone for stone in self.stones[place] if stone["forget"] > at]
        return self.record_no

    def full(self, place: str, most: int, at: int) -> bool:
        return sum(kept["forget"] > at for kept in self.kept[place].values()) >= most

    def find_kept(self, place: str, key: str) -> dict[str, Any] | None:
        return self.kept[place].get(key) or self.kept[SHARD].get(key)

    # ---- the network's messages

    def authorise(self, asked: Any, now: int) -> Expected:
        said = asked.particulars
        card = self.card_of.get(asked.token)
        place = self.cards[card]["account"] if card else SHARD
        asked_for = (said.amount_minor, said.currency, said.processing_code)
        first = self.find_kept(place, asked.key)
        if first is not None:
            if first["asked_for"] != asked_for:
                return Expected(reply=("duplicate_mismatch", "94", ""))
            return Expected(reply=first["reply"], repeated=True)
        if self.full(place, self.kept_max if card else self.unknown_max, now):
            return Expected(reply=("not_admitted", "91", ""), refused=True)
        reason = self.judge(card, asked, now) if card else "unknown_card"
        number = self.record(now, place)
        reply = (reason, CODES[reason], base36(number) if reason in {"approved", "verified"} else "")
        if reason == "approved":
            self.holds[number] = {
                "account": place,
                "key": asked.key,
                "amount": said.amount_minor,
                "reversed": False,
                "expires": now + 7 * DAY,
                "unknown": False,
            }
        self.kept[place][asked.key] = {
            "reply": reply,
            "asked_for": asked_for,
            "said": said,
            "card": card,
            "hold": number if reason == "approved" else None,
            "forget": full_hour(now + (10 * DAY if reason == "approved" else DAY)),
        }
        return Expected(reply=reply, records=1)

    def judge(self, card_id: str, asked: Any, now: int) -> str:
        said, card = asked.particulars, self.cards[card_id]
        account = self.accounts[card["account"]]
        for stone in self.stones[card["account"]]:
            if now < stone["forget"] and stone["card"] == card_id and stone["network"] == said.network:
                named = stone["named"]
                if all(getattr(said, part) == text for part, text in named.items() if text):
                    return "reversed_before"
        checking = asked.transaction.value == "verification"
        wrong = {
            f"card_{card['state']}": card["state"] != "active",
            "card_expired": now >= card["expires"],
            "expiry_mismatch": asked.stated_expiry not in {"", card["expiry"]},
            "unsupported_transaction": asked.transaction.value == "unsupported",
            "wrong_currency": said.currency != account["currency"],
            "invalid_amount": said.amount_minor == 0 and not checking,
            "insufficient_funds": said.amount_minor > self.available(card["account"]),
        }
        if said.amount_minor == 0:
            wrong["insufficient_funds"] = False
        for reason, holds in wrong.items():
            if holds:
                return reason
        return "verified" if checking else "approved"

    def reverse(self, asked: Any, now: int) -> Expected:
        card = self.card_of.get(asked.token)
        place = self.cards[card]["account"] if card else SHARD
        first = self.find_kept(place, asked.key)
        if first is not None:
            return Expected(reply=first["reply"], repeated=True)
        if self.full(place, 2 * (self.kept_max if card else self.unknown_max), now):
            return Expected(reply=("not_admitted", "91", ""), refused=True)
        found = self.originals(place, card, asked) if card else []
        reason = "reversal_done" if len(found) == 1 else "no_original"
        self.record(now, place)
        records = 1
        if len(found) == 1:
            self.release(found[0]["hold"], asked.new_total_minor or 0)
        elif card is None or len(found) > 1:
            kind = "reversal_for_unknown_card" if card is None else "reversal_ambiguous"
            self.note(hashlib.sha256(f"{kind}:{asked.key}".encode()).hexdigest()[:24], now)
            records = 2
        elif not asked.new_total_minor:
            self.bury(place, card, asked, now)
        reply = (reason, CODES[reason], "")
        self.kept[place][asked.key] = {
            "reply": reply,
            "asked_for": None,
            "said": asked.particulars,
            "card": card,
            "hold": None,
            "forget": full_hour(now + 10 * DAY),
        }
        return Expected(reply=reply, records=records)

    def originals(self, place: str, card: str, asked: Any) -> list[dict[str, Any]]:
        said, named = asked.particulars, asked.original
        requests = [
            kept
            for kept in self.kept[place].values()
            if kept["card"] == card
            and kept["said"].mti in {"0100", "0200"}
            and kept["said"].network == said.network
        ]
        if named.stan:
            parts = ("mti", "stan", "transmission", "acquirer")
            exact = [
                kept
                for kept in requests
                if all(getattr(named, part) in {"", getattr(kept["said"], part)} for part in parts)
            ]
            if exact:
                return exact
        if not said.rrn:
            return []
        own = (said.rrn, said.stan, said.acquirer)
        return [
            kept for kept in requests if (kept["said"].rrn, kept["said"].stan, kept["said"].acquirer) == own
        ]

    def release(self, hold_id: int | None, new_total: int) -> None:
        hold = self.holds.get(hold_id) if hold_id is not None else None
        if hold is None:
            return
        hold["amount"] = min(hold["amount"], new_total)
        hold["reversed"] = True
        if hold["amount"] == 0:
            del self.holds[hold_id]

    def bury(self, place: str, card: str, asked: Any, now: int) -> None:
        said, named = asked.particulars, asked.original
        if named.stan and named.transmission:
            parts = {
                "mti": named.mti,
                "stan": named.stan,
                "transmission": named.transmission,
                "acquirer": named.acquirer,
            }
        elif named.stan and said.rrn:
            parts = {"mti": named.mti, "stan": named.stan, "rrn": said.rrn, "acquirer": named.acquirer}
        elif said.stan and said.rrn:
            parts = {"stan": said.stan, "rrn": said.rrn, "acquirer": said.acquirer}
        else:
            return
        stone = {"card": card, "network": said.network, "named": parts, "forget": now + HOUR}
        self.stones[place].append(stone)

    # ---- what the process itself commands

    def void(self, asked: Any, now: int) -> Expected:
        hold = self.holds.get(asked.hold_id)
        if hold is not None and hold["reversed"]:
            return Expected()
        account = asked.account_id
        kept = self.kept[account].get(asked.key)
        given = kept is not None and kept["hold"] == asked.hold_id and kept["reply"][0] == "approved"
        if hold is None and not given:
            return Expected()
        self.record(now, account)
        self.holds.pop(asked.hold_id, None)
        if kept is not None and kept["hold"] == asked.hold_id:
            kept["reply"] = ("answer_void", "68", "")
        return Expected(records=1)

    def expire(self, asked: Any, now: int) -> Expected:
        hold = self.holds.get(asked.hold_id)
        if hold is None or now < hold["expires"]:
            return Expected()
        self.record(now, hold["account"])
        del self.holds[asked.hold_id]
        return Expected(records=1)

    def mark_unknown(self, asked: Any, now: int) -> Expected:
        hold = self.holds.get(asked.hold_id)
        if hold is None or hold["unknown"]:
            return Expected()
        self.record(now, hold["account"])
        hold["unknown"] = True
        return Expected(records=1)

    def note_exception(self, asked: Any, now: int) -> Expected:
        if asked.exception_id in self.exceptions:
            return Expected()
        self.note(asked.exception_id, now)
        return Expected(records=1)

    def note(self, exception_id: str, now: int) -> None:
        self.record(now, SHARD)
        self.exceptions[exception_id] = None
        self.noted += 1

    def epoch(self, _asked: Any, now: int) -> Expected:
        self.record(now, SHARD)
        return Expected(records=1)

    # ---- operators

    def done_before(self, account: str, audit: Any) -> str:
        """ "" for a new key, "same" for a retry, "other" for a key of another change."""
        made = self.changes[account].get(audit.key)
        if made is None:
            return ""
        return "same" if made[0] == audit.what else "other"

    def keep_change(self, account: str, audit: Any) -> None:
        if audit.forget_ms:
            self.changes[account][audit.key] = (audit.what, audit.forget_ms)

    def open_account(self, asked: Any, now: int) -> Expected:
        if asked.account_id in self.accounts:
            if self.done_before(asked.account_id, asked.audit) == "same":
                return Expected(changed=True)
            return Expected(conflict="conflict")
        self._open(asked, now)
        return Expected(records=1, changed=True)

    def _open(self, asked: Any, now: int) -> None:
        self.record(now, asked.account_id)
        self.accounts[asked.account_id] = {
            "currency": asked.currency,
            "credit_line": asked.credit_line_minor,
            "balance": 0,
        }
        self.keep_change(asked.account_id, asked.audit)

    def issue(self, asked: Any, now: int) -> Expected:
        if asked.account_id not in self.accounts:
            return Expected(conflict="not_found")
        before = self.done_before(asked.account_id, asked.audit)
        if before == "same":
            return Expected(changed=True)
        if before == "other" or asked.token in self.card_of:
            return Expected(conflict="conflict")
        self._issue(asked, now)
        return Expected(records=1, changed=True)

    def _issue(self, asked: Any, now: int) -> None:
        self.record(now, asked.account_id)
        self.card_of[asked.token] = asked.card_id
        self.cards[asked.card_id] = {
            "account": asked.account_id,
            "state": asked.state.value,
            "expiry": asked.expiry,
            "expires": asked.expires_ms,
            "funded": asked.funded_minor,
        }
        self.keep_change(asked.account_id, asked.audit)

    def credit(self, asked: Any, now: int) -> Expected:
        if asked.account_id not in self.accounts:
            return Expected(conflict="not_found")
        before = self.done_before(asked.account_id, asked.audit)
        if before:
            return Expected(changed=True) if before == "same" else Expected(conflict="conflict")
        self._credit(asked.account_id, asked.amount_minor, asked.audit, now)
        return Expected(records=1, changed=True)

    def _credit(self, account: str, amount: int, audit: Any, now: int) -> None:
        self.record(now, account, SHARD)
        self.accounts[account]["balance"] += amount
        self.funding[self.accounts[account]["currency"]] -= amount
        self.keep_change(account, audit)

    def change_card(self, asked: Any, now: int) -> Expected:
        card = self.cards.get(asked.card_id)
        if card is None:
            return Expected(conflict="not_found")
        before = self.done_before(card["account"], asked.audit)
        if before:
            still = before == "same" and card["state"] == asked.after.value
            return Expected(changed=True) if still else Expected(conflict="conflict")
        if card["state"] == asked.after.value:
            return Expected()
        if (card["state"], asked.after.value) not in ALLOWED_CHANGES:
            return Expected(conflict="conflict")
        self.record(now, card["account"])
        card["state"] = asked.after.value
        self.keep_change(card["account"], asked.audit)
        return Expected(records=1, changed=True)

    def import_row(self, asked: Any, now: int) -> Expected:
        account = self.accounts.get(asked.account.account_id)
        card_id = self.card_of.get(asked.card.token)
        if account is not None and account["currency"] != asked.account.currency:
            return Expected(conflict="conflict")
        if card_id is not None:
            card = self.cards[card_id]
            here = (card["account"], card["expiry"], card["funded"])
            same = here == (asked.account.account_id, asked.card.expiry, asked.credit_minor)
            return Expected() if same else Expected(conflict="conflict")
        start = self.record_no
        if account is None:
            self._open(asked.account, now)
        self._issue(asked.card, now)
        if asked.credit_minor:
            self._credit(asked.account.account_id, asked.credit_minor, asked.account.audit, now)
        return Expected(records=self.record_no - start, changed=True)
