"""The model of what takes back: reversals (0400, 0420), voids, expiry, and what a start says of unheard answers."""

from __future__ import annotations

from typing import Any

from ledger_model_advices import Advices
from ledger_model_base import DAY, HOUR, SHARD, Expected, Kept, Payment, say
from ledger_model_messages import GONE, settlement


class Reversals(Advices):
    def reverse(self, asked: Any, now: int) -> Expected:
        said = asked.particulars
        card, place = self.place_of(asked.token)
        first = self.find_kept(place, asked.key)
        if first is not None:
            return Expected(reply=first["reply"], repeated=True)
        if self.full(place, 2 * (self.kept_max if card else self.unknown_max), now):
            return Expected(reply=say("not_admitted"), refused=True)
        start = self.record_no
        found = self.originals(place, card, asked, now) if card else []
        reply = say("reversal_done" if len(found) == 1 else "no_original")
        self.record(now, place)
        fault, about = "", {}
        if card is None:
            fault = "reversal_for_unknown_card"
        elif len(found) == 1:
            fault = self.take_back(found[0], asked.new_total_minor or 0, now)
        elif found:
            fault = "reversal_ambiguous"
            about = {"candidates": tuple(kept["payment"] for kept in found), "total": asked.new_total_minor}
        elif not asked.new_total_minor:
            self.bury(place, card, asked, now)
        self.keep(place, asked.key, said, card, reply, now + 10 * DAY)
        if fault:
            self.note(fault, asked.key, now, account=place, **about)
        return Expected(reply=reply, records=self.record_no - start)

    def take_back(self, kept: Kept, new_total: int, now: int) -> str:
        """Undo all, what the one message brought, or all beyond the new total. The exception's kind, if any."""
        p = self.remembered(kept["payment"], now)
        if p is None:
            return "reversal_of_suspended" if kept.get("suspended") else ""
        if p["ended"] in GONE and not p["online"]:
            return ""
        p["spoken"] = self.record_no
        if new_total:
            return self.lower(p, kept, new_total, now)
        if kept["said"].mti == "0220" and p["key"] != kept["key"]:
            return self.unpost_completion(p, kept, now)
        if kept["part_of"]:
            return self.shrink(p, kept)
        return self.undo(p, self.own_answer(p), now)

    def own_answer(self, p: Payment) -> Kept | None:
        """What is kept of a payment's first message; of a forgotten one that posted, all that is posted."""
        kept = self.kept[p["account"]].get(p["key"])
        if kept is None and p["said"].mti.startswith("02"):
            return {"posted": p["online"], "fee": p["fee"]}
        return kept

    def undo(self, p: Payment, first: Kept | None, now: int) -> str:
        """Everything that is still held, and what the first message itself posted and no file has confirmed."""
        was_open, left = p["held"], p["captured"]
        p["held"] = 0
        back = self.unpost(p, first, p["captured"], now)
        self.approved_for(p, p["captured"], over=not p["captured"])
        if not p["captured"]:
            p["ended"] = "reversed"
        elif not p["ended"]:
            p["ended"] = "captured"
        return "reversal_after_capture" if left and not was_open and not back else ""

    def approved_for(self, p: Payment, left: int, *, part: int | None = None, over: bool = False) -> None:
        """Only `left` stays approved, never more than was: the difference is given back to the limits."""
        less = max(0, p["authorised"] - left)
        if less:
            p["shop"] = p["shop"] * (p["authorised"] - less) // p["authorised"]
        p["authorised"] -= less
        self.give_back(p, less, times=1 if over else 0, part=part)

    def unpost(self, p: Payment, kept: Kept | None, amount: int, now: int) -> int:
        """Post back what a message posted, as far as no file has confirmed it; its fee last, or with the last of the
        payment. What came back, fee and all.
        """
        if kept is None:
            return 0
        amount = min(amount, p["online"], kept["posted"])
        if not amount:
            return 0
        said, refund = p["said"], p["kind"] == "refund"
        fee = kept["fee"]
        if amount < kept["posted"]:  # the shop's own amount comes back first
            fee = 0 if refund else max(0, amount - (kept["posted"] - fee))
        if amount == p["captured"] and not p["held"]:  # nothing stays, so no fee does
            fee = p["fee"]
        back = -amount if refund else amount - fee
        self.post(p["account"], back, settlement(said.network, now, said.currency))
        self.post(p["account"], fee, f"fees:{said.currency}")
        p["online"] -= amount
        p["captured"] -= amount
        p["fee"] -= fee
        kept["posted"] -= amount
        kept["fee"] -= fee
        return amount

    def unpost_completion(self, p: Payment, kept: Kept, now: int) -> str:
        """A reversed completion: what that message posted."""
        left = p["captured"]
        if not self.unpost(p, kept, p["captured"], now):
            return "reversal_after_capture" if left else ""
        over = not p["captured"] and not p["held"]
        self.approved_for(p, p["captured"] + p["held"], over=over)
        if over:
            p["ended"] = "reversed"
        return ""

    def shrink(self, p: Payment, kept: Kept) -> str:
        """A reversed increment: what it added, as far as it is held yet."""
        less = min(p["held"], kept["added"])
        p["held"] -= less
        over = bool(less) and not p["held"] and not p["captured"]
        left = max(p["captured"], p["authorised"] - kept["added"])
        self.approved_for(p, left, part=None if over else kept["part"], over=over)
        kept["added"] = 0
        if less:
            self.end_if_empty(p)
            return ""
        return "reversal_after_capture" if p["captured"] else ""

    def lower(self, p: Payment, kept: Kept, new_total: int, now: int) -> str:
        """DE95: the new total, in the shop's currency, scaled up to the account's; it never enlarges."""
        total = new_total
        if p["shop"]:
            total = -(-new_total * p["authorised"] // p["shop"])
        total = min(total, max(p["authorised"], p["captured"]))
        was_held = p["held"]
        posting = kept if kept["said"].mti == "0220" else self.own_answer(p)
        back = self.unpost(p, posting, max(0, p["captured"] - total), now)
        p["held"] = min(p["held"], max(0, total - p["captured"]))
        self.approved_for(p, max(total, p["captured"]))
        if p["held"] < was_held:
            self.end_if_empty(p)
        moved = back or p["held"] < was_held
        return "" if moved or p["captured"] <= total else "reversal_after_capture"

    def end_if_empty(self, p: Payment) -> None:
        if not p["held"] and not p["ended"]:
            p["ended"] = "captured" if p["captured"] else "reversed"

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
        """What that very message approved is undone, unless the network has spoken of the payment since."""
        p = self.payments.get(asked.hold_id)
        kept = self.kept[asked.account_id].get(asked.key)
        if kept is not None and kept["payment"] != asked.hold_id:
            kept = None
        if kept is not None and kept["reply"].reason not in {"approved", "approved_partially"}:
            kept = None
        if p is not None and p["ended"] not in {*GONE, "expired"}:
            since = kept["number"] if kept is not None else asked.hold_id
            if p["spoken"] > since:
                return Expected()
        if kept is None and (p is None or not p["held"] or p["key"] != asked.key):
            return Expected()
        self.record(now, asked.account_id)
        if p is not None and (not p["ended"] or p["online"]):
            self.unhear(p, kept, asked.key, now)
        if kept is not None:
            kept["reply"] = say("answer_void")
            kept["added"] = 0
        return Expected(records=1)

    def unhear(self, p: Payment, kept: Kept | None, key: str, now: int) -> None:
        first = key == p["key"]
        added = kept["added"] if kept is not None else p["authorised"]
        shop = min(p["shop"], kept["shop"]) if kept is not None else 0
        p["held"] -= min(p["held"], added)
        if first:
            self.unpost(p, kept, added, now)
        over = not p["held"] and not p["captured"]
        less = p["authorised"] if over else min(p["authorised"], added)
        p["authorised"] -= less
        p["shop"] -= shop
        part = None if over or kept is None else kept["part"]
        self.give_back(p, less, times=1 if over else 0, part=part)
        if over:
            p["ended"] = "voided"

    def expire(self, asked: Any, now: int) -> Expected:
        p = self.holds.get(asked.hold_id)
        if p is None or now < p["expires"]:
            return Expected()
        self.record(now, p["account"])
        p["held"] = 0
        p["ended"] = "expired"
        return Expected(records=1)

    def mark_unknown(self, asked: Any, now: int) -> Expected:
        """Of any payment: one that was posted at once holds nothing, and its answer is as unknown."""
        p = self.payments.get(asked.hold_id)
        if p is None or p["account"] != asked.account_id or p["unknown"]:
            return Expected()
        self.record(now, p["account"])
        p["unknown"] = True
        return Expected(records=1)

    def note_exception(self, asked: Any, now: int) -> Expected:
        if asked.exception_id in self.exceptions:
            return Expected()
        self.note_named(asked.exception_id, now, kind=asked.kind)
        return Expected(records=1)

    def epoch(self, _asked: Any, now: int) -> Expected:
        self.record(now, SHARD)
        return Expected(records=1)
