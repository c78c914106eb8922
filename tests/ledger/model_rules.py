"""The model's rules: what a card may do under each of the policies that the machine loads, and what it has used.

The policies stand here twice: as the TOML that the ledger is given, and as the figures that the model goes by.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ledger_model_base import DAY, Base, Payment

SPENDING = {"purchase", "cash", "cashback"}
FARES = {"4111", "4112", "4131", "4784", "7523"}

LIMITED = """
[cashback]
amount_minor = 20

[[limits]]
window = "day"
amount_minor = 150
count = 6

[[limits]]
class = "cash"
window = "day"
amount_minor = 40
count = 2

[[limits]]
window = "month"
amount_minor = 700
"""
TIGHT = """
[switches]
ecommerce = false

[contactless]
count = 2
amount_minor = 90

[classes]
hotels = ["7011"]

[[limits]]
window = "transaction"
amount_minor = 100

[[limits]]
class = "hotels"
window = "week"
amount_minor = 120
count = 3

[[velocity]]
minutes = 60
count = 3
amount_minor = 130

[holds]
default_days = 2
"""
NO_POLICY = """
[switches]
cash = "maybe"
"""

LIMITS = {
    LIMITED: {
        "cashback": 20,
        "limits": [("", "day", 150, 6), ("cash", "day", 40, 2), ("", "month", 700, None)],
    },
    TIGHT: {
        "off": {"ecommerce"},
        "tapping": (2, 90),
        "classes": {"hotels": {"7011"}},
        "limits": [("", "transaction", 100, None), ("hotels", "week", 120, 3)],
        "velocity": (3_600_000, 3, 130),
        "days": 2,
    },
    "": {
        "cashback": 10_000,
        "classes": {"gambling": {"7995"}},
        "exempt": FARES,
        "longer": {"7011": 30},
    },
}
"""Of the default policy, what can be reached by the machine's amounts."""


def day_of(now: int) -> int:
    return datetime.fromtimestamp(now / 1000, UTC).toordinal()


def first_day(window: str, day: int) -> int:
    at = datetime.fromordinal(day)
    return {"day": day, "week": day - at.weekday(), "month": day - at.day + 1}[window]


