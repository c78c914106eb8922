"""Which of the driver's errors pass by themselves, and when a second node is asked."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")

from cassandra import (
    AuthenticationFailed,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    Unauthorized,
    Unavailable,
    WriteFailure,
    WriteTimeout,
    WriteType,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown, DefaultEndPoint
from cassandra.policies import DCAwareRoundRobinPolicy, SimpleConvictionPolicy, TokenAwarePolicy
from cassandra.pool import Host
from cassandra.protocol import OverloadedErrorMessage, SyntaxException

from authoriser.cassandra.reactor import TrioLoop
from authoriser.cassandra.session import (
    HEDGE_S,
    CassandraConfig,
    CassandraError,
    Session,
    SettingError,
    _FirstLast,
    said,
)
from stack.state import Node

PASSING = (
    WriteTimeout("not enough answers", write_type=WriteType.CAS),
    WriteFailure("a replica failed", write_type=WriteType.CAS),
    OperationTimedOut(),
    Unavailable("one replica is away"),
    NoHostAvailable("nobody answers", {}),
    ConnectionShutdown("the node went away"),
    OverloadedErrorMessage(0x1001, "too much to do", None),
    ConnectionRefusedError(111, "refused"),
)
FINAL = (
    InvalidRequest("unconfigured table journal"),
    Unauthorized("not this user"),
    SyntaxException(0x2000, "no viable alternative", None),
)


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_may_be_over_when_tried_again_passes(error: Exception) -> None:
    """Timeouts above all: the outcome of a lightweight transaction is then unknown, and the same bytes go again."""
    ours = said(error)
    assert ours is not None
    assert ours.passing
    assert str(ours).startswith(f"{type(error).__name__}: ")


@pytest.mark.parametrize("error", FINAL, ids=lambda error: type(error).__name__)
def test_what_trying_again_cannot_help_is_final(error: Exception) -> None:
    """A table that is not there will not appear by itself: the process is to end and say so."""
    ours = said(error)
    assert ours is not None
    assert not ours.passing


def test_a_fault_of_the_program_is_not_the_drivers() -> None:
    """A wrong type bound to a statement is no outage: it must not be tried again for ever."""
    assert said(TypeError("not an int")) is None


def test_whoever_can_not_be_reached_is_named_with_why() -> None:
    """One line, each node with its own reason; a wrong password does not pass by itself, a node that is down may."""
    refused = OSError(111, "Tried connecting to [('10.0.0.1', 9042)]. Last error: Connection refused")
    wrong = AuthenticationFailed("Failed to authenticate to 10.0.0.2:9042: no such user")
    several = said(NoHostAvailable("no", {"10.0.0.1:9042": refused, "10.0.0.2:9042": wrong}))
    assert several is not None
    assert str(several) == (
        "no node can be used: 10.0.0.1:9042 (Connection refused), 10.0.0.2:9042 (it refuses the user name or the "
        "password)"
    )
    alone = said(NoHostAvailable("no", {"10.0.0.2:9042": wrong}))
    assert alone is not None
    assert (several.passing, alone.passing) == (True, False)


def test_a_node_that_asks_who_is_there_is_not_called_wrong() -> None:
    """Nobody gave it a name."""
    asks = AuthenticationFailed("Remote end requires authentication")
    ours = said(NoHostAvailable("no", {"10.0.0.2:9042": asks}))
    assert str(ours) == "no node can be used: 10.0.0.2:9042 (it asks for a user name and a password)"


def test_nodes_that_have_no_such_keyspace_are_named() -> None:
    """The driver gives a list of addresses then, and nothing of each."""
    ours = said(
        NoHostAvailable("Unable to connect to any servers using keyspace 'feed'", ["10.0.0.1", "10.0.0.2"])
    )
    assert ours is not None
    assert (str(ours), ours.passing) == (
        "Unable to connect to any servers using keyspace 'feed' (10.0.0.1, 10.0.0.2)",
        True,
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)",
            "the peer's certificate is not good: self-signed certificate",
        ),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "the peer does not speak TLS"),
    ],
)
def test_what_tls_found_wrong_is_said_as_for_links(text: str, why: str) -> None:
    """The driver wraps it; it does not pass by itself."""
    wrapped = OSError(1, f"Tried connecting to [('10.0.0.1', 9042)]. Last error: {text}")
    ours = said(NoHostAvailable("no", {"10.0.0.1:9042": wrapped}))
    assert ours is not None
    assert (str(ours), ours.passing) == (f"no node can be used: 10.0.0.1:9042 ({why})", False)


@pytest.mark.parametrize(
    ("error", "why", "passing"),
    [
        (
            AuthenticationFailed(
                "Unable to perform authentication: Cannot achieve consistency level LOCAL_QUORUM"
            ),
            "too few of the nodes that know its users are there",
            True,
        ),
        (
            DriverException(
                "ProtocolError returned from server while using explicitly set client protocol_version 5"
            ),
            "it does not speak protocol v5, as Cassandra 4.0 and later do",
            False,
        ),
        (
            OSError(1, "Last error: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred (_ssl.c:1006)"),
            "TLS failed: unexpected eof while reading",
            True,
        ),
    ],
)
def test_what_a_node_says_for_now_is_told_from_what_it_will_say_again(
    error: Exception, why: str, passing: bool
) -> None:
    """After a power cut the first node that is back knows no user yet, and says it as of a wrong password."""
    ours = said(NoHostAvailable("no", {"10.0.0.1:9042": error}))
    assert ours is not None
    assert (str(ours), ours.passing) == (f"no node can be used: 10.0.0.1:9042 ({why})", passing)


def test_a_permission_that_could_not_be_looked_up_is_not_refused() -> None:
    """A leader must not end for it: the same append goes again."""
    undecided = said(
        Unauthorized("Unable to perform authorization of permissions: Cannot achieve consistency")
    )
    assert undecided is not None
    assert undecided.passing


async def test_a_name_without_an_address_is_said_so() -> None:
    """It may have one later: names are away after a power cut too."""
    with pytest.raises(CassandraError) as error:
        await Session.open(CassandraConfig((("cassandra.invalid", 9042),), "cards"))
    assert (str(error.value), error.value.passing) == ("none of these names has an address", True)


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_home_that_is_not_there_is_named(cassandra_node: Node) -> None:
    """With the data centres that are: the driver itself says only that it can't connect."""
    points = ((cassandra_node.host, cassandra_node.port),)
    with pytest.raises(SettingError) as error:
        await Session.open(CassandraConfig(points, "cards", local_data_centre="nowhere"), with_keyspace=False)
    text = 'cassandra.local_data_centre "nowhere" is not there; there are: datacenter1'
    assert (str(error.value), error.value.passing) == (text, False)


