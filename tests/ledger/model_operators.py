"""The model of operators' changes: accounts, cards and their replacements, money, holds, policies, imports."""

from __future__ import annotations

from typing import Any

from ledger_model_base import SHARD, Expected
from ledger_model_clearing import Clearing
from ledger_model_rules import NO_POLICY

ALLOWED_CHANGES = {
    ("active", "frozen"),
    ("frozen", "active"),
    ("active", "blocked"),
    ("inactive", "blocked"),
    ("frozen", "blocked"),
}


class Operators(Clearing):
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
            "family": "",
            "replaced": False,
            "closes": 0,
            "usage": {},
            "recent": [],
            "tapped": [0, 0],
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
        self.books[f"funding:{self.accounts[account]['currency']}"] -= amount
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

    def replace(self, asked: Any, now: int) -> Expected:
        old, new = self.cards.get(asked.old_card_id), asked.card
        if old is None:
            return Expected(conflict="not_found")
        before = self.done_before(old["account"], asked.audit)
        if before:
            return Expected(changed=True) if before == "same" else Expected(conflict="conflict")
        if old["replaced"] or new.token in self.card_of:
            return Expected(conflict="conflict")
        self.record(now, old["account"])
        self.card_of[new.token] = new.card_id
        self.cards[new.card_id] = {
            **old,
            "state": new.state.value,
            "expiry": new.expiry,
            "expires": new.expires_ms,
            "funded": 0,
            "family": old["family"] or asked.old_card_id,
            "usage": {which: dict(periods) for which, periods in old["usage"].items()},
            "recent": [dict(spend) for spend in old["recent"]],
            "tapped": list(old["tapped"]),
        }
        for part in self.parts_on(asked.old_card_id):
            part["cards"].append(new.card_id)
            if asked.old_card_id in part["taps"]:
                part["taps"].add(new.card_id)
        old["replaced"] = True
        old["closes"] = asked.old_closes_ms
        self.keep_change(old["account"], asked.audit)
        return Expected(records=1, changed=True)

    def release(self, asked: Any, now: int) -> Expected:
        if asked.account_id not in self.accounts:
            return Expected(conflict="not_found")
        before = self.done_before(asked.account_id, asked.audit)
        if before:
            return Expected(changed=True) if before == "same" else Expected(conflict="conflict")
        p = self.holds.get(asked.hold_id)
        if p is None or p["account"] != asked.account_id:
            return Expected(conflict="not_found")
        self.record(now, asked.account_id)
        self.give_back(p, p["held"], times=0 if p["captured"] else 1)
        p["authorised"] -= p["held"]
        p["held"] = 0
        p["ended"] = "released"
        self.keep_change(asked.account_id, asked.audit)
        return Expected(records=1, changed=True)

    def adjust(self, asked: Any, now: int) -> Expected:
        if asked.account_id not in self.accounts:
            return Expected(conflict="not_found")
        before = self.done_before(asked.account_id, asked.audit)
        if before:
            return Expected(changed=True) if before == "same" else Expected(conflict="conflict")
        self.record(now, asked.account_id, SHARD)
        currency = self.accounts[asked.account_id]["currency"]
        self.post(asked.account_id, asked.amount_minor, f"adjustments:{currency}")
        self.keep_change(asked.account_id, asked.audit)
        return Expected(records=1, changed=True)

    def load_policy(self, asked: Any, now: int) -> Expected:
        before = self.done_before(SHARD, asked.audit)
        if before:
            return Expected(changed=True) if before == "same" else Expected(conflict="conflict")
        if asked.text == NO_POLICY:
            return Expected(conflict="conflict")
        if asked.text == self.policy_text:
            return Expected()
        self.record(now, SHARD)
        self.policy_text = asked.text
        self.keep_change(SHARD, asked.audit)
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
