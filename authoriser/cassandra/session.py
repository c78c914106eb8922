"""Where the Cassandra driver meets trio: this file and `reactor` beside it alone import the driver.

Owns connecting, preparing, executing, explicit consistency, and which errors pass by themselves. Knows no table.
"""

import contextlib
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from types import TracebackType
from typing import Any, Literal, Self

import trio
from cassandra import (
    AuthenticationFailed,
    ConfigurationException,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    ProtocolVersion,
    Unauthorized,
    UnresolvableContactPoints,
    UnsupportedOperation,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    DefaultConnection,
    ExecutionProfile,
    NoHostAvailable,
)
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.connection import Connection, ConnectionException
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import ErrorMessage, ProtocolException, SyntaxException
from cassandra.query import BatchStatement, BatchType, dict_factory
from msgspec import Struct

from authoriser.cassandra.reactor import RECEIVE_BYTES, MendedConnection, TrioConnection, TrioLoop
from authoriser.tls import TlsConfig, TlsFilesError, tls_context, words_of

CONNECT_MAX_S = 10.0
REQUEST_MAX_S = 5.0
"""Longer than the server's own limits (2 s for a write, 1.8 s more for contention), so that it is the server that says
what happened, as long as it can speak."""
HEDGE_S = 0.5
"""A node that has not answered by then may have lost its power: its connections stay open, and nothing comes. Some ten
times what a lightweight transaction takes at its slowest, and a quarter of the time that an answer may take."""
HEARTBEAT_S, HEARTBEAT_MAX_S = 3.0, 5.0
"""How often the driver asks connections on which nothing came, and how long it waits. With its own 30 s each every
statement of a minute would begin at a node that is gone."""
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.25, 2.0
"""The driver's own maximum is ten minutes: a node that is back would stay unused for as long."""
ASIDE = "aside"
"""The profile of statements that go to another node than they would."""

Row = dict[str, Any]
Prepared = Any
"""The driver carries no types."""
Durability = Literal["commitlog", "replicated"]


class Password(str):
    """A password that no repr shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


class CassandraConfig(Struct, frozen=True):
    """Where Cassandra is. `contact_points`: (host, port) of some nodes.

    With `local_data_centre` a shard's lightweight transactions stay in that data centre (LOCAL_SERIAL,
    LOCAL_QUORUM), and every process of the shard must say the same; "" runs them over all (SERIAL, QUORUM).
    `durability` "replicated" accepts a commit log that is synced later, on three replicas or more. `username` ""
    is nobody. With `tls_ca_file`, PEM, servers must show a certificate of their address signed by it; `tls_cert_file`
    and `tls_key_file` are what this side shows.
    """

    contact_points: tuple[tuple[str, int], ...]
    keyspace: str
    local_data_centre: str = ""
    durability: Durability = "commitlog"
    request_max_s: float = REQUEST_MAX_S
    username: str = ""
    password: Password = Password()
    tls_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None


class CassandraError(Exception):
    """What the driver or the server said. The text holds no value of a statement.

    `passing`: it may be over when the same is tried again (a timeout, a node away); a write's outcome is then
    unknown. Otherwise trying again can't help: a table that is not there, a user who may not.
    """

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class SettingError(CassandraError):
    """A file or a name that was given does not serve. The text begins with its setting and names it."""


_UNDECIDED = "Unable to perform auth"
"""What a node says that can't read its own tables of users at a quorum: of a password as if it were wrong."""
_OLDER = "client protocol_version"
"""What the driver says of a node that does not speak the protocol that it was told to."""
_CUT_SHORT = "UNEXPECTED_EOF_WHILE_READING"
"""Of TLS, where the other side went away: a proxy with nobody behind it."""
_SSL = re.compile(r"\[SSL: (?P<reason>\w+)\](?: certificate verify failed: (?P<why>.*?) \(_ssl)?")
"""How Python's ssl prints its errors."""
_FINAL = (
    AuthenticationFailed,
    ConfigurationException,
    InvalidRequest,
    SyntaxException,
    Unauthorized,
    UnsupportedOperation,
)
_DRIVERS = (DriverException, NoHostAvailable, ConnectionException, ErrorMessage, OSError)


class _Threaded(MendedConnection, DefaultConnection):  # type: ignore[misc]
    """The driver's own for this platform, in a thread of its own: for whoever has no trio. It reads answers whole."""

    in_buffer_size = RECEIVE_BYTES


