"""What a process of a shared shard sees to by itself, without a Cassandra: deadlines, and stepping down."""

import os
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")

from authoriser import reaching
from authoriser.cluster import open_cluster
from authoriser.config import load_config
from authoriser.journal import Unknown
from authoriser.journal.sqlite import lock_directory
from authoriser.reaching import in_time
from authoriser.shared_server import SharedServer
from authoriser.starting import StartFailed

LEASE_MS = 3000


@pytest.fixture
def server(tmp_path: Path) -> SharedServer:
    links = "".join(
        f"[[links]]\nname = '{name}'\nlisten = '127.0.0.1:{port}'\nreply_deadline_ms = {deadline_ms}\n"
        for name, port, deadline_ms in (("quick", 8583, 1000), ("patient", 8584, 10_000))
    )
    file = tmp_path / "authoriser.toml"
    cassandra = (
        f"[cassandra]\ncontact_points = ['127.0.0.1']\nport = 1\nkeyspace = 'cards'\nlease_ms = {LEASE_MS}\n"
    )
    keys = f"[keys]\npan_key_file = '{tmp_path / 'pan.key'}'\n"
    file.write_text(f"data_dir = '{tmp_path / 'data'}'\n{keys}{links}{cassandra}")
    config = load_config(file)
    assert config.cassandra is not None
    return SharedServer(config, config.cassandra, on_lost=lambda: None)


def test_no_deadline_is_longer_than_the_lease(server: SharedServer) -> None:
    """What an append lets go after another process may lead has passed its deadline."""
    section = server._section
    deadlines = [in_time(link, section).reply_deadline_ms for link in server._config.links]
    assert deadlines == [1000, LEASE_MS]


async def test_an_append_that_can_never_be_known_ends_the_term(server: SharedServer) -> None:
    """At once, as a fence does: nothing of what runs while a process leads goes on beside it."""
    server.counters.watch("leading", lambda: 1)
    server.counters.watch("epoch", lambda: 7)
    server._term = term = trio.CancelScope()
    server._append_unknown(Unknown("a test says so", retry=True))
    assert not term.cancel_called
    server._append_unknown(Unknown("a test says so", retry=False))
    assert term.cancel_called
    assert server.counters.gauges["leading"]() == 0
    assert "epoch" not in server.counters.gauges
    assert server._following().role == "recovering"


async def test_a_cassandra_that_is_away_is_waited_for(
    server: SharedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told once and not at each try; a process that is to stop meanwhile does so in order."""
    monkeypatch.setattr(reaching, "RETRY_S", 0.01)
    tries = []

    async def tried(*given: Any, **how: Any) -> Any:
        tries.append(given)
        return await open_cluster(*given, **how)

    monkeypatch.setattr(reaching, "open_cluster", tried)
    with capture_logs() as logs, trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run)
            while len(tries) < 3:
                await trio.sleep(0.01)
            server.stopping.set()
    away, stopped = logs
    assert away["event"] == "the journal is away; trying again"
    assert away["error"].startswith("cassandra.contact_points 127.0.0.1:1: no node can be used: ")
    assert stopped["event"] == "stopped"


async def test_what_only_a_person_can_mend_ends_the_start(server: SharedServer) -> None:
    """A directory that is another process's is not waited for."""
    server._directory.mkdir(parents=True)
    other = lock_directory(server._directory)
    try:
        with pytest.RaisesGroup(StartFailed), trio.fail_after(60):
            await server.run()
    finally:
        os.close(other)
