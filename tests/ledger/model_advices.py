"""The model of facts: what a stand-in decided (0120), and completions and forced postings (0220)."""

from __future__ import annotations

from typing import Any

import msgspec
from ledger_model_base import DAY, SHARD, Expected, Kept, Payment, full_hour, say
from ledger_model_messages import GONE, Messages, at, fee_of, settlement, total_of


class Advices(Messages):
    def advise(self, asked: Any, now: int) -> Expected:
        said = asked.particulars
        card, place = self.place_of(asked.token)
        first = self.find_kept(place, asked.key)
        if first is not None:
            return Expected(reply=first["reply"], repeated=True)
        if self.full(place, 2 * (self.kept_max if card else self.unknown_max), now):
            return Expected(reply=say("not_admitted"), refused=True)
        start = self.record_no
        number = self.record(now, place)
        known = card is not None and said.currency == self.accounts[place]["currency"]
        kept: Kept = {}
        fault = ""
        completing = said.mti == "0220"
        if not known and asked.approving:
            fault = "for_unknown_card" if card is None else "wrong_currency"
            if completing:
                sign = 1 if asked.transaction.value == "refund" else -1
                self.post(SHARD, sign * said.amount_minor, settlement(said.network, now, said.currency))
                if fee_of(asked):
                    self.post(SHARD, -fee_of(asked), f"fees:{said.currency}")
            fault = f"{'posting' if completing else 'advice'}_{fault}"
            kept = {"suspended": completing and card is not None}
        elif known and asked.approving and self.buried(card, said, now, {said.mti, said.mti[:2] + "00"}):
            pass  # taken back before it was told
        elif known and asked.approving and asked.transaction.value == "unsupported":
            fault = "advice_unsupported"
        elif known and completing and asked.approving:
            fault, kept = self.complete(card, asked, number, now)
        elif card is not None and not completing:  # a decline says nothing of money, whatever its currency
            kept = self.stand_in(card, asked, number, now)
        reply = say("advice_accepted")
        forget = max(now + 10 * DAY, kept.pop("until", 0))
        root = asked.sibling_key
        self.keep(place, asked.key, said, card, reply, forget, **{"number": number, "root": root, **kept})
        self.live_longer(place, self.kept[place][asked.key])
        if fault:
            self.note(fault, asked.key, now, candidates=kept.get("candidates", ()), account=place)
        return Expected(reply=reply, records=self.record_no - start)

    # ---- 0120

    def stand_in(self, card: str, asked: Any, number: int, now: int) -> Kept:
        said = asked.particulars
        found, message = self.advised(card, asked, now)
        if not asked.approving:
            if found is None or found["ended"] or not found["held"] or found["said"].mti != "0100":
                return {}
            if message is not None and not message["added"]:
                return {}
            self.decline(found, message)
            kept = {"payment": found["number"], "until": found["expires"] + 3 * DAY}
            return kept | ({"part_of": message["part_of"]} if message is not None else {})
        if asked.transaction.value in {"inquiry", "verification"}:
            return {}
        total = total_of(asked)
        expires = now + self.lifetime(said.mcc, asked.hold_lifetime_ms)
        kind = "refund" if asked.transaction.value == "refund" else ""
        stands = found is not None and found["kind"] == kind and found["ended"] in {"", "captured"}
        if stands and found["ended"] and self.by_id_alone(found, card, asked, now):
            stands = False
        if stands:
            message = None if kind else message
            found["spoken"] = self.record_no
            if said.approval_code and said.approval_code not in found["codes"]:
                found["codes"].append(said.approval_code)
            whole = total + (found["authorised"] - message["added"] if message else 0)
            self.supersede(found, asked, whole, message)
            if message is not None and message["part_of"]:
                message["added"] = total
            found["expires"] = max(found["expires"], expires)
            found["forget"] = max(found["forget"], full_hour(found["expires"] + 30 * DAY))
            kept = {"payment": found["number"], "added": total, "until": found["expires"] + 3 * DAY}
            return kept | ({"part_of": message["part_of"]} if message is not None else {})
        p = self.born(card, asked, number, total, now, expires)
        p["spoken"] = self.record_no
        p["codes"] = [said.approval_code] if said.approval_code else []
        if asked.transaction.value == "refund":
            p["kind"] = "refund"
        else:
            p["held"] = total
            self.count(p, card, asked, total, now)
        return {"payment": number, "added": total, "until": expires + 3 * DAY}

    def advised(self, card: str, asked: Any, now: int) -> tuple[Payment | None, Kept | None]:
        """The payment that the stand-in means, and the part of it: by the request's own key, else as a reversal finds
        it, the network's id first; a pump's advice by DE38 or RRN as well. No part: all of it is meant.
        """
        said, place = asked.particulars, self.cards[card]["account"]
        message = self.alive(place, asked.sibling_key, now)
        exact, unseen = True, message is None
        if message is None:
            found = self.originals(place, card, asked, now, id_first=True)
            message = found[0] if len(found) == 1 else None
            exact = not self.by_id(card, asked, now)
        p = self.remembered(message["payment"], now) if message is not None else None
        if p is None:
            return (self.fuelled(card, said, now) if said.mcc == "5542" else None), None
        if unseen and asked.increment:
            return p, {"added": 0, "part_of": asked.key, "part": 0}
        if message is not None and message["part_of"]:
            return p, message
        others = sum(kept["added"] for kept in self.parts_of(p, now))
        if exact and others:
            return p, {"added": max(0, p["authorised"] - others), "part_of": "", "part": 0}
        return p, None

    def parts_of(self, p: Payment, now: int) -> list[Kept]:
        """The increments of a payment, each once: a stand-in's word about one is no other."""
        return [
            kept
            for kept in self.kept[p["account"]].values()
            if kept["payment"] == p["number"] and kept["part_of"] == kept["key"] and kept["forget"] > now
        ]

    def by_id(self, card: str, asked: Any, now: int) -> bool:
        """Whether the network's id names something."""
        name, place = asked.particulars.network_id, self.cards[card]["account"]
        answers = self.answers_of(place, card, asked.particulars.network, now)
        return any(name and kept["said"].network_id == name for kept in answers)

    def by_id_alone(self, p: Payment, card: str, asked: Any, now: int) -> bool:
        """Whether nothing but the network's id says that this captured payment is meant: then one more was approved."""
        place = self.cards[card]["account"]
        if self.alive(place, asked.sibling_key, now) is not None or not self.by_id(card, asked, now):
            return False
        nameless = msgspec.structs.replace(asked.particulars, network_id="")
        found = self.originals(place, card, msgspec.structs.replace(asked, particulars=nameless), now)
        return len(found) != 1 or found[0]["payment"] != p["number"]

    def fuelled(self, card: str, said: Any, now: int) -> Payment | None:
        live = [
            p
            for p in self.payments_of(card, said.network, now)
            if p["kind"] == "" and not p["ended"] and p["said"].acquirer == said.acquirer
        ]
        ways = [
            [p for p in live if said.approval_code and said.approval_code in p["codes"]],
            [p for p in live if said.rrn and p["said"].rrn == said.rrn],
        ]
        return next((found[0] for found in ways if len(found) == 1), None)

    def originals(self, place: str, card: str, asked: Any, now: int, *, id_first: bool = False) -> list[Kept]:
        """The message that is meant: by DE90, else by its numbers, else by the network's id. Several: ambiguous."""
        said, named = asked.particulars, asked.original
        answers = self.answers_of(place, card, said.network, now)
        own = (said.rrn, said.stan, said.acquirer)
        exact = [kept for kept in answers if self.names(named, kept["said"])]
        numbers = [
            kept
            for kept in answers
            if said.rrn and (kept["said"].rrn, kept["said"].stan, kept["said"].acquirer) == own
        ]
        by_id = [kept for kept in answers if said.network_id and kept["said"].network_id == said.network_id]
        ways = [exact, numbers]
        ways.insert(0 if id_first else 2, self.firsts(place, by_id, now))
        return next((self.one_a_payment(place, found, now) for found in ways if found), [])

    def one_a_payment(self, place: str, found: list[Kept], now: int) -> list[Kept]:
        """Several messages of one payment are that payment. A request and the stand-in's advice of it are one
        transaction, and whichever of them has something open is meant.
        """
        roots = {kept["root"] for kept in found}
        numbers = {kept["payment"] for kept in found}
        if len(roots) > 1 and (len(numbers) > 1 or numbers == {0}):
            return found
        together = found
        if len(roots) == 1:
            together = [
                kept for kept in self.kept[place].values() if kept["root"] in roots and kept["forget"] > now
            ]
            together = found + [kept for kept in together if kept not in found]
        meant = max(together, key=self.meantness)
        return [self.kept[place].get(meant["part_of"], meant)]

    def meantness(self, kept: Kept) -> tuple[bool, bool, bool]:
        p = self.payments.get(kept["payment"])
        if p is None:
            return False, False, False
        return bool(p["held"] or p["online"]), p["ended"] not in GONE, p["key"] == kept["key"]

    def firsts(self, place: str, found: list[Kept], now: int) -> list[Kept]:
        """All messages of a payment bear its id: its first stands for them. What was declined is no payment."""
        numbers = sorted({kept["payment"] for kept in found if kept["payment"] in self.payments})
        keys = [self.payments[number]["key"] for number in numbers]
        return [first for key in keys if (first := self.alive(place, key, now)) is not None] or found

    def supersede(self, p: Payment, asked: Any, total: int, part: Kept | None) -> None:
        """One hold with what the stand-in's amount makes of the total, whatever the funds."""
        total, before = max(total, p["captured"]), p["authorised"]
        p["held"] = 0 if p["ended"] else total - p["captured"]
        if p["kind"] == "refund":
            p["held"] = 0
        p["authorised"] = total
        said = asked.particulars
        if p["shop"] and before:
            exact = said.transaction_minor and total == said.amount_minor
            p["shop"] = said.transaction_minor if exact else p["shop"] * total // before
        if total < before:
            self.give_back(p, before - total, part=part["part"] if part else None)
        elif total > before:
            self.count_more(p, total - before, part=part["part"] if part else 0)

    def decline(self, p: Payment, part: Kept | None) -> None:
        """Nobody will capture what a stand-in declined: our hold goes, of an increment, or of what was grown, its own
        part.
        """
        less = min(p["held"], part["added"]) if part else p["held"]
        p["held"] -= less
        over = not p["held"]
        nothing_left = over and not p["captured"]
        self.give_back(p, less, times=1 if nothing_left else 0, part=part["part"] if part else None)
        if part:
            part["added"] = 0
            p["authorised"] -= less
        else:
            p["authorised"] = min(p["authorised"], p["captured"])
        if over:
            p["ended"] = "superseded" if nothing_left else "captured"

    # ---- 0220

    def complete(self, card: str, asked: Any, number: int, now: int) -> tuple[str, Kept]:
        """The exception's kind, if there is one, and what is kept."""
        said, place = asked.particulars, self.cards[card]["account"]
        sibling = self.alive(place, asked.sibling_key, now)
        if sibling is not None and sibling["reply"].reason == "approved":
            p = self.remembered(sibling["payment"], now)
            if p is not None and p["ended"] not in GONE:
                p["spoken"] = self.record_no
                return "", {"payment": p["number"], "until": p["expires"] + 3 * DAY}
        refund = asked.transaction.value == "refund"
        found = self.meant(card, asked, "refund" if refund else "", now)
        total = total_of(asked)
        expires = now + self.lifetime(said.mcc, asked.hold_lifetime_ms)
        if len(found) == 1 and found[0]["ended"] not in GONE:
            (p,) = found
            fault = "completion_of_captured" if p["ended"] == "captured" else ""
            p["spoken"] = self.record_no
            self.post_online(p, asked, now, final=asked.final)
            return fault, {
                "payment": p["number"],
                "posted": total,
                "fee": fee_of(asked),
                "until": p["expires"] + 3 * DAY,
            }
        p = self.born(card, asked, number, total, now, expires)
        p["spoken"] = self.record_no
        p["codes"] = [said.approval_code] if said.approval_code else []
        p["kind"] = "refund" if refund else ""
        self.post_online(p, asked, now, final=True)
        kept = {"payment": number, "posted": total, "fee": fee_of(asked), "until": expires + 3 * DAY}
        if len(found) > 1:
            return "completion_ambiguous", {**kept, "candidates": tuple(q["number"] for q in found)}
        return ("completion_of_captured" if self.cleared_first(card, asked, now) else ""), kept

    def cleared_first(self, card: str, asked: Any, now: int) -> bool:
        """Whether a file has posted it as forced: by its id, its code or its details. Then it is posted twice."""
        said = asked.particulars
        kind = "refund" if asked.transaction.value == "refund" else "presentment"
        for kept in self.cleared[self.cards[card]["account"]].values():
            row = kept["row"].particulars
            if kept["outcome"] != "forced" or kept["row"].kind != kind or kept["forget"] <= now:
                continue
            if row.network != said.network or self.family(kept["card"]) != self.family(card):
                continue
            code, details = (said.approval_code, said.acquirer), (said.merchant_id, said.transmission[:4])
            same_code = said.approval_code and code == (row.approval_code, row.acquirer)
            whole = row.amount_minor + kept["row"].fee_minor == total_of(asked)
            alike = said.merchant_id and whole and details == (row.merchant_id, row.transmission[:4])
            if (said.network_id and said.network_id == row.network_id) or same_code or alike:
                return True
        return False

    def meant(
        self, card: str, asked: Any, kind: str, now: int, *, alike: bool = True, confirms: bool = False
    ) -> list[Payment]:
        """What a completion or presentment may be of: by the network's id, else DE38, else details that one has. Of
        several, what a file's row `confirms` is the one that waits for it.
        """
        said, total = asked.particulars, total_of(asked)
        of = [p for p in self.payments_of(card, said.network, now) if p["kind"] == kind]
        coded = [p for p in of if said.approval_code and said.approval_code in p["codes"]]
        same_id = [p for p in of if said.network_id and p["said"].network_id == said.network_id]
        if len(same_id) > 1:
            same_id = [p for p in same_id if p in coded] or same_id
        details = [
            p
            for p in of
            if alike
            and said.merchant_id == p["said"].merchant_id != ""
            and (p["online"] if p["ended"] == "captured" else p["authorised"] - p["captured"]) == total
            and p["ended"] in {"", "captured"}
            and said.transmission[:4] in {f"{at(p['placed'] + days * DAY):%m%d}" for days in (-1, 0, 1)}
        ]
        for found in (same_id, [p for p in coded if p["said"].acquirer == said.acquirer], details):
            if found:
                stand = [p for p in found if p["ended"] not in GONE] or found[-1:]
                lives = [p for p in stand if p["ended"] != "expired" or p["captured"]]
                stand = lives if len(stand) > 1 and lives else stand
                waiting = [p for p in stand if confirms and p["online"] == total > 0]
                return waiting if len(waiting) == 1 else stand
        return []
