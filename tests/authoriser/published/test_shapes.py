"""Events are what their published shapes say: whatever a record holds, and whatever a whole shard went through."""

from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isowire
from authoriser.events import event_of
from authoriser.ledger import records as r
from authoriser.published.schemas import schema_text
from authoriser.published.shapes import DECISIONS, SHAPES
from rules import Reason

DOCS = Path(isowire.__file__).parents[2] / "docs" / "events"
TIMES_MS = st.integers(0, 4_000_000_000_000)
OF_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "params": st.dictionaries(st.sampled_from(["key", "account", "amount_minor"]), st.integers()).map(
        msgspec.json.encode
    ),
    "resolution": st.sampled_from(["confirmed", "withdrawn"]),
    "reason": st.sampled_from(Reason),
    "facts": st.none(),
    "counted": st.none(),
}
"""Fields whose values mean more than their type says, and those that no event shows."""


def some(kind: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a record's field."""
    if name in OF_FIELDS and not (name == "reason" and kind is str):
        return OF_FIELDS[name]
    if name.endswith("_ms"):
        return TIMES_MS
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return struct(kind)
    if get_args(kind):
        arguments = get_args(kind)
        if Ellipsis in arguments:
            least = 1 if name in {"moved", "entries"} else 0
            return st.lists(some(arguments[0]), min_size=least, max_size=2).map(tuple)
        return st.one_of(*(some(argument) for argument in arguments))
    return st.none() if kind is type(None) else st.from_type(kind)


def struct(kind: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: st.deferred(lambda n=name: some(hints[n], n)) for name in hints})


def published(event: dict[str, Any]) -> Any:
    """The event as its shape has it, written out again: the same, unless the shape lacks or invents something."""
    kind = SHAPES[event["type"]]
    return msgspec.json.decode(
        msgspec.json.encode(msgspec.json.decode(msgspec.json.encode(event), type=kind))
    )


@pytest.mark.parametrize("kind", get_args(r.Record), ids=lambda kind: kind.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_any_record_makes_an_event_of_its_shape(kind: type, data: st.DataObject) -> None:
    """Nothing more, nothing less and nothing else than the published shape of its type."""
    event = event_of(data.draw(struct(kind)), number=7, seq=3, shard=0)
    assert published(event) == msgspec.json.decode(msgspec.json.encode(event))


def test_the_schemas_in_docs_are_those_of_the_shapes() -> None:
    """docs/events/ has a file for each type, as `python -m authoriser.published.schemas docs/events` writes it."""
    there = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.json")}
    assert there == {f"{kind}.json": schema_text(kind) for kind in SHAPES}


def test_decisions_have_a_reason() -> None:
    """What consumers look for by its reason is a decision, and no other type is taken for one."""
    assert all("reason" in shape.__struct_fields__ for shape in DECISIONS)
