"""docs/bad-input.md and the tests say the same: every row has its test, every row of the tests is on the page."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "bad-input.md"


def page_names() -> list[str]:
    return re.findall(r"^\| `(\w+)`", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("name", page_names())
def test_a_row_of_the_page_has_a_test_of_its_name(name: str) -> None:
    """A row without a test would be a promise that nobody keeps."""
    sources = "\n".join(file.read_text(encoding="utf-8") for file in sorted(HERE.glob("test_*.py")))
    found = re.findall(rf"^(?:async )?def (?:test_)?{name}\(|f\"{name}_", sources, flags=re.MULTILINE)
    assert len(found) == 1


def test_the_page_names_each_row_once() -> None:
    """And it is there, with all its tables."""
    names = page_names()
    assert len(names) == len(set(names)) > 40
