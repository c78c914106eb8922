"""Which of the driver's errors pass by themselves."""

import pytest

pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")

from cassandra import (
    AuthenticationFailed,
    InvalidRequest,
    OperationTimedOut,
    Unauthorized,
    Unavailable,
    WriteFailure,
    WriteTimeout,
    WriteType,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown
from cassandra.protocol import OverloadedErrorMessage, SyntaxException

from authoriser.cassandra.session import said

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
