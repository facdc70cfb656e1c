"""The executor's fast path: a report is projected in one go instead of being completed leaf by leaf.

Answers are plain dicts whose fields need no resolver, so what leaves is known from the selection alone.  A projection is
compiled once per selection, is kept with its document and works on whole columns of rows; whatever is unusual (a null
where none may be, a value of another type, ``@defer`` inside a report, a field with a resolver) falls back to the ordinary
path, so errors keep their meaning.  Equality of both paths is held by a property test (``tests/schema/test_projection.py``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from types import NoneType
from typing import Any, Protocol, cast

import orjson
from graphql import (
    FieldNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    VariableNode,
    get_argument_values,
    is_leaf_type,
)
from graphql.execution.incremental.build_execution_plan import get_filtered_defer_usage_set
from graphql.pyutils import Path, RefSet
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

_NOTHING_ASKED = (None, None, 0)

# Sets of switches that one document is kept collected for; a client rarely has more than "compared or not".
MAX_SELECTIONS = 8

Column = Sequence[Any]
Complete = Callable[[Column, set[type]], Column]  # a column without nulls, and the kinds of its values


class Unusual(Exception):
    """This value needs the ordinary path."""


class Preparable(Protocol):
    """A resolver that can be told arguments which are always the same, once.  It gives a dict, or what has to be awaited
    for one."""

    def prepared(self, arguments: dict[str, Any]) -> Callable[[Any, Any], Any]: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A field whose arguments hold no variable, and its resolver, which was told them."""

    definition: GraphQLField
    nodes: list[FieldNode]
    resolve: Callable[[Any, Any], Any]


@dataclass(slots=True)
class Selection:
    """What is left of an operation once its switches are decided: its fields, what is deferred, and their projections.

    The executor finds them by the identity of the list of a field's nodes, so those lists are kept here and used again.
    """

    root: Any = None  # response names of the root, and their nodes
    deferred: Sequence[Any] = ()  # the root's own ``@defer``, which those nodes refer to
    subfields: dict[Any, Any] = field(default_factory=dict)
    projections: dict[tuple[str, int], tuple[Any, Projection | None]] = field(default_factory=dict)
    prepared: dict[int, tuple[Any, Prepared | None]] = field(default_factory=dict)

    @property
    def sole_projection(self) -> Projection | None:
        """The only one that executing it came upon."""
        compiled = [projection for _, projection in self.projections.values()]
        return compiled[0] if len(compiled) == 1 else None


