"""How the demo looks: numbered steps, commands that can be copied, ticks for what held.

Owns layout within 80 columns, and what a pipe gets instead of a moving picture. Must not know what the figures mean.
"""

import shlex
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from demo.heard import NetworkLog
from demo.picture import Picture, bars, outcome_style
from demo.timeline import CRASHES, Row

WIDTH_COLUMNS = 80
INDENT = "  "
DRAW_EVERY_S = 0.2
"""Often enough to look alive."""
PLAIN_EVERY_S = 2.0
"""In a pipe each drawing is a line."""
_ASCII_MARKS = {"✓": "+", "·": "-", "✗": "!"}


class Screen:
    """Everything the demo prints goes through here."""

    def __init__(self) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            # A pipe in an ASCII locale gets question marks for the bars, not an exception.
            sys.stdout.reconfigure(errors="replace")
        self._unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        self._out = Console(highlight=False, emoji=False)
        self._out.width = min(self._out.width, WIDTH_COLUMNS) if self._out.is_terminal else WIDTH_COLUMNS
        self._step = self._steps = 0
        self._lively = self._out.is_terminal and not self._out.is_dumb_terminal
        self.below: Callable[[], Sequence[Text]] = tuple
        """What a live picture shows under the payments."""

    def title(self, name: str, text: str, *, steps: int) -> None:
        """`steps` is how many will follow."""
        self._steps = steps
        self._out.print()
        self._wrapped(name, style="bold", indent="")
        self._wrapped(text, indent="")

    def step(self, name: str, why: str) -> None:
        self._step += 1
        self._out.print()
        self._out.rule(
            Text.assemble((f"{self._step}/{self._steps} ", "cyan"), (name, "bold")),
            align="left",
            style="cyan",
        )
        self._wrapped(why)

    def gap(self) -> None:
        self._out.print()

    def say(self, text: str, style: str = "") -> None:
        self._wrapped(text, style=style)

    def command(self, command: Sequence[str]) -> None:
        """As it can be copied, broken between options where it is long."""
        for line in command_lines(command, self._out.width - len(INDENT)):
            self._out.print(
                Text(INDENT + line, style="cyan", no_wrap=True, overflow="ignore"), soft_wrap=True
            )

    def good(self, text: str) -> None:
        """A check that held, or a thing done."""
        self._marked("✓", text, "green")

    def note(self, text: str) -> None:
        self._marked("·", text, "dim")

    def happened(self, text: str) -> None:
        """Something drastic that was meant."""
        self._marked("✗", text, "bold red")

    def failed(self, *lines: str) -> None:
        self._out.print()
        for line in lines:
            self._marked("✗", line, "bold red")

    def end(self, text: str) -> None:
        self._out.print()
        self._out.rule(style="green")
        self._wrapped(text, style="bold green", indent="")

    @property
    def output_columns(self) -> int:
        """How wide a command may print what is shown by `output`."""
        return self._out.width - len(INDENT)

    def output(self, text: str) -> None:
        """What a command printed, as it printed it; blank lines at its ends are left out."""
        lines = [line.rstrip() for line in text.splitlines()]
        while lines and not lines[0]:
            lines.pop(0)
        while lines and not lines[-1]:
            lines.pop()
        for line in lines:
            self._out.print(Text(INDENT + line, style="dim"), no_wrap=True, overflow="crop")

    def exchange(self, line: Text) -> None:
        """One line of the network's log."""
        self._out.print(Text(INDENT * 2).append_text(line), no_wrap=True, overflow="ellipsis")

    def bars(self, counts: Sequence[int], caption: str) -> None:
        self._out.print(Text(INDENT + bars(counts), style="green"), no_wrap=True, overflow="crop")
        self._wrapped(caption, style="dim")

    @contextmanager
    def busy(self, text: str) -> Iterator[Callable[[str], None]]:
        """A turning sign while something takes a while; nothing in a pipe. What is yielded says how far it is."""
        if not self._lively:
            yield lambda text: self._wrapped(text, style="dim")
            return
        with self._out.status(Text(text, style="dim"), spinner="dots", spinner_style="cyan") as status:
            yield lambda text: status.update(Text(text, style="dim"))

    @contextmanager
    def live(self, log: NetworkLog, *, only_card: int | None = None, remark: str = "") -> Iterator[Picture]:
        """A picture of the load while the block runs; the block calls its `tick` often."""
        if not self._lively:
            yield Picture(log, self._draw_line, every_s=PLAIN_EVERY_S, now_s=time.monotonic, remark=remark)
            return
        with Live(console=self._out, auto_refresh=False, transient=True) as live:

            def draw(picture: Picture) -> None:
                live.update(Padding(picture.screen(), (0, 0, 0, len(INDENT))), refresh=True)

            yield Picture(
                log,
                draw,
                every_s=DRAW_EVERY_S,
                now_s=time.monotonic,
                remark=remark,
                only_card=only_card,
                below=self.below,
            )

    def statement(self, rows: Iterable[Row]) -> None:
        """A customer's timeline; amounts in cents, as the demo's cards are all in euros."""
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, width=self._out.width)
        for head in ("UTC", "what", "where", "amount", "held", "available"):
            table.add_column(
                head,
                no_wrap=True,
                overflow="ellipsis",
                ratio=1 if head == "where" else None,
                justify="right" if head in {"amount", "held", "available"} else "left",
            )
        for row in rows:
            if row.more:
                table.add_row("", row.what, f"... {row.more} more", style="dim")
                continue
            amount = "" if row.amount_minor is None else _money(row.amount_minor)
            figures = (amount, _money(row.held_minor), _money(row.available_minor))
            style = "magenta" if row.what in CRASHES else ""
            table.add_row(
                row.time, Text(row.what, style=outcome_style(row.what)), row.where, *figures, style=style
            )
        self._out.print(table)

    def latencies(self, rows: Sequence[tuple[str, Sequence[float]]]) -> None:
        """Milliseconds at p50, p90, p99, p99.9 and the longest."""
        table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        table.add_column("milliseconds", no_wrap=True)
        for head in ("p50", "p90", "p99", "p99.9", "max"):
            table.add_column(head, justify="right", no_wrap=True)
        for name, figures in rows:
            table.add_row(name, *(f"{figure:,.1f}" for figure in figures))
        self._out.print(table)

    def _draw_line(self, picture: Picture) -> None:
        self._wrapped(picture.line())

    def _marked(self, mark: str, text: str, style: str) -> None:
        """The lines below the first stand under the text, not under the mark."""
        mark = mark if self._unicode else _ASCII_MARKS[mark]
        lines = textwrap.wrap(text, self._out.width - len(INDENT) - 2, break_on_hyphens=False) or [""]
        self._out.print(Text.assemble(INDENT, (mark, style), " ", lines[0]))
        for line in lines[1:]:
            self._out.print(Text(f"{INDENT}  {line}"))

    def _wrapped(self, text: str, *, style: str = "", indent: str = INDENT) -> None:
        for line in textwrap.wrap(text, self._out.width - len(indent), break_on_hyphens=False):
            self._out.print(Text(indent + line, style=style))


def command_lines(command: Sequence[str], width: int) -> list[str]:
    """`$ command ...` in lines that a shell takes as one when they are copied. An option keeps its value beside it."""
    lines = ["$"]
    for part in _options_with_values(command):
        # Two columns stay free for the backslash.
        if len(lines[-1]) + 1 + len(part) > width - 2 and lines[-1] != "$":
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {part}"
    return lines


def _options_with_values(command: Sequence[str]) -> Iterator[str]:
    words = list(map(shlex.quote, command))
    while words:
        part = words.pop(0)
        if part.startswith("--") and words and not words[0].startswith("-"):
            part += f" {words.pop(0)}"
        yield part


def _money(minor: int) -> str:
    return f"{minor / 100:,.2f}"
