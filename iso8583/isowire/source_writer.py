"""The source of a compiled layout, line by line: how a decode and an encode are written.

Owns every line that `compiler` compiles. Names in capitals stand for what the function is given in `names`: tables of
lengths and classes, and functions. What it may be made of, and why, is said at the head of `compiler`.

Why it looks as it does, measured on a 17-field 0100 (21 us in pyiso8583). Slices of one decoded text, at places
counted from the last variable field, make a decode of 1.8 us with its checks. A regular expression for all of it takes
as long and can't follow a length; places fixed for lengths seen before take 1.6, not worth a second function a layout.
Classes are checked over runs of neighbours by methods of bytes: `bytes.isdigit` takes 93 ns for 60 characters and
`str.isdigit` 414; `str.isprintable` takes 265 for 63, and a table under 160.
"""

from binascii import a2b_hex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import wrap
from typing import Any, Final

from isowire.checks import CHECKS
from isowire.dialect import Kind
from isowire.layout import (
    ASCII,
    BCD,
    BINARY,
    Layout,
    Place,
    Slot,
    from_ascii,
    lengths,
    prefixes,
    to_ascii,
)

_RUN_KINDS: Final = frozenset({"n", "a", "an", "ans", "z", "b"})
"""Classes that say the same of every character, so that neighbours can be checked in one go."""
_DIGITS_ARE_IN: Final = frozenset({"n", "an", "ans", "z", "b"})
"""Of these, those that a length may be checked among."""
_LINE_CHARACTERS: Final = 80
_SIGNS: Final = b"CD"


@lru_cache(maxsize=16)
def _table(kind: Kind) -> bytes:
    """For `bytes.translate`: 0 for the characters of a class, 255 for others. `isascii` tells them apart fastest."""
    check = CHECKS[kind]
    return bytes([0 if check(chr(byte)) else 0xFF for byte in range(256)])


