"""What a change of a schema may do to those who read events already: add, and nothing else."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType

from authoriser.published import schemas
from authoriser.published.evolution import broken_promises
from authoriser.published.shapes import SHAPES


class Part(Struct, kw_only=True):
    name: str
    more: int | UnsetType = UNSET


class Before(Struct, kw_only=True, tag_field="type", tag="a"):
    amount_minor: int
    note: str | None
    word: str | UnsetType = UNSET
    parts: list[Part] | UnsetType = UNSET


def schema(shape: type) -> dict[str, Any]:
    (top,), parts = msgspec.json.schema_components([shape], ref_template="#/$defs/{name}")
    return {**parts.pop(top["$ref"].rpartition("/")[2]), "$defs": parts}


def changed(**fields: Any) -> dict[str, Any]:
    """The schema of `Before` with some fields otherwise; None takes one away."""
    shown = dict(Before.__annotations__.items()) | fields
    made: list[Any] = [
        (name, kind, UNSET) if "UnsetType" in str(kind) else (name, kind)
        for name, kind in shown.items()
        if kind is not None
    ]
    return schema(msgspec.defstruct("Before", made, kw_only=True, tag_field="type", tag="a"))


class Grown(Struct, kw_only=True):
    name: str
    more: int | UnsetType = UNSET
    yet_more: str | UnsetType = UNSET


class Shrunk(Struct, kw_only=True):
    name: str


@pytest.mark.parametrize(
    "new",
    [
        changed(),
        changed(added=str | UnsetType),
        changed(added=str),
        changed(note=str),
        changed(word=str),
        changed(parts=list[Grown] | UnsetType),
    ],
    ids=["same", "added", "added, always there", "no longer null", "always there", "a part that grew"],
)
def test_what_readers_do_not_notice_may_change(new: dict[str, Any]) -> None:
    """Whoever reads by the old schema finds everything that it promised."""
    assert broken_promises(schema(Before), new) == []


@pytest.mark.parametrize(
    ("new", "broken"),
    [
        (changed(amount_minor=None), ["amount_minor is gone"]),
        (changed(word=None), ["word is gone"]),
        (changed(amount_minor=str), ["amount_minor was integer, and may now be string"]),
        (changed(amount_minor=int | None), ["amount_minor was integer, and may now be null"]),
        (
            changed(amount_minor=int | UnsetType),
            ["amount_minor was always there, and may now be absent"],
        ),
        (changed(parts=list[Shrunk] | UnsetType), ["parts[].more is gone"]),
        (changed(parts=list[int] | UnsetType), ["parts[].name is gone", "parts[].more is gone"]),
    ],
    ids=["gone", "optional gone", "type", "null", "absent", "part's field gone", "part's type"],
)
def test_what_readers_would_miss_is_named(new: dict[str, Any], broken: list[str]) -> None:
    """The field, and what happened to it."""
    assert broken_promises(schema(Before), new)[: len(broken)] == broken


def test_another_type_is_another_event() -> None:
    """The event's type is a promise too."""
    other = msgspec.defstruct("Before", [], tag_field="type", tag="b")
    assert "type was one of a, and may now be one of b" in broken_promises(schema(Before), schema(other))


def test_every_schema_keeps_its_own_promises() -> None:
    """The check itself is at ease with all shapes there are."""
    assert {kind: broken_promises(schemas.schema_of(kind), schemas.schema_of(kind)) for kind in SHAPES} == {
        kind: [] for kind in SHAPES
    }


def test_schemas_are_not_written_over_a_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is gone, or a type: the words say which, and no file is touched."""
    assert schemas.write_schemas(tmp_path) == []
    path = tmp_path / "card.issued.json"
    old = msgspec.json.decode(path.read_bytes())
    old["properties"]["promised"] = {"type": "string"}
    path.write_bytes(msgspec.json.encode(old))
    (tmp_path / "card.lent.json").write_bytes(b"{}")
    before = path.read_bytes()
    assert schemas.write_schemas(tmp_path) == ["card.issued: promised is gone", "card.lent: the type is gone"]
    assert path.read_bytes() == before
