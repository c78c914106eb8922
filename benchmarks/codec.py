"""What a message costs to decode and to encode: `python -m benchmarks.codec [--quick] [--json] [--versions]`.

What the figures do not show:
- A server. There, caches are colder and the garbage collector has more to look at; `benchmarks.server` says what share
  of a whole message the codec is.
- The same work. isowire checks the characters of every field and pyiso8583 none; iso8583sim checks some and finds out
  which card network a number belongs to. Nobody here validates dates or amounts.
- A first message. isowire decodes and encodes a layout by the general path until it has come eight times ("not
  compiled" below), and compiling is timed apart.
- Waiting. Times are CPU time, and rounds alternate between the libraries, so that what else runs on the machine hurts
  little and all of them alike; a ratio is the median over rounds, and the 10th and 90th percentile stand beside it.

Every result is checked against the golden message before anything is timed. iso8583sim is no dependency: where it isn't
installed beside this package its rows are missing, and where it can't do a message the table says why.
"""

import argparse
import statistics
import sys
import time
import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import iso8583
import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.machine import Machine, look, platform_line
from isowire import Codec, Dialect, Message, dialect_names, load_dialect
from isowire.compiler import compile_decode, compile_encode
from isowire.layout import bitmaps_of

SAMPLES: Final = Path(__file__).parents[1] / "iso8583" / "samples"
MESSAGES: Final = {
    "0100, 17 fields, ASCII": "iso87-ascii/0100-purchase",
    "0100 with DE55, BCD and binary": "iso87-binary/0100-track2-only",
    "0110, ASCII": "iso87-ascii/0110-approved",
    "0420 with DE90, ASCII": "iso87-ascii/0420-reversal-advice",
}
ORACLE: Final = "pyiso8583"
STARTS: Final = 5
"""Of each dialect, the best of which counts: a start reads files."""


class Setting(Struct, frozen=True):
    """How much is measured."""

    rounds: int = 200
    calls: int = 100
    """Of one library, one way, in one round."""


QUICK: Final = Setting(rounds=3, calls=20)


class Spread(Struct, frozen=True):
    """Over the rounds."""

    median: float
    p10: float
    p90: float


class Way(Struct, frozen=True):
    """Decode or encode of one message by one library."""

    us: Spread
    times_as_fast: Spread
    """As pyiso8583 in the same round."""


class Row(Struct, frozen=True):
    message: str
    library: str
    decode: Way | None
    encode: Way | None
    cannot: str = ""
    """Why it is not timed."""


class Start(Struct, frozen=True):
    """What a dialect costs before its first message, milliseconds."""

    dialect: str
    load_ms: float
    layouts: int
    """Of its golden messages, both ways."""
    compile_ms: float


class Report(Struct, frozen=True):
    """Everything, as `--json` prints it."""

    machine: Machine
    setting: Setting
    iso8583sim: str
    """Its version, "" where it isn't installed."""
    rows: list[Row]
    starts: list[Start]


class WrongResultError(Exception):
    """A library gave another message or other bytes than the golden one: nothing of it is timed."""


class Case(Struct, frozen=True):
    """One golden message."""

    name: str
    dialect: Dialect
    payload: bytes
    message: Message


class Contender(Struct, frozen=True):
    """One library on one message: what is timed, and what that must give."""

    library: str
    decode: Callable[[], object]
    encode: Callable[[], object]
    decoded: Callable[[object], tuple[str, dict[str, str]]]


def cases() -> list[Case]:
    return [Case(name, *_sample(place)) for name, place in MESSAGES.items()]


def _sample(place: str) -> tuple[Dialect, bytes, Message]:
    meant = tomllib.loads((SAMPLES / f"{place}.toml").read_text(encoding="utf-8"))
    payload = bytes.fromhex((SAMPLES / f"{place}.hex").read_text(encoding="ascii"))
    return load_dialect(place.partition("/")[0]), payload, Message(meant["mti"], meant["fields"])


def oracle_us(calls: int) -> list[float]:
    """Microseconds that pyiso8583 takes to decode the first message: other benchmarks' yardstick of the machine."""
    dialect, payload, _meant = _sample(MESSAGES["0100, 17 fields, ASCII"])
    spec, took = dialect.spec, []
    for _ in range(calls):
        began = time.perf_counter_ns()
        iso8583.decode(payload, spec)
        took.append((time.perf_counter_ns() - began) / 1_000)
    return took


