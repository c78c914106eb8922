"""What tests of the admin socket's methods share: a real issuer with one card, 500.00 EUR on its account."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from authoriser.admin.testing_issuer import Issuer, issuing

PAN = "4000000000001232"


@pytest.fixture
def pan() -> str:
    return PAN


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    """Account alice, card ending in 1232."""
    with issuing(tmp_path / "admin.sock") as issuer:
        open_alice(issuer)
        yield issuer


@pytest.fixture
def careful_issuer(tmp_path: Path) -> Iterator[Issuer]:
    """The same, where more than 100.00 wants a second person."""
    with issuing(tmp_path / "admin.sock", second_person_over_minor=10_000) as issuer:
        open_alice(issuer, parts=5)
        yield issuer


def open_alice(issuer: Issuer, parts: int = 1) -> None:
    issuer.ask("account.open", account="alice", currency="EUR", time_zone="Europe/Lisbon")
    for _ in range(parts):
        issuer.ask("account.credit", account="alice", amount_minor=50_000 // parts)
    issuer.ask("card.issue", account="alice", pan=PAN, expiry="4912")
