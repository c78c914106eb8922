"""What a benchmark leaves in a Cassandra that others use too."""

from authoriser.cassandra.schema_versions import patient
from authoriser.cassandra.session import CassandraConfig, Session


async def drop_keyspace(config: CassandraConfig) -> None:
    """The benchmark's own, with all that is in it. Raises CassandraError."""
    async with await Session.open(patient(config)) as session:
        await session.execute(f"DROP KEYSPACE {config.keyspace}")
