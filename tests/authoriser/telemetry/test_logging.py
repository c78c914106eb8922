"""authoriser.telemetry.logging: what a line shows and what it hides."""

import json
import os
import re
import select
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from authoriser.telemetry.logging import (
    ALLOWED_KEYS,
    WAITING_LINES_MAX,
    flush_logging,
    set_up_logging,
)

PAN = "4000000000000002"


@pytest.fixture(autouse=True)
def defaults_after() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def logged() -> Callable[..., dict[str, Any]]:
    def run(event: str = "something", **values: Any) -> dict[str, Any]:
        stream = StringIO()
        set_up_logging("json", "debug", stream)
        structlog.get_logger().info(event, **values)
        (line,) = stream.getvalue().splitlines()
        shown: dict[str, Any] = json.loads(line)
        del shown["timestamp"], shown["level"]
        return shown

    return run


def test_a_new_field_is_hidden_until_allowed(
    logged: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that nobody put on the list shows no value, and shows it once it is there."""
    hidden = logged(cardholder="Ann")
    monkeypatch.setattr("authoriser.telemetry.logging.ALLOWED_KEYS", ALLOWED_KEYS | {"cardholder"})
    shown = logged(cardholder="Ann")
    expected = ({"event": "something", "cardholder": "[hidden]"}, {"event": "something", "cardholder": "Ann"})
    assert expected == (hidden, shown)


@pytest.mark.parametrize(
    "key", ["pan", "track2", "pin", "cvv", "expiry", "fields", "message", "payload", "frame"]
)
def test_cardholder_data_is_not_on_the_list(key: str) -> None:
    """The names that cardholder data goes by are not allowed."""
    assert key not in ALLOWED_KEYS


def test_allowed_values_show(logged: Callable[..., dict[str, Any]]) -> None:
    """Numbers, text, paths, and counts by name come through as they are."""
    values = {"link": "north", "amount_minor": 1234, "elapsed_ms": 1.5, "signed_on": True, "last_four": "0002",
              "rrn": "123456789012", "decisions": {"approved": 3}, "field": None}  # fmt: skip
    expected = {"event": "something", **values, "data_dir": "/srv/cards"}
    assert expected == logged(**values, data_dir=Path("/srv/cards"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (f"no card {PAN}", "no card ************0002"),
        (int(PAN), "[hidden]"),
        ([PAN], ["************0002"]),
        ({"pan_block": "0x12"}, {"pan_block": "[hidden]"}),
        ({PAN: 1}, {"[digits]": 1}),
        ("9" * 25, "[digits]"),
        (ValueError(f"bad {PAN[:-1]}3"), "ValueError: bad [digits]"),
        (b"\x01\x02", "[hidden]"),
        ("two\nlines\x1b[2J", "two\\x0alines\\x1b[2J"),
        ("x" * 501, "x" * 500 + "..."),
        ([[[[["deep"]]]]], [[[["[hidden]"]]]]),
    ],
)
def test_values_of_allowed_keys_are_searched(
    logged: Callable[..., dict[str, Any]], value: object, shown: object
) -> None:
    """A PAN in text is masked; bytes and strangers are hidden; control characters are written out; long text is cut."""
    assert logged(detail=value) == {"event": "something", "detail": shown}


def test_the_event_itself_is_searched(logged: Callable[..., dict[str, Any]]) -> None:
    """Somebody will format a PAN into the message one day."""
    assert logged(f"declined {PAN}") == {"event": "declined ************0002"}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_exceptions_show_no_locals_and_no_digits(log_format: Any) -> None:
    """The traceback names the place and the type; neither the text's digits nor the values of locals come along."""
    stream = StringIO()
    set_up_logging(log_format, "info", stream)

    def fail(secret: str) -> None:
        raise ValueError(f"cannot use {secret}")

    try:
        fail(PAN)
    except ValueError:
        structlog.get_logger().exception("failed")
    text = stream.getvalue()
    expected = {"ValueError: cannot use [digits]": True, "in fail": True, PAN: False, "0002": False}
    assert expected == {part: part in text for part in expected}


def test_chained_exceptions_are_scrubbed_too() -> None:
    """What an exception came from is printed with it, and scrubbed with it."""
    stream = StringIO()
    set_up_logging("json", "info", stream)
    try:
        try:
            raise KeyError(PAN)
        except KeyError as cause:
            raise ValueError("outer") from cause
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
    text = stream.getvalue()
    assert {part: part in text for part in ("KeyError: '[digits]'", PAN)} == {
        "KeyError: '[digits]'": True,
        PAN: False,
    }


def test_levels_filter() -> None:
    """What is below the level is not written."""
    stream = StringIO()
    set_up_logging("json", "warning", stream)
    log = structlog.get_logger()
    log.info("quiet")
    log.warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_auto_is_json_where_there_is_no_terminal() -> None:
    """Who collects lines from a pipe gets JSON without asking."""
    stream = StringIO()
    set_up_logging("auto", "info", stream)
    structlog.get_logger().info("hello")
    assert json.loads(stream.getvalue())["event"] == "hello"


def test_a_closed_stream_stops_nobody() -> None:
    """Who reads the log may go away; the caller goes on."""
    stream = StringIO()
    set_up_logging("json", "info", stream)
    log = structlog.get_logger()
    log.info("before")
    stream.close()
    log.info("after")
    assert stream.closed


def test_a_log_that_nobody_reads_holds_nobody_up() -> None:
    """A pipe that is full and never read: logging goes on at once, lines are dropped, and how many is said later."""
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as stream:
        set_up_logging("json", "info", stream, background=True)
        log = structlog.get_logger()
        for number in range(2 * WAITING_LINES_MAX):
            log.info("counts", count=number)
        os.set_blocking(read_end, True)
        heard = b""
        while b"dropped" not in heard:
            heard += os.read(read_end, 1 << 20)
        flusher = threading.Thread(target=flush_logging, args=(10.0,))
        flusher.start()
        while flusher.is_alive():
            if select.select([read_end], [], [], 0.01)[0]:
                heard += os.read(read_end, 1 << 20)
    os.close(read_end)
    set_up_logging("json", "info")
    assert re.search(rb'"log lines were dropped: nobody read them", "count": [0-9]+', heard)
