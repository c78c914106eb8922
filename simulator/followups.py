"""Messages beyond the plain 0100 and its reversal: what a payment's life is made of after, instead of, or beside it.

0200, 0120, 0220, increments, refunds, inquiries, cash back, and the fields that they need: DE28, DE54, and DE63 as the
dialects of 1987 keep network data in it. Must not know who sends them when.
"""

from collections.abc import Mapping
from datetime import datetime

from simulator.messages import Fields, Payment, authorisation, original_data_elements, transmission

REFUND, BALANCE_INQUIRY, CASH_BACK, CASH = "200000", "310000", "090000", "010000"
"""DE3, default accounts."""

STAND_IN_APPROVED = "00"


def network_data(
    *,
    network_id: str = "",
    lifetime_hours: int = 0,
    increment: bool = False,
    partial: bool = False,
    capture: tuple[int, int] | None = None,
    pin: str = "",
    cvv: str = "",
    arqc: str = "",
    mac: str = "",
) -> str:
    """DE63: tags of two digits, lengths of two digits. What is not said has no tag.

    `capture` is which one of how many; results of what the network checked are P, F, X (of the PIN: tried too often)
    or N.
    """
    values = {
        "01": network_id,
        "02": str(lifetime_hours) if lifetime_hours else "",
        "03": "I" if increment else "",
        "04": "1" if partial else "",
        "05": f"{capture[0]:02d}{capture[1]:02d}" if capture else "",
        "06": pin,
        "07": cvv,
        "08": arqc,
        "09": mac,
    }
    return "".join(f"{tag}{len(value):02d}{value}" for tag, value in values.items() if value)


def cash_part(amount_minor: int, currency_number: str) -> str:
    """DE54 of a purchase with cash back: type 40, a debit."""
    return f"0040{currency_number}D{amount_minor:012d}"


def fee(fee_minor: int) -> str:
    """DE28: D comes on top, C (below zero) is taken off."""
    return f"{'C' if fee_minor < 0 else 'D'}{abs(fee_minor):08d}"


def single_message(request: Mapping[str, str]) -> Fields:
    """A 0100 as a 0200: posted at once."""
    return {**request, "t": "0200"}


def refund(payment: Payment, *, stan: str, at: datetime) -> Fields:
    """A 0100 that asks to give money back."""
    return authorisation(payment, stan=stan, at=at) | {"3": REFUND}


def balance_inquiry(payment: Payment, *, stan: str, at: datetime) -> Fields:
    """A 0100 that asks what is on the account. The payment's amount is not sent."""
    return authorisation(payment, stan=stan, at=at) | {"3": BALANCE_INQUIRY, "4": f"{0:012d}"}


def cash_back(payment: Payment, *, cash_minor: int, stan: str, at: datetime) -> Fields:
    """A purchase of which `cash_minor` is handed out in notes."""
    request = authorisation(payment, stan=stan, at=at)
    return request | {"3": CASH_BACK, "54": cash_part(cash_minor, payment.currency_number)}


def increment(
    original: Mapping[str, str], *, amount_minor: int, stan: str, at: datetime, network_id: str = ""
) -> Fields:
    """A 0100 that adds to an authorisation: DE4 is what comes on top, DE37 and DE90 name the first one."""
    return {
        **original,
        "4": f"{amount_minor:012d}",
        "7": transmission(at),
        "11": stan,
        "63": network_data(network_id=network_id, increment=True),
        "90": original_data_elements(original),
    }


def advice(request: Mapping[str, str], *, code: str = STAND_IN_APPROVED, approval_code: str = "") -> Fields:
    """A 0120: a stand-in answered this 0100 with `code`. Everything that names the request stays as it was."""
    told: Fields = {**request, "t": "0120", "39": code}
    return told | {"38": approval_code} if approval_code else told


def completion(
    original: Mapping[str, str],
    *,
    amount_minor: int,
    stan: str,
    at: datetime,
    approval_code: str = "",
    network_id: str = "",
    capture: tuple[int, int] | None = None,
) -> Fields:
    """A 0220: the shop takes `amount_minor` of what was approved. Without `approval_code` and `network_id`, a posting
    that may match nothing.
    """
    fields: Fields = {
        **original,
        "t": "0220",
        "4": f"{amount_minor:012d}",
        "7": transmission(at),
        "11": stan,
    }
    fields.pop("63", None)
    data = network_data(network_id=network_id, capture=capture)
    if approval_code:
        fields["38"] = approval_code
    if data:
        fields["63"] = data
    return fields