def said(error: BaseException) -> CassandraError | None:
    """A driver's error as ours; None for one that is a fault of the program."""
    if not isinstance(error, _DRIVERS):
        return None
    if isinstance(error, NoHostAvailable) and isinstance(error.errors, Mapping) and error.errors:
        return _nobody_there(error.errors)
    if isinstance(error, NoHostAvailable) and error.errors:  # addresses alone, where no node has the keyspace
        return CassandraError(f"{error.args[0]} ({', '.join(map(str, error.errors))})", passing=True)
    if isinstance(error, UnresolvableContactPoints):
        return CassandraError("none of these names has an address", passing=True)
    final = isinstance(error, _FINAL) and not _is_undecided(error)
    return CassandraError(f"{type(error).__name__}: {error}", passing=not final)


def _nobody_there(errors: Mapping[object, object]) -> CassandraError:
    """Why each of the nodes that were tried was of no use."""
    tried = ", ".join(f"{node} ({_why(error)})" for node, error in errors.items())
    return CassandraError(f"no node can be used: {tried}", passing=not all(map(_stays, errors.values())))


def _stays(error: object) -> bool:
    """Whether a node will say the same again."""
    if isinstance(error, AuthenticationFailed):
        return not _is_undecided(error)
    return _is_older(error) or bool(_of_tls(error) and _CUT_SHORT not in str(error))


def _is_undecided(error: object) -> bool:
    return _UNDECIDED in str(error)


def _is_older(error: object) -> bool:
    return isinstance(error, ProtocolException) or _OLDER in str(error)


def _why(error: object) -> str:
    if _is_older(error):
        return "it does not speak protocol v5, as Cassandra 4.0 and later do"
    if isinstance(error, AuthenticationFailed):
        if _is_undecided(error):
            return "too few of the nodes that know its users are there"
        asks = "requires authentication" in str(error)
        return (
            "it asks for a user name and a password" if asks else "it refuses the user name or the password"
        )
    if isinstance(error, OSError) and error.strerror:
        return _of_tls(error) or error.strerror.rpartition("Last error: ")[2]
    return f"{type(error).__name__}: {error}"


def _of_tls(error: object) -> str:
    """What TLS found wrong, "" where it found nothing. The driver makes an OSError of it, with a text around."""
    found = _SSL.search(getattr(error, "strerror", None) or "")
    if found is None:
        return ""
    if found["why"]:
        return f"the peer's certificate is not good: {found['why']}"
    return words_of(found["reason"])


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        ours = said(error)
        if ours is None:
            raise
        raise ours from None


def _in_full(query: str, config: CassandraConfig) -> str:
    return query.replace("{keyspace}", config.keyspace)


def _at_quorum(prepared: Any, config: CassandraConfig, *, serial_read: bool) -> Prepared:
    """The statement at the quorum of `config`: of the shard's home where it has one, else of all data centres."""
    local = bool(config.local_data_centre)
    serial = ConsistencyLevel.LOCAL_SERIAL if local else ConsistencyLevel.SERIAL
    quorum = ConsistencyLevel.LOCAL_QUORUM if local else ConsistencyLevel.QUORUM
    prepared.consistency_level = serial if serial_read else quorum
    prepared.serial_consistency_level = serial
    return prepared


def _who(config: CassandraConfig) -> Any:
    return PlainTextAuthProvider(config.username, str(config.password)) if config.username else None


def _tls(config: CassandraConfig) -> ssl.SSLContext | None:
    """None for a connection in the clear. Raises SettingError for files that are not what they should be."""
    if config.tls_ca_file is None:
        return None
    given = TlsConfig(config.tls_cert_file, config.tls_key_file, config.tls_ca_file)
    try:
        return tls_context(given, listens=False)
    except TlsFilesError as error:
        name = _TLS_SETTINGS[error.key]
        raise SettingError(f"cassandra.{name} {getattr(config, name)} {error}", passing=False) from None


_TLS_SETTINGS = {
    "ca_file": "tls_ca_file",
    "certificate_file": "tls_cert_file",
    "private_key_file": "tls_key_file",
}


class _FirstLast(TokenAwarePolicy):  # type: ignore[misc]
    """The node that would be asked first is asked last."""

    def make_query_plan(self, working_keyspace: Any = None, query: Any = None) -> Iterator[Any]:
        hosts = list(super().make_query_plan(working_keyspace, query))
        yield from hosts[1:]
        yield from hosts[:1]


