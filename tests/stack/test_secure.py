"""A Cassandra and a Kafka that ask who is there, by TLS both ways and a password: the whole way, and who is refused."""

import asyncio
import gc
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from stack import Stack, Wanted
from stack.secure import AUTHORITY_FILE, PASSWORD_FILE, SERVER_FILE, USER, Secure
from tests.conftest import started
from tests.process.conftest import Process

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_S = 60


class Place(NamedTuple):
    """Running servers, what they were given, and who signed a certificate that nobody trusts."""

    stack: Stack
    folder: Path
    password: str
    stranger: Path


def pem(certificate: trustme.LeafCert) -> bytes:
    """The key, in the one form that Java reads, and its chain."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    parts = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())]
    return b"".join([*parts, *(blob.bytes() for blob in certificate.cert_chain_pems)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("secure")
    authority, other = trustme.CA(), trustme.CA()
    (folder / SERVER_FILE).write_bytes(pem(authority.issue_cert("127.0.0.1")))
    (folder / "stranger.pem").write_bytes(pem(other.issue_cert("127.0.0.1")))
    authority.cert_pem.write_to_path(str(folder / AUTHORITY_FILE))
    other.cert_pem.write_to_path(str(folder / "other-ca.pem"))
    password = f"secret-{secrets.token_hex(8)}"
    for name, text in ((PASSWORD_FILE, password), ("wrong-password", "guessed")):
        (folder / name).write_text(f"{text}\n")
        (folder / name).chmod(0o640)
    for stack in started(tmp_path_factory.mktemp("servers"), Wanted(secure=Secure(str(folder)))):
        yield Place(stack, folder, password, folder / "stranger.pem")


@pytest.fixture(autouse=True)
def collected(place: Place) -> Iterator[None]:
    """What Kafka's client left open is gone before and after each test.

    It closes the connection of somebody who is refused, and does not wait for the other side's word of goodbye. A loop
    that ends meanwhile leaves it to the collector, which would say so in whatever test comes next.
    """
    _collect()
    yield
    _collect()


def _collect() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def config_text(place: Place, **changed: str | None) -> str:
    """The tables of a server that is let in; `changed` puts others' files in their place, None leaves one out."""
    files: dict[str, str | None] = {
        "ca": str(place.folder / AUTHORITY_FILE),
        "certificate": str(place.folder / SERVER_FILE),
        "password": str(place.folder / PASSWORD_FILE),
    } | changed
    cassandra, kafka = place.stack.node("cassandra"), place.stack.node("kafka")
    certificate = files["certificate"]
    lines = [
        "[cassandra]",
        f'contact_points = ["{cassandra.address}"]',
        f'username = "{USER}"',
        f'password_file = "{files["password"]}"',
        f'tls_ca_file = "{files["ca"]}"' if files["ca"] else "",
        f'tls_cert_file = "{certificate}"\ntls_key_file = "{certificate}"' if certificate else "",
        "[kafka]",
        f'bootstrap = ["{kafka.address}"]',
        "replication_factor = 1\nmin_insync_replicas = 1",
        f'security_protocol = "{"SASL_SSL" if files["ca"] else "SASL_PLAINTEXT"}"',
        f'sasl_username = "{USER}"\nsasl_mechanism = "{files.get("mechanism", "SCRAM-SHA-512")}"',
        f'sasl_password_file = "{files["password"]}"',
        f'tls_ca_file = "{files["ca"]}"' if files["ca"] else "",
        f'tls_certificate_file = "{certificate}"\ntls_key_file = "{certificate}"' if certificate else "",
    ]
    return "\n".join([*lines, ""])


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
    )


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def consumer(name: str, *words: str) -> list[str]:
    return [sys.executable, "-c", f"from consumers.{name}.cli import main; main()", *words]


