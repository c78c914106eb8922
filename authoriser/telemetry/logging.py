"""Logging: structlog as JSON lines or for a terminal, on standard error, with an allow-list of what may be shown.

Owns the list of keys whose values a log line may show. A value under any other key becomes "[hidden]" until someone
adds the key here, having thought about what can be in it. Knows nothing of the messages themselves.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import sys
import threading
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

from authoriser.telemetry.scrub import mask_digit_runs, mask_pans

HIDDEN: Final = "[hidden]"
VALUE_LENGTH_MAX: Final = 500
"""Longer values are cut: a log line is read by people, and a peer must not fill the disk with one frame."""
WAITING_LINES_MAX: Final = 10_000
"""Lines that wait for whoever reads the log, some 3 MB. Beyond them lines are dropped and counted."""
NESTING_MAX: Final = 4
"""Lists and mappings below this are hidden."""

ALLOWED_KEYS: Final = frozenset(
    {
        # of the line itself
        "event", "level", "timestamp", "exception",
        # where: the process, the link, the connection
        "version", "pid", "data_dir", "config", "listen", "socket", "link", "network", "peer", "connection",
        "connections", "connections_max", "dialect", "framing", "port", "signed_on", "uid",
        # what: a message, by names that carry no cardholder data
        "mti", "stan", "rrn", "acquirer", "mcc", "entry_mode", "processing_code", "country", "city", "merchant",
        "field", "expected", "offset", "length_bytes", "response_code", "reason", "kind", "detail", "approval_code",
        "repeated",
        # whose: ids of ours, and the last four digits
        "account", "account_id", "card_id", "hold_id", "exception_id", "last_four", "actor", "method", "key",
        # how much and how many
        "amount_minor", "currency", "count", "counts", "decisions", "counters", "records", "rows", "imported",
        "present", "accounts", "cards", "holds", "batches", "batch_records", "in_flight", "pending_records",
        "dirty_accounts", "huge_pages_mb",
        # when and how far
        "shard", "epoch", "seq", "durable_seq", "record", "record_no", "last_record", "checkpoint_record",
        "checkpoint_seq", "from_record", "state_hash", "elapsed_ms", "deadline_ms", "reply_deadline_ms", "clock_ms",
        "now_ms", "signal", "errno", "error", "problem", "problems", "hint",
    }
)  # fmt: skip
"""`error`, `detail` and `problem` are texts of ours (WireError and its kin are safe to print), and scrubbed besides."""

LogFormat = Literal["auto", "json", "console"]
EventDict = MutableMapping[str, Any]

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_TOO_LONG_FOR_A_PAN = re.compile(r"[0-9]{20,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def set_up_logging(
    log_format: LogFormat = "auto",
    level: str = "info",
    stream: TextIO | None = None,
    *,
    background: bool = False,
) -> None:
    """Configure structlog for the whole process. `auto` is console on a terminal, else JSON lines.

    `stream` is standard error if None. Calls below `level` cost an empty method each: nothing is formatted. With
    `background` a thread writes, so that a pipe that nobody reads holds up no payment; `flush_logging` waits for it.
    """
    out = stream if stream is not None else sys.stderr
    console = log_format == "console" or (log_format == "auto" and out.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            format_exception,
            mask,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_factory(stream, background=background),
        cache_logger_on_first_use=True,  # a filtered call through the proxy takes a third of the time
    )


def flush_logging(seconds: float = 1.0) -> None:
    """Wait, at most so long, until lines logged so far are written. For the end of a process."""
    if _background is not None:
        _background.flush(seconds)


def _factory(stream: TextIO | None, *, background: bool) -> Callable[..., _Lines]:
    global _background  # noqa: PLW0603 - one process has one log
    if not background:
        _background = None
        return lambda *_: _Lines(stream)
    lines = _background = _BackgroundLines(stream)
    return lambda *_: lines


class _Lines:
    """Writes lines to a stream (None: whatever standard error is by then); a stream that is gone stops nobody."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, message: str) -> None:
        out = self._stream if self._stream is not None else sys.stderr
        with contextlib.suppress(OSError, ValueError):  # a closed pipe or file: deciding goes on without logs
            out.write(message + "\n")
            out.flush()

    debug = info = warning = error = critical = msg


