"""Cards' states, replacement and controls, holds, balances, policies and looks: the real methods over a real socket."""

from typing import Any

import pytest

from authoriser.admin.client import AdminError
from authoriser.admin.operations import PolicyChecked, PolicyLoaded
from authoriser.admin.protocol import METHODS, CardChanged
from authoriser.admin.testing_issuer import Issuer
from rules import default_rules, read_policy

ANOTHER_PAN = "4000000000000002"
CARD = {"last_four": "1232"}
UNSET_CONTROLS = dict.fromkeys(
    (
        *("ecommerce", "contactless", "cash", "magstripe", "mcc_allow", "mcc_block"),
        *("merchant_allow", "merchant_block", "country_allow", "country_block"),
    )
)
POLICY = "# another policy\n"


def refusal(issuer: Issuer, method: str, **params: Any) -> tuple[str | None, str]:
    with pytest.raises(AdminError) as caught:
        issuer.ask(method, **params)
    return caught.value.kind, str(caught.value)


def card_id(issuer: Issuer) -> str:
    return str(issuer.ask("card.show", card=CARD).card.card_id)


def test_every_method_is_served(issuer: Issuer) -> None:
    """The protocol's table and the server's name the same methods."""
    assert set(issuer.methods.methods) == set(METHODS)


# ---- cards


@pytest.mark.parametrize("state", ["close", "lost", "stolen"])
def test_what_is_over_stays_over(issuer: Issuer, pan: str, state: str) -> None:
    """Closed, lost and stolen decline at once, each with its reason, and nothing brings the card back."""
    after = "closed" if state == "close" else state
    changed = issuer.ask(f"card.{state}", card=CARD)
    assert isinstance(changed, CardChanged)
    assert (changed.card.state, changed.changed) == (after, True)
    assert issuer.pay(pan, 100) == f"card_{after}"
    assert issuer.ask(f"card.{state}", card=CARD).changed is False
    for back in ("unfreeze", "activate", "block"):
        assert refusal(issuer, f"card.{back}", card=CARD)[0] == "conflict"


def test_an_inactive_card_pays_once_it_is_activated(issuer: Issuer) -> None:
    """And is not activated by unfreezing it."""
    issuer.ask("card.issue", account="alice", pan=ANOTHER_PAN, expiry="4912", state="inactive")
    named = {"last_four": "0002"}
    assert issuer.pay(ANOTHER_PAN, 100) == "card_inactive"
    kind, text = refusal(issuer, "card.unfreeze", card=named)
    assert (kind, text.partition(" is ")[2]) == (
        "conflict",
        "inactive and cannot become active by unfreezing; activate it",
    )
    assert issuer.ask("card.activate", card=named).card.state == "active"
    assert issuer.pay(ANOTHER_PAN, 100) == "approved"


def test_a_card_gets_a_new_number(issuer: Issuer, pan: str) -> None:
    """Both are shown with the account, the old one with its end; its retry finds the same."""
    old = card_id(issuer)
    asked = {"card": CARD, "pan": ANOTHER_PAN, "expiry": "5001", "overlap_days": 30, "key": "mine"}
    first = issuer.ask("card.replace", **asked)
    again = issuer.ask("card.replace", **asked)
    assert (first, again) == (again, first)
    new, before = first.card, first.old
    assert (new.last_four, new.expiry, new.state, new.family, new.closes_at) == (
        "0002",
        "5001",
        "active",
        old,
        None,
    )
    assert (before.card_id, before.state, before.closes_at is not None) == (old, "active", True)
    assert issuer.ask("account.show", account="alice").account.cards == (before, new)
    assert [issuer.pay(number, 100) for number in (pan, ANOTHER_PAN)] == ["approved", "approved"]


