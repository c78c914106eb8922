"""BER-TLV, as chip cards and DE55 use it: EMV Book 3 annex B, which takes its rules from ISO/IEC 8825-1.

Owns tags, lengths and the names of common tags. Must not know fields or messages. Values are never shown: `repr` says
how many bytes there are, since DE55 repeats PAN (5A), track 2 (57) and cardholder name (5F20).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TAG_BYTES_MAX: Final = 4
"""EMV uses two; nothing known in payment uses more than three."""
LENGTH_BYTES_MAX: Final = 3
"""81 nn and 82 nn nn: 65,535 bytes, more than any field holds."""
ITEMS_MAX: Final = 500
"""More than two bytes each in the longest field of 999 bytes."""

_TAG_CONTINUES: Final = 0x1F
_MORE: Final = 0x80
_CONSTRUCTED: Final = 0x20


class BerTlvError(ValueError):
    """Bytes that are no BER-TLV. `found` and `expected` hold no value that came off the wire but tags and lengths."""

    def __init__(self, offset: int, found: str, expected: str) -> None:
        super().__init__(f"at byte {offset}: found {found}, expected {expected}")
        self.offset = offset
        self.found = found
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Item:
    """One tag with its value. `length_bytes` is how many bytes its length took, so that it goes out as it came in;
    0 asks for the fewest.
    """

    tag: str
    value: bytes
    length_bytes: int = 0

    @property
    def constructed(self) -> bool:
        """Whether the value is itself BER-TLV."""
        return bool(int(self.tag[:2], 16) & _CONSTRUCTED)

    def __repr__(self) -> str:
        return f"Item({self.tag}, {len(self.value)} bytes)"


def parse_ber_tlv(data: bytes) -> list[Item]:
    """The items of `data` in order; a constructed one is one item, its value not taken apart.

    Unknown tags and tags that come twice stand as they came. Bytes of 00 between items, which EMV allows as filling,
    are refused: with them a round trip would not be exact. Raises BerTlvError.
    """
    items: list[Item] = []
    at = 0
    while at < len(data):
        tag_end = _tag_end(data, at)
        length, start = _length(data, tag_end)
        if length > len(data) - start:
            raise BerTlvError(
                tag_end, f"a length of {length}", f"at most {len(data) - start}, which are left"
            )
        items.append(
            Item(data[at:tag_end].hex().upper(), data[start : start + length], length_bytes=start - tag_end)
        )
        if len(items) > ITEMS_MAX:
            raise BerTlvError(at, f"more than {ITEMS_MAX} items", "fewer")
        at = start + length
    return items


def format_ber_tlv(items: Iterable[Item]) -> bytes:
    """The bytes of `items`, in order. Raises BerTlvError for a tag that is none, or a value too long for its length."""
    return b"".join([_tag_of(item) + _length_of(item) + item.value for item in items])


def unknown_tags(items: Iterable[Item]) -> list[str]:
    """Tags without a name here, in order: kept by `parse_ber_tlv`, to be counted by whoever wants to."""
    return [item.tag for item in items if item.tag not in TAG_NAMES]


def tag_name(tag: str) -> str:
    """What EMV calls a tag; "" for one that is not on the list."""
    return TAG_NAMES.get(tag, "")


def _tag_end(data: bytes, at: int) -> int:
    if data[at] in (0x00, 0xFF):
        raise BerTlvError(at, f"{data[at]:02X}", "a tag, which begins with neither 00 nor FF")
    if data[at] & _TAG_CONTINUES != _TAG_CONTINUES:
        return at + 1
    for end in range(at + 1, min(at + TAG_BYTES_MAX, len(data))):
        if not data[end] & _MORE:
            return end + 1
    left = len(data) - at
    if left < TAG_BYTES_MAX:
        raise BerTlvError(at, f"a tag of more than {left} bytes", "the end of the tag")
    raise BerTlvError(at, f"a tag of more than {TAG_BYTES_MAX} bytes", f"at most {TAG_BYTES_MAX} bytes")


def _length(data: bytes, at: int) -> tuple[int, int]:
    """The length that stands at `at`, and where its value begins."""
    if at >= len(data):
        raise BerTlvError(at, "the end", "a length")
    first = data[at]
    if not first & _MORE:
        return first, at + 1
    if first == _MORE:
        raise BerTlvError(at, "80, an indefinite length", "a definite length")
    following = first & ~_MORE
    if following >= LENGTH_BYTES_MAX:
        raise BerTlvError(at, f"a length of {following} bytes", f"at most {LENGTH_BYTES_MAX - 1} bytes")
    start = at + 1 + following
    if start > len(data):
        raise BerTlvError(at, "the end", f"{following} bytes of length")
    return int.from_bytes(data[at + 1 : start], "big"), start


def _tag_of(item: Item) -> bytes:
    try:
        tag = bytes.fromhex(item.tag)
        whole = _tag_end(tag, 0) == len(tag)
    except (ValueError, IndexError):
        whole = False
    if not whole:
        raise BerTlvError(0, "a tag that is none", "whole tag bytes in hexadecimal")
    return tag


def _length_of(item: Item) -> bytes:
    length = len(item.value)
    fewest = 1 if length < _MORE else 2 if length < 1 << 8 else 3
    taken = item.length_bytes or fewest
    if not fewest <= taken <= LENGTH_BYTES_MAX or length >= 1 << 16:
        raise BerTlvError(0, f"a value of {length} bytes", f"what a length of {taken} bytes can say")
    if taken == 1:
        return bytes([length])
    return bytes([_MORE | (taken - 1)]) + length.to_bytes(taken - 1, "big")


TAG_NAMES: Final[dict[str, str]] = {
    "42": "Issuer Identification Number",
    "4F": "Application Identifier, card",
    "50": "Application Label",
    "57": "Track 2 Equivalent Data",
    "5A": "Application PAN",
    "5F20": "Cardholder Name",
    "5F24": "Application Expiration Date",
    "5F25": "Application Effective Date",
    "5F28": "Issuer Country Code",
    "5F2A": "Transaction Currency Code",
    "5F2D": "Language Preference",
    "5F30": "Service Code",
    "5F34": "Application PAN Sequence Number",
    "5F36": "Transaction Currency Exponent",
    "71": "Issuer Script Template 1",
    "72": "Issuer Script Template 2",
    "82": "Application Interchange Profile",
    "84": "Dedicated File Name",
    "86": "Issuer Script Command",
    "89": "Authorisation Code",
    "8A": "Authorisation Response Code",
    "8E": "Cardholder Verification Method List",
    "91": "Issuer Authentication Data",
    "95": "Terminal Verification Results",
    "99": "Transaction PIN Data",
    "9A": "Transaction Date",
    "9B": "Transaction Status Information",
    "9C": "Transaction Type",
    "9F01": "Acquirer Identifier",
    "9F02": "Amount, Authorised",
    "9F03": "Amount, Other",
    "9F06": "Application Identifier, terminal",
    "9F07": "Application Usage Control",
    "9F08": "Application Version Number, card",
    "9F09": "Application Version Number, terminal",
    "9F0D": "Issuer Action Code - Default",
    "9F0E": "Issuer Action Code - Denial",
    "9F0F": "Issuer Action Code - Online",
    "9F10": "Issuer Application Data",
    "9F12": "Application Preferred Name",
    "9F15": "Merchant Category Code",
    "9F16": "Merchant Identifier",
    "9F1A": "Terminal Country Code",
    "9F1C": "Terminal Identification",
    "9F1E": "Interface Device Serial Number",
    "9F1F": "Track 1 Discretionary Data",
    "9F20": "Track 2 Discretionary Data",
    "9F21": "Transaction Time",
    "9F24": "Payment Account Reference",
    "9F26": "Application Cryptogram",
    "9F27": "Cryptogram Information Data",
    "9F33": "Terminal Capabilities",
    "9F34": "Cardholder Verification Method Results",
    "9F35": "Terminal Type",
    "9F36": "Application Transaction Counter",
    "9F37": "Unpredictable Number",
    "9F39": "POS Entry Mode",
    "9F40": "Additional Terminal Capabilities",
    "9F41": "Transaction Sequence Counter",
    "9F45": "Data Authentication Code",
    "9F4C": "ICC Dynamic Number",
    "9F4E": "Merchant Name and Location",
    "9F53": "Transaction Category Code",
    "9F5B": "Issuer Script Results",
    "9F66": "Terminal Transaction Qualifiers",
    "9F6C": "Card Transaction Qualifiers",
    "9F6E": "Form Factor Indicator, or Third Party Data",
    "9F7C": "Customer Exclusive Data",
}
"""EMV Book 3 annex A, and the contactless tags that networks put into DE55."""
