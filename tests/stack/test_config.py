"""What is written for the servers, and how they are started."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from stack import artifacts, cassandra, kafka
from stack.__main__ import UP
from stack.artifacts import JAVA_MAJOR, find_java, jars, java_major
from stack.errors import MissingError
from stack.state import Node

ROOT = Path(__file__).parents[2]
KAFKA = Node("kafka", 1, "127.0.0.1", 9092, 9093, "/stack/kafka-1")


def node(number: int) -> Node:
    return Node("cassandra", number, f"127.0.0.{number}", 9042, 7000, f"/stack/it's {number}")


@pytest.mark.parametrize("mode", cassandra.COMMITLOG_SYNC)
def test_cassandra_syncs_before_it_acknowledges(mode: str) -> None:
    """The commit log is in the mode that was asked for, and in `group` it waits a millisecond, not fifteen."""
    lines = cassandra.cassandra_yaml(node(1), commitlog_sync=mode).splitlines()
    assert f"commitlog_sync: {mode}" in lines
    assert ("commitlog_sync_group_window: 1ms" in lines) == (mode == "group")


def test_the_commit_log_is_written_directly_where_the_disk_allows_it(tmp_path: Path) -> None:
    """On a folder that takes no such files, or is not there, it is mapped: that works everywhere."""
    here = msgspec.structs.replace(node(1), directory=str(tmp_path))
    allowed = cassandra.takes_direct_io(tmp_path)
    expected = "direct" if allowed else "legacy"
    modes = [cassandra.cassandra_yaml(each, commitlog_sync="batch").splitlines() for each in (here, node(1))]
    assert f"commitlog_disk_access_mode: {expected}" in modes[0]
    assert "commitlog_disk_access_mode: legacy" in modes[1]
    assert list(tmp_path.iterdir()) == []


def test_nodes_differ_in_address_and_share_the_seed() -> None:
    """Each node listens on its own loopback address with the ports of all; the first is everybody's seed."""
    lines = cassandra.cassandra_yaml(node(2), commitlog_sync="batch").splitlines()
    assert [line for line in lines if "127.0.0." in line] == [
        "listen_address: 127.0.0.2",
        "rpc_address: 127.0.0.2",
        '    parameters: [{seeds: "127.0.0.1:7000"}]',
    ]


def test_a_node_with_data_has_joined(tmp_path: Path) -> None:
    """It needs no other node to start, so that two that were killed can be started in any order."""
    fresh = Node("cassandra", 2, "127.0.0.2", 9042, 7000, str(tmp_path))
    cassandra.write_config(fresh, commitlog_sync="batch", secure=None)
    assert not cassandra.has_joined(fresh)
    (tmp_path / "data" / "data" / "system").mkdir(parents=True)
    assert cassandra.has_joined(fresh)


def test_a_quote_in_a_path_is_doubled() -> None:
    """A folder's name can't end its place in cassandra.yaml."""
    text = cassandra.cassandra_yaml(node(1), commitlog_sync="batch")
    assert "commitlog_directory: '/stack/it''s 1/data/commitlog'" in text.splitlines()


def test_the_heap_of_cassandra_is_bounded_and_jamm_its_agent(tmp_path: Path) -> None:
    """The command has the heap, the agent, and waits for tokens only where a node joins others."""
    (tmp_path / "jamm-0.4.0.jar").touch()
    first = cassandra.command(node(1), java=Path("/java"), jars=tmp_path, heap_mb=300)
    second = cassandra.command(node(2), java=Path("/java"), jars=tmp_path, heap_mb=300)
    assert first[:2] == ["/java", f"-javaagent:{tmp_path}/jamm-0.4.0.jar"]
    assert {"-Xms300m", "-Xmx300m", "-Dcassandra.ring_delay_ms=0"} <= set(first)
    assert "-Dcassandra.ring_delay_ms=3000" in second
    assert first[-3:] == ["-cp", f"{tmp_path}/*", cassandra.MAIN]


