"""Everything that is wrong with a dialect's file, not only the first thing.

The reader stops at the first fault. Here that one is noted, put right in a copy, and the copy read again. What is put
right is a guess, so a fault found late may be the first one's consequence; the order is the reader's.
Must not know what a good dialect is: `dialect_file` does.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from isowire.dialect import find_dialect
from isowire.dialect_file import EXTENDS_MAX, read_dialect
from isowire.errors import DialectError

PROBLEMS_MAX: Final = 40
"""Faults that are told at once. More are seldom read."""
_FALLBACK: Final = "iso87-ascii"
"""Where a missing key is taken from, to read on."""

_PLACE: Final = re.compile(r'([A-Za-z_]+(?:\.(?:"[^"]*"|[^.:\s"]+))*): ')
_AT: Final = re.compile(r"- at `\$\.?([^`]*)`")
_FOUND: Final = re.compile(r"found (?:'([^']*)'|(\S+?)),? ")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]*)`")
_MISSING: Final = re.compile(r"missing required field `([^`]*)`")
_KEY: Final = re.compile(r'"([^"]*)"|([^."\s]+)')
_HEAD: Final = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?")
_ASSIGNED: Final = re.compile(r'\s*((?:"[^"]*"|[\w.-])+)\s*=')

_STEP: Final = re.compile(r"[A-Za-z_]+|\[\.\.\.\]|\[[0-9]+\]")
_ANY: Final = "[...]"
_EXPECTED: Final = re.compile(r"Expected `(\w+)")
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "array": (list,),
    "object": (dict,),
}

_Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and in which line (0: of no one line)."""

    text: str
    line: int = 0


def problems_of(text: str, source: str, folder: Path) -> list[Problem]:
    """Every fault that can be told apart; none for a good dialect."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line ([0-9]+)", str(error))
        return [Problem(f"not TOML: {error}", int(line[1]) if line else 0)]
    lines = dict(_lines(text))
    found: list[Problem] = []
    for _ in range(PROBLEMS_MAX):
        try:
            read_dialect(as_toml(document), source, folder)
        except DialectError as error:
            said = str(error).removeprefix(f"{source}: ")
            path = _path(said, document)
            found.append(Problem(_placed(said, path), _line(lines, path, said)))
            before = deepcopy(document)
            _put_right(document, path, said, folder)
            if document == before:
                break
        else:
            break
    return found


# ---- where


def _path(said: str, document: Mapping[str, Any]) -> _Keys:
    """The keys that lead to the fault."""
    place, at = _PLACE.match(said), _AT.search(said)
    if place:
        return _keys(place[1])
    steps = tuple(_STEP.findall(at[1])) if at else ()
    named = _UNKNOWN.search(said) or _MISSING.search(said)
    if _ANY not in steps:
        return (*steps, named[1]) if named else steps
    # Keys that the file makes up are [...] to msgspec: the first that holds what is wrong is the one it means.
    expected = _EXPECTED.match(said)
    kinds = _KINDS.get(expected[1], ()) if expected else ()

    def wrong(value: Any) -> bool:
        if named:
            return isinstance(value, dict) and (named[1] in value) == bool(_UNKNOWN.search(said))
        return bool(kinds) and (not isinstance(value, kinds) or isinstance(value, bool))

    found = next(_search(document, steps, wrong), None)
    return steps[: steps.index(_ANY)] if found is None else found


def _search(value: Any, steps: _Keys, wrong: Callable[[Any], bool]) -> Iterator[_Keys]:
    """Where, by these steps, what is wrong stands; of a list, the list."""
    if not steps:
        if wrong(value):
            yield ()
    elif isinstance(value, list):
        if any(True for entry in value for _ in _search(entry, steps[1:], wrong)):
            yield ()
    elif isinstance(value, dict):
        for key in value if steps[0] == _ANY else [steps[0]]:
            for rest in _search(value.get(key), steps[1:], wrong):
                yield (key, *rest)


def _placed(said: str, path: _Keys) -> str:
    """The text with the whole path where msgspec left a key out."""
    if "[...]" not in said or not path:
        return said
    return _AT.sub("- at " + ".".join(key if key.isidentifier() else f'"{key}"' for key in path), said)


def _keys(dotted: str) -> _Keys:
    return tuple(quoted or bare for quoted, bare in _KEY.findall(dotted))


def _lines(text: str) -> Iterator[tuple[_Keys, int]]:
    """The keys of each table's head and each assignment, and the line that it stands in."""
    table: _Keys = ()
    for number, line in enumerate(text.splitlines(), 1):
        head, assigned = _HEAD.fullmatch(line), _ASSIGNED.match(line)
        if head:
            table = _keys(head[1])
            yield table, number
        elif assigned:
            yield (*table, *_keys(assigned[1])), number


