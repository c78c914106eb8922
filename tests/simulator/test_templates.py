"""Patched bytes are the bytes that encoding anew would have made; sliced replies read as decoded ones."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import messages
from simulator.templates import Glance, ReplyReader, Template
from simulator.testing import MOMENT, purchase


@given(stan=st.integers(1, 999_999), seconds=st.integers(0, 40_000_000))
def test_a_filled_template_is_the_encoded_message(stan: int, seconds: int) -> None:
    """For any STAN and any moment."""
    at = MOMENT + timedelta(seconds=seconds)
    number = f"{stan:06d}"
    reference = messages.retrieval_reference(at, number)
    expected = messages.encode(purchase() | {"7": messages.transmission(at), "11": number, "37": reference})
    filled = Template.of(purchase()).fill(
        messages.transmission(at).encode(), number.encode(), reference[:6].encode()
    )
    assert expected == filled


@pytest.mark.parametrize("name", ["7", "11", "37"])
def test_a_template_needs_its_open_fields(name: str) -> None:
    """A request without one of them has no place to patch."""
    fields = purchase()
    del fields[name]
    with pytest.raises(ValueError, match=f"missing: \\['{name}'\\]"):
        Template.of(fields)


def test_a_reply_seen_before_is_sliced_right() -> None:
    """The second of a shape takes the short way and reads its own values."""
    reader = ReplyReader()
    read = []
    for stan, code in (("000007", "00"), ("000008", "51")):
        reply = purchase(stan=stan) | {"t": "0110", "39": code}
        read.append(reader.read(messages.encode(reply)))
    assert [
        Glance(b"0110", b"000007", b"606822000007", b"00"),
        Glance(b"0110", b"000008", b"606822000008", b"51"),
    ] == read


def test_replies_of_other_shapes_do_not_mix() -> None:
    """DE38 before DE39, a second bitmap, another PAN length: each shape has its own places."""
    reader = ReplyReader()
    replies = [
        purchase() | {"t": "0110", "39": "00", "38": "A1B2C3"},
        purchase() | {"t": "0110", "39": "51"},
        purchase() | {"t": "0110", "39": "51", "2": "400000000000000002"},
        purchase() | {"t": "0430", "39": "00", "90": "0" * 42},
        purchase() | {"t": "0430", "39": "00", "95": "0" * 42},
    ]
    read = [reader.read(messages.encode(reply)) for reply in replies * 2]
    assert [(reply["t"], reply["39"], reply.get("38", "")) for reply in replies * 2] == [
        (glance.mti.decode(), glance.response_code.decode(), glance.approval_code.decode()) for glance in read
    ]


def test_a_field_that_is_not_there_reads_as_nothing() -> None:
    """A decline without DE37 is seen as such."""
    reply = purchase() | {"t": "0110", "39": "30"}
    del reply["37"]
    assert Glance(b"0110", b"000007", b"", b"30") == ReplyReader().read(messages.encode(reply))
