"""Which dialects a link may have."""

import pytest

from authoriser.config import Address, LinkConfig
from authoriser.server import make_link
from isowire import DialectError


def config(dialect: str) -> LinkConfig:
    return LinkConfig("north", "visa", Address("127.0.0.1", 0), dialect, "bin2", 2000, 4096, 8)


@pytest.mark.parametrize("dialect", ["iso87-ascii", "iso87-binary", "iso87-ebcdic"])
def test_those_of_1987_are_served(dialect: str) -> None:
    """However they write their fields."""
    assert make_link(config(dialect)).dialect.name == dialect


@pytest.mark.parametrize("dialect", ["iso93-ascii", "iso93-binary"])
def test_those_of_1993_are_refused_by_name(dialect: str) -> None:
    """Their message types would all be dropped as unknown: better said at the start."""
    with pytest.raises(DialectError) as caught:
        make_link(config(dialect))
    assert str(caught.value) == (
        f'links "north": dialect {dialect} has the message types of ISO 8583:1993, '
        "and the authoriser serves those of ISO 8583:1987 only"
    )
