"""Each rule alone, with its bounds."""

from typing import Any

import pytest
from rules_bench import NO_POLICY, decided

from rules import CardState, Check, Checks, Controls, Entry, Reason, Transaction

APPROVED = Reason.APPROVED
SPENDING = [Transaction.PURCHASE, Transaction.CASH, Transaction.CASHBACK]
NOT_REFUNDS = [
    Transaction.PURCHASE,
    Transaction.CASH,
    Transaction.CASHBACK,
    Transaction.INQUIRY,
    Transaction.VERIFICATION,
]


def of(asked: Transaction, **changed: Any) -> dict[str, Any]:
    """What each kind of request carries: an amount, and notes where it is cashback."""
    amount_minor = 0 if asked in {Transaction.INQUIRY, Transaction.VERIFICATION} else 500
    cashback_minor = 500 if asked is Transaction.CASHBACK else 0
    return {
        "transaction": asked,
        "amount_minor": amount_minor,
        "cashback_minor": cashback_minor,
    } | changed


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Transaction.PURCHASE, Reason.APPROVED),
        (Transaction.CASH, Reason.APPROVED),
        (Transaction.CASHBACK, Reason.APPROVED),
        (Transaction.REFUND, Reason.APPROVED),
        (Transaction.INQUIRY, Reason.BALANCE_GIVEN),
        (Transaction.VERIFICATION, Reason.VERIFIED),
        (Transaction.UNSUPPORTED, Reason.UNSUPPORTED_TRANSACTION),
    ],
)
def test_what_each_request_is_answered(asked: Transaction, expected: Reason) -> None:
    """With nothing against it a payment is approved, a verification verified and a balance given."""
    assert decided(NO_POLICY, **of(asked)) is expected


# ---- what the card is

STATES = [
    (CardState.ACTIVE, None),
    (CardState.INACTIVE, Reason.CARD_INACTIVE),
    (CardState.FROZEN, Reason.CARD_FROZEN),
    (CardState.BLOCKED, Reason.CARD_BLOCKED),
    (CardState.LOST, Reason.CARD_LOST),
    (CardState.STOLEN, Reason.CARD_STOLEN),
    (CardState.CLOSED, Reason.CARD_CLOSED),
]


@pytest.mark.parametrize(("state", "expected"), STATES)
@pytest.mark.parametrize("asked", NOT_REFUNDS)
def test_card_state(asked: Transaction, state: CardState, expected: Reason | None) -> None:
    """Each state but `active` declines with its own reason, questions too."""
    passed = decided(NO_POLICY, **of(asked))
    assert decided(NO_POLICY, **of(asked, card_state=state)) is (expected or passed)


def test_every_card_state_is_tested() -> None:
    """A state added later cannot spend by being forgotten here."""
    assert [state for state, _ in STATES] == sorted(CardState, key=[s for s, _ in STATES].index)
    assert [state for state, reason in STATES if reason is None] == [CardState.ACTIVE]


@pytest.mark.parametrize(
    ("closes_ms", "expected"),
    [
        (0, APPROVED),
        (10_000_001, APPROVED),
        (10_000_000, Reason.CARD_CLOSED),
        (9_999_999, Reason.CARD_CLOSED),
    ],
)
def test_a_replaced_card_ends(closes_ms: int, expected: Reason) -> None:
    """A replaced card is good up to the last millisecond before `closes_ms`; 0 is for good."""
    assert decided(NO_POLICY, closes_ms=closes_ms) is expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (CardState.FROZEN, Reason.CARD_CLOSED),
        (CardState.INACTIVE, Reason.CARD_CLOSED),
        (CardState.LOST, Reason.CARD_LOST),
        (CardState.STOLEN, Reason.CARD_STOLEN),
    ],
)
def test_a_replaced_card_that_is_something_else_too(state: CardState, expected: Reason) -> None:
    """Unfreezing helps a replaced card no more; that somebody may have it is worth more."""
    assert decided(NO_POLICY, closes_ms=1, card_state=state) is expected


