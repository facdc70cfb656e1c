"""The guard: one walk over a document, before anything looks at it whose work is more than linear.

Every definition is walked once and its spreads are added up afterwards, so fragments that double, or spread each other in
a circle, cost what they are long.  Each definition is measured, unused ones too: validation looks at them as well.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

from ..catalog.endpoints import ENDPOINTS
from ..catalog.errors import BadRequest, Problem
from ..catalog.limits import UNPAGED_ROWS, DocumentRules
from .naming import camel_case

log = logging.getLogger(__name__)


COMPARISON_STEPS = 2  # as the rule that compares them counts, one for each of the two


@dataclass(frozen=True, slots=True)
class PageSize:
    """How many rows one report returns: the argument that says it, and what it is unless said, and at most."""

    argument: str
    default: int
    maximum: int


REPORT_ROWS: dict[str, PageSize | None] = {
    camel_case(endpoint.name): endpoint.page_size
    and PageSize(camel_case(endpoint.page_size.parameter), endpoint.page_size.default, endpoint.page_size.maximum)
    for endpoint in ENDPOINTS.values()
}


@dataclass(slots=True)
class Measure:
    """What a definition has in it; of an operation that is what executing it would take."""

    depth: int = 0
    aliases: int = 0
    root_fields: int = 0
    fields: int = 0
    directives: int = 0
    inputs: int = 0
    comparisons: int = 0  # of fields of one selection set; those across fragments are counted when they are made
    unknown: int = 0  # fields that the schema does not have
    rows: int = 0  # those known from the document
    sized: Counter[tuple[str, PageSize]] = field(default_factory=Counter)  # reports whose variable says the size
    spreads: list[tuple[str, int]] = field(default_factory=list)  # fragments, and the depth they stand at

    def add(self, spread: Measure, depth: int) -> None:
        """Take in a fragment that is spread at that depth."""
        self.depth = max(self.depth, depth + spread.depth)
        self.aliases += spread.aliases
        self.root_fields += spread.root_fields
        self.fields += spread.fields
        self.directives += spread.directives
        self.inputs += spread.inputs
        self.comparisons += spread.comparisons
        self.unknown += spread.unknown
        self.rows += spread.rows
        self.sized.update(spread.sized)

    def rows_with(self, variables: Mapping[str, Any]) -> int:
        """The rows it may return, given the variables; what is no number is left to those who read it."""
        return self.rows + sum(count * _rows(size, variables.get(name)) for (name, size), count in self.sized.items())


@dataclass(frozen=True, slots=True)
class Measured:
    """A document's definitions with their measures, the switches of its ``@include`` and ``@skip``, and the work done."""

    definitions: tuple[tuple[Node, Measure], ...]
    switches: frozenset[str]
    steps: int  # selections looked at and spreads added up


def measured(document: DocumentNode, schema: GraphQLSchema) -> Measured:
    """Measure every definition of a document that need not be valid."""
    walk = _Walk(schema)
    local = [(node, walk.measure(node)) for node in document.definitions]
    fragments = {node.name.value: measure for node, measure in local if isinstance(node, FragmentDefinitionNode)}
    walk.steps += _add_spreads([measure for _, measure in local], fragments)
    return Measured(tuple(local), frozenset(walk.switches), walk.steps)


