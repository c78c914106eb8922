"""`authoriser serve`: the configuration and what the command line says over it, then the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from authoriser.cli.options import DATA_VARIABLE
from authoriser.config import Overrides, load_config
from isowire.framing import FRAMINGS


def serve(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="A TOML file; without one, all defaults.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="DIR", envvar=DATA_VARIABLE, help="The data directory, made if need be."
        ),
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where the card network connects to.")
    ] = None,
    dialect: Annotated[
        str | None, typer.Option("--dialect", metavar="NAME", help="A dialect, or its file.")
    ] = None,
    framing: Annotated[
        str | None,
        typer.Option("--framing", metavar="NAME", help=f"How messages are framed: {', '.join(FRAMINGS)}."),
    ] = None,
) -> None:
    """Serve card networks until SIGTERM or Ctrl-C; prints a line when it is ready.

    The journal is in the data directory, or in Cassandra where the file has a table cassandra: then any number of
    processes may serve one shard, of which one decides and the others follow (docs/cassandra.md).
    """
    settings = load_config(config, Overrides(data_dir=data, listen=listen, dialect=dialect, framing=framing))
    from authoriser.server import run

    raise typer.Exit(run(settings))
