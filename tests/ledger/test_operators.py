"""Operators' changes: what is allowed, what a client's key does, and imports that may be run twice."""

from collections.abc import Callable

import pytest
from ledger_bench import (
    DAY_MS,
    START_MS,
    USD,
    Bench,
    card_change,
    credit,
    import_row,
    issue_card,
    open_account,
)

from authoriser.ledger import commands as c
from authoriser.ledger.commands import CommandRefused
from authoriser.ledger.digest import problems, state_hash
from authoriser.ledger.records import AccountOpened, CardIssued, Posted
from rules import CardState


def refusal(bench: Bench, command: c.Command) -> tuple[str, str]:
    """The kind and text of the refusal; nothing may have changed."""
    before = state_hash(bench.state)
    with pytest.raises(CommandRefused) as refused:
        bench.do(command)
    assert state_hash(bench.state) == before
    return refused.value.kind, str(refused.value)


# ---- the client's key


def same_again(bench: Bench, command: c.Command) -> None:
    first = bench.do(command)
    assert (len(first.records), first.changed) == (1, True)
    again = bench.do(command)
    assert (again.records, again.changed) == ((), True)


def test_a_retry_of_each_change_makes_no_record(make_bench: Callable[..., Bench]) -> None:
    """The acknowledgement was lost: the same key with the same change says `changed`, and changes nothing."""
    bench = make_bench()
    same_again(bench, open_account())
    same_again(bench, issue_card())
    same_again(bench, credit(500))
    same_again(bench, card_change(CardState.FROZEN, key="freeze"))
    assert bench.money == (500, 0, 500)


def test_a_retried_freeze_that_was_lifted_since_is_not_acknowledged(bench: Bench) -> None:
    """It was made and undone: doing it again would surprise one operator, saying that it holds another."""
    bench.do(card_change(CardState.FROZEN, key="k1"))
    bench.do(card_change(CardState.ACTIVE, key="k2"))
    kind, text = refusal(bench, card_change(CardState.FROZEN, key="k1"))
    assert (kind, text) == (
        "conflict",
        "that was done under this key, and undone since: the card is active now",
    )
    assert bench.card.state is CardState.ACTIVE


@pytest.mark.parametrize(
    "other",
    [
        credit(501, key="k1"),
        card_change(CardState.FROZEN, key="k1"),
        c.IssueCard(
            "acc-0", "card-7", b"t", 1, "0007", "9912", 1, CardState.ACTIVE, credit(1, key="k1").audit
        ),
    ],
)
def test_a_key_is_for_one_change(bench: Bench, other: c.Command) -> None:
    """The same key for something else is refused, and says what it was used for."""
    bench.do(credit(500, key="k1"))
    kind, text = refusal(bench, other)
    assert (kind, text) == ("conflict", "the key 'k1' was used for another change (account.credit:acc-0:500)")


def test_a_key_is_forgotten_by_record_time(bench: Bench) -> None:
    """After its lifetime and a later record, the key is free."""
    bench.do(credit(500, key="k1", forget_ms=START_MS + DAY_MS))
    bench.wait(DAY_MS)
    assert bench.do(credit(500, key="k1")).records == ()
    bench.do(credit(1, key="k2"))
    assert len(bench.do(credit(500, key="k1")).records) == 1


# ---- accounts


def test_an_account_is_opened_once(bench: Bench) -> None:
    """Another key for the same account is a conflict."""
    assert refusal(bench, open_account(key="another")) == ("conflict", "the account 'acc-0' is open already")


@pytest.mark.parametrize("command", [credit(1, account="acc-9"), issue_card(5, account="acc-9")])
def test_an_account_that_is_not_there(bench: Bench, command: c.Command) -> None:
    assert refusal(bench, command) == ("not_found", "there is no account 'acc-9'")


def test_a_credit_is_a_double_entry(bench: Bench) -> None:
    """What the customer gains, the funding book of that currency loses."""
    bench.do(open_account("acc-1", currency=USD))
    bench.do(credit(700, account="acc-1"))
    assert bench.state.commons.books == {"funding:978": -10_000, "funding:840": -700}
    assert problems(bench.state) == []


def test_a_book_that_does_not_balance_is_a_problem(bench: Bench) -> None:
    """The check that all these tests lean on does find a one-sided entry."""
    bench.account.balance_minor += 1
    assert problems(bench.state) == ["postings in 978 sum to 1, not to zero"]


# ---- cards


def test_a_card_number_is_issued_once(bench: Bench) -> None:
    """Under whatever key: a number is one card."""
    command = issue_card(0, card_id="card-other", key="another")
    assert refusal(bench, command) == ("conflict", "a card with this number exists already (card-0)")


