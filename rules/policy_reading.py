"""Reads a policy's TOML into a Programme, and says everything that is wrong with it at once.

Owns the file's sections and keys. Must not know what a setting does: the rules are made from the Programme elsewhere.
"""

import tomllib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from rules.facts import TRANSACTION, WINDOWS
from rules.policy_lines import Place, lines_of
from rules.policy_values import Values, nearest, question, shown
from rules.programme import (
    OWN_CLASSES,
    Authentication,
    Programme,
    SpendingLimit,
    Switches,
    Tapping,
    Velocity,
)
from rules.reason import Check
from rules.usage import RECENT_MAX

TEXT_MAX_CHARACTERS = 262_144
"""Longer than any policy needs: a hundred limits are a tenth of it."""

CLASSES_MAX = 32
"""Classes of a policy's own. Each card keeps sums for every class that it has paid in."""

AMOUNT_MAX_MINOR = 10**15
COUNT_MAX = 10**9
WINDOW_MAX_MINUTES = 24 * 60
HOLD_DAYS_MAX = 366
PROBLEMS_MAX = 50
"""Problems told of one text: whoever has more has another sort of file."""

_MINUTE_MS = 60_000
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_CLASS_NAME_MAX = 32
_SECTIONS = (
    "switches",
    "authentication",
    "entry_modes",
    "countries",
    "mccs",
    "merchants",
    "contactless",
    "cashback",
    "classes",
    "limits",
    "velocity",
    "holds",
)


class PolicyError(Exception):
    """A policy that can't be used. `str()` is one problem a line, each with the line of the file."""


def read_programme(text: str, source: str) -> Programme:
    """The programme of a policy's text; `source` names it in errors. Raises PolicyError."""
    if len(text) > TEXT_MAX_CHARACTERS:
        raise PolicyError(
            f"{source}:1: found {len(text):,} characters, expected at most {TEXT_MAX_CHARACTERS:,}"
        )
    try:
        text.encode()
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(_not_toml(text, source, str(error))) from None
    except (ValueError, RecursionError) as error:
        # Half a surrogate pair, a number of thousands of digits, brackets within brackets without end.
        raise PolicyError(f"{source}:1: not TOML: {type(error).__name__}") from None
    reading = _Reading(document, lines_of(text), source)
    programme = reading.programme()
    if reading.problems:
        told = [problem for _, problem in sorted(reading.problems, key=lambda at: at[0])]
        more = len(told) - PROBLEMS_MAX
        raise PolicyError("\n".join(told[:PROBLEMS_MAX] + ([f"and {more} more"] if more > 0 else [])))
    return programme


def _not_toml(text: str, source: str, error: str) -> str:
    """Tomllib says "... (at line 3, column 5)" or "(at end of document)"."""
    what, _, where = error.rpartition(" (at ")
    line = where.removeprefix("line ").partition(",")[0]
    number = line if line.isdigit() else str(text.count("\n") + 1)
    return f"{source}:{number}: not TOML: {what}"


