"""A card is good to the end of its month in the issuer's zone, and the message must name that same month.

`card_expires_ms` is the first instant at which the card is no longer good; it was computed in the issuer's
zone when the card was issued. DE14 (YYMM), where present, must equal the card's: a wrong expiry is what
someone who has the number alone would send.
"""

from rules.facts import Facts
from rules.reason import Reason


def expiry(facts: Facts) -> Reason | None:
    """CARD_EXPIRED from `card_expires_ms` on; EXPIRY_MISMATCH where DE14 names another month."""
    if facts.now_ms >= facts.card_expires_ms:
        return Reason.CARD_EXPIRED
    if facts.stated_expiry and facts.stated_expiry != facts.card_expiry:
        return Reason.EXPIRY_MISMATCH
    return None
