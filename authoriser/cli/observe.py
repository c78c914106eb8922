"""`authoriser status|events|verify`: what there is to see.

`events` and `verify` read the journal themselves, so they work without a server too.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import msgspec
import typer

from authoriser.cli.errors import CommandError, quiet_on_closed_pipe
from authoriser.cli.journal import ConfigOption, reading
from authoriser.cli.journal import DataOption as JournalDataOption
from authoriser.cli.options import DATA_DEFAULT, DataOption, JsonOption, SocketOption, open_client
from authoriser.cli.show import print_json, print_line, print_status


def status(
    *, data: DataOption = DATA_DEFAULT, socket: SocketOption = None, as_json: JsonOption = False
) -> None:
    """Show what a running authoriser is doing."""
    with open_client(data, socket) as client:
        result = client.call("status")
    if as_json:
        print_json(result)
    else:
        print_status(result)


def events(
    from_record: Annotated[
        int,
        typer.Option(
            "--from", metavar="N", min=1, help="Start at journal record N.", show_default="the first"
        ),
    ] = 1,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as events come, until Ctrl-C.")
    ] = False,
    config: ConfigOption = None,
    data: JournalDataOption = None,
    as_json: JsonOption = False,  # noqa: ARG001 - events are JSON lines either way; scripts may say so everywhere
) -> None:
    """Print events as JSON lines, from the journal: one for each decision and change."""
    from authoriser.events import read_events

    encoder = msgspec.json.Encoder()
    with reading(config, data) as place, quiet_on_closed_pipe(), contextlib.suppress(KeyboardInterrupt):
        for event in read_events(place.slots, from_record, follow):
            sys.stdout.write(encoder.encode(event).decode() + "\n")
            if follow:
                sys.stdout.flush()


def verify(
    *, config: ConfigOption = None, data: JournalDataOption = None, as_json: JsonOption = False
) -> None:
    """Replay the journal beside the snapshots and check every invariant; exit code 1 if any does not hold."""
    from authoriser.opening import NoJournalError
    from authoriser.verify import nothing_to_verify
    from authoriser.verify import verify as run_checks

    where = str(config if config is not None else data if data is not None else DATA_DEFAULT)
    try:
        with reading(config, data) as place:
            where = place.name
            report = run_checks(place.slots, place.data_dir)
    except NoJournalError as error:
        report = nothing_to_verify(str(error))
    if as_json:
        print_json(report)
    else:
        for problem in report.problems:
            print_line(problem)
        print_line(
            f"{report.records} records in {report.batches} batches: {report.accounts} accounts, {report.cards} cards, "
            f"{report.holds} holds; epoch {report.epoch}, last record {report.last_record}"
        )
        print_line(f"state {report.state_hash}")
        if report.ok:
            print_line("every check passed")
    if not report.ok:
        count = len(report.problems)
        raise CommandError(f"{count} {'check fails' if count == 1 else 'checks fail'} on {where}")
