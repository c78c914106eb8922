"""One message of the events' topic, decoded by its published shape.

Fields that the shape does not have yet are ignored, and types that are not known yet are left undecoded: producers may
be newer than their readers.
"""

from typing import Any

import msgspec
from msgspec import Struct

from authoriser.published.parts import Envelope
from authoriser.published.shapes import SHAPES


class _Head(Struct, frozen=True):
    id: str
    record: int
    shard: int
    type: str


class Message(Struct, frozen=True):
    """A message as it came."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Unreadable(Exception):  # noqa: N818 - what the message is
    """A value that is no event of ours, or not of its type's shape. The text holds nothing of it."""


class Incoming(Struct, frozen=True):
    """`event` is of the type's shape, None where this program does not know the type."""

    id: str
    record: int
    shard: int
    type: str
    event: Envelope | None
    message: Message


_DECODERS: dict[str, Any] = {kind: msgspec.json.Decoder(shape) for kind, shape in SHAPES.items()}
_HEAD = msgspec.json.Decoder(_Head)


def decoded(message: Message) -> Incoming:
    """Raises Unreadable."""
    if message.value is None:
        raise Unreadable("a message without a value")
    try:
        head = _HEAD.decode(message.value)
        decoder = _DECODERS.get(head.type)
        event = decoder.decode(message.value) if decoder is not None else None
    except msgspec.MsgspecError as error:
        raise Unreadable(f"{type(error).__name__}: not an event of its type's shape") from None
    return Incoming(head.id, head.record, head.shard, head.type, event, message)
