"""Makes the helper modules beside this file importable as `ledger_bench`, `ledger_model` and so on.

Tests are collected with --import-mode=importlib, which puts no test directory on the import path.
"""

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest


def _load(name: str) -> None:
    if f"ledger_{name}" in sys.modules:
        return
    spec = spec_from_file_location(f"ledger_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


_load("bench")
for part in ("base", "rules", "messages", "advices", "reversals", "clearing", "operators"):
    _load(f"model_{part}")
_load("model")
_load("machine")
_load("network")

from ledger_bench import Bench  # noqa: E402 - importable from here on


@pytest.fixture
def bench() -> Bench:
    """A ledger with one account of 100.00 EUR and one active card on it."""
    return Bench().with_card()


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    """A ledger with nothing in it; keywords replace limits of the policy."""
    return Bench
