"""Policy files: what they say, and each thing that can be wrong with one, with its line."""

import hashlib
import tomllib
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules_bench import NO_POLICY, STRICT, decided, facts

from rules import (
    Check,
    Checks,
    Entry,
    PolicyError,
    Reason,
    Spend,
    Transaction,
    Usage,
    default_rules,
    read_policy,
)
from rules.policy import DAY_MS
from rules.policy_reading import CLASSES_MAX, PROBLEMS_MAX, TEXT_MAX_CHARACTERS
from rules.policy_values import ENTRIES_MAX

DEFAULT = files("rules").joinpath("default_policy.toml").read_text(encoding="utf-8")
SECTIONS = {
    "switches",
    "authentication",
    "entry_modes",
    "countries",
    "mccs",
    "merchants",
    "contactless",
    "cashback",
    "classes",
    "limits",
    "velocity",
    "holds",
}


def refused(text: str) -> list[str]:
    """The problems of a policy, a line each."""
    with pytest.raises(PolicyError) as error:
        read_policy(text, "p.toml")
    return str(error.value).splitlines()


# ---- what is delivered


@pytest.mark.parametrize("text", [DEFAULT, STRICT])
def test_delivered_policies_have_every_section(text: str) -> None:
    """Both can be started from: nothing that can be said is missing in them."""
    assert set(tomllib.loads(text)) == SECTIONS
    read_policy(text)


def test_the_version_is_the_texts() -> None:
    """Twelve digits of the SHA-256 of the very text, so that a comment is another version."""
    rules = read_policy("# a\n")
    assert (rules.text, rules.version) == ("# a\n", hashlib.sha256(b"# a\n").hexdigest()[:12])
    assert read_policy("# b\n").version != rules.version


def test_the_default_policy() -> None:
    """It is the file beside the rules, and read once."""
    assert default_rules().text == DEFAULT
    assert default_rules().version == hashlib.sha256(DEFAULT.encode()).hexdigest()[:12]
    assert default_rules() is default_rules()


@pytest.mark.parametrize(
    ("entry", "mcc", "asked"),
    [
        *((entry, "5411", Transaction.PURCHASE) for entry in Entry),
        (Entry.CONTACTLESS, "4111", Transaction.PURCHASE),
        (Entry.ECOMMERCE, "5399", Transaction.PURCHASE),
        (Entry.STORED, "5815", Transaction.PURCHASE),
        (Entry.MANUAL, "5964", Transaction.PURCHASE),
    ],
)
def test_the_default_lets_a_busy_shop_through(entry: Entry, mcc: str, asked: Transaction) -> None:
    """One card paying without a pause all day, each way that the simulator pays, meets no limit."""
    rules = default_rules()
    classes = rules.classes(asked, mcc, entry)
    worn = Usage(
        day=10**6,
        day_minor=10**12,
        day_count=10**6,
        week=10**6,
        week_minor=10**12,
        week_count=10**6,
        month=10**6,
        month_minor=10**12,
        month_count=10**6,
    )
    reason = decided(
        rules,
        entry=entry,
        mcc=mcc,
        transaction=asked,
        amount_minor=1_000_000,
        available_minor=1_000_000,
        classes=classes,
        usage=(worn,) * (1 + len(classes)),
        recent=tuple(Spend(10_000_000, number, 10**6, classes) for number in range(64)),
        contactless_count=10**6,
        contactless_minor=10**12,
        checks=Checks(*[Check.NOT_CHECKED] * 4),
    )
    assert reason is Reason.APPROVED


def test_the_strict_policy_lets_an_ordinary_payment_through() -> None:
    """Tight is not shut: chip and PIN at a grocer's is approved, and a sixth tap is not."""
    passed = Checks(*[Check.PASSED] * 4)
    assert decided(STRICT, checks=passed) is Reason.APPROVED
    tapped: dict[str, Any] = {
        "entry": Entry.CONTACTLESS,
        "classes": ("contactless",),
        "usage": (Usage(), Usage()),
        "checks": Checks(Check.ABSENT, Check.ABSENT, Check.PASSED, Check.PASSED),
    }
    assert decided(STRICT, contactless_count=4, **tapped) is Reason.APPROVED
    assert decided(STRICT, contactless_count=5, **tapped) is Reason.PIN_REQUIRED


