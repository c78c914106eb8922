"""What TCP carried, out of dumped packets: Ethernet, Linux cooked or none, then IP, then TCP.

Knows where those headers end, and no more: no reassembly beyond leaving out what was sent twice. Must not
know messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

_TCP: Final = 6
_IPV4_HEADER_BYTES_MIN: Final = 20
_IPV6_HEADER_BYTES: Final = 40
_TCP_HEADER_BYTES_MIN: Final = 20
_SYN: Final = 0x02
_ETHERTYPES: Final = (b"\x08\x00", b"\x86\xdd")
_LINK_HEADERS: Final = ((14, 12), (18, 16), (16, 14), (20, 0))
"""Bytes of the header, and where the EtherType stands in it: Ethernet, Ethernet with a VLAN, Linux cooked 1 and 2."""
_LOOPBACK_HEADER_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class _Segment:
    source: str
    destination: str
    sequence: int
    payload: bytes


def tcp_streams(packets: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """What each side sent, as ("from > to", bytes), in the order of their first bytes.

    Packets that are not TCP over IP are passed over.
    """
    streams: dict[str, bytearray] = {}
    sent: set[tuple[str, int, int]] = set()
    for packet in packets:
        segment = _segment(packet)
        if segment is None:
            continue
        name = f"{segment.source} > {segment.destination}"
        key = (name, segment.sequence, len(segment.payload))
        if segment.payload and key not in sent:
            sent.add(key)
            streams.setdefault(name, bytearray()).extend(segment.payload)
    return [(name, bytes(data)) for name, data in streams.items()]


def _segment(packet: bytes) -> _Segment | None:
    starts = [0]
    starts += [length for length, at in _LINK_HEADERS if packet[at : at + 2] in _ETHERTYPES]
    starts.append(_LOOPBACK_HEADER_BYTES)
    for start in starts:
        found = _ipv4(packet[start:]) or _ipv6(packet[start:])
        if found is not None:
            return found
    return None


def _ipv4(packet: bytes) -> _Segment | None:
    if len(packet) < _IPV4_HEADER_BYTES_MIN or packet[0] >> 4 != 4 or packet[9] != _TCP:
        return None
    header = (packet[0] & 0x0F) * 4
    total = int.from_bytes(packet[2:4], "big")
    # A capture may have been cut short, and a dump of Ethernet may have filling behind the packet; nothing else is IP.
    if header < _IPV4_HEADER_BYTES_MIN or total < header + _TCP_HEADER_BYTES_MIN or len(packet) > total + 64:
        return None
    return _tcp(packet[header:total], packet[12:16], packet[16:20])


def _ipv6(packet: bytes) -> _Segment | None:
    if len(packet) < _IPV6_HEADER_BYTES or packet[0] >> 4 != 6 or packet[6] != _TCP:
        return None
    length = int.from_bytes(packet[4:6], "big")
    return _tcp(packet[_IPV6_HEADER_BYTES : _IPV6_HEADER_BYTES + length], packet[8:24], packet[24:40])


def _tcp(segment: bytes, source: bytes, destination: bytes) -> _Segment | None:
    if len(segment) < _TCP_HEADER_BYTES_MIN:
        return None
    header = (segment[12] >> 4) * 4
    if not _TCP_HEADER_BYTES_MIN <= header <= len(segment):
        return None
    ports = int.from_bytes(segment[0:2], "big"), int.from_bytes(segment[2:4], "big")
    sequence = int.from_bytes(segment[4:8], "big") + bool(segment[13] & _SYN)
    return _Segment(
        source=f"{ip_address(source)}:{ports[0]}",
        destination=f"{ip_address(destination)}:{ports[1]}",
        sequence=sequence,
        payload=segment[header:],
    )
