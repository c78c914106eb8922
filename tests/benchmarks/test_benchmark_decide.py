"""The benchmark of decisions times nothing that is wrong, and runs end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import decide as bench

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.decide", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_quick_run_of_the_whole() -> None:
    """JSON of both policies with every kind of message, all of them timed, and the answers of the rehearsal."""
    report = json.loads(run("--quick", "--json").stdout)
    assert [measured["policy"].split()[0] for measured in report["measured"]] == ["default", "strict"]
    for measured in report["measured"]:
        costs = measured["costs"]
        assert [cost["kind"] for cost in costs] == [*bench.SHARES, "all"]
        assert sum(cost["count"] for cost in costs[:-1]) == bench.QUICK.timed
        assert all(0 < cost["decide_median"] < cost["both_median"] for cost in costs)
        assert measured["answers"]["approved"] > bench.QUICK.before / 3
        assert len(measured["rounds"]) == bench.QUICK.timed // bench.ROUND
        assert min(measured["rounds"]) <= costs[-1]["decide_median"] <= max(measured["rounds"])
        assert 0 < measured["mean_us"]
        assert 0 < measured["core_share"] < 1.1
        assert len(measured["paces"]) == len(measured["rounds"]) + 1
        assert min(measured["paces"]) > 0
        assert 0 <= measured["full_speed_rounds"] <= len(measured["rounds"])
        assert (measured["full_speed_us"] > 0) == (measured["full_speed_rounds"] > 0)


def test_the_table_names_the_policy() -> None:
    """What people see says under which rules it was."""
    done = run("--quick", "--policy", str(bench.STRICT))
    assert done.returncode == 0
    assert "policy strict (" in done.stdout
    assert "policy default" not in done.stdout


def test_a_policy_that_is_none(tmp_path: Path) -> None:
    """Its line, and exit code 2; nothing is measured."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[limits]\nnonsense = 1\n", encoding="utf-8")
    done = run("--quick", "--policy", str(wrong))
    assert (done.returncode, done.stdout) == (2, "")
    assert "wrong.toml:1: limits: found a table" in done.stderr


def test_traffic_that_plays_wrong_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A programme whose cards have expired approves nothing: the benchmark stops before it."""
    monkeypatch.setattr(bench, "FAR_MS", bench.START_MS - 1)
    with pytest.raises(bench.WrongResultError, match="the answers are not such traffic's"):
        bench.rehearse(bench.QUICK, "")
