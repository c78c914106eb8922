"""Makes the benches importable: this folder's as `cache_bench`, the desk's, which it builds on, as `desk_bench`.

Tests are collected with --import-mode=importlib, which puts no test directory on the import path.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

HERE = Path(__file__).parent
for name, path in (("desk_bench", HERE.parent / "desk" / "bench.py"), ("cache_bench", HERE / "bench.py")):
    if name not in sys.modules:
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
