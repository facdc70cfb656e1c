"""What the ``data`` of a report can look like, told without asking for it.  Batch rule 5.2.

A shape is a specimen: the data as the report's own document, types and mapper make it, each list with one item, each
text empty.  An object whose keys only data can tell (goals by name) has the one key ``ANY``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

from graphql import (
    FieldNode,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    SelectionSetNode,
    VariableNode,
    build_schema,
    get_named_type,
    get_nullable_type,
    parse,
)

from ..catalog.errors import StatsError, suggestion
from ..catalog.periods import Compare, Window
from ..catalog.query import Scope, ask
from ..schema.schema import schema
from .bindings import Pointer, index_of
from .documents import document_of, variables_of
from .json_text import excerpt, shortened
from .params import RestQuery
from .shapes import rest_data

ANY = ""
MOST_NAMED = 12  # members that a message lists

_SPECIMENS: dict[str, Any] = {"Int": 0, "Float": 0.0, "Boolean": False, "Decimal": "0.00"}


def shape_asked_for(query: RestQuery) -> Any:
    """The shape of exactly this query's data: what was not asked for is not in it."""
    switches = {name: value for name, value in variables_of(query).items() if isinstance(value, bool)}
    return rest_data(query, _specimen(query.endpoint.name, frozenset(switches.items())))


def widest_shape(report: str) -> Any | None:
    """The shape of all a report may tell; None for one whose columns depend on what is asked."""
    try:
        stats = ask(Scope("", Window(date.min, date.min)), report)
    except StatsError:
        return None
    totals = stats.endpoint.include_totals  # the one switch that not every report with its part has
    query = RestQuery(stats, {}, Compare.NONE, (), include_totals=totals)
    return rest_data(query, _specimen(report, frozenset({("withTotals", totals)})))


class NoSuchPath(LookupError):
    """Nothing can ever lie at a path; the words say what would be accepted."""


def part_at(shape: Any, pointer: Pointer) -> Any:
    """The part of a shape that a pointer leads to.  Raises ``NoSuchPath``."""
    for place, step in enumerate(pointer):
        shape = _part(shape, step, "/".join(("", *pointer[:place])))
    return shape


def _part(shape: Any, step: str, way: str) -> Any:
    where = f"after '{shortened(way)}'" if way else "first"
    match shape:
        case {**members} if ANY in members:
            return members[ANY]
        case {**members} if step in members:
            return members[step]
        case {**members}:
            raise NoSuchPath(f"{excerpt(step)} is not there; {where} comes {_listed(members, step)}")
        case list() if index_of(step) is not None:
            return shape[0] if shape else None
        case list():
            raise NoSuchPath(f"{excerpt(step)} is not there; {where} comes a row's number, from 0")
        case None:
            return None
        case _:
            raise NoSuchPath(f"nothing comes after '{shortened(way)}', which is a single value")


def _listed(members: Mapping[str, Any], step: str) -> str:
    names = list(members)
    more = f" or {len(names) - MOST_NAMED} others" if len(names) > MOST_NAMED else ""
    return f"one of {', '.join(names[:MOST_NAMED])}{more}{suggestion(shortened(step), names)}" if names else "nothing"


def _specimen(report: str, switches: frozenset[tuple[str, bool]]) -> Any:
    """A fresh one every time: mappers rewrite what they are given."""
    return copy.deepcopy(_made(report, switches))


@cache
def _made(report: str, switches: frozenset[tuple[str, bool]]) -> Any:
    return _object(_report_field(report), _types().type_map["Stats"], dict(switches))["report"]


@cache
def _types() -> GraphQLSchema:
    return build_schema(schema.as_str())


def _report_field(report: str) -> SelectionSetNode:
    """The selection inside ``stats``: the report alone."""
    operation: Any = parse(document_of(report)).definitions[0]
    return operation.selection_set.selections[0].selection_set


def _object(selection: SelectionSetNode, kind: Any, switches: Mapping[str, bool]) -> dict[str, Any]:
    fields = [node for node in selection.selections if isinstance(node, FieldNode) and _is_asked_for(node, switches)]
    return {
        (node.alias or node.name).value: _value(node, kind.fields[node.name.value].type, switches) for node in fields
    }


def _is_asked_for(node: FieldNode, switches: Mapping[str, bool]) -> bool:
    """What no switch is known of counts as asked for."""
    for directive in node.directives or ():
        for argument in directive.arguments or ():
            if isinstance(argument.value, VariableNode) and not switches.get(argument.value.name.value, True):
                return False
    return True


def _value(node: FieldNode, kind: Any, switches: Mapping[str, bool]) -> Any:
    kind = get_nullable_type(kind)
    if isinstance(kind, GraphQLList):
        return [_value(node, kind.of_type, switches)]
    if isinstance(kind, GraphQLObjectType) and node.selection_set:
        return _object(node.selection_set, kind, switches)
    return _SPECIMENS.get(get_named_type(kind).name, ANY)
