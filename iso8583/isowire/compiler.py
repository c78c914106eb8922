"""Python written for one exact layout: a decode and an encode that know every field, length and constant beforehand.

Owns the compilation of what `source_writer` writes. What is made here never decides that a message is bad: for whatever
it does not take it returns None, and `codec` asks the general path, whose verdict and wording stand. So a fault can
only be one of taking too much or of a wrong value, which is what `fuzz.differential` looks for.

Source is made of field numbers, lengths, the names in `source_writer`, and the dialect's pads and encodings; never of a
message: what a peer sent reaches it as two integers, the MTI and the bitmaps, or not at all.
"""

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, Protocol

from isowire.dialect import Dialect
from isowire.layout import Layout, bitmaps_of, layout_of
from isowire.source_writer import DecodeWriter, EncodeWriter, Writer


class Decode(Protocol):
    """The message in a payload that begins with the layout's MTI and bitmaps, or None: ask the general path."""

    def __call__(self, payload: bytes, /) -> Any: ...


class Encode(Protocol):
    """The payload for fields in the order that the layout was compiled for, or None: ask the general path."""

    def __call__(self, fields: dict[str, str], /) -> bytes | None: ...


def compile_decode(dialect: Dialect, mti: str, bitmaps: str, message_type: type) -> Decode:
    """A decoder for payloads that begin with `mti` and `bitmaps` (hexadecimal). Raises NotCompilable."""
    layout = layout_of(dialect, mti, bitmaps)
    writer = DecodeWriter(layout)
    writer.names |= {"MESSAGE": message_type, "NEW": object.__new__}
    made: Decode = _function("decode", dialect, layout, writer)
    return made


def compile_encode(dialect: Dialect, mti: str, numbers: Sequence[str]) -> Encode:
    """An encoder for messages of `mti` with exactly these fields in this order. Raises NotCompilable."""
    layout = layout_of(dialect, mti, bitmaps_of(map(int, numbers)))
    writer = EncodeWriter(layout, [str(int(number)) for number in numbers])
    made: Encode = _function("encode", dialect, layout, writer)
    return made


def source(dialect: Dialect, mti: str, bitmaps: str) -> str:
    """What is compiled for an MTI and its bitmaps (16 or 32 hexadecimal characters). Raises NotCompilable.

    Names in capitals stand for tables and functions that the function is given: ASCII class tables, lengths.
    """
    layout = layout_of(dialect, mti, bitmaps)
    numbers = [slot.form.number for slot in layout.slots]
    return DecodeWriter(layout).source() + "\n\n" + EncodeWriter(layout, numbers).source()


class _Loader:
    """Gives tracebacks the source of a function when they ask (see PEP 302), so that none is kept until then."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text

    def get_source(self, _name: str) -> str:
        return self._text()


def _function(name: str, dialect: Dialect, layout: Layout, writer: Writer) -> Any:
    text = writer.source()
    # No "<...>" around it: linecache would not ask the loader then.
    filename = f"isowire/{dialect.name}/{name}_{layout.mti}_{layout.bitmaps}.py"
    code: CodeType = compile(text, filename, "exec", dont_inherit=True)
    scope = {**writer.names, "__name__": f"isowire.{name}", "__loader__": _Loader(lambda: text)}
    exec(code, scope)  # noqa: S102 # source of `source_writer`: see the head of the file
    return scope[name]
