"""The benchmark of takeovers runs end to end on the real Cassandra, and reports what it saw."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stack.state import Node

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_run_of_the_whole(tmp_path: Path, cassandra_node: Node) -> None:
    """Two takeovers, each after a silence; nothing is left on the disk."""
    options = [
        "--rounds",
        "2",
        "--cards",
        "50",
        "--load-s",
        "0.5",
        "--lease-ms",
        "5000",
        "--heartbeat-ms",
        "400",
    ]
    contact = f"{cassandra_node.host}:{cassandra_node.port}"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.takeover",
            *options,
            "--contact",
            contact,
            "--json",
            "--dir",
            str(tmp_path),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    took = report["takeovers_ms"]
    assert len(took) == 2
    # The lease runs from the last batch that was seen, which is older than the kill: by how much is the machine's.
    assert min(took) > report["setting"]["lease_ms"] / 2
    assert report["longest_ms"] == max(took)
    assert list(tmp_path.iterdir()) == []
