"""Message types of ISO 8583:1987."""

import pytest

from isowire import clear_repeat, is_known, is_response, response_mti
from isowire.mti import KNOWN


@pytest.mark.parametrize(
    "mti",
    [
        "0100",
        "0101",
        "0110",
        "0120",
        "0121",
        "0130",
        "0200",
        "0201",
        "0210",
        "0220",
        "0221",
        "0230",
        "0400",
        "0401",
        "0402",
        "0403",
        "0410",
        "0412",
        "0420",
        "0421",
        "0422",
        "0430",
        "0432",
        "0500",
        "0600",
        "0800",
        "0801",
        "0810",
        "0820",
    ],
)
def test_knows_the_message_types_of_the_standard(mti: str) -> None:
    """What ISO 8583:1987 lists is known."""
    assert is_known(mti)


@pytest.mark.parametrize(
    "mti",
    [
        "",
        "0000",
        "0111",
        "0131",
        "0140",
        "0811",
        "0830",
        "0900",
        "1100",
        "9999",
        "01000",
        "010x",
        "\u0660\u0661\u0660\u0660",
    ],
)
def test_knows_nothing_else(mti: str) -> None:
    """Other digits, other versions, other lengths and other scripts are not known."""
    assert not is_known(mti)


def test_a_repeat_answers_as_what_it_repeats() -> None:
    """Every known request and advice has the response of its original, which is a response in turn."""
    requests = {mti for mti in KNOWN if not is_response(mti)}
    assert {clear_repeat(mti) for mti in requests} < requests
    for mti in requests:
        assert response_mti(mti) == response_mti(clear_repeat(mti))
        assert is_response(response_mti(mti))


@pytest.mark.parametrize(
    ("mti", "cleared", "response"),
    [
        ("0100", "0100", "0110"),
        ("0101", "0100", "0110"),
        ("0121", "0120", "0130"),
        ("0401", "0400", "0410"),
        ("0403", "0402", "0412"),
        ("0421", "0420", "0430"),
        ("0801", "0800", "0810"),
    ],
)
def test_clears_the_repeat_digit_and_names_the_response(mti: str, cleared: str, response: str) -> None:
    """0101 is 0100 again and is answered by 0110; the issuer's side (0403) keeps its digit."""
    assert (cleared, response) == (clear_repeat(mti), response_mti(mti))


@pytest.mark.parametrize("mti", ["0110", "0130", "0410", "0812"])
def test_nothing_answers_a_response(mti: str) -> None:
    """A response is told from a request, and asking for its response is an error."""
    assert is_response(mti)
    with pytest.raises(ValueError, match="nothing answers"):
        response_mti(mti)


@pytest.mark.parametrize("mti", ["", "011", "01100", "01x0", "\u0660\u0661\u0661\u0660", "01²0"])
def test_what_is_not_four_digits_has_no_place_here(mti: str) -> None:
    """No MTI, no answer: a ValueError, and not a response either."""
    assert not is_response(mti)
    with pytest.raises(ValueError, match="four digits"):
        clear_repeat(mti)
    with pytest.raises(ValueError, match="four digits"):
        response_mti(mti)


@pytest.mark.parametrize(
    "mti",
    [
        *(
            "1100",
            "1101",
            "1110",
            "1120",
            "1121",
            "1130",
            "1140",
            "1200",
            "1240",
            "1304",
            "1314",
            "1420",
            "1421",
        ),
        *(
            "1430",
            "1440",
            "1422",
            "1432",
            "1500",
            "1502",
            "1522",
            "1604",
            "1644",
            "1720",
            "1804",
            "1805",
            "1814",
        ),
    ],
)
def test_knows_the_message_types_of_1993(mti: str) -> None:
    """What ISO 8583:1993 lists is known there, and only there."""
    assert is_known(mti, 1993)
    assert not is_known(mti)


@pytest.mark.parametrize("mti", ["1400", "1401", "1410", "1150", "1111", "1800", "0100", "0400", "2100"])
def test_1993_has_no_reversal_request(mti: str) -> None:
    """A reversal is told, never asked for; types of other editions are not known."""
    assert not is_known(mti, 1993)


@pytest.mark.parametrize(
    ("mti", "cleared", "response"),
    [("1101", "1100", "1110"), ("1421", "1420", "1430"), ("1805", "1804", "1814"), ("1423", "1422", "1432")],
)
def test_repeats_and_responses_are_those_of_1987_with_another_first_digit(
    mti: str, cleared: str, response: str
) -> None:
    """The arithmetic holds for both editions."""
    assert (cleared, response) == (clear_repeat(mti), response_mti(mti))
