"""`authoriser import FILE.csv`: all of it or nothing, and twice changes nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from authoriser.admin.client import AdminClient
from authoriser.admin.protocol import ImportRow
from authoriser.cli.busy import call_when_free
from authoriser.cli.csv_lines import LineProblem
from authoriser.cli.errors import BAD_INPUT, CommandError
from authoriser.cli.import_file import ImportFile, read_import_file
from authoriser.cli.options import (
    DATA_DEFAULT,
    ActorOption,
    DataOption,
    JsonOption,
    ReasonOption,
    SocketOption,
    open_client,
    words,
)
from authoriser.cli.show import print_json, print_line
from authoriser.limits import IMPORT_ROWS_MAX
from authoriser.telemetry.scrub import mask_digit_runs

PROBLEMS_SHOWN_MAX = 20
"""Who has more than these wrong has one thing wrong many times; --json has them all."""


class ImportReport(msgspec.Struct, frozen=True):
    """What --json prints. `rows` are those of the file; with problems nothing was imported."""

    file: str
    rows: int
    imported: int
    present: int
    seconds: float
    problems: tuple[LineProblem, ...]


def import_cards(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv", help="Header: pan,expiry,account,currency,credit_minor", show_default=False
        ),
    ],
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import cards: open their accounts, fund them, issue them.

    Every line is checked before anything is imported; if any is wrong, nothing is, and the lines are named.
    Running it twice changes nothing.
    """
    started = time.monotonic()
    name = mask_digit_runs(file.name)
    try:
        content = read_import_file(file)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", exit_code=BAD_INPUT) from None
    _refuse(name, content.problems, as_json=as_json)
    said = words(reason, actor, None, default_reason=f"import of {name}")
    with open_client(data, socket) as client, bar() as progress:
        task = progress.add_task("checking", total=len(content.rows))
        problems = []
        for chunk in _chunks(content.rows):
            checked = client.call("import.check", rows=chunk)
            problems += [LineProblem(problem.line, None, problem.message) for problem in checked.problems]
            progress.advance(task, len(chunk))
        progress.stop_task(task)
        if not problems:
            imported, present = _apply(client, content, said, progress)
    _refuse(name, problems, as_json=as_json)
    seconds = time.monotonic() - started
    if as_json:
        print_json(ImportReport(name, len(content.rows), imported, present, round(seconds, 3), ()))
        return
    rate = f"{len(content.rows) / seconds:.0f} rows/s"
    print_line(f"{imported} cards imported, {present} were there already ({seconds:.1f} s, {rate})")


def _apply(
    client: AdminClient, content: ImportFile, said: dict[str, str], progress: Progress
) -> tuple[int, int]:
    """(imported, present). A chunk whose answer is lost is sent again: rows are known by the file's hash and line."""
    imported = present = 0
    task = progress.add_task("importing", total=len(content.rows))
    for chunk in _chunks(content.rows):
        applied = call_when_free(client, "import.apply", file_sha256=content.sha256, rows=chunk, **said)
        imported += applied.imported
        present += applied.present
        progress.advance(task, len(chunk))
    return imported, present


def _refuse(name: str, problems: Sequence[LineProblem], *, as_json: bool) -> None:
    if not problems:
        return
    if as_json:
        print_json(ImportReport(name, 0, 0, 0, 0.0, tuple(problems)))
    lines = [f"{name}: {problem}" for problem in problems[:PROBLEMS_SHOWN_MAX]]
    if len(problems) > PROBLEMS_SHOWN_MAX:
        lines.append(f"{name}: and {len(problems) - PROBLEMS_SHOWN_MAX} more; --json has them all")
    raise CommandError(*lines, "nothing was imported", exit_code=BAD_INPUT)


def _chunks(rows: Sequence[ImportRow]) -> Iterator[Sequence[ImportRow]]:
    for start in range(0, len(rows), IMPORT_ROWS_MAX):
        yield rows[start : start + IMPORT_ROWS_MAX]


def bar() -> Progress:
    """On standard error, where it is a terminal; gone when it is done."""
    return Progress(
        TextColumn("{task.description:>9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