def contenders(case: Case) -> tuple[list[Contender], dict[str, str]]:
    """Who takes part, checked; and who can't, with the reason. Raises WrongResultError for the first three."""
    ready = [
        _pyiso8583(case),
        _isowire(case, "isowire", Codec(case.dialect, seen_first=1)),
        _isowire(case, "isowire, not compiled", Codec(case.dialect, layouts_max=0)),
    ]
    for contender in ready:
        _check(contender, case)
    cannot = {}
    if iso8583sim_version():
        try:
            other = _iso8583sim(case)
            _check(other, case)
            ready.append(other)
        except Exception as problem:  # noqa: BLE001 - whatever it says is the reason
            cannot["iso8583sim"] = f"{type(problem).__name__}: {problem}"
    return ready, cannot


def _check(contender: Contender, case: Case) -> None:
    for _ in range(3):  # the second call of isowire is the first of compiled code
        if contender.decoded(contender.decode()) != (case.message.mti, case.message.fields):
            found = contender.decoded(contender.decode())[1]
            differ = [
                n
                for n in found.keys() | case.message.fields.keys()
                if found.get(n) != case.message.fields.get(n)
            ]
            raise WrongResultError(f"decodes other values of DE{', DE'.join(sorted(differ, key=int))}")
        if contender.encode() != case.payload:
            raise WrongResultError("encodes to other bytes")


def _pyiso8583(case: Case) -> Contender:
    spec = {number: dict(field) for number, field in case.dialect.spec.items()}
    fields = {
        "t": case.message.mti,
        **case.message.fields,
    }  # gets its bitmaps once, so that none pays for a copy

    def decoded(result: Any) -> tuple[str, dict[str, str]]:
        return result[0]["t"], {n: value for n, value in result[0].items() if n not in ("t", "p", "1")}

    return Contender(
        ORACLE, lambda: iso8583.decode(case.payload, spec), lambda: iso8583.encode(fields, spec)[0], decoded
    )


def _isowire(case: Case, library: str, codec: Codec) -> Contender:
    def decoded(result: Any) -> tuple[str, dict[str, str]]:
        return result.mti, result.fields

    return Contender(library, lambda: codec.decode(case.payload), lambda: codec.encode(case.message), decoded)


def iso8583sim_version() -> str:
    try:
        return version("iso8583sim")
    except PackageNotFoundError:
        return ""


def _iso8583sim(case: Case) -> Contender:
    from iso8583sim.core.builder import ISO8583Builder
    from iso8583sim.core.parser import ISO8583Parser
    from iso8583sim.core.types import ISO8583Message
    from iso8583sim.wire import Encoding, WireFormat

    parser, builder = ISO8583Parser(), ISO8583Builder()
    fields = {0: case.message.mti} | {int(number): value for number, value in case.message.fields.items()}
    message = ISO8583Message(mti=case.message.mti, fields=fields)

    def decoded(result: Any) -> tuple[str, dict[str, str]]:
        return result.mti, {str(number): value for number, value in result.fields.items() if number}

    if case.dialect.name == "iso87-ascii":  # its own form, a text, which is its fastest
        return Contender(
            "iso8583sim",
            lambda: parser.parse(case.payload.decode("ascii")),
            lambda: builder.build(message).encode("ascii"),
            decoded,
        )
    # Its preset for BCD, but with odd tracks filled up on the right, as the dialect has them.
    wire = WireFormat(
        mti=Encoding.BCD, length_prefix=Encoding.BCD, numeric=Encoding.BCD, bcd_odd_padding="right"
    )
    return Contender(
        "iso8583sim",
        lambda: parser.parse_bytes(case.payload, wire),
        lambda: builder.build_bytes(message, wire),
        decoded,
    )


def measure(setting: Setting, directory: Path) -> Report:
    """Everything. Raises WrongResultError where a result is wrong."""
    rows: list[Row] = []
    for case in cases():
        ready, cannot = contenders(case)
        ways = {way: _time(ready, way, setting) for way in ("decode", "encode")}
        rows += [
            Row(case.name, each.library, ways["decode"][each.library], ways["encode"][each.library])
            for each in ready
        ]
        rows += [Row(case.name, library, None, None, reason) for library, reason in cannot.items()]
    return Report(
        look(directory), setting, iso8583sim_version(), rows, [_start(name) for name in dialect_names()]
    )


