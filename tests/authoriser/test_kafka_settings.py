"""The [kafka] table: what it takes, what it refuses and in which words, and that secrets stay where they are."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from authoriser.config import ConfigError, load_config
from authoriser.config_checks import Address
from authoriser.kafka.client import KafkaSettingsError, client_options
from authoriser.kafka.settings import PASSWORD_VARIABLE, KafkaConfig, SaslConfig, TlsConfig

SECRET = "correct horse"


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], KafkaConfig | None]:
    def run(text: str) -> KafkaConfig | None:
        path = tmp_path / "authoriser.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path).kafka

    return run


def test_without_a_table_there_is_no_kafka(read: Callable[[str], KafkaConfig | None]) -> None:
    """The embedded default: events stay in the journal."""
    assert read("") is None


def test_brokers_are_all_that_must_be_said(read: Callable[[str], KafkaConfig | None]) -> None:
    """Topics, three replicas of which two are in sync, and a week of retention have defaults."""
    assert read('[kafka]\nbootstrap = ["10.0.0.1:9092", "kafka-2:9092"]') == KafkaConfig(
        bootstrap=(Address("10.0.0.1", 9092), Address("kafka-2", 9092)),
        topic="authoriser.events",
        position_topic="authoriser.events.positions",
        partitions=1,
        replication_factor=3,
        min_insync_replicas=2,
        retention_hours=168,
        source="/authoriser",
        security_protocol="PLAINTEXT",
        tls=TlsConfig(),
        sasl=None,
    )


def test_everything_can_be_said(read: Callable[[str], KafkaConfig | None], tmp_path: Path) -> None:
    """TLS files, SASL and the topics' settings; the position topic follows the topic's name."""
    for name in ("ca.pem", "cert.pem", "key.pem", "password"):
        (tmp_path / name).write_text("x")
    text = f"""
[kafka]
bootstrap = ["10.0.0.1:9092"]
topic = "cards"
partitions = 4
replication_factor = 2
retention_hours = 0
source = "https://bank.example/cards"
security_protocol = "SASL_SSL"
tls_ca_file = "{tmp_path}/ca.pem"
tls_certificate_file = "{tmp_path}/cert.pem"
tls_key_file = "{tmp_path}/key.pem"
sasl_mechanism = "SCRAM-SHA-256"
sasl_username = "relay"
sasl_password_file = "{tmp_path}/password"
"""
    assert read(text) == KafkaConfig(
        bootstrap=(Address("10.0.0.1", 9092),),
        topic="cards",
        position_topic="cards.positions",
        partitions=4,
        replication_factor=2,
        min_insync_replicas=2,
        retention_hours=0,
        source="https://bank.example/cards",
        security_protocol="SASL_SSL",
        tls=TlsConfig(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"),
        sasl=SaslConfig("SCRAM-SHA-256", "relay", tmp_path / "password"),
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", 'kafka.bootstrap: "" should be a list of brokers, such as ["10.0.0.1:9092", "10.0.0.2:9092"]'),
        (
            'bootstrap = ["10.0.0.1"]',
            'kafka.bootstrap: "10.0.0.1" should be "HOST:PORT", such as "127.0.0.1:8583" or "[::1]:8583"',
        ),
        (
            'topic = "a b"',
            "kafka.topic: \"a b\" should be a topic's name: 1 to 200 letters, digits, '.', '_' or '-'",
        ),
        (
            'topic = "x"\nposition_topic = "x"',
            "kafka.position_topic: is the events' own topic; it needs another",
        ),
        (
            "replication_factor = 1\nmin_insync_replicas = 2",
            (
                "kafka.min_insync_replicas: 2 should be a whole number from 1 to 1 replicas, which are no more than "
                "replication_factor"
            ),
        ),
        (
            'security_protocol = "SASL_SSL"',
            "kafka.sasl_username: is missing; security_protocol SASL_SSL needs it",
        ),
        (
            'sasl_username = "relay"',
            (
                "kafka.sasl_username: is given, and security_protocol PLAINTEXT has no SASL; it takes SASL_PLAINTEXT "
                "or SASL_SSL"
            ),
        ),
        (
            'security_protocol = "SSL"\ntls_ca_file = "nowhere.pem"',
            'kafka.tls_ca_file: "nowhere.pem" is no file that can be found from the working directory',
        ),
        (
            'tls_ca_file = "pyproject.toml"',
            "kafka.tls_ca_file: is given, and security_protocol PLAINTEXT has no TLS; it takes SSL or SASL_SSL",
        ),
    ],
)
def test_what_is_wrong_is_said_in_full(
    read: Callable[[str], KafkaConfig | None], line: str, problem: str
) -> None:
    """The key's place, the value, and what would be right."""
    text = line if line.startswith("bootstrap") or not line else f'bootstrap = ["10.0.0.1:9092"]\n{line}'
    with pytest.raises(ConfigError) as error:
        read(f"[kafka]\n{text}")
    assert str(error.value) == problem


def config(password_file: Path | None) -> KafkaConfig:
    sasl = SaslConfig("PLAIN", "relay", password_file)
    return KafkaConfig(bootstrap=(Address("10.0.0.1", 9092),), security_protocol="SASL_PLAINTEXT", sasl=sasl)


def test_the_password_comes_from_its_file(tmp_path: Path) -> None:
    """Without the newline that editors leave; the configuration itself never holds it."""
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o640)
    options = client_options(config(file), "a client")
    assert options["sasl_plain_password"] == SECRET
    assert SECRET not in repr(config(file))


def test_the_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file is named; and where it is not there either, the words name both places."""
    monkeypatch.setenv(PASSWORD_VARIABLE, SECRET)
    assert client_options(config(None), "a client")["sasl_plain_password"] == SECRET
    monkeypatch.delenv(PASSWORD_VARIABLE)
    with pytest.raises(KafkaSettingsError) as error:
        client_options(config(None), "a client")
    assert str(error.value) == (
        'kafka.sasl_username is "relay" and there is no password; set kafka.sasl_password_file or the environment\'s '
        "AUTHORISER_KAFKA_PASSWORD"
    )


def test_a_password_that_every_user_can_read_is_refused(tmp_path: Path) -> None:
    """By the setting's name, with what to do and nothing of the password."""
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o644)
    with pytest.raises(KafkaSettingsError) as error:
        client_options(config(file), "a client")
    assert str(error.value) == (
        f"kafka.sasl_password_file {file} can be read by every user (mode 0644); chmod o= {file}"
    )


def test_tls_files_that_hold_no_certificate_are_named(tmp_path: Path) -> None:
    """The file's name is in the words, its content is not."""
    file = tmp_path / "ca.pem"
    file.write_text(SECRET)
    secured = KafkaConfig(
        bootstrap=(Address("10.0.0.1", 9092),), security_protocol="SSL", tls=TlsConfig(ca_file=file)
    )
    with pytest.raises(KafkaSettingsError) as error:
        client_options(secured, "a client")
    assert str(error.value) == (
        f"kafka.tls_ca_file {file} should be a PEM file with the certificates of authorities"
    )


def test_tls_checks_the_brokers_certificate() -> None:
    """The default context: certificates are required, and host names checked."""
    secured = KafkaConfig(bootstrap=(Address("10.0.0.1", 9092),), security_protocol="SSL")
    context = client_options(secured, "a client")["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
