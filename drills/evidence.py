"""What a drill leaves to be judged: messages with the answers that were heard, balances as shown, faults as found.

Owns the shapes and the two files. No card number stands in either: a message is known by its STAN and its date.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Struct


class EvidenceError(Exception):
    """There is nothing to judge by; the text says what is wrong, and where."""


class Key(NamedTuple):
    """By what a message is known again: MTI, DE7, DE11, DE32 (no leading zeros) and DE37. A repeat has its first's."""

    mti: str
    transmission: str
    stan: str
    acquirer: str
    rrn: str

    def __str__(self) -> str:
        return f"{self.mti} with STAN {self.stan} of {self.transmission}"


class Heard(Struct, frozen=True, forbid_unknown_fields=True):
    """One answer: DE39, and DE38 where there was one."""

    code: str
    approval_code: str = ""


class Exchange(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One message of a client, and every answer that came to it and to its repeats, in their order.

    `mti` is the first's: a 0101 belongs to its 0100. `acquirer` is DE32 without leading zeros. `amount_minor` is in the
    account's currency. `reverses` is, of a full reversal, the STAN of its original in the same file.
    """

    mti: str
    transmission: str
    stan: str
    account: str
    amount_minor: int
    acquirer: str = ""
    rrn: str = ""
    reverses: str = ""
    heard: tuple[Heard, ...] = ()

    @property
    def key(self) -> Key:
        return Key(self.mti, self.transmission, self.stan, self.acquirer, self.rrn)


class Shown(Struct, frozen=True, forbid_unknown_fields=True):
    """What the authoriser showed of an account once all was quiet, in minor units."""

    account: str
    balance_minor: int
    held_minor: int


class Fault(Struct, frozen=True):
    """A promise that was not kept. `promise` is its number, P1 to P10; `kind` is for programs, `text` for people."""

    promise: str
    kind: str
    text: str


_Line = TypeVar("_Line", Exchange, Shown)


def read_exchanges(path: Path) -> list[Exchange]:
    """A JSON object a line. Raises EvidenceError, also where two lines are of one message."""
    exchanges = list(_lines(path, Exchange))
    seen: dict[Key, int] = {}
    for number, exchange in enumerate(exchanges, 1):
        first = seen.setdefault(exchange.key, number)
        if first != number:
            raise EvidenceError(
                f"{path}: lines {first} and {number} are both {exchange.key}; one is expected"
            )
    return exchanges


def read_shown(path: Path) -> list[Shown]:
    """A JSON object a line. Raises EvidenceError."""
    return list(_lines(path, Shown))


def write_lines(path: Path, lines: Iterable[Exchange] | Iterable[Shown]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _lines(path: Path, kind: type[_Line]) -> Iterator[_Line]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"{path} can't be read: {error.strerror}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=kind)
            except msgspec.MsgspecError as error:
                raise EvidenceError(f"{path}, line {number}: {error}") from None
