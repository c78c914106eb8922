"""Whether a server serves: a query answered, a message produced. An open port proves neither.

The only file here that imports the drivers, and late, so that everything else works without them.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from stack.errors import MissingError
from stack.secure import FIRST_PASSWORD, FIRST_USER, USER, Secure

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


def answers(server: str, host: str, port: int, secure: Secure | None = None) -> bool:
    """Whether it did what it is for, just now. Blocking, up to some TRY_MAX_S."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    if server == "cassandra":
        if secure is None:
            return _query(host, port)
        return _query(host, port, secure, USER, secure.password()) or _make_user(host, port, secure)
    return asyncio.run(_produce(f"{host}:{port}", _as_user(secure) if secure is not None else {}))


def _make_user(host: str, port: int, secure: Secure) -> bool:
    """Who may make keyspaces, and ask a server for its settings as the authoriser does; in its own it may all."""
    grants = (
        f"CREATE ROLE IF NOT EXISTS {USER} WITH PASSWORD = '{secure.password()}' AND LOGIN = true",
        f"GRANT CREATE ON ALL KEYSPACES TO {USER}",
        f"GRANT SELECT ON KEYSPACE system_views TO {USER}",
    )
    return _query(host, port, secure, FIRST_USER, FIRST_PASSWORD, grants)


def _query(
    host: str,
    port: int,
    secure: Secure | None = None,
    username: str = "",
    password: str = "",
    statements: Sequence[str] = ("SELECT release_version FROM system.local",),
) -> bool:
    from cassandra import DriverException, ProtocolVersion
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
    from cassandra.policies import WhiteListRoundRobinPolicy

    profile = ExecutionProfile(WhiteListRoundRobinPolicy([host]), request_timeout=TRY_MAX_S)
    cluster = Cluster(
        [host],
        port=port,
        protocol_version=ProtocolVersion.V5,
        connect_timeout=TRY_MAX_S,
        control_connection_timeout=TRY_MAX_S,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        auth_provider=PlainTextAuthProvider(username, password) if username else None,
        ssl_context=secure.context() if secure is not None else None,
    )
    try:
        session = cluster.connect()
        for statement in statements:
            session.execute(statement)
    except (DriverException, NoHostAvailable, OSError):
        return False
    else:
        return True
    finally:
        cluster.shutdown()


def _as_user(secure: Secure) -> dict[str, Any]:
    return {
        "security_protocol": "SASL_SSL",
        "ssl_context": secure.context(),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": USER,
        "sasl_plain_password": secure.password(),
    }


async def _produce(address: str, access: dict[str, Any]) -> bool:
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=address, **access)
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", **access)
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
