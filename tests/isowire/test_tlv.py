"""BER-TLV: tags and lengths of every size, round trips, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isowire import BerTlvError, Item, format_ber_tlv, parse_ber_tlv, tag_name, unknown_tags

CHIP = "9F2608A1B2C3D4E5F607089F2701809F3602001A5A0840000000000012325F340101DF8101010082021980"

tags = st.sampled_from(["82", "9F26", "5F2A", "DF8101", "DFFFFF7F", "C1", "01", "E0"])
items = st.builds(Item, tags, st.binary(max_size=300))


def test_chip_data_in_order_with_its_names() -> None:
    """Tags of one, two and three bytes; unknown ones kept and listed."""
    found = parse_ber_tlv(bytes.fromhex(CHIP))
    assert [(item.tag, item.value.hex().upper(), tag_name(item.tag)) for item in found] == [
        ("9F26", "A1B2C3D4E5F60708", "Application Cryptogram"),
        ("9F27", "80", "Cryptogram Information Data"),
        ("9F36", "001A", "Application Transaction Counter"),
        ("5A", "4000000000001232", "Application PAN"),
        ("5F34", "01", "Application PAN Sequence Number"),
        ("DF8101", "00", ""),
        ("82", "1980", "Application Interchange Profile"),
    ]
    assert unknown_tags(found) == ["DF8101"]
    assert format_ber_tlv(found).hex().upper() == CHIP


def test_values_do_not_show() -> None:
    """DE55 repeats PAN and track 2."""
    assert "4000" not in repr(parse_ber_tlv(bytes.fromhex(CHIP)))
    assert repr(Item("5A", bytes(8))) == "Item(5A, 8 bytes)"


@pytest.mark.parametrize(
    ("length", "head"),
    [(0, "00"), (127, "7F"), (128, "8180"), (255, "81FF"), (256, "820100"), (65535, "82FFFF")],
)
def test_lengths_of_one_to_three_bytes(length: int, head: str) -> None:
    """The fewest bytes that say it."""
    data = format_ber_tlv([Item("C1", bytes(length))])
    assert data[1 : 1 + len(head) // 2].hex().upper() == head
    assert [item.value for item in parse_ber_tlv(data)] == [bytes(length)]


def test_a_length_longer_than_need_be_goes_out_as_it_came() -> None:
    """81 05 for five bytes is BER, if not what is usual."""
    data = bytes.fromhex("C1810100C282000101")
    assert format_ber_tlv(parse_ber_tlv(data)) == data


def test_an_item_inside_another_is_its_value() -> None:
    """A template stays whole and says that it is one."""
    (script,) = parse_ber_tlv(bytes.fromhex("71079F180400000001"[:18]))
    assert (script.tag, script.constructed, parse_ber_tlv(script.value)[0].tag) == ("71", True, "9F18")
    assert not Item("9F26", b"").constructed


@given(st.lists(items, max_size=20))
def test_what_is_written_reads_the_same(sent: list[Item]) -> None:
    """Order, repeats and unknown tags too."""
    read = parse_ber_tlv(format_ber_tlv(sent))
    assert [(item.tag, item.value) for item in read] == [(item.tag, item.value) for item in sent]


@given(st.binary(max_size=400))
def test_any_bytes_give_items_or_a_refusal(data: bytes) -> None:
    """Never anything else; what is taken goes out byte for byte."""
    try:
        found = parse_ber_tlv(data)
    except BerTlvError:
        return
    assert format_ber_tlv(found) == data


@pytest.mark.parametrize(
    ("data", "offset", "found", "expected"),
    [
        ("C1", 1, "the end", "a length"),
        ("C102FF", 1, "a length of 2", "at most 1, which are left"),
        ("C180FF0000", 1, "80, an indefinite length", "a definite length"),
        ("C183000001FF", 1, "a length of 3 bytes", "at most 2 bytes"),
        ("C1FF", 1, "a length of 127 bytes", "at most 2 bytes"),
        ("C18201", 1, "the end", "2 bytes of length"),
        ("9F", 0, "a tag of more than 1 bytes", "the end of the tag"),
        ("9F8182", 0, "a tag of more than 3 bytes", "the end of the tag"),
        ("9F8182838401FF", 0, "a tag of more than 4 bytes", "at most 4 bytes"),
        ("8202000000", 4, "00", "a tag, which begins with neither 00 nor FF"),
        ("FF01", 0, "FF", "a tag, which begins with neither 00 nor FF"),
        ("C100" * 501, 1000, "more than 500 items", "fewer"),
    ],
)
def test_what_is_no_ber_tlv_is_refused_where_it_stands(
    data: str, offset: int, found: str, expected: str
) -> None:
    """Cut off anywhere, indefinite, too long, or filled with zeros."""
    with pytest.raises(BerTlvError) as caught:
        parse_ber_tlv(bytes.fromhex(data))
    assert (caught.value.offset, caught.value.found, caught.value.expected) == (offset, found, expected)


@pytest.mark.parametrize(
    "item",
    [
        Item("", b""),
        Item("9F", b""),
        Item("C1C2", b""),
        Item("x", b""),
        Item("C1", bytes(65536)),
        Item("C1", bytes(200), 1),
        Item("C1", b"", 4),
    ],
)
def test_what_can_not_be_written_is_refused(item: Item) -> None:
    """A tag that is none, a value longer than its length can say."""
    with pytest.raises(BerTlvError):
        format_ber_tlv([item])
