"""Finding and masking what may be a card number in free text.

The last line of defence for text that people or other programs wrote (a reason, an exception's message); known card
numbers have a type of their own that masks itself. Pure; knows nothing of logs.
"""

from __future__ import annotations

import re

from isowire.pan import luhn_valid

PAN_DIGITS_MIN, PAN_DIGITS_MAX = 13, 19
"""Shorter PANs exist on paper (ISO/IEC 7812 allows 10), but dates, amounts and counters are as long."""
LONG_RUN_DIGITS = 9
"""Track data, cryptograms and PIN blocks are longer than this; a port, a length or an errno is shorter."""

SEPARATORS = " -./_"
"""What people put between groups of digits; one at a time."""

_SEPARATED_DIGITS = re.compile(rf"(?<![0-9])[0-9](?:[{re.escape(SEPARATORS)}]?[0-9]){{12,}}(?![0-9])")
_LONG_RUN = re.compile(rf"[0-9](?:[{re.escape(SEPARATORS)}]?[0-9]){{{LONG_RUN_DIGITS - 1},}}")


def holds_pan(text: str) -> bool:
    """Whether a Luhn-valid run of 13 to 19 digits, separators between them allowed, stands in the text."""
    return any(_pan_spans(match.group()) for match in _SEPARATED_DIGITS.finditer(text))


def mask_pans(text: str) -> str:
    """The text with every such run replaced by stars and its last four digits."""
    return _SEPARATED_DIGITS.sub(lambda match: _mask_spans(match.group()), text)


def mask_digit_runs(text: str) -> str:
    """The text with every run of nine digits or more replaced by "[digits]", card number or not."""
    return _LONG_RUN.sub("[digits]", text)


def _pan_spans(run: str) -> list[tuple[int, int]]:
    """Where PANs lie in a run of digits and separators, as half-open places, longest first and not overlapping.

    A run longer than 19 digits may be a PAN beside a number, so each window of 13 to 19 digits is tried at
    the places where people separate; a window in the middle of unseparated digits is not.
    """
    digits = [place for place, letter in enumerate(run) if letter not in SEPARATORS]
    starts = [n for n, place in enumerate(digits) if place == 0 or not run[place - 1].isdigit()]
    ends = {n + 1 for n, place in enumerate(digits) if place + 1 == len(run) or not run[place + 1].isdigit()}
    spans: list[tuple[int, int]] = []
    taken = 0
    for start in starts:
        if start < taken:
            continue
        for length in range(PAN_DIGITS_MAX, PAN_DIGITS_MIN - 1, -1):
            end = start + length
            if end in ends and luhn_valid("".join(run[place] for place in digits[start:end])):
                spans.append((digits[start], digits[end - 1] + 1))
                taken = end
                break
    return spans


def _mask_spans(run: str) -> str:
    for start, end in reversed(_pan_spans(run)):
        run = f"{run[:start]}************{run[end - 4 : end]}{run[end:]}"
    return run
