"""authoriser.telemetry.metrics: counting, and what Prometheus gets."""

import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from authoriser.config import Address
from authoriser.telemetry.metrics import COUNTS, Buckets, Counters, CountersCollector, serve_metrics


def exported(counters: Counters) -> dict[str, float]:
    """Sample lines as {name{labels}: value}."""
    registry = CollectorRegistry()
    registry.register(CountersCollector(counters))
    lines = generate_latest(registry).decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def test_buckets_count_up_to_and_with_their_bound() -> None:
    """A value on a bound belongs below it, as Prometheus' le says; what is beyond the last goes to +Inf."""
    buckets = Buckets((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        buckets.observe(value)
    expected = ([2, 2, 1], 14.0, [("1.0", 2), ("2.0", 4), ("+Inf", 5)])
    assert expected == (buckets.counts, buckets.total, buckets.cumulative())


def test_an_undeclared_count_is_an_error() -> None:
    """A misspelt name fails at once instead of counting where nobody looks."""
    with pytest.raises(KeyError):
        Counters().counts["silence"] += 1


def test_an_undeclared_gauge_is_an_error() -> None:
    """Likewise for gauges."""
    with pytest.raises(KeyError):
        Counters().watch("in_fligth", lambda: 0)


def test_a_gauge_that_is_no_more_watched_is_not_exported() -> None:
    """Neither its last value nor a zero, which would be a figure of something."""
    counters = Counters()
    counters.watch("relay_lag_records", lambda: 7)
    counters.unwatch("relay_lag_records")
    counters.unwatch("relay_relaying")
    assert "authoriser_relay_lag_records" not in exported(counters)


def test_every_count_is_exported_from_zero() -> None:
    """A rate over a counter needs its zero; all declared counts are there before anything happens."""
    samples = exported(Counters())
    assert dict.fromkeys(COUNTS, 0.0) == {name: samples[f"authoriser_{name}_total"] for name in COUNTS}


def test_what_is_counted_is_exported() -> None:
    """Decisions by reason, counts, gauges read when asked, and both histograms under their names."""
    counters = Counters()
    counters.decisions["approved"] += 2
    counters.counts["silences"] += 1
    counters.watch("in_flight", lambda: 7)
    counters.stages["decide"].observe(0.000_03)
    counters.batch_records.observe(20)
    samples = exported(counters)
    expected = {
        'authoriser_decisions_total{reason="approved"}': 2.0,
        "authoriser_silences_total": 1.0,
        "authoriser_in_flight": 7.0,
        'authoriser_stage_seconds_bucket{le="2.5e-05",stage="decide"}': 0.0,
        'authoriser_stage_seconds_bucket{le="5e-05",stage="decide"}': 1.0,
        'authoriser_stage_seconds_count{stage="decide"}': 1.0,
        'authoriser_stage_seconds_sum{stage="decide"}': 0.000_03,
        'authoriser_batch_records_bucket{le="10.0"}': 0.0,
        'authoriser_batch_records_bucket{le="20.0"}': 1.0,
        "authoriser_batch_records_count": 1.0,
    }
    assert expected == {name: samples[name] for name in expected}


def test_lines_are_exported_by_link() -> None:
    """An alert on one network's lines needs that network's name."""
    counters = Counters()
    counters.lines["north"] = lambda: (2, 1)
    samples = exported(counters)
    assert {name: n for name, n in samples.items() if name.startswith("authoriser_lines")} == {
        'authoriser_lines{link="north",state="up"}': 2.0,
        'authoriser_lines{link="north",state="down"}': 1.0,
    }


def test_metrics_are_served_on_loopback() -> None:
    """A plain GET on the port it got has the counters and the process' own figures."""
    counters = Counters()
    counters.counts["voids"] = 3
    server = serve_metrics(Address("127.0.0.1", 0), counters)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
    finally:
        server.close()
    assert {"authoriser_voids_total 3.0", True} == {
        line if line.startswith("authoriser_voids_total ") else True
        for line in lines
        if line.startswith(("authoriser_voids_total ", "process_open_fds "))
    }


def test_other_addresses_are_refused() -> None:
    """Metrics have no password."""
    with pytest.raises(ValueError, match="metrics have no password, so they are served on loopback only"):
        serve_metrics(Address("0.0.0.0", 0), Counters())
