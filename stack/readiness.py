"""Whether a server serves: a query answered, a message produced. An open port proves neither.

The only file here that imports the drivers, and late, so that everything else works without them.
"""

import asyncio
import socket

from stack.errors import MissingError

TRY_MAX_S = 10.0
READY_TOPIC = "stack-ready"
DRIVERS_HELP = "Install them with: pip install 'authoriser[stack]' (`make setup` does)."


def require_driver(server: str) -> None:
    """Raises MissingError where the driver for `server` is not installed."""
    try:
        if server == "cassandra":
            import cassandra.cluster  # noqa: F401 - asked, not used
        else:
            import aiokafka  # noqa: F401 - likewise
    except ImportError as error:
        raise MissingError(
            f"{error}. Drivers tell when the stack's servers are ready. {DRIVERS_HELP}"
        ) from None


def answers(server: str, host: str, port: int) -> bool:
    """Whether it did what it is for, just now. Blocking, up to some TRY_MAX_S."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    if server == "cassandra":
        return _query(host, port)
    return asyncio.run(_produce(f"{host}:{port}"))


def _query(host: str, port: int) -> bool:
    from cassandra import ProtocolVersion
    from cassandra.cluster import Cluster, ExecutionProfile, NoHostAvailable
    from cassandra.policies import WhiteListRoundRobinPolicy

    profile = ExecutionProfile(WhiteListRoundRobinPolicy([host]), request_timeout=TRY_MAX_S)
    cluster = Cluster(
        [host],
        port=port,
        protocol_version=ProtocolVersion.V5,
        connect_timeout=TRY_MAX_S,
        control_connection_timeout=TRY_MAX_S,
        execution_profiles={"ready": profile, "default": profile},
    )
    try:
        session = cluster.connect()
        session.execute("SELECT release_version FROM system.local", execution_profile="ready")
    except (NoHostAvailable, OSError):
        return False
    else:
        return True
    finally:
        cluster.shutdown()


async def _produce(address: str) -> bool:
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all")
    try:
        async with asyncio.timeout(TRY_MAX_S):
            await admin.start()
            await admin.create_topics([NewTopic(READY_TOPIC, num_partitions=1, replication_factor=1)])
            await producer.start()
            await producer.send_and_wait(READY_TOPIC, b"", partition=0)
    except (KafkaError, OSError, TimeoutError):
        return False
    else:
        return True
    finally:
        await producer.stop()
        await admin.close()
