"""Any sequence of commands, against a second opinion: P3, P4, the zero sum, and recovery to the same hash.

The machine sends the ledger whatever a network, operators and the clock may bring, commits batches, saves snapshots as
the snapshot writer does, and crashes. After every step the ledger must agree with `model.py`, which was written from
the design.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger_bench import (
    DAY_MS,
    EUR,
    HOUR_MS,
    POLICY,
    START_MS,
    USD,
    card_change,
    credit,
    import_row,
    issue_card,
    open_account,
    reference,
    request,
    reversal,
)
from ledger_machine import LedgerUnderTest, pick
from msgspec.structs import replace

from authoriser.ledger import commands as c
from rules import CardState, Transaction

EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "400"))
MISTYPED = 50
STEPS = int(os.environ.get("LEDGER_STEPS", "80"))


recent = st.integers(min_value=0, max_value=7)
amounts = st.sampled_from([1, 10, 25, 40, 60, 100, 1_000])
known_cards = st.integers(min_value=0, max_value=2)
any_cards = st.integers(min_value=0, max_value=6)
accounts = st.sampled_from(["acc-0", "acc-1", "acc-2"])
operator_keys = st.sampled_from(["k0", "k1", "k2", "k3"])
lifetimes_ms = st.sampled_from([HOUR_MS, 30 * DAY_MS])
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
    }
)
replacements = st.none() | st.sampled_from([0, 1, 10, 30, 2_000])


class LedgerMachine(LedgerUnderTest):
    """What a network, operators and the process itself may bring."""

    @initialize(
        kept_max=st.sampled_from([4, 10_000, 10_000]),
        unknown_max=st.sampled_from([2, 10_000]),
        credit_line=st.sampled_from([0, 50]),
    )
    def begin(self, kept_max: int, unknown_max: int, credit_line: int) -> None:
        policy = replace(POLICY, kept_answers_max=kept_max, unknown_card_answers_max=unknown_max)
        self.set_up(policy, START_MS)
        self.names = 0
        self.sent: list[c.AuthorisationRequest] = []
        self.reversals: list[c.ReversalRequest] = []
        self.late: list[c.AuthorisationRequest] = []
        self.imports: list[c.ImportRow] = []
        self.ask(open_account("acc-0", credit_line_minor=credit_line))
        self.ask(open_account("acc-1"))
        for card, account in enumerate(["acc-0", "acc-0", "acc-1"]):
            self.ask(issue_card(card, account=account, expires_ms=START_MS + 4_000 * DAY_MS))
        self.ask(credit(500, account="acc-0"))
        self.ask(credit(100, account="acc-1"))

    # ---- the network

    @rule(card=known_cards, several=st.lists(amounts, min_size=1, max_size=4), rrn=st.booleans())
    def pay(self, card: int, several: list[int], rrn: bool) -> None:
        """Payments that nobody has seen before."""
        for amount in several:
            stan = self.name("")
            self.send(request(amount, card=card, stan=stan, rrn=f"RRN{stan}" if rrn else ""))

    def send(self, command: c.AuthorisationRequest) -> None:
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
    )
    def pay_strangely(
        self,
        card: int,
        amount: int,
        currency: str,
        transaction: Transaction,
        expiry: str,
        mti: str,
        said: dict[str, str],
        luhn: bool,
    ) -> None:
        """A request with which anything may be wrong. A number that fails Luhn is no card's, so its key is its own."""
        command = request(
            amount,
            card=card if luhn else MISTYPED,
            transaction=transaction,
            stated_expiry=expiry,
            currency=currency,
            mti=mti,
            **said,
        )
        self.send(command if luhn else replace(command, token=None))

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
    )
    def reverse(
        self,
        which: int,
        mti: str,
        new_total: int | None,
        left_out: frozenset[str],
        own_numbers: bool,
        spoilt: str,
    ) -> None:
        """A reversal of something sent, named wholly, in part or wrongly, full or partial; perhaps the second."""
        original = self.sent[-1 - which % len(self.sent)]
        self.send_reversal(original, mti, new_total, left_out, own_numbers, spoilt)

    def send_reversal(
        self,
        original: c.AuthorisationRequest,
        mti: str,
        new_total: int | None,
        left_out: frozenset[str],
        own_numbers: bool,
        spoilt: str = "",
    ) -> None:
        said = original.particulars
        numbers = {"stan": self.name("9")} if own_numbers else {"stan": said.stan, "rrn": said.rrn}
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

    # ---- the process itself

    @precondition(lambda self: self.model.holds)
    @rule(which=pick)
    def void(self, which: int) -> None:
        """No byte of an approval's answer left in time."""
        hold_id, hold = list(self.model.holds.items())[-1 - which % len(self.model.holds)]
        self.ask(c.VoidAnswer(hold["account"], hold["key"], hold_id))

    @precondition(lambda self: self.model.holds)
    @rule(which=pick, command=st.sampled_from([c.ExpireHold, c.MarkAnswerUnknown]))
    def look_after(self, which: int, command: type[c.ExpireHold | c.MarkAnswerUnknown]) -> None:
        """The sweep of a hold that may be due, or what a start after a crash says of it."""
        hold_id, hold = list(self.model.holds.items())[which % len(self.model.holds)]
        self.ask(command(hold["account"], hold_id))

    @rule(account=accounts, hold_id=pick)
    def too_late(self, account: str, hold_id: int) -> None:
        """A hold that was released meanwhile is left alone."""
        if account in self.model.accounts and hold_id not in self.model.holds:
            self.ask(c.VoidAnswer(account, "some key", hold_id))
            self.ask(c.ExpireHold(account, hold_id))
            self.ask(c.MarkAnswerUnknown(account, hold_id))

    @rule(which=st.integers(min_value=0, max_value=3))
    def note(self, which: int) -> None:
        self.ask(c.NoteException(f"x{which}", "decode", "link-a", "net-a", "0420", "4", "letters", "", 0))

    # ---- operators

    @rule(account=accounts, currency=currencies, key=operator_keys, keep_ms=lifetimes_ms)
    def open(self, account: str, currency: str, key: str, keep_ms: int) -> None:
        self.ask(open_account(account, currency=currency, key=key, forget_ms=self.now_ms + keep_ms))

    @rule(
        account=accounts,
        card=any_cards,
        state=st.sampled_from([CardState.ACTIVE, CardState.INACTIVE]),
        key=operator_keys,
    )
    def issue(self, account: str, card: int, state: CardState, key: str) -> None:
        command = issue_card(
            card,
            account=account,
            card_id=self.name("card-"),
            state=state,
            expires_ms=START_MS + 20 * DAY_MS,
            key=key,
            forget_ms=self.now_ms + DAY_MS,
        )
        self.ask(command)
        early = [asked for asked in self.sent if asked.token == command.token]
        if early:
            self.ask(early[-1])  # its repeat comes when the card is known

    @rule(account=accounts, amount=amounts, key=operator_keys, keep_ms=lifetimes_ms)
    def pay_in(self, account: str, amount: int, key: str, keep_ms: int) -> None:
        self.ask(credit(amount, account=account, key=key, forget_ms=self.now_ms + keep_ms))

    @rule(
        which=pick,
        after=st.sampled_from([*[CardState.ACTIVE] * 4, *[CardState.FROZEN] * 3, CardState.BLOCKED]),
        fresh=st.booleans(),
        key=operator_keys,
    )
    def change_card(self, which: int, after: CardState, fresh: bool, key: str) -> None:
        ids = [*self.model.cards, "card-of-nobody"]
        used = self.name("change-") if fresh else key
        command = card_change(after, card_id=ids[which % len(ids)], key=used, forget_ms=self.now_ms + DAY_MS)
        self.ask(command)

    @rule(
        card=any_cards,
        account=accounts,
        currency=currencies,
        amount=amounts | st.just(0),
        expiry=st.sampled_from(["9912", "9912", "9911"]),
    )
    def import_new(self, card: int, account: str, currency: str, amount: int, expiry: str) -> None:
        """A row of an import, and the same row again at once: the second time nothing changes."""
        row = import_row(
            card,
            account=account,
            currency=currency,
            credit_minor=amount,
            expiry=expiry,
            card_id=self.name("card-"),
        )
        self.imports.append(row)
        self.ask(row)
        assert self.ask(row).records == 0

    @precondition(lambda self: self.imports)
    @rule(which=pick)
    def import_again(self, which: int) -> None:
        self.ask(self.imports[which % len(self.imports)])


def test_any_sequence_of_commands_keeps_the_promises() -> None:
    """P3, P4, P10 and the zero sum hold whatever happens, in whatever order."""
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            database=None,
            deadline=None,
            derandomize="LEDGER_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
