"""A message as a file for people: TOML or JSON with the MTI and the text of each field, as in iso8583/samples.

Owns the file's keys and the words for what is wrong with it. No value is ever part of an error.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Final

from isowire.cli.errors import bad_input, mask_digits
from isowire.codec import Message
from isowire.dialect import did_you_mean

_KEYS: Final = ("title", "mti", "fields")
_SUFFIXES: Final = (".toml", ".json")
_FIELD_LAST: Final = 128


def is_page(name: str, data: bytes) -> bool:
    """Whether an input is a page rather than a message's bytes: by its file's suffix, or by how it begins."""
    if Path(name).suffix in _SUFFIXES:
        return True
    head = data.lstrip()[:4096]
    return head.startswith(b"{") or any(
        line.split(b"=")[0].strip() in (b"title", b"mti") or line.strip() == b"[fields]"
        for line in head.splitlines()[:40]
    )


def parse_page(name: str, data: bytes) -> Message:
    """The message of a page. Exit code 2 where it is none, saying what would be right."""
    where = "standard input" if name == "-" else mask_digits(name)
    document = _document(where, name, data)
    for key in document:
        if key not in _KEYS:
            bad_input(
                f"{where}: {mask_digits(key)!r}: no such key{did_you_mean(key, _KEYS)}; "
                f"there are {', '.join(_KEYS)}"
            )
    mti, fields = document.get("mti"), document.get("fields", {})
    if not isinstance(mti, str):
        bad_input(f'{where}: mti: found {_kind(mti)}, expected text, as mti = "0100"')
    if not isinstance(fields, dict):
        bad_input(f"{where}: fields: found {_kind(fields)}, expected a table: number = text")
    for number, value in fields.items():
        if not (number.isascii() and number.isdigit() and 2 <= int(number) <= _FIELD_LAST):
            bad_input(
                f"{where}: fields: found {mask_digits(number)!r}, expected a number from 2 to {_FIELD_LAST}"
            )
        if not isinstance(value, str):
            bad_input(f"{where}: fields.{number}: found {_kind(value)}, expected text in quotes")
    return Message(mti, {str(int(number)): fields[number] for number in sorted(fields, key=int)})


def _document(where: str, name: str, data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        bad_input(f"{where}: found bytes that are no text, expected TOML or JSON")
    as_json = name.endswith(".json") or (not name.endswith(".toml") and text.lstrip().startswith("{"))
    try:
        document = json.loads(text) if as_json else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        # The texts of both say a place and a character at most.
        bad_input(f"{where}: not {'JSON' if as_json else 'TOML'}: {mask_digits(str(error))}")
    if not isinstance(document, dict):
        bad_input(f"{where}: found {_kind(document)}, expected an object with mti and fields")
    return document


def _kind(value: object) -> str:
    kinds = {
        str: "text",
        int: "a number",
        float: "a number",
        bool: "true or false",
        list: "a list",
        dict: "a table",
    }
    return kinds.get(type(value), "none")
