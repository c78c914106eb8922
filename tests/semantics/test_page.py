"""docs/semantics.md and the rows agree one to one, and no message is without a row in any state."""

import re
from pathlib import Path

from tests.semantics.page import COLUMNS, SECTIONS, STATES, overview, page, rows, section_of

PAGE = Path(__file__).parents[2] / "docs" / "semantics.md"


def test_the_page_is_made_from_the_rows() -> None:
    """Not a word of it differs: python -m tests.semantics.page docs/semantics.md"""
    assert page() == PAGE.read_text(encoding="utf-8")


def test_each_row_stands_in_the_tables_once() -> None:
    """A table's line for each file, and a file for each line."""
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(rows())


def test_every_message_has_a_row_in_every_state() -> None:
    """The overview has no empty cell."""
    cells = overview(rows().items())
    empty = {(beginning, state) for beginning, _ in COLUMNS for state in STATES} - cells.keys()
    assert empty == set()


def test_every_section_has_rows() -> None:
    """And every row has a section."""
    assert {section_of(name) for name in rows()} == {section for section, _, _ in SECTIONS}


def test_every_row_runs_over_tcp() -> None:
    """None is for this process alone: silence and time too are there with the real server."""
    assert [name for name, row in rows().items() if row.in_process_only] == []