_BCD_TABLE: Final = bytes([0 if high < 10 and low < 10 else 0xFF for high in range(16) for low in range(16)])


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring bytes of one class. `empty` where it may be: some checks take no empty text."""

    view: str
    kind: Kind
    start: Place
    end: Place
    empty: bool


class Writer:
    """What both directions share: the places of fields, and the checks on the bytes of the payload."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.names: dict[str, Any] = {}
        self.lines: list[str] = []
        self.encodings = sorted({slot.form.encoding for slot in layout.slots if not slot.form.binary})

    def source(self) -> str:
        """The function, whole. Each direction writes its own."""
        raise NotImplementedError

    def line(self, text: str, depth: int = 1) -> None:
        self.lines.append("    " * depth + text)

    def refuse_unless(self, conditions: Sequence[str]) -> None:
        """Lines that give the payload to the general path where one of the conditions doesn't hold."""
        if not conditions:
            return
        self.line("if not (")
        for place, condition in enumerate(conditions):
            self.line(("and " if place else "") + condition, depth=2)
        self.line("):")
        self.line("return None", depth=2)

    def check_bytes(self) -> None:
        """Checks of the classes of text and BCD digits, over runs of neighbouring fields."""
        conditions = [self._run_condition(run) for run in self._runs()]
        for slot in self.layout.slots:
            if self._signed(slot):
                characters = self._characters(slot.form.encoding)
                conditions.append(f"{characters}[{slot.start}] in {_SIGNS!r}")
        for encoding in self.encodings:
            if encoding != ASCII:
                self.names[f"TO_ASCII_{_name(encoding)}"] = to_ascii(encoding)
                self.line(f"{self._characters(encoding)} = payload.translate(TO_ASCII_{_name(encoding)})")
        self.refuse_unless(conditions)

    def check_values(self) -> None:
        """Checks of the fields that stand in no run: on their values, one by one."""
        conditions = []
        for slot in self.layout.slots:
            form = slot.form
            binary = form.binary and form.kind == "b" and not form.nibbles
            if binary or self._in_run(slot) or self._signed(slot):
                continue
            self.names[f"CHECK_{form.number}"] = CHECKS[form.kind]
            conditions.append(f"CHECK_{form.number}({self.value(slot)})")
        self.refuse_unless(conditions)

    @staticmethod
    def value(slot: Slot) -> str:
        return f"v{slot.form.number}"

    def _characters(self, encoding: str) -> str:
        """The payload as ASCII bytes, where fields of `encoding` are concerned."""
        return "payload" if encoding == ASCII else f"characters_{_name(encoding)}"

    @staticmethod
    def _signed(slot: Slot) -> bool:
        form = slot.form
        return form.kind == "x+n" and not form.binary and not form.length_bytes and form.most > 1

    def _in_run(self, slot: Slot) -> bool:
        form = slot.form
        return form.pads_in_class if form.binary else form.kind in _RUN_KINDS

    def _runs(self) -> list[_Run]:
        runs: list[_Run] = []
        for slot in self.layout.slots:
            form = slot.form
            if self._signed(slot):
                runs.append(_Run(form.encoding, "n", slot.start.plus(1), slot.end, empty=False))
            elif self._in_run(slot):
                view = BCD if form.binary else form.encoding
                # The digits of a length are right already; with them a run is never empty and less often broken.
                led = form.length_bytes > 0 and form.length_encoding == view and form.kind in _DIGITS_ARE_IN
                start = slot.prefix if led else slot.start
                runs.append(_Run(view, form.kind, start, slot.end, empty=not led and form.length_bytes > 0))
        merged: list[_Run] = []
        for run in runs:
            last = merged[-1] if merged else None
            if last and (last.view, last.kind, last.end) == (run.view, run.kind, run.start):
                merged[-1] = _Run(run.view, run.kind, last.start, run.end, empty=last.empty and run.empty)
            else:
                merged.append(run)
        return merged

    def _run_condition(self, run: _Run) -> str:
        if run.view == BCD:
            self.names["BCD"] = _BCD_TABLE
            return f"payload[{run.start}:{run.end}].translate(BCD).isascii()"
        characters = f"{self._characters(run.view)}[{run.start}:{run.end}]"
        if run.kind == "n" and not run.empty:
            return f"{characters}.isdigit()"
        table = f"CLASS_{run.kind.upper()}"
        self.names[table] = _table(run.kind)
        if run.kind == "an":
            # Most hold no blank, and then this is twice as fast.
            return f"((run := {characters}).isalnum() or run.translate({table}).isascii())"
        return f"{characters}.translate({table}).isascii()"


