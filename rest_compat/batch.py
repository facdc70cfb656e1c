"""Running a batch: translate each query, run them in order over one shared loader, map back.  Batch rules 2 to 5."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ..resolvers.loader import Sharing
from ..schema.context import RequestContext
from ..schema.engine import Engine
from ..schema.notes import present_notes
from ..warehouse.store import ReportWarehouse
from .batch_answer import batch_answer, validation_answer
from .execution import execute, kept_answer
from .explain import explanation
from .params import accounts_named
from .plan import Plan, PlannedQuery, PlanRefused
from .responses import timestamp
from .schedule import PlanRun
from .translation import Translation, bind, translate

Sleep = Callable[[float], Awaitable[object]]
Hears = Callable[[PlannedQuery], object]
Understands = Callable[[Plan, RequestContext], Translation]


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """An accepted plan over one snapshot, one loader and one clock, about to run."""

    plan: Plan
    id: str
    context: RequestContext
    run: PlanRun
    began: float

    @property
    def timestamp(self) -> str:
        return timestamp(self.context.now)

    @property
    def sharing(self) -> Sharing:
        return self.context.loader.sharing

    @property
    def wall_ms(self) -> float:
        return (time.perf_counter() - self.began) * 1000


@dataclass(frozen=True, slots=True)
class BatchRun:
    """A finished batch: the answer, and what it cost."""

    answer: dict[str, Any]
    sharing: Sharing
    wall_ms: float


@asynccontextmanager
async def open_batch(
    plan: Plan,
    engine: Engine,
    batch_id: str,
    *,
    understand: Understands = translate,
    on_start: Hears | None = None,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[OpenBatch]:
    """A batch that may be run once; leaving it interrupts what still runs.  Raises what ``Engine.request`` raises.

    ``understand`` translates, for whoever knows the plan already; ``on_start`` hears of each query that gets its turn; ``sleep`` waits for the deadline, in seconds from here.
    """
    began = time.perf_counter()
    present_notes().queries = len(plan.queries)
    about = accounts_named(*(query.params for query in plan.queries))
    async with engine.request(plan.options.parallel_limit, about=about) as context:
        translation = understand(plan, context)
        context.loader.expect(query.stats for query in translation.queries.values())
        batch = OpenBatch(plan, batch_id, context, _plan_run(plan, translation, context, on_start), began)
        async with _deadline(batch, sleep):
            yield batch


def _plan_run(plan: Plan, translation: Translation, context: RequestContext, on_start: Hears | None) -> PlanRun:
    async def answer(query: PlannedQuery) -> Mapping[str, Any]:
        return await execute(translation.queries[query.id], context)

    def kept(query: PlannedQuery) -> Mapping[str, Any] | None:
        return kept_answer(translation.queries[query.id], context)

    def scope_of(query: PlannedQuery) -> Hashable:
        return translation.queries[query.id].stats.scope.shared

    return PlanRun(
        plan,
        answer,
        refused=translation.refused,
        scope_of=scope_of,
        bind=lambda query, outcomes: bind(query, outcomes, translation, context),
        kept=kept,
        on_start=on_start,
    )


@asynccontextmanager
async def _deadline(batch: OpenBatch, sleep: Sleep) -> AsyncIterator[None]:
    """While inside, the batch's deadline is kept: it skips what is not ready and interrupts its scans.  Rule 5.3."""
    deadline_ms = batch.plan.options.deadline_ms
    if deadline_ms is None:
        yield
        return

    async def expire() -> None:
        await sleep(deadline_ms / 1000)
        batch.run.expire()
        await batch.context.loader.close()

    expiring = asyncio.create_task(expire())
    try:
        yield
    finally:
        expiring.cancel()
        await asyncio.wait([expiring])


async def run_batch(plan: Plan, engine: Engine, batch_id: str, **listening: Any) -> BatchRun:
    """Run an accepted plan to its end.  Never fails for a query's sake; takes and raises what ``open_batch`` does."""
    async with open_batch(plan, engine, batch_id, **listening) as batch:
        outcomes = await batch.run.finish()
        told = batch_answer(plan, outcomes, batch_id=batch_id, timestamp=batch.timestamp)
        return BatchRun(told, batch.sharing, batch.wall_ms)


async def validate_batch(subject: Plan | PlanRefused, engine: Engine, *, explain: bool = False) -> dict[str, Any]:
    """What ``/batch/validate`` answers: every fault of the plan and of its queries, without touching data.

    A valid plan is explained when asked.  Rule 5.4.
    """
    if isinstance(subject, PlanRefused):
        return validation_answer(subject)
    present_notes().queries = len(subject.queries)
    async with engine.request() as context:
        translation = translate(subject, context)
    answer = validation_answer(subject, translation.refused, _warnings(subject))
    if explain and answer["valid"]:
        answer["explanation"] = explanation(
            subject, translation, by_reports=isinstance(engine.warehouse, ReportWarehouse)
        )
    return answer


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
