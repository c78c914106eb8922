"""The configuration: a TOML file and the command line's overrides, checked strictly into frozen structs.

Owns every default, every range with its unit, and the words that say what is wrong. Opens no socket and makes no
folder; it knows names of dialects, framings and profiles, not what is in them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from authoriser.config_cassandra import CassandraSection, cassandra_section
from authoriser.config_checks import (
    Address,
    Problem,
    Table,
    WrongValueError,
    a_group,
    a_name,
    a_path,
    a_time_zone,
    allowed_are,
    did_you_mean,
    integer,
    is_loopback,
    one_of,
    parse_address,
    users,
)
from authoriser.config_links import line_keys
from authoriser.kafka.settings import KafkaConfig, read_kafka
from authoriser.tls import TlsConfig
from isowire.framing import FRAMINGS
from rules.reasons import PROFILES

__all__ = [
    "Address",
    "AdminConfig",
    "CassandraSection",
    "Config",
    "ConfigError",
    "IssuerConfig",
    "KafkaConfig",
    "KeysConfig",
    "LinkConfig",
    "Overrides",
    "Problem",
    "RolesConfig",
    "TelemetryConfig",
    "TlsConfig",
    "default_admin_socket",
    "default_pan_key_file",
    "load_config",
]

DATA_DIR_DEFAULT = "authoriser-data"
"""Relative paths start at the working directory of the process, wherever the file lies, so that `serve --config F`
and `status` agree on one folder."""
LISTEN_DEFAULT = "127.0.0.1:8583"
DIALECT_DEFAULT = "iso87-ascii"
FRAMING_DEFAULT = "bin2"
REPLY_DEADLINE_DEFAULT_MS = 2000
REPLY_DEADLINE_MIN_MS, REPLY_DEADLINE_MAX_MS = 50, 60_000
"""Below 50 ms a durable commit on a slow disk can't be answered; no network waits a minute."""
FRAME_LENGTH_DEFAULT_BYTES = 40_960
FRAME_LENGTH_MIN_BYTES = 64
"""An 0800 with MTI, bitmap and the mandatory fields of a sign-on has to fit."""
CONNECTIONS_DEFAULT = 4096
CONNECTIONS_LIMIT = 65_535
"""A peer address has no more ports than that, and neither has a process more descriptors by default."""
LINKS_LIMIT = 64
"""Each link is a listener and rows of status and metrics that people read."""
CACHE_ACCOUNTS_LIMIT = 100_000_000
"""No machine holds more in memory: an account with a card is 1.5 kB."""
ROLES = ("viewer", "operator", "supervisor")
SECOND_PERSON_LIMIT_MINOR = 10**12
"""No amount is larger."""
SOCKET_PATH_MAX_BYTES = 107
"""`sun_path` of unix(7): 108 bytes with the closing NUL."""
METRICS_LISTEN_EXAMPLE = "127.0.0.1:9464"

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]
_LOG_FORMATS: tuple[LogFormat, ...] = ("auto", "json", "console")
_LOG_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """Everything that is wrong with a configuration, at once. `str()` is one problem a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class LinkConfig(msgspec.Struct, frozen=True):
    """One link to one network. `dialect` is a name or the path of a TOML file.

    `profile` names how DE39 is filled, "" for the dialect's own word. `connect` is where a link of role "connect" finds
    its network, with so many `lines`; `listen` then says nothing. `echo_idle_ms` of 0 sends no echo.
    """

    name: str
    network: str
    listen: Address
    dialect: str
    framing: str
    reply_deadline_ms: int
    frame_length_max_bytes: int
    connections_max: int
    profile: str = ""
    connect: Address | None = None
    lines: int = 1
    echo_idle_ms: int = 0
    tls: TlsConfig | None = None

    @property
    def role(self) -> str:
        return "listen" if self.connect is None else "connect"

    @property
    def address(self) -> Address:
        """Where it listens, or what it connects to."""
        return self.listen if self.connect is None else self.connect


class IssuerConfig(msgspec.Struct, frozen=True):
    """`time_zone`: IANA name; the zone in which a card's last month ends."""

    time_zone: str


class KeysConfig(msgspec.Struct, frozen=True):
    pan_key_file: Path


class RolesConfig(msgspec.Struct, frozen=True):
    """Who may what on the admin socket: user names, uids, groups with "@". The server's own is supervisor anyway."""

    viewer: tuple[str | int, ...] = ()
    operator: tuple[str | int, ...] = ()
    supervisor: tuple[str | int, ...] = ()


class AdminConfig(msgspec.Struct, frozen=True):
    """`group` may connect too, "" is nobody. None in `second_person_over_minor` asks for no second person ever."""

    socket: Path
    group: str = ""
    roles: RolesConfig = RolesConfig()
    second_person_over_minor: int | None = None


class TelemetryConfig(msgspec.Struct, frozen=True):
    """`metrics_listen` is None when no metrics are served."""

    log_format: LogFormat
    log_level: LogLevel
    metrics_listen: Address | None


