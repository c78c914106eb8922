"""Who may do what on the admin socket: roles from the peer's user, as the kernel names it.

Owns the roles, their order, and the look-up of users and groups. Knows no method: each declares its least role in
`protocol.py`. Looking up a user may ask a directory on the network, so `Roles.peer` blocks.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping, Sequence
from enum import IntEnum

from msgspec import Struct

User = str | int
"""A user's name, a uid, or "@" and a group's name."""


class Role(IntEnum):
    """Each may do what those before it may."""

    VIEWER = 1
    OPERATOR = 2
    SUPERVISOR = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class Peer(Struct, frozen=True):
    """Who asks. `name` is the user's, or "uid 1001" where it has none; `role` None may ask nothing."""

    uid: int
    name: str
    role: Role | None

    def refusal(self, least: Role) -> str | None:
        """Why this peer may not ask what wants the role `least`; None where it may."""
        who = self.name if self.name.startswith("uid ") else f"uid {self.uid} ({self.name})"
        if self.role is None:
            return f"{who} has no role here; admin.roles of the server's configuration gives them"
        if self.role < least:
            return f"this wants the role {least.word}; {who} is {self.role.word}"
        return None


class Roles:
    """Roles of users. The server's own user is supervisor: who runs it could do anything anyway."""

    def __init__(
        self, given: Mapping[Role, Sequence[User]] | None = None, *, own_uid: int | None = None
    ) -> None:
        self._given = dict(given) if given is not None else {}
        self._own_uid = own_uid if own_uid is not None else os.geteuid()

    def peer(self, uid: int) -> Peer:
        """The peer of a connection, with the highest role that it was given. Blocking."""
        try:
            entry = pwd.getpwuid(uid)
            groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
        except (KeyError, OSError):  # a container's user without a name, or a directory that does not answer
            return Peer(uid, f"uid {uid}", self._role(uid, frozenset()))
        return Peer(uid, entry.pw_name, self._role(uid, groups))

    def _role(self, uid: int, groups: frozenset[int]) -> Role | None:
        if uid == self._own_uid:
            return Role.SUPERVISOR
        for role in sorted(self._given, reverse=True):
            if any(_is(uid, groups, user) for user in self._given[role]):
                return role
        return None


def _is(uid: int, groups: frozenset[int], user: User) -> bool:
    try:
        if isinstance(user, int):
            return uid == user
        if user.startswith("@"):
            return grp.getgrnam(user[1:]).gr_gid in groups
        return uid == pwd.getpwnam(user).pw_uid
    except KeyError:
        return False  # taken out of the system since the configuration was read
