"""Where a consumer reads from: the `[kafka]` table of the authoriser's file, or what the command line says."""

import tomllib
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from authoriser.config_checks import Problem, Table, WrongValueError, parse_address
from authoriser.kafka.settings import KafkaConfig, a_topic, read_kafka


class SettingsError(Exception):
    """What was given can't be used; one line a problem."""


def kafka_settings(file: Path | None, bootstrap: list[str], topic: str | None) -> KafkaConfig:
    """The settings; what is on the command line goes over the file. Other tables of the file are left alone.

    Raises SettingsError.
    """
    problems: list[Problem] = []
    if file is not None:
        config = read_kafka(Table(_kafka_table(file), "kafka", problems), problems)
    elif bootstrap:
        config = KafkaConfig(bootstrap=())
    else:
        raise SettingsError(
            "say where Kafka is: --config FILE with a [kafka] table, or --bootstrap HOST:PORT"
        )
    if problems:
        raise SettingsError("\n".join(map(str, problems)))
    try:
        if bootstrap:
            config = replace(config, bootstrap=tuple(parse_address(address) for address in bootstrap))
        if topic is not None:
            config = replace(config, topic=a_topic(topic))
    except WrongValueError as wrong:
        raise SettingsError(f"command line: {wrong}") from None
    return config


def _kafka_table(file: Path) -> object:
    whole = document(file)
    if "kafka" not in whole:
        raise SettingsError(f"{file} has no [kafka] table; it should name the brokers: bootstrap = [...]")
    return whole["kafka"]


def document(file: Path) -> dict[str, Any]:
    """The whole file. Raises SettingsError where it is no TOML that can be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: can't be read as TOML ({type(error).__name__})") from None
