"""The folder of the demo on the stack: two servers with a data directory each, and what the stack and consumers leave.

Owns names of files, keyspaces and topics, and the configuration of the servers. Must not know what runs on it.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from demo.workspace import Workspace

HEARTBEAT_MS, LEASE_MS = 400, 5_000
"""A leader with nothing to say is heard of so often; one that is silent for a lease is followed by another."""

_CONFIG = """\
# One of the two servers of one shard. Paths start at the directory that the server is started in.
data_dir = "{data}"

[keys]
# The key under which card numbers are looked up: the same for both.
pan_key_file = "{key}"

[[links]]
name = "demo"
network = "testnet"
listen = "127.0.0.1:{port}"   # the same for both, as on one machine: whoever decides listens
reply_deadline_ms = {lease_ms}      # at most the lease; a network waits some two seconds, a busy laptop needs longer

[cassandra]
contact_points = ["{cassandra}"]
keyspace = "{keyspace}"
heartbeat_ms = {heartbeat_ms}
lease_ms = {lease_ms}

[kafka]
bootstrap = ["{kafka}"]
topic = "{topic}"
replication_factor = 1        # there is one broker
min_insync_replicas = 1

[telemetry]
log_format = "json"
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One `authoriser serve`: its name, its configuration, its data directory."""

    name: str
    config: Path
    data: Path


class StackPlace(Workspace):
    """`config` and `data` are those of the server that decides; `lead` says which that is."""

    def __init__(self, directory: Path, *, cards: int, own_names: bool) -> None:
        """`own_names`: keyspaces and topics that nobody else has, on servers that others use too."""
        super().__init__(directory, cards=cards)
        self.stack = directory / "stack"
        self.notifications = directory / "notifications.out"
        suffix = f"_{secrets.token_hex(4)}" if own_names else ""
        self.keyspace = f"authoriser{suffix}"
        self.feed_keyspace = f"authoriser_feed{suffix}"
        self.topic = f"authoriser.events{suffix}"
        self.cassandra = self.kafka = ""
        self.first, self.second = (
            Server(name, directory / f"{name}.toml", directory / name) for name in ("first", "second")
        )
        self.lead(self.first)

    def lead(self, server: Server) -> None:
        self.config, self.data = server.config, server.data

    def configure(self, cassandra: str, kafka: str) -> None:
        """Write both configurations, once it is known where Cassandra and Kafka are: HOST:PORT each."""
        self.cassandra, self.kafka = cassandra, kafka
        for server in (self.first, self.second):
            server.config.write_text(
                _CONFIG.format(
                    data=server.data,
                    key=self.key,
                    port=self.port,
                    cassandra=cassandra,
                    keyspace=self.keyspace,
                    heartbeat_ms=HEARTBEAT_MS,
                    lease_ms=LEASE_MS,
                    kafka=kafka,
                    topic=self.topic,
                )
            )

    def _data_directories(self) -> tuple[Path, ...]:
        return self.first.data, self.second.data

    def _write_config(self) -> None:
        """`configure` does, later."""
