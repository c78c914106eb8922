"""Messages and bytes to try: whole messages of a dialect, almost messages, and messages with something broken.

Everything is drawn from a `random.Random`, which hypothesis can stand in for (and then shrinks), so that a seed is
enough to see a case again. Knows dialects and nothing of codecs.
"""

import string
from random import Random
from typing import Final

import iso8583

from isowire import Dialect, Message

CHARACTERS: Final = {
    "n": string.digits,
    "a": string.ascii_letters + " ",
    "an": string.ascii_letters + string.digits + " ",
    "ans": "".join(map(chr, range(0x20, 0x7F))),
    "x+n": string.digits,
    "z": string.digits + ":;<=>?DF",
    "b": string.hexdigits,
}
"""Of each class, written down a second time on purpose: the codec's own list must not vouch for itself."""

STRANGE: Final = "\x00\n\x1f\x7f+-_ .aGz\xa0\xb2\u0660\uff11\ud800\U0001f4b3"
"""Controls, signs that int() takes, letters near a class, digits of other scripts, half a surrogate pair."""
MTIS: Final = ("0100", "0101", "0110", "0120", "0200", "0420", "0430", "0800", "1100", "1420", "1804", "9999")
LONG_SHARE: Final = 0.03
"""Of variable fields that are filled to their end."""
USUAL_MOST: Final = 40
BROKEN_SHARE: Final = 0.2
"""Of messages that get something that the dialect can't write."""


def message(rng: Random, dialect: Dialect) -> Message:
    """A message with any subset of fields and any values that their class and length allow."""
    mti = rng.choice(MTIS)
    dialect = dialect.for_mti(mti)
    numbers = sorted(dialect.kinds, key=int)
    low = [number for number in numbers if int(number) <= 64]
    pool = low if rng.random() < 0.5 else numbers
    chosen = rng.sample(pool, rng.choice((0, 1, 2, 3, 8, 17, 30, rng.randint(0, len(pool)))))
    if rng.random() < 0.8:
        chosen.sort(key=int)
    return Message(mti, {number: value(rng, dialect, number) for number in chosen})


def value(rng: Random, dialect: Dialect, number: str) -> str:
    """One value of a field's class, as long as the field may be."""
    spec, kind = dialect.spec[number], dialect.kinds[number]
    units = longest = spec["max_len"]
    if spec["len_type"]:
        most = longest if rng.random() < LONG_SHARE else min(longest, USUAL_MOST)
        units = rng.choice((0, 1, most, rng.randint(0, most)))
    hexadecimal = spec["data_enc"] == "b"
    count = 2 * units if hexadecimal and spec.get("len_count", "bytes") == "bytes" else units
    allowed = CHARACTERS[kind]
    if kind == "z" and hexadecimal:
        allowed = string.digits + "DF"
    elif kind == "b" and hexadecimal:
        allowed = "0123456789ABCDEF"
    text = "".join(rng.choices(allowed, k=count))
    return rng.choice("CD") + text[1:] if kind == "x+n" and text else text


def broken(rng: Random, whole: Message) -> Message:
    """`whole` with one thing changed that no dialect has a way, or hardly one, to write."""
    fields, mti = dict(whole.fields), whole.mti
    number = rng.choice(list(fields)) if fields else "4"
    before = fields.get(number, "")
    at = rng.randint(0, len(before))
    how = rng.randrange(6)
    if how == 0:
        fields[number] = before[:-1]
    elif how == 1:
        fields[number] = before + rng.choice("0 A")
    elif how == 2:
        fields[number] = before[:at] + rng.choice(STRANGE) + before[at + 1 :]
    elif how == 3:
        fields[number] = before.swapcase()
    elif how == 4:
        fields[rng.choice(("1", "65", "129", "02", "t", "p", "h", "", "x"))] = "0"
    else:
        mti = rng.choice(("", "100", "01000", "01x0", "010\u0660", "+100", " 100"))
    return Message(mti, fields)


def overlong(rng: Random, dialect: Dialect, whole: Message) -> bytes | None:
    """`whole` on the wire with one variable field filled to its end and one more; None where it has no such field.

    Mutations hardly ever hit on this: length and value have to fit each other.
    """
    dialect = dialect.for_mti(whole.mti)
    variable = [number for number in whole.fields if dialect.spec[number]["len_type"]]
    if not variable:
        return None
    number = rng.choice(variable)
    spec = {key: dict(field) for key, field in dialect.spec.items()}
    units = spec[number]["max_len"] = spec[number]["max_len"] + 1
    if spec[number]["data_enc"] == "b" and spec[number].get("len_count", "bytes") == "bytes":
        units *= 2
    allowed = (
        "D" if dialect.kinds[number] == "x+n" else "0123456789" if dialect.kinds[number] in "nzb" else "aZ"
    )
    try:
        payload, _ = iso8583.encode(
            {"t": whole.mti, **whole.fields, number: "".join(rng.choices(allowed, k=units))}, spec
        )
    except iso8583.EncodeError:
        return None  # the length can't say it: 100 in two digits
    return bytes(payload)


def mutated(rng: Random, payload: bytes) -> bytes:
    """`payload` with a few bytes changed, put in, taken out, cut off or repeated."""
    data = bytearray(payload)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randint(0, len(data))
        how = rng.randrange(8)
        if how == 0:
            del data[at:]
        elif how == 1:
            del data[at : at + rng.randint(1, 3)]
        elif how == 2:
            data[at:at] = rng.choice((b"0", b"A", b" ", b"\x00", b"\xf0", payload[:20]))
        elif how == 3:
            data += rng.choice((b"0", b"\x00", b"\x40", payload))
        elif at == len(data):
            continue
        elif how == 4:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 5:
            # Another byte of this message: most often one of the same sort, so that the message stays whole.
            data[at] = rng.choice(data)
        elif how == 6:
            data[at] = rng.choice(b"09 +-_.AFaf=Dx\x00\x7f\x80\xff\xb2\xf0\xf9\x40\x4e\x60")
        else:
            data[at] = (data[at] + rng.choice((1, 255))) % 256
    return bytes(data)