@pytest.mark.parametrize(
    ("card_expires_ms", "expiry_matches", "expected"),
    [
        (10_000_001, True, APPROVED),
        (10_000_000, True, Reason.CARD_EXPIRED),
        (9_999_999, True, Reason.CARD_EXPIRED),
        (10_000_001, False, Reason.EXPIRY_MISMATCH),
        (10_000_000, False, Reason.CARD_EXPIRED),
    ],
)
def test_expiry(card_expires_ms: int, expiry_matches: bool, expected: Reason) -> None:
    """Good up to the last millisecond; the card's own end comes before what the message says of it."""
    assert decided(NO_POLICY, card_expires_ms=card_expires_ms, expiry_matches=expiry_matches) is expected


# ---- what is asked


@pytest.mark.parametrize("asked", [t for t in Transaction if t is not Transaction.UNSUPPORTED])
def test_currency(asked: Transaction) -> None:
    """There is no conversion: the message's currency is the account's or the wrong one."""
    assert decided(NO_POLICY, **of(asked, currency="840")) is Reason.WRONG_CURRENCY


@pytest.mark.parametrize("asked", [*SPENDING, Transaction.REFUND])
@pytest.mark.parametrize("amount_minor", [0, -1])
def test_no_amount(asked: Transaction, amount_minor: int) -> None:
    """Zero moves nothing, so it is no payment; less than zero is none either."""
    assert decided(NO_POLICY, **of(asked, amount_minor=amount_minor)) is Reason.INVALID_AMOUNT


@pytest.mark.parametrize(
    ("cashback_minor", "expected"),
    [
        (-1, Reason.INVALID_AMOUNT),
        (0, Reason.INVALID_AMOUNT),
        (1, APPROVED),
        (500, APPROVED),
        (501, Reason.INVALID_AMOUNT),
    ],
)
def test_the_cash_part_of_cashback(cashback_minor: int, expected: Reason) -> None:
    """Notes are more than none of the amount and no more than all of it."""
    assert decided(NO_POLICY, transaction=Transaction.CASHBACK, cashback_minor=cashback_minor) is expected


# ---- who asks


@pytest.mark.parametrize(
    ("proof", "expected"),
    [
        ("mac", Reason.MAC_WRONG),
        ("arqc", Reason.CRYPTOGRAM_WRONG),
        ("cvv", Reason.SECURITY_CODE_WRONG),
        ("pin", Reason.PIN_WRONG),
    ],
)
@pytest.mark.parametrize("asked", NOT_REFUNDS)
def test_a_proof_that_failed(asked: Transaction, proof: str, expected: Reason) -> None:
    """A wrong proof declines with its own reason, whatever is asked and with no policy at all."""
    checks = Checks(**{proof: Check.FAILED})
    assert decided(NO_POLICY, **of(asked, checks=checks)) is expected


def test_a_pin_that_was_tried_too_often() -> None:
    """It is told apart from a wrong one."""
    assert decided(NO_POLICY, checks=Checks(pin=Check.TRIES_EXCEEDED)) is Reason.PIN_TRIES_EXCEEDED


def test_several_proofs_that_failed() -> None:
    """The message first, then the card's, then its holder's."""
    failed = dict.fromkeys(("mac", "arqc", "cvv", "pin"), Check.FAILED)
    found = []
    for name in ("mac", "arqc", "cvv", "pin"):
        found.append(decided(NO_POLICY, checks=Checks(**failed)))
        del failed[name]
    assert found == [
        Reason.MAC_WRONG,
        Reason.CRYPTOGRAM_WRONG,
        Reason.SECURITY_CODE_WRONG,
        Reason.PIN_WRONG,
    ]


@pytest.mark.parametrize("check", [Check.ABSENT, Check.NOT_CHECKED, Check.PASSED])
def test_a_proof_is_accepted_by_default(check: Check) -> None:
    """Where the policy says nothing, only a failure declines."""
    assert decided(NO_POLICY, checks=Checks(check, check, check, check)) is APPROVED


@pytest.mark.parametrize("proof", ["mac", "arqc", "cvv", "pin"])
@pytest.mark.parametrize(("key", "check"), [("not_checked", Check.NOT_CHECKED), ("absent", Check.ABSENT)])
def test_a_proof_that_the_policy_asks_for(proof: str, key: str, check: Check) -> None:
    """The policy declines either of two ways of not being there, each alone."""
    policy = f'[authentication]\n{proof} = {{ {key} = "decline" }}'
    passed = Checks(Check.PASSED, Check.PASSED, Check.PASSED, Check.PASSED)
    told = {}
    for other in (Check.ABSENT, Check.NOT_CHECKED, Check.PASSED):
        checks = Checks(**({n: getattr(passed, n) for n in Checks.__struct_fields__} | {proof: other}))
        told[other] = decided(policy, checks=checks)
    assert told == {
        other: Reason.NOT_AUTHENTICATED if other is check else APPROVED
        for other in (Check.ABSENT, Check.NOT_CHECKED, Check.PASSED)
    }


