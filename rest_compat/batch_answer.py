"""The documented JSON of ``/api/v1/batch`` and ``/api/v1/batch/validate``.  Batch rules 1.1 and 4.1 to 4.6.

Members that do not apply are left out, never null.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from ..catalog.errors import StatsError
from .plan import Plan, PlanRefused
from .schedule import Outcome

BatchStatus = Literal["completed", "partial", "failed"]
Note = dict[str, str]  # an entry of ``errors`` or ``warnings``: code, message, field, query_id


def batch_answer(plan: Plan, outcomes: Mapping[str, Outcome], *, batch_id: str, timestamp: str) -> dict[str, Any]:
    """The answer to an accepted plan, results in input order."""
    timed = plan.options.include_timing
    return {
        "batch_id": batch_id,
        "status": batch_status(outcomes.values()),
        "results": {query.id: result(outcomes[query.id], timed=timed) for query in plan.queries},
        "meta": batch_meta(plan, outcomes.values()),
        "timestamp": timestamp,
    }


def batch_status(outcomes: Iterable[Outcome]) -> BatchStatus:
    statuses = {outcome.status for outcome in outcomes}
    if "success" not in statuses:
        return "failed"
    return "completed" if statuses == {"success"} else "partial"


def result(outcome: Outcome, *, timed: bool) -> dict[str, Any]:
    """One entry of ``results``."""
    body: dict[str, Any] = {"status": outcome.status}
    if outcome.error is None:
        body["data"] = outcome.data
    else:
        body["error"] = _told(outcome.error, with_status=outcome.status == "error")
    if timed and outcome.timing_ms is not None:
        body["timing_ms"] = outcome.timing_ms
    return body


def batch_meta(plan: Plan, outcomes: Collection[Outcome]) -> dict[str, Any]:
    """Counts that add up, and the sum of the timings, told even when the single ones are not.  Rule 4.5."""
    statuses = [outcome.status for outcome in outcomes]
    return {
        "total_queries": len(plan.queries),
        "successful": statuses.count("success"),
        "failed": statuses.count("error"),
        "skipped": statuses.count("skipped"),
        "total_timing_ms": sum(outcome.timing_ms or 0 for outcome in outcomes),
        "parallel_execution": plan.options.parallel_limit > 1 and len(plan.queries) > 1,
    }


def validation_answer(
    subject: Plan | PlanRefused,
    refused: Mapping[str, StatsError] | None = None,
    warnings: Sequence[Note] = (),
) -> dict[str, Any]:
    """What ``/batch/validate`` says of a plan, of the queries in it refused by content, or of a refused plan.

    The fields of content problems are told as they come, as ``batch_answer`` tells them.
    """
    errors = list(_faults(subject, refused or {}))
    groups = subject.parallel_groups if isinstance(subject, Plan) and not errors else ()
    return {
        "valid": not errors,
        "query_count": len(subject.queries) if isinstance(subject, Plan) else subject.query_count,
        "execution_order": [query_id for group in groups for query_id in group],
        "parallel_groups": [list(group) for group in groups],
        "errors": errors,
        "warnings": list(warnings),
    }


def _told(error: StatsError, *, with_status: bool) -> dict[str, Any]:
    """``{code, message, status?, detail?}``.  Rule 4.2."""
    body = error.as_json()
    status = {"status": error.http_status} if with_status else {}
    return {"code": body.pop("code"), "message": body.pop("message")} | status | body


def _faults(subject: Plan | PlanRefused, refused: Mapping[str, StatsError]) -> Iterator[Note]:
    if isinstance(subject, PlanRefused):
        yield from _notes(subject)
        return
    for query in subject.queries:
        if query.id in refused:
            yield from _notes(refused[query.id], query.id)


def _notes(error: StatsError, query_id: str | None = None) -> Iterator[Note]:
    """One note for every problem of the error, or one for the error itself."""
    owner = {} if query_id is None else {"query_id": query_id}
    if not error.detail:
        yield {"code": error.code, "message": error.message} | owner
    for told in (problem.as_json() for problem in error.detail):
        yield {"code": error.code, "message": told["message"], "field": told["field"]} | owner | _owner(told)


def _owner(told: Note) -> Note:
    return {"query_id": told["query_id"]} if "query_id" in told else {}
