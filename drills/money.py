"""Every account's money, worked out again from the facts, and held against what others say of it.

Pure. An account has a credit line, a balance, and holds; what may be spent is the first two less the third.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from drills.checks import APPROVED, ASKS
from drills.evidence import Exchange, Fault, Heard, Shown
from drills.facts import Fact


class Money(Struct):
    """Of one account, in minor units of its currency. `spent_minor` is what messages took, less what they gave back."""

    credit_line_minor: int = 0
    balance_minor: int = 0
    held_minor: int = 0
    spent_minor: int = 0

    @property
    def available_minor(self) -> int:
        return self.credit_line_minor + self.balance_minor - self.held_minor

    def take(self, fact: Fact) -> None:
        self.credit_line_minor += fact.credit_line_minor
        self.balance_minor += fact.balance_minor
        self.held_minor += fact.held_minor
        if fact.key is not None or fact.kind.startswith("hold."):
            self.spent_minor += fact.held_minor - fact.balance_minor


def overspent(facts: Iterable[Fact]) -> tuple[dict[str, Money], list[Fault]]:
    """All accounts' money at the end, and P4: at no approval was more taken than there was."""
    accounts: dict[str, Money] = {}
    faults = []
    for fact in facts:
        if not fact.account:
            continue
        money = accounts.setdefault(fact.account, Money())
        money.take(fact)
        if fact.approved and fact.held_minor > fact.balance_minor and money.available_minor < 0:
            text = f"record {fact.number}: an approval left {money.available_minor} on account {fact.account}"
            faults.append(Fault("P4", "overspent", text))
    return accounts, faults


def same_money(log: dict[str, Money], kafka: dict[str, Money]) -> list[Fault]:
    """P6: whoever adds up the events has what the log has."""
    faults = []
    for name in sorted(log.keys() | kafka.keys()):
        ours, theirs = log.get(name, Money()), kafka.get(name, Money())
        if ours != theirs:
            text = f"account {name}: the log comes to {_words(ours)}, and Kafka to {_words(theirs)}"
            faults.append(Fault("P6", "other_money", text))
    return faults


def shown_money(log: dict[str, Money], shown: Iterable[Shown]) -> list[Fault]:
    """P10: what the authoriser shows is what the log comes to."""
    faults = []
    for account in shown:
        money = log.get(account.account, Money())
        if (account.balance_minor, account.held_minor) != (money.balance_minor, money.held_minor):
            text = (
                f"account {account.account}: the authoriser shows a balance of {account.balance_minor} and holds of "
                f"{account.held_minor}; the log comes to {_words(money)}"
            )
            faults.append(Fault("P10", "other_money", text))
    return faults


def heard_money(exchanges: Sequence[Exchange], log: dict[str, Money]) -> list[Fault]:
    """P1 and P4: what clients were approved, less what they reversed, is what was taken from each account.

    What no client heard of may have been decided or not: it gives a range. Of purchases (0100, 0200), approving advices
    and full reversals alone, which is what a drill sends; no other client may have used the accounts.
    """
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    by_stan = {exchange.stan: exchange for exchange in exchanges}
    for exchange in exchanges:
        heard = exchange.heard[-1] if exchange.heard else None
        if exchange.mti in ASKS or exchange.mti in {"0120", "0220"}:
            sure, may_be = _taken(heard), heard is None or _taken(heard)
            _add(least, exchange, exchange.amount_minor if sure else 0)
            _add(most, exchange, exchange.amount_minor if may_be else 0)
        elif exchange.reverses in by_stan:
            original = by_stan[exchange.reverses]
            first = original.heard[-1] if original.heard else None
            if first is not None and not _taken(first):
                continue
            _add(least, original, -original.amount_minor if first is not None else 0)
            if _taken(heard):
                _add(most, original, -original.amount_minor)
    return [
        Fault(
            "P1",
            "other_money",
            f"account {name}: clients were approved {least[name]} to {most[name]}, and the log took "
            f"{log.get(name, Money()).spent_minor}",
        )
        for name in sorted(least)
        if not least[name] <= log.get(name, Money()).spent_minor <= most[name]
    ]


def _taken(heard: Heard | None) -> bool:
    return heard is not None and heard.code in APPROVED


def _add(sums: dict[str, int], exchange: Exchange, minor: int) -> None:
    sums[exchange.account] = sums.get(exchange.account, 0) + minor


def _words(money: Money) -> str:
    return f"a balance of {money.balance_minor} and holds of {money.held_minor}"
