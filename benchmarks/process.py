"""The real server as a process of its own: made ready, looked at from outside, stopped.

Must not know what is measured. Everything it writes is in one directory, which its owner removes.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 60.0


class ServerProcessError(Exception):
    """The server did not do what it had to before anything could be measured."""


class ServerProcess:
    """`authoriser serve` on a loopback port of its own, with its data and its key under `home`.

    `tables` is TOML for its configuration, as `[kafka]` is.
    """

    def __init__(self, home: Path, tables: str = "") -> None:
        self._config = home / "authoriser.toml"
        self._config.write_text(tables, encoding="utf-8")
        self.data_dir = home / "data"
        self.port = _free_port()
        self._log = home / "server.log"
        # The key of the card index is made on first use: not in the home of whoever measures.
        self._environment = {**os.environ, "XDG_CONFIG_HOME": str(home / "config")}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerProcessError("the server was not started")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Until its ready line. Raises ServerProcessError with what it logged."""
        options = ["--config", str(self._config), "--data", str(self.data_dir)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                _authoriser("serve", *options, "--listen", f"127.0.0.1:{self.port}"),
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                bufsize=0,
            )
        out = self._process.stdout
        if out is None:
            raise ServerProcessError("the server has no standard output")
        line = b"\n"
        # On a shared journal it says first that it follows. Unbuffered: what select sees is what readline gets.
        while line and b" is ready: " not in line:
            readable, _, _ = select.select([out], [], [], READY_TIMEOUT_S)
            line = out.readline() if readable else b""
        if not line:
            self.stop()
            raise ServerProcessError(
                f"the server did not become ready:\n{self._log.read_text('utf-8')[-2000:]}"
            )

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if it does not go."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def command(self, *arguments: str) -> str:
        """What `authoriser ARGUMENTS --data ...` prints. Raises ServerProcessError where it fails."""
        done = subprocess.run(
            _authoriser(*arguments, "--data", str(self.data_dir)),
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
        )
        if done.returncode:
            raise ServerProcessError(
                f"authoriser {arguments[0]} failed: {done.stderr.strip() or done.stdout}"
            )
        return done.stdout


def cpu_seconds(pid: int) -> tuple[float, float]:
    """User and system time of a process and its threads so far; steps of a clock tick, 10 ms on Linux."""
    # After the name, which may hold spaces and brackets: state is field 3, utime 14, stime 15 (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return int(fields[11]) * tick_s, int(fields[12]) * tick_s


def machine_seconds() -> tuple[float, float]:
    """Of all cores since boot: busy, and taken by the host for others (steal). The first has the second in it."""
    fields = Path("/proc/stat").read_text("utf-8").split("\n", 1)[0].split()[1:]
    # proc_stat(5): user nice system idle iowait irq softirq steal; guests are in user and nice already.
    user, nice, system, _idle, _waiting, irq, softirq, steal = (int(field) for field in fields[:8])
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq + steal) * tick_s, steal * tick_s


def wait_until_idle(pid: int, *, still_s: float = 0.3, timeout_s: float = 20.0) -> None:
    """Until the process uses next to no CPU: snapshots of the last load are out of the way. Or until the timeout."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        before = sum(cpu_seconds(pid))
        time.sleep(still_s)
        if sum(cpu_seconds(pid)) - before < 0.1 * still_s:
            return


def _authoriser(*arguments: str) -> list[str]:
    """The command beside this interpreter, as `make setup` installs it."""
    return [str(Path(sys.executable).with_name("authoriser")), *arguments]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
