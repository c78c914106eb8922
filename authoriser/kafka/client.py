"""What every Kafka client of ours is made with: brokers, TLS, a password, and patience.

Secrets go to the library and nowhere else: no text of ours holds one.
"""

from __future__ import annotations

import logging
import math
import ssl
import time
from collections.abc import Callable
from typing import Any

import structlog

from authoriser.kafka.settings import PASSWORD_VARIABLE, KafkaConfig, SaslConfig
from authoriser.kafka.settings import TlsConfig as KafkaTls
from authoriser.passwords import PasswordError, read_password
from authoriser.tls import TlsConfig, TlsFilesError, tls_context

REQUEST_MAX_MS = 15_000
"""A broker that says nothing for so long is given up, and another is asked."""
RETRY_MS = 50
METADATA_MAX_AGE_MS = 30_000
"""How long a move of a partition's leader may go unnoticed by one who neither reads nor writes."""
SAID_AGAIN_S = 30.0
"""Between two lines of the same text. While Kafka is away the library has three of them every RETRY_MS."""
SAID_TEXTS_MAX = 1_000
"""Texts remembered; some have a number in them that is never the same."""

log = structlog.get_logger()


class KafkaSettingsError(Exception):
    """A file of the settings can't be used. The text names the file and never what is in it."""


def client_options(config: KafkaConfig, client_id: str) -> dict[str, Any]:
    """Keyword arguments that aiokafka's producer, consumer and admin client all take. Raises KafkaSettingsError."""
    options: dict[str, Any] = {
        "bootstrap_servers": [str(address) for address in config.bootstrap],
        "client_id": client_id,
        "request_timeout_ms": REQUEST_MAX_MS,
        "retry_backoff_ms": RETRY_MS,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "security_protocol": config.security_protocol,
    }
    if config.security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(config)
    if config.sasl is not None:
        options["sasl_mechanism"] = config.sasl.mechanism
        options["sasl_plain_username"] = config.sasl.username
        options["sasl_plain_password"] = _password(config.sasl)
    return options


def reader_options(config: KafkaConfig, client_id: str) -> dict[str, Any]:
    """For a consumer of what is committed, from the beginning, which itself says what it has read. Raises likewise."""
    return client_options(config, client_id) | {
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
    }


def quieten_library() -> None:
    """Have aiokafka's own lines go through our log, with its masks, from warnings on, and each text now and then."""
    logger = logging.getLogger("aiokafka")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.handlers = [_Through()]


class _Through(logging.Handler):
    """To our log. What repeats is said once every SAID_AGAIN_S, with how often it came since (`count`)."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[float, int]] = {}
        """Text -> when it was logged last, and how often it was not since then."""

    def emit(self, record: logging.LogRecord) -> None:
        text, now = record.getMessage(), time.monotonic()
        logged_at, left_out = self._said.get(text, (-math.inf, 0))
        if now - logged_at < SAID_AGAIN_S:
            self._said[text] = logged_at, left_out + 1
            return
        if len(self._said) >= SAID_TEXTS_MAX:
            self._said.clear()
        self._said[text] = now, 0
        log.warning("the Kafka client says", detail=text, count=left_out + 1)


def _ssl_context(config: KafkaConfig) -> ssl.SSLContext:
    files = config.tls
    given = TlsConfig(files.certificate_file, files.key_file, files.ca_file)
    try:
        return tls_context(given, listens=False)
    except TlsFilesError as error:
        name, path = _TLS_SETTINGS[error.key]
        raise KafkaSettingsError(f"kafka.{name} {path(files)} {error}") from None


_TLS_SETTINGS: dict[str, tuple[str, Callable[[KafkaTls], object]]] = {
    "ca_file": ("tls_ca_file", lambda files: files.ca_file),
    "certificate_file": ("tls_certificate_file", lambda files: files.certificate_file),
    "private_key_file": ("tls_key_file", lambda files: files.key_file),
}


def _password(sasl: SaslConfig) -> str:
    try:
        return read_password(
            sasl.username,
            sasl.password_file,
            setting="kafka.sasl_password_file",
            user_setting="kafka.sasl_username",
            variable=PASSWORD_VARIABLE,
        )
    except PasswordError as error:
        raise KafkaSettingsError(str(error)) from None
