"""authoriser.admin.client against the double: answers, refusals, and answers that got lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from authoriser.admin.client import AdminClient, AdminError, ClientError, LostAnswerError, NoServerError
from authoriser.admin.protocol import Account
from authoriser.admin.testing import AdminServerDouble, serving

SAID = {"reason": "because", "actor": "ann"}
ALICE = Account("alice", "EUR", 2, 0, 0, 0, 0, "UTC", "2026-01-02T03:04:05.678Z", (), ())


@pytest.fixture
def double(tmp_path: Path) -> Iterator[AdminServerDouble]:
    with serving(tmp_path / "admin.sock") as server:
        yield server


@pytest.fixture
def client(tmp_path: Path) -> Iterator[AdminClient]:
    with AdminClient(tmp_path / "admin.sock", retry_pause_s=0.0, answer_timeout_s=10.0) as client:
        yield client


def test_a_call_gives_the_result(double: AdminServerDouble, client: AdminClient) -> None:
    """The method's struct comes back, and the next call goes over the same connection."""
    opened = client.call("account.open", account="alice", currency="978", **SAID)
    shown = client.call("account.show", account="alice")
    assert ((opened.account, opened.changed), shown.account) == ((ALICE, True), ALICE)


def test_a_refusal_has_its_kind(double: AdminServerDouble, client: AdminClient) -> None:
    """An application error is an AdminError with kind, code and the server's words."""
    with pytest.raises(AdminError) as caught:
        client.call("account.show", account="nobody")
    expected = ("not_found", -32000, "there is no account nobody")
    assert expected == (caught.value.kind, caught.value.code, str(caught.value))


def test_a_lost_answer_is_asked_for_with_the_same_key(double: AdminServerDouble, client: AdminClient) -> None:
    """The connection breaks after the change is made: the line is sent again as it was, and nothing changes twice."""
    client.call("account.open", account="alice", currency="EUR", **SAID)
    double.lose_answers = 2
    result = client.call("account.credit", account="alice", amount_minor=500, **SAID)
    sent = [line for line in double.lines if b"account.credit" in line]
    keys = {json.loads(line)["params"]["key"] for line in sent}
    assert (len(sent), len(keys), result.account.balance_minor, result.changed) == (3, 1, 500, False)


def test_a_key_of_the_caller_is_kept(double: AdminServerDouble, client: AdminClient) -> None:
    """Who retries by hand gives the key of the first try."""
    first = client.call("account.open", account="alice", currency="EUR", key="mine-1", **SAID)
    again = client.call("account.open", account="alice", currency="EUR", key="mine-1", **SAID)
    assert (first.changed, again.changed) == (True, False)


def test_changes_have_keys_of_their_own(double: AdminServerDouble, client: AdminClient) -> None:
    """The same change asked for twice is two changes."""
    client.call("account.open", account="alice", currency="EUR", **SAID)
    client.call("account.credit", account="alice", amount_minor=500, **SAID)
    result = client.call("account.credit", account="alice", amount_minor=500, **SAID)
    assert (result.account.balance_minor, result.changed) == (1000, True)


def test_giving_up_names_the_key(double: AdminServerDouble, client: AdminClient) -> None:
    """When every try loses its answer, the error says that nobody knows and how to ask again."""
    double.lose_answers = 1000
    with pytest.raises(LostAnswerError) as caught:
        client.call("account.open", account="alice", currency="EUR", key="mine-1", **SAID)
    expected = (
        "the authoriser went away before it answered, and whether it was done is not known; "
        "ask again with --key mine-1, which does it once only"
    )
    assert (expected, "mine-1", 4) == (str(caught.value), caught.value.key, len(double.lines))


def test_a_server_that_is_gone_between_tries(tmp_path: Path) -> None:
    """What was sent once may have been done: a socket that is gone by then makes it a lost answer."""
    with serving(tmp_path / "admin.sock") as server:
        client = AdminClient(tmp_path / "admin.sock", retry_pause_s=0.0)
        client.call("account.open", account="alice", currency="EUR", **SAID)
        server.lose_answers = 1
        (tmp_path / "admin.sock").unlink()
        with pytest.raises(LostAnswerError), client:
            client.call("account.credit", account="alice", amount_minor=5, **SAID)
    assert server.issuer.accounts["alice"].balance_minor == 5


def test_no_server(tmp_path: Path) -> None:
    """A missing socket says what to start."""
    with pytest.raises(NoServerError) as caught:
        AdminClient(tmp_path / "admin.sock").call("status")
    expected = (
        f"no authoriser is running on {tmp_path} (no socket at {tmp_path / 'admin.sock'}); "
        f"start one with: authoriser serve --data {tmp_path}"
    )
    assert expected == str(caught.value)


def test_a_socket_that_nobody_listens_at(tmp_path: Path) -> None:
    """What a killed server leaves behind says the same, for its own reason."""
    with serving(tmp_path / "admin.sock"):
        (tmp_path / "admin.sock").rename(tmp_path / "old.sock")
    with pytest.raises(NoServerError, match=r"^no authoriser is running on .* \(nothing listens at "):
        AdminClient(tmp_path / "old.sock").call("status")


def test_an_answer_that_makes_no_sense(double: AdminServerDouble, client: AdminClient) -> None:
    """A server of another version is named as that; its answer is not shown."""
    double.issuer.answer = lambda _method, _params: {"x": 1}  # type: ignore[method-assign]
    with pytest.raises(
        ClientError, match=r"answered something else than status gives; is it an authoriser of this"
    ):
        client.call("status")


def test_an_answer_that_does_not_come(tmp_path: Path, double: AdminServerDouble) -> None:
    """After the timeout nobody knows, and the change is not sent again by itself."""
    client = AdminClient(tmp_path / "admin.sock", answer_timeout_s=0.01)
    double.hold_answers = True
    with pytest.raises(
        LostAnswerError, match=r"^no answer within 0.01 s, and whether it was done is not known; ask"
    ):
        client.call("account.open", account="alice", currency="EUR", **SAID)
    assert len(double.lines) <= 1
