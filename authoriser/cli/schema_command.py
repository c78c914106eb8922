"""`authoriser schema create | version`: the tables in Cassandra. Owns the commands' options and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer

from authoriser.cli.errors import CommandError, bad_input
from authoriser.cli.options import JsonOption
from authoriser.cli.show import print_json, print_line
from authoriser.config_checks import WrongValueError, parse_address

if TYPE_CHECKING:
    from authoriser.cassandra.session import CassandraConfig

CONTACT_DEFAULT = "127.0.0.1:9042"
KEYSPACE_DEFAULT = "authoriser"

app = typer.Typer(help="The tables in Cassandra.", no_args_is_help=True)

ContactOption = Annotated[
    list[str],
    typer.Option("--contact", metavar="HOST:PORT", help="A node of the cluster; may be given several times."),
]
KeyspaceOption = Annotated[str, typer.Option("--keyspace", metavar="NAME", help="Where the tables are.")]
DataCentreOption = Annotated[
    str, typer.Option("--data-centre", metavar="NAME", help="The shard's home, where there are several.")
]


@app.command("create", epilog="Example: authoriser schema create --contact 10.0.0.1:9042 --replicas 3")
def create(
    contact: ContactOption = [CONTACT_DEFAULT],  # noqa: B006 - typer copies it
    keyspace: KeyspaceOption = KEYSPACE_DEFAULT,
    data_centre: DataCentreOption = "",
    *,
    replicas: Annotated[
        int, typer.Option("--replicas", help="Of a keyspace that is made now; three survive the loss of one.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Make the keyspace and whatever tables are missing. Doing it again does nothing."""
    config = _config(contact, keyspace, data_centre)
    from authoriser.cassandra.schema_versions import create_schema, latest_version

    applied = _run(create_schema, config, replicas)
    if as_json:
        names = [{"version": file.version, "name": file.name} for file in applied]
        print_json({"keyspace": keyspace, "version": latest_version(), "applied": names})
        return
    for file in applied:
        print_line(f"applied {file.version} {file.name}")
    print_line(f"keyspace {keyspace} has schema version {latest_version()}")


@app.command("version", epilog="Example: authoriser schema version --json")
def version(
    contact: ContactOption = [CONTACT_DEFAULT],  # noqa: B006 - typer copies it
    keyspace: KeyspaceOption = KEYSPACE_DEFAULT,
    data_centre: DataCentreOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the schema's version. Exit code 1 if it is not the one that this program needs."""
    config = _config(contact, keyspace, data_centre)
    from authoriser.cassandra.schema_versions import latest_version

    there, needed = _run(_version, config), latest_version()
    if as_json:
        print_json({"keyspace": keyspace, "version": there, "needed": needed})
    elif there == needed:
        print_line(f"keyspace {keyspace} has schema version {there}")
    if there != needed:
        raise CommandError(
            f"keyspace {keyspace} has schema version {there or 'none'}, and this program needs {needed}: "
            "run `authoriser schema create`"
        )


async def _version(config: CassandraConfig) -> int:
    from authoriser.cassandra.schema_versions import applied_version
    from authoriser.cassandra.session import Session

    async with await Session.open(config, with_keyspace=False) as session:
        return await applied_version(session)


def _config(contact: list[str], keyspace: str, data_centre: str) -> CassandraConfig:
    try:
        addresses = [parse_address(text) for text in contact]
    except WrongValueError as wrong:
        bad_input(f"--contact {wrong}")
    try:
        from authoriser.cassandra.session import CassandraConfig
    except ImportError:
        raise CommandError(
            "the Cassandra driver is not installed; install it with: pip install 'authoriser[stack]'"
        ) from None
    return CassandraConfig(
        contact_points=tuple((address.host, address.port) for address in addresses),
        keyspace=keyspace,
        local_data_centre=data_centre,
    )


def _run(function: Any, *arguments: Any) -> Any:
    from authoriser.cassandra.schema_versions import SchemaError
    from authoriser.cassandra.session import CassandraError

    try:
        return trio.run(function, *arguments)
    except (SchemaError, CassandraError) as error:
        raise CommandError(*str(error).splitlines()) from None