class _Reading(Values):
    """The sections of one text."""

    def programme(self) -> Programme:
        self.unknown_keys((), self.document, _SECTIONS)
        classes = self._classes()
        tapping = self.table(("contactless",), ("count", "amount_minor", "exempt"))
        cashback = self.table(("cashback",), ("amount_minor",))
        default_days, hold_days = self._holds(classes)
        return Programme(
            switches=self._switches(),
            authentication=self._authentication(),
            entry_modes=self.listed("entry_modes", self.entry),
            countries=self.listed("countries", self.country),
            mccs=self.listed("mccs", lambda place, value: self.mcc(place, value, classes)),
            merchants=self.listed("merchants", self.merchant),
            tapping=Tapping(
                count=self.integer(tapping, ("contactless", "count"), 0, COUNT_MAX) or None,
                amount_minor=self.integer(tapping, ("contactless", "amount_minor"), 0, AMOUNT_MAX_MINOR)
                or None,
                exempt=self.strings(
                    tapping,
                    ("contactless", "exempt"),
                    lambda place, value: self.mcc(place, value, classes),
                ),
            ),
            cashback_minor=self.integer(cashback, ("cashback", "amount_minor"), 0, AMOUNT_MAX_MINOR),
            classes=MappingProxyType(classes),
            limits=self._limits(classes),
            velocity=self._velocity(classes),
            hold_days=MappingProxyType(hold_days),
            hold_default_days=default_days,
        )

    def _switches(self) -> Switches:
        table = self.table(("switches",), Switches.__struct_fields__)
        said = {}
        for name in table.keys() & set(Switches.__struct_fields__):
            if isinstance(table[name], bool):
                said[name] = table[name]
            else:
                self.wrong(("switches", name), table[name], "true or false")
        return Switches(**said)

    def _authentication(self) -> Authentication:
        proofs = Authentication.__struct_fields__
        table = self.table(("authentication",), proofs)
        said = {}
        for proof in proofs:
            if proof not in table:
                continue
            place = ("authentication", proof)
            words = self.table(place, ("not_checked", "absent"))
            declining = set()
            for key, check in (("not_checked", Check.NOT_CHECKED), ("absent", Check.ABSENT)):
                word = words.get(key, "accept")
                if word not in ("accept", "decline"):
                    self.wrong((*place, key), word, '"accept" or "decline"', ("accept", "decline"))
                elif word == "decline":
                    declining.add(check)
            said[proof] = frozenset(declining)
        return Authentication(**said)

    def _classes(self) -> dict[str, frozenset[str]]:
        table = self.table(("classes",), None)
        if len(table) > CLASSES_MAX:
            self.problem(("classes",), f"found {len(table)} classes, expected at most {CLASSES_MAX}")
            return {}
        classes = {}
        for name in table:
            place = ("classes", name)
            if name in OWN_CLASSES:
                self.problem(place, f"every policy has {', '.join(OWN_CLASSES)}; expected another name")
            elif not 1 <= len(name) <= _CLASS_NAME_MAX or name.strip(_NAME) or not name[0].isalpha():
                self.problem(
                    place, f"expected a name of up to {_CLASS_NAME_MAX} small letters, digits, - and _"
                )
            else:
                classes[name] = self.strings(table, place, lambda at, value: self.mcc(at, value, {}))
                if table[name] == []:
                    self.problem(place, "found no merchant category, expected at least one")
        return classes

    def _class(self, place: Place, table: Mapping[str, Any], classes: Collection[str]) -> str | None:
        """The class that a limit is of: "" where it says none. None, noted, where there is no such class."""
        name = table.get("class", "")
        known = (*OWN_CLASSES, *classes)
        if name == "" or name in known:
            return str(name)
        self.wrong((*place, "class"), name, f"one of {', '.join(known)}, or no class for all spending", known)
        return None

    def _limits(self, classes: Collection[str]) -> tuple[SpendingLimit, ...]:
        limits: dict[tuple[str, str], tuple[Place, SpendingLimit]] = {}
        for place, table in self.tables(("limits",)):
            self.unknown_keys(place, table, ("class", "window", "amount_minor", "count"))
            spending = self._class(place, table, classes)
            window = table.get("window")
            amount_minor = self.integer(table, (*place, "amount_minor"), 0, AMOUNT_MAX_MINOR)
            count = self.integer(table, (*place, "count"), 0, COUNT_MAX)
            if window not in WINDOWS:
                found = "no window" if window is None else shown(window)
                near = nearest(str(window), WINDOWS) if window is not None else ""
                self.problem(
                    (*place, "window"),
                    f"found {found}, expected one of {', '.join(WINDOWS)}{question(near)}",
                )
                continue
            if window == TRANSACTION and "count" in table:
                self.problem((*place, "count"), "one transaction is one; expected amount_minor alone")
                continue
            if "amount_minor" not in table and "count" not in table:
                self.problem(place, "limits nothing; expected amount_minor, count or both")
                continue
            if spending is None:
                continue
            if (spending, window) in limits:
                first = self.lines[limits[spending, window][0]]
                self.problem(place, f"the same class and window as in line {first}; expected one of them")
                continue
            limits[spending, window] = place, SpendingLimit(spending, window, amount_minor, count)
        return tuple(limit for _, limit in limits.values())

    def _velocity(self, classes: Collection[str]) -> tuple[Velocity, ...]:
        windows: dict[tuple[str, int], tuple[Place, Velocity]] = {}
        for place, table in self.tables(("velocity",)):
            self.unknown_keys(place, table, ("class", "minutes", "count", "amount_minor"))
            spending = self._class(place, table, classes)
            for key, most in (("minutes", WINDOW_MAX_MINUTES), ("count", RECENT_MAX)):
                if key not in table:
                    self.problem(place, f"found no {key}, expected {key} = 1 to {most}")
            minutes = self.integer(table, (*place, "minutes"), 1, WINDOW_MAX_MINUTES)
            count = self.integer(table, (*place, "count"), 1, RECENT_MAX)
            amount_minor = self.integer(table, (*place, "amount_minor"), 0, AMOUNT_MAX_MINOR)
            if spending is None or minutes is None or count is None:
                continue
            if (spending, minutes) in windows:
                first = self.lines[windows[spending, minutes][0]]
                self.problem(place, f"the same class and minutes as in line {first}; expected one of them")
                continue
            windows[spending, minutes] = (
                place,
                Velocity(spending, minutes * _MINUTE_MS, count, amount_minor),
            )
        return tuple(velocity for _, velocity in windows.values())

    def _holds(self, classes: Mapping[str, frozenset[str]]) -> tuple[int, dict[str, int]]:
        table = self.table(("holds",), ("default_days", "longer"))
        default_days = self.integer(table, ("holds", "default_days"), 1, HOLD_DAYS_MAX)
        by_mcc: dict[str, int] = {}
        for place, entry in self.tables(("holds", "longer")):
            self.unknown_keys(place, entry, ("mccs", "days"))
            for key in ("mccs", "days"):
                if key not in entry:
                    self.problem(place, f"found no {key}, expected both mccs and days")
            days = self.integer(entry, (*place, "days"), 1, HOLD_DAYS_MAX)
            mccs = self.strings(entry, (*place, "mccs"), lambda at, value: self.mcc(at, value, classes))
            if days is None:
                continue
            twice = sorted(mccs & by_mcc.keys())
            if twice:
                self.problem(place, f"{twice[0]} has days above already; expected it once")
            by_mcc.update(dict.fromkeys(mccs, days))
        return default_days or Programme().hold_default_days, by_mcc
