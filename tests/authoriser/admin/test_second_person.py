"""Changes of more than 100.00 wait for another user, who confirms them with the change in one batch."""

from typing import Any

import pytest

from authoriser.admin.operations import Proposal
from authoriser.admin.rpc import RpcError
from authoriser.admin.testing_issuer import Issuer
from authoriser.journal.batch import decode_batch
from authoriser.ledger import records as r

FIRST, SECOND = 1000, 2000
"""Two users."""


@pytest.fixture
def issuer(careful_issuer: Issuer) -> Issuer:
    return careful_issuer


def balance(issuer: Issuer) -> tuple[int, int]:
    """Balance and what is held."""
    return issuer.look(
        lambda state: (state.accounts["alice"].balance_minor, state.accounts["alice"].held_minor)
    )


def proposed(issuer: Issuer, method: str = "account.adjust", **params: Any) -> str:
    """The proposal of a change that wants a second person; nothing else may have happened."""
    before = balance(issuer)
    if method != "hold.release":
        params.setdefault("amount_minor", -20_000)
    result = issuer.ask_as(FIRST, method, account="alice", **params)
    assert (result.changed, balance(issuer)) == (False, before)
    assert isinstance(result.proposal, str)
    return result.proposal


def refusal(issuer: Issuer, uid: int, method: str, **params: Any) -> tuple[str | None, str]:
    before = balance(issuer), issuer.look(lambda state: dict(state.commons.proposals))
    with pytest.raises(RpcError) as caught:
        issuer.ask_as(uid, method, **params)
    assert (balance(issuer), issuer.look(lambda state: dict(state.commons.proposals))) == before
    return caught.value.kind, caught.value.message


def batches(issuer: Issuer) -> list[list[r.Record]]:
    blobs = issuer._journal.log.batches  # type: ignore[attr-defined]
    return [
        decode_batch(blob, seq=seq, shard=0, previous_hash=None)[0].records
        for seq, blob in enumerate(blobs, 1)
    ]


@pytest.mark.parametrize(
    ("method", "amount_minor"),
    [("account.credit", 10_000), ("account.adjust", 10_000), ("account.adjust", -10_000)],
)
def test_up_to_the_amount_one_person_does(issuer: Issuer, method: str, amount_minor: int) -> None:
    result = issuer.ask_as(FIRST, method, account="alice", amount_minor=amount_minor)
    assert (result.changed, result.proposal) == (True, None)
    assert balance(issuer) == (50_000 + amount_minor, 0)


@pytest.mark.parametrize(
    ("method", "amount_minor"),
    [("account.credit", 10_001), ("account.adjust", 10_001), ("account.adjust", -10_001)],
)
def test_over_the_amount_two_do(issuer: Issuer, method: str, amount_minor: int) -> None:
    """It waits, and is made by the second."""
    name = proposed(issuer, method, amount_minor=amount_minor)
    ended = issuer.ask_as(SECOND, "proposals.confirm", proposal=name)
    assert (ended.resolution, ended.account.balance_minor) == ("confirmed", 50_000 + amount_minor)
    assert balance(issuer) == (50_000 + amount_minor, 0)


def test_a_large_hold_wants_two(issuer: Issuer, pan: str) -> None:
    """By what is held now; a small one does not."""
    issuer.pay(pan, 15_000)
    issuer.pay(pan, 500)
    large, small = issuer.look(lambda state: [str(number) for number in state.accounts["alice"].holds])
    assert issuer.ask_as(FIRST, "hold.release", account="alice", hold=small).changed
    name = proposed(issuer, "hold.release", hold=large)
    issuer.ask_as(SECOND, "proposals.confirm", proposal=name)
    assert balance(issuer) == (50_000, 0)


def test_confirmation_and_change_are_one_batch(issuer: Issuer) -> None:
    """With the words of both: who confirmed stands in the one record, who asked in the other."""
    name = proposed(issuer, actor="mara", reason="paid out twice")
    issuer.ask_as(SECOND, "proposals.confirm", proposal=name, actor="joao", reason="I saw the slip")
    (last,) = [records for records in batches(issuer) if any(isinstance(x, r.ProposalEnded) for x in records)]
    ended, adjusted = last
    assert isinstance(ended, r.ProposalEnded)
    assert isinstance(adjusted, r.Adjusted)
    assert (ended.resolution, ended.audit.actor, ended.audit.uid) == ("confirmed", "joao", SECOND)
    assert (adjusted.audit.actor, adjusted.audit.uid, adjusted.audit.reason) == (
        "mara",
        FIRST,
        "paid out twice",
    )


