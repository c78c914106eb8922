"""What figures depend on: the machine, the versions, the commit. Must not know what is measured."""

import os
import platform
import sqlite3
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

LIBRARIES = ("authoriser", "trio", "pyiso8583", "msgspec", "hdrhistogram")
SYNCS = 100
SYNC_BYTES = 4096


class Machine(Struct, frozen=True):
    """One machine on one day."""

    cpu: str
    cores: int
    """That this process may use."""
    kernel: str
    filesystem: str
    """Type of what the data directory is on."""
    sync_ms: float
    """Median of appending 4 KiB and fdatasync there, of 100."""
    load_average: float
    """Of the minute before the start: what else ran."""
    python: str
    sqlite: str
    libraries: dict[str, str]
    commit: str
    """With a + where the checkout has changes."""


def look(data_dir: Path) -> Machine:
    """Everything about here and now. Writes, syncs and removes a small file in `data_dir`."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        filesystem=_filesystem(data_dir),
        sync_ms=_sync_ms(data_dir),
        load_average=os.getloadavg()[0],
        python=f"{platform.python_implementation()} {platform.python_version()}",
        sqlite=sqlite3.sqlite_version,
        libraries=libraries(),
        commit=commit(),
    )


def libraries() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def commit() -> str:
    """The commit of the checkout this file is in; "unknown" outside one."""
    here = Path(__file__).parent
    try:
        found = _git(here, "rev-parse", "--short=12", "HEAD")
        return found + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(here: Path, *arguments: str) -> str:
    asked = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _filesystem(path: Path) -> str:
    """Of the mount with the longest path that holds it."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    holding = [(mount[1], mount[2]) for mount in mounts if path.resolve().is_relative_to(mount[1])]
    return max(holding, key=lambda each: len(each[0]))[1] if holding else "unknown"


def _sync_ms(directory: Path) -> float:
    file = directory / "sync-probe"
    took = []
    with file.open("wb", buffering=0) as out:
        for _ in range(SYNCS):
            out.write(bytes(SYNC_BYTES))
            started = time.perf_counter()
            os.fdatasync(out.fileno())
            took.append(time.perf_counter() - started)
    file.unlink()
    return round(sorted(took)[SYNCS // 2] * 1000, 3)


def platform_line() -> str:
    """For `--versions`."""
    names = " ".join(f"{name} {number}" for name, number in libraries().items())
    return f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {names}, commit {commit()}"