@pytest.mark.parametrize(
    ("proof", "carried"),
    [
        ("arqc", {Entry.CHIP, Entry.CONTACTLESS, Entry.UNKNOWN}),
        ("cvv", set(Entry) - {Entry.STORED}),
        ("pin", {Entry.CHIP, Entry.MAGSTRIPE, Entry.FALLBACK, Entry.UNKNOWN}),
        ("mac", set(Entry)),
    ],
)
def test_a_proof_is_missed_only_where_it_can_be(proof: str, carried: set[Entry]) -> None:
    """No cryptogram is asked of a stripe, no PIN of an online shop, no security code of one with the card on file."""
    policy = f'[authentication]\n{proof} = {{ absent = "decline" }}'
    assert {entry for entry in Entry if decided(policy, entry=entry) is not APPROVED} == carried


def test_a_failure_is_told_before_what_is_missing() -> None:
    """A wrong PIN says more than a security code that was not sent."""
    policy = '[authentication]\ncvv = { absent = "decline" }'
    assert decided(policy, checks=Checks(pin=Check.FAILED)) is Reason.PIN_WRONG


# ---- what the card may be used for

SWITCHES: list[tuple[str, dict[str, Any], Reason]] = [
    ("magstripe", {"entry": Entry.MAGSTRIPE}, Reason.MAGSTRIPE_OFF),
    ("magstripe", {"entry": Entry.FALLBACK}, Reason.MAGSTRIPE_OFF),
    ("contactless", {"entry": Entry.CONTACTLESS}, Reason.CONTACTLESS_OFF),
    ("ecommerce", {"entry": Entry.ECOMMERCE}, Reason.ECOMMERCE_OFF),
    ("ecommerce", {"entry": Entry.STORED}, Reason.ECOMMERCE_OFF),
    ("cash", {"transaction": Transaction.CASH}, Reason.CASH_OFF),
    (
        "cash",
        {"transaction": Transaction.CASHBACK, "cashback_minor": 100},
        Reason.CASHBACK_NOT_ALLOWED,
    ),
]


@pytest.mark.parametrize(("name", "used", "expected"), SWITCHES)
@pytest.mark.parametrize(
    ("programme", "card", "allowed"),
    [
        (True, None, True),
        (False, None, False),
        (True, False, False),
        (False, True, True),
        (True, True, True),
        (False, False, False),
    ],
)
def test_switches(
    name: str, used: dict[str, Any], expected: Reason, programme: bool, card: bool | None, allowed: bool
) -> None:
    """The programme's word holds where the card has none of its own, and the card's where it has."""
    policy = f"[switches]\n{name} = {str(programme).lower()}"
    controls = None if card is None else Controls(**{name: card})
    expected = APPROVED if allowed else expected
    assert decided(policy, controls=controls, **used) is expected
    # A card with other controls is asked by the longer list of rules, and must be told the same.
    if card is None:
        assert decided(policy, controls=Controls(), **used) is expected


def test_a_switch_is_for_its_own_way_alone() -> None:
    """With all four off, a chip pays and typed-in numbers do."""
    policy = "[switches]\nmagstripe = false\ncontactless = false\necommerce = false\ncash = false"
    paying = {entry for entry in Entry if decided(policy, entry=entry) is APPROVED}
    assert paying == {Entry.CHIP, Entry.MANUAL, Entry.UNKNOWN}


LISTS = [
    ("countries", "country", "country", "PT", "ES", Reason.COUNTRY_NOT_ALLOWED),
    ("mccs", "mcc", "mcc", "5411", "7995", Reason.MCC_NOT_ALLOWED),
    ("merchants", "merchant_id", "merchant", "SHOP1", "SHOP2", Reason.MERCHANT_NOT_ALLOWED),
]


