"""Three opinions on the same message: `python -m fuzz.differential [--examples N] [--seed S] [--dialect D]`.

The compiled code, the general path and pyiso8583 with the stricter checks written a second time (`fuzz.oracle`) must
agree on every value, every byte and every refusal, or it is printed with its seed and the command fails. Compiled code
may pass (the general path decides then), but not on what it was made for: how often it does is counted and bounded.
"""

import argparse
import sys
import time
from collections import Counter
from random import Random
from typing import Final

from fuzz import messages, oracle
from isowire import Codec, DecodeError, Dialect, EncodeError, Message, dialect_names, load_dialect
from isowire.compiler import Decode, Encode, compile_decode, compile_encode
from isowire.layout import bitmaps_of

MUTATIONS: Final = 4
"""Of each payload, beside the payload itself."""
PASSED_SHARE_MAX: Final = 0.05
"""Of good messages, that compiled code may leave to the general path: those with an empty field of some classes."""


class Disagreement(AssertionError):  # noqa: N818 - what is looked for, not an error of this code
    """Two of the three differ. The text holds the message, which is made up."""


class Differential:
    """Tries messages of one dialect. `counts` says what came out."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.counts: Counter[str] = Counter()
        self._general = Codec(dialect, layouts_max=0)

    def try_message(self, rng: Random) -> None:
        """One message both ways, what is wrong with it broken in, and its payload mutated."""
        whole = messages.message(rng, self.dialect)
        order = tuple(whole.fields)
        encode = compile_encode(self.dialect, whole.mti, order)
        payload = self._encoded(whole, encode)
        self.counts["messages"] += 1
        if payload is None:
            raise Disagreement(f"{self.dialect.name}: {whole.mti} {whole.fields} can't be encoded")
        if rng.random() < messages.BROKEN_SHARE:
            wrong = messages.broken(rng, whole)
            # Compiled for its own fields where it could be met with them; the MTI is part of the key too.
            same_key = (wrong.mti, *wrong.fields) == (whole.mti, *whole.fields)
            self._encoded(wrong, encode if same_key else None)
            self.counts["broken messages"] += 1
        decode = compile_decode(self.dialect, whole.mti, bitmaps_of(map(int, order)), Message)
        header = self._header(payload)
        self._decoded(payload, decode)
        for _ in range(MUTATIONS):
            other = messages.mutated(rng, payload)
            self._decoded(other, decode if other.startswith(header) else None)
            self.counts["mutated payloads"] += 1
        longer = messages.overlong(rng, self.dialect, whole)
        if longer is not None:
            self._decoded(longer, decode)
            self.counts["fields one too long"] += 1

    def _header(self, payload: bytes) -> bytes:
        written = self._general._written  # noqa: SLF001 - what a codec finds compiled code by
        return payload[: written.read(payload)[2]]

    def _encoded(self, message: Message, compiled: Encode | None) -> bytes | None:
        verdict = oracle.encode(message, self.dialect)
        try:
            payload: bytes | None = self._general.encode(message)
        except EncodeError as error:
            payload = None
            if verdict.pyiso8583 and error.field != verdict.field:
                raise self._differ("encode: field", message, error.field, verdict.field) from None
        if payload != verdict.payload:
            raise self._differ("encode: general path", message, payload, verdict.payload)
        if compiled is not None:
            fast = compiled(message.fields)
            if fast is not None and fast != payload:
                raise self._differ("encode: compiled", message, fast, payload)
            self._count_passed("encode", good=payload is not None, passed=fast is None)
        return payload

    def _decoded(self, payload: bytes, compiled: Decode | None) -> None:
        verdict = oracle.decode(payload, self.dialect)
        message: Message | None = None
        try:
            message = self._general.decode(payload)
        except DecodeError as error:
            self._require_same_refusal(payload, error, verdict)
        if message != verdict.message:
            raise self._differ("decode: general path", payload, message, verdict.message)
        if compiled is not None:
            fast = compiled(payload)
            if fast is not None and (
                fast != message or list(fast.fields) != list(message.fields if message else ())
            ):
                raise self._differ("decode: compiled", payload, fast, message)
            self._count_passed("decode", good=message is not None, passed=fast is None)

    def _require_same_refusal(self, payload: bytes, error: DecodeError, verdict: oracle.Verdict) -> None:
        """Where a stricter check doesn't hold, a field of one is named; else the one that pyiso8583 stopped at."""
        fields = {field for _, field in verdict.stricter}
        if verdict.pyiso8583 and not fields:
            fields = {verdict.field or ""}
        elif verdict.pyiso8583:
            fields.add(verdict.field or "")
        if "" not in fields and error.field not in fields:
            raise self._differ("decode: field of the refusal", payload, error.field, fields)
        known = verdict.known
        if known is not None and any(known.get(number) != text for number, text in error.fields.items()):
            raise self._differ("decode: fields of the refusal", payload, error.fields, known)
        for check in {check for check, _ in verdict.stricter} or {"pyiso8583"}:
            self.counts[f"refused: {check}"] += 1

    def _count_passed(self, way: str, *, good: bool, passed: bool) -> None:
        if good:
            self.counts[f"{way}: good"] += 1
            self.counts[f"{way}: passed to the general path"] += passed

    def _differ(self, what: str, given: object, ours: object, theirs: object) -> Disagreement:
        if isinstance(given, Message):
            given = (given.mti, given.fields)
        ours, theirs = (
            (each.mti, each.fields) if isinstance(each, Message) else each for each in (ours, theirs)
        )
        return Disagreement(
            f"{self.dialect.name}: {what}\n  given  {given!r}\n  ours   {ours!r}\n  oracle {theirs!r}"
        )


def passed_share(counts: Counter[str]) -> float:
    """Of good messages, those that compiled code left to the general path."""
    passed = sum(counts[f"{way}: passed to the general path"] for way in ("decode", "encode"))
    return passed / max(1, counts["decode: good"] + counts["encode: good"])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=10_000, help="messages, over all dialects")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dialect", action="append", choices=dialect_names())
    options = parser.parse_args()
    differentials = [Differential(load_dialect(name)) for name in options.dialect or dialect_names()]
    began = time.monotonic()
    for example in range(options.examples):
        differential = differentials[example % len(differentials)]
        seed = f"{options.seed}-{example}"
        try:
            differential.try_message(Random(seed))
        except Disagreement as found:
            print(f"seed {seed}: {found}", file=sys.stderr)
            return 1
        except Exception:
            print(f"seed {seed}, {differential.dialect.name}", file=sys.stderr)
            raise
    print(
        f"{options.examples} messages, seed {options.seed}, {time.monotonic() - began:.0f} s: no disagreement"
    )
    for differential in differentials:
        counts = differential.counts
        print(f"\n{differential.dialect.name}")
        for name, count in sorted(counts.items()):
            print(f"  {count:8} {name}")
        if passed_share(counts) > PASSED_SHARE_MAX:
            print(f"  compiled code took too little: {passed_share(counts):.1%} passed", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
