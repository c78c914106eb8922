"""What a process of a shared shard sees to by itself, without a Cassandra: deadlines, and stepping down."""

from pathlib import Path

import pytest
import trio

pytest.importorskip("cassandra", reason="the Cassandra driver is not installed (the extra `stack`)")

from authoriser.config import load_config
from authoriser.journal import Unknown
from authoriser.shared_server import SharedServer

LEASE_MS = 3000


@pytest.fixture
def server(tmp_path: Path) -> SharedServer:
    links = "".join(
        f"[[links]]\nname = '{name}'\nlisten = '127.0.0.1:{port}'\nreply_deadline_ms = {deadline_ms}\n"
        for name, port, deadline_ms in (("quick", 8583, 1000), ("patient", 8584, 10_000))
    )
    file = tmp_path / "authoriser.toml"
    cassandra = f"[cassandra]\ncontact_points = ['127.0.0.1']\nkeyspace = 'cards'\nlease_ms = {LEASE_MS}\n"
    file.write_text(f"data_dir = '{tmp_path / 'data'}'\n{links}{cassandra}")
    config = load_config(file)
    assert config.cassandra is not None
    return SharedServer(config, config.cassandra, on_lost=lambda: None)


def test_no_deadline_is_longer_than_the_lease(server: SharedServer) -> None:
    """What an append lets go after another process may lead has passed its deadline."""
    deadlines = [server._in_time(link).reply_deadline_ms for link in server._config.links]
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
