"""`isowire check`: what is wrong with a dialect, or what it is and how it differs from the one that it builds on."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from isowire.checks import form
from isowire.cli import show
from isowire.cli.errors import FINE, NOT_RIGHT, bad_input
from isowire.cli.masking import ALWAYS_SENSITIVE
from isowire.cli.problems import PROBLEMS_MAX, problems_of
from isowire.dialect import Dialect, find_dialect, load_dialect
from isowire.dialect_file import read_dialect
from isowire.errors import DialectError
from isowire.semantics import Semantics

_WRITINGS: Final = {
    "b": "bytes",
    "ascii": "ASCII",
    "cp500": "EBCDIC 500",
    "cp037": "EBCDIC 037",
    "bcd": "BCD",
}
_Facts = list[tuple[str, str]]


def check(file: str, *, as_json: bool) -> int:
    """Print what a dialect is, or what is wrong with it; the exit code."""
    try:
        text, source, folder = find_dialect(file, Path())
    except DialectError as error:
        bad_input(str(error))
    problems = problems_of(text, source, folder)
    if problems:
        if as_json:
            wrong = [{"line": problem.line, "text": problem.text} for problem in problems]
            show.print_json({"file": source, "good": False, "problems": wrong})
            return NOT_RIGHT
        for problem in problems:
            line = f":{problem.line}" if problem.line else ""
            show.print_line(f"{source}{line}: {problem.text}")
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        more = ", and there may be more" if len(problems) >= PROBLEMS_MAX else ""
        show.print_line(f"{count}{more}; a later one may come of an earlier one", "bold red")
        return NOT_RIGHT
    dialect = read_dialect(text, source, folder)
    document = tomllib.loads(text)
    extends = document.get("extends")
    base = load_dialect(_base_path(extends, folder)) if extends else None
    facts, changes, worth = (
        _facts(dialect, source, extends),
        _changes(document, dialect, base),
        _worth(dialect),
    )
    if as_json:
        show.print_json(
            {"file": source, "good": True, **dict(facts), "changes": dict(changes), "worth_a_look": worth}
        )
        return FINE
    show.print_pairs(facts)
    if changes:
        show.print_line()
        show.print_line(f"otherwise than in {extends}:", "bold")
        show.print_pairs(changes)
    for line in worth:
        show.print_line(f"worth a look: {line}", "yellow")
    return FINE


def _base_path(extends: str, folder: Path) -> str | Path:
    return folder / extends if extends.endswith(".toml") else extends


def _facts(dialect: Dialect, source: str, extends: str | None) -> _Facts:
    forms = sorted(dialect.subfields, key=int)
    facts = [
        ("dialect", f"{dialect.name}: {dialect.title}"),
        ("file", source),
        ("extends", extends or "nothing"),
        ("version", f"ISO 8583:{dialect.version}"),
        ("framing", dialect.default_framing),
        ("written", _written(dialect)),
        ("fields", f"{len(dialect.kinds)}: {_ranges(dialect.kinds)}"),
        ("sensitive", _ranges(dialect.sensitive)),
        ("key", ", ".join(dialect.key_fields)),
        ("requests", ", ".join(sorted(dialect.requests))),
        ("advices", ", ".join(sorted(dialect.advices))),
        (
            "mandatory",
            "; ".join(f"{mti}: {', '.join(numbers)}" for mti, numbers in dialect.mandatory.items()),
        ),
        ("parts in", ", ".join(forms)),
        ("code tables", ", ".join(dialect.codes)),
        ("by MTI", ", ".join(sorted(dialect.variants))),
    ]
    return [(name, text) for name, text in facts if text]


def _written(dialect: Dialect) -> str:
    spec = dialect.spec
    mti = "BCD" if spec["t"]["data_enc"] == "b" else _WRITINGS[spec["t"]["data_enc"]]
    bitmap = "bytes" if spec["p"]["data_enc"] == "b" else "hexadecimal"
    return f"MTI in {mti}, bitmaps in {bitmap}"


def _worth(dialect: Dialect) -> list[str]:
    """What is allowed, and most likely a mistake."""
    bare = (ALWAYS_SENSITIVE | {"55"}) & dialect.kinds.keys() - dialect.sensitive
    return [
        f"DE{number} ({dialect.spec[number]['desc']}) is not under sensitive"
        for number in sorted(bare, key=int)
    ]


# ---- against the base


def _changes(document: Mapping[str, Any], dialect: Dialect, base: Dialect | None) -> _Facts:
    if base is None:
        return []
    changes: _Facts = []
    own = document.get("fields", {})
    added = dialect.kinds.keys() - base.kinds.keys()
    removed = base.kinds.keys() - dialect.kinds.keys()
    both = sorted(dialect.kinds.keys() & base.kinds.keys(), key=int)
    changed = [number for number in both if dialect.spec[number] != base.spec[number]]
    for number in changed:
        if number in own:
            was, now = _field(base, number), _field(dialect, number)
            if was == now:
                was, now = base.spec[number]["desc"], dialect.spec[number]["desc"]
            changes.append((f"DE{number}", f"{now}; was {was}"))
    rest = [number for number in changed if number not in own]
    if rest:
        changes.append(("by [encoding]", f"{len(rest)} fields are written otherwise: {_ranges(rest)}"))
    changes += [("new fields", _ranges(added)), ("without fields", _ranges(removed))]
    for name, mine, theirs in (
        ("sensitive", dialect.sensitive, base.sensitive),
        ("requests", dialect.requests, base.requests),
        ("advices", dialect.advices, base.advices),
    ):
        changes.append((name, _plus_minus(mine, theirs)))
    if dialect.key_fields != base.key_fields:
        changes.append(("key", f"{', '.join(dialect.key_fields)}; was {', '.join(base.key_fields)}"))
    if dialect.profile != base.profile:
        changes.append(("profile", f"{dialect.profile or 'none'}; was {base.profile or 'none'}"))
    if dialect.default_framing != base.default_framing:
        changes.append(("framing", f"{dialect.default_framing}; was {base.default_framing}"))
    tables: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
        ("DE39", dialect.response_codes, base.response_codes),
        ("amounts", _as_text(dialect.currency_exponents), _as_text(base.currency_exponents)),
        ("semantics", _said(dialect), _said(base)),
        ("echoed", dialect.echoed, base.echoed),
        ("mandatory", dialect.mandatory, base.mandatory),
        ("conditional", dialect.conditional, base.conditional),
        ("parts in", dialect.subfields, _but(base.subfields, dialect.subfields, document, "subfields")),
        ("code tables", dialect.codes, base.codes),
        ("by MTI", dialect.variants, _but(base.variants, dialect.variants, document, "by_mti")),
    )
    changes += [(name, _keys_changed(mine, theirs)) for name, mine, theirs in tables]
    return [(name, text) for name, text in changes if text]


def _but(
    theirs: Mapping[str, Any], mine: Mapping[str, Any], document: Mapping[str, Any], table: str
) -> Mapping[str, Any]:
    """What the base has, where this file says nothing of it as it is here: it follows the dialect's encoding."""
    own = document.get(table, {})
    named = {key for key in theirs if any(key.startswith(prefix) for prefix in own)}
    return {key: value if key in named else mine.get(key, value) for key, value in theirs.items()}


