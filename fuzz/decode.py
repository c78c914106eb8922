"""Whatever arrives is a message or a WireError: never another exception, never much time or memory.

`python -m fuzz.decode [--minutes N] [--seed S]` tries made-up and mutated bytes on all that reads them: framings,
codecs (compiled and general path), fields, subfields, the account number, BER-TLV. Seeds are the golden messages and
what was found before (`fuzz/crashers`). What breaks the promise is written there, so that it can be committed: the
tests try every file of that folder.
"""

import argparse
import gc
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import isowire
from fuzz.messages import message, mutated
from isowire import (
    FRAMINGS,
    BerTlvError,
    Codec,
    FramingError,
    Message,
    WireError,
    dialect_names,
    load_dialect,
)

SAMPLES: Final = Path(__file__).parents[1] / "iso8583" / "samples"
CRASHERS: Final = Path(__file__).parent / "crashers"
CPU_MAX_S: Final = 0.25
"""For one input of some kilobytes, all targets together: a hundred times what they take."""
SEEN_FIRST: Final = 3
"""A layout is compiled when it is seen for this time."""
MEMORY_MAX_BYTES: Final = 64 << 20
"""That the process may grow by, once warm."""
ADDRESS_SPACE_BYTES: Final = 1 << 30
"""More than this at once is a MemoryError, which is a finding."""
WARM_UP_INPUTS: Final = 20_000
INPUT_MAX_BYTES: Final = 6000
FRAME_MAX_BYTES: Final = 2048
MUTATED_SHARE: Final = 0.85
NOW_MS: Final = 1_790_000_000_000
_DIGITS: Final = re.compile("[0-9]{7,}")
_LENGTH_DIGITS: Final = re.compile("[0-9]{11,}")
"""Four bytes of a length are up to ten digits."""
_PICTURE: Final = re.compile("9+")


class Finding(AssertionError):  # noqa: N818 - what is looked for, not an error of this code
    """An input that breaks the promise, and how."""


