"""The format is strict, and the runner notices: a scenario that says what is not so fails, whatever the lie."""

from pathlib import Path

import pytest

from tests.scenarios.format import ScenarioError, duration_ms, read_scenario
from tests.scenarios.in_process import play_in_process
from tests.scenarios.messages import minor, money, pan

GOOD = """
title = "One purchase, cleared"
why = "The shortest story with everything in it."

[[step]]
send = "0100"
name = "purchase"
card = "A"
amount = "40.00"
fee = "1.00"
reply = { code = "00" }
payments.purchase = { state = "open", held = "41.00", authorised = "41.00", captured = "0.00", codes = 1 }
accounts.alice = { balance = "100.00", held = "41.00", available = "59.00" }

[[step]]
clear = "presentment"
about = "purchase"
amount = "40.00"
fee = "1.00"
outcome = "matched"
difference = "0.00"
books = { "settlement" = "40.00", "fees" = "1.00" }
exceptions = []
accounts.alice = { balance = "59.00", held = "0.00", available = "59.00" }
"""


def play(tmp_path: Path, text: str) -> None:
    path = tmp_path / "story.toml"
    path.write_text(text, encoding="utf-8")
    play_in_process(read_scenario(path))


def failures(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in failures(inner)]
    return [error]


def test_a_true_story_passes(tmp_path: Path) -> None:
    """What the lies below are made from."""
    play(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("truth", "lie"),
    [
        ('code = "00"', 'code = "05"'),
        ('code = "00"', 'code = "00", approval_code = false'),
        ('code = "00"', 'code = "00", amount = "39.00"'),
        ('code = "00"', 'code = "00", amounts = [{ type = "57", amount = "40.00" }]'),
        ('state = "open"', 'state = "captured"'),
        ('held = "41.00", auth', 'held = "40.00", auth'),
        ('authorised = "41.00"', 'authorised = "40.00"'),
        ('captured = "0.00"', 'captured = "0.01"'),
        ("codes = 1", "codes = 2"),
        ('balance = "100.00"', 'balance = "100.01"'),
        ('available = "59.00" }\n\n', 'available = "58.99" }\n\n'),
        ('outcome = "matched"', 'outcome = "forced"'),
        ('difference = "0.00"', 'difference = "0.01"'),
        ('"settlement" = "40.00"', '"settlement" = "41.00"'),
        ('"fees" = "1.00"', '"fees" = "0.00"'),
        ("exceptions = []", 'exceptions = ["clearing_ambiguous"]'),
    ],
)
def test_a_lie_fails(tmp_path: Path, truth: str, lie: str) -> None:
    """Each thing that a file can say is held against what is there."""
    assert truth in GOOD
    with pytest.raises(BaseExceptionGroup) as failed:
        play(tmp_path, GOOD.replace(truth, lie, 1))
    assert [type(error) for error in failures(failed.value)] == [AssertionError]


def test_an_exception_that_nobody_named_fails(tmp_path: Path) -> None:
    """The exception list is looked at after every step."""
    story = GOOD.replace(
        'amount = "40.00"\nfee = "1.00"\noutcome', 'amount = "40.00"\ncurrency = "USD"\noutcome'
    )
    with pytest.raises(BaseExceptionGroup):
        play(tmp_path, story.replace('fee = "1.00"\noutcome = "matched"', 'outcome = "suspense"'))


@pytest.mark.parametrize(
    ("truth", "wrong", "said"),
    [
        ("fee =", "feee =", "step 1 (send): Object contains unknown field `feee`"),
        ("why =", "whi =", "Object contains unknown field `whi`"),
        ('send = "0100"', 'wait = "a while"', "step 1 (wait): Object contains unknown field `name`"),
        ('send = "0100"', "", "step 1 has no verb; one of send"),
        ('send = "0100"', 'send = "0100"\nclear = "refund"', "step 1 has ['send', 'clear']; one of send"),
        ('card = "A"', 'card = "B"', "step 1: there is no card B"),
        ('card = "A"', "", "step 1: whose card? Say card, about or repeats"),
        ('reply = { code = "00" }', "", "step 1: a message has a reply, or is unheard = true"),
        ('about = "purchase"', 'about = "sale"', "step 2: there was no message named sale"),
        ("payments.purchase", "payments.sale", "step 1: sale was never named"),
        ("accounts.alice", "accounts.bob", "step 1: bob was never named"),
        ("exceptions = []\naccounts.alice = { b", "exceptions = []\n# { b", "must say what became of alice"),
        ('outcome = "matched"', 'outcome = "fine"', "step 2 (clear): Invalid enum value 'fine'"),
    ],
)
def test_what_is_no_scenario_is_refused(tmp_path: Path, truth: str, wrong: str, said: str) -> None:
    """By file and step, before anything is played."""
    path = tmp_path / "story.toml"
    assert truth in GOOD
    path.write_text(GOOD.replace(truth, wrong, 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"story\.toml: ") as refused:
        read_scenario(path)
    assert said in str(refused.value)


def test_a_state_that_is_none_is_refused(tmp_path: Path) -> None:
    """`before` names a file of the folder that is given."""
    path = tmp_path / "story.toml"
    path.write_text('before = "gone"\n' + GOOD, encoding="utf-8")
    with pytest.raises(ScenarioError, match='before = "gone": there is no such state'):
        read_scenario(path, tmp_path)


def test_money_has_its_currency_s_decimals() -> None:
    """Both ways; another number of decimals is a slip of the pen."""
    amounts = {("40.00", "EUR"): 4_000, ("-0.05", "EUR"): -5, ("500", "JPY"): 500, ("1.234", "KWD"): 1_234}
    assert {minor(*said): money(minor(*said), said[1]) for said in amounts} == {
        value: text for (text, _), value in amounts.items()
    }
    with pytest.raises(ScenarioError, match='"40" has 0 decimals and EUR has 2'):
        minor("40")


def test_durations() -> None:
    """Words and a number."""
    assert [duration_ms(text) for text in ("1 second", "90 seconds", "2 hours", "7 days")] == [
        1_000,
        90_000,
        7_200_000,
        604_800_000,
    ]
    with pytest.raises(ScenarioError, match='"a week" is no time to wait'):
        duration_ms("a week")


def test_card_numbers_pass_luhn() -> None:
    """A well-known one among them."""
    assert pan(123) == "4000000000001232"
