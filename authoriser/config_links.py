"""The keys of a [[links]] table that say who connects, how lines are kept up, and TLS.

Owns their defaults and ranges, and the words for what is wrong. Reads the files of TLS, so that what is wrong in them
is said with everything else; opens no socket.
"""

from __future__ import annotations

from pathlib import Path

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
from authoriser.tls import VERSIONS, TlsConfig, TlsFilesError, make_tls

ROLES = ("listen", "connect")
LINES_LIMIT = 64
"""Lines to one network that one process keeps up; networks give an issuer two or four."""
ECHO_IDLE_DEFAULT_MS = 30_000
"""Of a link that connects: whoever dials has to notice that nobody is there. Links that listen send no echo unless
they are told to."""
ECHO_IDLE_MIN_MS, ECHO_IDLE_MAX_MS = 100, 3_600_000
SERVER_NAME_LENGTH_MAX = 253

_LISTENS_ONLY = ("listen", "connections_max")
_CONNECTS_ONLY = ("connect", "lines")


class LineKeys(msgspec.Struct, frozen=True):
    """`connect` is None for a link that listens."""

    connect: Address | None
    lines: int
    echo_idle_ms: int
    tls: TlsConfig | None


def line_keys(table: Table, *, listen_given: bool) -> LineKeys:
    """`listen_given`: the command line says where to listen. Problems are noted in the table's list."""
    connects = table.take("role", "listen", one_of(ROLES)) == "connect"
    connect = table.take("connect", None, _network_address)
    lines = table.take("lines", 1, integer(1, LINES_LIMIT, "lines"))
    default_ms = ECHO_IDLE_DEFAULT_MS if connects else 0
    echo_idle_ms = table.take("echo_idle_ms", default_ms, _echo_idle)
    _refuse_other_role(table, connects=connects)
    if connects and "connect" not in table.values:
        text = 'is missing; a link of role "connect" needs the network\'s address, such as "10.0.0.5:8583"'
        table.problems.append(Problem(table.place("connect"), text))
    if connects and listen_given:
        text = f'says where to listen, and {table.place("role")} is "connect"'
        table.problems.append(Problem("--listen", text))
    if not connects:
        connect = None
    tls = _tls(table, connects=connects, host=connect.host if connect is not None else "")
    return LineKeys(connect, lines if connects else 1, echo_idle_ms, tls)


def _refuse_other_role(table: Table, *, connects: bool) -> None:
    ours, theirs = ("connect", "listen") if connects else ("listen", "connect")
    for key in _LISTENS_ONLY if connects else _CONNECTS_ONLY:
        if key in table.values:
            text = f'is for a link of role "{theirs}", and this one\'s is "{ours}"'
            table.problems.append(Problem(table.place(key), text))


def _network_address(value: object) -> Address:
    address = parse_address(value)
    if address.port == 0:
        raise WrongValueError(value, "should have the port at which the network listens, 1 to 65535")
    return address


def _echo_idle(value: object) -> int:
    if value == 0 and not isinstance(value, bool):
        return 0
    text = "milliseconds, or 0 for no echo"
    return integer(ECHO_IDLE_MIN_MS, ECHO_IDLE_MAX_MS, text)(value)


def _tls(table: Table, *, connects: bool, host: str) -> TlsConfig | None:
    if "tls" not in table.values:
        table.known("tls")
        return None
    before = len(table.problems)
    tls = table.table("tls")
    config = TlsConfig(
        certificate_file=tls.take("certificate_file", None, _file),
        private_key_file=tls.take("private_key_file", None, _file),
        ca_file=tls.take("ca_file", None, _file),
        server_name=tls.take("server_name", "", _server_name),
        minimum_version=tls.take("minimum_version", "1.2", one_of(tuple(VERSIONS))),
    )
    tls.refuse_the_rest()
    for here, there in (
        ("certificate_file", "private_key_file"),
        ("private_key_file", "certificate_file"),
    ):
        if here in tls.values and there not in tls.values:
            tls.problems.append(Problem(tls.place(there), f"is missing; {here} needs it beside it"))
    if not connects and not {"certificate_file", "private_key_file"} & set(tls.values):
        text = "is missing; a link that listens shows a certificate, and needs private_key_file too"
        tls.problems.append(Problem(tls.place("certificate_file"), text))
    if not connects and "server_name" in tls.values:
        text = 'is what a link of role "connect" checks; who connects to us is checked by ca_file'
        tls.problems.append(Problem(tls.place("server_name"), text))
    if len(table.problems) == before:
        try:
            make_tls(config, listens=not connects, host=host)
        except TlsFilesError as error:
            path: Path = getattr(config, error.key)
            tls.problems.append(Problem(tls.place(error.key), f'"{path}" {error}'))
    return config


def _file(value: object) -> Path:
    return a_path(value)


def _server_name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= SERVER_NAME_LENGTH_MAX or not value.isascii():
        raise WrongValueError(value, "should be a host name or an IP address, as text")
    return value
