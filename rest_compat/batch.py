"""Running a batch: read the plan, translate each query, run them in order over one shared loader, map back."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from ..catalog.errors import InvalidQuery, StatsError
from ..resolvers.loader import Sharing
from ..schema.context import RequestContext
from ..schema.engine import Engine
from .batch_answer import batch_answer, validation_answer
from .execution import execute
from .params import RestQuery, endpoint_at, read_query
from .plan import Plan, PlannedQuery, PlanRefused
from .responses import timestamp
from .schedule import run_plan


@dataclass(frozen=True, slots=True)
class Translation:
    """A plan's queries as REST understood them, and those it could not."""

    queries: dict[str, RestQuery] = field(default_factory=dict)
    refused: dict[str, StatsError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchRun:
    """A finished batch: the answer, and what it cost."""

    answer: dict[str, Any]
    sharing: Sharing
    wall_ms: float


async def run_batch(plan: Plan, engine: Engine, batch_id: str) -> BatchRun:
    """Run an accepted plan.  Never fails for a query's sake; raises ``WarehouseUnavailable`` before anything has run."""
    began = time.perf_counter()
    async with engine.request(plan.options.parallel_limit) as context:
        translation = translate(plan, context)
        context.loader.expect(query.stats for query in translation.queries.values())

        async def answer(query: PlannedQuery) -> dict[str, Any]:
            return await execute(translation.queries[query.id], context)

        def scope_of(query: PlannedQuery) -> Hashable:
            scope = translation.queries[query.id].stats.scope
            return scope.account, scope.window, scope.filters

        outcomes = await run_plan(plan, answer, refused=translation.refused, scope_of=scope_of)
        told = batch_answer(plan, outcomes, batch_id=batch_id, timestamp=timestamp(context.now))
        return BatchRun(told, context.loader.sharing, (time.perf_counter() - began) * 1000)


async def validate_batch(subject: Plan | PlanRefused, engine: Engine) -> dict[str, Any]:
    """What ``/batch/validate`` answers: every fault of the plan and of its queries, without touching data."""
    if isinstance(subject, PlanRefused):
        return validation_answer(subject)
    async with engine.request() as context:
        translation = translate(subject, context)
    return validation_answer(subject, translation.refused, _warnings(subject))


def translate(plan: Plan, context: RequestContext) -> Translation:
    """Read every query's endpoint and parameters.  A fault is that query's alone.  Rule 1.3."""
    translation = Translation()
    for query in plan.queries:
        try:
            endpoint = endpoint_at(query.endpoint)
            translation.queries[query.id] = read_query(endpoint, query.params, context)
        except InvalidQuery as error:
            problems = [problem.under(f"{query.field}.params") for problem in error.detail]
            translation.refused[query.id] = InvalidQuery.of(*problems)
        except StatsError as error:
            translation.refused[query.id] = error
    return translation


def _warnings(plan: Plan) -> list[dict[str, str]]:
    return [
        {
            "code": "alias",
            "message": "site_id is accepted; the documented name in a batch is account_id",
            "field": f"{query.field}.params.site_id",
            "query_id": query.id,
        }
        for query in plan.queries
        if "site_id" in query.params
    ]
