"""The command `authoriser`: which commands there are and where they live."""

from __future__ import annotations

from typing import Annotated

import typer

from authoriser import __version__
from authoriser.cli import accounts, cards, operations, schema_command
from authoriser.cli.clear_command import clear
from authoriser.cli.errors import OneLineErrors
from authoriser.cli.exception_commands import app as exceptions
from authoriser.cli.explain_command import explain
from authoriser.cli.import_command import import_cards
from authoriser.cli.observe import events, status, verify
from authoriser.cli.relay_command import relay
from authoriser.cli.replay_command import replay
from authoriser.cli.serve import serve

app = typer.Typer(
    cls=OneLineErrors,
    help="A card issuer's payment authorisation processor: ISO 8583 in, durable decisions, events out.",
    epilog="Start with: authoriser serve. Then, beside it: authoriser import cards.csv; authoriser status.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # it would print the values of locals, card numbers among them
    rich_markup_mode="rich",
)
app.command(
    "serve",
    epilog="Examples: authoriser serve  |  authoriser serve --data /var/lib/authoriser --listen 0.0.0.0:8583  |  "
    "authoriser serve --config authoriser.toml",
)(serve)
app.command("import", epilog="Example: authoriser import cards.csv --reason 'new branch'")(import_cards)
app.command("clear", epilog="Example: authoriser clear 2026-11-25.csv --json")(clear)
app.add_typer(cards.app, name="card")
app.add_typer(accounts.app, name="account")
app.command("status", epilog="Example: authoriser status --json")(status)
app.command("events", epilog="Example: authoriser events --from 1000 --follow | jq .type")(events)
app.add_typer(exceptions, name="exceptions")
app.add_typer(operations.holds, name="hold")
app.add_typer(operations.policies, name="policy")
app.add_typer(operations.proposals, name="proposals")
app.command("audit", epilog="Example: authoriser audit --account alice --since 2026-11-01")(operations.audit)
app.command("verify", epilog="Example: authoriser verify && echo all is well")(verify)
app.command(
    "explain", epilog="Example: authoriser explain 412300000017  |  authoriser explain --match 412300000017"
)(explain)
app.command("replay", epilog="Example: authoriser replay --policy stricter.toml --from 5000")(replay)
app.add_typer(schema_command.app, name="schema")
app.command("relay", epilog="Example: authoriser relay --config authoriser.toml")(relay)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"authoriser {__version__}")
        raise typer.Exit


@app.callback()
def top(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point; ends the process with the command's exit code."""
    app()
