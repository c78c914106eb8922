"""The line of every key, however the TOML is laid out."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.policy_lines import lines_of

TEXT = '''# a comment with [brackets] and "quotes
top = 1

[switches]
cash = true # "not a string" [
'quoted key' = 2

[authentication]
mac = { absent = "decline", not_checked = "accept" }
pin.absent = "accept"

[classes]
"two.words" = [
    "1234", "5678-5679", # a comment, with a comma
    # "0000",
    "9999",
]
text = """
[no.table]
no = "key"
"""
nested = [[1, 2],
          [3]]
date = 2026-11-25T10:00:00.5Z

[[limits]]
window = "day"
[[limits]]
window = 'week'
[limits.deeper]
x = 1.5
[[holds.longer]]
days = 3
'''


def test_lines() -> None:
    """Tables, keys, inline and dotted ones, entries over several lines, and arrays of tables."""
    assert lines_of(TEXT) == {
        (): 1,
        ("top",): 2,
        ("switches",): 4,
        ("switches", "cash"): 5,
        ("switches", "quoted key"): 6,
        ("authentication",): 8,
        ("authentication", "mac"): 9,
        ("authentication", "mac", "absent"): 9,
        ("authentication", "mac", "not_checked"): 9,
        ("authentication", "pin"): 10,
        ("authentication", "pin", "absent"): 10,
        ("classes",): 12,
        ("classes", "two.words"): 13,
        ("classes", "two.words", 0): 14,
        ("classes", "two.words", 1): 14,
        ("classes", "two.words", 2): 16,
        ("classes", "text"): 18,
        ("classes", "nested"): 22,
        ("classes", "nested", 0): 22,
        ("classes", "nested", 0, 0): 22,
        ("classes", "nested", 0, 1): 22,
        ("classes", "nested", 1): 23,
        ("classes", "nested", 1, 0): 23,
        ("classes", "date"): 24,
        ("limits",): 26,
        ("limits", 0): 26,
        ("limits", 0, "window"): 27,
        ("limits", 1): 28,
        ("limits", 1, "window"): 29,
        ("limits", 1, "deeper"): 30,
        ("limits", 1, "deeper", "x"): 31,
        ("holds", "longer"): 32,
        ("holds", "longer", 0): 32,
        ("holds", "longer", 0, "days"): 33,
    }


def test_the_text_of_this_test_is_toml() -> None:
    """lines_of is asked only of what tomllib accepts, and tomllib accepts this."""
    assert set(tomllib.loads(TEXT)) == {"top", "switches", "authentication", "classes", "limits", "holds"}


def test_line_ends_of_windows() -> None:
    """A carriage return before the line's end is no part of a key."""
    assert lines_of("a = 1\r\n[b]\r\nc = [\r\n1]\r\n") == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 4,
    }


words = st.text('abc."#[]{}=,\\\n 1', max_size=12)
pieces = st.sampled_from(
    ["a = 1", "[b]", "[[c]]", 'd = "x # ]"', "e = [1,\n 2]", "f = {g = 1}", "'h' = '''\nx\n'''", "# i", ""]
)


@given(st.lists(pieces | words, max_size=6).map("\n".join))
def test_every_key_has_a_line(text: str) -> None:
    """Whatever tomllib accepts, the finder comes to its end, and finds each key of it that needs no escape."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = lines_of(text)
    missing = [place for place in _places(document) if place not in found]
    assert [place for place in missing if "\\" not in text] == []
    assert set(found.values()) <= set(range(1, text.count("\n") + 2))


def _places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every key of a document, without those that a header only passes through."""
    places = []
    if isinstance(value, dict):
        for key, inner in value.items():
            places.append((*place, key))
            places += _places(inner, (*place, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            places.append((*place, number))
            places += _places(inner, (*place, number))
    return places