class Rules(Base):
    @property
    def limits(self) -> dict[str, Any]:
        return LIMITS[self.policy_text]

    def lifetime(self, mcc: str, stated: int) -> int:
        days = self.limits.get("longer", {}).get(mcc, self.limits.get("days", 7))
        return stated or days * DAY

    def classes(self, transaction: str, mcc: str, entry: str) -> list[str]:
        if transaction not in SPENDING:
            return []
        own = {
            "cash": transaction == "cash",
            "ecommerce": entry in {"ecommerce", "stored"},
            "contactless": entry == "contactless",
        }
        found = [name for name, is_one in own.items() if is_one]
        return found + [name for name, mccs in self.limits.get("classes", {}).items() if mcc in mccs]

    # ---- one request

    def judge(self, card_id: str, asked: Any, amount: int, now: int) -> str:
        """The reason to decline, or what an approval is called. `amount` is what would be held, its fee with it."""
        card, said = self.cards[card_id], asked.particulars
        account = self.accounts[card["account"]]
        kind, entry = asked.transaction.value, asked.entry.value
        spends = kind in SPENDING
        uses = kind != "refund"
        classes = {"", *self.classes(kind, said.mcc, entry)}
        wrong = {
            "card_closed": uses and 0 < card["closes"] <= now,
            f"card_{card['state']}": uses and card["state"] != "active",
            "card_expired": uses and now >= card["expires"],
            "expiry_mismatch": uses and asked.stated_expiry not in {"", card["expiry"]},
            "unsupported_transaction": kind == "unsupported",
            "wrong_currency": said.currency != account["currency"],
            "invalid_amount": (spends or kind == "refund") and amount <= 0,
            "ecommerce_off": uses and entry in {"ecommerce", "stored"} & self._off(),
        }
        if kind == "cashback" and not 0 < asked.cashback_minor <= said.amount_minor:
            wrong["invalid_amount"] = True
        if spends:
            wrong["pin_required"] = entry == "contactless" and self._tapped_out(card, asked, amount)
            most = self.limits.get("cashback")
            too_much = most is not None and asked.cashback_minor > most
            wrong["cashback_not_allowed"] = kind == "cashback" and too_much
            wrong |= self._limits_broken(card, classes, amount, now)
            wrong["insufficient_funds"] = amount > self.available(card["account"])
        for reason, holds in wrong.items():
            if holds:
                return reason
        return {"verification": "verified", "inquiry": "balance_given"}.get(kind, "approved")

    def _off(self) -> set[str]:
        return {"ecommerce", "stored"} if "ecommerce" in self.limits.get("off", ()) else set()

    def _tapped_out(self, card: dict[str, Any], asked: Any, amount: int) -> bool:
        count, most = self.limits.get("tapping", (None, None))
        if count is None or asked.checks.pin.value == "P":
            return False
        return card["tapped"][0] >= count or card["tapped"][1] + amount > most

    def _limits_broken(
        self, card: dict[str, Any], classes: set[str], amount: int, now: int
    ) -> dict[str, bool]:
        broken = dict.fromkeys(("transaction_limit", "amount_limit", "count_limit", "velocity_limit"), False)
        for name, window, most, times in self.limits.get("limits", ()):
            if name not in classes:
                continue
            if window == "transaction":
                broken["transaction_limit"] |= amount > most
                continue
            period = first_day(window, day_of(now))
            spent, count = card["usage"].get((name, window), {}).get(period, (0, 0))
            broken["amount_limit"] |= spent + amount > most
            broken["count_limit"] |= times is not None and count >= times
        if "velocity" in self.limits:
            span, times, most = self.limits["velocity"]
            within = [s["amount"] for s in card["recent"] if s["at"] > now - span]
            broken["velocity_limit"] = len(within) >= times or sum(within) + amount > most
        return broken

    # ---- what was used

    def count(self, p: Payment, card_id: str, asked: Any, amount: int, now: int, times: int = 1) -> None:
        """An approval counts for its card, its day and its classes; they are remembered beside the payment."""
        kind, entry, mcc = asked.transaction.value, asked.entry.value, asked.particulars.mcc
        if kind not in SPENDING:
            return
        classes = self.classes(kind, mcc, entry)
        number = self.record_no
        # A card that goes on from this one, by a replacement, has what counted by then: it joins `cards`.
        part = {
            "number": number,
            "cards": [card_id],
            "day": day_of(now),
            "classes": ["", *classes],
            "taps": set(),
            "amount": amount,
        }
        p["parts"].append(part)
        self._use(card_id, part, amount, times)
        spend = {"at": now, "number": number, "amount": amount}
        card = self.cards[card_id]
        card["recent"] = [*card["recent"], spend][-64:]
        checks = getattr(asked, "checks", None)  # a stand-in tells of none
        if checks is not None and checks.pin.value == "P" and entry in {"chip", "contactless"}:
            card["tapped"] = [0, 0]
            for other in self.parts_on(card_id):
                other["taps"].discard(card_id)
        elif entry == "contactless" and mcc not in self.limits.get("exempt", ()):
            card["tapped"] = [card["tapped"][0] + times, card["tapped"][1] + amount]
            part["taps"].add(card_id)

    def parts_on(self, card_id: str) -> list[dict[str, Any]]:
        """What counted for a card, of all payments that are known."""
        return [part for p in self.payments.values() for part in p["parts"] if card_id in part["cards"]]

    def count_more(self, p: Payment, amount: int, part: int = 0) -> None:
        """A stand-in approved more for it, or for one part of it."""
        if p["parts"]:
            self._change(p["parts"][part], amount, 0)

    def _use(self, card_id: str, part: dict[str, Any], amount: int, times: int) -> None:
        usage = self.cards[card_id]["usage"]
        for name in part["classes"]:
            for window in ("day", "week", "month"):
                periods = usage.setdefault((name, window), {})
                minor, count = periods.get(first_day(window, part["day"]), (0, 0))
                periods[first_day(window, part["day"])] = (max(0, minor + amount), max(0, count + times))

    def give_back(self, p: Payment, amount: int, *, times: int = 0, part: int | None = None) -> None:
        """What was taken back never counted. What one message brought is given back as that counted, what the payment's
        total loses as the newest parts did. `times` 1 where nothing is left of the payment.
        """
        if not p["parts"]:
            return
        of = p["parts"][1:] if part is None else p["parts"][part:][:1] if part else []
        for one in reversed(of):
            less = min(amount, one["amount"])
            amount -= less
            self._change(one, -less, 0)
        self._change(p["parts"][0], -amount, -times)

    def _change(self, part: dict[str, Any], more: int, times: int) -> None:
        """On each card for which the part counts."""
        if not more and not times:
            return
        part["amount"] += more
        for card_id in part["cards"]:
            card = self.cards[card_id]
            self._use(card_id, part, more, times)
            if card_id in part["taps"]:
                card["tapped"] = [max(0, card["tapped"][0] + times), max(0, card["tapped"][1] + more)]
            for spend in card["recent"]:
                if spend["number"] == part["number"]:
                    spend["amount"] = max(0, spend["amount"] + more)
            card["recent"] = [spend for spend in card["recent"] if spend["amount"]]
