"""Who may what on the admin socket: roles by user, uid and group, the least role of every method, the socket's mode."""

import grp
import json
import os
import pwd
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authoriser.admin.client import AdminError
from authoriser.admin.protocol import METHODS, Look, decode_params
from authoriser.admin.roles import Peer, Role, Roles
from authoriser.admin.rpc import encode_request
from authoriser.admin.server import AdminSocketError
from authoriser.admin.testing_issuer import Issuer, issuing

OWN = os.geteuid()
NAME = pwd.getpwuid(OWN).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name
SOMEBODY = OWN + 1
"""Who runs the server, in tests of what others may."""
UNKNOWN_UID = 4_123_456_789

VIEWERS = {
    "account.history",
    "account.show",
    "card.show",
    "card.controls.show",
    "policy.show",
    "policy.check",
    "proposals.list",
    "status",
    "exceptions.list",
}
SUPERVISORS = {"policy.load", "proposals.confirm", "import.apply", "clearing.post", "clearing.finish"}


# ---- roles


@pytest.mark.parametrize("user", [NAME, OWN, f"@{GROUP}"])
@pytest.mark.parametrize("role", list(Role))
def test_a_role_is_given_by_name_by_uid_and_by_group(user: str | int, role: Role) -> None:
    roles = Roles({role: [user]}, own_uid=SOMEBODY)
    assert roles.peer(OWN) == Peer(OWN, NAME, role)


def test_the_highest_role_counts() -> None:
    roles = Roles({Role.VIEWER: [OWN], Role.SUPERVISOR: [NAME], Role.OPERATOR: [OWN]}, own_uid=SOMEBODY)
    assert roles.peer(OWN).role is Role.SUPERVISOR


def test_the_servers_own_user_is_supervisor() -> None:
    """So that the embedded default needs no configuration; nobody else is anything."""
    assert Roles().peer(OWN) == Peer(OWN, NAME, Role.SUPERVISOR)
    assert Roles(own_uid=SOMEBODY).peer(OWN) == Peer(OWN, NAME, None)


def test_a_user_without_a_name() -> None:
    """As in a container: known by uid."""
    assert Roles({Role.VIEWER: [UNKNOWN_UID]}).peer(UNKNOWN_UID) == Peer(
        UNKNOWN_UID, f"uid {UNKNOWN_UID}", Role.VIEWER
    )


def test_users_and_groups_that_went_away() -> None:
    """What the configuration named and the machine no longer has gives nobody a role."""
    assert Roles({Role.VIEWER: ["no-such-user", "@no-such-group"]}, own_uid=SOMEBODY).peer(OWN).role is None


# ---- every method


@pytest.fixture(params=[None, *Role], ids=lambda role: role.word if role else "nobody")
def role(request: pytest.FixtureRequest) -> Role | None:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def issuer_of(tmp_path: Path, role: Role | None) -> Iterator[Issuer]:
    """An issuer that another user runs, where this one has the role."""
    given = Roles({role: [OWN]} if role is not None else {}, own_uid=SOMEBODY)
    with issuing(tmp_path / "admin.sock", roles=given) as issuer:
        yield issuer


