"""How Kafka is configured and started: one process that is broker and controller (KRaft), on loopback.

A folder has to be formatted once before its first start.
"""

import base64
import uuid
from pathlib import Path

from stack.secure import USER, Secure
from stack.state import Node

USUAL_PORT = 9092
USUAL_CONTROLLER_PORT = 9093
MAIN = "kafka.Kafka"
FORMAT_MAIN = "kafka.tools.StorageTool"
FORMAT_HEAP_MB = 128
SCRAM = "SCRAM-SHA-512"


def server_properties(node: Node, secure: Secure | None = None) -> str:
    """Topics are made on purpose only, and with one broker everything inside is kept once.

    `log.flush.interval.messages` is left alone: Kafka's durability is replication, and a machine of one has none. The
    journal is what must survive; the relay sends again what Kafka lost.
    """
    controller = f"{node.host}:{node.inner_port}"
    listener = "PLAINTEXT" if secure is None else "SASL_SSL"
    lines = [
        "process.roles=broker,controller",
        f"node.id={node.number}",
        f"controller.quorum.voters={node.number}@{controller}",
        f"listeners={listener}://{node.address},CONTROLLER://{controller}",
        f"advertised.listeners={listener}://{node.address}",
        "controller.listener.names=CONTROLLER",
        f"inter.broker.listener.name={listener}",
        f"listener.security.protocol.map={listener}:{listener},CONTROLLER:PLAINTEXT",
        f"log.dirs={Path(node.directory) / 'data'}",
        "auto.create.topics.enable=false",
        "offsets.topic.replication.factor=1",
        "offsets.topic.num.partitions=4",
        "transaction.state.log.replication.factor=1",
        "transaction.state.log.min.isr=1",
        "transaction.state.log.num.partitions=4",
        "group.initial.rebalance.delay.ms=0",
        *(_asking_who(secure) if secure is not None else []),
        # A broker that was killed may not register again before the controller has given up the dead one: 9 s.
        "broker.session.timeout.ms=3000",
        "broker.heartbeat.interval.ms=500",
    ]
    return "\n".join(lines) + "\n"


def _asking_who(secure: Secure) -> list[str]:
    """A password by any of two mechanisms, and certificates of both sides. The broker is a client of its own too."""
    user = f'username="{USER}" password="{secure.password()}"'
    plain, scram = (f"org.apache.kafka.common.security.{name}" for name in ("plain.Plain", "scram.Scram"))
    prefix = "listener.name.sasl_ssl"
    return [
        f"sasl.enabled.mechanisms={SCRAM},PLAIN",
        f"sasl.mechanism.inter.broker.protocol={SCRAM}",
        f"{prefix}.{SCRAM.lower()}.sasl.jaas.config={scram}LoginModule required {user};",
        f'{prefix}.plain.sasl.jaas.config={plain}LoginModule required {user} user_{USER}="{secure.password()}";',
        f"{prefix}.ssl.client.auth=required",
        "ssl.keystore.type=PEM",
        f"ssl.keystore.location={secure.server}",
        "ssl.truststore.type=PEM",
        f"ssl.truststore.location={secure.authority}",
    ]


LOG4J = """status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %-5p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
"""


def write_config(node: Node, secure: Secure | None) -> None:
    directory = Path(node.directory)
    (directory / "data").mkdir(parents=True, exist_ok=True)
    (directory / "server.properties").write_text(server_properties(node, secure))
    (directory / "log4j2.properties").write_text(LOG4J)


def is_formatted(node: Node) -> bool:
    return (Path(node.directory) / "data" / "meta.properties").exists()


def format_command(node: Node, *, java: Path, jars: Path, secure: Secure | None = None) -> list[str]:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # In one argument: one id in 64 begins with "-", and would be taken for an option.
    arguments = ["format", f"--cluster-id={cluster}", "--config", f"{node.directory}/server.properties"]
    if secure is not None:
        arguments += ["--add-scram", f"{SCRAM}=[name={USER},password={secure.password()}]"]
    return [*_java(node, java, jars, FORMAT_HEAP_MB), FORMAT_MAIN, *arguments]


def command(node: Node, *, java: Path, jars: Path, heap_mb: int) -> list[str]:
    return [*_java(node, java, jars, heap_mb), MAIN, f"{node.directory}/server.properties"]


def _java(node: Node, java: Path, jars: Path, heap_mb: int) -> list[str]:
    return [
        str(java),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j2.configurationFile={(Path(node.directory) / 'log4j2.properties').as_uri()}",
        "-cp",
        f"{jars}/*",
    ]