def _profile(config: CassandraConfig, policy: type[TokenAwarePolicy]) -> ExecutionProfile:
    return ExecutionProfile(
        # The same replica first each time: two that coordinate one slot would contend with each other.
        load_balancing_policy=policy(
            DCAwareRoundRobinPolicy(config.local_data_centre), shuffle_replicas=False
        ),
        # Retries are the journal's: only it knows that the same bytes may go to the same slot again.
        retry_policy=FallthroughRetryPolicy(),
        request_timeout=config.request_max_s,
        row_factory=dict_factory,
    )


def _connected(
    config: CassandraConfig, *, with_keyspace: bool, connections: type[Connection]
) -> tuple[Any, Any]:
    """The driver's cluster and session. Raises CassandraError."""
    with _ours():
        cluster = _cluster(config, connections)
    try:
        with _ours():
            return cluster, cluster.connect(config.keyspace if with_keyspace else None)
    except CassandraError as error:
        raise _of_home(config, cluster, error) from None
    except BaseException:
        cluster.shutdown()
        raise


def _of_home(config: CassandraConfig, cluster: Any, error: CassandraError) -> CassandraError:
    """Why no node can be used, and the cluster shut down: the driver says nothing of a home that is not there."""
    known = sorted({host.datacenter for host in cluster.metadata.all_hosts() if host.datacenter})
    cluster.shutdown()
    if not config.local_data_centre or not known or config.local_data_centre in known:
        return error
    wrong = f'cassandra.local_data_centre "{config.local_data_centre}" is not there; there are: {", ".join(known)}'
    return SettingError(wrong, passing=False)


def _cluster(config: CassandraConfig, connections: type[Connection]) -> Any:
    return Cluster(
        list(config.contact_points),
        port=config.contact_points[0][1],
        protocol_version=ProtocolVersion.V5,
        execution_profiles={
            EXEC_PROFILE_DEFAULT: _profile(config, TokenAwarePolicy),
            ASIDE: _profile(config, _FirstLast),
        },
        # A value over one TCP segment took 44 ms with Nagle, 1.3 ms without.
        sockopts=[(IPPROTO_TCP, TCP_NODELAY, 1)],
        reconnection_policy=ExponentialReconnectionPolicy(RECONNECT_FIRST_S, RECONNECT_MAX_S),
        connection_class=connections,
        connect_timeout=CONNECT_MAX_S,
        # A node that is slow to tell of its tables is no node that is away: the default of 2 s would end a start.
        control_connection_timeout=CONNECT_MAX_S,
        # The driver calls a change of tables done that not all nodes agree on by then; a request that is given up
        # before says so.
        max_schema_agreement_wait=config.request_max_s,
        idle_heartbeat_interval=HEARTBEAT_S,
        idle_heartbeat_timeout=HEARTBEAT_MAX_S,
        monitor_reporting_enabled=False,
        auth_provider=_who(config),
        ssl_context=_tls(config),
    )


class _Asked:
    """One statement at one node, or at two: settled by the first answer that is no failure, or by the last failure."""

    def __init__(self, loop: TrioLoop) -> None:
        self._loop = loop
        self.open = 0
        self.settled = trio.Event()
        self.outcome: Any = None

    def answer(self, value: Any) -> None:
        """In any thread. When trio has ended nobody waits any more."""
        self._loop.do(partial(self.settle, value))

    def settle(self, value: Any) -> None:
        self.open -= 1
        if self.settled.is_set() or (isinstance(value, Exception) and self.open):
            return
        self.outcome = value
        self.settled.set()


