"""The one table of reasons: complete for every profile, and the page that is made from it."""

import re
from pathlib import Path
from string import Formatter

import pytest

import rules
from rules import Reason
from rules.reasons import PLACEHOLDERS, PROFILES, operator_advice, profile, push_text, read_reasons
from rules.reasons_page import page

ROOT = Path(rules.__file__).parents[1]
TABLE = (ROOT / "rules" / "reasons.toml").read_text(encoding="utf-8")


def test_the_profiles() -> None:
    """There are three ways to fill DE39."""
    assert PROFILES == ("generic", "visa-like", "mastercard-like")


@pytest.mark.parametrize("name", PROFILES)
def test_every_reason_has_a_code_in_every_profile(name: str) -> None:
    """Each reason has a DE39 of two alphanumerics."""
    codes = profile(name).codes
    assert list(codes) == [reason.value for reason in Reason]
    assert [code for code in codes.values() if not re.fullmatch("[0-9A-Z]{2}", code)] == []


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_an_advice(reason: Reason) -> None:
    """An operator is told something of each reason."""
    assert operator_advice(reason).endswith((".", "?"))


@pytest.mark.parametrize("reason", Reason)
def test_a_push_has_known_placeholders_only(reason: Reason) -> None:
    """A push can be filled in with an amount and a merchant and nothing else."""
    names = {name for _, name, _, _ in Formatter().parse(push_text(reason)) if name is not None}
    assert names <= PLACEHOLDERS
    assert "{" not in push_text(reason).format(amount="12.00 EUR", merchant="BAR DUE PINI")


def test_what_a_decline_is_told_as() -> None:
    """The codes that were decided on: freeze, not active, closed, PIN wanted, limits, cash at the till."""
    asked = [
        Reason.CARD_FROZEN,
        Reason.CARD_INACTIVE,
        Reason.CARD_CLOSED,
        Reason.PIN_REQUIRED,
        Reason.NOT_AUTHENTICATED,
        Reason.TRANSACTION_LIMIT,
        Reason.AMOUNT_LIMIT,
        Reason.COUNT_LIMIT,
        Reason.CASHBACK_NOT_ALLOWED,
        Reason.INSUFFICIENT_FUNDS,
    ]
    assert {name: [profile(name).codes[reason] for reason in asked] for name in PROFILES} == {
        "generic": ["62", "78", "46", "65", "1A", "61", "61", "65", "87", "51"],
        "visa-like": ["78", "78", "46", "70", "1A", "61", "61", "65", "57", "51"],
        "mastercard-like": ["62", "62", "46", "65", "65", "61", "61", "61", "87", "51"],
    }


@pytest.mark.parametrize("name", PROFILES)
def test_only_approvals_are_told_as_approved(name: str) -> None:
    """No decline can be read as an approval: 00, 10 and 85 are for what went well."""
    told = [reason for reason, code in profile(name).codes.items() if code in {"00", "10", "85"}]
    assert told == [
        "approved",
        "approved_partially",
        "verified",
        "balance_given",
        "advice_accepted",
        "reversal_done",
    ]


def test_refunds_of_the_visa_like_profile() -> None:
    """What a refund is declined with is in the network's list, and so is the code for all others."""
    visa = profile("visa-like")
    assert visa.refund_codes == {"03", "13", "14", "46", "59", "78", "91", "93", "96"}
    assert visa.refund_else in visa.refund_codes


def test_an_unknown_profile_is_named() -> None:
    """The error says which profiles there are."""
    with pytest.raises(
        ValueError, match="profile: found 'visa', expected one of generic, visa-like, mastercard-like"
    ):
        profile("visa")


@pytest.mark.parametrize(
    ("find", "put", "message"),
    [
        ("[reasons.card_lost]", "[reasons.card_lots]", "card_lots"),
        (
            'generic = "41", ',
            "",
            r"reasons\.card_lost\.codes: found visa-like, mastercard-like, expected gen",
        ),
        ('generic = "41"', 'generic = "4"', "regex"),
        ('push = "{amount} at {merchant}."', 'push = "{pan}"', r"push: found \{pan\}, expected \{amount\}"),
        ('advice = "The customer froze', 'advise = "The customer froze', "advise"),
    ],
)
def test_a_table_that_is_wrong(find: str, put: str, message: str) -> None:
    """A wrong key, a missing profile, a bad code or a placeholder that nobody fills in is refused."""
    assert find in TABLE
    with pytest.raises(ValueError, match=message):
        read_reasons(TABLE.replace(find, put, 1))


def test_a_reason_that_is_missing() -> None:
    """A reason that was forgotten is named."""
    start, end = TABLE.index("[reasons.card_lost]"), TABLE.index("[reasons.card_stolen]")
    with pytest.raises(ValueError, match="reasons: none for card_lost, expected every Reason"):
        read_reasons(TABLE[:start] + TABLE[end:])


def test_the_page_is_current() -> None:
    """docs/reasons.md is what `python -m rules.reasons_page docs/reasons.md` writes."""
    assert (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8") == page()
