"""`authoriser exceptions` and `authoriser exceptions settle`: what needs an operator's eye, and their word on it."""

from __future__ import annotations

from typing import Annotated

import typer

from authoriser.admin.protocol import EXCEPTIONS_LIST_MAX
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
from authoriser.cli.show import print_exceptions, print_json, print_line

app = typer.Typer(invoke_without_command=True, epilog="Example: authoriser exceptions --limit 20")


@app.callback()
def exceptions(
    context: typer.Context,
    *,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, max=EXCEPTIONS_LIST_MAX, help="How many, newest first."),
    ] = 100,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what needs an operator's eye: malformed advices, ambiguous reversals, and their like; or settle one."""
    if context.invoked_subcommand is not None:
        return
    with open_client(data, socket) as client:
        result = client.call("exceptions.list", limit=limit)
    if as_json:
        print_json(result)
    else:
        print_exceptions(result.total, result.exceptions)


@app.command(
    "settle", epilog="Example: authoriser exceptions settle 3f1c0e9ab27d --hold 4711 --reason 'shop rang'"
)
def settle(
    exception: Annotated[
        str, typer.Argument(metavar="EXCEPTION", help="Its id, as exceptions lists it.", show_default=False)
    ],
    *,
    hold: Annotated[
        str | None,
        typer.Option(
            "--hold", metavar="HOLD", help="The hold that the message meant. (default: dismiss, move nothing)"
        ),
    ] = None,
    data: DataOption = DATA_DEFAULT,
    socket: SocketOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an entry off the list: say which hold was meant, or that nothing is to be done."""
    said = words(reason, actor, key, default_reason="settled by an operator")
    asked = {"exception": exception} if hold is None else {"exception": exception, "hold": hold}
    with open_client(data, socket) as client:
        result = client.call("exceptions.settle", **asked, **said)
    if as_json:
        print_json(result)
        return
    print_line(f"{exception} is {result.resolution}{'' if hold is None else f' with hold {hold}'}")
