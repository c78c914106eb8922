"""The `[kafka]` table of the configuration, checked into a frozen struct.

Owns its defaults, ranges and words. Opens no connection and reads no secret: a password stays in its file or in the
environment until a client is made.
"""

from __future__ import annotations

import re
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

TOPIC_DEFAULT = "authoriser.events"
POSITIONS_SUFFIX = ".positions"
SOURCE_DEFAULT = "/authoriser"
PASSWORD_VARIABLE = "AUTHORISER_KAFKA_PASSWORD"  # noqa: S105 - the name of the variable
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PARTITIONS_LIMIT = 10_000
REPLICAS_DEFAULT, IN_SYNC_DEFAULT = 3, 2
"""The loss of one broker then neither stops the relay nor loses an event."""
REPLICAS_LIMIT = 32_767
RETENTION_DEFAULT_HOURS = 7 * 24
RETENTION_LIMIT_HOURS = 24 * 366 * 100
BOOTSTRAP_EXAMPLE = '["10.0.0.1:9092", "10.0.0.2:9092"]'

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,200}\Z")
"""Kafka allows 249; suffixes of ours go behind."""
_SOURCE = re.compile(r"[!-~]{1,200}\Z")


class SaslConfig(msgspec.Struct, frozen=True):
    """The password is in `password_file`, or in the environment where that is None."""

    mechanism: str
    username: str
    password_file: Path | None


class TlsConfig(msgspec.Struct, frozen=True):
    """PEM files. Without `ca_file` the system's authorities; the other two where a client has to say who it is."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


class KafkaConfig(msgspec.Struct, frozen=True):
    """`bootstrap`: some brokers. What follows `position_topic` is for topics that are made; those there are checked.

    `retention_hours` 0 keeps events for ever. `source` is the events' ce_source.
    """

    bootstrap: tuple[Address, ...]
    topic: str = TOPIC_DEFAULT
    position_topic: str = TOPIC_DEFAULT + POSITIONS_SUFFIX
    partitions: int = 1
    replication_factor: int = REPLICAS_DEFAULT
    min_insync_replicas: int = IN_SYNC_DEFAULT
    retention_hours: int = RETENTION_DEFAULT_HOURS
    source: str = SOURCE_DEFAULT
    security_protocol: str = "PLAINTEXT"
    tls: TlsConfig = TlsConfig()
    sasl: SaslConfig | None = None


def read_kafka(table: Table, problems: list[Problem]) -> KafkaConfig:
    """The table's values. What is wrong is added to `problems`, and the default stands in its place."""
    topic = table.take("topic", TOPIC_DEFAULT, a_topic)
    protocol = table.take("security_protocol", "PLAINTEXT", one_of(PROTOCOLS))
    replicas = table.take("replication_factor", REPLICAS_DEFAULT, integer(1, REPLICAS_LIMIT, "replicas"))
    in_sync = table.settle(
        "min_insync_replicas",
        min(IN_SYNC_DEFAULT, replicas),
        1,
        integer(1, replicas, "replicas, which are no more than replication_factor"),
    )
    config = KafkaConfig(
        bootstrap=table.settle("bootstrap", None, (), bootstrap_addresses),
        topic=topic,
        position_topic=table.take("position_topic", topic + POSITIONS_SUFFIX, a_topic),
        partitions=table.take("partitions", 1, integer(1, PARTITIONS_LIMIT, "partitions, one a shard")),
        replication_factor=replicas,
        min_insync_replicas=in_sync,
        retention_hours=table.take(
            "retention_hours",
            RETENTION_DEFAULT_HOURS,
            integer(0, RETENTION_LIMIT_HOURS, "hours; 0 is for ever"),
        ),
        source=table.take("source", SOURCE_DEFAULT, _a_source),
        security_protocol=protocol,
        tls=_tls(table, protocol, problems),
        sasl=_sasl(table, protocol, problems),
    )
    if config.position_topic == config.topic:
        problems.append(Problem(table.place("position_topic"), "is the events' own topic; it needs another"))
    table.refuse_the_rest()
    return config


def a_topic(value: object) -> str:
    if not isinstance(value, str) or not _TOPIC.match(value) or value in {".", ".."}:
        raise WrongValueError(value, "should be a topic's name: 1 to 200 letters, digits, '.', '_' or '-'")
    return value


def bootstrap_addresses(value: object) -> tuple[Address, ...]:
    if not isinstance(value, list) or not value:
        if value is None:
            raise WrongValueError("", f"should be a list of brokers, such as {BOOTSTRAP_EXAMPLE}")
        raise WrongValueError(value, f"should be a list of brokers, such as {BOOTSTRAP_EXAMPLE}")
    return tuple(parse_address(address) for address in value)


def _a_source(value: object) -> str:
    if not isinstance(value, str) or not _SOURCE.match(value):
        raise WrongValueError(value, "should be a URI reference without blanks, such as /authoriser")
    return value


def _tls(table: Table, protocol: str, problems: list[Problem]) -> TlsConfig:
    given = {
        name: table.take(name, None, _a_file)
        for name in ("tls_ca_file", "tls_certificate_file", "tls_key_file")
    }
    if not protocol.endswith("SSL"):
        for name, value in given.items():
            if value is not None:
                text = f"is given, and security_protocol {protocol} has no TLS; it takes SSL or SASL_SSL"
                problems.append(Problem(table.place(name), text))
    if (given["tls_certificate_file"] is None) != (given["tls_key_file"] is None):
        problems.append(
            Problem(
                table.place("tls_certificate_file"), "needs tls_key_file beside it, and the other way round"
            )
        )
    return TlsConfig(given["tls_ca_file"], given["tls_certificate_file"], given["tls_key_file"])


def _sasl(table: Table, protocol: str, problems: list[Problem]) -> SaslConfig | None:
    mechanism = table.take("sasl_mechanism", "SCRAM-SHA-512", one_of(MECHANISMS))
    username = table.take("sasl_username", "", _text)
    password_file = table.take("sasl_password_file", None, _a_file)
    if protocol.startswith("SASL_"):
        if not username:
            problems.append(
                Problem(table.place("sasl_username"), f"is missing; security_protocol {protocol} needs it")
            )
        return SaslConfig(mechanism, username, password_file)
    if username or password_file is not None:
        text = f"is given, and security_protocol {protocol} has no SASL; it takes SASL_PLAINTEXT or SASL_SSL"
        problems.append(Problem(table.place("sasl_username"), text))
    return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongValueError(value, "should be text")
    return value


def _a_file(value: object) -> Path | None:
    path = a_path(value)
    if not path.is_file():
        raise WrongValueError(value, "is no file that can be found from the working directory")
    return path
