"""Compiled code, general path and pyiso8583 agree, on whatever hypothesis and a few hundred seeds come up with."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import differential, oracle
from fuzz.differential import PASSED_SHARE_MAX, Differential, Disagreement, passed_share
from isowire import Codec, DecodeError, Dialect, Message, dialect_names, load_dialect
from isowire.checks import CHECKS, STRICTER
from isowire.compiler import Decode, compile_decode

DIFFERENTIALS = {name: Differential(load_dialect(name)) for name in dialect_names()}
TIMES = 100
"""Messages of each dialect, and four mutated payloads of each. docs/wire.md says how many were run once."""


@pytest.mark.parametrize("name", dialect_names())
@given(rng=st.randoms(use_true_random=False))
@settings(max_examples=TIMES // 2)
def test_all_three_agree_on_what_hypothesis_finds(name: str, rng: Random) -> None:
    """Any message, broken messages, mutated payloads; a counterexample is shrunk."""
    DIFFERENTIALS[name].try_message(rng)


@pytest.mark.parametrize("name", dialect_names())
def test_all_three_agree_and_compiled_code_does_the_work(name: str) -> None:
    """The same from seeds, and the general path is left no more than its share of good messages."""
    tried = Differential(load_dialect(name))
    for seed in range(TIMES):
        tried.try_message(Random(f"test-{seed}"))
    counts = tried.counts
    assert counts["messages"] == TIMES
    assert counts["decode: good"] > TIMES
    assert passed_share(counts) <= PASSED_SHARE_MAX


def without_field(number: str) -> Dialect:
    whole = load_dialect("iso87-ascii")
    spec, kinds = dict(whole.spec), dict(whole.kinds)
    del spec[number], kinds[number]
    return replace(whole, spec=spec, kinds=kinds)


@pytest.mark.parametrize(
    ("check", "payload"),
    [
        ("mti", b"01x0" + b"2000000000000000" + b"000000"),
        ("bitmap", b"0100" + b"200000000000  00" + b"000000"),
        ("third bitmap", b"0800" + b"8000000000000000" * 2 + b"0" * 16),
        ("unknown field", b"0100" + b"0000000000000001" + b"0" * 16),
        ("length", b"0100" + b"4000000000000000" + b"+3123"),
        ("class", b"0100" + b"2000000000000000" + b"00000A"),
    ],
)
def test_each_stricter_check_refuses_what_pyiso8583_does_not(check: str, payload: bytes) -> None:
    """One payload for each entry of the list, refused for that and nothing else."""
    dialect = without_field("64")
    verdict = oracle.decode(payload, dialect)
    assert (verdict.message, {name for name, _ in verdict.stricter}) == (None, {check})
    with pytest.raises(DecodeError):
        Codec(dialect).decode(payload)


def test_the_list_of_stricter_checks_is_complete() -> None:
    """The six of the test above."""
    assert list(STRICTER) == ["mti", "bitmap", "third bitmap", "unknown field", "length", "class"]


def try_many(tried: Differential) -> None:
    for seed in range(TIMES):
        tried.try_message(Random(seed))


@pytest.mark.parametrize(
    ("sabotage", "found"),
    [
        (lambda message: Message(message.mti, {**message.fields, "3": "000001"}), "decode: compiled"),
        (lambda message: Message("0101", message.fields), "decode: compiled"),
        (lambda message: Message(message.mti, dict(reversed(message.fields.items()))), "decode: compiled"),
    ],
)
def test_a_fault_of_compiled_code_is_found(
    monkeypatch: pytest.MonkeyPatch, sabotage: Callable[[Message], Message], found: str
) -> None:
    """A canary: a wrong value, another MTI, fields in another order. None gets past the first messages."""

    def spoilt(*given: object) -> Decode:
        good = compile_decode(*given)  # type: ignore[arg-type]
        return lambda payload: (message := good(payload)) and sabotage(message)

    monkeypatch.setattr(differential, "compile_decode", spoilt)
    tried = Differential(load_dialect("iso87-ascii"))
    with pytest.raises(Disagreement, match=found):
        try_many(tried)


def test_a_check_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary for the general path: digits that let letters through."""
    tried = Differential(load_dialect("iso87-ascii"))
    written = tried._general._written
    monkeypatch.setattr(written, "checks", {**written.checks, **dict.fromkeys(written.checks, CHECKS["ans"])})
    with pytest.raises(Disagreement, match="general path"):
        try_many(tried)


def test_the_command_says_what_it_tried() -> None:
    """`python -m fuzz.differential`: a count for each dialect, and success."""
    ran = subprocess.run(
        [sys.executable, "-m", "fuzz.differential", "--examples", "25", "--seed", "7"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("25 messages, seed 7, ")
    assert lines[0].endswith(": no disagreement")
    assert [line for line in lines if line in dialect_names()] == dialect_names()
    assert ran.stderr == ""
