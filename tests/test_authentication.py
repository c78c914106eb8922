"""The authentication port: what is there and not checked, and whose word goes."""

import pytest

from authoriser.authentication import FixedChecks, NotChecked, with_network
from isowire import Message
from rules import NO_CHECKS, Check, Checks, Entry, Transaction

SEEN = Check.NOT_CHECKED


def check(entry: Entry = Entry.CHIP, **fields: str) -> Checks:
    message = Message("0100", {number[1:]: value for number, value in fields.items()})
    return NotChecked().check(message, Transaction.PURCHASE, entry)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, NO_CHECKS),
        ({"f52": "0123456789ABCDEF"}, Checks(pin=SEEN)),
        ({"f64": "0123456789ABCDEF"}, Checks(mac=SEEN)),
        ({"f128": "0123456789ABCDEF"}, Checks(mac=SEEN)),
        ({"f55": "9F26081122334455667788"}, Checks(arqc=SEEN)),
        ({"f55": "820218009f26081122334455667788"}, Checks(arqc=SEEN)),
        ({"f55": "82021800"}, NO_CHECKS),
        ({"f55": "9F36029F2682021800"}, NO_CHECKS),
        ({"f55": "8202189F26"}, Checks(arqc=SEEN)),
    ],
)
def test_a_proof_that_is_there_is_not_checked(fields: dict[str, str], expected: Checks) -> None:
    """DE52, DE64 or 128, and DE55 with tag 9F26 in it, not only its digits; what can't be read was there."""
    assert check(**fields) == expected


@pytest.mark.parametrize("track", ["f35", "f45"])
@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry.MAGSTRIPE, SEEN),
        (Entry.FALLBACK, SEEN),
        (Entry.CHIP, Check.ABSENT),
        (Entry.MANUAL, Check.ABSENT),
    ],
)
def test_a_stripes_security_code_is_there_when_the_stripe_was_read(
    track: str, entry: Entry, expected: Check
) -> None:
    """The track of a chip holds another one, and the cryptogram is its proof."""
    assert check(entry, **{track: "x"}).cvv is expected


def test_the_networks_result_goes_over_the_authenticators() -> None:
    """Proof by proof; without one nothing is made anew."""
    checks = Checks(pin=Check.PASSED)
    found = with_network(
        checks, {"pin": "tries_exceeded", "cvv": "failed", "arqc": "passed", "mac": "not_checked"}
    )
    assert found == Checks(Check.TRIES_EXCEEDED, Check.FAILED, Check.PASSED, SEEN)
    assert with_network(checks, {"cvv": "failed"}) == Checks(Check.PASSED, Check.FAILED)
    assert with_network(checks, {}) is checks


@pytest.mark.parametrize("ours", [Check.PASSED, Check.FAILED, SEEN])
def test_what_the_network_did_not_check_is_ours_to_say(ours: Check) -> None:
    """It says that there was a proof, and no more."""
    assert with_network(Checks(pin=ours), {"pin": "not_checked"}) == Checks(pin=ours)


def test_the_double_finds_what_it_was_told() -> None:
    """And counts."""
    fake = FixedChecks(Checks(pin=Check.FAILED))
    assert fake.check(Message("0100", {}), Transaction.CASH, Entry.CHIP) == Checks(pin=Check.FAILED)
    assert fake.asked == 1
