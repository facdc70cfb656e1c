"""Whole examples, put together from those of a schema's leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .json_schema import SCHEMAS, Schema


def example_of(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    """A value the schema takes: its own example, or all that it requires with one item in each list."""
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if name := schema.get("$ref"):
        return example_of(schemas[name.removeprefix(SCHEMAS)], schemas)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return example_of(choices[0], schemas)
    match schema.get("type"):
        case "object":
            needed = schema.get("required", ())
            return {name: example_of(schema["properties"][name], schemas) for name in needed}
        case "array":
            return [example_of(schema["items"], schemas)]
        case _:
            return None