class Targets:
    """Everything that reads bytes of a peer. One set of codecs, so that layouts get compiled as in a server."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.codecs = {name: Codec(load_dialect(name), seen_first=SEEN_FIRST) for name in dialect_names()}

    def try_bytes(self, data: bytes, rng: Random) -> None:
        """One input on all targets. Raises Finding."""
        if self._timed(data, rng) <= CPU_MAX_S:
            return
        # What it is that takes long comes again, a layout's compilation too: a stall of the machine does not.
        anew = Targets()
        took = max(anew._timed(data, rng) for _ in range(SEEN_FIRST))
        if took > CPU_MAX_S:
            raise Finding(f"time: {took:.3f} s of CPU for {len(data)} bytes")

    def _timed(self, data: bytes, rng: Random) -> float:
        """Seconds of CPU for all targets: of this thread, and without a collection of all that the process has."""
        gc.disable()
        began = time.thread_time()
        try:
            self._try_all(data, rng)
            return time.thread_time() - began
        finally:
            gc.enable()

    def _try_all(self, data: bytes, rng: Random) -> None:
        for name, codec in self.codecs.items():
            self._try(f"codec {name}", data, partial(self._codec, codec, data))
        for framing in FRAMINGS:
            self._try(f"framing {framing}", data, partial(self._framing, framing, data, rng))
        self._try("tlv", data, lambda: self._tlv(data))
        self._try("fields", data, lambda: self._texts(data.decode("latin-1")))

    def _try(self, target: str, data: bytes, attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except Finding:
            raise
        except WireError as error:
            self.outcomes[f"{target}: refused"] += 1
            self._require_safe(target, error)
        except Exception as error:
            raise Finding(f"{target}: {type(error).__name__}: {error}, for {len(data)} bytes") from error
        else:
            self.outcomes[f"{target}: taken"] += 1

    @staticmethod
    def _require_safe(target: str, error: WireError) -> None:
        """No digits of a message in what the error prints, nor in another that stands behind it.

        Behind a codec's error there is none: pyiso8583's would be, which holds the whole message.
        """
        shown = _LENGTH_DIGITS if isinstance(error, FramingError) else _DIGITS
        behind = error.__cause__ or error.__context__
        if shown.search(_PICTURE.sub("", f"{error} {error!r} {behind!r}")):
            raise Finding(f"{target}: an error that shows digits")
        if behind is not None and target.startswith("codec"):
            raise Finding(f"{target}: an error that holds another")

    def _codec(self, codec: Codec, data: bytes) -> None:
        decoded = codec.decode(data)
        again = codec.decode(codec.encode(decoded))
        if again != decoded:
            raise Finding(f"{codec.dialect.name}: a message that decodes otherwise when it is encoded")
        self._meanings(codec, decoded)

    def _meanings(self, codec: Codec, decoded: Message) -> None:
        dialect = codec.dialect.for_mti(decoded.mti)
        self._allowed(lambda: isowire.pan_of(decoded))
        self._allowed(lambda: dialect.missing(isowire.clear_repeat(decoded.mti), decoded.fields))
        for number, value in decoded.fields.items():
            self._allowed(partial(dialect.explain, number, value))
        repr(decoded)

    def _texts(self, text: str) -> None:
        """Parsers of one field's text, on any text: shorter pieces get further."""
        for length in (4, 6, 10, 12, 20, 40, 42, len(text)):
            piece = text[:length]
            parsers: tuple[Callable[[str], object], ...] = (
                isowire.parse_additional_amounts,
                isowire.parse_card_acceptor,
                isowire.parse_entry_mode,
                isowire.parse_original_data_elements,
                isowire.parse_original_data_elements_1993,
                isowire.parse_processing_code,
                isowire.parse_replacement_amount,
                lambda piece: isowire.parse_amount(piece, "4"),
                lambda piece: isowire.check_datetime_mmddhhmmss(piece, "7"),
                lambda piece: isowire.parse_expiry(piece, NOW_MS),
                lambda piece: isowire.parse_local_1993(piece, NOW_MS),
                lambda piece: isowire.resolve_local(piece[:4], piece[4:10], NOW_MS),
                lambda piece: isowire.resolve_transmission(piece, NOW_MS),
            )
            for parse in parsers:
                self._allowed(partial(parse, piece))
            isowire.luhn_valid(piece)

    def _allowed(self, attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except WireError as error:
            self._require_safe("fields", error)

    def _framing(self, name: str, data: bytes, rng: Random) -> None:
        framing = FRAMINGS[name]
        reader = framing.reader(FRAME_MAX_BYTES)
        most = framing.header_bytes + framing.overhead_bytes + FRAME_MAX_BYTES + 0xFF
        at = 0
        while at < len(data):
            step = rng.choice((1, 2, 3, 7, 100, len(data)))
            try:
                frames = reader.feed(data[at : at + step])
            except FramingError as error:
                self._require_safe(name, error)
                frames, at = error.frames, len(data)
            at += step
            for frame in frames:
                if not 0 < len(frame) <= FRAME_MAX_BYTES:
                    raise Finding(f"{name}: a frame of {len(frame)} bytes")
                framing.answer(isowire.envelope_of(frame), b"0")
            if reader.buffered_bytes > most:
                raise Finding(f"{name}: {reader.buffered_bytes} bytes kept")

    @staticmethod
    def _tlv(data: bytes) -> None:
        for start in (0, 23, 60):
            try:
                items = isowire.parse_ber_tlv(data[start:])
            except BerTlvError:
                continue
            if isowire.format_ber_tlv(items) != data[start:]:
                raise Finding("tlv: items that don't make the bytes again")


def seeds() -> list[bytes]:
    """Golden messages, bare and framed in every way, and former findings."""
    golden = [_hex(file) for file in sorted(SAMPLES.glob("*/*.hex"))]
    framed = [FRAMINGS[name].wrap(payload) for name in FRAMINGS for payload in golden[::7]]
    return golden + framed + [_hex(file) for file in sorted(CRASHERS.glob("*.hex"))]


def _hex(file: Path) -> bytes:
    return bytes.fromhex(file.read_text(encoding="ascii"))


def make_input(rng: Random, known: list[bytes], codecs: list[Codec]) -> bytes:
    """Bytes to try: a seed or a made-up message, most often with a few changes, two seeds put together, or noise."""
    how = rng.random()
    if how < 0.05:
        return rng.randbytes(rng.randint(0, 300))
    data = rng.choice(known)
    if how < 0.15:
        other = rng.choice(known)
        data = data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]
    elif how < 0.35:
        codec = rng.choice(codecs)
        data = codec.encode(message(rng, codec.dialect))
    if rng.random() < MUTATED_SHARE:
        data = mutated(rng, data)
    return data[:INPUT_MAX_BYTES]


def _grown_bytes(since: int) -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - since


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    targets, known = Targets(), seeds()
    codecs = list(targets.codecs.values())
    began = said = time.monotonic()
    tried = warm_bytes = 0
    while (now := time.monotonic()) < began + 60 * options.minutes:
        rng = Random(f"{options.seed}-{tried}")
        data = make_input(rng, known, codecs)
        try:
            targets.try_bytes(data, rng)
            if tried == WARM_UP_INPUTS:
                warm_bytes = _grown_bytes(0)
            elif tried > WARM_UP_INPUTS and _grown_bytes(warm_bytes) > MEMORY_MAX_BYTES:
                raise Finding(
                    f"memory: {_grown_bytes(warm_bytes)} bytes more than after {WARM_UP_INPUTS} inputs"
                )
        except Finding as finding:
            file = CRASHERS / f"{options.seed}-{tried}.hex"
            file.write_text(data.hex() + "\n", encoding="ascii")
            print(f"seed {options.seed}, input {tried}: {finding}\nwritten to {file}", file=sys.stderr)
            return 1
        tried += 1
        if now - said > 60:
            said = now
            print(f"{(now - began) / 60:.0f} minutes, {tried} inputs", flush=True)
    print(
        f"{(time.monotonic() - began) / 60:.1f} minutes, {tried} inputs, seed {options.seed}: nothing found"
    )
    for outcome, count in sorted(targets.outcomes.items()):
        print(f"  {count:9} {outcome}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
