"""How a Cassandra node is configured and started: cassandra.yaml, logback.xml, the command line of Java.

Everything is on loopback; node n listens on 127.0.0.n. JMX is off: it would be another port a node, and nobody asks.
"""

import os
import tempfile
from pathlib import Path

from stack.secure import Secure
from stack.state import Node

USUAL_PORT = 9042
USUAL_STORAGE_PORT = 7000
NODES_MAX = 3
COMMITLOG_SYNC = ("batch", "group")
"""Both sync before they acknowledge. `periodic`, Cassandra's default, loses up to ten seconds at a power loss."""
MAIN = "org.apache.cassandra.service.CassandraDaemon"
CLUSTER = "authoriser-stack"

RING_DELAY_FIRST_MS = 0
RING_DELAY_JOINING_MS = 3000
"""The first node has nobody to wait for; one that joins has to hear of the others' tokens (30 s by default)."""

_EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
)
_OPENS = (
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.lang",
)
"""What Cassandra 5.0's own conf/jvm17-server.options opens to itself; without these it does not start on 17."""


def host_of(number: int) -> str:
    return f"127.0.0.{number}"


def takes_direct_io(directory: Path) -> bool:
    """Whether files there can be written past the page cache. tmpfs, for one, has not always done so."""
    try:
        with tempfile.NamedTemporaryFile(dir=directory) as file:
            os.close(os.open(file.name, os.O_WRONLY | os.O_DIRECT))
    except OSError:
        return False
    return True


def cassandra_yaml(node: Node, *, commitlog_sync: str, secure: Secure | None = None) -> str:
    """The whole configuration; what is not said is Cassandra's default.

    `group` waits up to 1 ms for others to share its sync. A commit log that is mapped (`legacy`) is looked through as a
    whole, 32 MiB, at each sync; written directly, with O_DIRECT and O_DSYNC, a sync costs what is new. A lightweight
    transaction syncs four times. Batches that wait for their flush lie outside of the heap: on it they would fill its
    old generation within minutes, and a collection of that stands still. Compaction is in no hurry: at its own speed
    it takes a core and the disk for a second, which appends wait for. `auto_bootstrap` is off as every node starts
    empty; a node with data never reads it again.
    """
    directory = Path(node.directory)
    data = directory / "data"
    lines = [
        f"cluster_name: {CLUSTER}",
        "num_tokens: 4",
        "partitioner: org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch: SimpleSnitch",
        f"listen_address: {node.host}",
        f"rpc_address: {node.host}",
        f"native_transport_port: {node.port}",
        f"storage_port: {node.inner_port}",
        "seed_provider:",
        "  - class_name: org.apache.cassandra.locator.SimpleSeedProvider",
        f'    parameters: [{{seeds: "{host_of(1)}:{node.inner_port}"}}]',
        f"data_file_directories: [{_quoted(data / 'data')}]",
        f"commitlog_directory: {_quoted(data / 'commitlog')}",
        f"saved_caches_directory: {_quoted(data / 'saved_caches')}",
        f"hints_directory: {_quoted(data / 'hints')}",
        f"cdc_raw_directory: {_quoted(data / 'cdc_raw')}",
        f"commitlog_sync: {commitlog_sync}",
        *(["commitlog_sync_group_window: 1ms"] if commitlog_sync == "group" else []),
        f"commitlog_disk_access_mode: {'direct' if takes_direct_io(directory) else 'legacy'}",
        "paxos_variant: v2",
        "memtable_allocation_type: offheap_objects",
        "compaction_throughput: 16MiB/s",
        "auto_bootstrap: false",
        "auto_snapshot: false",
        "concurrent_reads: 8",
        "concurrent_writes: 8",
        *(_asking_who(secure) if secure is not None else []),
    ]
    return "\n".join(lines) + "\n"


def _asking_who(secure: Secure) -> list[str]:
    """A password, and certificates of both sides. Every right has to be granted."""
    return [
        "authenticator: PasswordAuthenticator",
        "authorizer: CassandraAuthorizer",
        "client_encryption_options:",
        "  enabled: true",
        "  optional: false",
        "  require_client_auth: true",
        "  ssl_context_factory:",
        "    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory",
        f"  keystore: {_quoted(Path(secure.server))}",
        f"  truststore: {_quoted(Path(secure.authority))}",
    ]


LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"""


def write_config(node: Node, *, commitlog_sync: str, secure: Secure | None) -> None:
    directory = Path(node.directory)
    (directory / "data").mkdir(parents=True, exist_ok=True)
    text = cassandra_yaml(node, commitlog_sync=commitlog_sync, secure=secure)
    (directory / "cassandra.yaml").write_text(text)
    (directory / "logback.xml").write_text(LOGBACK)


def has_joined(node: Node) -> bool:
    """Whether it has data: it knows the others by itself then, and starts whoever else is down."""
    return (Path(node.directory) / "data" / "data" / "system").exists()


def command(node: Node, *, java: Path, jars: Path, heap_mb: int) -> list[str]:
    directory = Path(node.directory)
    (agent,) = jars.glob("jamm-*.jar")
    ring_delay_ms = RING_DELAY_FIRST_MS if node.number == 1 else RING_DELAY_JOINING_MS
    return [
        str(java),
        f"-javaagent:{agent}",
        "-Djdk.attach.allowAttachSelf=true",
        *(word for name in _EXPORTS for word in ("--add-exports", f"{name}=ALL-UNNAMED")),
        *(word for name in _OPENS for word in ("--add-opens", f"{name}=ALL-UNNAMED")),
        f"-Xms{heap_mb}m",
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dcassandra.config={(directory / 'cassandra.yaml').as_uri()}",
        f"-Dcassandra.storagedir={directory / 'data'}",
        f"-Dlogback.configurationFile={directory / 'logback.xml'}",
        "-Dcassandra-foreground=yes",
        "-Dcassandra.skip_wait_for_gossip_to_settle=0",
        "-Dcassandra.superuser_setup_delay_ms=0",
        f"-Dcassandra.ring_delay_ms={ring_delay_ms}",
        "-cp",
        f"{jars}/*",
        MAIN,
    ]


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
