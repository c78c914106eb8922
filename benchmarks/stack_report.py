"""What a run of `benchmarks.stack` came to, and how it is printed. Measures nothing."""

import statistics
from collections.abc import Iterable

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from authoriser.config import REPLY_DEADLINE_DEFAULT_MS
from authoriser.config_cassandra import LEASE_DEFAULT_MS
from benchmarks.load import Measured
from benchmarks.machine import Machine
from simulator.tally import Latency


class Setting(Struct, frozen=True):
    """How much is measured."""

    cards: int = 20_000
    """The card that is used most gets one payment in 140 of all. Of 5,000 it was one in 70: a run of 700,000 payments
    would fill what an account may remember (KEPT_ANSWERS_MAX), and be told 91."""
    rounds: int = 3
    """Of the closed loop, and of the open one."""
    warm_up_s: float = 15.0
    """Before the first round: virtual machines compile what they run often."""
    closed_s: float = 10.0
    closed_warm_up_s: float = 1.0
    connections: int = 8
    window: int = 64
    open_s: float = 15.0
    rate_per_s: float = 2_000
    reply_deadline_ms: int = REPLY_DEADLINE_DEFAULT_MS
    lease_ms: int = LEASE_DEFAULT_MS


QUICK = Setting(
    cards=1_000,
    rounds=1,
    warm_up_s=1.0,
    closed_s=3.0,
    closed_warm_up_s=0.2,
    window=16,
    open_s=2.0,
    rate_per_s=200,
    reply_deadline_ms=20_000,
    lease_ms=20_000,
)
"""To see that all of it works, on a machine that may stand still for a second or two."""


class ClosedRound(Struct, frozen=True):
    """Throughput. `lag` are the events that Kafka did not have when it ended, and came in the next `caught_up_s`."""

    measured: Measured
    lag: int
    caught_up_s: float


class OpenRound(Struct, frozen=True):
    """`to_kafka`: from each decision to the moment at which a read-committed consumer had it."""

    measured: Measured
    to_kafka: Latency


class Report(Struct, frozen=True):
    """Everything, as `--json` prints it."""

    machine: Machine
    setting: Setting
    checked: int
    """Answers of a mix, before anything was timed."""
    yardstick_us: list[float]
    """How fast this machine was before each round: pyiso8583 decoding a 0100, microseconds, beside idle servers."""
    per_s: float
    """Closed loop, median of the rounds."""
    closed: list[ClosedRound]
    open: list[OpenRound]
    true_answers: int
    """Each of them is in Kafka once, in order."""
    events: int
    """In Kafka: one a record of the journal, none missing."""


def show(report: Report, console: Console) -> None:
    """Tables of 80 columns."""
    machine, setting = report.machine, report.setting
    facts = Table(show_header=False, box=None)
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    yardstick = " ".join(f"{each:.0f}" for each in report.yardstick_us)
    for name, value in (
        ("machine", f"{machine.cpu}, {machine.cores} cores, Linux {machine.kernel}"),
        ("disk", f"{machine.filesystem}, 4 KiB and fdatasync {machine.sync_ms:.2f} ms (median)"),
        ("before", f"load average {machine.load_average:.1f}, Cassandra and Kafka started meanwhile"),
        ("software", f"{machine.python}, {libraries}"),
        ("commit", machine.commit),
        ("yardstick", f"{yardstick} us: pyiso8583 decodes a 0100, before each round"),
        ("checked", f"{report.checked} answers of a mix, then every timed one"),
        ("in Kafka", f"{report.true_answers:,} answered approvals, each once and in order"),
        ("", f"{report.events:,} events, as many as the journal has records"),
    ):
        facts.add_row(name, value)
    console.print(facts)
    console.print(_closed_table(report))
    console.print(f"{report.per_s:,.0f} approvals a second (median of the rounds), each durable.")
    console.print(_open_table(report))
    answers_ms = statistics.median(each.measured.latency.p99_ms for each in report.open)
    events_ms = statistics.median(each.to_kafka.p99_ms for each in report.open)
    console.print(
        f"p99 to the answer {answers_ms:.1f} ms, to the consumer {events_ms:.1f} ms (medians of the rounds)."
    )
    console.print("late: sent after due, the generator's own part of the latency beside it.")
    console.print(_shares(setting, report))
    console.print("others: whatever else ran here. steal: what the host gave to other machines.")
    console.print("What these do not show stands at the top of benchmarks/stack.py.")


def _closed_table(report: Report) -> Table:
    setting = report.setting
    title = f"closed loop: {setting.connections} connections, {setting.window} open requests each"
    table = _table(
        title, ("round", "approvals/s", "p50 ms", "p99 ms", "unanswered", "behind in Kafka", "for s")
    )
    for number, each in enumerate(report.closed, 1):
        measured = each.measured
        table.add_row(
            str(number),
            f"{measured.answered / measured.seconds:,.0f}",
            f"{measured.latency.p50_ms:.1f}",
            f"{measured.latency.p99_ms:.1f}",
            f"{measured.unanswered:,}",
            f"{each.lag:,}",
            f"{each.caught_up_s:.1f}",
        )
    return table


def _open_table(report: Report) -> Table:
    title = f"open loop at {report.setting.rate_per_s:g}/s, ms: from when it was due to the answer, and"
    table = _table(
        f"{title}\nfrom the decision to a read-committed consumer",
        ("round", "", "count", "p50", "p90", "p99", "p99.9", "max", "late p99"),
    )
    for number, each in enumerate(report.open, 1):
        late = each.measured.lateness
        table.add_row(
            str(number), "answer", *_latency(each.measured.latency), f"{late.p99_ms:.2f}" if late else "-"
        )
        table.add_row("", "Kafka", *_latency(each.to_kafka), "")
    return table


def _latency(latency: Latency) -> Iterable[str]:
    values = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
    return (f"{latency.count:,}", *(f"{value:.1f}" for value in values))


def shares(measured: Measured) -> dict[str, float]:
    """Cores that each process took, on average; "others" is the rest of what the machine did."""
    seconds = measured.measured_s
    cores = {
        "server": (measured.server_user_s + measured.server_system_s) / seconds,
        "load": measured.load_cpu_s / seconds,
        **{name: used / seconds for name, used in measured.cpu_s.items()},
    }
    machine, steal = cores.pop("machine"), cores.pop("steal")
    return cores | {"others": max(machine - steal - sum(cores.values()), 0.0), "steal": steal}


def _shares(setting: Setting, report: Report) -> Table:
    loops = [("closed", each.measured) for each in report.closed]
    loops += [(f"{setting.rate_per_s:g}/s", each.measured) for each in report.open]
    names = list(dict.fromkeys(name for _, measured in loops for name in shares(measured)))
    names.sort(key=lambda name: name in {"others", "steal"})
    table = _table(f"cores used, of {report.machine.cores}", ("", *names))
    for name, measured in loops:
        used = shares(measured)
        table.add_row(name, *(f"{used[each]:.2f}" if each in used else "-" for each in names))
    return table


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", width=80)
    for name in columns:
        table.add_column(name, justify="right")
    return table