class Selections:
    """The selections of one document, the most recently used ones."""

    def __init__(self, switches: Iterable[str] = ()) -> None:
        """``switches`` are the variables that ``@include``, ``@skip`` and ``@defer`` look at."""
        self._switches = tuple(sorted(switches))
        self._kept: OrderedDict[tuple[Any, ...], Selection] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Selection]:
        return iter(self._kept.values())

    def of(self, operation: Any, variables: Mapping[str, Any], in_parts: bool) -> Selection:
        """The selection of an operation of the document; a new and empty one for switches not met before."""
        key = (id(operation), in_parts, *(variables.get(switch) for switch in self._switches))
        selection = self._kept.pop(key, None) or Selection()
        self._kept[key] = selection
        while len(self._kept) > MAX_SELECTIONS:
            self._kept.popitem(last=False)
        return selection


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    """The stock executor, with plain dicts projected.  ``selections`` are those of the document it executes.

    Unless it answers ``in_parts``, ``@defer`` is as if it were not there.  Where it answers ``encoded``, reports are told as
    the JSON they leave as, which is kept beside their answers: for those who write the result and never look inside.
    """

    def __init__(
        self,
        *args: Any,
        selections: Selections | None = None,
        in_parts: bool = False,
        encoded: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        kept = Selections() if selections is None else selections
        self._in_parts = in_parts
        self._encoded = encoded
        self._selection = kept.of(self.operation, self.variable_values.coerced, in_parts)
        self._relevant_sub_fields = self._selection.subfields  # the executor's own memo, living longer

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: Any,
        serially: bool,
        new_defer_usages: Any,
    ) -> Any:
        """With the lists of the first execution, because what is compiled is found by their identity."""
        selection = self._selection
        if selection.root is None:
            selection.root, selection.deferred = grouped_field_set, new_defer_usages
        root, deferred = selection.root, selection.deferred if self._in_parts else ()
        return super().execute_collected_root_fields(root_type, root_value, root, serially, deferred)

    def execute_collected_subfields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path,
        grouped_field_set: Any,
        new_defer_usages: Any,
        delivery_group_map: Any,
    ) -> Any:
        deferred = new_defer_usages if self._in_parts else ()
        return super().execute_collected_subfields(
            parent_type, source_value, path, grouped_field_set, deferred, delivery_group_map
        )

    def prime_soon(self, computation: Any) -> None:
        """At once: a part begun a tick later would miss the scans that the others share."""
        self.prime_now(computation)

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, field_details_list: Any, path: Path, position_context: Any
    ) -> Any:
        prepared = None if _middlewares(self) else self._prepared(parent_type, field_details_list)
        if prepared is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        kind = prepared.definition.type
        info = self.build_resolve_info(prepared.definition, prepared.nodes, parent_type, path)
        try:
            answer = prepared.resolve(source, info)
        except Exception as error:
            self.handle_field_error(error, kind, field_details_list, path)
            return None
        if type(answer) is dict:
            told = self._projected(cast("GraphQLObjectType", kind), field_details_list, info, path, answer)
            if told is not None:
                return told
            answer = _ready(answer)
        return self.complete_awaitable_value(kind, field_details_list, info, path, answer, position_context)

    def _prepared(self, parent_type: GraphQLObjectType, field_details_list: Any) -> Prepared | None:
        """The field with its arguments read, None when they have to be read anew each time."""
        kept = self._selection.prepared
        key = id(field_details_list)
        if key not in kept:
            kept[key] = field_details_list, self._prepare(parent_type, field_details_list)
        return kept[key][1]

    def _prepare(self, parent_type: GraphQLObjectType, field_details_list: Any) -> Prepared | None:
        nodes = [details.node for details in field_details_list]
        definition = self.schema.get_field(parent_type, nodes[0].name.value)
        resolver = definition and definition.resolve
        if definition is None or not hasattr(resolver, "prepared"):
            return None
        if any(_holds_variable(argument.value) for argument in nodes[0].arguments or ()):
            return None
        try:
            arguments = get_argument_values(definition, nodes[0])
        except GraphQLError:  # the ordinary path says it in its place
            return None
        return Prepared(definition, nodes, cast("Preparable", resolver).prepared(arguments))

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
            told = self._projected(return_type, field_details_list, info, path, result)
            if told is not None:
                return told
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def _projected(
        self, return_type: GraphQLObjectType, field_details_list: Any, info: Any, path: Path, result: dict[str, Any]
    ) -> Any:
        """What is selected of a dict; None where the ordinary path knows what to say."""
        projection = self._projection(return_type, field_details_list)
        if projection is None:
            return None
        _, query, _ = info.context.asked.get(id(path), _NOTHING_ASKED) if self._encoded else _NOTHING_ASKED
        try:
            if query is None:
                return projection.complete([result], {dict})[0]
            return self._told_report(query, projection, info.context.loader, result)
        except Unusual:
            return None

    def _told_report(self, query: Any, projection: Projection, loader: Any, answer: dict[str, Any]) -> orjson.Fragment:
        """A report's JSON: as it was told before in this form, or made now."""
        text = loader.form(query, projection.form)
        if text is None:
            text = orjson.dumps(projection.complete([answer], {dict})[0])
            loader.keep_form(query, projection.form, text)
        return orjson.Fragment(text)

    def _projection(self, return_type: GraphQLObjectType, field_details_list: Any) -> Projection | None:
        """The selection's projection, None when it has none; the list is kept, so that its id stays its own."""
        key = return_type.name, id(field_details_list)
        kept = self._selection.projections
        if key not in kept:
            kept[key] = field_details_list, self._compiled(return_type, field_details_list)
        return kept[key][1]

    def _compiled(self, return_type: GraphQLObjectType, field_details_list: Any) -> Projection | None:
        try:
            return self._compile(return_type, field_details_list)
        except Unusual:
            return None

    def _compile(self, return_type: GraphQLObjectType, field_details_list: Any) -> Projection:
        if return_type.is_type_of:
            raise Unusual
        selected = self.collect_subfields(return_type, field_details_list)
        if not selected.grouped_field_set or (self._in_parts and selected.new_defer_usages):
            raise Unusual
        return project(
            return_type.name,
            {name: self._compile_field(return_type, details) for name, details in selected.grouped_field_set.items()},
        )

    def _compile_field(self, parent_type: GraphQLObjectType, details: Any) -> Field | Constant:
        node = details[0].node
        if node.arguments or not self._is_of_this_part(details):
            raise Unusual
        if node.name.value == "__typename":
            return Constant(parent_type.name)
        definition = self.schema.get_field(parent_type, node.name.value)
        described = definition.extensions.get("strawberry-definition") if definition else None
        if definition is None or described is None or described.base_resolver or definition.args:
            raise Unusual
        complete, nullable, form = self._completion(definition.type, details)
        return Field(described.python_name, complete, nullable, form)

    def _is_of_this_part(self, details: Any) -> bool:
        """Whether a field below one of this part of the answer is in the same part."""
        return not self._in_parts or get_filtered_defer_usage_set(details) == (self.defer_usage_set or RefSet())

    def _completion(self, kind: Any, details: Any) -> tuple[Complete, bool, str]:
        """How a column of this type is completed, whether nulls may stand in it, and the form of what is inside."""
        if isinstance(kind, GraphQLNonNull):
            complete, _, form = self._completion(kind.of_type, details)
            return complete, False, form
        if isinstance(kind, GraphQLList):
            complete, nullable, form = self._completion(kind.of_type, details)
            return _each_list(complete, nullable), True, form
        if is_leaf_type(kind):
            return _LEAVES.get(kind.name) or _coerced_by(kind), True, ""
        if isinstance(kind, GraphQLObjectType):
            projection = self._compile(kind, details)
            return projection.complete, True, projection.form
        raise Unusual


