"""What the Kafka library says reaches our log, and an hour without Kafka does not fill it."""

import logging
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

pytest.importorskip("aiokafka")

from authoriser.kafka import client
from authoriser.kafka.client import SAID_AGAIN_S, SAID_TEXTS_MAX, quieten_library


@pytest.fixture
def library() -> Iterator[logging.Logger]:
    """The library's logger, as it was before once the test is done."""
    logger = logging.getLogger("aiokafka")
    before = logger.propagate, logger.level, logger.handlers
    quieten_library()
    yield logger
    logger.propagate, logger.level, logger.handlers = before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its first is the time."""
    now = [1000.0]
    monkeypatch.setattr(client.time, "monotonic", lambda: now[0])
    return now


def test_a_line_that_repeats_is_said_now_and_then_with_its_number(
    library: logging.Logger, clock: list[float]
) -> None:
    """Two texts, each every 50 ms for 61 seconds: three lines of each."""
    with capture_logs() as lines:
        for tick in range(1220):
            clock[0] = 1000 + tick / 20
            library.warning("node %d is away", 1)
            library.error("no metadata")
    told = [(line["detail"], line["count"]) for line in lines]
    often = int(SAID_AGAIN_S * 20)
    assert told == [
        (text, count) for count in (1, often, often) for text in ("node 1 is away", "no metadata")
    ]


def test_what_is_no_warning_is_not_said(library: logging.Logger, clock: list[float]) -> None:
    with capture_logs() as lines:
        library.info("joined")
    assert lines == []


def test_texts_that_never_repeat_are_all_said_and_not_all_kept(
    library: logging.Logger, clock: list[float]
) -> None:
    with capture_logs() as lines:
        for number in range(3 * SAID_TEXTS_MAX):
            library.warning("request %d was lost", number)
    (handler,) = (each for each in library.handlers if isinstance(each, client._Through))
    assert len(lines) == 3 * SAID_TEXTS_MAX
    assert len(handler._said) <= SAID_TEXTS_MAX