def test_the_whole_way_over_tls_with_a_password(place: Place, tmp_path: Path) -> None:
    """Schema, server, relay, feed and a reader of the journal, by one file; the password is in nothing they leave."""
    file = tmp_path / "authoriser.toml"
    file.write_text(
        f"data_dir = '{tmp_path / 'data'}'\n[keys]\npan_key_file = '{tmp_path / 'pan.key'}'\n"
        + config_text(place)
    )
    created = command("authoriser", "schema", "create", "--config", str(file))
    assert created.returncode == 0, created.stderr
    server = Process(tmp_path)
    feed = None
    try:
        server.start("--config", str(file))
        server.run("account", "open", "alice", "--currency", "EUR", "--reason", "new")
        server.run("account", "credit", "alice", "10.00", "--reason", "a gift")

        def relay() -> Any:
            return server.json("status")["relay"]

        until(lambda: (relay()["state"], relay()["lag"]) == ("relaying", 0))
        with (tmp_path / "feed.log").open("ab") as log:
            making = consumer("feed", "--config", str(file), "--create-tables", "--replicas", "1")
            feed = subprocess.Popen(making, stdout=log, stderr=log)
        shown = consumer("feed", "--config", str(file), "--show", "alice")

        def rows() -> list[Any]:
            done = subprocess.run(shown, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            return [json.loads(line) for line in done.stdout.splitlines()]

        until(lambda: bool(rows()))
        (row,) = rows()
        events = command("authoriser", "events", "--config", str(file))
        types = [json.loads(line)["type"] for line in events.stdout.splitlines()]
        assert [kind for kind in types if kind != "operator.looked"] == [
            "epoch.started",
            "account.opened",
            "account.credited",
        ]
        assert (row["type"], row["amount_minor"]) == ("account.credited", 1000)
        assert server.stop(signal.SIGTERM) == 0
    finally:
        server.close()
        if feed is not None:
            feed.terminate()
            assert feed.wait(PATIENCE_S) == 0
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) > 4
    assert [path for path in left if place.password.encode() in path.read_bytes()] == []


REFUSED = {
    "a wrong password": (
        {"password": "wrong-password"},
        "no node can be used: ADDRESS (it refuses the user name or the password)",
    ),
    "another authority": (
        {"ca": "other-ca.pem"},
        "no node can be used: ADDRESS (the peer's certificate is not good: unable to get local issuer certificate)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_cassandra_refuses_in_a_line(place: Place, tmp_path: Path, case: str) -> None:
    """Who is refused, and why; nothing of the password."""
    changed, expected = REFUSED[case]
    done = read_events(place, tmp_path, **{name: str(place.folder / file) for name, file in changed.items()})
    address = place.stack.node("cassandra").address
    where = f"authoriser: cassandra.contact_points {address}: "
    assert done.stderr == where + expected.replace("ADDRESS", address) + "\n"
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    "changed", [{"certificate": None}, {"certificate": "stranger.pem"}, {"ca": None, "certificate": None}]
)
def test_cassandra_demands_tls_and_a_certificate(
    place: Place, tmp_path: Path, changed: dict[str, str | None]
) -> None:
    """Without one, with one of another authority, or in the clear: one line, exit code 1."""
    files = {name: str(place.folder / file) if file else None for name, file in changed.items()}
    done = read_events(place, tmp_path, **files)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no node can be used: " in done.stderr


def read_events(place: Place, tmp_path: Path, **changed: str | None) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "authoriser.toml"
    file.write_text(f"data_dir = '{tmp_path / 'data'}'\n" + config_text(place, **changed))
    return command("authoriser", "events", "--config", str(file))


KAFKA_REFUSED: tuple[dict[str, str | None], ...] = (
    {"password": "wrong-password"},
    {"ca": "other-ca.pem"},
    {"certificate": None},
    {"certificate": "stranger.pem"},
    {"ca": None, "certificate": None},
)


@pytest.mark.parametrize("changed", KAFKA_REFUSED, ids=str)
def test_kafka_lets_nobody_else_in(place: Place, tmp_path: Path, changed: dict[str, str | None]) -> None:
    """A wrong password, a wrong authority on either side, no certificate, no TLS: no client of ours gets through."""
    from aiokafka.errors import KafkaError

    files = {name: str(place.folder / file) if file else None for name, file in changed.items()}
    with pytest.raises((KafkaError, OSError)) as error:
        asyncio.run(connect(config_text(place, **files), tmp_path))
    assert place.password not in str(error.value)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_kafka_lets_its_user_in(place: Place, tmp_path: Path, mechanism: str) -> None:
    """By either mechanism that this broker knows."""
    asyncio.run(connect(config_text(place, mechanism=mechanism), tmp_path))


async def connect(text: str, tmp_path: Path) -> None:
    from aiokafka import AIOKafkaProducer

    from authoriser.config import load_config
    from authoriser.kafka.client import client_options

    file = tmp_path / "authoriser.toml"
    file.write_text(text)
    config = load_config(file).kafka
    assert config is not None
    producer = AIOKafkaProducer(**client_options(config, "a test"))
    try:
        await producer.start()
    finally:
        await producer.stop()
