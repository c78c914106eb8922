"""Values of a policy file, each checked as it is read, and the words for one that is wrong.

Owns the words of a problem: its line, where it is, what was found, what would be right and the nearest right name. Must
not know the file's sections.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from rules.policy_lines import Place
from rules.programme import Listed
from rules.reason import Entry

ENTRIES_MAX = 256
"""Entries in one array of tables, as limits: a payment is held against those of its few classes."""

_ENTRIES = tuple(entry.value for entry in Entry)


class Values:
    """A document being read. What is wrong is noted in `problems` and read as if it were not there."""

    def __init__(self, document: dict[str, Any], lines: dict[Place, int], source: str) -> None:
        self.document = document
        self.lines = lines
        self.source = source
        self.problems: list[tuple[int, str]] = []

    def wrong(self, place: Place, found: object, expected: str, near: Collection[str] = ()) -> None:
        """`place: found this, expected that`, at the line of the innermost part of `place` that has one."""
        close = nearest(found, near) if isinstance(found, str) else ""
        self.problem(place, f"found {shown(found)}, expected {expected}{question(close)}")

    def problem(self, place: Place, words: str) -> None:
        at = place
        while at not in self.lines:
            at = at[:-1]
        line = self.lines[at]
        name = _name(place)
        told = f"{self.source}:{line}: {name}: {words}"
        self.problems.append((line, " ".join(told.splitlines())))

    def unknown_keys(self, place: Place, table: Mapping[str, Any], known: Collection[str]) -> None:
        for key in table:
            if key not in known:
                words = f"no such key; there are {', '.join(known)}"
                self.problem((*place, key), words + question(nearest(key, known)))

    def table(self, place: Place, known: Collection[str] | None) -> dict[str, Any]:
        """A table of the document, {} where it is absent or none; None knows any key."""
        value: Any = self.document
        for name in place:
            value = value.get(name, {})
        if not isinstance(value, dict):
            self.wrong(place, value, f"a table: [{_name(place)}]")
            return {}
        if known is not None:
            self.unknown_keys(place, value, known)
        return value

    def tables(self, place: Place) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Each entry of an array of tables."""
        entries: Any = self.document
        for name in place:
            entries = entries.get(name, {}) if isinstance(entries, dict) else {}
        if entries == {}:
            return
        if not isinstance(entries, list):
            self.wrong(place, entries, f"tables, each begun with [[{_name(place)}]]")
            return
        if len(entries) > ENTRIES_MAX:
            self.problem(place, f"found {len(entries)} entries, expected at most {ENTRIES_MAX}")
            return
        for number, entry in enumerate(entries):
            if isinstance(entry, dict):
                yield (*place, number), entry
            else:
                self.wrong((*place, number), entry, f"a table, begun with [[{_name(place)}]]")

    def integer(self, table: Mapping[str, Any], place: Place, least: int, most: int) -> int | None:
        value = table.get(str(place[-1]))
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.wrong(place, value, f"a whole number from {least} to {most:,}")
            return None
        return value

    def strings(
        self,
        table: Mapping[str, Any],
        place: Place,
        read: Callable[[Place, Any], Collection[str]],
    ) -> frozenset[str]:
        """A list, each entry of which `read` makes into some strings."""
        value = table.get(str(place[-1]), [])
        if not isinstance(value, list):
            self.wrong(place, value, "a list in [brackets]")
            return frozenset()
        return frozenset(text for number, entry in enumerate(value) for text in read((*place, number), entry))

    def listed(self, section: str, read: Callable[[Place, Any], Collection[str]]) -> Listed:
        table = self.table((section,), ("allow", "block"))
        return Listed(
            allow=self.strings(table, (section, "allow"), read),
            block=self.strings(table, (section, "block"), read),
        )

    def entry(self, place: Place, value: Any) -> Collection[str]:
        if value in _ENTRIES:
            return (value,)
        self.wrong(place, value, f"one of {', '.join(_ENTRIES)}", _ENTRIES)
        return ()

    def country(self, place: Place, value: Any) -> Collection[str]:
        if isinstance(value, str) and value in _countries():
            return (value,)
        right = 'a country of ISO 3166 in two capital letters, as "PT"'
        if value == "UK":
            self.problem(place, f'found "UK", expected {right}{question("GB")}')
        elif isinstance(value, str) and value.upper() in _countries():
            self.problem(place, f"found {shown(value)}, expected {right}{question(value.upper())}")
        else:
            self.wrong(place, value, right)
        return ()

    def merchant(self, place: Place, value: Any) -> Collection[str]:
        if isinstance(value, str) and 1 <= len(value) <= 15 and value == value.strip():
            return (value,)
        self.wrong(place, value, "a merchant's id of 1 to 15 characters without space around it (DE42)")
        return ()

    def mcc(self, place: Place, value: Any, classes: Mapping[str, frozenset[str]]) -> Collection[str]:
        """A merchant category, a range of them, or where `classes` has any, the name of a class."""
        if isinstance(value, str):
            first, dash, last = value.partition("-")
            if value in classes:
                return classes[value]
            if _is_mcc(first) and not dash:
                return (first,)
            if _is_mcc(first) and _is_mcc(last) and first <= last:
                return [f"{number:04d}" for number in range(int(first), int(last) + 1)]
        expected = 'a merchant category in quotes: four digits, as "5812", or a range, as "5962-5969"'
        self.wrong(place, value, expected + (", or a class" if classes else ""), classes)
        return ()


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2, and XK, which card networks use for Kosovo."""
    import pycountry

    return frozenset(country.alpha_2 for country in pycountry.countries) | {"XK"}


def _is_mcc(text: str) -> bool:
    return len(text) == 4 and text.isascii() and text.isdigit()


def _name(place: Place) -> str:
    """`limits[1].window`, with entries counted from 1 as people do."""
    words = ""
    for part in place:
        words += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if words else part
    return words


def shown(value: object) -> str:
    """A value as TOML has it, shortened where it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def question(name: str) -> str:
    return f"; did you mean {name}?" if name else ""


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that was probably meant: one that begins with it, else one spelt much like it; "" for none."""
    begun = [other for other in known if name and other.startswith(name)]
    return (begun or get_close_matches(name, known, 1, 0.6) or [""])[0]