CHANGES = {
    (CardState.INACTIVE, CardState.BLOCKED),
    (CardState.ACTIVE, CardState.FROZEN),
    (CardState.ACTIVE, CardState.BLOCKED),
    (CardState.FROZEN, CardState.ACTIVE),
    (CardState.FROZEN, CardState.BLOCKED),
    *(
        (before, after)
        for before in (CardState.INACTIVE, CardState.ACTIVE, CardState.FROZEN, CardState.BLOCKED)
        for after in (CardState.LOST, CardState.STOLEN, CardState.CLOSED)
    ),
}


@pytest.mark.parametrize("before", list(CardState))
@pytest.mark.parametrize("after", list(CardState))
def test_changes_of_a_card(make_bench: Callable[..., Bench], before: CardState, after: CardState) -> None:
    """Freezing and unfreezing, blocking, and what is for good: lost, stolen, closed. All else is refused, in words."""
    bench = make_bench().with_card(state=before)
    command = card_change(after, key="k")
    if before is after:
        assert (bench.do(command).records, bench.card.state) == ((), before)
    elif (before, after) in CHANGES:
        assert (bench.do(command).changed, bench.card.state) == (True, after)
    else:
        text = f"the card card-0 is {before.value} and cannot become {after.value}"
        if (before, after) == (CardState.INACTIVE, CardState.ACTIVE):
            text += " by unfreezing; activate it"
        assert refusal(bench, command) == ("conflict", text)


def test_an_inactive_card_cannot_be_frozen(make_bench: Callable[..., Bench]) -> None:
    """Lifting that freeze would activate a card that may not have reached its owner."""
    bench = make_bench().with_card(state=CardState.INACTIVE)
    kind, _ = refusal(bench, card_change(CardState.FROZEN, key="k"))
    assert (kind, bench.card.state) == ("conflict", CardState.INACTIVE)


def test_a_change_to_what_is_so_already(bench: Bench) -> None:
    """Freezing the frozen changes nothing, and says so."""
    bench.do(card_change(CardState.FROZEN, key="k1"))
    outcome = bench.do(card_change(CardState.FROZEN, key="k2"))
    assert (outcome.records, outcome.changed) == ((), False)


def test_a_card_that_is_not_there(bench: Bench) -> None:
    command = card_change(CardState.FROZEN, card_id="card-9", key="k")
    assert refusal(bench, command) == ("not_found", "there is no card 'card-9'")


# ---- imports


def test_an_import_row_opens_issues_and_funds(make_bench: Callable[..., Bench]) -> None:
    """Account if new, card, money: three records, all or nothing."""
    bench = make_bench()
    outcome = bench.do(import_row(0, credit_minor=500))
    assert [type(record) for record in outcome.records] == [AccountOpened, CardIssued, Posted]
    assert (outcome.changed, bench.money, bench.card.state) == (True, (500, 0, 500), CardState.ACTIVE)


def test_an_import_row_without_money_posts_nothing(make_bench: Callable[..., Bench]) -> None:
    """A posting of zero would say nothing."""
    outcome = make_bench().do(import_row(0))
    assert [type(record) for record in outcome.records] == [AccountOpened, CardIssued]


def test_an_import_run_twice_changes_nothing(make_bench: Callable[..., Bench]) -> None:
    """The card's presence says that its row was done, funding included, for ever."""
    bench = make_bench()
    rows = [import_row(card, credit_minor=500, card_id=f"card-{card}") for card in (0, 1)]
    assert [bench.do(row).changed for row in rows] == [True, True]
    bench.wait(400 * DAY_MS)
    before = state_hash(bench.state)
    again = [import_row(card, credit_minor=500, card_id=f"card-new-{card}") for card in (0, 1)]
    assert [(bench.do(row).records, bench.do(row).changed) for row in again] == [((), False)] * 2
    assert (state_hash(bench.state), bench.money) == (before, (1_000, 0, 1_000))


def test_an_import_row_adds_a_card_to_an_account(bench: Bench) -> None:
    """A second card of an account that is there: issued and funded."""
    outcome = bench.do(import_row(1, credit_minor=500))
    assert [type(record) for record in outcome.records] == [CardIssued, Posted]
    assert sorted(bench.account.cards) == ["card-0", "card-1"]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (import_row(0, account="acc-1"), "the card is on another account, 'acc-0'"),
        (import_row(0, expiry="9911"), "the card is here with expiry 9912"),
        (import_row(0, currency=USD), "the account 'acc-0' is in 978, not 840"),
        (
            import_row(0, credit_minor=500),
            "the card is here already, opened with a credit of 0, not 500; credit the account by itself",
        ),
        (import_row(1, currency=USD), "the account 'acc-0' is in 978, not 840"),
    ],
)
def test_import_rows_that_contradict_what_is_here(bench: Bench, row: c.ImportRow, text: str) -> None:
    """A line that says otherwise than the ledger is wrong, and nothing of it is done."""
    assert refusal(bench, row) == ("conflict", text)
