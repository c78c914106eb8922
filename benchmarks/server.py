"""Throughput and latency of the real server: `python -m benchmarks.server [--quick] [--rate N] [--json]`.

What the figures do not show:
- A network. Everything is on loopback, on one machine; a real line adds its own round trip to each latency.
- A server with a machine to itself. The load generator takes a core beside it: with two cores the server has one, with
  one core both share it and the figures are too low.
- The last millisecond. The generator sleeps in steps of one, and what it sends late is in the latency; it is printed.
- A long run. A few seconds fill no disk and wear out no cache; accounts here have few holds.
- A mixed load. All timed requests are purchases that are approved, the dearest ordinary case: each places a hold and
  is made durable. Declines and repeats cost less.
- Your disk. Every approval waits for a sync, so latency starts at what a sync costs; it is printed. On tmpfs a sync is
  nothing, and the latencies mean nothing either.

What is done: the real server is started as a process and cards are imported through its command. A small mix is checked
answer by answer before anything is timed, and each timed reply must be the approval that is due. Throughput is a closed
loop (connections that keep a window of requests open). Latency is an open loop at fixed rates, counted from when a
request was due. The codec's share is isowire's decode of a 0100 and encode of the 0110 that answered it, timed between
the throughput rounds, against the server's CPU time per message (user and system, /proc/PID/stat) in those rounds.
pyiso8583 is timed on the same pair in turns with it; its share is what it would have if it did that work instead.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import iso8583
import msgspec
from iso8583.specs import default_ascii
from msgspec import Struct
from rich.console import Console
from rich.table import Table

import isowire
from authoriser.config import REPLY_DEADLINE_DEFAULT_MS
from benchmarks.load import Check, Checked, Closed, Measured, Open, Target, in_process
from benchmarks.machine import Machine, look, platform_line
from benchmarks.process import ServerProcess, ServerProcessError, wait_until_idle
from simulator.cards import make_cards, write_cards

CREDIT_MINOR = 1_000_000_000
"""Every timed request is approved."""
CODEC_ROUND = 300
"""Messages decoded, then encoded, before the next turn: some 7 ms each."""
CODEC_ROUNDS = 40


class Setting(Struct, frozen=True):
    """How much is measured."""

    cards: int = 5_000
    rounds: int = 3
    """Of the closed loop."""
    closed_s: float = 5.0
    warm_up_s: float = 1.0
    connections: int = 8
    window: int = 32
    open_s: float = 10.0
    rates_per_s: tuple[float, ...] = (500, 2_000, 5_000)
    reply_deadline_ms: int = REPLY_DEADLINE_DEFAULT_MS


QUICK = Setting(
    cards=1_000,
    rounds=1,
    closed_s=3.0,
    warm_up_s=0.3,
    open_s=1.0,
    rates_per_s=(200, 500),
    reply_deadline_ms=20_000,
)
"""To see that all of it works, on a machine that may stand still for a second or two."""


class Codec(Struct, frozen=True):
    """One codec on one pair of messages, microseconds, median of its rounds."""

    decode_us: float
    encode_us: float

    @property
    def pair_us(self) -> float:
        return self.decode_us + self.encode_us


class Codecs(Struct, frozen=True):
    """Both on the same pair, timed in turns."""

    isowire: Codec
    pyiso8583: Codec


class AtRate(Struct, frozen=True):
    rate_per_s: float
    measured: Measured


class Report(Struct, frozen=True):
    """Everything, as `--json` prints it."""

    machine: Machine
    setting: Setting
    checked: int
    closed: list[Measured]
    per_s: float
    """Closed loop, median of the rounds."""
    server_cpu_us: float
    """Per message, closed loop, median of the rounds; user and system."""
    server_system_us: float
    """Of it in the kernel."""
    codecs: Codecs
    codec_share: float
    """isowire's, of the server's CPU time per message, 0 to 1."""
    pyiso8583_share: float
    """What pyiso8583's would be if it did the work, 0 to 1."""
    pyiso8583_ceiling_per_s: float
    """What one core would do if a message cost its decode and encode and nothing else."""
    open: list[AtRate]