def answer(path: Path, method: str) -> dict[str, Any]:
    """The raw answer to a method without params, which none but forbidden or wrong params may follow."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(encode_request(1, method, {"unknown": True}))
        return json.loads(connection.makefile().readline())["error"]  # type: ignore[no-any-return]


def test_each_method_wants_its_role(issuer_of: Issuer, role: Role | None) -> None:
    """Below it: forbidden, in words, before anything of the params is looked at. At it: the params are."""
    refused = {}
    for method in METHODS:
        error = answer(issuer_of.path, method)
        if error["code"] == -32000:
            assert error["data"] == {"kind": "forbidden"}
            refused[method] = error["message"]
        else:
            assert error["code"] == -32602
    operators = set(METHODS) - VIEWERS - SUPERVISORS
    expected = {
        None: set(METHODS),
        Role.VIEWER: operators | SUPERVISORS,
        Role.OPERATOR: SUPERVISORS,
        Role.SUPERVISOR: set(),
    }[role]
    assert set(refused) == expected
    for method, message in refused.items():
        least = "supervisor" if method in SUPERVISORS else "operator"
        who = f"uid {OWN} ({NAME})"
        if role is None:
            assert message == f"{who} has no role here; admin.roles of the server's configuration gives them"
        else:
            assert message == f"this wants the role {least}; {who} is {role.word}"


def test_the_page_names_every_method_with_its_role() -> None:
    """docs/admin.md has the table that the server goes by."""
    text = (Path(__file__).parents[3] / "docs" / "admin.md").read_text()
    named = {}
    for role in Role:
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {role.word} |"))
        named |= dict.fromkeys(re.findall(r"`([a-z.]+)`", row), role)
    assert named == {name: method.role for name, method in METHODS.items()}


def test_nobody_learns_nothing(issuer_of: Issuer, role: Role | None) -> None:
    """Not even which methods there are."""
    error = answer(issuer_of.path, "no.such.method")
    assert error["code"] == (-32000 if role is None else -32601)


def test_reads_of_cards_and_accounts_take_an_actor() -> None:
    """Whatever shows one is a look, and so is journaled; nothing else is."""
    looks = {name for name, method in METHODS.items() if issubclass(method.params, Look)}
    assert looks == {"account.show", "account.history", "card.show", "card.controls.show"}
    assert {METHODS[name].role for name in looks} == {Role.VIEWER}


# ---- the socket


def test_the_socket_is_its_owners_alone(issuer: Issuer) -> None:
    """Mode 0600 where no group is configured."""
    assert stat.S_IMODE(issuer.path.stat().st_mode) == 0o600


def test_a_group_may_connect(tmp_path: Path) -> None:
    """Mode 0660, with that group."""
    with issuing(tmp_path / "admin.sock", group=GROUP) as issuer:
        found = issuer.path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, os.getegid())


def test_a_group_that_is_not_there(tmp_path: Path) -> None:
    """The server does not start, and leaves no socket behind."""
    path = tmp_path / "admin.sock"
    with (
        pytest.raises(BaseExceptionGroup) as group,
        issuing(path, group="no-such-group"),
    ):
        pass
    has = "it has to exist, and the server's user has to be a member"
    text = f"{path} can't be given to the group no-such-group: {has}"
    assert group.group_contains(AdminSocketError)
    assert str(group.value.exceptions[0]) == text
    assert not path.exists()


ASK = """
import os, sys
from authoriser.admin.client import AdminClient, AdminError
from pathlib import Path
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
with AdminClient(Path(sys.argv[1])) as client:
    for method, params in (("account.show", {}), ("account.credit", {"amount_minor": 1, "reason": "r", "actor": "a"})):
        try:
            client.call(method, account="alice", **params)
            print("done")
        except AdminError as error:
            print(f"{error.kind}: {error}")
"""


@pytest.mark.skipif(OWN != 0, reason="only root can be two users")
def test_another_user_is_who_the_kernel_says(tmp_path: Path) -> None:
    """A real second process under another uid: in the group and viewer, it reads and changes nothing."""
    nobody = pwd.getpwnam("nobody")
    group = grp.getgrgid(nobody.pw_gid).gr_name
    folder = tmp_path
    while folder != folder.parent and folder.owner() == "root" and not folder.stat().st_mode & stat.S_IXOTH:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
        folder = folder.parent
    roles = Roles({Role.VIEWER: ["nobody"]})
    with issuing(tmp_path / "admin.sock", roles=roles, group=group) as issuer:
        issuer.ask("account.open", account="alice", currency="EUR")
        ran = subprocess.run(
            [sys.executable, "-c", ASK, str(issuer.path), str(nobody.pw_uid), str(nobody.pw_gid)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.stdout.splitlines(), ran.stderr) == (
            ["done", f"forbidden: this wants the role operator; uid {nobody.pw_uid} (nobody) is viewer"],
            "",
        )


def test_a_look_without_an_actor_decodes() -> None:
    """The server puts the peer's name in."""
    import msgspec

    params = decode_params("account.show", msgspec.Raw(b'{"account":"alice"}'))
    assert params.actor is None


def test_forbidden_reaches_the_client(tmp_path: Path) -> None:
    """As an error of its own kind."""
    with (
        issuing(tmp_path / "admin.sock", roles=Roles(own_uid=SOMEBODY)) as issuer,
        pytest.raises(AdminError) as caught,
    ):
        issuer.ask("account.show", account="alice")
    assert caught.value.kind == "forbidden"
