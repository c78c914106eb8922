"""The shapes as JSON Schema files: `python -m authoriser.published.schemas docs/events`.

Owns the files' layout. Refuses to write over a schema that promises what the new one would not keep.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from authoriser.published.evolution import broken_promises
from authoriser.published.shapes import SHAPES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON Schema of one type of event; whole, with its parts under `$defs`."""
    (top,), parts = msgspec.json.schema_components([SHAPES[kind]], ref_template="#/$defs/{name}")
    (name,) = [name for name in parts if top == {"$ref": f"#/$defs/{name}"}]
    shape = parts.pop(name)
    schema = {"$schema": DIALECT, "$id": f"{kind}.json", **shape, "title": kind}
    return schema | ({"$defs": dict(sorted(parts.items()))} if parts else {})


def schema_text(kind: str) -> str:
    return msgspec.json.format(msgspec.json.encode(schema_of(kind)), indent=2).decode() + "\n"


def write_schemas(directory: Path) -> list[str]:
    """Write a file for each type, or none. Gives what readers of the files there now would miss: then none is written.

    A type that is no longer made is missed too: its file stays until somebody removes it by hand.
    """
    directory.mkdir(parents=True, exist_ok=True)
    missed: list[str] = []
    for path in sorted(directory.glob("*.json")):
        old = msgspec.json.decode(path.read_bytes())
        if path.stem not in SHAPES:
            missed.append(f"{path.stem}: the type is gone")
        else:
            missed += [f"{path.stem}: {text}" for text in broken_promises(old, schema_of(path.stem))]
    if not missed:
        for kind in SHAPES:
            (directory / f"{kind}.json").write_text(schema_text(kind), encoding="utf-8")
    return missed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m authoriser.published.schemas DIRECTORY: where the schemas are, docs/events")
    if problems := write_schemas(Path(sys.argv[1])):
        sys.exit("\n".join([*problems, "nothing was written: readers of events rely on these"]))
