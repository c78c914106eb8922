"""Counts and latencies, cheap to keep and exported for Prometheus.

Owns every metric's name and help text. The hot path adds to plain ints, without locks or label look-ups (one thread
counts); the exporter's thread copies them when it is asked. Knows nothing of what is counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from authoriser.config_checks import Address, is_loopback

COUNTS: Final[dict[str, str]] = {
    "connections_accepted": "Connections accepted on all links.",
    "connections_closed": "Connections that ended, for whatever reason.",
    "accept_failures": "Connections that the system could not hand over, for want of file descriptors or memory.",
    "connections_refused": "Connections closed at once because the link had as many as it may.",
    "connections_lost_framing": "Connections closed because a length header was none or over the maximum.",
    "connections_slow": "Connections closed because the peer did not take its replies in time.",
    "connections_dialled": "Connections to networks that were had, on links that connect.",
    "dial_failures": "Connections to networks that were not had.",
    "reconnects": "Lines that were signed on again after they had been lost.",
    "sign_on_failures": "Sign-ons of ours that the network refused or did not answer.",
    "echoes_missed": "Echoes of ours that got no answer.",
    "tls_failures": "Connections on which TLS could not be agreed on.",
    "frames": "Frames received.",
    "keepalives": "Frames of length zero received.",
    "replies": "Replies handed to the kernel.",
    "repeats": "Requests answered from memory because they had been decided before.",
    "repeats_joined": "Repeats that joined their original while it was in flight.",
    "format_errors": "Messages that could not be decoded or lacked a mandatory field.",
    "unknown_mti": "Messages dropped because their type does not exist.",
    "responses_dropped": "Responses dropped because they answer nothing that was asked.",
    "before_sign_on": "Business messages on connections that had not signed on.",
    "late_on_arrival": "Requests not decided because they had waited in the kernel past their deadline.",
    "not_admitted": "Requests answered as not admitted because the queue was full.",
    "frames_while_unsure": "Frames dropped because no append had proved within a lease that the shard is still ours.",
    "silences": "Requests that got no answer because it would have been late.",
    "voids": "Approvals taken back by a record because their answer did not leave in time.",
    "exceptions": "Entries made in the list for operators.",
    "cache_hits": "Messages whose account was in memory. Counted where not every account is.",
    "cache_misses": "Messages, and names on the admin socket, whose account was not in memory: each waited for a load.",
    "cache_loads": "Accounts loaded from their snapshots, by misses and for holds that ended.",
    "cache_evictions": "Accounts that left memory.",
    "cache_failed_loads": "Look-ups of accounts that failed: their requests were answered as not admitted.",
    "admin_requests": "Requests on the admin socket.",
    "admin_errors": "Requests on the admin socket answered with an error.",
    "journal_appends": "Batches made durable.",
    "journal_retries": "Appends to a journal on other machines whose outcome was not known; they went again.",
    "log_records": "Records made durable.",
}
"""Exported as authoriser_NAME_total."""

GAUGES: Final[dict[str, str]] = {
    "in_flight": "Requests received and neither answered nor given up.",
    "connections": "Open connections on all links.",
    "pending_records": "Records decided and not yet durable.",
    "accounts": "Accounts in memory.",
    "loads_waiting": "Messages, and names on the admin socket, that wait for an account to be loaded.",
    "durable_seq": "Sequence number of the last durable batch.",
    "epoch": "Epoch of the shard: in which this process decides, or that it follows.",
    "leading": "1 while this process decides for the shard, 0 while it follows.",
    "relay_lag_records": "Durable records that are not in Kafka yet, where the configuration has [kafka].",
    "relay_relaying": "1 while the relay is connected to Kafka and relays, else 0.",
}
"""Exported as authoriser_NAME."""

STAGES: Final[dict[str, str]] = {
    "decide": "one frame: decode, match, rules, ledger, encode",
    "append": "one batch: from the call to the journal until it is durable",
    "answer": "one request: from its read from the socket until its reply is with the kernel",
}
"""Exported as authoriser_stage_seconds{stage}."""

LATENCY_BOUNDS_S: Final = (
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
"""From a decision's 25 microseconds to beyond the default deadline, which has a bound of its own."""
BATCH_BOUNDS_RECORDS: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Buckets:
    """A histogram of fixed buckets. `counts[i]` is how many fell in (bounds[i-1], bounds[i]]; the last is beyond."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Prometheus' form: (upper bound, how many were at most that), ending with +Inf."""
        uppers = [*(repr(float(bound)) for bound in self.bounds), "+Inf"]
        return list(zip(uppers, accumulate(self.counts.copy()), strict=True))


