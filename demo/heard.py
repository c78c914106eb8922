"""What the network heard: the log that the simulator writes, read while it grows.

Owns the shape of its lines as far as the demo needs it. Must not know the issuer's side.
"""

from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from demo.growing import GrowingLines

APPROVED, VERIFIED, FROZEN = "00", "85", "62"
NOT_DECIDED = frozenset({"91", "96"})

Key = tuple[str, str, str, str, str]
"""What makes two messages the same request: MTI without its repeat digit, DE11, DE7, DE32, DE37."""

BAR_S = 0.5
"""One bar of the picture of a run."""


class Heard(Struct, frozen=True):
    """One exchange, as the network saw it. Not answered: `response_code` is ""."""

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
    sent_at: str
    """ISO 8601, UTC, milliseconds: as text they sort by time."""
    fields: dict[str, str]
    response_code: str = ""
    approval_code: str = ""
    latency_ms: float = 0.0

    @property
    def key(self) -> Key:
        return (self.mti[:3], self.stan, self.de7, self.de32.lstrip("0"), self.rrn)

    @property
    def answer(self) -> tuple[str, str]:
        return (self.response_code, self.approval_code)

    @property
    def decided(self) -> bool:
        """Whether the issuer's decision was heard: such an answer must be the same for ever."""
        return self.response_code not in NOT_DECIDED | {""}

    @property
    def new_authorisation(self) -> bool:
        return self.mti == "0100"

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.sent_at)

    @property
    def shop(self) -> tuple[str, str]:
        """Name and city: DE43 has 25 characters of the one, then 13 of the other."""
        return self.fields["43"][:25].strip(), self.fields["43"][25:38].strip()

    @property
    def merchant(self) -> str:
        """As it is shown."""
        return ", ".join(self.shop)


class NetworkLog:
    """`read` takes in what was written since the last time."""

    def __init__(self, path: Path) -> None:
        self._lines = GrowingLines(path)
        self._decoder = msgspec.json.Decoder(Heard)
        self.exchanges: list[Heard] = []
        self.codes: Counter[str] = Counter()
        self.per_card: Counter[int] = Counter()

    def read(self) -> None:
        for line in self._lines.new():
            exchange = self._decoder.decode(line)
            self.exchanges.append(exchange)
            if exchange.response_code:
                self.codes[exchange.response_code] += 1
            if exchange.new_authorisation:
                self.per_card[exchange.card_line] += 1

    @property
    def answered(self) -> int:
        return self.codes.total()

    def bars(self) -> list[int]:
        """Answers to what was sent in each half second since the first."""
        if not self.exchanges:
            return []
        first = self.exchanges[0].at
        counts = Counter(
            int((each.at - first).total_seconds() / BAR_S) for each in self.exchanges if each.response_code
        )
        return [counts[number] for number in range(max(counts, default=-1) + 1)]

    def busy_card(self, uses_wanted: int) -> Heard | None:
        """The last exchange of a card whose new authorisations are about as many as wanted, the last one approved."""
        last = {each.card_line: each for each in self.exchanges if each.new_authorisation}
        approved = [each for each in last.values() if each.response_code == APPROVED]
        return min(approved, key=lambda each: abs(self.per_card[each.card_line] - uses_wanted), default=None)
