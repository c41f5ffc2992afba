"""Strategies: any event that its schema allows, and bytes that are nearly one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from app.domain.events import Record
from app.stream.avro_reader import full_name, named_types
from app.stream.schemas import STRUCTS, Schemas

SCHEMAS = Schemas.load()

_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(1_600_000_000_000, 1_900_000_000_000)),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
}


def values(schema: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:
    schema = named.get(schema, schema) if isinstance(schema, str) else schema
    if isinstance(schema, list):
        return st.one_of(*(st.none() if branch == "null" else values(branch, named) for branch in schema))
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        fields = {field["name"]: values(field["type"], named) for field in schema["fields"]}
        return st.builds(STRUCTS[full_name(schema)], **fields)
    if kind == "enum":
        return st.sampled_from(schema["symbols"]).map(STRUCTS[full_name(schema)])
    if kind == "array":
        return st.lists(values(schema["items"], named), max_size=4)
    return _PRIMITIVES[kind]


BY_NAME: dict[str, st.SearchStrategy[Record]] = {
    name: values(schema, named_types(schema)) for name, schema in SCHEMAS.current.items()
}

any_event: st.SearchStrategy[Record] = st.sampled_from(sorted(BY_NAME)).flatmap(BY_NAME.__getitem__)
