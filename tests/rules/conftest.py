"""Makes the helper modules beside this file importable as `rules_bench` and `rules_oracle`.

Tests are collected with --import-mode=importlib, which puts no test directory on the import path.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def _load(name: str) -> None:
    if f"rules_{name}" in sys.modules:
        return
    spec = spec_from_file_location(f"rules_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


_load("bench")
_load("oracle")
