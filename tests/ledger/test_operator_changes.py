"""Controls, replacements, holds, balances, policies, second persons and looks, decided and applied by the ledger."""

from collections.abc import Callable
from typing import Any

import pytest
from ledger_bench import (
    ACCOUNT,
    DAY_MS,
    FAR_MS,
    START_MS,
    Bench,
    audit,
    card_change,
    issue_card,
    request,
    reversal,
)
from msgspec.structs import replace

from authoriser.ledger import commands as c
from authoriser.ledger import operator_changes
from authoriser.ledger import records as r
from authoriser.ledger.commands import CommandRefused
from authoriser.ledger.digest import state_hash
from authoriser.ledger.state import Proposal
from rules import CardState, Controls, Limit, PolicyError, read_policy

NO_ECOMMERCE = Controls(ecommerce=False)
DAILY = Controls(limits=(Limit("", "day", 5_000),))
POLICY = "# another policy\n"


def refusal(bench: Bench, command: c.Command) -> tuple[str, str]:
    """The kind and text of the refusal; nothing may have changed."""
    before = state_hash(bench.state)
    with pytest.raises(CommandRefused) as refused:
        bench.do(command)
    assert state_hash(bench.state) == before
    return refused.value.kind, str(refused.value)


def set_controls(controls: Controls | None, *, card_id: str = "card-0", key: str = "k") -> c.SetControls:
    return c.SetControls(card_id, controls, audit(key, f"card.controls.set:{card_id}:{controls}"))


def replace_card(
    *, old: str = "card-0", new: int = 1, closes_ms: int = START_MS + 30 * DAY_MS, key: str = "k"
) -> c.ReplaceCard:
    noted = audit(key, f"card.replace:{old}:{new}")
    return c.ReplaceCard(old, closes_ms, replace(issue_card(new), audit=noted), noted)


def release(hold_id: int, *, account: str = ACCOUNT, key: str = "k") -> c.ReleaseHold:
    return c.ReleaseHold(account, hold_id, audit(key, f"hold.release:{account}:{hold_id}"))


def adjust(amount_minor: int, *, account: str = ACCOUNT, key: str = "k") -> c.AdjustBalance:
    return c.AdjustBalance(account, amount_minor, audit(key, f"account.adjust:{account}:{amount_minor}"))


def load(text: str = POLICY, *, key: str = "k") -> c.LoadPolicy:
    return c.LoadPolicy(text, audit(key, f"policy.load:{len(text)}"))


def propose(key: str = "k", *, uid: int = 1000, forget_ms: int = START_MS + 7 * DAY_MS) -> c.ProposeChange:
    noted = replace(audit(key, "account.adjust:acc-0:-500"), uid=uid)
    name = operator_changes.proposal_id(key)
    return c.ProposeChange(name, "account.adjust", b'{"amount_minor":-500}', forget_ms, noted)


def end(key: str, *, of: str = "k", confirm: bool = True, uid: int = 2000) -> c.EndProposal:
    name = operator_changes.proposal_id(of)
    verb = "confirm" if confirm else "withdraw"
    return c.EndProposal(name, confirm, replace(audit(key, f"proposals.{verb}:{name}"), uid=uid))


@pytest.mark.parametrize(
    "command",
    [set_controls(NO_ECOMMERCE), replace_card(), adjust(-500), load(), propose()],
    ids=lambda command: type(command).__name__,
)
def test_a_retry_makes_no_record(bench: Bench, command: c.Command) -> None:
    """The acknowledgement was lost: the same key with the same change says `changed`, and changes nothing."""
    first = bench.do(command)
    assert (len(first.records), first.changed) == (1, True)
    again = bench.do(command)
    assert (again.records, again.changed) == ((), True)


@pytest.mark.parametrize(
    ("command", "other"),
    [
        (set_controls(NO_ECOMMERCE), adjust(1)),
        (adjust(-500), replace_card()),
        (load(), propose()),
        (propose(), load()),
    ],
)
def test_a_key_is_for_one_change(bench: Bench, command: c.Command, other: c.Command) -> None:
    """The same key for something else is refused, of an account and of what belongs to none."""
    bench.do(command)
    kind, text = refusal(bench, other)
    assert (kind, text[:44]) == ("conflict", "the key 'k' was used for another change (" + text[41:44])