@pytest.mark.parametrize(("section", "fact", "own", "listed", "other", "reason"), LISTS)
def test_lists(section: str, fact: str, own: str, listed: str, other: str, reason: Reason) -> None:
    """A value in the block list declines, and one that an allow list does not have; block goes over allow."""
    allow = f'[{section}]\nallow = ["{listed}"]'
    block = f'[{section}]\nblock = ["{listed}"]'
    both = f'[{section}]\nallow = ["{listed}"]\nblock = ["{listed}"]'
    empty = f"[{section}]\nallow = []\nblock = []"
    told = {
        (name, value): decided(policy, **{fact: value})
        for name, policy in (("allow", allow), ("block", block), ("both", both), ("empty", empty))
        for value in (listed, other, "")
    }
    assert [place for place, found in told.items() if found is reason] == [
        ("allow", other),
        ("allow", ""),
        ("block", listed),
        ("both", listed),
        ("both", other),
        ("both", ""),
    ]
    assert set(told.values()) == {reason, APPROVED}


@pytest.mark.parametrize(("section", "fact", "own", "listed", "other", "reason"), LISTS)
def test_a_cards_own_lists(
    section: str, fact: str, own: str, listed: str, other: str, reason: Reason
) -> None:
    """Each of a card's lists stands in the place of the programme's of that name; an empty one takes it away."""
    policy = f'[{section}]\nallow = ["{listed}"]\nblock = ["{other}"]'

    def told(value: str, **lists: tuple[str, ...]) -> Reason:
        controls = Controls(**{f"{own}_{name}": entries for name, entries in lists.items()})
        return decided(policy, controls=controls, **{fact: value})

    assert [
        told(listed),
        told(other),
        told(other, allow=(other,)),
        told(other, allow=(other,), block=()),
        told(listed, allow=(other,), block=()),
        told(listed, block=(listed,)),
        told("", allow=()),
        told(other, allow=()),
        told(other, allow=(), block=()),
    ] == [APPROVED, reason, reason, APPROVED, reason, reason, APPROVED, reason, APPROVED]


def test_lists_of_mccs_take_ranges_and_classes() -> None:
    """A range has both its ends, and a class's name stands for its categories."""
    policy = '[classes]\ngambling = ["7995"]\n[mccs]\nblock = ["5962-5964", "gambling"]'
    blocked = {
        mcc
        for mcc in ("5961", "5962", "5963", "5964", "5965", "7994", "7995")
        if decided(policy, mcc=mcc) is Reason.MCC_NOT_ALLOWED
    }
    assert blocked == {"5962", "5963", "5964", "7995"}


@pytest.mark.parametrize("controls", [None, Controls()])
def test_entry_modes(controls: Controls | None) -> None:
    """Ways to take a card are listed by the programme alone."""
    allow = '[entry_modes]\nallow = ["chip", "contactless"]\nblock = ["contactless"]'
    told = {entry: decided(allow, entry=entry, controls=controls) for entry in Entry}
    assert {entry for entry, reason in told.items() if reason is APPROVED} == {Entry.CHIP}
    assert set(told.values()) == {APPROVED, Reason.ENTRY_MODE_NOT_ALLOWED}


@pytest.mark.parametrize("asked", [Transaction.INQUIRY, Transaction.VERIFICATION])
def test_questions_are_held_to_switches_and_lists(asked: Transaction) -> None:
    """A card that may not be used at a shop is not verified for it either."""
    policy = '[switches]\necommerce = false\n[countries]\nblock = ["PT"]'
    assert decided(policy, **of(asked)) is Reason.COUNTRY_NOT_ALLOWED
    assert decided(policy, **of(asked, entry=Entry.ECOMMERCE)) is Reason.ECOMMERCE_OFF


# ---- contactless and cashback

TAPS = "[contactless]\ncount = 5\namount_minor = 15000\nexempt = ['4111']"


@pytest.mark.parametrize(
    ("count", "minor", "expected"),
    [
        (0, 0, APPROVED),
        (4, 14_500, APPROVED),
        (5, 0, Reason.PIN_REQUIRED),
        (6, 0, Reason.PIN_REQUIRED),
        (0, 14_501, Reason.PIN_REQUIRED),
    ],
)
def test_taps_since_the_last_pin(count: int, minor: int, expected: Reason) -> None:
    """Five taps and no sixth; up to 150.00 with this one in it, and not a cent more."""
    asked = {"contactless_count": count, "contactless_minor": minor, "entry": Entry.CONTACTLESS}
    assert decided(TAPS, **asked) is expected


