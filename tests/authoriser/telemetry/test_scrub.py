"""authoriser.telemetry.scrub: what is taken for a card number, and what is not."""

import pytest

from authoriser.telemetry.scrub import holds_pan, mask_digit_runs, mask_pans

PAN = "4000000000000002"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (PAN, "************0002"),
        ("4000 0000 0000 0002", "************0002"),
        ("4000-0000-0000-0002", "************0002"),
        (f"card {PAN}, twice {PAN}.", "card ************0002, twice ************0002."),
        (f"{PAN}=29121010000000000", "************0002=29121010000000000"),
        (f"{PAN} 12", "************0002 12"),
        (f"12 {PAN}", "12 ************0002"),
        (f"rrn 123456789012 {PAN}", "rrn 123456789012 ************0002"),
    ],
)
def test_a_luhn_valid_run_is_masked(text: str, masked: str) -> None:
    """With or without separators, alone or beside other numbers, all but the last four digits go."""
    assert [masked, True] == [mask_pans(text), holds_pan(text)]


@pytest.mark.parametrize(
    "text",
    [
        "4000000000000003",
        "123456789012",
        "2026-01-02T03:04:05.678Z",
        "40000000 and 00000002",
        "",
        "card_4000",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    """Wrong check digit, too short, or broken by other text: the text is as it was."""
    assert [text, False] == [mask_pans(text), holds_pan(text)]


def test_long_runs_go_whatever_they_are() -> None:
    """Text of exceptions loses every run of nine digits and more, spaces or not."""
    text = "port 8583, track 4000000000000003=2912101123, pin 12 34 56 78 90, line 12345678"
    assert mask_digit_runs(text) == "port 8583, track [digits]=[digits], pin [digits], line 12345678"