def test_keys_of_no_account_are_forgotten_by_record_time(bench: Bench) -> None:
    """After its lifetime and a later record of the commons, the key is free."""
    short = replace(load(key="k1").audit, forget_ms=START_MS + DAY_MS)
    bench.do(replace(load(), audit=short))
    bench.wait(DAY_MS)
    bench.do(c.NoteLook("account.show:acc-0", "mara", 1000))
    bench.do(load("# one more\n", key="k2"))
    assert sorted(bench.state.commons.changes) == ["k2"]


# ---- states


@pytest.mark.parametrize("before", list(CardState))
def test_activation_is_for_inactive_cards(make_bench: Callable[..., Bench], before: CardState) -> None:
    """A frozen card is unfrozen, and what is over stays so."""
    bench = make_bench().with_card(state=before)
    command = replace(card_change(CardState.ACTIVE, key="k"), activating=True)
    if before in (CardState.INACTIVE, CardState.ACTIVE):
        outcome = bench.do(command)
        assert (outcome.changed, bench.card.state) == (before is CardState.INACTIVE, CardState.ACTIVE)
        return
    advice = " by activation; unfreeze it" if before is CardState.FROZEN else ""
    text = f"the card card-0 is {before.value} and cannot become active{advice}"
    assert refusal(bench, command) == ("conflict", text)


# ---- controls


def test_controls_hold_from_the_next_request_on(bench: Bench) -> None:
    """They are the card's, whole; None takes them away."""
    bench.do(set_controls(DAILY))
    assert bench.card.controls == DAILY
    bench.do(set_controls(None, key="k2"))
    assert bench.card.controls is None


def test_controls_that_are_there_already(bench: Bench) -> None:
    """Another key for the same controls changes nothing, and says so."""
    bench.do(set_controls(DAILY))
    outcome = bench.do(set_controls(DAILY, key="k2"))
    assert (outcome.records, outcome.changed) == ((), False)


@pytest.mark.parametrize("command", [set_controls(DAILY, card_id="card-9"), replace_card(old="card-9")])
def test_a_card_that_is_not_there(bench: Bench, command: c.Command) -> None:
    assert refusal(bench, command) == ("not_found", "there is no card 'card-9'")


# ---- replacement


def test_a_new_card_goes_on_where_the_old_one_was(bench: Bench) -> None:
    """Same account, the old one's controls and what it used of its limits, one family; the old one ends by itself."""
    bench.do(set_controls(DAILY, key="k0"))
    bench.do(request(1_500))
    bench.do(replace_card(closes_ms=START_MS + 5 * DAY_MS))
    old, new = bench.account.cards["card-0"], bench.account.cards["card-1"]
    assert (old.closes_ms, old.state, old.family) == (START_MS + 5 * DAY_MS, CardState.ACTIVE, "")
    assert (new.family, new.state, new.last_four, new.closes_ms) == ("card-0", CardState.ACTIVE, "0001", 0)
    assert (new.controls, new.spent, new.usage, new.recent) == (DAILY, old.spent, old.usage, old.recent)
    assert bench.state.tokens[new.token] == (bench.account, new)


def test_what_the_new_card_spends_is_not_the_old_ones(bench: Bench) -> None:
    """Both begin with the same figures and count on by themselves."""
    bench.do(request(1_500))
    bench.do(replace_card())
    bench.do(request(1_000, card=1, stan="000002"))
    used = [card.used("").day_minor for card in bench.account.cards.values()]
    assert used == [1_500, 2_500]


def test_both_numbers_pay_until_the_old_one_ends(bench: Bench) -> None:
    """The overlap, and its end to the millisecond."""
    bench.do(replace_card(closes_ms=START_MS + DAY_MS))
    bench.wait(DAY_MS - 1)
    assert bench.answer(request(100))[0] == "approved"
    assert bench.answer(request(100, card=1, stan="000002"))[0] == "approved"
    bench.wait(1)
    assert bench.answer(request(100, stan="000003"))[0] == "card_closed"
    assert bench.answer(request(100, card=1, stan="000004"))[0] == "approved"


