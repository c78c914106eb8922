"""Contactless without a PIN goes on only so long: then chip and PIN once, and the counters begin again.

After Commission Delegated Regulation (EU) 2018/389, article 11: up to five payments, or 150 euro, since the last strong
authentication, of which an issuer needs to watch one. Here both may be set, and the sum is held against the limit with
this payment in it. Article 12 leaves out fares and parking at terminals without a PIN pad: those MCCs are exempt, and
they are not counted either.
"""

from rules.facts import Facts
from rules.programme import SPENDING, Programme
from rules.reason import Check, Entry, Reason, Transaction
from rules.rule import Judge, Rule
from rules.words import PROOF, bound


def _make(programme: Programme, own: bool) -> Judge | None:  # noqa: ARG001, FBT001
    """PIN_REQUIRED for one more than `count`, or for what takes the sum above `amount_minor`."""
    tapping = programme.tapping
    if tapping.count is None and tapping.amount_minor is None:
        return None
    count = tapping.count if tapping.count is not None else 1 << 62
    amount_minor = tapping.amount_minor if tapping.amount_minor is not None else 1 << 62
    exempt = tapping.exempt

    def tapped(facts: Facts) -> Reason | None:
        if facts.contactless_count < count and facts.contactless_minor + facts.amount_minor <= amount_minor:
            return None
        if facts.checks.pin is Check.PASSED or facts.mcc in exempt:
            return None
        return Reason.PIN_REQUIRED

    return tapped


def _saw(programme: Programme, facts: Facts) -> str:
    tapping = programme.tapping
    exempt = f", MCC {facts.mcc} is exempt" if facts.mcc in tapping.exempt else ""
    return (
        f"tapped {facts.contactless_count} times and {facts.contactless_minor} since the last PIN, now "
        f"{facts.amount_minor} with PIN {PROOF[facts.checks.pin]}, of "
        f"{bound(tapping.amount_minor, tapping.count)}{exempt}"
    )


_AT_A_READER = frozenset({Entry.CHIP, Entry.CONTACTLESS})


def effect(programme: Programme, transaction: Transaction, entry: Entry, mcc: str, *, pin: bool) -> int:
    """What an approval does to the counters: 1 one more tap, 2 they begin again, 0 nothing.

    `pin`: one was checked and right. Counted even where nothing limits it, so that a limit set later knows what came
    before.
    """
    if transaction not in SPENDING:
        return 0
    if pin and entry in _AT_A_READER:
        return 2
    return int(entry is Entry.CONTACTLESS and mcc not in programme.tapping.exempt)


TAPPING = Rule("tapping", _make, _saw, SPENDING, frozenset({Entry.CONTACTLESS}))
