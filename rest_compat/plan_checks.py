"""Everything that can be wrong with the structure of a batch request.  Batch rules 1.2 and 5.2.

One row of a table for every member a request may have; a new option is a new row here and a new field of
``BatchOptions``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..catalog.errors import Problem, suggestion
from ..catalog.limits import MAX_BATCH_QUERIES
from .bindings import field_of, is_pointer, written_bindings
from .dependency_graph import cycles
from .json_schema import Schema, array, ref, text, truth, whole_number
from .json_text import ParsedJson, Path, excerpt, shortened

PREFIX = "/stats/"
LONGEST_DEADLINE_MS = 600_000
MOST_BINDINGS = 100  # of one query: as many values as a filter takes

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlanProblem(Problem):
    """A problem that may belong to one query."""

    query_id: str | None = None

    def under(self, prefix: str) -> PlanProblem:
        outer = Problem.under(self, prefix)
        return PlanProblem(outer.field, outer.message, outer.type, self.query_id)

    def as_json(self) -> dict[str, str]:
        told = Problem.as_json(self)
        return told | {"query_id": self.query_id} if self.query_id is not None else told


@dataclass(frozen=True, slots=True)
class Kind:
    """What a member may be."""

    accepted: str  # in words
    schema: Schema  # in JSON Schema, for the API's description
    fault: Callable[[Any], str | None]  # the type of a value's fault, None where it has none
    required: bool = False
    hint: Callable[[str], str] = lambda _text: ""  # what a text of the right type may have been meant to be


def _of_type(json_type: type, fault: str) -> Callable[[Any], str | None]:
    # Not isinstance: to Python a bool is an int.
    return lambda value: None if type(value) is json_type else fault


def _whole_number(low: int, high: int) -> Kind:
    def fault(value: Any) -> str | None:
        if type(value) is not int:
            return "int_type"
        return None if low <= value <= high else "out_of_range"

    return Kind(f"a whole number from {low} to {high}", whole_number(minimum=low, maximum=high), fault)


def _id_fault(value: Any) -> str | None:
    if not isinstance(value, str):
        return "string_type"
    return None if _ID.fullmatch(value) else "string_pattern_mismatch"


def _endpoint_fault(value: Any) -> str | None:
    if not isinstance(value, str):
        return "string_type"
    return None if value.startswith(PREFIX) else "string_pattern_mismatch"


def _endpoint_hint(value: str) -> str:
    """Written with its host or ``/api/v1``, or without its first slash, it is close enough to guess."""
    _, found, rest = f"/{value}".partition(PREFIX)
    return f" (did you mean {excerpt(PREFIX + rest)}?)" if found else ""


def _pointer_fault(value: Any) -> str | None:
    if not isinstance(value, str):
        return "string_type"
    return None if is_pointer(value) else "string_pattern_mismatch"


def _queries_fault(value: Any) -> str | None:
    if not isinstance(value, list):
        return "list_type"
    if not value:
        return "too_short"
    return "too_long" if len(value) > MAX_BATCH_QUERIES else None


ID = Kind(
    "1 to 64 letters, digits, '_' or '-', starting with a letter or a digit",
    text(pattern=f"^{_ID.pattern}$"),
    _id_fault,
    required=True,
)
FLAG = Kind("true or false", truth(), _of_type(bool, "bool_type"))

BODY = {
    "queries": Kind(
        f"a list of 1 to {MAX_BATCH_QUERIES} queries",
        array(ref("PlannedQuery"), minItems=1, maxItems=MAX_BATCH_QUERIES),
        _queries_fault,
        required=True,
    ),
    "options": Kind("an object", ref("BatchOptions"), _of_type(dict, "object_type")),
}
QUERY = {
    "id": ID,
    "endpoint": Kind(
        f"a path that starts with '{PREFIX}'",
        text(pattern=f"^{PREFIX}"),
        _endpoint_fault,
        required=True,
        hint=_endpoint_hint,
    ),
    "params": Kind("an object", ref("QueryParams"), _of_type(dict, "object_type"), required=True),
    "depends_on": Kind("a list of query ids", array(ID.schema), _of_type(list, "list_type")),
}
OPTIONS = {
    "fail_fast": FLAG,
    "parallel_limit": _whole_number(1, 10),
    "include_timing": FLAG,
    "dry_run": FLAG,
    "deadline_ms": _whole_number(1, LONGEST_DEADLINE_MS),
}
BINDING = {
    "from": ID,
    "path": Kind(
        "a JSON Pointer such as '/data/0/utm_source'", text(format="json-pointer"), _pointer_fault, required=True
    ),
}


def problems(parsed: ParsedJson) -> Iterator[PlanProblem]:
    """Every fault of a JSON object that is to be a plan.  Lazy, so that reading can stop."""
    body: dict[str, Any] = parsed.value
    yield from (_repeated_key(path, body) for path in parsed.repeated_keys)
    yield from _member_problems("body", body, BODY)
    if isinstance(queries := body.get("queries"), list):
        yield from _queries_problems(queries)
    if isinstance(options := body.get("options"), dict):
        yield from _member_problems("body.options", options, OPTIONS)


def _repeated_key(path: Path, body: dict[str, Any]) -> PlanProblem:
    message = f"The key {excerpt(path[-1])} is written twice in the same object"
    return PlanProblem(".".join(("body", *path)), message, "duplicate_key", _query_id_at(path, body))


def _query_id_at(path: Path, body: dict[str, Any]) -> str | None:
    match path:
        case ("queries", position, _, *_) if position.isdecimal() and isinstance(body["queries"], list):
            return _good_id(body["queries"][int(position)])
        case _:
            return None


def _good_id(query: Any) -> str | None:
    """The id a problem may be told under."""
    query_id = query.get("id") if isinstance(query, dict) else None
    return None if _id_fault(query_id) else query_id


def _member_problems(
    path: str, members: dict[str, Any], kinds: Mapping[str, Kind], query_id: str | None = None
) -> Iterator[PlanProblem]:
    """What an object lacks, holds without being asked for, or holds in the wrong kind."""
    for name, kind in kinds.items():
        if name in members:
            yield from _kind_problems(f"{path}.{name}", name, members[name], kind, query_id)
        elif kind.required:
            yield PlanProblem(f"{path}.{name}", f"{name} is missing: {kind.accepted}", "missing", query_id)
    for name in members:
        if name not in kinds:
            yield _unknown_key(path, name, kinds, query_id)


def _kind_problems(path: str, name: str, value: Any, kind: Kind, query_id: str | None) -> Iterator[PlanProblem]:
    if fault := kind.fault(value):
        hint = kind.hint(value) if isinstance(value, str) else ""
        yield PlanProblem(path, f"{name} must be {kind.accepted}, not {excerpt(value)}{hint}", fault, query_id)


def _unknown_key(path: str, name: str, kinds: Mapping[str, Kind], query_id: str | None) -> PlanProblem:
    key = shortened(name)
    hint = suggestion(key.lower(), kinds) or f"; known are {', '.join(kinds)}"
    return PlanProblem(f"{path}.{key}", f"Unknown key {excerpt(name)}{hint}", "extra_forbidden", query_id)


def _queries_problems(queries: list[Any]) -> Iterator[PlanProblem]:
    positions = _positions(queries)
    for position, query in enumerate(queries):
        path = f"body.queries.{position}"
        if isinstance(query, dict):
            yield from _query_problems(path, position, query, positions)
        else:
            yield PlanProblem(path, f"A query must be an object, not {excerpt(query)}", "object_type")
    if len(queries) <= MAX_BATCH_QUERIES:
        yield from _cycle_problems(queries, positions)


def _positions(queries: list[Any]) -> dict[str, int]:
    """Where each id stands first, bad ids included: who depends on one is not at fault too."""
    positions: dict[str, int] = {}
    for position, query in enumerate(queries):
        if isinstance(query, dict) and isinstance(query_id := query.get("id"), str):
            positions.setdefault(query_id, position)
    return positions


def _query_problems(
    path: str, position: int, query: dict[str, Any], positions: Mapping[str, int]
) -> Iterator[PlanProblem]:
    good_id = _good_id(query)
    yield from _member_problems(path, query, QUERY, good_id)
    if good_id and (first := positions[good_id]) != position:
        message = f"The id '{good_id}' is used twice: queries {first} and {position}"
        yield PlanProblem(f"{path}.id", message, "duplicate_id", good_id)
    if isinstance(needed := query.get("depends_on"), list):
        for index, other in enumerate(needed):
            yield from _dependency_problems(f"{path}.depends_on.{index}", other, query, positions, WAITING)
    if isinstance(params := query.get("params"), dict):
        yield from _bindings_problems(f"{path}.params", params, query, positions)


def _bindings_problems(
    path: str, params: dict[str, Any], query: dict[str, Any], positions: Mapping[str, int]
) -> Iterator[PlanProblem]:
    good_id = _good_id(query)
    written = list(islice(written_bindings(params), MOST_BINDINGS + 1))
    if len(written) > MOST_BINDINGS:
        message = f"A query can take at most {MOST_BINDINGS} values from others"
        yield PlanProblem(path, message, "too_many", good_id)
    for parameter, place, binding in written[:MOST_BINDINGS]:
        field = f"{path}.{field_of(shortened(parameter), place)}"
        yield from _member_problems(field, binding, BINDING, good_id)
        if not _id_fault(source := binding.get("from")):
            yield from _dependency_problems(f"{field}.from", source, query, positions, TAKING)


@dataclass(frozen=True, slots=True)
class Need:
    """How one query needs another, in words."""

    of_itself: str
    purpose: str


WAITING = Need("depends on itself", "to wait for")
TAKING = Need("takes a value from itself", "to take a value from")


def _dependency_problems(
    path: str, needed: Any, query: dict[str, Any], positions: Mapping[str, int], need: Need
) -> Iterator[PlanProblem]:
    good_id = _good_id(query)
    if not isinstance(needed, str):
        yield PlanProblem(path, f"A dependency must be a query's id, not {excerpt(needed)}", "string_type", good_id)
    elif needed == query.get("id"):
        yield PlanProblem(path, f"The query {excerpt(needed)} {need.of_itself}", "self_dependency", good_id)
    elif needed not in positions:
        hint = suggestion(shortened(needed), islice(positions, MAX_BATCH_QUERIES))
        message = f"There is no query {excerpt(needed)} {need.purpose}{hint}"
        yield PlanProblem(path, message, "unknown_dependency", good_id)


def _cycle_problems(queries: list[Any], positions: Mapping[str, int]) -> Iterator[PlanProblem]:
    needs = {query_id: _known_needs(query_id, queries[position], positions) for query_id, position in positions.items()}
    for cycle in cycles(needs):
        message = f"The queries wait for each other: {' → '.join(map(shortened, cycle))}"
        position = positions[cycle[0]]
        field = f"body.queries.{position}.{needs[cycle[0]][cycle[1]]}"
        yield PlanProblem(field, message, "cycle", _good_id(queries[position]))


def _known_needs(query_id: str, query: dict[str, Any], positions: Mapping[str, int]) -> dict[str, str]:
    """Which other queries of the plan a query needs, and the field that says so."""
    return {other: field for other, field in _needs(query) if other in positions and other != query_id}


def _needs(query: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whom a query waits for comes last, so that it wins over whom it takes a value from."""
    if isinstance(params := query.get("params"), dict):
        for parameter, place, binding in written_bindings(params):
            if isinstance(source := binding.get("from"), str):
                yield source, f"params.{field_of(shortened(parameter), place)}.from"
    if isinstance(needed := query.get("depends_on"), list):
        yield from ((other, "depends_on") for other in needed if isinstance(other, str))
