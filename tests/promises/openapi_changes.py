"""What in one OpenAPI document breaks clients that were written to an older one.

Clients send what the old document lets them send, and read what it says they will find.  So what may be sent can only grow,
and what is answered can only gain members.  Bounds of answers are not compared: no client reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

_LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_HIGHEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")


def breaking_changes(old: Json, new: Json) -> list[str]:
    """A sentence for each change that breaks a client, in the order of the old document."""
    return list(_Comparison(old, new).of_paths())


@dataclass(slots=True)
class _Comparison:
    old: Json
    new: Json
    under_way: set[tuple[int, int, bool]] = field(default_factory=set)  # schemas may hold themselves

    def of_paths(self) -> Iterator[str]:
        for path, old_item in self.old["paths"].items():
            new_item = self.new["paths"].get(path)
            if new_item is None:
                yield f"{path} is gone"
                continue
            for method in (method for method in _METHODS if method in old_item):
                place = f"{method.upper()} {path}"
                if method not in new_item:
                    yield f"{place} is gone"
                    continue
                yield from self._of_parameters(old_item[method], new_item[method], place)
                yield from self._of_bodies(old_item[method], new_item[method], place)
                yield from self._of_responses(old_item[method], new_item[method], place)

    # --- requests ---------------------------------------------------------------------------------------------------

    def _of_parameters(self, old: Json, new: Json, place: str) -> Iterator[str]:
        taken_before, taken = _parameters(old, self.old), _parameters(new, self.new)
        for key, before in taken_before.items():
            name = f"{place}: {key[1]}"
            if key not in taken:
                yield f"{name} is no longer taken"
                continue
            if taken[key].get("required") and not before.get("required"):
                yield f"{name} is required now"
            yield from self._of_schemas(before["schema"], taken[key]["schema"], name, sent=True)
        for key, parameter in taken.items():
            if key not in taken_before and parameter.get("required"):
                yield f"{place}: {key[1]} is new and required"

    def _of_bodies(self, old: Json, new: Json, place: str) -> Iterator[str]:
        before, now = self._at(old.get("requestBody"), self.old), self._at(new.get("requestBody"), self.new)
        if before is None:
            if now is not None and now.get("required"):
                yield f"{place}: a body is required now"
            return
        if now is None:
            yield f"{place}: a body is no longer taken"
            return
        if now.get("required") and not before.get("required"):
            yield f"{place}: a body is required now"
        for media_type, content in before["content"].items():
            if media_type not in now["content"]:
                yield f"{place}: {media_type} is no longer taken"
            else:
                found = now["content"][media_type]
                yield from self._of_schemas(content["schema"], found["schema"], f"{place}: body", sent=True)

    # --- answers ----------------------------------------------------------------------------------------------------

    def _of_responses(self, old: Json, new: Json, place: str) -> Iterator[str]:
        for status, told in old["responses"].items():
            if status not in new["responses"]:
                yield f"{place}: {status} is no longer described"
                continue
            before, now = self._at(told, self.old), self._at(new["responses"][status], self.new)
            assert before is not None
            assert now is not None
            for header in before.get("headers", {}):
                if header not in now.get("headers", {}):
                    yield f"{place}: {status} has no {header} any more"
            for media_type, content in before.get("content", {}).items():
                if media_type not in now.get("content", {}):
                    yield f"{place}: {status} is no longer {media_type}"
                elif "schema" in content:
                    found = now["content"][media_type]
                    yield from self._of_schemas(content["schema"], found["schema"], f"{place}: {status}", sent=False)

    # --- schemas ----------------------------------------------------------------------------------------------------

    def _of_schemas(self, old: Any, new: Any, place: str, *, sent: bool) -> Iterator[str]:
        """``sent``: by clients, so what was taken must be taken; else read by them, so what was there must be there."""
        before, now = self._at(old, self.old), self._at(new, self.new)
        assert before is not None
        assert now is not None
        pair = id(before), id(now), sent
        if (before == now and not _refers(before)) or pair in self.under_way:
            return
        self.under_way.add(pair)
        try:
            if _alternatives(before) or _alternatives(now):
                yield from self._of_alternatives(before, now, place, sent=sent)
            else:
                yield from self._of_plain(before, now, place, sent=sent)
        finally:
            self.under_way.discard(pair)

    def _of_alternatives(self, before: Json, now: Json, place: str, *, sent: bool) -> Iterator[str]:
        """Each that was taken must be taken by one; each that is told must be one that was told."""
        old, new = _alternatives(before) or [before], _alternatives(now) or [now]
        for one in old if sent else new:
            fits = (
                not any(self._of_schemas(*((one, other) if sent else (other, one)), place, sent=sent))
                for other in (new if sent else old)
            )
            if not any(fits):
                yield f"{place}: {'no longer takes' if sent else 'may be something else now:'} {_short(one)}"

    def _of_plain(self, before: Json, now: Json, place: str, *, sent: bool) -> Iterator[str]:
        wider, narrower = (_types(now), _types(before)) if sent else (_types(before), _types(now))
        if missing := narrower - wider:
            words = ", ".join(sorted(missing))
            yield f"{place}: {'no longer takes' if sent else 'may now be'} {words}"
        if sent:
            yield from _narrowed(before, now, place)
        yield from self._of_members(before, now, place, sent=sent)
        if "items" in before and "items" in now:
            yield from self._of_schemas(before["items"], now["items"], f"{place}[]", sent=sent)

    def _of_members(self, before: Json, now: Json, place: str, *, sent: bool) -> Iterator[str]:
        members, found = before.get("properties", {}), now.get("properties", {})
        required_before, required = set(before.get("required", ())), set(now.get("required", ()))
        for name, member in members.items():
            if name not in found:
                yield f"{place}.{name} is gone"
                continue
            if sent and name in required - required_before:
                yield f"{place}.{name} is required now"
            if not sent and name in required_before - required:
                yield f"{place}.{name} may be missing now"
            yield from self._of_schemas(member, found[name], f"{place}.{name}", sent=sent)
        if sent:
            for name in sorted(required - set(members)):
                yield f"{place}.{name} is new and required"

    def _at(self, node: Any, document: Json) -> Json | None:
        """The node itself, or what it refers to; a schema that is just true takes anything."""
        if node is True:
            return {}
        while isinstance(node, Mapping) and "$ref" in node:
            found: Any = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node


def _parameters(operation: Json, document: Json) -> dict[tuple[str, str], Json]:
    """By place and name."""
    found = {}
    for given in operation.get("parameters", ()):
        parameter = document["components"]["parameters"][given["$ref"].rpartition("/")[2]] if "$ref" in given else given
        found[parameter["in"], parameter["name"]] = parameter
    return found


def _narrowed(before: Json, now: Json, place: str) -> Iterator[str]:
    """What could be sent and no longer can."""
    values_before, values = _values(before), _values(now)
    if values is not None and (values_before is None or values_before - values):
        gone = sorted(map(str, values_before - values)) if values_before else ["most values"]
        yield f"{place}: no longer takes {', '.join(gone)}"
    for bound in _LOWEST:
        if now.get(bound, float("-inf")) > before.get(bound, float("-inf")):
            yield f"{place}: {bound} is {now[bound]} now"
    for bound in _HIGHEST:
        if now.get(bound, float("inf")) < before.get(bound, float("inf")):
            yield f"{place}: {bound} is {now[bound]} now"
    for rule in ("pattern", "format"):
        if rule in now and now[rule] != before.get(rule):
            yield f"{place}: has another {rule} now"
    if now.get("additionalProperties") is False and before.get("additionalProperties") is not False:
        yield f"{place}: no longer takes further members"


def _types(schema: Json) -> set[str]:
    """What a value may be; a whole number is a number too."""
    if "const" in schema and "type" not in schema:
        return _types({"enum": [schema["const"]]})
    if "enum" in schema and "type" not in schema:
        return {_TYPES[type(value)] for value in schema["enum"]}
    named = schema.get("type", [*_TYPES.values(), "number"])
    types = {named} if isinstance(named, str) else set(named)
    return types | {"integer"} if "number" in types else types


_TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}


def _values(schema: Json) -> set[Any] | None:
    """The only values there may be; None where there are others."""
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None


def _alternatives(schema: Json) -> list[Any]:
    return schema.get("anyOf") or schema.get("oneOf") or []


def _refers(schema: Any) -> bool:
    """Whether equal text may mean something else, as what it refers to is in another document."""
    if isinstance(schema, Mapping):
        return "$ref" in schema or any(map(_refers, schema.values()))
    return isinstance(schema, list) and any(map(_refers, schema))


def _short(schema: Any) -> str:
    text = str(schema.get("$ref", schema))
    return text if len(text) < 80 else f"{text[:79]}…"
