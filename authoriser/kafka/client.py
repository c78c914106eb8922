"""What every Kafka client of ours is made with: brokers, TLS, a password, and patience.

Owns reading the secrets. They go to the library and nowhere else: no text of ours holds one.
"""

from __future__ import annotations

import logging
import os
import ssl
from typing import Any

import structlog

from authoriser.kafka.settings import PASSWORD_VARIABLE, KafkaConfig

REQUEST_MAX_MS = 15_000
"""A broker that says nothing for so long is given up, and another is asked."""
RETRY_MS = 50
METADATA_MAX_AGE_MS = 30_000
"""How long a move of a partition's leader may go unnoticed by one who neither reads nor writes."""

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
        options["sasl_plain_password"] = _password(config)
    return options


def quieten_library() -> None:
    """Have aiokafka's own lines go through our log, with its masks, from warnings on."""
    logger = logging.getLogger("aiokafka")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.handlers = [_Through()]


class _Through(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log.warning("the Kafka client says", detail=record.getMessage())


def _ssl_context(config: KafkaConfig) -> ssl.SSLContext:
    tls = config.tls
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file is not None else None)
        if tls.certificate_file is not None:
            context.load_cert_chain(str(tls.certificate_file), str(tls.key_file))
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(file) for file in (tls.ca_file, tls.certificate_file, tls.key_file) if file)
        raise KafkaSettingsError(f"kafka: TLS can't be set up from {files}: {type(error).__name__}") from None
    return context


def _password(config: KafkaConfig) -> str:
    assert config.sasl is not None
    file = config.sasl.password_file
    if file is None:
        password = os.environ.get(PASSWORD_VARIABLE, "")
        if not password:
            raise KafkaSettingsError(
                f"kafka.sasl_password_file is not set, and neither is the environment's {PASSWORD_VARIABLE}"
            )
        return password
    try:
        password = file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KafkaSettingsError(f"{file}: can't be read ({type(error).__name__})") from None
    if not password:
        raise KafkaSettingsError(f"{file}: is empty; it should hold the password of {config.sasl.username}")
    return password