def test_a_reversal_finds_the_hold_of_the_replaced_card(bench: Bench) -> None:
    """A card replaced with a hold open: the network reverses with the new number."""
    bench.do(request(1_500))
    bench.do(replace_card(closes_ms=START_MS))
    undo = reversal(request(1_500))
    new = bench.account.cards["card-1"]
    assert bench.answer(replace(undo, token=new.token, last_four="0001")) == ("reversal_done", "00")
    assert bench.money == (10_000, 0, 10_000)


def test_a_lost_card_is_replaced_and_stays_lost(bench: Bench) -> None:
    bench.do(card_change(CardState.LOST, key="k1"))
    bench.do(replace_card())
    states = [card.state for card in bench.account.cards.values()]
    assert states == [CardState.LOST, CardState.ACTIVE]


def test_a_closed_card_is_not_replaced(bench: Bench) -> None:
    bench.do(card_change(CardState.CLOSED, key="k1"))
    text = "the card card-0 is closed, and its customer wants none in its place; issue a new one"
    assert refusal(bench, replace_card()) == ("conflict", text)


def test_a_card_is_replaced_once_and_its_successor_after_it(bench: Bench) -> None:
    """A row of replacements is one family, by its first."""
    bench.do(replace_card())
    text = "the card card-0 was replaced already; replace its successor card-1"
    assert refusal(bench, replace_card(new=2, key="k2")) == ("conflict", text)
    bench.do(replace_card(old="card-1", new=2, key="k2"))
    assert [card.family for card in bench.account.cards.values()] == ["", "card-0", "card-0"]


def test_a_number_that_is_somebodys_replaces_nothing(bench: Bench) -> None:
    bench.do(issue_card(1))
    assert refusal(bench, replace_card()) == ("conflict", "a card with this number exists already (card-1)")


# ---- holds and balances


def test_a_released_hold_gives_back_funds_and_limits(bench: Bench) -> None:
    """The payment ends as released, and counts for its card no more."""
    bench.do(request(1_500))
    (hold_id,) = bench.account.holds
    bench.do(release(hold_id))
    payment = bench.account.payments[hold_id]
    assert (payment.held_minor, payment.authorised_minor, payment.ended) == (0, 0, "released")
    assert bench.money == (10_000, 0, 10_000)
    assert (bench.card.used("").day_minor, bench.card.used("").day_count) == (0, 0)


@pytest.mark.parametrize("hold_id", [1, 99])
def test_a_hold_that_is_not_open(bench: Bench, hold_id: int) -> None:
    text = f"the account 'acc-0' has no open hold {hold_id}"
    assert refusal(bench, release(hold_id)) == ("not_found", text)


def test_a_released_hold_is_not_released_again(bench: Bench) -> None:
    """Another key finds nothing; the same key finds that it was done."""
    bench.do(request(1_500))
    (hold_id,) = bench.account.holds
    bench.do(release(hold_id))
    assert bench.do(release(hold_id)).changed
    assert refusal(bench, release(hold_id, key="k2"))[0] == "not_found"


def test_adjustments_are_double_entries(bench: Bench) -> None:
    """Up and down, into the negative too, against a book of their own."""
    bench.do(adjust(-12_500))
    bench.do(adjust(300, key="k2"))
    assert bench.money == (-2_200, 0, -2_200)
    assert bench.state.commons.books == {"funding:978": -10_000, "adjustments:978": 12_200}


@pytest.mark.parametrize("command", [adjust(1, account="acc-9"), release(1, account="acc-9")])
def test_an_account_that_is_not_there(bench: Bench, command: c.Command) -> None:
    assert refusal(bench, command) == ("not_found", "there is no account 'acc-9'")


# ---- the policy


def test_a_policy_is_in_force_at_once(bench: Bench) -> None:
    """Its text and version stand in the state, and the next decision names it."""
    bench.do(load())
    version = read_policy(POLICY).version
    assert (bench.state.commons.policy_version, bench.state.commons.policy_text) == (version, POLICY)
    bench.do(request(100))
    (decided,) = [record for record in bench.records if isinstance(record, r.Decided)]
    assert decided.policy == version


