"""The demo's folder: what lies where, made afresh at each run.

Owns names of files and the configuration of the demo's server. Must not know what runs on it. A folder that the demo
did not make is never removed.
"""

import csv
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

MARKER = "made-by-the-demo"
"""A file of this name says that the folder may be removed."""

PORTS = (8583, *range(18583, 18683))
"""The authoriser's own port, then some below the range that the kernel gives to outgoing connections: a network that
dials a dead server's port from that range can meet itself."""

_CARD_NUMBER = re.compile(rb"(?=(400000\d{10}))")
"""The test range that the simulator draws from."""

_CONFIG = """\
# The demo's server. Paths start at the directory that the server is started in.
data_dir = "{data}"

[keys]
# The key under which card numbers are looked up. Outside the data directory, so that no backup holds both.
pan_key_file = "{key}"

[[links]]
name = "demo"
network = "testnet"
listen = "127.0.0.1:{port}"
# A network waits some two seconds. A laptop that does all of this at once may stand still for longer.
reply_deadline_ms = 10000

[telemetry]
log_format = "json"
"""


class WorkspaceError(Exception):
    """The folder cannot be used; the text says why and what to do."""


class Workspace:
    """Paths are relative to the directory that the demo was started in, as its commands show them."""

    def __init__(self, directory: Path, *, cards: int) -> None:
        self.directory = directory
        self.card_count = cards
        self.config = directory / "authoriser.toml"
        self.data = directory / "data"
        self.key = directory / "keys" / "pan.key"
        self.cards = directory / "cards.csv"
        self.guest_cards = directory / "guest.csv"
        self.clearing = directory / "clearing.csv"
        self.shop_log = directory / "shop.jsonl"
        self.repeat_log = directory / "repeat.jsonl"
        self.events = directory / "events.jsonl"
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def make(self) -> None:
        """An empty folder with a configuration in it. Raises WorkspaceError."""
        directory = self.directory
        for data in self._data_directories():
            if _listens(data / "admin.sock"):
                raise WorkspaceError(
                    f"A server still runs on {data}: stop it (Ctrl-C where it runs), then try again."
                )
        try:
            if directory.exists():
                if any(directory.iterdir()) and not (directory / MARKER).exists():
                    raise WorkspaceError(
                        f"{directory} is not empty and not the demo's: name another with --directory."
                    )
                shutil.rmtree(directory)
            directory.mkdir(parents=True)
            (directory / MARKER).write_text("`make demo` removes this folder and makes it again.\n")
            self.key.parent.mkdir(mode=0o700)
            self.port = _free_port()
            self._write_config()
        except OSError as problem:
            raise WorkspaceError(f"{problem.filename or directory}: {problem.strerror}") from None

    def _data_directories(self) -> tuple[Path, ...]:
        """Whose servers must not run when the folder is made."""
        return (self.data,)

    def _write_config(self) -> None:
        self.config.write_text(_CONFIG.format(data=self.data, key=self.key, port=self.port))

    def card(self, line: int) -> tuple[str, str]:
        """Number and account of a line of the import file; its header is line 1."""
        row = self._rows()[line - 2]
        return row["pan"], row["account"]

    def pans(self) -> list[str]:
        """Of the import file, line by line; its first card stands in line 2."""
        return [row["pan"] for row in self._rows()]

    def write_guest(self, account: str, pan: str, expiry: str, credit_minor: int) -> None:
        """An import file of one card."""
        with self.guest_cards.open("w", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(("pan", "expiry", "account", "currency", "credit_minor"))
            lines.writerow((pan, expiry, account, "EUR", credit_minor))

    def files_with_card_numbers(self, *others: str) -> tuple[int, list[Path]]:
        """How many files were searched, and those where an imported number or one of `others` stands.

        What was handed in with numbers in it is left out: import files and the clearing file.
        """
        numbers = {pan.encode() for pan in (*self.pans(), *others)}
        searched = list(self._files())
        return len(searched), [
            file for file in searched if numbers & set(_CARD_NUMBER.findall(file.read_bytes()))
        ]

    def _rows(self) -> list[dict[str, str]]:
        with self.cards.open(newline="") as rows:
            return list(csv.DictReader(rows))

    def _files(self) -> Iterator[Path]:
        handed_in = {self.cards, self.guest_cards, self.clearing}
        for file in sorted(self.directory.rglob("*")):
            if file.is_file() and file not in handed_in:
                yield file


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def _free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe:
            # As the server will: a port whose last connections still linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(port)
    raise WorkspaceError(f"No port is free: neither {PORTS[0]} nor any from {PORTS[1]} to {PORTS[-1]}.")
