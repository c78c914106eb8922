"""Every way an answer can be wrong is found, and a right one is not called wrong."""

import pytest

from simulator import followups, messages
from simulator.checks import Answer, check_reply
from simulator.messages import Fields
from simulator.testing import MOMENT, purchase


def right_answer(request: Fields, code: str = "00", approval: str | None = "A1B2C3") -> Fields:
    """The answer of an issuer that makes no mistake."""
    left_out = {"14", "18", "22", "43", "38"}
    reply = {name: value for name, value in request.items() if name not in left_out}
    reply |= {"t": messages.response_mti(request["t"]), "39": code}
    return reply | {"38": approval} if approval else reply


def wrongs(request: Fields, reply: Fields, earlier: Answer | None = None) -> list[tuple[str, str, str]]:
    return [(each.field, each.expected, each.found) for each in check_reply(request, reply, earlier)]


@pytest.mark.parametrize(
    ("request_", "code", "approval"),
    [
        (purchase(), "00", "A1B2C3"),
        (purchase(), "51", None),
        (purchase(0), "85", "A1B2C3"),
        (purchase(0), "54", None),
        (messages.repeat(purchase()), "00", "A1B2C3"),
        (messages.reversal(purchase(), stan="000008", at=MOMENT), "00", None),
        (messages.reversal(purchase(), stan="000008", at=MOMENT, advice=True), "25", None),
        (messages.network_management("001", stan="000009", at=MOMENT), "00", None),
        (followups.advice(purchase(), code="05"), "00", None),
        (followups.completion(purchase(), amount_minor=7, stan="000010", at=MOMENT), "00", None),
        (followups.single_message(purchase()), "00", "A1B2C3"),
        (purchase() | {"3": "200000"}, "00", "A1B2C3"),
        (purchase(0) | {"3": "310000"}, "14", None),
    ],
)
def test_a_right_answer_is_right(request_: Fields, code: str, approval: str | None) -> None:
    """Approved, declined, verified, acknowledged, signed on."""
    assert check_reply(request_, right_answer(request_, code, approval)) == []


@pytest.mark.parametrize("name", ["2", "3", "4", "7", "11", "12", "13", "25", "32", "37", "41", "42", "49"])
def test_every_echoed_field_is_held_against_the_request(name: str) -> None:
    """Missing or another value, each is one wrong thing, shown masked."""
    request = purchase()
    shown = messages.masked(name, request[name])
    reply = right_answer(request)
    changed = {**reply, name: "9" * len(reply[name])}
    assert [(name, shown, messages.masked(name, changed[name]))] == wrongs(request, changed)
    del reply[name]
    assert [(name, shown, "nothing")] == wrongs(request, reply)


def test_a_reversal_must_bring_back_de90() -> None:
    """ISO 8583:1987 gives the original data elements to both sides."""
    request = messages.reversal(purchase(), stan="000008", at=MOMENT)
    reply = right_answer(request, approval=None)
    del reply["90"]
    assert [("90", request["90"], "nothing")] == wrongs(request, reply)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"t": "0210"}, ("t", "0110", "0210")),
        ({"39": ""}, ("39", "a response code", "nothing")),
        ({"39": " 0"}, ("39", "a response code", " 0")),
        ({"39": "51"}, ("38", "nothing beside 51", "A1B2C3")),
        ({"38": "      "}, ("38", "an approval code of six characters beside 00", "      ")),
        ({"39": "85"}, ("39", "00 or a decline for an amount", "85")),
        ({"14": "3012"}, ("14", "nothing", "(4 characters, not shown)")),
    ],
)
def test_codes_and_card_data(change: Fields, expected: tuple[str, str, str]) -> None:
    """DE38 exactly when approved, 85 for verifications alone, no card data on the way back."""
    assert [expected] == wrongs(purchase(), {**right_answer(purchase()), **change})