class _BackgroundLines(_Lines):
    """Hands lines to a thread. When it is stuck, lines are dropped, and how many is said once it goes on."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._queue: queue.Queue[str | threading.Event] = queue.Queue(WAITING_LINES_MAX)
        self._dropped = 0
        threading.Thread(target=self._write_for_ever, name="log", daemon=True).start()

    def msg(self, message: str) -> None:
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._dropped += 1

    debug = info = warning = error = critical = msg

    def flush(self, seconds: float) -> None:
        written = threading.Event()
        with contextlib.suppress(queue.Full):
            self._queue.put(written, timeout=seconds)
            written.wait(seconds)

    def _write_for_ever(self) -> None:
        while True:
            item = self._queue.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            dropped, self._dropped = self._dropped, 0
            if dropped:
                super().msg(f'{{"event": "log lines were dropped: nobody read them", "count": {dropped}}}')
            super().msg(item)


_background: _BackgroundLines | None = None


def mask(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """The allow-list: values under other keys are hidden, and text under allowed keys is searched for PANs."""
    return {
        _clean(mask_digit_runs(key)): _shown(value, NESTING_MAX, whole=key == "exception")
        if key in ALLOWED_KEYS
        else HIDDEN
        for key, value in event_dict.items()
    }


def format_exception(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """`exc_info` -> `exception`: the traceback without locals, its text scrubbed of every long run of digits."""
    given = event_dict.pop("exc_info", None)
    if not given:
        return event_dict
    if isinstance(given, BaseException):
        error: BaseException | None = given
    elif isinstance(given, tuple):
        error = given[1]
    else:
        error = sys.exc_info()[1]
    if error is not None:
        event_dict["exception"] = scrubbed_traceback(error)
    return event_dict


def scrubbed_traceback(error: BaseException) -> str:
    """A traceback without the values of locals, whose lines are scrubbed of runs of nine digits and more."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=False).format()
    return mask_digit_runs("".join(lines)).rstrip("\n")


def _shown(value: Any, nesting: int, *, whole: bool = False) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(10**12) < value < 10**12 else _number(value)
    if isinstance(value, str):
        return _text(value, whole=whole)
    if nesting and isinstance(value, dict):
        return {
            _clean(mask_digit_runs(str(key))): _shown_in_mapping(str(key), item, nesting - 1)
            for key, item in value.items()
        }
    if nesting and isinstance(value, list | tuple | set | frozenset):
        return [_shown(item, nesting - 1) for item in value]
    if isinstance(value, BaseException):
        return mask_digit_runs(_text(f"{type(value).__name__}: {value}"))
    if hasattr(value, "__fspath__"):
        return _text(str(value))
    return HIDDEN


def _shown_in_mapping(key: str, value: Any, nesting: int) -> Any:
    """Counts by name show; anything else in a mapping needs a key of the list, as on the line itself."""
    countable = isinstance(value, int | float) or value is None
    return _shown(value, nesting) if countable or key in ALLOWED_KEYS else HIDDEN


def _number(value: int) -> int | str:
    text = mask_pans(str(value))
    return value if text == str(value) and len(text) <= 19 else HIDDEN


def _text(value: str, *, whole: bool = False) -> str:
    text = _TOO_LONG_FOR_A_PAN.sub("[digits]", mask_pans(value))
    if whole:
        return "\n".join(map(_clean, text.split("\n")))
    return _clean(text) if len(text) <= VALUE_LENGTH_MAX else _clean(text[:VALUE_LENGTH_MAX]) + "..."


def _clean(text: str) -> str:
    """Control characters written out, so that a peer's text can't move a terminal's cursor or begin a line."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
