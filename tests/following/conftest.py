"""Makes the module beside this file importable as `following_bench` (no test directory is on the import path)."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

if "following_bench" not in sys.modules:
    spec = spec_from_file_location("following_bench", Path(__file__).with_name("bench.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["following_bench"] = module_from_spec(spec)
    spec.loader.exec_module(module)