@dataclass(frozen=True, slots=True)
class Field:
    """One selected field: the key it is read from, and how a column of its values is completed."""

    key: str
    complete: Complete
    nullable: bool
    form: str  # of what is selected inside


@dataclass(frozen=True, slots=True)
class Constant:
    """A selected field that is the same in every row: ``__typename``."""

    value: str


@dataclass(frozen=True, slots=True)
class Projection:
    """A selection on an object type: the fields that are read, and a row that has every name in its place already."""

    fields: tuple[tuple[str, Field], ...]
    template: dict[str, Any]  # with what is the same in every row
    read: Callable[[dict[str, Any]], Any]  # the keys' values of one dict, in the order of ``fields``
    form: str  # the type and all that is selected: equal forms of equal answers are equal JSON

    def complete_one(self, value: dict[str, Any]) -> Any:
        """The selected part of one dict; None where the ordinary path knows what to say."""
        try:
            return self.complete([value], {dict})[0]
        except Unusual:
            return None

    def complete(self, values: Column, kinds: set[type]) -> list[Any]:
        """The selected part of every dict.  Raises ``Unusual``."""
        _only(dict, kinds)
        rows = [self.template.copy() for _ in values]
        for (name, read), column in zip(self.fields, self._columns(values), strict=True):
            # Column by column into copies: a dict made from pairs grows while it is made, and takes twice the time.
            for row, value in zip(rows, _with_nulls(column, read.complete, read.nullable), strict=True):
                row[name] = value
        return rows

    def _columns(self, values: Column) -> Iterable[Column]:
        """The fields' values; what a dict leaves out is null."""
        if len(self.fields) > 1 and values:
            try:
                return zip(*map(self.read, values), strict=True)
            except KeyError:
                pass
        return ([value.get(field.key) for value in values] for _, field in self.fields)


