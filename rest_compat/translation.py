"""A plan's queries as REST understands them.  Whatever is wrong with one is that query's fault alone.  Batch rules 1.3, 5.2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..catalog.endpoints import Endpoint
from ..catalog.errors import BadRequest, InvalidQuery, NotFound, StatsError
from ..schema.context import RequestContext
from .answer_shape import shape_asked_for, widest_shape
from .bound_values import BindingFailed, binding_fault, bound_params
from .params import RestQuery, endpoint_at, path_params, read_literals, read_query, with_path_values
from .plan import Plan, PlannedQuery
from .schedule import Outcome


@dataclass(frozen=True, slots=True)
class Translation:
    """What has been understood; ``bind`` adds the queries that wait for values."""

    queries: dict[str, RestQuery] = field(default_factory=dict)
    refused: dict[str, StatsError] = field(default_factory=dict)
    literals: dict[str, RestQuery | None] = field(default_factory=dict)  # of queries that wait for values


def translate(plan: Plan, context: RequestContext) -> Translation:
    """Read every query's endpoint and parameters, without touching data."""
    translation = Translation()
    for query in sorted(plan.queries, key=lambda query: bool(query.bindings)):  # what they take from comes first
        if fault := _understand(query, plan, translation, context):
            translation.refused[query.id] = fault
    return translation


def bind(
    query: PlannedQuery, outcomes: Mapping[str, Outcome], translation: Translation, context: RequestContext
) -> StatsError | None:
    """Read a query whose values are there now; the fault it has, if any.

    Its literals were right, so what cannot be read is a value: ``binding_failed``.
    """
    try:
        asked = read_query(endpoint_at(query.endpoint), _params(query, bound_params(query, outcomes)), context)
    except (InvalidQuery, BadRequest) as error:
        detail = [problem.under(f"{query.field}.params") for problem in error.detail]
        return BindingFailed(error.message, detail)
    except StatsError as error:
        return error
    translation.queries[query.id] = asked
    context.loader.expect([asked.stats])
    return None


def _understand(
    query: PlannedQuery, plan: Plan, translation: Translation, context: RequestContext
) -> StatsError | None:
    try:
        endpoint = endpoint_at(query.endpoint)
        if query.bindings:
            return _understand_bound(query, endpoint, plan, translation, context)
        translation.queries[query.id] = read_query(endpoint, _params(query, query.params), context)
    except StatsError as error:
        return _told_in_plan(query, error)
    return None


def _told_in_plan(query: PlannedQuery, error: StatsError) -> StatsError:
    if not isinstance(error, InvalidQuery):
        return error
    return InvalidQuery.of(*(problem.under(f"{query.field}.params") for problem in error.detail))


def _params(query: PlannedQuery, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands in the path is a parameter like the others.  Raises ``InvalidQuery`` when it is given again."""
    return with_path_values(params, path_params(query.endpoint), given=query.params)


def _understand_bound(
    query: PlannedQuery, endpoint: Endpoint, plan: Plan, translation: Translation, context: RequestContext
) -> StatsError | None:
    """What can be told of a query before its values are there: its literals, and whether its paths can exist."""
    faults = [binding_fault(query, lambda source: _shape_of(source, plan, translation))]
    try:
        bound = _times_given(query)
        literal = {name: value for name, value in query.params.items() if name not in bound}
        translation.literals[query.id] = read_literals(endpoint, _params(query, literal), bound, context)
    except StatsError as error:
        faults.insert(0, _told_in_plan(query, error))
    return _together([fault for fault in faults if fault])


def _times_given(query: PlannedQuery) -> dict[str, int]:
    """How many values each bound parameter will have, as far as it is known."""
    written = {binding.parameter: query.params[binding.parameter] for binding in query.bindings}
    return {name: len(value) if isinstance(value, list) else 1 for name, value in written.items()}


def _shape_of(query_id: str, plan: Plan, translation: Translation) -> Any:
    """The shape of a query's data; of one that waits for values itself, or is refused, all it might be."""
    if asked := translation.queries.get(query_id):
        return shape_asked_for(asked)
    source = next(query for query in plan.queries if query.id == query_id)
    try:
        return widest_shape(endpoint_at(source.endpoint).name)
    except NotFound:
        return None


def _together(faults: list[StatsError]) -> StatsError | None:
    if len(faults) > 1 and any(isinstance(fault, InvalidQuery) for fault in faults):
        return InvalidQuery.of(*(problem for fault in faults for problem in fault.detail))
    return faults[0] if faults else None