def measure(setting: Setting, parent: Path, say: Console | None) -> Report:
    """The whole run, in a directory of its own under `parent`, removed at the end. Raises ServerProcessError."""
    home = Path(tempfile.mkdtemp(prefix=".benchmark-", dir=parent))
    try:
        machine = look(home)
        cards = home / "cards.csv"
        with cards.open("w", encoding="utf-8", newline="") as out:
            write_cards(make_cards(setting.cards, credit_minor=CREDIT_MINOR), out)
        link = f"[[links]]\nreply_deadline_ms = {setting.reply_deadline_ms}\n"
        with ServerProcess(home, link) as server:
            _tell(say, f"importing {setting.cards:,} cards")
            server.command("import", str(cards))
            target = Target(server.port, server.pid, str(cards))
            _tell(say, "checking answers")
            checked = in_process(Check(target, seed=1), Checked)
            closed, codecs = [], []
            for number in range(setting.rounds):
                _tell(say, f"closed loop, round {number + 1} of {setting.rounds}")
                closed.append(in_process(_closed(setting, 2 + number, target), Measured))
                wait_until_idle(server.pid)
                codecs.append(time_codecs(checked))
            opened = []
            for number, rate in enumerate(setting.rates_per_s):
                _tell(say, f"open loop at {rate:g}/s")
                wait_until_idle(server.pid)
                phase = Open(
                    target,
                    seed=100 + number,
                    seconds=setting.open_s,
                    rate_per_s=rate,
                    connections=setting.connections,
                )
                opened.append(AtRate(rate, in_process(phase, Measured)))
        return _report(machine, setting, checked, closed, codecs, opened)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _closed(setting: Setting, seed: int, target: Target) -> Closed:
    return Closed(
        target,
        seed=seed,
        seconds=setting.closed_s,
        warm_up_s=setting.warm_up_s,
        connections=setting.connections,
        window=setting.window,
    )


def time_codecs(checked: Checked) -> Codecs:
    """Each codec decoding the request and encoding the reply that were on the wire, in turns."""
    request, reply = bytes.fromhex(checked.request_hex), bytes.fromhex(checked.reply_hex)
    fields = iso8583.decode(reply, default_ascii)[0]
    ours = isowire.Codec(isowire.load_dialect("iso87-ascii"))
    answer = ours.decode(reply)
    if bytes(iso8583.encode(dict(fields), default_ascii)[0]) != reply or ours.encode(answer) != reply:
        raise ServerProcessError("a codec does not encode the reply to the bytes that came")
    rounds = [
        (
            _round_us(ours.decode, request),
            _round_us(ours.encode, answer),
            _round_us(iso8583.decode, request, default_ascii),
            _round_us(iso8583.encode, fields, default_ascii),
        )
        for _ in range(CODEC_ROUNDS)
    ]
    decode, encode, other_decode, other_encode = map(statistics.median, zip(*rounds, strict=True))
    return Codecs(isowire=Codec(decode, encode), pyiso8583=Codec(other_decode, other_encode))


def _round_us(work: Callable[..., object], *arguments: object) -> float:
    """Microseconds of one call, from a round of them."""
    started = time.perf_counter()
    for _ in range(CODEC_ROUND):
        work(*arguments)
    return (time.perf_counter() - started) / CODEC_ROUND * 1e6


def _median_codec(codecs: list[Codec]) -> Codec:
    return Codec(
        statistics.median(each.decode_us for each in codecs),
        statistics.median(each.encode_us for each in codecs),
    )


def _report(
    machine: Machine,
    setting: Setting,
    checked: Checked,
    closed: list[Measured],
    codecs: list[Codecs],
    opened: list[AtRate],
) -> Report:
    ours = _median_codec([each.isowire for each in codecs])
    other = _median_codec([each.pyiso8583 for each in codecs])
    cpu_us = statistics.median(
        (each.server_user_s + each.server_system_s) / each.answered * 1e6 for each in closed
    )
    return Report(
        machine=machine,
        setting=setting,
        checked=checked.messages,
        closed=closed,
        per_s=statistics.median(each.answered / each.seconds for each in closed),
        server_cpu_us=cpu_us,
        server_system_us=statistics.median(each.server_system_s / each.answered * 1e6 for each in closed),
        codecs=Codecs(isowire=ours, pyiso8583=other),
        codec_share=ours.pair_us / cpu_us,
        pyiso8583_share=other.pair_us / (cpu_us - ours.pair_us + other.pair_us),
        pyiso8583_ceiling_per_s=1e6 / other.pair_us,
        open=opened,
    )


