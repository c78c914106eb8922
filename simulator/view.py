"""What a person sees of a run: a live table on a terminal, a plain line now and then elsewhere, the end in full.

Owns layout within 80 columns. Must not know how figures come about.
"""

import functools
import sys
from collections import deque

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simulator.session import Session
from simulator.tally import Summary

WIDTH_COLUMNS = 80
REFRESH_S = 0.25
"""Often enough to look alive."""
PLAIN_EVERY_S = 2.0
REMARKS_SHOWN_MAX = 3
WRONG_PRINTED_MAX = 10

# ISO 8583:1987 table A.5 and what networks agreed on, in a word or two for the reader of a table.
MEANINGS = {
    "00": "approved",
    "05": "do not honour",
    "12": "invalid transaction",
    "13": "invalid amount or currency",
    "14": "no such card",
    "25": "no original",
    "30": "format error",
    "41": "lost card",
    "43": "stolen card",
    "46": "closed account",
    "51": "insufficient funds",
    "54": "expired card",
    "62": "restricted card",
    "68": "answered too late",
    "78": "card not active",
    "85": "verified",
    "91": "issuer unavailable",
    "94": "duplicate",
    "96": "system error",
}


def console(*, stderr: bool = False) -> Console:
    """A console of 80 columns at most; a narrower terminal keeps its own width."""
    made = Console(stderr=stderr, highlight=False)
    made.width = min(made.width, WIDTH_COLUMNS) if made.is_terminal else WIDTH_COLUMNS
    return made


class View:
    """Shows a session while it runs. `quiet` shows nothing."""

    def __init__(self, out: Console, title: str, *, quiet: bool = False) -> None:
        self._out = out
        self._title = title
        self._quiet = quiet
        self._remarks: deque[str] = deque(maxlen=REMARKS_SHOWN_MAX)

    def say(self, remark: str) -> None:
        """A sentence about the run. On standard error where nothing else is shown."""
        if self._quiet:
            sys.stderr.write(remark + "\n")
        elif self._out.is_terminal:
            self._remarks.append(remark)
        else:
            self._out.print(remark, markup=False, soft_wrap=True)

    async def show(self, session: Session) -> None:
        """Until cancelled."""
        if self._quiet:
            await trio.sleep_forever()
        elif self._out.is_terminal:
            with Live(self._screen(session), console=self._out, auto_refresh=False, transient=True) as live:
                while True:
                    await trio.sleep(REFRESH_S)
                    screen = self._screen(session)
                    # Drawing takes some 5 ms, which would be in the latency of whatever is due meanwhile.
                    await trio.to_thread.run_sync(functools.partial(live.update, screen, refresh=True))
        else:
            while True:
                await trio.sleep(PLAIN_EVERY_S)
                self._out.print(_plain(session), markup=False, soft_wrap=True)

    def _screen(self, session: Session) -> Group:
        tally = session.tally
        figures = Table(title=self._title, title_style="bold", width=self._out.width, title_justify="left")
        for name in ("time", "sent", "answered", "waiting", "p50", "p99", "max", "wrong"):
            figures.add_column(name, justify="right", no_wrap=True)
        latency = tally.latencies.summary()
        figures.add_row(
            f"{_elapsed_s(session):.0f} s",
            f"{tally.due - tally.unsent:,}",
            f"{tally.answered:,}",
            f"{session.waiting:,}",
            *([_ms(latency.p50_ms), _ms(latency.p99_ms), _ms(latency.max_ms)] if latency else ["-"] * 3),
            Text(f"{tally.wrong:,}", style="bold red" if tally.wrong else "green"),
        )
        codes = _codes(dict(sorted(tally.response_codes.items())), tally.answered, self._out.width)
        return Group(figures, codes, *(Text(remark, style="yellow") for remark in self._remarks))

    def end(self, summary: Summary) -> None:
        """The summary in full."""
        if self._quiet:
            return
        out = self._out
        out.print()
        out.print(Text(self._title, style="bold"))
        out.print(_counts(summary, out.width))
        if summary.response_codes:
            out.print(_codes(summary.response_codes, summary.answered, out.width))
        if summary.latency is not None:
            out.print(_latency(summary, out.width))
        for why in summary.connections_lost:
            out.print(Text(f"connection lost: {why}", style="yellow"))
        if summary.ended_early:
            out.print(Text(f"ended early: {summary.ended_early}", style="bold red"))
        for wrong in summary.wrong_shown[:WRONG_PRINTED_MAX]:
            out.print(Text(wrong, style="red"))
        if len(summary.wrong_shown) > WRONG_PRINTED_MAX:
            out.print(Text("more of these with --json", style="red"))
        out.print(_verdict(summary))


def _elapsed_s(session: Session) -> float:
    return trio.current_time() - session.started_s if session.started_s else 0.0


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.2f} s"


def _plain(session: Session) -> str:
    tally = session.tally
    latency = tally.latencies.summary()
    parts = [
        f"{_elapsed_s(session):5.0f} s",
        f"sent {tally.due - tally.unsent}",
        f"answered {tally.answered}",
        f"waiting {session.waiting}",
        f"wrong {tally.wrong}",
    ]
    if latency is not None:
        parts.append(f"p50 {_ms(latency.p50_ms)}, p99 {_ms(latency.p99_ms)}")
    return "  ".join(parts)


def _counts(summary: Summary, width: int) -> Table:
    table = Table(width=width)
    names = ("sent", "answered", "unanswered", "late", "unsent", "wrong")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(*(f"{getattr(summary, name):,}" for name in names))
    return table


def _codes(codes: dict[str, int], answered: int, width: int) -> Table:
    table = Table(width=width)
    table.add_column("DE39", no_wrap=True)
    table.add_column("meaning", ratio=1)
    table.add_column("answers", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    for code, count in codes.items():
        style = "green" if code in {"00", "85"} else ""
        table.add_row(code, MEANINGS.get(code, ""), f"{count:,}", f"{count / answered:.1%}", style=style)
    return table


def _latency(summary: Summary, width: int) -> Table:
    latency = summary.latency
    table = Table(width=width)
    table.add_column("latency from due", no_wrap=True)
    for name in ("p50", "p90", "p99", "p99.9", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    if latency is not None:
        figures = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
        table.add_row(f"{summary.rate_per_s:g}/s", *(_ms(each) for each in figures))
    return table


def _verdict(summary: Summary) -> Text:
    if summary.wrong:
        return Text(f"{summary.wrong:,} answers were wrong.", style="bold red")
    if not summary.answered:
        return Text("Nothing was answered.", style="bold red")
    return Text(f"All {summary.answered:,} answers were right.", style="bold green")