def test_the_same_policy_changes_nothing(bench: Bench) -> None:
    """Loaded twice under two keys: it was in force already."""
    bench.do(load())
    outcome = bench.do(load(key="k2"))
    assert (outcome.records, outcome.changed) == ((), False)


def test_a_bad_policy_is_refused_and_the_old_one_stays(bench: Bench) -> None:
    """The refusal has the reader's own words, with the line."""
    bench.do(load())
    bad = "this is no TOML\n"
    with pytest.raises(PolicyError) as wrong:
        read_policy(bad)
    assert refusal(bench, load(bad, key="k2")) == ("conflict", str(wrong.value))
    assert bench.state.commons.policy_text == POLICY


# ---- second persons


def waiting(bench: Bench) -> dict[str, Proposal]:
    return bench.state.commons.proposals


def test_a_proposal_waits_with_its_words(bench: Bench) -> None:
    bench.do(propose())
    expected = Proposal(
        at_ms=START_MS,
        method="account.adjust",
        params=b'{"amount_minor":-500}',
        forget_ms=START_MS + 7 * DAY_MS,
        actor="mara",
        uid=1000,
        reason="a test",
    )
    assert waiting(bench) == {operator_changes.proposal_id("k"): expected}


@pytest.mark.parametrize(("confirm", "resolution"), [(True, "confirmed"), (False, "withdrawn")])
def test_a_proposal_ends(bench: Bench, confirm: bool, resolution: str) -> None:
    """It waits no more, a retry makes no record, and a second end finds nothing."""
    bench.do(propose())
    (ended,) = bench.do(end("k2", confirm=confirm)).records
    assert isinstance(ended, r.ProposalEnded)
    assert (ended.resolution, waiting(bench)) == (resolution, {})
    assert bench.do(end("k2", confirm=confirm)).records == ()
    assert refusal(bench, end("k3", confirm=confirm))[0] == "not_found"


def test_nobody_confirms_their_own(bench: Bench) -> None:
    """By uid, whatever name they give; withdrawing is theirs."""
    bench.do(propose(uid=1000))
    text = "uid 1000 proposed it; somebody else has to confirm it"
    assert refusal(bench, end("k2", uid=1000)) == ("forbidden", text)
    bench.do(end("k3", uid=1000, confirm=False))
    assert waiting(bench) == {}


def test_a_proposal_is_forgotten(bench: Bench) -> None:
    """To the millisecond, before any record drops it; the next one of the commons does."""
    bench.do(propose(forget_ms=START_MS + 7 * DAY_MS))
    bench.wait(7 * DAY_MS)
    assert refusal(bench, end("k2"))[0] == "not_found"
    assert len(waiting(bench)) == 1
    bench.do(load(key="k3"))
    assert waiting(bench) == {}


def test_a_retry_of_a_proposal_that_came_to_nothing(bench: Bench) -> None:
    """It was withdrawn since: proposing it again would surprise whoever withdrew it."""
    bench.do(propose())
    bench.do(end("k2", confirm=False))
    name = operator_changes.proposal_id("k")
    text = f"it was proposed under this key ({name}), and came to nothing; ask with a new key"
    assert refusal(bench, propose()) == ("conflict", text)


# ---- looks


def test_every_look_is_a_record(bench: Bench) -> None:
    """Nothing else changes, and two looks are two records."""
    books: dict[str, Any] = dict(bench.state.commons.books)
    look = c.NoteLook("card.show:card-0", "mara", 1000)
    bench.do(look)
    bench.do(look)
    expected = r.Looked(START_MS, "card.show:card-0", "mara", 1000)
    assert bench.records[-2:] == [expected, expected]
    assert (bench.state.commons.books, bench.state.commons.changes) == (books, {})


def test_keys_are_kept_as_long_as_they_say(bench: Bench) -> None:
    """By the audit of each change."""
    bench.do(adjust(1))
    assert bench.account.changes["k"].forget_ms == FAR_MS
