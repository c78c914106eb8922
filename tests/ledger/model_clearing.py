"""The model of a clearing file's rows, and of an operator's word about what was ambiguous."""

from __future__ import annotations

from typing import Any

from ledger_model_base import DAY, SHARD, Expected, Payment, full_hour
from ledger_model_messages import GONE
from ledger_model_reversals import Reversals

SIGNS = {"presentment": -1, "refund": 1, "reversal": 1, "chargeback": 1, "representment": -1}


def said_of(row: Any) -> tuple[int, int, str]:
    return row.particulars.amount_minor, row.fee_minor, row.particulars.currency


class Clearing(Reversals):
    def clear(self, asked: Any, now: int) -> Expected:
        said = asked.particulars
        card, place = self.place_of(asked.token)
        before = self.cleared[place].get(asked.key) or self.cleared[SHARD].get(asked.key)
        if before is not None:
            same = said_of(before["row"]) == said_of(asked)
            return Expected(repeated=True) if same else Expected(conflict="conflict")
        start = self.record_no
        known = card is not None and said.currency == self.accounts[place]["currency"]
        where = place if known else SHARD
        self.record(now, place)
        found = self.cleared_ones(card, asked, now) if known else []
        p = found[0] if len(found) == 1 else None
        outcome, difference, fault = "forced", 0, ""
        if not known:
            outcome = "suspense"
            fault = f"clearing_{'for_unknown_card' if card is None else 'wrong_currency'}"
        elif len(found) > 1:
            outcome, fault = "ambiguous", "clearing_ambiguous"
        elif p is not None:
            p["spoken"] = self.record_no
            outcome, difference = self.take(p, asked)
            fault = "clearing_differs" if outcome == "reconciled" and difference else ""
        where = place if known else SHARD
        if outcome != "reconciled":
            self.post_row(where, asked, 1)
        forget = max(full_hour(now + 37 * DAY), p["forget"] if p is not None else 0)
        self.cleared[place][asked.key] = {"forget": forget, "row": asked, "outcome": outcome, "card": card}
        if fault:
            candidates = tuple(q["number"] for q in found)
            self.note(fault, asked.key, now, account=place, candidates=candidates, row=asked)
        number = p["number"] if p is not None else 0
        return Expected(records=self.record_no - start, cleared=(outcome, difference, number))

    def post_row(self, where: str, row: Any, sign: int) -> None:
        """What a row posts, or with a sign of -1 its taking back."""
        said = row.particulars
        book = f"settlement:{said.network}:{row.settlement_date}:{said.currency}"
        self.post(where, sign * SIGNS[row.kind] * said.amount_minor, book)
        back = row.kind in {"reversal", "chargeback"}
        self.post(where, sign * (row.fee_minor if back else -row.fee_minor), f"fees:{said.currency}")

    def cleared_ones(self, card: str, asked: Any, now: int) -> list[Payment]:
        """Of money that comes back, an authorised refund before the purchase that it undoes."""
        found: list[Payment] = []
        if asked.kind == "refund":
            found = self.meant(card, asked, "refund", now, confirms=True)
        presented = asked.kind == "presentment"
        return found or self.meant(card, asked, "", now, alike=presented, confirms=presented)

    def take(self, p: Payment, asked: Any) -> tuple[str, int]:
        """What a row does to its payment: the outcome, and what it posts beyond what was authorised and not captured
        yet, or says otherwise than what was posted online.
        """
        total = asked.particulars.amount_minor + (0 if asked.kind == "refund" else asked.fee_minor)
        refund = p["kind"] == "refund"
        if asked.kind in {"chargeback", "representment"} or (asked.kind == "refund" and not refund):
            return "matched", 0
        if asked.kind == "reversal":
            back = min(p["captured"], total)
            p["captured"] -= back
            p["online"] -= min(p["online"], back)
            p["fee"] -= min(max(0, p["fee"]), asked.fee_minor)
            return ("matched", total - back) if back else ("forced", 0)
        if p["ended"] in GONE:
            return "forced", 0
        if p["online"]:
            if asked.final and p["held"]:
                p["held"] = 0
                p["ended"] = "captured"
            return "reconciled", self.confirm(p, total, final=asked.final)
        left = max(0, p["authorised"] - p["captured"])
        p["captured"] += total
        p["fee"] += 0 if refund else asked.fee_minor
        p["held"] -= min(p["held"], total)
        if asked.final:
            p["held"] = 0
            p["ended"] = "captured"
            return "matched", total - left
        return "matched", max(0, total - left)

    def confirm(self, p: Payment, total: int, *, final: bool) -> int:
        """A file confirms what a message has posted. What it says beyond that, or at its last row less than that."""
        left = p["online"] - total
        p["online"] = max(0, left)
        if left > 0 and final:
            p["online"] = 0
        return -left if left < 0 or final else 0

    # ---- an operator's word

    def settle(self, asked: Any, now: int) -> Expected:
        before = self.done_before(SHARD, asked.audit)
        if before:
            return Expected(changed=True) if before == "same" else Expected(conflict="conflict")
        entry = self.exceptions.get(asked.exception_id)
        if entry is None:
            return Expected(conflict="not_found")
        p = self.payments.get(asked.hold_id)
        if asked.hold_id:
            meant = entry["kind"].endswith("_ambiguous") and asked.hold_id in entry.get("candidates", ())
            if not meant or p is None or (p["ended"] in GONE and not p["online"]):
                return Expected(conflict="conflict")
            if entry["kind"] == "clearing_ambiguous":
                row = self.cleared[entry["account"]].get(entry["about"])
                if row is None or row["forget"] <= now:
                    return Expected(conflict="conflict")  # nobody knows what it posted
        start = self.record_no
        self.record(now, SHARD, *([entry["account"]] if p is not None else []))
        fault = ""
        if p is not None:
            if entry["kind"] == "reversal_ambiguous":
                first = {"payment": p["number"], "said": p["said"], "key": p["key"], "part_of": ""}
                self.take_back(first, entry["total"] or 0, now)
            elif entry["kind"] == "clearing_ambiguous":
                fault = self.clear_after_all(p, entry)
            else:
                # A completion was posted as a payment of its own: what is left to settle is the hold.
                fault = "completion_of_captured" if p["ended"] == "captured" else ""
                p["held"] = 0
                p["ended"] = "captured"
        del self.exceptions[asked.exception_id]
        self.keep_change(SHARD, asked.audit)
        if fault:
            self.note(fault, entry["about"], now, account=entry["account"], candidates=(asked.hold_id,))
        return Expected(records=self.record_no - start, changed=True)

    def clear_after_all(self, p: Payment, entry: dict[str, Any]) -> str:
        """What the row would have done, had it met its payment at once; the kind of what is to be looked at still."""
        row = entry["row"]
        outcome, difference = self.take(p, row)
        if outcome != "reconciled":
            return ""
        self.post_row(entry["account"], row, -1)
        return "clearing_differs" if difference else ""
