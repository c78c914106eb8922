"""The fuzz target: what was found before stays fixed, a short run finds nothing, and a fault would be found."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import decode
from fuzz.decode import CRASHERS, SAMPLES, Finding, Targets, make_input, seeds
from isowire import Codec, DecodeError, Message

TARGETS = Targets()
CODECS = list(TARGETS.codecs.values())
SEEDS = seeds()
MESSAGES = sorted(SAMPLES.glob("*/*.hex"))


@given(data=st.binary(max_size=300), rng=st.randoms(use_true_random=False))
def test_any_bytes_have_an_outcome(data: bytes, rng: Random) -> None:
    """A message or a WireError, from every reader of a peer's bytes."""
    TARGETS.try_bytes(data, rng)


def test_mutated_messages_have_an_outcome() -> None:
    """A few hundred seeds of the kind that the long run tries by the million."""
    for seed in range(300):
        rng = Random(f"test-{seed}")
        TARGETS.try_bytes(make_input(rng, SEEDS, CODECS), rng)


def test_what_was_found_stays_fixed() -> None:
    """Every file of fuzz/crashers, and every golden message, on every target."""
    assert len(SEEDS) >= len(list(CRASHERS.glob("*.hex"))) + len(MESSAGES)
    for data in SEEDS:
        TARGETS.try_bytes(data, Random(0))


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (ValueError("no WireError"), "ValueError: no WireError"),
        (MemoryError(), "MemoryError"),
        (
            DecodeError(field="2", found="4000000000001232", expected="19 digits"),
            "an error that shows digits",
        ),
    ],
)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, fault: Exception, found: str) -> None:
    """A canary: another exception, memory running out, an account number in an error's text."""

    def fails(_self: Codec, _payload: bytes) -> Message:
        raise fault

    monkeypatch.setattr(Codec, "decode", fails)
    with pytest.raises(Finding, match=found):
        Targets().try_bytes(SEEDS[0], Random(0))


def test_a_wrong_round_trip_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary: a message that is not what its own bytes say."""
    monkeypatch.setattr(Codec, "encode", lambda self, _message: self.twin)
    monkeypatch.setattr(Codec, "twin", SEEDS[1], raising=False)
    with pytest.raises(Finding, match="decodes otherwise"):
        Targets().try_bytes(SEEDS[0], Random(0))


def test_time_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary: no time at all is too much."""
    monkeypatch.setattr(decode, "CPU_MAX_S", -1.0)
    with pytest.raises(Finding, match="time: "):
        Targets().try_bytes(SEEDS[0], Random(0))


def test_the_command_runs_for_as_long_as_it_is_told() -> None:
    """`python -m fuzz.decode --minutes 0.01`: inputs tried, nothing found, outcomes counted."""
    ran = subprocess.run(
        [sys.executable, "-m", "fuzz.decode", "--minutes", "0.01"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "inputs, seed 0: nothing found" in ran.stdout
    assert "codec iso87-ascii: refused" in ran.stdout
    assert ran.stderr == ""