def show(report: Report, console: Console) -> None:
    """Three tables of 80 columns."""
    machine = report.machine
    facts = Table(show_header=False, box=None)
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    for name, value in (
        ("machine", f"{machine.cpu}, {machine.cores} cores, Linux {machine.kernel}"),
        ("disk", f"{machine.filesystem}, 4 KiB and fdatasync {machine.sync_ms:.2f} ms (median)"),
        ("before", f"load average {machine.load_average:.1f}"),
        ("software", f"{machine.python}, SQLite {machine.sqlite}, {libraries}"),
        ("commit", machine.commit),
        ("checked", f"{report.checked} answers of a mix, then every timed one"),
    ):
        facts.add_row(name, value)
    console.print(facts)

    setting = report.setting
    lines = f"{setting.connections} connections, {setting.window} open requests each"
    cost = Table(title=f"closed loop: {lines}", title_justify="left", width=80)
    cost.add_column("", ratio=1)
    cost.add_column("figure", justify="right")
    rounds = " ".join(f"{each.answered / each.seconds:,.0f}" for each in report.closed)
    ours, other = report.codecs.isowire, report.codecs.pyiso8583
    for name, figure in (
        ("approvals a second, each durable", f"{report.per_s:,.0f}"),
        ("each round", rounds),
        ("latency p50 / p99 of the last round", _pair(report.closed[-1])),
        ("server CPU per message", f"{report.server_cpu_us:.1f} µs"),
        ("  of it in the kernel", f"{report.server_system_us:.1f} µs"),
        ("codec: isowire decode + encode", f"{ours.decode_us:.1f} + {ours.encode_us:.1f} µs"),
        ("  its share of the server's CPU", f"{report.codec_share:.0%}"),
        ("pyiso8583 on the same pair", f"{other.decode_us:.1f} + {other.encode_us:.1f} µs"),
        ("  its share if it did that work", f"{report.pyiso8583_share:.0%}"),
        ("  its ceiling on one core, doing nothing else", f"{report.pyiso8583_ceiling_per_s:,.0f}/s"),
    ):
        cost.add_row(name, figure)
    console.print(cost)

    table = Table(title="open loop: latency from when it was due, ms", title_justify="left", width=80)
    for name in ("rate", "answered", "p50", "p90", "p99", "p99.9", "max", "late p99"):
        table.add_column(name, justify="right")
    for each in report.open:
        latency, late = each.measured.latency, each.measured.lateness
        table.add_row(
            f"{each.rate_per_s:g}/s",
            f"{each.measured.answered:,}",
            *(f"{value:.2f}" for value in (latency.p50_ms, latency.p90_ms, latency.p99_ms)),
            *(f"{value:.2f}" for value in (latency.p999_ms, latency.max_ms)),
            f"{late.p99_ms:.2f}" if late else "-",
        )
    console.print(table)
    console.print("late: sent after due, the generator's own part of the latency beside it.")
    console.print("What these do not show stands at the top of benchmarks/server.py.")


def _pair(measured: Measured) -> str:
    return f"{measured.latency.p50_ms:.1f} / {measured.latency.p99_ms:.1f} ms"


def _tell(console: Console | None, what: str) -> None:
    if console is not None:
        console.print(f"[dim]{what} ...[/dim]")


def _setting(arguments: argparse.Namespace) -> Setting:
    setting = QUICK if arguments.quick else Setting()
    changes: dict[str, object] = {}
    if arguments.rate:
        changes["rates_per_s"] = (*setting.rates_per_s[:2], *arguments.rate)
    if arguments.seconds:
        changes |= {"closed_s": arguments.seconds, "open_s": arguments.seconds}
    for name in ("connections", "window", "cards"):
        if getattr(arguments, name):
            changes[name] = getattr(arguments, name)
    return msgspec.structs.replace(setting, **changes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds: shows that it works, not how fast"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--versions", action="store_true", help="print versions and commit, measure nothing")
    parser.add_argument("--rate", type=float, action="append", help="an open-loop rate, beside 500 and 2000")
    parser.add_argument("--seconds", type=float, help="of each closed round and each open rate")
    parser.add_argument("--connections", type=int)
    parser.add_argument("--window", type=int, help="open requests on each connection, closed loop")
    parser.add_argument("--cards", type=int)
    parser.add_argument(
        "--dir", type=Path, default=Path(), help="where the data directory is made for the while"
    )
    return parser.parse_args()


def main() -> None:
    """Exit code 1 where an answer was wrong or the server did not start."""
    arguments = _arguments()
    if arguments.versions:
        sys.stdout.write(platform_line() + "\n")
        return
    console = Console(width=80, highlight=False)
    try:
        report = measure(_setting(arguments), arguments.dir, None if arguments.json else console)
    except ServerProcessError as problem:
        sys.exit(f"nothing was measured: {problem}")
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        show(report, console)


if __name__ == "__main__":
    main()