# ---- what a rule set can be asked


@pytest.mark.parametrize(
    ("asked", "mcc", "entry", "expected"),
    [
        (Transaction.PURCHASE, "5411", Entry.CHIP, ()),
        (Transaction.PURCHASE, "5411", Entry.CONTACTLESS, ("contactless",)),
        (Transaction.PURCHASE, "5411", Entry.ECOMMERCE, ("ecommerce",)),
        (Transaction.PURCHASE, "5411", Entry.STORED, ("ecommerce",)),
        (Transaction.PURCHASE, "7995", Entry.CHIP, ("gambling", "fun")),
        (Transaction.PURCHASE, "7801", Entry.ECOMMERCE, ("ecommerce", "gambling")),
        (Transaction.CASH, "6011", Entry.CHIP, ("cash",)),
        (Transaction.CASH, "6011", Entry.CONTACTLESS, ("cash", "contactless")),
        (Transaction.CASHBACK, "5411", Entry.CHIP, ()),
        (Transaction.REFUND, "7995", Entry.ECOMMERCE, ()),
        (Transaction.INQUIRY, "6011", Entry.CHIP, ()),
        (Transaction.VERIFICATION, "7995", Entry.ECOMMERCE, ()),
        (Transaction.UNSUPPORTED, "7995", Entry.ECOMMERCE, ()),
    ],
)
def test_classes(asked: Transaction, mcc: str, entry: Entry, expected: tuple[str, ...]) -> None:
    """By what is asked, how the card was taken, and the shop; in the policy's order."""
    rules = read_policy('[classes]\ngambling = ["7800-7802", "7995"]\nfun = ["7995"]')
    assert rules.classes(asked, mcc, entry) == expected


@pytest.mark.parametrize(
    ("entry", "mcc", "pin", "asked", "expected"),
    [
        (Entry.CONTACTLESS, "5411", Check.ABSENT, Transaction.PURCHASE, 1),
        (Entry.CONTACTLESS, "5411", Check.NOT_CHECKED, Transaction.CASHBACK, 1),
        (Entry.CONTACTLESS, "4111", Check.ABSENT, Transaction.PURCHASE, 0),
        (Entry.CONTACTLESS, "5411", Check.PASSED, Transaction.PURCHASE, 2),
        (Entry.CONTACTLESS, "4111", Check.PASSED, Transaction.PURCHASE, 2),
        (Entry.CHIP, "5411", Check.PASSED, Transaction.PURCHASE, 2),
        (Entry.CHIP, "6011", Check.PASSED, Transaction.CASH, 2),
        (Entry.CHIP, "5411", Check.NOT_CHECKED, Transaction.PURCHASE, 0),
        (Entry.MAGSTRIPE, "5411", Check.PASSED, Transaction.PURCHASE, 0),
        (Entry.ECOMMERCE, "5411", Check.PASSED, Transaction.PURCHASE, 0),
        (Entry.CONTACTLESS, "5411", Check.ABSENT, Transaction.REFUND, 0),
        (Entry.CONTACTLESS, "5411", Check.ABSENT, Transaction.VERIFICATION, 0),
    ],
)
def test_contactless_effect(entry: Entry, mcc: str, pin: Check, asked: Transaction, expected: int) -> None:
    """A tap without PIN adds to the counters, a payment with chip and PIN begins them again, fares do nothing."""
    rules = read_policy('[contactless]\ncount = 5\nexempt = ["4111"]')
    counted = rules.sort(asked, mcc, entry).count(739_000, pin=pin is Check.PASSED)
    assert counted.contactless == expected


