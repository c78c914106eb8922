"""Where the feed's tables are: the `[cassandra]` table of the authoriser's file, or what the command line says."""

from pathlib import Path

from msgspec.structs import replace

from authoriser.cassandra.session import CassandraConfig
from authoriser.cassandra_access import cassandra_config
from authoriser.config_cassandra import cassandra_section
from authoriser.config_checks import Problem, Table, parse_address
from authoriser.passwords import PasswordError
from consumers.settings import SettingsError, document

CONTACT_DEFAULT = "127.0.0.1:9042"


def feed_settings(file: Path | None, contact: list[str], keyspace: str, data_centre: str) -> CassandraConfig:
    """Nodes, user and TLS from the file where it has a [cassandra] table and no --contact is given; the keyspace is
    the feed's own.

    Raises SettingsError, and WrongValueError for an address.
    """
    problems: list[Problem] = []
    section = None
    if file is not None and not contact:
        section = cassandra_section(Table(document(file), "", problems))
    if problems:
        raise SettingsError("\n".join(map(str, problems)))
    if section is None:
        addresses = map(parse_address, contact or [CONTACT_DEFAULT])
        return CassandraConfig(
            tuple((address.host, address.port) for address in addresses), keyspace, data_centre
        )
    try:
        config = cassandra_config(section)
    except PasswordError as error:
        raise SettingsError(str(error)) from None
    return replace(config, keyspace=keyspace, local_data_centre=data_centre or config.local_data_centre)