def test_without_an_overlap_the_old_number_is_closed_at_once(issuer: Issuer, pan: str) -> None:
    """It is shown as closed, and declines as closed; a lost one stays lost."""
    replaced = issuer.ask("card.replace", card=CARD, pan=ANOTHER_PAN, expiry="5001")
    assert (replaced.card.state, replaced.old.state) == ("active", "closed")
    assert [issuer.pay(number, 100) for number in (pan, ANOTHER_PAN)] == ["card_closed", "approved"]
    issuer.ask("card.lost", card={"last_four": "0002"})
    again = issuer.ask("card.replace", card={"last_four": "0002"}, pan="4000000000000010", expiry="5001")
    assert (again.card.state, again.old.state, again.card.family) == (
        "active",
        "lost",
        replaced.old.card_id,
    )


@pytest.mark.parametrize(
    ("pan", "text"),
    [
        ("4000000000000003", "the card number's check digit is wrong"),
        ("4000000000001232", "a card with this number exists already"),
    ],
)
def test_a_number_that_replaces_nothing(issuer: Issuer, pan: str, text: str) -> None:
    """Mistyped, or somebody's."""
    kind, said = refusal(issuer, "card.replace", card=CARD, pan=pan, expiry="5001")
    assert (kind, said.startswith(text), pan in said) == ("conflict", True, False)


# ---- controls


def controls(issuer: Issuer, **patch: Any) -> dict[str, Any]:
    """What differs from the programme, after the patch if there is one."""
    if patch:
        result = issuer.ask("card.controls.set", card=CARD, **patch)
    else:
        result = issuer.ask("card.controls.show", card=CARD)
    shown = {name: getattr(result.controls, name) for name in (*UNSET_CONTROLS, "limits")}
    return {name: value for name, value in shown.items() if value not in (None, ())}


def test_a_patch_leaves_what_it_does_not_name(issuer: Issuer) -> None:
    """Absent stays, null is the programme's word again, reset takes all off first."""
    assert controls(issuer) == {}
    assert controls(issuer, ecommerce=False, mcc_block=["7995", "7995"]) == {
        "ecommerce": False,
        "mcc_block": ("7995",),
    }
    assert controls(issuer, cash=True, ecommerce=None) == {"cash": True, "mcc_block": ("7995",)}
    assert controls(issuer, reset=True, country_allow=[]) == {}
    assert issuer.ask("card.controls.show", card=CARD).controls.country_allow == ()
    issuer.ask("card.controls.set", card=CARD, reset=True)
    stored = issuer.look(lambda state: state.accounts["alice"].cards)
    assert [card.controls for card in stored.values()] == [None]