def test_either_tapping_limit_alone() -> None:
    """One of them may be off (0 or not there), and so may both."""
    worn = {"contactless_count": 99, "contactless_minor": 99_999, "entry": Entry.CONTACTLESS}
    assert [
        decided("[contactless]\ncount = 0\namount_minor = 0", **worn),
        decided("[contactless]", **worn),
        decided("[contactless]\ncount = 5", **worn),
        decided("[contactless]\namount_minor = 15000", **worn),
    ] == [APPROVED, APPROVED, Reason.PIN_REQUIRED, Reason.PIN_REQUIRED]


@pytest.mark.parametrize(
    "changed",
    [
        {"entry": Entry.CHIP},
        {"mcc": "4111"},
        {"checks": Checks(pin=Check.PASSED)},
        {"transaction": Transaction.REFUND},
    ],
)
def test_what_is_no_tap_without_pin(changed: dict[str, Any]) -> None:
    """A chip, fares, a tap with its PIN, and money that comes back go past the counters."""
    worn = {"contactless_count": 99, "contactless_minor": 99_999, "entry": Entry.CONTACTLESS}
    assert decided(TAPS, **worn) is Reason.PIN_REQUIRED
    assert decided(TAPS, **(worn | changed)) is APPROVED


@pytest.mark.parametrize(
    ("limit", "cashback_minor", "expected"),
    [
        ("amount_minor = 100", 100, APPROVED),
        ("amount_minor = 100", 101, Reason.CASHBACK_NOT_ALLOWED),
        ("amount_minor = 0", 1, Reason.CASHBACK_NOT_ALLOWED),
        ("", 500, APPROVED),
    ],
)
def test_cashback(limit: str, cashback_minor: int, expected: Reason) -> None:
    """Notes up to the limit, none with a limit of zero, any where there is no limit."""
    policy = f"[cashback]\n{limit}"
    asked = {"transaction": Transaction.CASHBACK, "cashback_minor": cashback_minor}
    assert decided(policy, **asked) is expected


# ---- funds and refunds


@pytest.mark.parametrize("asked", SPENDING)
@pytest.mark.parametrize(
    ("available_minor", "expected"),
    [
        (500, APPROVED),
        (499, Reason.INSUFFICIENT_FUNDS),
        (0, Reason.INSUFFICIENT_FUNDS),
        (-20, Reason.INSUFFICIENT_FUNDS),
    ],
)
def test_funds(asked: Transaction, available_minor: int, expected: Reason) -> None:
    """The last minor unit can be spent and not one more."""
    assert decided(NO_POLICY, **of(asked, available_minor=available_minor)) is expected


@pytest.mark.parametrize("asked", [Transaction.INQUIRY, Transaction.VERIFICATION, Transaction.REFUND])
def test_what_needs_no_funds(asked: Transaction) -> None:
    """Questions and refunds are good on an overdrawn account."""
    assert decided(NO_POLICY, **of(asked, available_minor=-1)) is decided(NO_POLICY, **of(asked))


REFUNDED: list[dict[str, Any]] = [
    *({"card_state": state} for state in CardState),
    {"closes_ms": 1},
    {"card_expires_ms": 1},
    {"expiry_matches": False},
    {"checks": Checks(pin=Check.FAILED, cvv=Check.FAILED, arqc=Check.FAILED)},
    {"country": "KP"},
    {"entry": Entry.FALLBACK},
    {"available_minor": -1},
    {"amount_minor": 10**12},
]


@pytest.mark.parametrize("changed", REFUNDED)
def test_a_refund_comes_back_whatever_the_card_is(changed: dict[str, Any]) -> None:
    """The money is the account's: no state, expiry, proof, list, limit or balance holds a refund up."""
    policy = (
        '[switches]\nmagstripe = false\n[countries]\nblock = ["KP"]\n[[limits]]\nwindow = "day"\ncount = 0'
    )
    assert decided(policy, transaction=Transaction.REFUND, **changed) is APPROVED


def test_a_refund_with_a_wrong_mac() -> None:
    """What may have been changed on its way is not believed."""
    changed = Checks(mac=Check.FAILED)
    assert decided(NO_POLICY, transaction=Transaction.REFUND, checks=changed) is Reason.MAC_WRONG
