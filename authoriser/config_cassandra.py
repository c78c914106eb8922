"""The `[cassandra]` table of the configuration: where the journal is when it is not in the data directory.

Owns its keys, defaults and ranges, and the reading of its password, which stands in a file or in the environment and
never in the configuration itself. Opens no connection and imports no driver.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from authoriser.config_checks import (
    Address,
    Problem,
    Table,
    WrongValueError,
    a_path,
    integer,
    one_of,
    parse_address,
)
from authoriser.passwords import read_password

PORT_DEFAULT = 9042
KEYSPACE_DEFAULT = "authoriser"
CONTACT_POINTS_LIMIT = 32
HEARTBEAT_DEFAULT_MS = 500
HEARTBEAT_MIN_MS, HEARTBEAT_MAX_MS = 50, 10_000
"""Each beat is a lightweight transaction, some 8 ms of a disk; a row of 200 bytes stays for good."""
LEASE_DEFAULT_MS = 3_000
LEASE_MIN_MS, LEASE_MAX_MS = 300, 60_000
BEATS_A_LEASE_MIN = 3
"""One late heartbeat must not cost a leader its shard."""
PASSWORD_VARIABLE = "AUTHORISER_CASSANDRA_PASSWORD"  # noqa: S105 - a name, not a password

Durability = Literal["commitlog", "replicated"]
_DURABILITIES: tuple[Durability, ...] = ("commitlog", "replicated")
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}\Z")


class CassandraSection(msgspec.Struct, frozen=True):
    """Where the shard's journal is, and how its processes agree on who leads.

    `durability` "commitlog" trusts a node that syncs before it acknowledges; "replicated" three that sync later.
    A leader with nothing to say appends every `heartbeat_ms`; a log silent for `lease_ms` may be taken over.
    """

    contact_points: tuple[Address, ...]
    keyspace: str = KEYSPACE_DEFAULT
    local_data_centre: str = ""
    durability: Durability = "commitlog"
    username: str = ""
    password_file: Path | None = None
    tls_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    heartbeat_ms: int = HEARTBEAT_DEFAULT_MS
    lease_ms: int = LEASE_DEFAULT_MS
    follower_listens: bool = False


def cassandra_section(root: Table) -> CassandraSection | None:
    """The table, checked; None where there is none and the journal is the embedded one."""
    if "cassandra" not in root.values:
        root.known("cassandra")
        return None
    table = root.table("cassandra")
    port = table.take("port", PORT_DEFAULT, integer(1, 65_535, "(a TCP port)"))
    section = CassandraSection(
        contact_points=_contact_points(table, port),
        keyspace=table.take("keyspace", KEYSPACE_DEFAULT, _keyspace),
        local_data_centre=table.take("local_data_centre", "", _text),
        durability=table.take("durability", "commitlog", one_of(_DURABILITIES)),
        username=table.take("username", "", _text),
        password_file=table.take("password_file", None, a_path),
        tls_ca_file=table.take("tls_ca_file", None, a_path),
        tls_cert_file=table.take("tls_cert_file", None, a_path),
        tls_key_file=table.take("tls_key_file", None, a_path),
        heartbeat_ms=table.take(
            "heartbeat_ms",
            HEARTBEAT_DEFAULT_MS,
            integer(HEARTBEAT_MIN_MS, HEARTBEAT_MAX_MS, "milliseconds"),
        ),
        lease_ms=table.take(
            "lease_ms", LEASE_DEFAULT_MS, integer(LEASE_MIN_MS, LEASE_MAX_MS, "milliseconds")
        ),
        follower_listens=table.take("follower_listens", False, _switch),
    )
    table.refuse_the_rest()
    table.problems += _contradictions(table, section)
    return section


def _contact_points(table: Table, port: int) -> tuple[Address, ...]:
    right = 'should be a list of hosts, such as ["10.0.0.1", "10.0.0.2:9042"]'

    def check(value: object) -> tuple[Address, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(host, str) for host in value):
            raise WrongValueError(value, right)
        if len(value) > CONTACT_POINTS_LIMIT:
            raise WrongValueError(value, f"has more than {CONTACT_POINTS_LIMIT}; some nodes are enough")
        return tuple(parse_address(host if _has_port(host) else f"{host}:{port}") for host in value)

    return table.settle("contact_points", ["127.0.0.1"], (Address("127.0.0.1", port),), check)


def _has_port(host: str) -> bool:
    return host.rpartition("]")[2].count(":") == 1


def _contradictions(table: Table, section: CassandraSection) -> list[Problem]:
    """What is right alone and wrong together."""
    found = []
    least_ms = BEATS_A_LEASE_MIN * section.heartbeat_ms
    if section.lease_ms < least_ms:
        text = f"{section.lease_ms} should be at least {BEATS_A_LEASE_MIN} times heartbeat_ms: {least_ms} or more"
        found.append(Problem(table.place("lease_ms"), text))
    if section.password_file is not None and not section.username:
        found.append(Problem(table.place("username"), "is missing, and password_file is given"))
    if (section.tls_cert_file is None) != (section.tls_key_file is None):
        text = "go together: the certificate that this process shows, and its key"
        found.append(Problem(table.place("tls_cert_file"), f"and tls_key_file {text}"))
    elif section.tls_cert_file is not None and section.tls_ca_file is None:
        text = "is missing: without the authority that signed the servers' certificates nobody is known"
        found.append(Problem(table.place("tls_ca_file"), text))
    return found


def _keyspace(value: object) -> str:
    if not isinstance(value, str) or not _KEYSPACE.match(value):
        raise WrongValueError(value, "should be 1 to 48 small letters, digits or _, a letter first")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or "'" in value or not value.isprintable():
        raise WrongValueError(value, "should be text, without an apostrophe")
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError(value, "should be true or false")
    return value


def password_of(section: CassandraSection) -> str:
    """The password of `username`, "" where there is no user. Raises PasswordError."""
    if not section.username:
        return ""
    return read_password(
        section.username,
        section.password_file,
        setting="cassandra.password_file",
        user_setting="cassandra.username",
        variable=PASSWORD_VARIABLE,
    )
