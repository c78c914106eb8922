"""The benchmark counts nothing that was not answered right, and runs end to end against the real server."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from benchmarks.load import Check, Target, Till, WrongReplyError, read_answers, run
from benchmarks.machine import Machine, look
from benchmarks.process import cpu_seconds
from simulator import messages
from simulator.cards import make_cards, write_cards
from simulator.messages import Fields
from simulator.testing import Change, ScriptedIssuer


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    file = tmp_path / "cards.csv"
    with file.open("w") as out:
        write_cards(make_cards(5), out)
    return file


def answer_to(frame: bytes, **changed: str) -> bytes:
    """The approval of a request's frame, bar what is changed: fields by their number, as in f39="51"."""
    request: Fields = messages.decode(frame[2:])
    kept = {name: value for name, value in request.items() if name not in {"14", "18", "22", "43"}}
    fields = kept | {"t": "0110", "39": "00", "38": "A1B2C3"}
    return messages.encode(fields | {name[1:]: value for name, value in changed.items()})


async def test_an_approval_of_an_open_request_counts(cards: Path) -> None:
    """Requests of a till are requests that decode; their approvals count with their latency."""
    till = Till(str(cards), seed=1)
    frames = [till.request(10.0), till.request(11.0)]
    for frame in frames:
        till.take(answer_to(frame), 12.0)
    latency = till.latencies.summary()
    assert latency is not None
    assert (till.answered, till.open, latency.max_ms, latency.p50_ms) == (2, {}, 2000.0, 1000.447)


async def test_answers_are_kept_where_they_are_asked_for(cards: Path, tmp_path: Path) -> None:
    """Reference, approval code and how long it took; times that another process can compare."""
    file = tmp_path / "answers"
    till = Till(str(cards), seed=1, answers=str(file))
    now_s = trio.current_time()
    began = time.perf_counter()
    frame = till.request(now_s)
    till.take(answer_to(frame), now_s + 2.0)
    till.write_answers()
    (kept,) = read_answers(file)
    assert (kept.reference.decode(), kept.approval_code) == (messages.decode(frame[2:])["37"], b"A1B2C3")
    assert kept.answered_s - kept.since_s == pytest.approx(2.0)
    assert kept.since_s == pytest.approx(began, abs=1.0)


@pytest.mark.parametrize(
    "changed", [{"f39": "51"}, {"f37": "000000000000"}, {"f11": "999999"}, {"ft": "0210"}]
)
async def test_anything_else_stops_the_measurement(cards: Path, changed: dict[str, str]) -> None:
    """A decline, another's reference, an unknown STAN, another MTI."""
    till = Till(str(cards), seed=1)
    frame = till.request(10.0)
    with pytest.raises(WrongReplyError):
        till.take(answer_to(frame, **changed), 12.0)
    assert till.answered == 0


async def test_the_same_answer_twice_stops_the_measurement(cards: Path) -> None:
    """A second copy answers nothing."""
    till = Till(str(cards), seed=1)
    answer = answer_to(till.request(10.0))
    till.take(answer, 12.0)
    with pytest.raises(WrongReplyError):
        till.take(answer, 12.0)


async def test_the_check_finds_a_wrong_answer(cards: Path) -> None:
    """Before anything is timed, a missing echo ends the run and is named."""
    issuer = ScriptedIssuer({100: Change("41", None)})
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, issuer.serve, [listener])
        port = listener.socket.getsockname()[1]
        found: list[str] = []
        try:
            await run(Check(Target(port, os.getpid(), str(cards)), seed=1))
        except* WrongReplyError as problems:
            found = [str(each) for each in problems.exceptions]
        nursery.cancel_scope.cancel()
    assert len(found) == 1
    assert "DE41: expected " in found[0]


def test_cpu_time_is_this_process_s() -> None:
    """What /proc says is what the process itself counts, within a few clock ticks."""
    sum(range(2_000_000))
    own = os.times()
    assert cpu_seconds(os.getpid()) == pytest.approx((own.user, own.system), abs=0.1)


def test_the_machine_is_described(tmp_path: Path) -> None:
    """Every fact is there, and the probe's file is gone."""
    machine = look(tmp_path)
    facts = [name for name in Machine.__struct_fields__ if name != "commit"]  # a source archive has none
    assert [name for name in facts if getattr(machine, name) in ("", "unknown", {})] == []
    assert machine.sync_ms > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_quick_run_of_the_whole(tmp_path: Path) -> None:
    """Real server, real sockets, every phase: all answered, the share is a share, nothing is left behind."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.server", "--quick", "--json", "--dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["checked"] == 300
    assert [(each["rate_per_s"], each["measured"]["answered"]) for each in report["open"]] == [
        (200, 200),
        (500, 500),
    ]
    assert [each["unanswered"] for each in report["closed"]] == [0]
    ours, other = (
        report["codecs"][name]["decode_us"] + report["codecs"][name]["encode_us"]
        for name in ("isowire", "pyiso8583")
    )
    cpu_us = report["server_cpu_us"]
    assert report["codec_share"] == pytest.approx(ours / cpu_us)
    assert report["pyiso8583_share"] == pytest.approx(other / (cpu_us - ours + other))
    assert 0 < report["codec_share"] < 1
    assert report["pyiso8583_ceiling_per_s"] == pytest.approx(1e6 / other)
    assert list(tmp_path.iterdir()) == []


def test_versions_measure_nothing() -> None:
    """One line, at once."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.server", "--versions"], capture_output=True, text=True, check=True
    )
    assert (done.stdout.startswith("Python 3."), len(done.stdout.splitlines())) == (True, 1)