class _Walk:
    """The walk over one document."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self.switches: set[str] = set()
        self.steps = 0

    def measure(self, definition: Node) -> Measure:
        """What the definition itself has in it, its spreads only named."""
        measure = Measure()
        if isinstance(definition, OperationDefinitionNode):
            kind = self._schema.get_root_type(definition.operation)
            for variable in definition.variable_definitions or ():
                measure.inputs += 1
                self._inputs(measure, variable.default_value)
                self._directives(measure, variable)
        elif isinstance(definition, FragmentDefinitionNode):
            kind = self._schema.get_type(definition.type_condition.name.value)
        else:
            return measure  # no executable definition: validation refuses it
        self._directives(measure, definition)
        pending: list[tuple[SelectionSetNode, Any, int]] = [(definition.selection_set, kind, 0)]
        while pending:
            selection_set, kind, depth = pending.pop()
            named: Counter[str] = Counter()
            for node in selection_set.selections:
                self.steps += 1
                measure.fields += 1
                self._directives(measure, node)
                if isinstance(node, FieldNode):
                    name = (node.alias or node.name).value
                    measure.comparisons += COMPARISON_STEPS * named[name]
                    named[name] += 1
                    pending += self._field(measure, node, kind, depth)
                elif isinstance(node, InlineFragmentNode):
                    on = node.type_condition
                    pending.append((node.selection_set, self._schema.get_type(on.name.value) if on else kind, depth))
                elif isinstance(node, FragmentSpreadNode):
                    measure.spreads.append((node.name.value, depth))
        return measure

    def _field(self, measure: Measure, node: FieldNode, parent: Any, depth: int) -> Iterator[tuple[Any, Any, int]]:
        """Count a field, and give what is below it."""
        name = node.name.value
        introspects = parent is not None and parent.name.startswith("__")
        depth += not introspects
        measure.depth = max(measure.depth, depth)
        measure.aliases += node.alias is not None
        for argument in node.arguments or ():
            measure.inputs += 1
            self._inputs(measure, argument.value)
        measure.root_fields += parent is self._schema.query_type
        if name in REPORT_ROWS and parent is not None and parent.name == "Stats":
            _count_rows(measure, node, REPORT_ROWS[name])
        known = self._schema.get_field(parent, name) if is_composite_type(parent) else None
        measure.unknown += known is None
        if node.selection_set:
            yield node.selection_set, get_named_type(known.type) if known else None, depth

    def _directives(self, measure: Measure, node: Any) -> None:
        for directive in node.directives or ():
            measure.directives += 1
            for argument in directive.arguments or ():
                measure.inputs += 1
                self._inputs(measure, argument.value)
                if isinstance(argument.value, VariableNode):
                    self.switches.add(argument.value.name.value)

    def _inputs(self, measure: Measure, value: ValueNode | None) -> None:
        """Count the values inside a value: items of lists and fields of objects."""
        pending = [value]
        while pending:
            inner: list[ValueNode] = []
            node = pending.pop()
            if isinstance(node, ListValueNode):
                inner = list(node.values)
            elif isinstance(node, ObjectValueNode):
                inner = [given.value for given in node.fields]
            self.steps += len(inner)
            measure.inputs += len(inner)
            pending += inner


def _count_rows(measure: Measure, node: FieldNode, size: PageSize | None) -> None:
    if size is None:
        measure.rows += UNPAGED_ROWS
        return
    value = next((argument.value for argument in node.arguments or () if argument.name.value == size.argument), None)
    if isinstance(value, VariableNode):
        measure.sized[value.name.value, size] += 1
    else:
        measure.rows += _rows(size, int(value.value[:9]) if isinstance(value, IntValueNode) else None)


def _rows(size: PageSize, asked: Any) -> int:
    """Rows of one page.  More than the maximum is not answered, so it costs no more than that."""
    return size.default if not isinstance(asked, int) else min(max(asked, 1), size.maximum)


def _add_spreads(measures: Iterable[Measure], fragments: Mapping[str, Measure]) -> int:
    """Add to every measure those of its spreads, each fragment's once it is complete; how many were added.

    A spread that closes a circle adds nothing, because validation refuses it.  No recursion: a chain may be long.
    """
    added = 0
    begun: set[int] = set()
    unfinished: set[int] = set()
    for start in measures:
        path = [] if id(start) in begun else [(start, iter(start.spreads))]
        while path:
            measure, spreads = path[-1]
            begun.add(id(measure))
            unfinished.add(id(measure))
            inner = next((name for name, _ in spreads if name in fragments and id(fragments[name]) not in begun), None)
            if inner is not None:
                path.append((fragments[inner], iter(fragments[inner].spreads)))
                continue
            path.pop()
            for name, depth in measure.spreads:
                added += 1
                if name in fragments and id(fragments[name]) not in unfinished:
                    measure.add(fragments[name], depth)
            unfinished.remove(id(measure))
    return added


# --- refusing -----------------------------------------------------------------------------------------------------


def over_limits(measured: Measured, rules: DocumentRules) -> BadRequest | None:
    """The first limit that a definition is over, or None; variables are looked at when it is executed."""
    for _, measure in measured.definitions:
        for limit in ("depth", "fields", "aliases", "root_fields", "directives", "inputs", "comparisons"):
            refusal = over_limit(rules, f"max_{limit}", getattr(measure, limit))
            if refusal:
                return refusal
    return None


def over_limit(rules: DocumentRules, limit: str, value: int) -> BadRequest | None:
    """What to say of a value over its limit; None when it is not, or when rules only measure."""
    maximum = rules.limits[limit]
    if value <= maximum:
        return None
    message = f"The document is over {limit}: {min(value, 10**9)} where {maximum} are allowed"
    if not rules.enforced:
        log.warning("measured, not refused: %s", message)
        return None
    return BadRequest(message, [Problem(limit, message, "limit_exceeded")])
