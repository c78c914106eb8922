"""The network of the machine's test: every message and every row of a clearing file that one may send.

Owns what is said, and how later messages name earlier ones: well, in part, wrongly or not at all. What must come of it
is the model's.
"""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)
from ledger_bench import (
    DAY_MS,
    EUR,
    HOUR_MS,
    USD,
    advice,
    clear_row,
    increment,
    reference,
    request,
    reversal,
)
from ledger_machine import LedgerUnderTest, pick
from msgspec.structs import replace

from authoriser.ledger import commands as c
from rules import NO_CHECKS, Check, Checks, Entry, Transaction

MISTYPED = 50

recent = st.integers(min_value=0, max_value=7)
amounts = st.sampled_from([2, 10, 25, 40, 60, 100, 1_000])
known_cards = st.integers(min_value=0, max_value=2)
any_cards = st.integers(min_value=0, max_value=6)
currencies = st.sampled_from([EUR, EUR, EUR, USD])
parts_left_out = st.sampled_from([frozenset(), frozenset({"stan"})]) | st.frozensets(
    st.sampled_from(["mti", "stan", "transmission", "acquirer"])
)
spoilt_parts = st.sampled_from(["", "", "", "stan", "transmission"])
particulars_of_few = st.fixed_dictionaries(
    {
        "network": st.sampled_from(["net-a", "net-a", "net-b"]),
        "stan": st.sampled_from(["000001", "000001", "000002"]),
        "transmission": st.sampled_from(["0102030405", "0102030405", "0102030406"]),
        "rrn": st.sampled_from(["", "RRN000000001"]),
        "acquirer": st.sampled_from(["500", "500", ""]),
        "network_id": st.sampled_from(["", "", "N1", "N2"]),
        "merchant_id": st.sampled_from(["", "M1"]),
        "mcc": st.sampled_from(["", "", "5542", "7011"]),
    }
)
oddities = st.fixed_dictionaries(
    {},
    optional={
        "fee_minor": st.sampled_from([-1, 5]),
        "hold_lifetime_ms": st.sampled_from([HOUR_MS, 10 * DAY_MS]),
        "entry": st.sampled_from([Entry.ECOMMERCE, Entry.CONTACTLESS, Entry.CONTACTLESS, Entry.CHIP]),
        "mcc": st.sampled_from(["5542", "7011", "4111"]),
    },
)
own_oddities = st.fixed_dictionaries(
    {},
    optional={
        "checks": st.sampled_from([NO_CHECKS, Checks(pin=Check.PASSED)]),
        "cashback_minor": st.sampled_from([1, 20, 25, 100]),
        "partial_allowed": st.just(True),
        "account_type": st.just("10"),
        "increment": st.just(True),
    },
)
shops_amounts = st.sampled_from([{}, {}, {}, {"transaction_minor": 33, "transaction_currency": USD}])
ways = st.sampled_from(["key", "network_id", "code", "reference", "retrieval", "details", "nothing"])
kinds = st.sampled_from([*["presentment"] * 4, "refund", "reversal", "chargeback", "representment"])
replacements = st.none() | st.sampled_from([0, 1, 10, 30, 2_000])