class Driver:
    """The driver, whole: what is asked stays open until a test settles it; `profiles` says how it was asked."""

    def __init__(self, *, nodes: int) -> None:
        self.profiles: list[str] = []
        self.asked: list[tuple[Callable[[Any], None], Callable[[Any], None]]] = []
        self.metadata = SimpleNamespace(all_hosts=lambda: [SimpleNamespace(is_up=True) for _ in range(nodes)])

    def execute_async(self, _statement: Any, _values: Any, **how: Any) -> Any:
        self.profiles.append(how.get("execution_profile", "usual"))
        return SimpleNamespace(add_callbacks=lambda good, bad: self.asked.append((good, bad)))

    def answer(self, place: int, value: Any) -> None:
        good, bad = self.asked[place]
        (bad if isinstance(value, Exception) else good)(value)


async def ask(driver: Driver, outcome: list[Any]) -> None:
    session = Session(CassandraConfig((("10.0.0.1", 9042),), "cards"), TrioLoop(), driver, driver)
    try:
        outcome.append(await session.execute("INSERT", hedged=True))
    except CassandraError as error:
        outcome.append(str(error))


async def settled(driver: Driver, *answers: tuple[int, Any]) -> list[Any]:
    """What comes of a statement that two nodes were asked, once these answers came in this order."""
    outcome: list[Any] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, driver, outcome)
        await trio.sleep(1.1 * HEDGE_S)
        assert driver.profiles == ["usual", "aside"]
        for place, value in answers:
            assert outcome == []
            driver.answer(place, value)
            await trio.sleep(0.001)
    return outcome


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "c")])
def test_a_second_node_is_another(names: tuple[str, ...]) -> None:
    """The order of the driver, its first one last; with nobody to ask there is nobody."""
    hosts = [Host(DefaultEndPoint(name), SimpleConvictionPolicy, datacenter="here") for name in names]
    usual, aside = (policy(DCAwareRoundRobinPolicy("here")) for policy in (TokenAwarePolicy, _FirstLast))
    for policy in (usual, aside):
        policy.populate(SimpleNamespace(metadata=None), hosts)
        policy._child_policy._position = 0
    plan = list(usual.make_query_plan())
    assert list(aside.make_query_plan()) == plan[1:] + plan[:1]


async def test_a_node_that_says_nothing_is_not_waited_for(autojump_clock: MockClock) -> None:
    """Another is asked beside it, and whoever answers first has the word; what comes after that is nothing."""
    driver = Driver(nodes=3)
    assert await settled(driver, (1, [{"[applied]": True}])) == [[{"[applied]": True}]]
    driver.answer(0, OperationTimedOut())
    await trio.sleep(1)


async def test_a_failure_is_believed_once_both_have_failed(autojump_clock: MockClock) -> None:
    """One that fails leaves the other's answer to be waited for."""
    assert await settled(Driver(nodes=3), (0, OperationTimedOut()), (1, [{"seq": 1}])) == [[{"seq": 1}]]
    failed = await settled(Driver(nodes=3), (1, OperationTimedOut()), (0, Unavailable("two are away")))
    assert len(failed) == 1
    assert "two are away" in failed[0]


async def test_a_quick_answer_or_a_single_node_asks_nobody_else(autojump_clock: MockClock) -> None:
    """The second node is for silence, and there must be one."""
    for driver, waited_s in ((Driver(nodes=3), 0.9 * HEDGE_S), (Driver(nodes=1), 4 * HEDGE_S)):
        outcome: list[Any] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, driver, outcome)
            await trio.sleep(waited_s)
            driver.answer(0, None)
        assert (driver.profiles, outcome) == (["usual"], [[]])