def _line(lines: Mapping[_Keys, int], path: _Keys, said: str) -> int:
    found = _FOUND.search(said)
    longer = (*path, found[1] or found[2]) if found else path
    for keys in (longer, *(path[:count] for count in range(len(path), 0, -1))):
        if keys in lines:
            return lines[keys]
    return 0


# ---- putting right, to read on


def _put_right(document: dict[str, Any], path: _Keys, said: str, folder: Path) -> None:
    """Change what the fault is about, so that the file can be read past it."""
    if not path:
        return
    if path == ("extends",):
        document["extends"] = _FALLBACK
        return
    inherited = [document, *_bases(document, folder)]
    table = document
    for key in path[:-1]:
        if not isinstance(table.get(key), dict):
            table[key] = {}
        table = table[key]
    value = next((known for known in (_at(each, path) for each in inherited) if known is not None), None)
    right = _right(value, path, said, alone="extends" not in document)
    if right is None or right == value:
        table.pop(path[-1], None)
    else:
        table[path[-1]] = right


def _right(value: Any, path: _Keys, said: str, *, alone: bool) -> Any:
    """What to put in a wrong value's place; None: take it away."""
    key = path[-1]
    if _MISSING.search(said) or (key == "name" and "found none" in said):
        return _at(_read(_FALLBACK), path) or "a name"
    if "no line for it" in said:
        return []
    if isinstance(value, list) and "fields" not in path and not _UNKNOWN.search(said):
        return _without(value, said)
    if isinstance(value, dict) and key == "fields":
        found = _FOUND.search(said)
        return {number: entry for number, entry in value.items() if not found or number != found[2]}
    if alone and len(path) == 2 and path[0] == "fields" and "a number" not in said:
        return ["ans...999", "?"]
    return None


def _without(value: list[Any], said: str) -> list[Any]:
    """A list without the entry that is wrong, or without those that come twice."""
    if "twice" in said:
        return list(dict.fromkeys(value))
    found = _FOUND.search(said)
    wrong = (found[1] or found[2]) if found else None
    return [entry for entry in value if str(entry) != wrong]


def _at(document: Mapping[str, Any], path: _Keys) -> Any:
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _bases(document: Mapping[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    for _ in range(EXTENDS_MAX):
        name = document.get("extends")
        if not isinstance(name, str):
            return
        try:
            text, _source, folder = find_dialect(name, folder)
            document = tomllib.loads(text)
        except (DialectError, tomllib.TOMLDecodeError):
            return
        yield dict(document)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(find_dialect(name, Path())[0])


def as_toml(value: Mapping[str, Any]) -> str:
    """A document as TOML text, in one line a key. For what `tomllib` gives, dates and infinities left out."""
    return "".join(f"{_quoted(key)} = {_inline(entry)}\n" for key, entry in value.items())


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_inline(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(character):04X}" if ord(character) < 0x20 or character in '"\\\x7f' else character
        for character in text
    )
    return f'"{escaped}"'
