"""The network's own record: one JSON line per exchange, and repeats made from it.

Owns the form of the file that `--log` appends to. What it holds is what a network heard, so it can be held against the
issuer's journal after a crash. No card number stands in it: a card is its line in the import file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

from simulator import messages
from simulator.cards import Card
from simulator.checks import NOT_DECIDED, Answer
from simulator.errors import SimulatorError
from simulator.messages import SAFE_FIELDS, STAN_MAX, Fields
from simulator.shop import Kind, Planned

_NAMED = frozenset({"t", "7", "11", "32", "37"})
"""What has a name of its own in a line. DE2 and DE14 come from the cards file when a request is made again."""

_encoder = msgspec.json.Encoder(order="deterministic")


class Heard(Struct, frozen=True, omit_defaults=True):
    """One exchange. Unanswered, `response_code` is "" and `lost` says why."""

    kind: str
    mti: str
    stan: str
    rrn: str
    de7: str
    de32: str
    last_four: str
    card_line: int
    """Of the import file; its header is line 1."""
    amount_minor: int
    currency: str
    """Numeric, as DE49."""
    sent_at: str
    """ISO 8601, UTC."""
    fields: dict[str, str]
    """The rest of what was sent that may be written down, to send it again."""
    response_code: str = ""
    approval_code: str = ""
    latency_ms: float = 0.0
    """From when it was due."""
    lost: str = ""


def heard(
    planned: Planned, sent_at: datetime, reply: Fields | None, *, latency_ms: float, lost: str
) -> Heard:
    """The record of one exchange. `sent_at` is aware, UTC."""
    request = planned.fields
    return Heard(
        kind=planned.kind.value,
        mti=request["t"],
        stan=request["11"],
        rrn=request["37"],
        de7=request["7"],
        de32=request["32"],
        last_four=planned.card.last_four,
        card_line=planned.card.line,
        amount_minor=int(request["4"]),
        currency=request["49"],
        sent_at=sent_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        fields={name: request[name] for name in SAFE_FIELDS - _NAMED if name in request},
        response_code=reply.get("39", "") if reply else "",
        approval_code=reply.get("38", "").strip() if reply else "",
        latency_ms=round(latency_ms, 3),
        lost=lost,
    )


class Record:
    """Appends exchanges to a file. Each line is with the kernel before `write` returns, so a kill loses none."""

    def __init__(self, path: Path) -> None:
        """Raises SimulatorError where the file cannot be written."""
        try:
            self._file = path.open("ab")
        except OSError as problem:
            raise SimulatorError(f"cannot write the log {path}: {problem.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, exchange: Heard) -> None:
        self._file.write(_encoder.encode(exchange) + b"\n")
        self._file.flush()


def read_record(path: Path) -> Iterator[Heard]:
    """The exchanges of a log, in order. A last line cut short by a crash is left out. Raises SimulatorError."""
    decoder = msgspec.json.Decoder(Heard)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield decoder.decode(line)
                except msgspec.MsgspecError as problem:
                    raise SimulatorError(
                        f"line {number} of {path.name} is not an exchange: {problem}"
                    ) from None
    except OSError as problem:
        raise SimulatorError(f"cannot read the log {path}: {problem.strerror}") from None


class Repeats:
    """Everything on record once more, as repeats (0101, 0401, 0421): each must get the answer it first got.

    A Source for a Session. What was never answered, or not decided, is repeated too and may get any answer.
    """

    def __init__(self, exchanges: Iterable[Heard], cards: Sequence[Card], *, first_stan: int = 1) -> None:
        """`first_stan` numbers network management. Raises SimulatorError where the cards are not those on record."""
        by_line = {card.line: card for card in cards}
        self._planned = [
            _repeat_of(exchange, by_line) for exchange in exchanges if exchange.kind != Kind.REPEAT.value
        ]
        self._next = 0
        self._stan = (first_stan - 1) % STAN_MAX

    def __len__(self) -> int:
        return len(self._planned)

    def next_stan(self) -> str:
        self._stan = self._stan % STAN_MAX + 1
        return f"{self._stan:06d}"

    def next(self, _at: datetime) -> Planned | None:
        """The next of them, in the order they were answered."""
        if self._next >= len(self._planned):
            return None
        self._next += 1
        return self._planned[self._next - 1]

    def learn(self, planned: Planned, answer: Answer) -> None:
        """Nothing is made of the answers."""


def _repeat_of(exchange: Heard, cards: Mapping[int, Card]) -> Planned:
    """The request that was sent, whole again, with the repeat digit set."""
    card = cards.get(exchange.card_line)
    if card is None or card.last_four != exchange.last_four:
        raise SimulatorError(
            f"the log names a card ending {exchange.last_four} in line {exchange.card_line}, "
            "and the cards file has another there: it is not the file that was used"
        )
    request = exchange.fields | {
        "t": exchange.mti,
        "2": card.pan,
        "7": exchange.de7,
        "11": exchange.stan,
        "14": card.expiry,
        "32": exchange.de32,
        "37": exchange.rrn,
    }
    answer = Answer(exchange.response_code, exchange.approval_code)
    undecided = answer.response_code in NOT_DECIDED | {""}
    return Planned(Kind.REPEAT, messages.repeat(request), card, None if undecided else answer)