def test_an_approval_needs_its_code() -> None:
    """00 without DE38 is wrong."""
    reply = right_answer(purchase(), approval=None)
    assert wrongs(purchase(), reply) == [("38", "an approval code of six characters beside 00", "nothing")]


def test_zero_is_verified_not_approved() -> None:
    """An amount of zero asks about the card: 85 or a decline."""
    expected = [("39", "85 or a decline for an amount of zero", "00")]
    assert expected == wrongs(purchase(0), right_answer(purchase(0)))


def test_a_reversal_has_no_approval_of_its_own() -> None:
    """DE38 in its answer can only be the one it was asked about."""
    request = messages.reversal(purchase(), stan="000008", at=MOMENT, approval_code="A1B2C3")
    assert wrongs(request, right_answer(request, approval="A1B2C3")) == []
    assert wrongs(request, right_answer(request, approval="Z9Z9Z9")) == [("38", "A1B2C3", "Z9Z9Z9")]


def test_an_advice_is_never_declined_nor_approved() -> None:
    """It tells of what was done: 00, and no code of the issuer's own."""
    request = followups.advice(purchase(), approval_code="S00007")
    assert wrongs(request, right_answer(request, "51", None)) == [("39", "00: an advice is a fact", "51")]
    assert wrongs(request, right_answer(request)) == [("38", "S00007", "A1B2C3")]


def test_a_part_of_the_amount_comes_with_the_whole() -> None:
    """10 with less than was asked in DE4, what was asked in DE54, and an approval code."""
    request = purchase()
    reply = right_answer(request, "10") | {"4": "000000000400", "54": "0057978C000000001250"}
    assert wrongs(request, reply) == []
    assert wrongs(request, reply | {"4": request["4"]}) == [("4", "a part of the amount", "000000001250")]
    del reply["54"], reply["38"]
    assert wrongs(request, reply) == [
        ("54", "the amount that was asked for", "nothing"),
        ("38", "an approval code of six characters beside 10", "nothing"),
    ]


def test_an_inquiry_gets_balances_and_no_approval() -> None:
    """DE54 exactly with 00, DE38 never."""
    request = purchase(0) | {"3": "310000"}
    balances = {"54": "0001978C000000001250"}
    assert wrongs(request, right_answer(request, approval=None) | balances) == []
    assert wrongs(request, right_answer(request)) == [
        ("38", "nothing beside a balance", "A1B2C3"),
        ("54", "balances beside 00", "nothing"),
    ]
    assert wrongs(request, right_answer(request, "51", None) | balances) == [
        ("54", "nothing beside 51", "(20 characters, not shown)")
    ]


def test_a_repeat_gets_the_answer_it_got_before() -> None:
    """Another code or another approval is wrong, though each is a right answer by itself."""
    request = messages.repeat(purchase())
    earlier = Answer("00", "A1B2C3")
    assert wrongs(request, right_answer(request), earlier) == []
    assert wrongs(request, right_answer(request, approval="Z9Z9Z9"), earlier) == [
        ("38", "A1B2C3, as answered before", "Z9Z9Z9")
    ]
    assert wrongs(request, right_answer(request, "51", None), earlier) == [
        ("39", "00, as answered before", "51"),
        ("38", "A1B2C3, as answered before", "nothing"),
    ]


def test_a_format_error_may_hold_less_but_nothing_false() -> None:
    """30 brings back what could be read."""
    reply = {"t": "0110", "7": purchase()["7"], "11": "000007", "39": "30"}
    assert wrongs(purchase(), reply) == []
    assert wrongs(purchase(), {**reply, "7": "0309220508"}) == [("7", "0309220507", "0309220508")]


def test_a_wrong_thing_reads_well() -> None:
    """The sentence names the message, the field, and both values."""
    reply = {**right_answer(purchase()), "2": "4000000000000010"}
    assert [str(each) for each in check_reply(purchase(), reply)] == [
        "answer to 0100 STAN 000007: DE2: expected ************0002, found ************0010"
    ]