def _time(ready: list[Contender], way: str, setting: Setting) -> dict[str, Way]:
    """Rounds in which each library has its turn, another one first each time."""
    took: dict[str, list[float]] = {each.library: [] for each in ready}
    for number in range(setting.rounds):
        shift = number % len(ready)
        for each in ready[shift:] + ready[:shift]:
            call: Callable[[], object] = getattr(each, way)
            calls = range(setting.calls)
            began = time.thread_time()
            for _ in calls:
                call()
            took[each.library].append((time.thread_time() - began) / setting.calls * 1e6)
    return {
        library: Way(
            _spread(rounds),
            _spread([theirs / ours for theirs, ours in zip(took[ORACLE], rounds, strict=True)]),
        )
        for library, rounds in took.items()
    }


def _spread(values: list[float]) -> Spread:
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return Spread(statistics.median(values), tenths[0], tenths[-1])


def _start(name: str) -> Start:
    """Loading a dialect, and compiling what its golden messages need."""
    samples = [_sample(f"{name}/{file.stem}")[2] for file in sorted(SAMPLES.glob(f"{name}/*.hex"))]
    layouts = sorted({(message.mti, *message.fields) for message in samples})
    loads, compiles = [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        dialect = load_dialect(name)
        Codec(dialect)
        loaded = time.perf_counter()
        for mti, *numbers in layouts:
            compile_decode(dialect, mti, bitmaps_of(map(int, numbers)), Message)
            compile_encode(dialect, mti, numbers)
        loads.append(loaded - began)
        compiles.append(time.perf_counter() - loaded)
    return Start(name, min(loads) * 1000, 2 * len(layouts), min(compiles) * 1000)


def show(report: Report, console: Console) -> None:
    machine = report.machine
    console.print(f"{machine.cpu}, {machine.cores} cores, load {machine.load_average:.1f}, {machine.python}")
    console.print(
        f"pyiso8583 {machine.libraries['pyiso8583']}, iso8583sim {report.iso8583sim or 'not installed'}, "
        f"commit {machine.commit}; {report.setting.rounds} rounds of {report.setting.calls} calls"
    )
    table = Table(title="microseconds, and times as fast as pyiso8583", title_justify="left", width=100)
    for column in ("message", "library", "decode", "times (p10-p90)", "encode", "times (p10-p90)"):
        table.add_column(column, justify="left" if column in ("message", "library") else "right")
    last = ""
    for row in report.rows:
        if row.message != last:
            table.add_section()
        cells = [cell for way in (row.decode, row.encode) for cell in _cells(way)]
        table.add_row("" if row.message == last else row.message, row.library, *cells)
        last = row.message
    console.print(table)
    for row in report.rows:
        if row.cannot:
            console.print(f"{row.library} can't do {row.message}: {row.cannot}")
    starts = Table(title="before the first message, milliseconds", title_justify="left", width=100)
    for column in ("dialect", "load", "layouts", "compile all of them"):
        starts.add_column(column, justify="left" if column == "dialect" else "right")
    for start in report.starts:
        starts.add_row(start.dialect, f"{start.load_ms:.1f}", str(start.layouts), f"{start.compile_ms:.1f}")
    console.print(starts)
    console.print("What these do not show stands at the top of benchmarks/codec.py.")


def _cells(way: Way | None) -> tuple[str, str]:
    if way is None:
        return "-", "-"
    times = way.times_as_fast
    return f"{way.us.median:.2f}", f"{times.median:.1f} ({times.p10:.1f}-{times.p90:.1f})"


def main() -> None:
    """Exit code 1 where a result was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.codec",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="shows that it works, not how fast")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--versions", action="store_true", help="print versions and commit, measure nothing")
    parser.add_argument("--dir", type=Path, default=Path(), help="a directory to write to, for a moment")
    arguments = parser.parse_args()
    if arguments.versions:
        sys.stdout.write(f"{platform_line()}, iso8583sim {iso8583sim_version() or 'not installed'}\n")
        return
    try:
        report = measure(QUICK if arguments.quick else Setting(), arguments.dir)
    except WrongResultError as problem:
        sys.exit(f"nothing was measured: {problem}")
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        show(report, Console(width=100, highlight=False))


if __name__ == "__main__":
    main()
