"""docs/semantics.md, made from the rows: `python -m tests.semantics.page docs/semantics.md`.

Owns the page's words and the order of its tables. A row's own words stand in its file, so a row and its test can't say
different things.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from tests.scenarios.format import Scenario, read_scenario

HERE = Path(__file__).parent
STATES_FOLDER = HERE / "states"

INTRODUCTION = """\
# What each message does

For engineers of issuers: one row a message and a state before it, with the answer and what becomes of the money. The
states are those of the payment that the message is about. Each row is a file in `tests/semantics/rows` and a test that
carries the row's name, played in process (`python -m pytest tests/semantics -k rev-open`) and over TCP against the real
server process. This page is made from those files: `python -m tests.semantics.page docs/semantics.md`.

DE39 is as the `generic` profile has it ([reasons](reasons.md)). The words in the last column are the design's, or say
what was chosen where it is silent. Longer stories, told step by step, are in
[tests/scenarios](../tests/scenarios/README.md).

Every row ends with the same checks: the journal, replayed, gives the same state; postings sum to zero; the exception
list holds what the row names and nothing else.
"""

SECTIONS = (
    ("auth", "0100: requests", "May be declined. An approval begins a payment and holds its amount."),
    ("repeat", "0101: repeats of requests", "The answer was kept; nothing is decided again."),
    (
        "increment",
        "0100: increments",
        "DE4 is added to a payment that lives; what is asked for is decided alone.",
    ),
    ("adv", "0120: advices", "What a stand-in decided. Always answered 00; never a repeat's 94."),
    ("single", "0200: single messages", "Asked and posted at once."),
    ("comp", "0220: completions and forced postings", "Facts: always answered 00."),
    ("rev", "0400, 0420: reversals", "Always acknowledged. 0400 and 0420 are the same to the ledger."),
    (
        "clear",
        "Clearing rows",
        "`authoriser clear FILE.csv`. The first word is the row's outcome in the report.",
    ),
    ("void", "Silence", "No byte of the answer was handed to the kernel by the deadline."),
    ("expiry", "Time", "Holds expire by records of their own, driven by a timer, over restarts too."),
)

COLUMNS = (
    ("repeat-", "0101"),
    ("increment-", "increment"),
    ("adv-approving-", "0120 approving"),
    ("adv-declining-", "0120 declining"),
    ("comp-", "0220"),
    ("rev-", "0400"),
    ("rev-partial", "DE95"),
    ("clear-", "presentment"),
)
"""Beginnings of rows' names, and what they are called at the top of the overview. The longest that fits is meant."""
STATES = (
    "none",
    "declined",
    "open",
    "partly captured",
    "captured",
    "expired",
    "reversed",
    "voided",
    "superseded",
    "released",
)
"""A payment's states: each of the overview's messages has a row for each."""


def rows() -> dict[str, Scenario]:
    """Every row by its name, in the order of the page."""
    found = {path.stem: read_scenario(path, STATES_FOLDER) for path in (HERE / "rows").glob("*.toml")}
    order = [section for section, _, _ in SECTIONS]
    return dict(
        sorted(found.items(), key=lambda row: (order.index(section_of(row[0])), _place(row[1]), row[0]))
    )


def section_of(name: str) -> str:
    return name.partition("-")[0]


def _place(row: Scenario) -> int:
    """Rows go by the state before, in the order of a payment's life; other states behind."""
    state = row.before or "none"
    return STATES.index(state) if state in STATES else len(STATES)


def overview(named: Iterable[tuple[str, Scenario]]) -> dict[tuple[str, str], list[str]]:
    """The rows of each message in each state, by the beginning of their names and the state."""
    cells: dict[tuple[str, str], list[str]] = {}
    for name, row in named:
        fitting = [beginning for beginning, _ in COLUMNS if name.startswith(beginning)]
        state = row.before or "none"
        if fitting and state in STATES:
            cells.setdefault((max(fitting, key=len), state), []).append(name)
    return cells


def page() -> str:
    """The whole page, as Markdown."""
    all_rows = rows()
    parts = [INTRODUCTION, _states(), _overview(all_rows)]
    for section, heading, words in SECTIONS:
        lines = [
            f"## {heading}\n{words}\n",
            "| row | message | state before | what happens | why |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| `{name}` | {row.message} | {row.before or _before(row)} | {row.title} | {row.why} |"
            for name, row in all_rows.items()
            if section_of(name) == section
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _before(row: Scenario) -> str:
    """A row without a state before it: what is particular of its card, where anything is."""
    states = {card.state for card in row.cards.values() if card.issued} - {"active"}
    return f"none, card {', '.join(sorted(states))}" if states else "none"


def _states() -> str:
    lines = ["## States before", "| state | what has happened |", "|---|---|"]
    found = {path.stem.replace("-", " "): read_scenario(path) for path in STATES_FOLDER.glob("*.toml")}
    known = [state for state in STATES if state in found]
    lines.append("| none | Nothing: the account has 100.00 and no hold |")
    lines += [f"| {name} | {found[name].title} |" for name in [*known, *sorted(found.keys() - set(known))]]
    return "\n".join(lines) + "\n"


def _overview(all_rows: dict[str, Scenario]) -> str:
    cells = overview(all_rows.items())
    heads = [head for _, head in COLUMNS]
    lines = [
        "## Every message in every state\nNames of rows; the tables below say what happens.\n",
        f"| state before | {' | '.join(heads)} |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for state in STATES:
        names = [", ".join(f"`{name}`" for name in cells.get((b, state), [])) or "-" for b, _ in COLUMNS]
        lines.append(f"| {state} | {' | '.join(names)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
