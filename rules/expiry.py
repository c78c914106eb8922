"""A card is good to the end of its month in the issuer's zone, and the message must name that same month.

`card_expires_ms` is the first instant at which the card is no longer good; it was computed in the issuer's
zone when the card was issued. DE14 (YYMM), where present, must equal the card's (`expiry_matches`): a wrong expiry is
what someone who has the number alone would send.
"""

from rules.facts import Facts
from rules.programme import Programme
from rules.reason import Reason, Transaction
from rules.rule import USES_OF_A_CARD, Judge, Rule


def expiry(facts: Facts) -> Reason | None:
    """CARD_EXPIRED from `card_expires_ms` on; EXPIRY_MISMATCH where DE14 names another month."""
    if facts.now_ms >= facts.card_expires_ms:
        return Reason.CARD_EXPIRED
    if not facts.expiry_matches:
        return Reason.EXPIRY_MISMATCH
    return None


def _make(programme: Programme, own: bool) -> Judge:  # noqa: ARG001, FBT001
    return expiry


def _saw(programme: Programme, facts: Facts) -> str:  # noqa: ARG001
    good = "has expired" if facts.now_ms >= facts.card_expires_ms else "has not expired"
    stated = "is not another" if facts.expiry_matches else "is another"
    return f"the card {good}; the message's expiry {stated}"


EXPIRY = Rule("expiry", _make, _saw, USES_OF_A_CARD | {Transaction.UNSUPPORTED})
