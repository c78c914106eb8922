"""`authoriser hold`, `policy`, `proposals` and `audit`: what operators do besides accounts and cards.

`policy check` and `audit` need no server: the one reads a file, the other the journal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from authoriser.cli.accounts import AccountArgument, print_money
from authoriser.cli.errors import bad_input
from authoriser.cli.journal import ConfigOption, reading
from authoriser.cli.journal import DataOption as JournalDataOption
from authoriser.cli.options import (
    DATA_DEFAULT,
    ActorOption,
    DataOption,
    JsonOption,
    KeyOption,
    ReasonOption,
    SocketOption,
    open_client,
    words,
)
from authoriser.cli.show import print_account, print_json, print_line
from authoriser.cli.show_operations import print_audit, print_proposals
from authoriser.limits import POLICY_TEXT_MAX

AUDIT_LIMIT_MAX = 100_000
"""Entries held in memory and printed at once."""

holds = typer.Typer(help="Let go of holds.", no_args_is_help=True)
policies = typer.Typer(help="The rules by which payments are decided.", no_args_is_help=True)
proposals = typer.Typer(help="Changes that wait for a second person.", no_args_is_help=True)


# ---- holds


@holds.command(
    "release", epilog="Example: authoriser hold release alice 4711 --reason 'the hotel confirmed by phone'"
)
def release(
    account: AccountArgument,
    hold: Annotated[
        str,
        typer.Argument(metavar="HOLD", help="Its number, as account show lists it.", show_default=False),
    ],
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release all that a payment still holds. What was captured of it stays."""
    said = words(reason, actor, key, default_reason="released by an operator")
    with open_client(data, socket) as client:
        result = client.call("hold.release", account=account, hold=hold, **said)
    print_money(result, f"hold {hold} is released", f"hold {hold} was released already", as_json=as_json)


# ---- the policy


@policies.command("show", epilog="Example: authoriser policy show > policy.toml")
def show_policy(
    *, data: DataOption = DATA_DEFAULT, socket: SocketOption = None, as_json: JsonOption = False
) -> None:
    """Print the policy in force, as TOML."""
    with open_client(data, socket) as client:
        result = client.call("policy.show")
    if as_json:
        print_json(result)
        return
    origin = "the default; none was ever loaded" if result.default else "as it was loaded"
    typer.echo(f"policy {result.version}: {origin}", err=True)
    typer.echo(result.text, nl=not result.text.endswith("\n"))


FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A policy, as TOML.", exists=True, dir_okay=False, readable=True),
]


@policies.command("check", epilog="Example: authoriser policy check policy.toml && echo it can be loaded")
def check_policy(file: FileArgument, *, as_json: JsonOption = False) -> None:
    """Say what is wrong with a policy, with its lines. Needs no server, and changes nothing."""
    version = _version(file, _text(file))
    if as_json:
        print_json({"version": version})
    else:
        print_line(f"{file} is a policy; its version is {version}")


@policies.command("load", epilog="Example: authoriser policy load policy.toml --reason 'lower cash limits'")
def load_policy(
    file: FileArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a policy in force for every later request. A wrong one is refused, and the old one stays."""
    said = words(reason, actor, key, default_reason="policy loaded by an operator")
    text = _text(file)
    _version(file, text)
    with open_client(data, socket) as client:
        result = client.call("policy.load", text=text, **said)
    if as_json:
        print_json(result)
        return
    print_line(f"policy {result.version} {'is in force' if result.changed else 'was in force already'}")


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        bad_input(f"{file} is not UTF-8 at byte {error.start}")
    if len(text) > POLICY_TEXT_MAX:
        bad_input(f"{file} has {len(text)} characters; a policy has at most {POLICY_TEXT_MAX}")
    return text


def _version(file: Path, text: str) -> str:
    from rules import PolicyError, read_policy

    try:
        return read_policy(text, str(file)).version
    except PolicyError as error:
        bad_input(*str(error).splitlines())


# ---- second persons

ProposalArgument = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="As prop_0123456789ab.", show_default=False)
]


@proposals.command("list", epilog="Example: authoriser proposals list")
def list_proposals(
    *, data: DataOption = DATA_DEFAULT, socket: SocketOption = None, as_json: JsonOption = False
) -> None:
    """List what waits."""
    with open_client(data, socket) as client:
        result = client.call("proposals.list")
    if as_json:
        print_json(result)
    else:
        print_proposals(result.proposals)


@proposals.command("confirm", epilog="Example: authoriser proposals confirm prop_0123456789ab")
def confirm(
    proposal: ProposalArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a proposed change. Whoever proposed it cannot, under whatever name."""
    said = words(reason, actor, key, default_reason="confirmed by a second person")
    _end("proposals.confirm", proposal, data, socket, said, "is confirmed", as_json=as_json)


@proposals.command("withdraw", epilog="Example: authoriser proposals withdraw prop_0123456789ab")
def withdraw(
    proposal: ProposalArgument,
    *,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a proposed change come to nothing."""
    said = words(reason, actor, key, default_reason="withdrawn by an operator")
    _end("proposals.withdraw", proposal, data, socket, said, "is withdrawn", as_json=as_json)


def _end(
    method: str,
    proposal: str,
    data: Path,
    socket: Path | None,
    said: dict[str, str],
    done: str,
    *,
    as_json: bool,
) -> None:
    with open_client(data, socket) as client:
        result = client.call(method, proposal=proposal, **said)
    if as_json:
        print_json(result)
        return
    print_line(f"{proposal} {done}")
    if result.account is not None and result.resolution == "confirmed":
        print_account(result.account)


# ---- who did what


def audit(
    *,
    card: Annotated[
        str, typer.Option("--card", metavar="CARD", help="A card id, or the last four digits.")
    ] = "",
    account: Annotated[str, typer.Option("--account", metavar="ACCOUNT", help="One account only.")] = "",
    actor: Annotated[str, typer.Option("--actor", metavar="NAME", help="One actor only.")] = "",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="From then on: ISO 8601, UTC if it names no zone."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=AUDIT_LIMIT_MAX, help="How many, the newest.")
    ] = 100,
    config: ConfigOption = None,
    data: JournalDataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who changed what and who looked, from the journal; the newest last."""
    from authoriser.audit import AuditFilter, read_audit

    wanted = AuditFilter(card, account, actor, _since_ms(since))
    with reading(config, data) as place:
        page = read_audit(place.slots, wanted, limit)
    if as_json:
        print_json(page)
    else:
        print_audit(page.total, page.entries)


def _since_ms(text: str | None) -> int:
    if text is None:
        return 0
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        bad_input("--since should be ISO 8601, as 2026-11-25 or 2026-11-25T14:30")
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return int(since.timestamp() * 1000)