def _field(dialect: Dialect, number: str) -> str:
    """What may stand in a field and how it is written."""
    spec = dialect.spec[number]
    writing = "BCD" if spec.get("len_count") == "nibbles" else _WRITINGS[spec["data_enc"]]
    length = f", length in {spec['len_type']} of {_WRITINGS[spec['len_enc']]}" if spec["len_type"] else ""
    return f"{form(dialect, number)}, {writing}{length}"


def _keys_changed(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    parts = [_plus_minus(mine.keys(), theirs.keys())]
    for key in mine:
        if key in theirs and mine[key] != theirs[key]:
            one_word = isinstance(mine[key], str)
            parts.append(f"{key} {mine[key]} (was {theirs[key]})" if one_word else f"{key} otherwise")
    return ", ".join(filter(None, parts))


def _said(dialect: Dialect) -> Mapping[str, Any]:
    """The keys under [semantics] that say something."""
    said = {key: getattr(dialect.semantics, key) for key in Semantics.__dataclass_fields__ if key != "places"}
    return {key: value for key, value in said.items() if value}


def _as_text(numbers: Mapping[str, int]) -> Mapping[str, str]:
    return {key: str(number) for key, number in numbers.items()}


def _plus_minus(mine: Iterable[str], theirs: Iterable[str]) -> str:
    more, less = set(mine) - set(theirs), set(theirs) - set(mine)
    return ", ".join([*(f"+{key}" for key in sorted(more)), *(f"-{key}" for key in sorted(less))])


def _ranges(numbers: Iterable[str]) -> str:
    """2, 3, 4, 7 -> "2-4, 7"."""
    runs: list[list[int]] = []
    for number in sorted(map(int, numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