class Config(msgspec.Struct, frozen=True):
    """`cassandra` is None where the journal is embedded, in the data directory, `kafka` where events stay in the
    journal, `cache_accounts_max` where every account is in memory. `file` is what all this was read from.
    """

    data_dir: Path
    issuer: IssuerConfig
    keys: KeysConfig
    links: tuple[LinkConfig, ...]
    admin: AdminConfig
    telemetry: TelemetryConfig
    cassandra: CassandraSection | None = None
    kafka: KafkaConfig | None = None
    file: Path | None = None
    cache_accounts_max: int | None = None


class Overrides(msgspec.Struct, frozen=True):
    """What the command line says over the file; None leaves the file's word. The last three speak of the only link."""

    data_dir: str | None = None
    listen: str | None = None
    dialect: str | None = None
    framing: str | None = None


def load_config(path: Path | None = None, overrides: Overrides | None = None) -> Config:
    """The configuration of a file (None: all defaults) with the command line's overrides put over it.

    Raises ConfigError with every wrong key and value. Reads the file, the environment (for the key file's
    default place) and the time zone database; touches nothing.
    """
    problems: list[Problem] = []
    root = Table(_read(path) if path is not None else {}, "", problems)
    given = overrides if overrides is not None else Overrides()
    data_dir = root.overridden("data_dir", given.data_dir, "--data", Path(DATA_DIR_DEFAULT), a_path)
    issuer = root.table("issuer")
    keys = root.table("keys")
    admin = root.table("admin")
    telemetry = root.table("telemetry")
    config = Config(
        data_dir=data_dir,
        issuer=IssuerConfig(time_zone=issuer.take("time_zone", "UTC", a_time_zone)),
        keys=KeysConfig(pan_key_file=_key_file(keys, data_dir)),
        links=_links(root, given, problems),
        admin=_admin(admin, data_dir),
        telemetry=TelemetryConfig(
            log_format=telemetry.take("log_format", "auto", one_of(_LOG_FORMATS)),
            log_level=telemetry.take("log_level", "info", one_of(_LOG_LEVELS)),
            metrics_listen=telemetry.take("metrics_listen", None, _loopback_or_none),
        ),
        cassandra=cassandra_section(root),
        kafka=_kafka(root, problems),
        file=path,
        cache_accounts_max=root.take(
            "cache_accounts_max", None, integer(1, CACHE_ACCOUNTS_LIMIT, "accounts")
        ),
    )
    for table in (root, issuer, keys, admin, telemetry):
        table.refuse_the_rest()
    if problems:
        raise ConfigError(problems)
    return config