def limits(issuer: Issuer, *asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    result = issuer.ask("card.controls.set", card=CARD, limits=list(asked))
    return [
        (limit.spending, limit.window, limit.amount_minor, limit.count, limit.until)
        for limit in result.controls.limits
    ]


def test_a_limit_replaces_that_of_its_class_and_window(issuer: Issuer) -> None:
    """And one with neither amount nor count is taken away."""
    cash = {"spending": "cash", "window": "day"}
    assert limits(issuer, {**cash, "amount_minor": 20_000}, {"window": "week", "count": 3}) == [
        ("cash", "day", 20_000, None, None),
        ("", "week", None, 3, None),
    ]
    assert limits(issuer, {**cash, "amount_minor": 0, "count": 1}) == [
        ("cash", "day", 0, 1, None),
        ("", "week", None, 3, None),
    ]
    assert limits(issuer, cash) == [("", "week", None, 3, None)]


def test_a_limit_is_of_a_class_that_the_policy_has(issuer: Issuer) -> None:
    """Its own or the three that every policy has; one that went away can still be taken off."""
    lotteries = {"spending": "lotteries", "window": "day"}
    kind, text = refusal(issuer, "card.controls.set", card=CARD, limits=[{**lotteries, "count": 1}])
    assert (kind, text.partition(";")[0]) == ("conflict", "the policy has no class 'lotteries'")
    issuer.ask("policy.load", text='[classes]\nlotteries = ["7995"]\n')
    assert limits(issuer, {**lotteries, "count": 1}) == [("lotteries", "day", None, 1, None)]
    issuer.ask("policy.load", text="# no classes\n")
    assert limits(issuer, lotteries) == []


@pytest.mark.parametrize(
    ("until", "shown"),
    [
        ("2099-07-01T00:00", "2099-06-30T23:00:00.000Z"),
        ("2099-07-01T00:00Z", "2099-07-01T00:00:00.000Z"),
        ("2099-07-01T00:00+02:00", "2099-06-30T22:00:00.000Z"),
        ("2099-01-01", "2099-01-01T00:00:00.000Z"),
    ],
)
def test_an_end_is_in_the_accounts_zone_unless_it_names_one(issuer: Issuer, until: str, shown: str) -> None:
    """Lisbon is an hour ahead in summer."""
    assert limits(issuer, {"window": "day", "count": 1, "until": until}) == [("", "day", None, 1, shown)]


@pytest.mark.parametrize(
    ("until", "text"),
    [
        ("soon", "until should be ISO 8601, as 2026-12-01T00:00 or 2026-12-01T00:00Z"),
        ("2020-01-01T00:00Z", "until is over: it is "),
    ],
)
def test_an_end_that_is_none(issuer: Issuer, until: str, text: str) -> None:
    """Words, and what has passed already."""
    asked = [{"window": "day", "count": 1, "until": until}]
    kind, said = refusal(issuer, "card.controls.set", card=CARD, limits=asked)
    assert (kind, said.startswith(text)) == ("conflict", True)


def test_a_limit_shows_what_was_used_of_it(issuer: Issuer, pan: str) -> None:
    """This period's amount and count; a single payment has none."""
    issuer.pay(pan, 1_500)
    issuer.pay(pan, 500)
    asked = [
        {"window": "day", "amount_minor": 9_000, "count": 9},
        {"window": "transaction", "amount_minor": 1},
    ]
    shown = issuer.ask("card.controls.set", card=CARD, limits=asked).controls.limits
    assert [(limit.used_minor, limit.used_count) for limit in shown] == [(2_000, 2), (None, None)]


def test_a_key_is_for_one_patch(issuer: Issuer) -> None:
    """Another patch under it is refused; the same one is a retry."""
    issuer.ask("card.controls.set", card=CARD, cash=False, key="mine")
    assert issuer.ask("card.controls.set", card=CARD, cash=False, key="mine").changed
    assert refusal(issuer, "card.controls.set", card=CARD, cash=True, key="mine")[0] == "conflict"


# ---- money


def test_a_hold_is_shown_with_its_payment_and_released(issuer: Issuer, pan: str) -> None:
    """What is held, authorised and captured of it; then nothing is held, and the payment is still known."""
    assert issuer.pay(pan, 1_500) == "approved"
    (hold,) = issuer.ask("account.show", account="alice").account.holds
    shown = (hold.amount_minor, hold.authorised_minor, hold.captured_minor, hold.merchant, hold.rrn)
    assert shown == (1_500, 1_500, 0, "SHOP", "RRN000001")
    assert hold.approval_codes == (hold.approval_code,)
    after = issuer.ask("hold.release", account="alice", hold=hold.hold_id)
    assert (after.changed, after.account.holds, after.account.available_minor) == (True, (), 50_000)
    kind, text = refusal(issuer, "hold.release", account="alice", hold=hold.hold_id)
    assert (kind, text) == ("not_found", f"the account 'alice' has no open hold {hold.hold_id}")


def test_a_balance_is_adjusted_down_into_the_negative(issuer: Issuer) -> None:
    changed = issuer.ask("account.adjust", account="alice", amount_minor=-60_000)
    assert (changed.account.balance_minor, changed.proposal) == (-10_000, None)


def test_an_account_is_opened_under_its_key_once(issuer: Issuer) -> None:
    """The key is for this account in this currency with this line: asked otherwise, it is another change."""
    bob = {"account": "bob", "currency": "EUR", "key": "mine"}
    assert issuer.ask("account.open", **bob).changed
    assert issuer.ask("account.open", **bob).changed
    kind, text = refusal(issuer, "account.open", **{**bob, "currency": "USD"})
    assert (kind, text[:51]) == ("conflict", "the key 'mine' was used for another change (account")


# ---- the policy


def test_a_policy_is_loaded_and_shown(issuer: Issuer) -> None:
    """The default first; then the text as it was loaded, once."""
    before = issuer.ask("policy.show")
    assert (before.version, before.default) == (default_rules().version, True)
    version = read_policy(POLICY).version
    assert issuer.ask("policy.check", text=POLICY) == PolicyChecked(version, loaded=False)
    assert issuer.ask("policy.load", text=POLICY) == PolicyLoaded(version, changed=True)
    assert issuer.ask("policy.load", text=POLICY) == PolicyLoaded(version, changed=False)
    assert issuer.ask("policy.check", text=POLICY) == PolicyChecked(version, loaded=True)
    shown = issuer.ask("policy.show")
    assert (shown.version, shown.default, shown.text) == (version, False, POLICY)


@pytest.mark.parametrize("method", ["policy.check", "policy.load"])
def test_a_bad_policy_is_refused_and_the_old_one_stays(issuer: Issuer, method: str) -> None:
    """With the line that is wrong."""
    issuer.ask("policy.load", text=POLICY)
    kind, text = refusal(issuer, method, text="# fine\n[classes]\nlotteries = 7995\n")
    assert (kind, text.startswith("policy:3: ")) == ("conflict", True)
    assert issuer.ask("policy.show").text == POLICY


# ---- the exception list


def test_an_exception_is_dismissed(issuer: Issuer) -> None:
    """It leaves the list, and is not there to be settled again."""
    from authoriser.ledger.commands import NoteException

    issuer.execute(NoteException("e-1", "malformed", "test", "net", "0420", "90", "no digits", "1232", 100))
    (entry,) = issuer.ask("exceptions.list").exceptions
    assert (entry.exception_id, entry.account, entry.candidates) == ("e-1", None, ())
    settled = issuer.ask("exceptions.settle", exception="e-1")
    assert (settled.resolution, settled.changed) == ("dismissed", True)
    assert issuer.ask("exceptions.list").exceptions == ()
    assert refusal(issuer, "exceptions.settle", exception="e-1")[0] == "not_found"


# ---- looks


def looks(issuer: Issuer) -> list[tuple[str, str]]:
    from authoriser.journal.batch import decode_batch
    from authoriser.ledger.records import Looked

    batches = issuer._journal.log.batches  # type: ignore[attr-defined]
    records = [
        record
        for seq, blob in enumerate(batches, 1)
        for record in decode_batch(blob, seq=seq, shard=0, previous_hash=None)[0].records
    ]
    return [(record.what, record.actor) for record in records if isinstance(record, Looked)]


def test_a_look_is_durable_before_its_answer(issuer: Issuer) -> None:
    """Each reading of a card or an account, by the name that was given or the peer's own."""
    import pwd

    user = pwd.getpwuid(__import__("os").geteuid()).pw_name
    issuer.ask("account.show", account="alice", actor="mara")
    assert looks(issuer) == [("account.show:alice", "mara")]
    name = card_id(issuer)
    issuer.ask("card.controls.show", card=CARD)
    assert looks(issuer)[1:] == [(f"card.show:{name}", user), (f"card.controls.show:{name}", user)]


@pytest.mark.parametrize("method", ["exceptions.list", "policy.show", "proposals.list"])
def test_what_is_no_card_is_not_a_look(issuer: Issuer, method: str) -> None:
    issuer.ask(method)
    assert looks(issuer) == []


def test_what_is_not_there_is_not_a_look(issuer: Issuer) -> None:
    assert refusal(issuer, "account.show", account="bob")[0] == "not_found"
    assert looks(issuer) == []