class Counters:
    """What one process counts. Add to `decisions[reason]` and `counts[name]`; an undeclared name is a KeyError.

    `stages[name].observe(seconds)`, `batch_records.observe(records)`; gauges are asked when somebody looks.
    """

    __slots__ = ("batch_records", "counts", "decisions", "gauges", "lines", "stages")

    def __init__(self) -> None:
        self.decisions: defaultdict[str, int] = defaultdict(int)
        self.counts: dict[str, int] = dict.fromkeys(COUNTS, 0)
        self.gauges: dict[str, Callable[[], float]] = {}
        self.stages: dict[str, Buckets] = {stage: Buckets(LATENCY_BOUNDS_S) for stage in STAGES}
        self.batch_records = Buckets(BATCH_BOUNDS_RECORDS)
        self.lines: dict[str, Callable[[], tuple[int, int]]] = {}
        """Link -> its lines that are up and that are down but should be up. Asked as gauges are."""

    def watch(self, gauge: str, read: Callable[[], float]) -> None:
        """Have a gauge of GAUGES read by `read`, which runs on the exporter's thread and so only reads a number."""
        if gauge not in GAUGES:
            raise KeyError(gauge)
        self.gauges[gauge] = read

    def unwatch(self, gauge: str) -> None:
        """What it read is gone, or another process's; not exported until it is watched again."""
        self.gauges.pop(gauge, None)


class CountersCollector(Collector):
    """Counters in Prometheus' form."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        counters = self._counters
        decisions = CounterMetricFamily("authoriser_decisions", "Decisions, by reason.", labels=["reason"])
        for reason, count in sorted(counters.decisions.copy().items()):
            decisions.add_metric([reason], count)
        yield decisions
        for name, count in counters.counts.items():
            yield CounterMetricFamily(f"authoriser_{name}", COUNTS[name], value=count)
        for name, read in counters.gauges.copy().items():
            yield GaugeMetricFamily(f"authoriser_{name}", GAUGES[name], value=read())
        lines = GaugeMetricFamily(
            "authoriser_lines",
            "Lines of a link: up, or down where it connects and they should be up.",
            labels=["link", "state"],
        )
        for link, read_lines in counters.lines.copy().items():
            for state, number in zip(("up", "down"), read_lines(), strict=True):
                lines.add_metric([link, state], number)
        yield lines
        help_text = (
            "Seconds by stage; " + "; ".join(f"{stage}: {text}" for stage, text in STAGES.items()) + "."
        )
        stages = HistogramMetricFamily("authoriser_stage_seconds", help_text, labels=["stage"])
        for stage, buckets in counters.stages.items():
            stages.add_metric([stage], buckets.cumulative(), buckets.total)
        yield stages
        batches = HistogramMetricFamily("authoriser_batch_records", "Records in one durable batch.")
        batches.add_metric([], counters.batch_records.cumulative(), counters.batch_records.total)
        yield batches


class MetricsServer:
    """Serves /metrics from a thread of its own until closed. `port` is the one it got."""

    def __init__(self, address: Address, counters: Counters) -> None:
        """Raises ValueError for an address that other machines reach, OSError where it can't bind."""
        if not is_loopback(address.host):
            raise ValueError(
                f"metrics have no password, so they are served on loopback only, not on {address}"
            )
        registry = CollectorRegistry()
        registry.register(CountersCollector(counters))
        ProcessCollector(registry=registry)
        self._server, self._thread = start_http_server(address.port, address.host, registry)
        self.port = int(self._server.server_port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(address: Address, counters: Counters) -> MetricsServer:
    """Serve the counters on a loopback address. Raises ValueError, OSError."""
    return MetricsServer(address, counters)
