"""The few words of JSON Schema in which the API describes itself.  OpenAPI 3.1 takes them as they are (draft 2020-12)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

Schema = dict[str, Any]
Members = dict[str, Schema]

SCHEMAS = "#/components/schemas/"


def ref(name: str, description: str = "") -> Schema:
    """A schema of ``components/schemas`` by its name."""
    return {"$ref": f"{SCHEMAS}{name}"} | _said(description)


def closed(members: Mapping[str, Schema], description: str = "", optional: Collection[str] = ()) -> Schema:
    """An object with these members and no others."""
    required = [name for name in members if name not in optional]
    return {
        "type": "object",
        **_said(description),
        "properties": dict(members),
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def named_values(value: Schema, description: str, **rules: Any) -> Schema:
    """An object whose keys only data can tell."""
    return {"type": "object", "description": description, "additionalProperties": value, **rules}


def array(items: Schema, description: str = "", **rules: Any) -> Schema:
    return {"type": "array", **_said(description), "items": items, **rules}


def text(description: str = "", **rules: Any) -> Schema:
    return {"type": "string", **_said(description), **rules}


def whole_number(description: str = "", **rules: Any) -> Schema:
    return {"type": "integer", **_said(description), **rules}


def truth(description: str = "", **rules: Any) -> Schema:
    return {"type": "boolean", **_said(description), **rules}


def one_of(words: Iterable[str], description: str = "", **rules: Any) -> Schema:
    return text(description, enum=list(words), **rules)


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "type" in schema:
        words = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return schema | {"type": [schema["type"], "null"]} | words
    told = {
        name: value for name, value in schema.items() if name in ("description", "examples", "default", "deprecated")
    }
    bare = {name: value for name, value in schema.items() if name not in told}
    return {**told, "anyOf": [bare, {"type": "null"}]}


def sentence(words: str) -> str:
    """A meaning from the tables as a sentence of its own."""
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _said(description: str) -> Schema:
    return {"description": description} if description else {}
