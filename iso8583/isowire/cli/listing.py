"""`isowire dialects` and `isowire framings`: what there is to choose from."""

from __future__ import annotations

from typing import Final

from isowire.cli import show
from isowire.dialect import dialect_names, load_dialect
from isowire.framing import FRAMINGS, Framing

_EXAMPLE: Final = b"\xa5" * 100
"""A message of 100 bytes that no header or trailer can be mistaken for."""


def list_dialects(*, as_json: bool) -> None:
    """Print each dialect's name, title, edition, framing and number of fields."""
    every = [load_dialect(name) for name in dialect_names()]
    if as_json:
        show.print_json(
            [
                {
                    "name": each.name,
                    "title": each.title,
                    "version": each.version,
                    "framing": each.default_framing,
                    "fields": len(each.kinds),
                }
                for each in every
            ]
        )
        return
    show.print_table(
        ("name", "title", ">version", "framing", ">fields"),
        [
            (each.name, each.title, str(each.version), each.default_framing, str(len(each.kinds)))
            for each in every
        ],
    )


def list_framings(*, as_json: bool) -> None:
    """Print each framing's name, what its header is, and how it looks before a message of 100 bytes."""
    if as_json:
        show.print_json(
            [
                {
                    "name": each.name,
                    "header": each.length_form,
                    "header_bytes": each.header_bytes,
                    "overhead_bytes": each.overhead_bytes,
                    "message_bytes_max": each.frame_length_max_bytes,
                    "example": _example(each),
                }
                for each in FRAMINGS.values()
            ]
        )
        return
    show.print_table(
        ("name", "length", ">around", ">longest", "before 100 bytes"),
        [
            (
                each.name,
                each.length_form,
                str(each.overhead_bytes) if each.overhead_bytes else "",
                str(each.frame_length_max_bytes),
                _example(each),
            )
            for each in FRAMINGS.values()
        ],
    )
    show.print_line("around: bytes of envelope or trailer; longest: bytes of a message", "dim")


def _example(framing: Framing) -> str:
    before, _, behind = framing.wrap(_EXAMPLE).partition(_EXAMPLE)
    if framing.length_form.endswith(("ASCII digits", "characters")):
        shown = f'"{before.decode("ascii")}"'
    else:
        shown = before.hex(" ")
    return f"{shown} ... {behind.hex(' ')}".rstrip(" .")