class Session:
    """One connected session, made by `open`. What it sends and receives goes through the loop of trio itself."""

    def __init__(self, config: CassandraConfig, loop: TrioLoop, cluster: Any, session: Any) -> None:
        self.config = config
        self._loop = loop
        self._cluster = cluster
        self._session = session

    @classmethod
    async def open(cls, config: CassandraConfig, *, with_keyspace: bool = True) -> Self:
        """Connect, and use the keyspace unless it is yet to be made. Raises CassandraError."""
        loop = TrioLoop()
        connections = TrioConnection.within(loop)
        connect = partial(_connected, config, with_keyspace=with_keyspace, connections=connections)
        return cls(config, loop, *await trio.to_thread.run_sync(connect))

    @property
    def data_centres(self) -> set[str]:
        return {host.datacenter for host in self._cluster.metadata.all_hosts()}

    def hosts(self) -> list[Any]:
        """Every node that the driver knows, whether up or not; `host` of `execute`."""
        return list(self._cluster.metadata.all_hosts())

    async def prepare(self, query: str, *, serial_read: bool = False) -> Prepared:
        """A statement at the quorum of `config`. `serial_read` sees, and finishes, transactions under way.

        `{keyspace}` in it stands for the configured one: Cassandra warns of prepared statements whose tables are not
        named in full.
        """
        with _ours():
            prepared = await trio.to_thread.run_sync(self._session.prepare, _in_full(query, self.config))
        return _at_quorum(prepared, self.config, serial_read=serial_read)

    async def execute_together(self, writes: Sequence[tuple[Prepared, Sequence[object]]]) -> None:
        """Several writes in one request, at the quorum of the first: each by itself, in no order, some or all.

        Ten small writes together cost the driver a fifth of what they cost one by one. Raises CassandraError.
        """
        if len(writes) == 1:
            await self.execute(*writes[0])
            return
        batch = BatchStatement(BatchType.UNLOGGED, consistency_level=writes[0][0].consistency_level)
        for statement, values in writes:
            batch.add(statement, values)
        await self.execute(batch)

    async def execute(
        self,
        statement: Prepared | str,
        values: Sequence[object] | None = None,
        *,
        host: Any = None,
        hedged: bool = False,
    ) -> list[Row]:
        """The rows, all in one page. Raises CassandraError.

        `hedged` is for a statement that may be executed twice: where nothing has come within HEDGE_S another node is
        asked as well, and the first that does not fail has the answer. Cancelled, it returns at once, and the statement
        may be executed all the same.
        """
        asked = _Asked(self._loop)
        self._ask(asked, statement, values, host=host)
        if hedged:
            with trio.move_on_after(HEDGE_S):
                await asked.settled.wait()
            if not asked.settled.is_set() and self._others_are_up():
                self._ask(asked, statement, values, execution_profile=ASIDE)
        await asked.settled.wait()
        value = asked.outcome
        if not isinstance(value, Exception):
            return list(value or ())
        try:
            with _ours():
                raise value
        finally:
            # The error has this frame, which would have the error: a cycle with a batch in it.
            del value, asked

    def _ask(self, asked: "_Asked", statement: Any, values: Sequence[object] | None, **how: Any) -> None:
        asked.open += 1
        try:
            future = self._session.execute_async(statement, values, **how)
            callbacks: tuple[Callable[[Any], None], Callable[[Any], None]] = (asked.answer, asked.answer)
            future.add_callbacks(*callbacks)
        except Exception as error:  # noqa: BLE001 - judged by whoever asked, with what comes by callback
            asked.settle(error)

    def _others_are_up(self) -> bool:
        """Whether there is another node to ask. Of one that was not tried yet the driver does not know."""
        return sum(host.is_up is not False for host in self.hosts()) > 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give up the connections; what is under way stays unknown. Blocks no longer than the driver's threads."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._cluster.shutdown)


class BlockingSession:
    """A session for programs without trio: each call blocks its thread. Raises CassandraError throughout."""

    def __init__(self, config: CassandraConfig, *, with_keyspace: bool = True) -> None:
        self.config = config
        self._cluster, self._session = _connected(config, with_keyspace=with_keyspace, connections=_Threaded)

    def prepare(self, query: str, *, serial_read: bool = False) -> Prepared:
        """As `Session.prepare`."""
        with _ours():
            prepared = self._session.prepare(_in_full(query, self.config))
        return _at_quorum(prepared, self.config, serial_read=serial_read)

    def execute(self, statement: Prepared | str, values: Sequence[object] | None = None) -> list[Row]:
        """The rows, all in one page."""
        with _ours():
            return list(self._session.execute(statement, values) or ())

    def execute_all(self, statement: Prepared, rows: Sequence[Sequence[object]], at_once: int) -> None:
        """The statement with each row of values, several at once and in no order. Stops at the first failure."""
        with _ours():
            execute_concurrent_with_args(
                self._session, statement, rows, concurrency=at_once, raise_on_first_error=True
            )

    def close(self) -> None:
        self._cluster.shutdown()
