"""Java, Maven and the jars: what has to be on this machine before a server can start.

Owns the folder of jars, one a server, fetched once for each content of its pinned pom.xml. Starts no server.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.errors import MissingError, StackError

POMS = Path(__file__).parent / "poms"
JAVA_MAJOR = 17
"""Cassandra 5.0 runs on 11 and 17, and Kafka 4 on 17 and later: this is the one version for both."""
JAVA_HELP = (
    f"Install Java {JAVA_MAJOR} (Debian: openjdk-{JAVA_MAJOR}-jre-headless) or point JAVA_HOME at one."
)
MAVEN_HELP = "Install Apache Maven (Debian: maven); it is asked once for each version and not again."
FETCH_MAX_S = 900.0
"""66 MB and 43 MB of jars; a slow line takes its time once."""
SAY_EVERY_S = 2.0
"""While Maven downloads."""

Say = Callable[[str], None]
_DOWNLOADED = re.compile(r"Downloaded from .* \((?P<size>[0-9.]+) (?P<unit>B|kB|MB) at ")
_UNIT_BYTES = {"B": 1, "kB": 1_000, "MB": 1_000_000}


def find_java() -> Path:
    """The `java` to run. Raises MissingError where there is none, or one of another version."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if found is None:
        where = f"JAVA_HOME is {home} and has no bin/java." if home else "There is no `java` on the PATH."
        raise MissingError(f"{where} {JAVA_HELP}")
    try:
        asked = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"{found} does not run: {error}. {JAVA_HELP}") from None
    major = java_major(asked.stderr + asked.stdout)
    if major != JAVA_MAJOR:
        raise MissingError(f"{found} is Java {major or 'of an unknown version'}. {JAVA_HELP}")
    return Path(found)


def java_major(said: str) -> int | None:
    """The major version in what `java -version` says; None where it says none."""
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else None


def _nobody(_text: str) -> None:
    pass


def jars(server: str, library: Path, say: Say = _nobody) -> Path:
    """The folder with every jar of `server` ("cassandra" or "kafka"), fetched by Maven where it is not there yet.

    `say` is told how far that is. Raises MissingError without Maven, StackError where Maven fails.
    """
    pom = POMS / server / "pom.xml"
    folder = library / f"{server}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        library.mkdir(parents=True, exist_ok=True)
        with _alone(library / "lock"):
            if not folder.is_dir():
                _fetch(server, pom, folder, say)
    return folder


def _fetch(server: str, pom: Path, folder: Path, say: Say) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingError(f"There is no `mvn` on the PATH to fetch {server} with. {MAVEN_HELP}")
    # Into a folder beside it, renamed when whole: an interrupted fetch must not pass for a finished one.
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        target = Path(made) / "jars"
        command = [maven, "--batch-mode", "--file", str(pom), "dependency:copy-dependencies"]
        options = [f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
        say(f"fetching {server} by Maven, once")
        code, said = _run_maven([*command, *options], server, say)
        if code or not any(target.glob("*.jar")):
            wrong = [line for line in said if "ERROR" in line]
            words = wrong[0] if wrong else f"exit code {code}"
            raise StackError(f"Maven could not fetch {server}. It said: {words}")
        target.rename(folder)


def _run_maven(command: list[str], server: str, say: Say) -> tuple[int, list[str]]:
    """Its exit code and what it said; `say` hears what has come. Raises StackError where it takes too long."""
    began = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as maven:
        watchdog = threading.Timer(FETCH_MAX_S, maven.kill)
        watchdog.start()
        try:
            assert maven.stdout is not None
            said = list(_telling(maven.stdout, server, say))
            code = maven.wait()
        except BaseException:
            maven.kill()
            raise
        finally:
            watchdog.cancel()
    if time.monotonic() - began >= FETCH_MAX_S:
        raise StackError(f"Maven did not fetch {server} within {FETCH_MAX_S:g} s.")
    return code, said


def _telling(lines: Iterable[str], server: str, say: Say) -> Iterator[str]:
    files, size_bytes, told_s = 0, 0.0, time.monotonic()
    for line in lines:
        found = _DOWNLOADED.search(line)
        if found is not None:
            files += 1
            size_bytes += float(found["size"]) * _UNIT_BYTES[found["unit"]]
            if time.monotonic() - told_s >= SAY_EVERY_S:
                told_s = time.monotonic()
                say(f"fetching {server}: {files} files, {size_bytes / 1e6:.0f} MB so far")
        yield line


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