def default_pan_key_file() -> Path:
    """Beside the user's configuration, so that a backup of the data directory doesn't hold it."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")  # noqa: PTH111, PTH118 - Path.home() raises without a home
    return Path(home) / "authoriser" / "pan-v1.key"


def default_admin_socket(data_dir: Path) -> Path:
    return data_dir / "admin.sock"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError([Problem(str(path), "no such file")]) from None
    except OSError as error:
        raise ConfigError([Problem(str(path), f"can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), f"is not UTF-8 at byte {error.start}")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(str(path), f"is not TOML: {error}")]) from None


def _kafka(root: Table, problems: list[Problem]) -> KafkaConfig | None:
    if "kafka" not in root.values:
        root.known("kafka")
        return None
    return read_kafka(root.table("kafka"), problems)


def _links(root: Table, given: Overrides, problems: list[Problem]) -> tuple[LinkConfig, ...]:
    root.known("links")
    documents = root.values.get("links", [{}])
    if not isinstance(documents, list):
        problems.append(Problem("links", "should be a list of tables, each with the header [[links]]"))
        documents = [{}]
    elif not documents:
        problems.append(
            Problem("links", "is empty; give one [[links]] table, or leave it out for the default")
        )
        documents = [{}]
    elif len(documents) > LINKS_LIMIT:
        problems.append(Problem("links", f"{len(documents)} links; at most {LINKS_LIMIT} are served"))
        documents = documents[:LINKS_LIMIT]
    if len(documents) > 1:
        for option, value in (
            ("--listen", given.listen),
            ("--dialect", given.dialect),
            ("--framing", given.framing),
        ):
            if value is not None:
                text = f"changes the only link, and the file has {len(documents)}; change it in the file"
                problems.append(Problem(option, text))
        given = Overrides()
    links = tuple(_link(document, f"links[{i}]", given, problems) for i, document in enumerate(documents))
    _refuse_doubles(links, problems)
    return links


def _link(document: object, where: str, given: Overrides, problems: list[Problem]) -> LinkConfig:
    table = Table(document, where, problems)
    framing = table.overridden(
        "framing", given.framing, "--framing", FRAMING_DEFAULT, one_of(tuple(sorted(FRAMINGS)))
    )
    most = FRAMINGS[framing].frame_length_max_bytes
    length_range = integer(FRAME_LENGTH_MIN_BYTES, most, f"bytes, which framing {framing} can say")
    link = LinkConfig(
        name=table.take("name", "default", a_name),
        network=table.take("network", "default", a_name),
        listen=table.overridden(
            "listen", given.listen, "--listen", parse_address(LISTEN_DEFAULT), parse_address
        ),
        dialect=table.overridden("dialect", given.dialect, "--dialect", DIALECT_DEFAULT, _dialect),
        framing=framing,
        profile=table.take("profile", "", one_of(PROFILES)),
        reply_deadline_ms=table.take(
            "reply_deadline_ms",
            REPLY_DEADLINE_DEFAULT_MS,
            integer(REPLY_DEADLINE_MIN_MS, REPLY_DEADLINE_MAX_MS, "milliseconds"),
        ),
        frame_length_max_bytes=table.take(
            "frame_length_max_bytes", min(FRAME_LENGTH_DEFAULT_BYTES, most), length_range
        ),
        connections_max=table.take(
            "connections_max", CONNECTIONS_DEFAULT, integer(1, CONNECTIONS_LIMIT, "connections")
        ),
    )
    keys = line_keys(table, listen_given=given.listen is not None)
    table.refuse_the_rest()
    return msgspec.structs.replace(
        link, connect=keys.connect, lines=keys.lines, echo_idle_ms=keys.echo_idle_ms, tls=keys.tls
    )


def _refuse_doubles(links: tuple[LinkConfig, ...], problems: list[Problem]) -> None:
    wrong = {problem.where for problem in problems}  # their values are defaults that nobody asked for

    def right(place: int, key: str) -> bool:
        return f"links[{place}].{key}" not in wrong

    for later, link in enumerate(links):
        for earlier, other in enumerate(links[:later]):
            if link.name == other.name and right(later, "name") and right(earlier, "name"):
                text = f'"{link.name}" is the name of links[{earlier}] too; each link needs a name of its own'
                problems.append(Problem(f"links[{later}].name", text))
            if (
                link.connect is None
                and other.connect is None
                and _same_address(link.listen, other.listen)
                and right(later, "listen")
                and right(earlier, "listen")
            ):
                text = f'"{link.listen}" is taken by links[{earlier}]; each link needs an address of its own'
                problems.append(Problem(f"links[{later}].listen", text))


def _same_address(one: Address, other: Address) -> bool:
    """Whether the second of two listeners could not bind. Port 0 is another port each time."""
    if one.port != other.port or one.port == 0:
        return False
    return one.host == other.host or bool({one.host, other.host} & {"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def _admin(admin: Table, data_dir: Path) -> AdminConfig:
    roles = admin.table("roles")
    nobody: tuple[str | int, ...] = ()
    config = AdminConfig(
        socket=_admin_socket(admin, data_dir),
        group=admin.take("group", "", a_group),
        roles=RolesConfig(**{name: roles.take(name, nobody, users) for name in ROLES}),
        second_person_over_minor=admin.take(
            "second_person_over_minor", None, integer(0, SECOND_PERSON_LIMIT_MINOR, "minor units")
        ),
    )
    roles.refuse_the_rest()
    return config


def _admin_socket(admin: Table, data_dir: Path) -> Path:
    def check(value: object) -> Path:
        path = default_admin_socket(data_dir) if value == "" else a_path(value)
        length_bytes = len(os.fsencode(path.absolute()))
        if length_bytes > SOCKET_PATH_MAX_BYTES:
            raise WrongValueError(
                str(path),
                f"makes a socket path of {length_bytes} bytes and the system takes {SOCKET_PATH_MAX_BYTES}; "
                "choose a shorter admin.socket or data directory",
            )
        return path

    return admin.settle("socket", "", default_admin_socket(data_dir), check)


def _key_file(keys: Table, data_dir: Path) -> Path:
    def check(value: object) -> Path:
        path = a_path(value)
        if path.absolute().is_relative_to(data_dir.absolute()):
            raise WrongValueError(
                value, "lies in the data directory; whoever has a backup of it would have the key too"
            )
        return path

    default = default_pan_key_file()
    return keys.settle("pan_key_file", str(default), default, check)


def _dialect(value: object) -> str:
    from isowire.dialect import dialect_names

    names = tuple(sorted(dialect_names()))
    if not isinstance(value, str):
        raise WrongValueError(value, f"should be text; {allowed_are(names)}, or the path of a .toml file")
    if value in names:
        return value
    if value.endswith(".toml"):
        if Path(value).is_file():
            return value
        raise WrongValueError(value, "is no file that can be found from the working directory")
    raise WrongValueError(
        value, f"is no dialect; {allowed_are(names)}, or the path of a .toml file{did_you_mean(value, names)}"
    )


def _loopback_or_none(value: object) -> Address | None:
    if value == "":
        return None
    address = parse_address(value)
    if not is_loopback(address.host):
        raise WrongValueError(
            value,
            "is open to other machines and metrics have no password; serve them on loopback, such as "
            f'"{METRICS_LISTEN_EXAMPLE}", and let an agent on this machine collect them',
        )
    return address
