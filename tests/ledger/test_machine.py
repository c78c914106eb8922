"""Any sequence of commands, against a second opinion: P3, P4, the zero sum, and recovery to the same hash.

The machine sends the ledger whatever a network, operators and the clock may bring, commits batches, saves snapshots as
the snapshot writer does, and crashes. After every step the ledger must agree with `model.py`, which was written from
the design.
"""

import os

import pytest
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
    HOUR_MS,
    POLICY,
    START_MS,
    adjust,
    card_change,
    credit,
    import_row,
    issue_card,
    load_policy,
    open_account,
    release_hold,
    replace_card,
    settle_exception,
)
from ledger_machine import pick
from ledger_model import LIMITED, NO_POLICY, TIGHT
from ledger_network import Network, amounts, any_cards, currencies, recent
from msgspec.structs import replace

from authoriser.ledger import commands as c
from rules import CardState

EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "200"))
STEPS = int(os.environ.get("LEDGER_STEPS", "80"))


accounts = st.sampled_from(["acc-0", "acc-1", "acc-2"])
operator_keys = st.sampled_from(["k0", "k1", "k2", "k3"])
lifetimes_ms = st.sampled_from([HOUR_MS, 30 * DAY_MS])


class LedgerMachine(Network):
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
        self.sent: list[c.AuthorisationRequest | c.Advice] = []
        self.rows: list[c.ClearRow] = []
        self.reversals: list[c.ReversalRequest] = []
        self.late: list[c.AuthorisationRequest] = []
        self.imports: list[c.ImportRow] = []
        self.ask(open_account("acc-0", credit_line_minor=credit_line))
        self.ask(open_account("acc-1"))
        for card, account in enumerate(["acc-0", "acc-0", "acc-1"]):
            self.ask(issue_card(card, account=account, expires_ms=START_MS + 4_000 * DAY_MS))
        self.ask(credit(500, account="acc-0"))
        self.ask(credit(100, account="acc-1"))

    # ---- the process itself

    @precondition(lambda self: self.sent)
    @rule(which=recent)
    def void(self, which: int) -> None:
        """No byte of an approval's answer left in time."""
        command = self.original(which)
        place = self.model.place_of(command.token)[1]
        kept = self.model.find_kept(place, command.key)
        if kept is not None and kept["payment"] and isinstance(command, c.AuthorisationRequest):
            self.ask(c.VoidAnswer(place, command.key, kept["payment"]))

    @precondition(lambda self: self.model.holds)
    @rule(which=pick, command=st.sampled_from([c.ExpireHold, c.MarkAnswerUnknown]))
    def look_after(self, which: int, command: type[c.ExpireHold | c.MarkAnswerUnknown]) -> None:
        """The sweep of a hold that may be due, or what a start after a crash says of it."""
        hold_id, hold = list(self.model.holds.items())[which % len(self.model.holds)]
        self.ask(command(hold["account"], hold_id))

    @rule(account=accounts, hold_id=pick)
    def too_late(self, account: str, hold_id: int) -> None:
        """A hold that was released meanwhile is left alone; whether its answer left may be unknown all the same."""
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

    @precondition(lambda self: self.model.cards)
    @rule(
        which=pick,
        new=st.integers(min_value=3, max_value=6),
        closes_ms=st.sampled_from([0, HOUR_MS, 9 * DAY_MS]),
    )
    def replace(self, which: int, new: int, closes_ms: int) -> None:
        """A card gets a new number; its old one is good for a while yet."""
        old = list(self.model.cards)[which % len(self.model.cards)]
        command = replace_card(
            old,
            card=new,
            account=self.model.cards[old]["account"],
            card_id=self.name("card-"),
            closes_ms=self.now_ms + closes_ms,
            key=self.name("replace-"),
            forget_ms=self.now_ms + DAY_MS,
        )
        self.ask(command)

    @rule(which=pick, account=accounts, key=operator_keys)
    def release(self, which: int, account: str, key: str) -> None:
        """An operator lets go of a hold; perhaps of one that is another account's, or nobody's."""
        numbers = [*self.model.holds, 77]
        number = numbers[-1 - which % len(numbers)]
        if number in self.model.holds and which % 5:
            account, key = self.model.holds[number]["account"], self.name("release-")
        self.ask(release_hold(number, account=account, key=key, forget_ms=self.now_ms + DAY_MS))

    @rule(account=accounts, amount=st.sampled_from([-100, -10, 10]), key=operator_keys)
    def adjust(self, account: str, amount: int, key: str) -> None:
        self.ask(adjust(amount, account=account, key=key, forget_ms=self.now_ms + DAY_MS))

    @precondition(lambda self: self.model.exceptions)
    @rule(which=pick, whose=pick)
    def settle(self, which: int, whose: int) -> None:
        """An operator says which payment an entry of the exception list meant, or dismisses it."""
        names = list(self.model.exceptions)
        name = names[-1 - which % len(names)]
        numbers = [*self.model.exceptions[name].get("candidates", ()), 0]
        number = numbers[whose % len(numbers)]
        self.ask(settle_exception(name, number, key=self.name("settle-"), forget_ms=self.now_ms + DAY_MS))

    @rule(text=st.sampled_from([LIMITED, TIGHT, TIGHT, NO_POLICY]), key=operator_keys)
    def load_policy(self, text: str, key: str) -> None:
        """What is decided from here on is decided by another policy."""
        self.ask(load_policy(text, key=key, forget_ms=self.now_ms + DAY_MS))

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


@pytest.mark.hypothesis
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
