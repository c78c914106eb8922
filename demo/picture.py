"""The load while it runs: a bar for each half second, the counts, the latest payments.

Owns what the picture shows. Must not know where it is drawn, or how often.
"""

from collections.abc import Callable, Sequence

from rich.console import Group
from rich.text import Text

from demo.heard import APPROVED, FROZEN, VERIFIED, Heard, NetworkLog

BARS = "▁▂▃▄▅▆▇█"
BARS_MAX = 60
"""Half a minute."""
LATEST_SHOWN = 6
MERCHANT_COLUMNS = 26
LOOKED_BACK_MAX = 4000
"""Exchanges searched for those of one card: ten seconds of the demo's load."""

_OUTCOMES = {
    APPROVED: "approved",
    VERIFIED: "card is good",
    FROZEN: "62 frozen",
    "51": "51 no funds",
    "61": "61 over limit",
    "13": "13 currency",
}
_CURRENCIES = {"978": "EUR", "840": "USD"}
"""DE49 of the simulator's shops: euros, and dollars where a payment is foreign."""
_REVERSED, _RAISED, _NOTED = "reversed", "raised", "advice taken"
_FOLLOWUPS = {"increment": _RAISED, "advice": _NOTED}
"""By the kind of the exchange: what 00 means where it is no approval of a new payment."""


class Picture:
    """What the network heard so far. `tick` it often: it reads the log, and draws when that is due."""

    def __init__(
        self,
        log: NetworkLog,
        draw: Callable[["Picture"], None],
        *,
        every_s: float,
        now_s: Callable[[], float],
        only_card: int | None = None,
        remark: str = "",
        below: Callable[[], Sequence[Text]] = tuple,
    ) -> None:
        """`only_card`, a line of the import file, leaves the others' payments out. `below` is shown under all."""
        self._log = log
        self._draw = draw
        self._every_s = every_s
        self._only_card = only_card
        self._now_s = now_s
        self._drawn_s = now_s()
        self._below = below
        self.remark = remark

    def tick(self) -> None:
        self._log.read()
        now_s = self._now_s()
        if now_s - self._drawn_s >= self._every_s:
            self._drawn_s = now_s
            self._draw(self)

    def line(self) -> str:
        codes = self._log.codes
        declined = codes.total() - codes[APPROVED] - codes[VERIFIED]
        said = f"{codes.total():,} answers: {codes[APPROVED]:,} approved, {declined:,} declined"
        return said + (f"; {self.remark}" if self.remark else "")

    def screen(self) -> Group:
        log = self._log
        recent = log.exchanges[-LOOKED_BACK_MAX:]
        shown = [each for each in recent if each.response_code and self._wanted(each)]
        return Group(
            Text(bars(log.bars()[-BARS_MAX:]), style="green", no_wrap=True),
            Text(self.line(), style="bold", no_wrap=True, overflow="ellipsis"),
            *map(exchange_line, shown[-LATEST_SHOWN:]),
            *self._below(),
        )

    def _wanted(self, exchange: Heard) -> bool:
        """Of one card only what is new: the repeat of an old approval would look like an approval of now."""
        if self._only_card is None:
            return True
        return exchange.card_line == self._only_card and exchange.new_authorisation


def bars(counts: Sequence[int]) -> str:
    """One character a count, the highest full; a blank where there was nothing."""
    most = max(counts, default=0) or 1
    return "".join(BARS[round(count / most * (len(BARS) - 1))] if count else " " for count in counts)


def exchange_line(exchange: Heard) -> Text:
    """Time, card, amount, shop, outcome; 76 columns at most."""
    currency = _CURRENCIES.get(exchange.currency, exchange.currency)
    outcome = _OUTCOMES.get(exchange.response_code, f"{exchange.response_code} declined")
    if exchange.mti.startswith("04") and exchange.response_code == APPROVED:
        outcome = _REVERSED
    if exchange.response_code == APPROVED and exchange.kind in _FOLLOWUPS:
        outcome = _FOLLOWUPS[exchange.kind]
    repeat = "repeat: " if exchange.kind == "repeat" else ""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{exchange.sent_at[11:19]}  ****{exchange.last_four}", style="dim")
    text.append(
        f"{exchange.amount_minor / 100:>9,.2f} {currency}  {_cut(exchange.merchant):<{MERCHANT_COLUMNS}}  "
    )
    text.append(repeat + outcome, style=outcome_style(outcome))
    return text


def outcome_style(outcome: str) -> str:
    if "frozen" in outcome:
        return "bold red"
    if outcome in {"approved", "verified", "card is good", _RAISED, _NOTED}:
        return "green"
    return "yellow" if outcome == _REVERSED else ""


def _cut(text: str) -> str:
    return text if len(text) <= MERCHANT_COLUMNS else text[: MERCHANT_COLUMNS - 1] + "…"
