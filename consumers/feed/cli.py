"""`authoriser-feed`: options and words, and nothing else."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from aiokafka.errors import KafkaError
from msgspec.structs import asdict

from authoriser.cassandra.schema_versions import SchemaError
from authoriser.cassandra.session import CassandraConfig, CassandraError
from authoriser.config_checks import WrongValueError
from authoriser.kafka.client import KafkaSettingsError
from consumers.feed.program import FeedWriter
from consumers.feed.settings import CONTACT_DEFAULT, feed_settings
from consumers.feed.tables import PAGE_MAX, Feed, create_tables
from consumers.reading import Beginning, Reader, Reading
from consumers.running import BAD_INPUT, BootstrapOption, ConfigOption, GroupOption, TopicOption, fail, run
from consumers.settings import SettingsError, kafka_settings

PROGRAM = "authoriser-feed"
GROUP_DEFAULT = "authoriser-feed"
KEYSPACE_DEFAULT = "authoriser_feed"
BEGINNING = "beginning"


def replay_from(text: str | None) -> Beginning | None:
    """What --replay-from says. Raises ValueError, which says what would be right."""
    if text is None:
        return None
    if text == BEGINNING:
        return Beginning()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f'--replay-from "{text[:40]}" should be {BEGINNING} or a time, such as 2026-11-01T00:00:00Z'
        ) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return Beginning(int(at.timestamp() * 1000))


def feed(  # noqa: PLR0913 - each is an option of the command line
    config: ConfigOption = None,
    bootstrap: BootstrapOption = [],  # noqa: B006 - typer copies it
    topic: TopicOption = None,
    group: GroupOption = GROUP_DEFAULT,
    contact: Annotated[
        list[str],
        typer.Option(
            "--contact",
            metavar="HOST:PORT",
            help="A node of Cassandra; may be given again.",
            show_default=f"the file's, or {CONTACT_DEFAULT}",
        ),
    ] = [],  # noqa: B006 - likewise
    keyspace: Annotated[str, typer.Option("--keyspace", metavar="NAME", help="Where the tables are.")] = (
        KEYSPACE_DEFAULT
    ),
    data_centre: Annotated[
        str, typer.Option("--data-centre", metavar="NAME", help="Cassandra's nearest.")
    ] = "",
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay-from",
            metavar="beginning|TIME",
            help="Write everything again from there, whatever was written, and go on.",
        ),
    ] = None,
    replicas: Annotated[
        int, typer.Option("--replicas", min=1, help="Of the keyspace, with --create-tables.")
    ] = 3,
    *,
    create: Annotated[
        bool, typer.Option("--create-tables", help="Make the keyspace and the tables where they are missing.")
    ] = False,
    show: Annotated[
        str | None,
        typer.Option(
            "--show", metavar="ACCOUNT", help="Write nothing: print an account's latest, as JSON lines."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=PAGE_MAX, help="How many lines, with --show.")
    ] = 20,
) -> None:
    """Write each account's transactions to Cassandra, the latest first, until SIGTERM or Ctrl-C."""
    try:
        cassandra = feed_settings(config, contact, keyspace, data_centre)
        if show is not None:
            _show(cassandra, show, limit)
            return
        reading = Reading(kafka_settings(config, bootstrap, topic), group, replay_from(replay))
    except (SettingsError, WrongValueError, ValueError) as error:
        fail(PROGRAM, error, BAD_INPUT)
    try:
        if create:
            create_tables(cassandra, replicas)
        tables = Feed.open(cassandra)
    except SchemaError as error:
        fail(PROGRAM, error, BAD_INPUT)
    except CassandraError as error:
        fail(PROGRAM, f"{error}; --create-tables makes what is missing")

    async def work(register: Callable[[Reader], None]) -> None:
        reader = Reader(reading, FeedWriter(tables), PROGRAM)
        register(reader)
        await reader.run()

    try:
        run(work)
    except (KafkaSettingsError, KafkaError, CassandraError) as error:
        fail(PROGRAM, error)
    finally:
        tables.close()


def _show(cassandra: CassandraConfig, account: str, limit: int) -> None:
    """The rows but for the whole events in them."""
    try:
        tables = Feed.open(cassandra)
        try:
            page = tables.page(account, limit)
        finally:
            tables.close()
    except CassandraError as error:
        fail(PROGRAM, f"{error}; --create-tables makes what is missing")
    for entry in page.entries:
        row = {name: value for name, value in asdict(entry).items() if name != "event" and value is not None}
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")


def main() -> None:
    """The entry point."""
    typer.run(feed)
