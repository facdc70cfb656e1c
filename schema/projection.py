"""The executor's fast path: a report is projected in one go instead of being completed leaf by leaf.

Answers are plain dicts whose fields need no resolver, so what leaves is known from the selection alone.  A projection is
compiled once per selection and works on whole columns of rows; whatever is unusual (a null where none may be, a value of
another type, ``@defer``, a field with a resolver) falls back to the ordinary path, so errors keep their meaning.
Equality of both paths is held by a property test (``tests/schema/test_projection.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
    Undefined,
    is_leaf_type,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

Column = list[Any]


class Unusual(Exception):
    """This value needs the ordinary path."""


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    """The stock executor, with plain dicts projected."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._projections: dict[tuple[str, int], tuple[Any, Projection | None]] = {}

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        if type(result) is dict and not _middlewares(self):
            projection = self._projection(return_type, field_details_list)
            if projection is not None:
                try:
                    return projection.rows([result])[0]
                except Unusual:
                    pass  # the ordinary path knows what to say
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def _projection(self, return_type: GraphQLObjectType, field_details_list: Any) -> Projection | None:
        """The selection's projection, None when it has none; the list is kept, so that its id stays its own."""
        key = return_type.name, id(field_details_list)
        if key not in self._projections:
            self._projections[key] = field_details_list, self._compiled(return_type, field_details_list)
        return self._projections[key][1]

    def _compiled(self, return_type: GraphQLObjectType, field_details_list: Any) -> Projection | None:
        try:
            return self._compile(return_type, field_details_list)
        except Unusual:
            return None

    def _compile(self, return_type: GraphQLObjectType, field_details_list: Any) -> Projection:
        if return_type.is_type_of:
            raise Unusual
        selected = self.collect_subfields(return_type, field_details_list)
        if selected.new_defer_usages:
            raise Unusual
        return Projection(
            tuple(
                (name, self._compile_field(return_type, details))
                for name, details in selected.grouped_field_set.items()
            )
        )

    def _compile_field(self, parent_type: GraphQLObjectType, details: Any) -> Field:
        node = details[0].node
        if any(item.defer_usage for item in details) or node.arguments:
            raise Unusual
        if node.name.value == "__typename":
            return Field(None, lambda column: [parent_type.name] * len(column), nullable=True)
        definition = self.schema.get_field(parent_type, node.name.value)
        described = definition.extensions.get("strawberry-definition") if definition else None
        if definition is None or described is None or described.base_resolver or definition.args:
            raise Unusual
        complete, nullable = self._completion(definition.type, details)
        return Field(described.python_name, complete, nullable)

    def _completion(self, kind: Any, details: Any) -> tuple[Callable[[Column], Column], bool]:
        """How a column of this type is completed, and whether nulls may stand in it."""
        if isinstance(kind, GraphQLNonNull):
            return self._completion(kind.of_type, details)[0], False
        if isinstance(kind, GraphQLList):
            return _each_list(*self._completion(kind.of_type, details)), True
        if is_leaf_type(kind):
            return _LEAVES.get(kind.name) or _coerced_by(kind), True
        if isinstance(kind, GraphQLObjectType):
            return self._compile(kind, details).rows, True
        raise Unusual


@dataclass(frozen=True, slots=True)
class Field:
    """One selected field: the key it is read from (None: no key), and how a column of its values is completed."""

    key: str | None
    complete: Callable[[Column], Column]
    nullable: bool

    def column(self, values: list[dict[str, Any]]) -> Column:
        column = [value.get(self.key) for value in values] if self.key is not None else list(values)
        return _with_nulls(column, self.complete, self.nullable)


@dataclass(frozen=True, slots=True)
class Projection:
    """A selection on an object type: response names and their fields."""

    fields: tuple[tuple[str, Field], ...]

    def rows(self, values: Column) -> Column:
        """The selected part of every dict.  Raises ``Unusual``."""
        if any(type(value) is not dict for value in values):
            raise Unusual
        names = [name for name, _ in self.fields]
        columns = [field.column(values) for _, field in self.fields]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _middlewares(executor: Any) -> bool:
    """An empty manager is truthy, so it has to be looked into."""
    return bool(executor.middleware_manager and executor.middleware_manager.middlewares)


def _with_nulls(column: Column, complete: Callable[[Column], Column], nullable: bool) -> Column:
    if None not in column:
        return complete(column)
    if not nullable:
        raise Unusual
    completed = iter(complete([value for value in column if value is not None]))
    return [None if value is None else next(completed) for value in column]


def _each_list(complete: Callable[[Column], Column], nullable: bool) -> Callable[[Column], Column]:
    """A column of lists, completed as one long column and cut again."""

    def complete_lists(column: Column) -> Column:
        if any(type(items) is not list for items in column):
            raise Unusual
        flat = _with_nulls([item for items in column for item in items], complete, nullable)
        return _cut(flat, (len(items) for items in column))

    return complete_lists


def _cut(flat: Column, lengths: Iterable[int]) -> Column:
    lists: Column = []
    start = 0
    for length in lengths:
        lists.append(flat[start : start + length])
        start += length
    return lists


_MOST_INT, _LEAST_INT = 2**31 - 1, -(2**31)


def _ints(column: Column) -> Column:
    if not _all_of(int, column) or (column and not _LEAST_INT <= min(column) <= max(column) <= _MOST_INT):
        raise Unusual
    return column


def _floats(column: Column) -> Column:
    # Neither nan nor the infinities are finite, and only a finite column sums up to something finite for certain.
    if not _all_of(float, column) or sum(column) - sum(column) != 0:
        raise Unusual
    return column


def _strings(column: Column) -> Column:
    if not _all_of(str, column):
        raise Unusual
    return column


def _booleans(column: Column) -> Column:
    if not _all_of(bool, column):
        raise Unusual
    return column


def _all_of(kind: type, column: Column) -> bool:
    return set(map(type, column)) <= {kind}


_LEAVES: dict[str, Callable[[Column], Column]] = {
    GraphQLInt.name: _ints,
    GraphQLFloat.name: _floats,
    GraphQLString.name: _strings,
    GraphQLBoolean.name: _booleans,
}


def _coerced_by(kind: GraphQLLeafType) -> Callable[[Column], Column]:
    """Any other scalar or enum, by its own rule."""
    coerce = kind.coerce_output_value

    def complete(column: Column) -> Column:
        try:
            coerced = [coerce(value) for value in column]
        except Exception:  # whatever a scalar objects to, the ordinary path reports
            raise Unusual from None
        if any(value is None or value is Undefined for value in coerced):
            raise Unusual
        return coerced

    return complete
