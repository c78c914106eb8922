"""The push texts that customers get, as `authoriser-notifications` prints them, read while they come.

Owns the shape of its lines as far as the demo needs it, and how a text looks.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.text import Text

from demo.growing import GrowingLines

SHOWN = 3
COLUMNS = 76


class Push(Struct, frozen=True):
    """One text. `id` is its event's."""

    id: str
    time: str
    account: str
    reason: str
    text: str


class PushLog:
    """`read` takes in what was printed since the last time."""

    def __init__(self, path: Path) -> None:
        self._lines = GrowingLines(path)
        self._decoder = msgspec.json.Decoder(Push)
        self.pushes: list[Push] = []

    def read(self) -> None:
        self.pushes += map(self._decoder.decode, self._lines.new())

    def latest(self) -> Sequence[Text]:
        """For the picture of a run: reads, and gives the last ones."""
        self.read()
        return [Text(""), *map(push_line, self.pushes[-SHOWN:])]


def push_line(push: Push) -> Text:
    """To whom, and what they read; 76 columns at most."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{push.time[11:19]}  push to {push.account}: ", style="dim")
    line.append(push.text, style="magenta")
    line.truncate(COLUMNS, overflow="ellipsis")
    return line
