"""What a reader of an old schema may rely on, and whether a new one still keeps it.

A change may add a field, or say more about one. It may not take a field away, change its type, or leave out what was
always there. Knows JSON Schema as far as our files use it.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


def broken_promises(old: Schema, new: Schema) -> list[str]:
    """One line for each thing that a reader of `old` would miss in an event of `new`; none if it may go on reading."""
    return list(_broken(old, new, old, new, "", frozenset()))


def _broken(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, where: str, on_the_way: frozenset[str]
) -> Iterator[str]:
    if "$ref" in old:
        if old["$ref"] in on_the_way:
            return
        on_the_way |= {old["$ref"]}
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    for name, shape in old.get("properties", {}).items():
        place = f"{where}.{name}" if where else name
        if name not in new.get("properties", {}):
            yield f"{place} is gone"
        else:
            yield from _broken(shape, new["properties"][name], old_root, new_root, place, on_the_way)
    new_required = new.get("required", [])
    for name in old.get("required", []):
        if name not in new_required and name in new.get("properties", {}):
            yield f"{where + '.' if where else ''}{name} was always there, and may now be absent"
    if "items" in old and "items" in new:
        yield from _broken(old["items"], new["items"], old_root, new_root, f"{where}[]", on_the_way)
    before, after = _kinds(old, old_root), _kinds(new, new_root)
    if more := after - before:
        yield f"{where or 'the event'} was {' or '.join(sorted(before))}, and may now be {' or '.join(sorted(more))}"


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _kinds(schema: Schema, root: Schema) -> set[str]:
    """What a value may be, in words to compare: "string", "null", "one of card.issued"."""
    schema = _resolved(schema, root)
    if "anyOf" in schema:
        return {kind for choice in schema["anyOf"] for kind in _kinds(choice, root)}
    if "enum" in schema:
        return {f"one of {', '.join(map(str, schema['enum']))}"}
    if "const" in schema:
        return {f"one of {schema['const']}"}
    return {schema.get("type", "anything")}