def test_nobody_confirms_their_own(issuer: Issuer) -> None:
    """By the kernel's word, whatever name they give."""
    name = proposed(issuer)
    kind, text = refusal(issuer, FIRST, "proposals.confirm", proposal=name, actor="somebody else")
    assert (kind, text) == ("forbidden", f"uid {FIRST} proposed it; somebody else has to confirm it")


def test_a_withdrawn_proposal_comes_to_nothing(issuer: Issuer) -> None:
    """Its proposer may, and nobody can confirm it then."""
    name = proposed(issuer)
    assert issuer.ask_as(FIRST, "proposals.withdraw", proposal=name).resolution == "withdrawn"
    assert refusal(issuer, SECOND, "proposals.confirm", proposal=name)[0] == "not_found"
    assert balance(issuer) == (50_000, 0)


def test_a_change_that_became_impossible_leaves_the_proposal(issuer: Issuer, pan: str) -> None:
    """The hold is gone meanwhile: nothing is recorded, not even the confirmation."""
    issuer.pay(pan, 15_000)
    (hold,) = issuer.look(lambda state: [str(number) for number in state.accounts["alice"].holds])
    first, second = proposed(issuer, "hold.release", hold=hold), proposed(issuer, "hold.release", hold=hold)
    assert first != second
    issuer.ask_as(SECOND, "proposals.confirm", proposal=first)
    kind, text = refusal(issuer, SECOND, "proposals.confirm", proposal=second)
    assert (kind, text) == ("not_found", f"the account 'alice' has no open hold {hold}")


def test_retries_of_both_do_nothing_twice(issuer: Issuer) -> None:
    """The proposer's key finds the proposal, and later the change; the confirmer's that it was confirmed."""
    asked = {"account": "alice", "amount_minor": -20_000, "key": "mine"}
    name = proposed(issuer, key="mine")
    assert issuer.ask_as(FIRST, "account.adjust", **asked).proposal == name
    assert len(issuer.ask("proposals.list").proposals) == 1
    for account_shown in (True, False):
        ended = issuer.ask_as(SECOND, "proposals.confirm", proposal=name, key="theirs")
        assert (ended.resolution, ended.account is not None) == ("confirmed", account_shown)
    late = issuer.ask_as(FIRST, "account.adjust", **asked)
    assert (late.changed, late.proposal, late.account.balance_minor) == (True, None, 30_000)


def test_what_waits_is_listed(issuer: Issuer) -> None:
    """With its amount, its proposer and its end; the oldest first."""
    first = proposed(issuer, actor="mara", reason="paid out twice")
    second = proposed(issuer, "account.credit", amount_minor=30_000)
    one, two = issuer.ask("proposals.list").proposals
    expected = Proposal(
        proposal=first,
        at=one.at,
        until=one.until,
        method="account.adjust",
        account="alice",
        amount_minor=-20_000,
        currency="EUR",
        currency_exponent=2,
        hold=None,
        actor="mara",
        uid=FIRST,
        reason="paid out twice",
    )
    assert (one, two.proposal, two.method) == (expected, second, "account.credit")
    assert one.until > one.at


def test_an_import_is_no_way_around(issuer: Issuer) -> None:
    """A line with more than one person may give is a problem, unless its card is here already."""
    row = {"pan": "4000000000000002", "expiry": "4912", "account": "bob", "currency": "EUR"}
    rows = [{"line": 2, **row, "credit_minor": 10_001}, {"line": 3, **row, "credit_minor": 10_000}]
    (problem,) = issuer.ask("import.check", rows=rows).problems
    assert problem.line == 2
    assert problem.message == (
        "a credit of more than 10000 minor units wants a second person; import the card with 0 and credit its "
        "account by itself"
    )


def test_a_journal_replayed_has_the_same_proposals(issuer: Issuer) -> None:
    """They are records like any other (P10)."""
    from authoriser.ledger.apply import apply
    from authoriser.ledger.state import ShardState

    proposed(issuer)
    replayed = ShardState(0)
    for records in batches(issuer):
        for record in records:
            apply(replayed, record)
    assert replayed.commons.proposals == issuer.look(lambda state: state.commons.proposals)