class Network(LedgerUnderTest):
    """`sent` is every request and advice so far, the latest last; `late` are originals whose reversal or advice came
    first.
    """

    sent: list[c.AuthorisationRequest | c.Advice]
    rows: list[c.ClearRow]
    reversals: list[c.ReversalRequest]
    late: list[c.AuthorisationRequest]

    # ---- requests

    @rule(card=known_cards, several=st.lists(amounts, min_size=1, max_size=4), rrn=st.booleans())
    def pay(self, card: int, several: list[int], rrn: bool) -> None:
        """Payments that nobody has seen before."""
        for amount in several:
            stan = self.name("")
            named = {"rrn": f"RRN{stan}", "network_id": f"N{stan}"} if rrn else {}
            self.send(request(amount, card=card, stan=stan, merchant_id="M1", **named))

    def send(self, command: c.AuthorisationRequest | c.Advice) -> None:
        self.sent.append(command)
        self.ask(command)

    @rule(card=st.sampled_from([0, 0, 1, 2]), amount=amounts, said=particulars_of_few)
    def pay_alike(self, card: int, amount: int, said: dict[str, str]) -> None:
        """A payment out of few: its key, STAN or RRN may well be another's."""
        self.send(request(amount, card=card, **said))

    @rule(
        card=any_cards,
        amount=amounts | st.just(0),
        currency=currencies,
        transaction=st.sampled_from(Transaction),
        expiry=st.sampled_from(["", "9912", "2001"]),
        mti=st.sampled_from(["0100", "0100", "0200"]),
        said=particulars_of_few,
        luhn=st.sampled_from([True, True, True, False]),
        odd=oddities,
        own=own_oddities,
        shops=shops_amounts,
    )
    def pay_strangely(  # noqa: PLR0917 - hypothesis draws each by its name
        self,
        card: int,
        amount: int,
        currency: str,
        transaction: Transaction,
        expiry: str,
        mti: str,
        said: dict[str, str],
        luhn: bool,
        odd: dict[str, Any],
        own: dict[str, Any],
        shops: dict[str, Any],
    ) -> None:
        """A request with which anything may be wrong. A number that fails Luhn is no card's, so its key is its own."""
        command = request(
            amount,
            card=card if luhn else MISTYPED,
            transaction=transaction,
            stated_expiry=expiry,
            currency=currency,
            mti=mti,
            **{**said, **odd, **own, **shops},
        )
        self.send(command if luhn else replace(command, token=None))

    @rule(
        card=known_cards,
        amount=amounts,
        transaction=st.sampled_from([Transaction.PURCHASE, Transaction.CASH, Transaction.CASHBACK]),
        mti=st.sampled_from(["0100", "0100", "0200"]),
        odd=oddities,
        own=own_oddities,
        shops=shops_amounts,
    )
    def pay_specially(
        self,
        card: int,
        amount: int,
        transaction: Transaction,
        mti: str,
        odd: dict[str, Any],
        own: dict[str, Any],
        shops: dict[str, Any],
    ) -> None:
        """A payment that nobody has seen before, with something about it."""
        stan = self.name("")
        named = {"stan": stan, "rrn": f"RRN{stan}", "network_id": f"N{stan}"}
        self.send(
            request(
                amount, card=card, transaction=transaction, **{"mti": mti, **named, **odd, **own, **shops}
            )
        )

    def original(self, which: int) -> c.AuthorisationRequest | c.Advice:
        return self.sent[-1 - which % len(self.sent)]

    def named(self, original: c.AuthorisationRequest | c.Advice, way: str) -> dict[str, Any]:
        """What a later message says of `original`, so that it can be found in one way or in none."""
        said = original.particulars
        none = {"stan": self.name("7"), "rrn": "", "network_id": "", "merchant_id": ""}
        kept = self.model.find_kept(self.model.place_of(original.token)[1], original.key)
        code = kept["reply"].approval_code if kept is not None else ""
        return {
            "key": {"approval_code": "STAND1"},
            "network_id": {**none, "network_id": said.network_id},
            "code": {**none, "approval_code": code},
            "reference": {**none, "original": reference(original)},
            "retrieval": {**none, "stan": said.stan, "rrn": said.rrn},
            "details": {**none, "merchant_id": said.merchant_id, "transmission": self.today()},
            "nothing": none,
        }[way]

    def today(self) -> str:
        return f"{datetime.fromtimestamp(self.now_ms / 1000, UTC):%m%d}030405"

    @precondition(lambda self: self.sent)
    @rule(which=recent, amount=amounts, way=ways, renewed=st.booleans(), odd=oddities)
    def grow(self, which: int, amount: int, way: str, renewed: bool, odd: dict[str, Any]) -> None:
        """An increment of something sent, perhaps by the number that its card has by now."""
        original = self.original(which)
        named = {"stan": self.name("4"), "original": c.NO_REFERENCE, **self.named(original, way), **odd}
        named.pop("approval_code", None)
        command = increment(original, amount, **named)
        known = self.model.card_of.get(original.token)
        if renewed and known is not None:
            family = [
                token
                for token, card in self.model.card_of.items()
                if self.model.family(card) == self.model.family(known)
            ]
            command = replace(command, token=family[-1])
        self.send(command)

    @precondition(lambda self: self.sent)
    @rule(
        which=recent,
        amount=amounts,
        way=st.just("key") | ways,
        approving=st.sampled_from([True, True, False]),
        mti=st.sampled_from(["0120", "0220"]),
        final=st.booleans(),
        odd=oddities,
    )
    def tell(
        self, which: int, amount: int, way: str, approving: bool, mti: str, final: bool, odd: dict[str, Any]
    ) -> None:
        """A stand-in's answer to something sent, or its completion; perhaps for the same amount."""
        original = self.original(which)
        minor = original.particulars.amount_minor if which % 2 else amount
        named = {**self.named(original, way), **odd}
        if mti == "0220":
            named["final"] = final
        elif isinstance(original, c.AuthorisationRequest):
            named["increment"] = original.increment
        self.send(advice(minor, of=original, mti=mti, approving=approving, **named))

    @rule(
        card=known_cards,
        amount=amounts,
        mti=st.sampled_from(["0120", "0120", "0220"]),
        approving=st.sampled_from([True, True, False]),
        grows=st.booleans(),
    )
    def tell_first(self, card: int, amount: int, mti: str, approving: bool, grows: bool) -> None:
        """An advice whose request, which may be an increment, is still on its way."""
        original = self.original(card) if self.sent and grows and mti == "0120" else None
        stan = self.name("")
        if isinstance(original, c.AuthorisationRequest):
            asked = increment(original, amount, stan=stan)
        else:
            asked = request(amount, card=card, stan=stan, mti={"0120": "0100", "0220": "0200"}[mti])
        self.late.append(asked)
        self.send(advice(amount, of=asked, mti=mti, approving=approving, increment=asked.increment))

    @rule(
        card=any_cards,
        amount=amounts,
        currency=currencies,
        transaction=st.sampled_from([Transaction.PURCHASE, *Transaction]),
        approving=st.sampled_from([True, True, False]),
        mti=st.sampled_from(["0120", "0220"]),
        said=particulars_of_few,
        odd=oddities,
    )
    def tell_strangely(
        self,
        card: int,
        amount: int,
        currency: str,
        transaction: Transaction,
        approving: bool,
        mti: str,
        said: dict[str, str],
        odd: dict[str, Any],
    ) -> None:
        """An advice of something that never came here, out of few."""
        self.send(
            advice(
                amount,
                card=card,
                transaction=transaction,
                approving=approving,
                mti=mti,
                currency=currency,
                **{**said, **odd},
            )
        )

    # ---- the clearing file

    @precondition(lambda self: self.sent)
    @rule(
        which=recent,
        kind=kinds,
        amount=st.none() | st.none() | amounts,
        way=ways,
        final=st.booleans(),
        fee=st.sampled_from([0, 0, 5]),
        currency=st.sampled_from(["", "", "", USD]),
    )
    def clear(
        self, which: int, kind: str, amount: int | None, way: str, final: bool, fee: int, currency: str
    ) -> None:
        """A row of something sent, for its own amount or another."""
        original = self.original(which)
        named = self.named(original, way)
        named.pop("original", None)
        said = original.particulars
        row = clear_row(
            said.amount_minor if amount is None else amount,
            kind,
            of=original,
            reference=self.name("REF"),
            **{**named, "stan": "", "final": final, "fee_minor": fee, "currency": currency or said.currency},
        )
        self.rows.append(row)
        self.ask(row)

    @precondition(lambda self: self.rows)
    @rule(which=recent, amount=amounts)
    def clear_again(self, which: int, amount: int) -> None:
        """The same row once more, whatever stands in it."""
        row = self.rows[-1 - which % len(self.rows)]
        self.ask(row)
        self.ask(replace(row, particulars=replace(row.particulars, amount_minor=amount)))

    @precondition(lambda self: self.sent)
    @rule(which=recent)
    def repeat(self, which: int) -> None:
        """An 0101, or the same key again."""
        self.ask(self.sent[-1 - which % len(self.sent)])

    @precondition(lambda self: self.sent)
    @rule(which=recent, amount=amounts)
    def repeat_changed(self, which: int, amount: int) -> None:
        """The same key with an amount that may be another."""
        command = self.sent[-1 - which % len(self.sent)]
        self.ask(replace(command, particulars=replace(command.particulars, amount_minor=amount)))

    @precondition(lambda self: self.sent)
    @rule(
        which=recent,
        mti=st.sampled_from(["0400", "0420"]),
        new_total=replacements,
        left_out=parts_left_out,
        own_numbers=st.booleans(),
        spoilt=spoilt_parts,
        without_id=st.booleans(),
    )
    def reverse(
        self,
        which: int,
        mti: str,
        new_total: int | None,
        left_out: frozenset[str],
        own_numbers: bool,
        spoilt: str,
        without_id: bool,
    ) -> None:
        """A reversal of something sent, named wholly, in part or wrongly, full or partial; perhaps the second."""
        original = self.sent[-1 - which % len(self.sent)]
        self.send_reversal(original, mti, new_total, left_out, own_numbers, spoilt, without_id)

    def send_reversal(
        self,
        original: c.AuthorisationRequest | c.Advice,
        mti: str,
        new_total: int | None,
        left_out: frozenset[str],
        own_numbers: bool,
        spoilt: str = "",
        without_id: bool = True,
    ) -> None:
        said = original.particulars
        numbers = {"stan": self.name("9")} if own_numbers else {"stan": said.stan, "rrn": said.rrn}
        if without_id:
            numbers["network_id"] = ""
        named = reference(original, zero_filled=left_out)
        if spoilt and spoilt not in left_out:
            named = replace(named, **{spoilt: "0102030477"[-len(getattr(named, spoilt)) :]})
        command = reversal(original, new_total_minor=new_total, mti=mti, named=named, **numbers)
        self.reversals.append(command)
        self.ask(command)

    @precondition(lambda self: self.reversals)
    @rule(which=recent)
    def repeat_reversal(self, which: int) -> None:
        self.ask(self.reversals[-1 - which % len(self.reversals)])

    @rule(
        card=any_cards,
        amount=amounts,
        rrn=st.booleans(),
        new_total=replacements,
        left_out=parts_left_out,
        own_numbers=st.booleans(),
    )
    def reverse_first(
        self,
        card: int,
        amount: int,
        rrn: bool,
        new_total: int | None,
        left_out: frozenset[str],
        own_numbers: bool,
    ) -> None:
        """A reversal whose original is still on its way."""
        stan = self.name("")
        original = request(amount, card=card, stan=stan, rrn=f"RRN{stan}" if rrn else "")
        self.late.append(original)
        self.send_reversal(original, "0420", new_total, left_out, own_numbers)

    @precondition(lambda self: self.late)
    @rule(which=pick)
    def original_arrives(self, which: int) -> None:
        self.send(self.late.pop(which % len(self.late)))