class DecodeWriter(Writer):
    def source(self) -> str:
        layout = self.layout
        self.line("def decode(payload):", depth=0)
        self._find_ends()
        self.refuse_unless([f"len(payload) == {layout.end}"])
        self.check_bytes()
        values = self._values()
        self.check_values()
        self.line("message = NEW(MESSAGE)")
        self.line(f"message.mti = {layout.mti!r}")
        self.line("message.fields = {")
        for slot in layout.slots:
            self.line(f"{slot.form.number!r}: {values[slot.form.number]},", depth=2)
        self.line("}")
        self.line("return message")
        return "\n".join(self.lines) + "\n"

    def _find_ends(self) -> None:
        variable = [slot for slot in self.layout.slots if slot.form.length_bytes]
        if not variable:
            return
        self.line("try:")
        for slot in variable:
            form = slot.form
            table = f"LENGTH_{form.number}"
            self.names[table] = lengths(form.length_encoding, form.length_bytes, form.most)
            said = f"{table}[payload[{slot.prefix}:{slot.start}]]"
            if form.nibbles:
                self.line(f"n{form.number} = {said}", depth=2)
                said = f"(n{form.number} + 1 >> 1)"
            self.line(f"{slot.end} = {slot.start} + {said}", depth=2)
        self.line("except KeyError:")
        self.line("return None", depth=2)

    def _values(self) -> dict[str, str]:
        """Expressions for the values. Writes lines for the texts that they are slices of."""
        expressions = self._text_values()
        for slot in self.layout.slots:
            form = slot.form
            if not form.binary:
                if not (self._in_run(slot) or self._signed(slot)):
                    self._named(slot, expressions)
                continue
            capitals = "" if form.pads_in_class else ".upper()"
            expressions[form.number] = f"payload[{slot.start}:{slot.end}].hex(){capitals}"
            if form.left_pad or form.right_pad:
                self._strip_pad(slot, expressions)
            elif not (form.kind == "b" or self._in_run(slot)):
                self._named(slot, expressions)
        self._digit_values(expressions)
        return expressions

    def _named(self, slot: Slot, expressions: dict[str, str]) -> None:
        name = self.value(slot)
        self.line(f"{name} = {expressions[slot.form.number]}")
        expressions[slot.form.number] = name

    def _strip_pad(self, slot: Slot, expressions: dict[str, str]) -> None:
        self._named(slot, expressions)
        form, name = slot.form, self.value(slot)
        at, kept = ("[:1]", "[1:]") if form.left_pad else ("[-1:]", "[:-1]")
        depth = 1
        if form.length_bytes:
            self.line(f"if n{form.number} & 1:")
            depth = 2
        self.line(f"if {name}{at} != {form.left_pad or form.right_pad!r}:", depth)
        self.line("return None", depth + 1)
        self.line(f"{name} = {name}{kept}", depth)

    def _text_values(self) -> dict[str, str]:
        """Slices of the text; those that count from one variable field share a copy that begins there."""
        slots = [slot for slot in self.layout.slots if not slot.form.binary]
        how = "" if self._all_ascii() else '"latin-1"'
        for encoding in self.encodings:
            self.line(f"{self._text(encoding)} = {self._characters(encoding)}.decode({how})")
        bases = [
            (s.form.encoding, s.start.base) for s in slots if s.start.base and s.start.base == s.end.base
        ]
        shared = sorted({base for base in bases if bases.count(base) > 1})
        for encoding, base in shared:
            self.line(f"{self._text(encoding)}_{base} = {self._text(encoding)}[{base}:]")
        expressions = {}
        for slot in slots:
            form = slot.form
            text, start, end = self._text(form.encoding), slot.start, slot.end
            if start.base == end.base and (form.encoding, start.base) in shared:
                text, start, end = f"{text}_{start.base}", Place("", start.constant), Place("", end.constant)
            expressions[form.number] = f"{text}[{start}:{end}]"
        return expressions

    def _all_ascii(self) -> bool:
        """Whether every byte has been found to be ASCII by now, so that the default, which is fastest, can't fail."""
        slots = self.layout.slots
        used = {encoding for encoding, _ in self.layout.header}
        used |= {slot.form.encoding for slot in slots}
        used |= {slot.form.length_encoding for slot in slots if slot.form.length_bytes}
        return used == {ASCII} and all(self._in_run(slot) or self._signed(slot) for slot in slots)

    @staticmethod
    def _text(encoding: str) -> str:
        return "text" if encoding == ASCII else f"text_{_name(encoding)}"

    def _digit_values(self, expressions: dict[str, str]) -> None:
        """Neighbours in BCD without a pad share one conversion to digits."""
        stretch: list[Slot] = []
        for slot in [*self.layout.slots, None]:
            if (
                slot is not None
                and self._plain_digits(slot)
                and (not stretch or stretch[-1].end == slot.start)
            ):
                stretch.append(slot)
                continue
            if len(stretch) > 1:
                first = stretch[0]
                name = f"digits_{first.form.number}"
                self.line(f"{name} = payload[{first.start}:{stretch[-1].end}].hex()")
                for each in stretch:
                    start = 2 * (each.start.constant - first.start.constant)
                    expressions[each.form.number] = f"{name}[{start}:{start + each.form.most}]"
            stretch = [slot] if slot is not None and self._plain_digits(slot) else []

    @staticmethod
    def _plain_digits(slot: Slot) -> bool:
        form = slot.form
        return form.pads_in_class and not form.length_bytes and not form.left_pad


