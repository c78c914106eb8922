"""Message type indicators of ISO 8583:1987 and 1993: which exist, what answers what, and the repeat digit.

Knows nothing of fields, dialects or what a message means to a card.
"""

_REPEATABLE = ("0100", "0120", "0200", "0220", "0300", "0320", "0400", "0420", "0500", "0520", "0600", "0620")
_ISSUER_SIDE = ("0402", "0422", "0502", "0522")
# The standard gives the network management advice (0820) neither a repeat nor a response.
_NETWORK_MANAGEMENT = frozenset({"0800", "0801", "0810", "0820"})


def _family(request: str) -> set[str]:
    """A request or advice, its repeat, and its response."""
    return {request, f"{int(request) + 1:04}", f"{int(request) + 10:04}"}


KNOWN = _NETWORK_MANAGEMENT.union(*(_family(mti) for mti in _REPEATABLE + _ISSUER_SIDE))
"""Every MTI of ISO 8583:1987."""

_1993_REPEATABLE = (
    *("1100", "1120", "1200", "1220", "1304", "1324", "1420", "1422", "1500", "1502", "1520", "1522"),
    *("1604", "1624", "1720", "1722", "1804", "1824"),
)
# Told, not answered. A reversal (14x0) and a chargeback (14x2) are never asked for in 1993: there is no 1400.
_1993_NOTIFICATIONS = frozenset(
    {"1140", "1240", "1344", "1440", "1442", "1540", "1542", "1644", "1740", "1742", "1844"}
)

KNOWN_1993 = _1993_NOTIFICATIONS.union(*(_family(mti) for mti in _1993_REPEATABLE))
"""Every MTI of ISO 8583:1993. Its last digit is who began it: acquirer 0, issuer 2, either 4; odd, its repeat."""

KNOWN_BY_VERSION = {1987: KNOWN, 1993: KNOWN_1993}


def is_known(mti: str, version: int = 1987) -> bool:
    """Whether this edition of the standard (1987 or 1993) has this message type."""
    return mti in KNOWN_BY_VERSION[version]


def is_response(mti: str) -> bool:
    """Whether the third digit says response (0110, 0130, 0210, ...). False for what is no MTI at all."""
    return len(mti) == 4 and mti[2] in "13579" and mti.isascii() and mti.isdigit()


def clear_repeat(mti: str) -> str:
    """The MTI that `mti` repeats: 0101 -> 0100, 0421 -> 0420, 0403 -> 0402; others come back as they are.

    Raises ValueError where `mti` is not four digits.
    """
    _require_digits(mti)
    return mti[:3] + _CLEARED[mti[3]]


def response_mti(mti: str) -> str:
    """The MTI that answers `mti`, repeat or not: 0101 -> 0110, 0421 -> 0430, 0800 -> 0810.

    It is arithmetic on the digits: whether a message is to be answered at all is the dialect's to say.
    Raises ValueError for a response, which nothing answers, and where `mti` is not four digits.
    """
    _require_digits(mti)
    if mti[2] in "13579":
        raise ValueError(f"{mti} is a response: nothing answers it")
    return mti[:2] + chr(ord(mti[2]) + 1) + _CLEARED[mti[3]]


_CLEARED = {str(digit): str(digit - digit % 2) for digit in range(10)}


def _require_digits(mti: str) -> None:
    if not (len(mti) == 4 and mti.isascii() and mti.isdigit()):
        raise ValueError("an MTI is four digits")
