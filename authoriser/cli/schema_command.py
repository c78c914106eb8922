"""`authoriser schema create | version`: the tables in Cassandra. Owns the commands' options and words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer

from authoriser.cli.errors import CommandError, bad_input
from authoriser.cli.options import JsonOption
from authoriser.cli.show import print_json, print_line
from authoriser.config import load_config
from authoriser.config_checks import WrongValueError, parse_address
from authoriser.passwords import PasswordError

if TYPE_CHECKING:
    from authoriser.cassandra.session import CassandraConfig

NO_DRIVER = "the Cassandra driver is not installed; install it with: pip install 'authoriser[stack]'"
CONTACT_DEFAULT = "127.0.0.1:9042"
KEYSPACE_DEFAULT = "authoriser"

app = typer.Typer(help="The tables in Cassandra.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The authoriser's TOML file; its \\[cassandra] says where and who asks.",
    ),
]
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
    config: ConfigOption = None,
    replicas: Annotated[
        int, typer.Option("--replicas", help="Of a keyspace that is made now; three survive the loss of one.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Make the keyspace and whatever tables are missing. Doing it again does nothing."""
    place = _place(config, contact, keyspace, data_centre)
    from authoriser.cassandra.schema_versions import create_schema, latest_version

    keyspace = place.keyspace
    applied = _run(create_schema, place, replicas)
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
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the schema's version. Exit code 1 if it is not the one that this program needs."""
    place = _place(config, contact, keyspace, data_centre)
    from authoriser.cassandra.schema_versions import latest_version

    keyspace = place.keyspace
    there, needed = _run(_version, place), latest_version()
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


def _place(config: Path | None, contact: list[str], keyspace: str, data_centre: str) -> CassandraConfig:
    """Where to go: the file's word where one is given, else the options'."""
    if config is None:
        return _told(contact, keyspace, data_centre)
    if (contact, keyspace, data_centre) != ([CONTACT_DEFAULT], KEYSPACE_DEFAULT, ""):
        bad_input(
            "--config says where Cassandra is; --contact, --keyspace and --data-centre are for use without it"
        )
    section = load_config(config).cassandra
    if section is None:
        bad_input(f"{config} has no [cassandra] table")
    try:
        from authoriser.cassandra_access import cassandra_config
    except ImportError:
        raise CommandError(NO_DRIVER) from None
    try:
        return cassandra_config(section)
    except PasswordError as error:
        raise CommandError(str(error)) from None


def _told(contact: list[str], keyspace: str, data_centre: str) -> CassandraConfig:
    try:
        addresses = [parse_address(text) for text in contact]
    except WrongValueError as wrong:
        bad_input(f"--contact {wrong}")
    try:
        from authoriser.cassandra.session import CassandraConfig
    except ImportError:
        raise CommandError(NO_DRIVER) from None
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