def project(kind: str, selected: dict[str, Field | Constant]) -> Projection:
    """The projection that gives these fields of a type under these response names, in this order."""
    fields = tuple((name, field) for name, field in selected.items() if isinstance(field, Field))
    template = {name: field.value if isinstance(field, Constant) else None for name, field in selected.items()}
    read = itemgetter(*(field.key for _, field in fields)) if fields else dict[str, Any]
    told = ",".join(f"{name}:{field.key}{field.form}" for name, field in fields)
    constants = ",".join(
        f"{place}:{name}" for place, name in enumerate(selected) if isinstance(selected[name], Constant)
    )
    return Projection(fields, template, read, f"{kind}({told};{constants})")


async def _ready(answer: dict[str, Any]) -> dict[str, Any]:
    return answer


def _holds_variable(value: Any) -> bool:
    if isinstance(value, ListValueNode):
        return any(map(_holds_variable, value.values))
    if isinstance(value, ObjectValueNode):
        return any(_holds_variable(given.value) for given in value.fields)
    return isinstance(value, VariableNode)


def _middlewares(executor: Any) -> bool:
    """An empty manager is truthy, so it has to be looked into."""
    return bool(executor.middleware_manager and executor.middleware_manager.middlewares)


def _with_nulls(column: Column, complete: Complete, nullable: bool) -> Column:
    # Kinds are compared, not values: asking a Decimal whether it equals None takes longer than writing it.
    kinds = set(map(type, column))
    if NoneType not in kinds:
        return complete(column, kinds)
    if not nullable:
        raise Unusual
    completed = iter(complete([value for value in column if value is not None], kinds - {NoneType}))
    return [None if value is None else next(completed) for value in column]


def _each_list(complete: Complete, nullable: bool) -> Complete:
    """A column of lists, completed as one long column and cut again."""

    def complete_lists(column: Column, kinds: set[type]) -> Column:
        _only(list, kinds)
        flat = _with_nulls([item for items in column for item in items], complete, nullable)
        return _cut(flat, (len(items) for items in column))

    return complete_lists


def _cut(flat: Column, lengths: Iterable[int]) -> list[Column]:
    lists: list[Column] = []
    start = 0
    for length in lengths:
        lists.append(flat[start : start + length])
        start += length
    return lists


_MOST_INT, _LEAST_INT = 2**31 - 1, -(2**31)


def _ints(column: Column, kinds: set[type]) -> Column:
    _only(int, kinds)
    if column and not _LEAST_INT <= min(column) <= max(column) <= _MOST_INT:
        raise Unusual
    return column


def _floats(column: Column, kinds: set[type]) -> Column:
    _only(float, kinds)
    # Neither nan nor the infinities are finite, and only a finite column sums up to something finite for certain.
    if sum(column) - sum(column) != 0:
        raise Unusual
    return column


def _strings(column: Column, kinds: set[type]) -> Column:
    _only(str, kinds)
    return column


def _booleans(column: Column, kinds: set[type]) -> Column:
    _only(bool, kinds)
    return column


def _only(kind: type, kinds: set[type]) -> None:
    """Raises ``Unusual`` for a column of other kinds; an empty one has none."""
    if not kinds <= {kind}:
        raise Unusual


_LEAVES: dict[str, Complete] = {
    GraphQLInt.name: _ints,
    GraphQLFloat.name: _floats,
    GraphQLString.name: _strings,
    GraphQLBoolean.name: _booleans,
}


def _coerced_by(kind: GraphQLLeafType) -> Complete:
    """Any other scalar or enum, by its own rule."""
    coerce = kind.coerce_output_value

    def complete(column: Column, kinds: set[type]) -> Column:
        try:
            coerced = [coerce(value) for value in column]
        except Exception:  # whatever a scalar objects to, the ordinary path reports
            raise Unusual from None
        if {NoneType, type(Undefined)} & set(map(type, coerced)):
            raise Unusual
        return coerced

    return complete
