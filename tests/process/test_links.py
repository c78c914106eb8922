"""The authoriser dials the simulator, as processes: losses, TLS, and what a refusal says in the log."""

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.process.conftest import REPLY_DEADLINE_MS

PATIENCE_S = 30
PATIENT = f"reply_deadline_ms = {REPLY_DEADLINE_MS}"
CARDS = "pan,expiry,account,currency,credit_minor\n4000000000001232,4912,acc,EUR,100000000\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def until(true: Callable[[], Any], what: str) -> Any:
    """What is true in the end."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_S} s: {what}")


class Authority:
    """One that signs certificates, as PEM files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key."""
        made = self._ca.issue_cert(name)
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        key.write_bytes(made.private_key_pem.bytes())
        return certificate, key


class World:
    """An authoriser with one link, and simulators."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.cards = folder / "cards.csv"
        self.cards.write_text(CARDS)
        self._processes: list[subprocess.Popen[str]] = []

    def serve(self, *lines: str) -> None:
        """With these lines under [[links]], and under [links.tls] behind it."""
        config = self.folder / "authoriser.toml"
        config.write_text("\n".join(["[telemetry]", 'log_format = "json"', "[[links]]", PATIENT, *lines, ""]))
        command = [sys.executable, "-m", "authoriser", "serve", "--config", str(config), "--data"]
        log = (self.folder / "server.log").open("a")
        process = subprocess.Popen(
            [*command, str(self.server.data)],
            env=self.server._environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        self.server._process = process
        assert process.stdout is not None
        ready = process.stdout.readline()
        found = re.search(r"is ready: \S+ (?:on|to) (\S+):(\d+) \(", ready)
        assert found, ready + self.server.log()
        self.server.address = (found[1], int(found[2]))
        self.server.run("import", str(self.cards))

    def simulator(self, *options: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "simulator", "shop", "--cards", str(self.cards)]
        process = subprocess.Popen(
            [*command, "--mix", "verification=0,foreign=0,repeat=10,reversal=0", "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"COLUMNS": "80"},
        )
        self._processes.append(process)
        return process

    def summary(self, process: "subprocess.Popen[str]") -> Any:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
        return json.loads(out)

    def link(self) -> Any:
        return self.server.json("status")["links"][0]

    def approved(self) -> int:
        return int(self.server.json("status")["decisions"].get("approved", 0))

    def problems(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.server.log().splitlines()]
        return [line for line in lines if line["level"] not in ("info", "debug")]

    def refusals(self) -> list[dict[str, Any]]:
        """Without what is said while nobody listens yet."""
        return [line for line in self.problems() if line["problem"] != "Connection refused"]

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def world(server: Any, tmp_path: Path) -> Iterator[World]:
    made = World(server, tmp_path)
    yield made
    made.close()


pytestmark = pytest.mark.slow


def test_the_network_is_killed_and_comes_back(world: World) -> None:
    """Both lines are dialled again and payments go on; `status` has each line's state; SIGTERM ends with 0."""
    port = free_port()
    world.serve('name = "north"', 'role = "connect"', f'connect = "127.0.0.1:{port}"', "lines = 2")
    until(lambda: all(line["problem"] for line in world.link()["lines"]), "nobody is there")
    assert {line["state"] for line in world.link()["lines"]} <= {"waiting", "dialling"}
    options = ("--listen", f"127.0.0.1:{port}", "--connections", "2", "--rate", "50")
    first = world.simulator(*options, "--seconds", "60")
    until(lambda: world.approved() > 20, "payments")
    link = world.link()
    assert (link["role"], link["signed_on"], link["down"]) == ("connect", 2, 0)
    assert [line["state"] for line in link["lines"]] == ["signed on", "signed on"]
    first.send_signal(signal.SIGKILL)
    first.wait(PATIENCE_S)
    until(lambda: world.link()["down"] == 2, "both lines are lost")
    before = world.approved()
    summary = world.summary(world.simulator(*options, "--seconds", "2"))
    assert (summary["answered"], summary["wrong"], summary["connections_lost"]) == (100, 0, [])
    assert world.approved() > before
    assert world.server.json("status")["counters"]["reconnects"] == 2
    assert world.server.stop(signal.SIGTERM) == 0
    assert "4000000000001232" not in world.server.log()


def tls_link(role: str, port: int, **files: str | Path) -> list[str]:
    address = f'connect = "localhost:{port}"' if role == "connect" else f'listen = "127.0.0.1:{port}"'
    return [
        'name = "north"', f'role = "{role}"', address, "[links.tls]", *(f'{k} = "{v}"' for k, v in files.items())
    ]  # fmt: skip


def test_payments_under_tls_with_certificates_on_both_sides(world: World) -> None:
    """The issuer dials, then it listens: every answer is right in both."""
    authority = Authority(world.folder / "ca")
    ours, theirs = authority.issue("issuer.example"), authority.issue("localhost")
    port = free_port()
    files: dict[str, str | Path] = {
        "certificate_file": ours[0], "private_key_file": ours[1], "ca_file": authority.file,
    }  # fmt: skip
    world.serve(*tls_link("connect", port, **files, minimum_version="1.3"))
    tls = ("--tls-ca", str(authority.file), "--tls-certificate", str(theirs[0]), "--tls-key", str(theirs[1]))
    more = ("--rate", "100", "--seconds", "1", *tls)
    summary = world.summary(world.simulator("--listen", f"127.0.0.1:{port}", *more))
    assert (summary["answered"], summary["wrong"]) == (100, 0)
    assert world.server.stop(signal.SIGTERM) == 0
    world.serve(*tls_link("listen", 0, **files))
    to = ("--connect", f"127.0.0.1:{world.server.address[1]}", "--tls-name", "issuer.example")
    summary = world.summary(world.simulator(*to, *more))
    assert (summary["answered"], summary["wrong"], world.link()["tls"]) == (100, 0, True)
    assert world.server.stop(signal.SIGTERM) == 0


def test_what_tls_refuses_is_said_in_one_line_each(world: World) -> None:
    """A wrong authority, no certificate, plain text: no line is had, one warning says which it was."""
    authority, other = Authority(world.folder / "ca"), Authority(world.folder / "other")
    ours, stranger = authority.issue("issuer.example"), other.issue("localhost")
    files = {"certificate_file": ours[0], "private_key_file": ours[1], "ca_file": authority.file}
    world.serve(*tls_link("listen", 0, **files))
    to = ("--connect", f"127.0.0.1:{world.server.address[1]}", "--tls-name", "issuer.example")
    trusting = ("--tls-ca", str(authority.file))
    said = {
        "the peer's certificate is not good: unable to get local issuer certificate": (
            *trusting, "--tls-certificate", str(stranger[0]), "--tls-key", str(stranger[1]),
        ),
        "the peer showed no certificate, and this link asks for one": trusting,
        "the peer does not speak TLS": (),
    }  # fmt: skip
    for number, (problem, options) in enumerate(said.items(), 1):
        address = to if options else to[:2]
        process = world.simulator(*address, *options, "--seconds", "1", "--patience", "1")
        process.communicate(timeout=60)
        assert process.returncode == 2
        until(lambda number=number: len(world.problems()) == number, problem)  # type: ignore[misc]
        line = world.problems()[-1]
        assert (line["event"], line["link"], line["problem"]) == ("line failed", "north", problem)
        assert line["peer"].startswith("127.0.0.1:")
    # The simulator hangs up where it trusts nobody; a client of OpenSSL's says so first.
    context = ssl.create_default_context(cafile=str(other.file))
    with socket.create_connection(world.server.address) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="issuer.example")
    until(lambda: len(world.problems()) == len(said) + 1, "the client's own authority")
    assert world.problems()[-1]["problem"] == "the peer does not trust the authority of our certificate"
    assert world.server.json("status")["counters"]["tls_failures"] == len(said) + 1


@pytest.mark.parametrize(
    ("name", "signed_by", "problem"),
    [
        ("localhost", "other", "the peer's certificate is not good: unable to get local issuer certificate"),
        (
            "elsewhere.example",
            "ca",
            "the peer's certificate is not good: Hostname mismatch, certificate is not valid for 'localhost'.",
        ),
    ],
)  # fmt: skip
def test_what_the_issuer_refuses_or_is_refused_when_it_dials(
    world: World, name: str, signed_by: str, problem: str
) -> None:
    """A network with another authority's certificate or another name is not signed on to; each try is one line."""
    authorities = {name: Authority(world.folder / name) for name in ("ca", "other")}
    certificate, key = authorities[signed_by].issue(name)
    port = free_port()
    world.serve(*tls_link("connect", port, ca_file=authorities["ca"].file))
    until(world.problems, "nobody listens yet")
    options = ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    world.simulator("--listen", f"127.0.0.1:{port}", *options)

    line = until(world.refusals, problem)[0]
    assert (line["event"], line["link"], line["connection"], line["problem"]) == (
        "line not up", "north", 1, problem,
    )  # fmt: skip
    assert line["hint"].startswith("dialled again in ")
    assert world.link()["signed_on"] == 0


def test_a_network_that_asks_for_a_certificate_of_ours(world: World) -> None:
    """TLS 1.3 tells a client only after it has begun to talk: the line is not up, and the log says what is missing."""
    authority = Authority(world.folder / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost"))
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED

    def refuse_one() -> None:
        accepted, _ = listening.accept()
        # Kept open until the issuer has read why: closing with its sign-on unread would reset the connection.
        with accepted.dup() as kept:
            with contextlib.suppress(ssl.SSLError):
                context.wrap_socket(accepted, server_side=True)
            while kept.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        network = threading.Thread(target=refuse_one)
        network.start()
        world.serve(*tls_link("connect", listening.getsockname()[1], ca_file=authority.file))
        line = until(world.refusals, "refused")[0]
        network.join(PATIENCE_S)
    assert (line["event"], line["problem"]) == (
        "line not up", "the peer asks for a certificate of ours, and none is configured",
    )  # fmt: skip
