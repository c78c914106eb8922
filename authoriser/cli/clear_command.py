"""`authoriser clear FILE.csv`: a day's clearing, posted while authorisations flow, and a report that must add up.

Twice changes nothing, and what was stopped midway goes on where it stopped: the server knows each row by its key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from authoriser.admin.clearing_protocol import ClearingRow, RowPosted
from authoriser.admin.client import AdminClient, ClientError
from authoriser.clearing.file import ClearingFile, read_clearing_file
from authoriser.clearing.report import ClearingReport, report_on
from authoriser.cli.busy import call_when_free
from authoriser.cli.clear_show import print_clearing
from authoriser.cli.csv_lines import LineProblem
from authoriser.cli.errors import BAD_INPUT, FAILED, CommandError
from authoriser.cli.import_command import PROBLEMS_SHOWN_MAX, bar
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
from authoriser.cli.show import print_json
from authoriser.limits import CLEARING_ROWS_MAX
from authoriser.telemetry.scrub import mask_digit_runs


def clear(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.csv", help="Its columns: docs/clearing.md.", show_default=False),
    ],
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Post a day's clearing: presentments, refunds, reversals, chargebacks, representments.

    Every line is checked before anything is posted; if any is wrong, nothing is, and the lines are named. Running it
    twice changes nothing, and after a crash it goes on where it stopped.

    Exit code 0: every row is posted, and the totals agree with the file's. 1: they do not, or the server went away; run
    it again. 2: something is wrong with the file, and nothing was posted.
    """
    started = time.monotonic()
    name = mask_digit_runs(file.name)
    try:
        content = read_clearing_file(file)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", exit_code=BAD_INPUT) from None
    _refuse(name, content, content.problems, as_json=as_json)
    said = words(reason, actor, f"clear-{content.sha256[:24]}", default_reason=f"clearing of {name}")
    with open_client(data, socket) as client, bar() as progress:
        task = progress.add_task("checking", total=len(content.rows))
        problems: list[LineProblem] = []
        finished_at = None
        for chunk in _chunks(content.rows):
            checked = client.call("clearing.check", file_sha256=content.sha256, rows=chunk)
            finished_at = checked.finished_at
            problems += [LineProblem(found.line, found.column, found.message) for found in checked.problems]
            progress.advance(task, len(chunk))
        progress.stop_task(task)
        posted: list[RowPosted] = []
        if not problems:
            task = progress.add_task("posting", total=len(content.rows))
            for count in _post(client, content, posted, said):
                progress.advance(task, count)
    _refuse(name, content, problems, as_json=as_json)
    report = report_on(name, content.sha256, content.rows, posted, finished_at)
    report = msgspec.structs.replace(report, seconds=round(time.monotonic() - started, 3))
    if as_json:
        print_json(report)
    else:
        print_clearing(report)
    if report.mismatches:
        raise CommandError(*_loud(report))


def _post(
    client: AdminClient, content: ClearingFile, posted: list[RowPosted], said: dict[str, str]
) -> Iterator[int]:
    """Post chunk after chunk: `posted` grows, and the size of each is given for the progress bar."""
    try:
        for chunk in _chunks(content.rows):
            posted += call_when_free(client, "clearing.post", file_sha256=content.sha256, rows=chunk).rows
            yield len(chunk)
        # Whatever the report will say: no row of this file is ever to be posted again.
        client.call("clearing.finish", file_sha256=content.sha256, rows=len(content.rows), **said)
    except ClientError as error:
        again = f"{len(posted)} of {len(content.rows)} rows are posted for certain"
        text = f"{again}; run it again: what is posted is not posted twice"
        raise CommandError(str(error), text, exit_code=FAILED) from None


def _refuse(name: str, content: ClearingFile, problems: Sequence[LineProblem], *, as_json: bool) -> None:
    if not problems:
        return
    if as_json:
        empty = report_on(name, content.sha256, (), ())
        print_json(msgspec.structs.replace(empty, problems=tuple(problems)))
    lines = [f"{name}: {problem}" for problem in problems[:PROBLEMS_SHOWN_MAX]]
    if len(problems) > PROBLEMS_SHOWN_MAX:
        lines.append(f"{name}: and {len(problems) - PROBLEMS_SHOWN_MAX} more; --json has them all")
    raise CommandError(*lines, "nothing was posted", exit_code=BAD_INPUT)


def _loud(report: ClearingReport) -> list[str]:
    shown = report.mismatches[:PROBLEMS_SHOWN_MAX]
    lines = ["THE TOTALS DO NOT AGREE WITH THE FILE: what is posted is not what the file says", *shown]
    if len(report.mismatches) > len(shown):
        lines.append(f"and {len(report.mismatches) - len(shown)} more; --json has them all")
    return lines


def _chunks(rows: Sequence[ClearingRow]) -> Iterator[Sequence[ClearingRow]]:
    for start in range(0, len(rows), CLEARING_ROWS_MAX):
        yield rows[start : start + CLEARING_ROWS_MAX]
