"""The model of requests (0100, 0200), and what they share with advices: payments, their books and their finding."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ledger_model_base import DAY, Expected, Kept, Payment, Said, base36, full_hour, say
from ledger_model_rules import SPENDING, Rules

GONE = {"voided", "reversed", "superseded", "released"}
"""Ends after which nothing of ours stands for the purchase any more: what comes for it posts as forced."""


def at(now: int) -> datetime:
    return datetime.fromtimestamp(now / 1000, UTC)


def settlement(network: str, now: int, currency: str) -> str:
    return f"settlement:{network}:{at(now):%Y%m%d}:{currency}"


def fee_of(asked: Any) -> int:
    """A fee that is taken off never makes the whole less than nothing."""
    fee: int = asked.fee_minor
    amount = asked.particulars.amount_minor
    if hasattr(asked, "cashback_minor") and asked.transaction.value == "refund":
        fee = min(fee, amount)  # an approval takes nothing from what is available
    return max(fee, -amount)


def total_of(asked: Any) -> int:
    """Amount and fee. Of a refund the amount alone: its fee is not the shop's to give back."""
    said = asked.particulars
    refund = getattr(asked, "transaction", None) == "refund"
    total: int = said.amount_minor
    return total if refund else total + fee_of(asked)


class Messages(Rules):
    # ---- requests

    def authorise(self, asked: Any, now: int) -> Expected:
        said = asked.particulars
        card, place = self.place_of(asked.token)
        shops = (said.transaction_minor, said.transaction_currency)
        asked_for = (said.amount_minor, said.currency, said.processing_code, *shops)
        first = self.find_kept(place, asked.key)
        if first is not None:
            if first["asked_for"] != asked_for:
                return Expected(reply=say("duplicate_mismatch"))
            return Expected(reply=first["reply"], repeated=True)
        if self.full(place, self.kept_max if card else self.unknown_max, now):
            return Expected(reply=say("not_admitted"), refused=True)
        if card is None:
            reason = "unknown_card"
        elif self.buried(card, said, now, {said.mti}):
            reason = "reversed_before"
        elif any(kept["root"] == asked.key for kept in self.kept[place].values()):
            reason = "overtaken"
        else:
            reason = self.judge(card, asked, total_of(asked), now)
            if reason == "insufficient_funds" and self.may_be_partial(asked, place):
                reason = "approved_partially"
        number = self.record(now, place)
        reply, kept = say(reason), {}
        if reason == "verified":
            reply = say(reason, base36(number))
        elif reason == "balance_given":
            reply = say(reason, amounts=self.balances(place, asked.account_type))
        elif reason in {"approved", "approved_partially"}:
            reply, kept = self.approve(card, asked, reason, number, now)
        forget = max(now + DAY, kept.pop("until", 0))
        self.keep(place, asked.key, said, card, reply, forget, asked_for=asked_for, **kept)
        self.live_longer(place, self.kept[place][asked.key])
        return Expected(reply=reply, records=1)

    def may_be_partial(self, asked: Any, place: str) -> bool:
        said = asked.particulars
        plain = asked.transaction.value == "purchase" and said.mti == "0100" and not asked.increment
        own_currency = not said.transaction_currency and not asked.fee_minor
        return asked.partial_allowed and plain and own_currency and self.available(place) > 0

    def balances(self, place: str, account_type: str) -> tuple[tuple[str, str, str, int], ...]:
        of = self.accounts[place]
        figures = {"01": of["balance"], "02": self.available(place)}
        return tuple((account_type, kind, of["currency"], minor) for kind, minor in figures.items())

    def approve(self, card: str, asked: Any, reason: str, number: int, now: int) -> tuple[Said, Kept]:
        """The payment that an approval begins, or makes grow; its reply, and what is kept of it."""
        said, place = asked.particulars, self.cards[card]["account"]
        total, code = total_of(asked), base36(number)
        reply = say(reason, code)
        if reason == "approved_partially":
            original = (asked.account_type, "57", said.currency, said.amount_minor)
            total = self.available(place)
            reply = say(reason, code, replied=total, amounts=(original,))
        expires = now + self.lifetime(said.mcc, asked.hold_lifetime_ms)
        grown = self.grown_by(card, asked, now) if asked.increment and said.mti == "0100" else None
        if grown is not None and asked.transaction.value in SPENDING:
            grown["held"] += total
            grown["authorised"] += total
            grown["shop"] += said.transaction_minor
            grown["expires"] = max(grown["expires"], expires)
            grown["forget"] = max(grown["forget"], full_hour(grown["expires"] + 30 * DAY))
            grown["codes"].append(code)
            self.count(grown, card, asked, total, now, times=0)
            kept = {"payment": grown["number"], "added": total, "until": grown["expires"] + 3 * DAY}
            return reply, {
                **kept,
                "part_of": asked.key,
                "part": len(grown["parts"]) - 1,
                "shop": said.transaction_minor,
            }
        p = self.born(card, asked, number, total, now, expires)
        p["codes"] = [code]
        if asked.transaction.value == "refund":
            p["kind"] = "refund"
        else:
            self.count(p, card, asked, total, now)
        if said.mti == "0200":
            self.post_online(p, asked, now, final=True)
        elif p["kind"] == "":
            p["held"] = total
        kept = {"payment": number, "added": total, "until": expires + 3 * DAY, "shop": said.transaction_minor}
        return reply, {**kept, "posted": p["captured"], "fee": p["fee"]}

    def born(self, card: str, asked: Any, number: int, total: int, now: int, expires: int) -> Payment:
        p = {
            "number": number,
            "account": self.cards[card]["account"],
            "card": card,
            "key": asked.key,
            "said": asked.particulars,
            "held": 0,
            "authorised": total,
            "captured": 0,
            "online": 0,
            "fee": 0,
            "shop": asked.particulars.transaction_minor,
            "placed": now,
            "expires": expires,
            "forget": full_hour(expires + 30 * DAY),
            "codes": [],
            "kind": "",
            "ended": "",
            "unknown": False,
            "spoken": 0,
            "parts": [],
            "spots": [],
        }
        self.payments[number] = p
        return p

    def live_longer(self, place: str, kept: Kept) -> None:
        """The key of a payment's first message lives as long as that of any message about it, an increment's as long as
        a stand-in's of it.
        """
        p = self.payments.get(kept.get("payment", 0))
        for key in (p["key"], kept["part_of"]) if p is not None else ():
            first = self.kept[place].get(key)
            if first is not None and first["forget"] > self.last:
                first["forget"] = max(first["forget"], kept["forget"])

    def grown_by(self, card: str, asked: Any, now: int) -> Payment | None:
        """The one payment that lives and that the increment names."""
        said, named = asked.particulars, asked.original
        live = [p for p in self.payments_of(card, said.network, now) if not p["ended"] and p["kind"] == ""]
        ways = [
            [p for p in live if said.network_id and p["said"].network_id == said.network_id],
            [p for p in live if self.names(named, p["said"])],
            [
                p
                for p in live
                if said.rrn and (p["said"].rrn, p["said"].acquirer) == (said.rrn, said.acquirer)
            ],
        ]
        return next((found[0] for found in ways if len(found) == 1), None)

    @staticmethod
    def names(original: Any, said: Any) -> bool:
        """Whether DE90 names this message; a zero-filled part is absent, but never the STAN."""
        types = {"", said.mti, said.mti[:2] + "00"}
        parts = ("stan", "transmission", "acquirer")
        fits = all(getattr(original, part) in {"", getattr(said, part)} for part in parts)
        return bool(original.stan) and original.mti in types and fits

    def buried(self, card: str, said: Any, now: int, types: set[str]) -> bool:
        """Whether a reversal of it came first."""
        for stone in self.stones[self.cards[card]["account"]]:
            if now >= stone["forget"] or stone["network"] != said.network:
                continue
            if self.family(stone["card"]) != self.family(card):
                continue
            named = dict(stone["named"])
            right_type = named.pop("mti", "") in {"", *types}
            if right_type and all(getattr(said, part) == text for part, text in named.items() if text):
                return True
        return False

    def post_online(self, p: Payment, asked: Any, now: int, *, final: bool) -> None:
        """A 0200 or 0220 posts at once, on the day's settlement; the clearing file will confirm it."""
        said, total = asked.particulars, total_of(asked)
        sign = 1 if asked.transaction.value == "refund" else -1
        book = settlement(said.network, now, said.currency)
        self.post(p["account"], sign * said.amount_minor, book)
        self.post(p["account"], -fee_of(asked), f"fees:{said.currency}")
        p["captured"] += total
        p["online"] += total
        p["fee"] += fee_of(asked)
        p["held"] -= min(p["held"], total)
        if final:
            p["held"] = 0
            p["ended"] = "captured"