def test_hold_lifetimes() -> None:
    """Seven days, or as the policy says for the shop."""
    rules = read_policy(
        '[holds]\ndefault_days = 5\n[[holds.longer]]\nmccs = ["7011", "3501-3502"]\ndays = 30'
    )
    asked = ("7011", "3500", "3501", "3502", "3503", "")
    assert [NO_POLICY.hold_lifetime_ms(mcc) // DAY_MS for mcc in asked] == [7] * 6
    assert [rules.hold_lifetime_ms(mcc) // DAY_MS for mcc in asked] == [30, 5, 30, 30, 5, 5]
    assert [default_rules().hold_lifetime_ms(mcc) // DAY_MS for mcc in ("7011", "7512", "4411", "5411")] == [
        30,
        30,
        30,
        7,
    ]


# ---- what is wrong, and where

WRONG = [
    ("a = ", "1: not TOML: Invalid value"),
    ("[switches\n", "1: not TOML: Expected ']' at the end of a table declaration"),
    ("\n\n[switches]\ncash = yes", "4: not TOML: Invalid value"),
    ("[switches]\ncash = true\ncash = true", "3: not TOML: Cannot overwrite a value"),
    ("a = [", "1: not TOML: Invalid value"),
    ("a = '\ud800'", "1: not TOML: UnicodeEncodeError"),
    ("a = " + "[" * 9_999, "1: not TOML: RecursionError"),
    ("a = " + "9" * 9_999, "1: not TOML: ValueError"),
    (
        "\n[switchs]\ncash = true",
        (
            "2: switchs: no such key; there are switches, authentication, entry_modes, countries, mccs, merchants, "
            "contactless, cashback, classes, limits, velocity, holds; did you mean switches?"
        ),
    ),
    (
        "[switches]\n\ncahs = false",
        "3: switches.cahs: no such key; there are magstripe, contactless, ecommerce, cash; did you mean cash?",
    ),
    ("[switches]\ncash = 1", "2: switches.cash: found 1, expected true or false"),
    ("switches = 1", "1: switches: found 1, expected a table: [switches]"),
    ("[[switches]]", "1: switches: found a list, expected a table: [switches]"),
    (
        "[authentication]\ncvc = {}",
        "2: authentication.cvc: no such key; there are mac, arqc, cvv, pin; did you mean cvv?",
    ),
    (
        '[authentication]\npin = "accept"',
        '2: authentication.pin: found "accept", expected a table: [authentication.pin]',
    ),
    (
        '[authentication]\npin = { absent = "acept" }',
        '2: authentication.pin.absent: found "acept", expected "accept" or "decline"; did you mean accept?',
    ),
    (
        "[authentication]\npin = { absent = [] }",
        '2: authentication.pin.absent: found a list, expected "accept" or "decline"',
    ),
    (
        "[entry_modes]\nallow = [\n'chip',\n'contactles']",
        (
            '4: entry_modes.allow[2]: found "contactles", expected one of chip, contactless, magstripe, fallback, '
            "manual, ecommerce, stored, unknown; did you mean contactless?"
        ),
    ),
    (
        "[countries]\nblock = ['UK']",
        (
            '2: countries.block[1]: found "UK", expected a country of ISO 3166 in two capital letters, as "PT"; '
            "did you mean GB?"
        ),
    ),
    (
        "[countries]\nblock = ['pt']",
        (
            '2: countries.block[1]: found "pt", expected a country of ISO 3166 in two capital letters, as "PT"; '
            "did you mean PT?"
        ),
    ),
    (
        "[countries]\nblock = ['620']",
        '2: countries.block[1]: found "620", expected a country of ISO 3166 in two capital letters, as "PT"',
    ),
    ("[countries]\nblock = 'PT'", '2: countries.block: found "PT", expected a list in [brackets]'),
    (
        "[mccs]\nblock = [7995]",
        (
            '2: mccs.block[1]: found 7995, expected a merchant category in quotes: four digits, as "5812", or a range, '
            'as "5962-5969"'
        ),
    ),
    (
        "[mccs]\nallow = ['5969-5962']",
        (
            '2: mccs.allow[1]: found "5969-5962", expected a merchant category in quotes: four digits, as "5812", '
            'or a range, as "5962-5969"'
        ),
    ),
    (
        "[mccs]\nallow = ['gambing']\n[classes]\ngambling = ['7995']",
        (
            '2: mccs.allow[1]: found "gambing", expected a merchant category in quotes: four digits, as "5812", or a '
            'range, as "5962-5969", or a class; did you mean gambling?'
        ),
    ),
    (
        "[merchants]\nblock = ['A MERCHANT OF 16']",
        (
            '2: merchants.block[1]: found "A MERCHANT OF 16", expected a merchant\'s id of 1 to 15 characters without '
            "space around it (DE42)"
        ),
    ),
    (
        "[contactless]\ncount = -1",
        "2: contactless.count: found -1, expected a whole number from 0 to 1,000,000,000",
    ),
    (
        "[contactless]\nexempt = ['411']",
        (
            '2: contactless.exempt[1]: found "411", expected a merchant category in quotes: four digits, as "5812", '
            'or a range, as "5962-5969"'
        ),
    ),
    (
        "[cashback]\namount_minor = 1.5",
        "2: cashback.amount_minor: found 1.5, expected a whole number from 0 to 1,000,000,000,000,000",
    ),
    (
        "[classes]\ncash = ['6011']",
        "2: classes.cash: every policy has cash, ecommerce, contactless; expected another name",
    ),
    (
        "[classes]\nBig = ['6011']",
        "2: classes.Big: expected a name of up to 32 small letters, digits, - and _",
    ),
    ("[classes]\nempty = []", "2: classes.empty: found no merchant category, expected at least one"),
    (
        "[[limits]]\nclass = 'kash'\nwindow = 'day'\ncount = 1",
        (
            '2: limits[1].class: found "kash", expected one of cash, ecommerce, contactless, or no class for all '
            "spending; did you mean cash?"
        ),
    ),
    (
        "[[limits]]\nclass = 3\nwindow = 'day'\ncount = 1",
        "2: limits[1].class: found 3, expected one of cash, ecommerce, contactless, or no class for all spending",
    ),
    (
        "[[limits]]\ncount = 1\nwindow = 'dai'",
        '3: limits[1].window: found "dai", expected one of transaction, day, week, month; did you mean day?',
    ),
    (
        "\n[[limits]]\ncount = 1",
        "2: limits[1].window: found no window, expected one of transaction, day, week, month",
    ),
    (
        "[[limits]]\nwindow = 'transaction'\namount_minor = 1\ncount = 1",
        "4: limits[1].count: one transaction is one; expected amount_minor alone",
    ),
    ("[[limits]]\nwindow = 'day'", "1: limits[1]: limits nothing; expected amount_minor, count or both"),
    (
        "[[limits]]\nwindow = 'day'\namount = 1\ncount = 1",
        "3: limits[1].amount: no such key; there are class, window, amount_minor, count; did you mean amount_minor?",
    ),
    (
        "[[limits]]\nwindow = 'day'\ncount = 1\n[[limits]]\nclass = ''\nwindow = 'day'\ncount = 2",
        "4: limits[2]: the same class and window as in line 1; expected one of them",
    ),
    (
        "[[limits]]\nwindow = 'day'\ncount = true",
        "3: limits[1].count: found true, expected a whole number from 0 to 1,000,000,000",
    ),
    (
        "[limits]\nwindow = 'day'",
        "1: limits: found a table, expected tables, each begun with [[limits]]",
    ),
    ("limits = [\n1]", "2: limits[1]: found 1, expected a table, begun with [[limits]]"),
    ("[[velocity]]\nminutes = 1", "1: velocity[1]: found no count, expected count = 1 to 64"),
    ("[[velocity]]\ncount = 1", "1: velocity[1]: found no minutes, expected minutes = 1 to 1440"),
    (
        "[[velocity]]\ncount = 65\nminutes = 1",
        "2: velocity[1].count: found 65, expected a whole number from 1 to 64",
    ),
    (
        "[[velocity]]\ncount = 1\nminutes = 1441",
        "3: velocity[1].minutes: found 1441, expected a whole number from 1 to 1,440",
    ),
    (
        "[[velocity]]\ncount = 1\nminutes = 1\n[[velocity]]\ncount = 2\nminutes = 1",
        "4: velocity[2]: the same class and minutes as in line 1; expected one of them",
    ),
    (
        "[holds]\ndefault_days = 0",
        "2: holds.default_days: found 0, expected a whole number from 1 to 366",
    ),
    ("[[holds.longer]]\ndays = 3", "1: holds.longer[1]: found no mccs, expected both mccs and days"),
    (
        "[[holds.longer]]\nmccs = ['7011']",
        "1: holds.longer[1]: found no days, expected both mccs and days",
    ),
    (
        "[[holds.longer]]\nmccs = ['7011']\ndays = 3\n[[holds.longer]]\nmccs = ['7000-7999']\ndays = 4",
        "4: holds.longer[2]: 7011 has days above already; expected it once",
    ),
    (
        "holds = { longer = 3 }",
        "1: holds.longer: found 3, expected tables, each begun with [[holds.longer]]",
    ),
]


@pytest.mark.parametrize(("text", "problem"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_what_is_wrong_is_told_with_its_line(text: str, problem: str) -> None:
    """The file, the line, the place, what was found, what would be right, and the nearest right name."""
    assert refused(text) == [f"p.toml:{problem}"]


def test_everything_wrong_is_told_at_once() -> None:
    """One look at the refusal is enough to mend the file; problems stand in the order of its lines."""
    text = '[cashback]\namount_minor = -1\n[switches]\ncash = "no"\n[countries]\nallow = ["XX", "YY"]'
    assert [problem.partition(": ")[0] for problem in refused(text)] == [
        "p.toml:2",
        "p.toml:4",
        "p.toml:6",
        "p.toml:6",
    ]


def test_a_problem_is_one_line() -> None:
    """A value or a key with a line's end in it does not break the list."""
    assert refused('[switches]\n"a\\nb" = 1\n[countries]\nblock = ["a\\nb"]') == [
        "p.toml:1: switches.a b: no such key; there are magstripe, contactless, ecommerce, cash",
        'p.toml:4: countries.block[1]: found "a b", expected a country of ISO 3166 in two capital letters, as "PT"',
    ]


def test_limits_on_the_file_itself() -> None:
    """A text, its classes, its tables and its list of problems have bounds."""
    classes = "[classes]\n" + "".join(f"c{number} = ['5411']\n" for number in range(CLASSES_MAX + 1))
    limits = "[[limits]]\nwindow = 'day'\ncount = 1\n" * (ENTRIES_MAX + 1)
    many = "[countries]\nallow = [" + "'XX', " * (PROBLEMS_MAX + 3) + "]"
    assert [
        refused("#" * (TEXT_MAX_CHARACTERS + 1)),
        refused(classes),
        refused(limits),
        refused(many)[PROBLEMS_MAX:],
    ] == [
        ["p.toml:1: found 262,145 characters, expected at most 262,144"],
        ["p.toml:1: classes: found 33 classes, expected at most 32"],
        ["p.toml:1: limits: found 257 entries, expected at most 256"],
        ["and 3 more"],
    ]


@given(
    st.recursive(
        st.sampled_from([0, -1, True, 1.5, "", "day", "cash", "5411", "PT", "decline"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "class",
                        "window",
                        "count",
                        "minutes",
                        "allow",
                        "absent",
                        "pin",
                        "longer",
                        "days",
                        "mccs",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ),
    st.sampled_from(sorted(SECTIONS)),
)
def test_any_shape_is_read_or_refused(value: Any, section: str) -> None:
    """Whatever stands in a section: a rule set, or a PolicyError with lines, and nothing else."""
    text = f"\n{section} = {_toml(value)}"
    tomllib.loads(text)
    try:
        read_policy(text, "p.toml").evaluate(facts())
    except PolicyError as error:
        assert all(line.startswith("p.toml:2: ") for line in str(error).splitlines())  # noqa: PT017


def _toml(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return str(value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes anything but a rule set or a PolicyError."""
    try:
        read_policy(text)
    except PolicyError as error:
        assert str(error).startswith("policy:")  # noqa: PT017
