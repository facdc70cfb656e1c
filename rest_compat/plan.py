"""Reading a batch request into a plan, or into the list of everything wrong with its structure.

Batch rules 1.1 to 1.6, 2.1 and 5.2.  Content (which report, which parameters, whose account) is each query's own
matter, rule 1.3, and is not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from ..catalog.errors import InvalidQuery, Problem
from .bindings import Binding, bindings_of
from .dependency_graph import levels
from .json_text import excerpt, parse_json
from .plan_checks import PREFIX, PlanProblem, problems

MOST_PROBLEMS = 500  # told at once; 1 MiB of nonsense could hold a million


@dataclass(frozen=True, slots=True)
class PlannedQuery:
    """One entry of ``queries``.  ``depends_on`` holds each id once: those written, then those values are taken from."""

    id: str
    endpoint: str  # as the caller wrote it
    params: dict[str, Any]
    depends_on: tuple[str, ...] = ()
    position: int = 0
    bindings: tuple[Binding, ...] = ()

    @property
    def report_path(self) -> str:
        """What to look up among the reports: ``geo/countries`` of ``/stats/geo/countries/``.  Rule 1.5."""
        return self.endpoint.removeprefix(PREFIX).removesuffix("/")

    @property
    def field(self) -> str:
        """Where the query stands in the request, the prefix of its problems' fields."""
        return f"body.queries.{self.position}"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """One field for every row of ``plan_checks.OPTIONS``."""

    fail_fast: bool = False
    parallel_limit: int = 5
    include_timing: bool = True
    dry_run: bool = False
    deadline_ms: int | None = None  # None: as long as it takes


@dataclass(frozen=True)
class Plan:
    """Queries in input order.  Their order of running is a pure function of the request, found once.  Rule 2.1."""

    queries: tuple[PlannedQuery, ...]
    options: BatchOptions = field(default_factory=BatchOptions)

    @cached_property
    def parallel_groups(self) -> tuple[tuple[str, ...], ...]:
        graph = {query.id: query.depends_on for query in self.queries}
        return tuple(tuple(level) for level in levels(graph))

    @cached_property
    def execution_order(self) -> tuple[str, ...]:
        return tuple(query_id for group in self.parallel_groups for query_id in group)


class PlanRefused(InvalidQuery):
    """The structure of a plan is wrong; ``detail`` names every fault.  Nothing of it may run.  Rule 1.1."""

    def __init__(self, message: str, detail: Iterable[Problem] = (), query_count: int = 0) -> None:
        super().__init__(message, detail)
        self.query_count = query_count

    def copy(self) -> PlanRefused:
        return PlanRefused(self.message, self.detail, self.query_count)


def read_plan(body: bytes) -> Plan:
    """The plan of a request body.

    Raises ``BadRequest`` when the body is no JSON, ``InvalidQuery`` when it is no JSON object, and
    ``PlanRefused`` with every problem at once when the object is no plan.
    """
    parsed = parse_json(body)
    if not isinstance(parsed.value, dict):
        message = f"The body must be a JSON object, not {excerpt(parsed.value)}"
        raise InvalidQuery.of(Problem("body", message, "object_type"))
    if faults := _first(MOST_PROBLEMS, problems(parsed)):
        raise _refusal(faults, parsed.value)
    return _plan(parsed.value)


def _first(most: int, faults: Iterator[PlanProblem]) -> list[PlanProblem]:
    found = list(islice(faults, most))
    if next(faults, None):
        found.append(PlanProblem("body", f"Only the first {most} problems are told", "too_many_problems"))
    return found


def _refusal(faults: list[PlanProblem], body: dict[str, Any]) -> PlanRefused:
    queries = body.get("queries")
    message = InvalidQuery.of(*faults).message
    return PlanRefused(message, faults, len(queries) if isinstance(queries, list) else 0)


def _plan(body: dict[str, Any]) -> Plan:
    queries = tuple(_planned(position, query) for position, query in enumerate(body["queries"]))
    return Plan(queries, BatchOptions(**body.get("options", {})))


def _planned(position: int, query: dict[str, Any]) -> PlannedQuery:
    """Taking a value from a query implies waiting for it.  Rule 5.2."""
    bindings = bindings_of(query["params"])
    needed = (*query.get("depends_on", ()), *(binding.source for binding in bindings))
    return PlannedQuery(
        id=query["id"],
        endpoint=query["endpoint"],
        params=query["params"],
        depends_on=tuple(dict.fromkeys(needed)),
        position=position,
        bindings=bindings,
    )