class EncodeWriter(Writer):
    def __init__(self, layout: Layout, order: Sequence[str]) -> None:
        super().__init__(layout)
        self._order = order

    def source(self) -> str:
        self.line("def encode(fields):", depth=0)
        if self._order:
            self.line(f"{', '.join(f'v{number}' for number in self._order)}, = fields.values()")
        self._require_lengths()
        self._build()
        for slot in self.layout.slots:
            form = slot.form
            if form.length_bytes:
                count = f"n{form.number}" if not form.nibbles else f"(n{form.number} + 1 >> 1)"
                self.line(f"{slot.end} = {slot.start} + {count}")
        self.check_bytes()
        self.check_values()
        self.line("return payload")
        return "\n".join(self.lines) + "\n"

    def _require_lengths(self) -> None:
        conditions = []
        for slot in self.layout.slots:
            form, value = slot.form, self.value(slot)
            if form.binary and not form.nibbles:
                # Two characters a byte; half a byte is no length.
                if form.length_bytes:
                    self.line(f"n{form.number} = len({value}) >> 1")
                    conditions.append(f"n{form.number} <= {form.most} and not len({value}) & 1")
                else:
                    conditions.append(f"len({value}) == {2 * form.most}")
            elif form.length_bytes:
                self.line(f"n{form.number} = len({value})")
                conditions.append(f"n{form.number} <= {form.most}")
            else:
                conditions.append(f"len({value}) == {form.most}")
        self.refuse_unless(conditions)

    def _build(self) -> None:
        """The payload: pieces of one encoding are joined before they are encoded, so each change costs once."""
        pieces: list[tuple[str, list[str]]] = []

        def add(encoding: str, *expressions: str) -> None:
            if not pieces or pieces[-1][0] != encoding:
                pieces.append((encoding, []))
            pieces[-1][1].extend(expressions)

        for encoding, text in self.layout.header:
            add(encoding, repr(text))
        for slot in self.layout.slots:
            form, value = slot.form, self.value(slot)
            if form.length_bytes:
                table = f"PREFIX_{form.number}"
                self.names[table] = prefixes(form.length_encoding, form.length_bytes, form.most)
                coded = BINARY if form.length_encoding in (BINARY, BCD) else form.length_encoding
                add(coded, f"{table}[n{form.number}]")
            odd = f" if n{form.number} & 1 else ''" if form.length_bytes else ""
            if form.left_pad:
                add(form.encoding, f"({form.left_pad!r}{odd})", value)
            elif form.right_pad:
                add(form.encoding, value, f"({form.right_pad!r}{odd})")
            else:
                add(form.encoding, value)
        self.line("try:")
        if len(pieces) == 1:
            self._encoded("payload = ", *pieces[0], "", depth=2)
        else:
            self.line("payload = CONCATENATE((", depth=2)
            self.names["CONCATENATE"] = b"".join
            for encoding, expressions in pieces:
                self._encoded("", encoding, expressions, ",", depth=3)
            self.line("))", depth=2)
        self.line("except ValueError:  # no hexadecimal digit, or half of a surrogate pair")
        self.line("return None", depth=2)

    def _encoded(
        self, before: str, encoding: str, expressions: list[str], behind: str, *, depth: int
    ) -> None:
        """Lines for the bytes of pieces of one encoding."""
        self.names["JOIN"] = "".join
        if encoding == BINARY:
            self.names["A2B_HEX"] = a2b_hex
            before, behind = f"{before}A2B_HEX(", f"){behind}"
        elif encoding == ASCII:
            # UTF-8 is the fastest. What is not ASCII fails its class: up to there every byte is in its place.
            behind = f".encode(){behind}"
        else:
            self.names[f"FROM_ASCII_{_name(encoding)}"] = from_ascii(encoding)
            behind = f'.encode("latin-1").translate(FROM_ASCII_{_name(encoding)}){behind}'
        self.line(f"{before}JOIN((", depth)
        for some in wrap(
            ", ".join(_constants_joined(expressions)) + ",", _LINE_CHARACTERS, break_long_words=False
        ):
            self.line(some, depth + 1)
        self.line(f")){behind}", depth)


def _constants_joined(expressions: list[str]) -> list[str]:
    joined: list[str] = []
    for expression in expressions:
        if joined and joined[-1][0] == joined[-1][-1] == "'" and expression[0] == expression[-1] == "'":
            joined[-1] = joined[-1][:-1] + expression[1:]
        else:
            joined.append(expression)
    return joined


def _name(encoding: str) -> str:
    return "".join([character if character.isalnum() else "_" for character in encoding])
