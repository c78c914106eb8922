"""docs/wire.md against the code: the framing table, the dialects, and each key of a dialect's file."""

import re
from pathlib import Path

from isowire import FRAMINGS, dialect_names
from isowire.dialect_file import _KEYS

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")


def rows(section: str) -> list[list[str]]:
    """The cells of the first table behind a heading, without its head."""
    text = PAGE.split(f"\n{section}\n", maxsplit=1)[1]
    table = re.search(r"((?:^\|.*\n)+)", text, re.MULTILINE)
    assert table
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table[1].splitlines()[2:]]


def test_the_framing_table_is_the_list_of_framings() -> None:
    """Each by name and in order, with its longest message."""
    expected = [(name, f"{framing.frame_length_max_bytes:,}") for name, framing in FRAMINGS.items()]
    assert [(row[0].strip("`"), row[-1]) for row in rows("## Framings")] == expected


def test_every_dialect_is_there() -> None:
    """In alphabetical order within an edition, as the page has them."""
    assert sorted(row[0].strip("`") for row in rows("## Dialects")) == dialect_names()


def test_every_key_of_a_dialects_file_is_explained() -> None:
    """As a word in code somewhere on the page."""
    code = " ".join(re.findall(r"`([^`]+)`", PAGE))
    assert [key for key in _KEYS if not re.search(rf"\b{key}\b", code)] == []


def test_every_function_it_names_exists() -> None:
    """The table of fields is about what can be imported."""
    import isowire

    for row in rows("### Fields that are more than one value"):
        for name in re.findall(r"`(\w+)", row[1]):
            assert hasattr(isowire, name), name