def test_kafka_listens_on_loopback_alone() -> None:
    """Every listener of the broker and of its controller names its loopback address."""
    lines = kafka.server_properties(KAFKA).splitlines()
    assert [line for line in lines if "listeners=" in line] == [
        "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        "advertised.listeners=PLAINTEXT://127.0.0.1:9092",
    ]
    assert "controller.quorum.voters=1@127.0.0.1:9093" in lines


def test_a_folder_is_formatted_under_a_name_of_its_own() -> None:
    """Two stacks never take each other's broker for their own; and a name that begins with "-" is no option."""
    first, second = (
        kafka.format_command(KAFKA, java=Path("/java"), jars=Path("/jars"))[-3] for _ in range(2)
    )
    for argument in (first, second):
        option, _, name = argument.partition("=")
        assert (option, len(name)) == ("--cluster-id", 22)
    assert first != second


@pytest.mark.parametrize(
    ("said", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_401"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("command not found", None),
    ],
)
def test_the_version_of_java_is_read(said: str, major: int | None) -> None:
    """Old and new ways to say it."""
    assert java_major(said) == major


def test_missing_java_is_said_with_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a PATH without Java nor a wrong JAVA_HOME ends in a traceback."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match=r"no `java` on the PATH\. Install Java 17"):
        find_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingError, match="has no bin/java"):
        find_java()


def test_another_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cassandra 5.0 does not start on Java 21: better said here than by it."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\" 2024-01-16' >&2\n")
    java.chmod(0o700)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingError, match=rf"is Java 21. Install Java {JAVA_MAJOR} "):
        find_java()


def test_missing_maven_is_said_with_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jars that are not there yet need Maven, and nothing half fetched is left."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match=r"no `mvn` on the PATH to fetch kafka with. Install Apache Maven"):
        jars("kafka", tmp_path / "jars")
    assert [path.name for path in (tmp_path / "jars").iterdir()] == ["lock"]


def test_a_failed_fetch_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Maven says went wrong is passed on, and the next try begins anew."""
    from stack.errors import StackError

    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] could not resolve'\nexit 1\n")
    maven.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"could not fetch kafka. It said: \[ERROR\] could not resolve"):
        jars("kafka", tmp_path / "jars")
    assert [path.name for path in (tmp_path / "jars").iterdir()] == ["lock"]


def test_a_fetch_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and megabytes that have come, and no address of where from."""
    maven = tmp_path / "mvn"
    maven.write_text(
        "#!/bin/sh\n"
        "echo '[INFO] Downloaded from central: https://example/a.pom (900 B at 3.1 kB/s)'\n"
        "echo '[INFO] Downloaded from central: https://example/a.jar (5.6 MB at 3.1 MB/s)'\n"
        'for word; do case $word in -DoutputDirectory=*) mkdir "${word#*=}"; : > "${word#*=}/a.jar";; esac; done\n'
    )
    maven.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path) + ":/usr/bin:/bin")
    monkeypatch.setattr(artifacts, "SAY_EVERY_S", 0.0)
    said: list[str] = []
    folder = jars("kafka", tmp_path / "jars", said.append)
    assert said == [
        "fetching kafka by Maven, once",
        "fetching kafka: 1 files, 0 MB so far",
        "fetching kafka: 2 files, 6 MB so far",
    ]
    assert [path.name for path in folder.iterdir()] == ["a.jar"]


def test_run_stays_until_it_is_told_to_end(tmp_path: Path) -> None:
    """Then it ends well; it would stop its servers first, if it had any."""
    command = [sys.executable, "-m", "stack", "--directory", str(tmp_path), "run"]
    with subprocess.Popen(
        [*command, "--cassandra", "0", "--kafka", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as run:
        assert run.stdout is not None
        said = run.stdout.readline()
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0
    assert said == f"{UP}; Ctrl-C stops it\n"
