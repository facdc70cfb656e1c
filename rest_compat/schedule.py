"""Running a plan: who takes a turn when, who shares it, and who is skipped.  Batch rules 2.2 to 2.6, 4.4, 5.2 and 5.3.

Turns are taken in execution order by queries whose dependencies have succeeded, each in one of ``parallel_limit``
slots.  Whoever takes a turn brings along, in the same slot, the other ready queries of the same scope, because
one scan answers them all.  Computing answers is passed in; nothing here knows what a query asks.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Hashable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..catalog.errors import InternalError, StatsError
from .plan import Plan, PlannedQuery
from .plan_checks import PlanProblem

Data = Mapping[str, Any]
Status = Literal["success", "error", "skipped"]


class Skipped(StatsError):
    """Why a query was never answered though nothing is wrong with it.  ``bind`` and ``answer`` may bring further kinds."""


class DependencyFailed(Skipped):
    code = "dependency_failed"


class FailFast(Skipped):
    code = "fail_fast"


class Deadline(Skipped):
    code = "deadline"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one query ended: with ``data`` or with ``error``.  ``timing_ms`` is None for what was skipped."""

    status: Status
    data: Data | None = None
    error: StatsError | None = None
    timing_ms: int | None = None


Settled = tuple[PlannedQuery, Outcome]
Outcomes = Mapping[str, Outcome]


def _bind_nothing(query: PlannedQuery, outcomes: Outcomes) -> StatsError | None:
    return None


def _keep_nothing(query: PlannedQuery) -> Data | None:
    return None


@dataclass(slots=True)
class PlanRun:
    """One run of a plan; read ``settled`` or ``finish``, once.

    ``refused`` are the queries whose content is known to be wrong: each becomes an ``error`` when its turn comes.
    ``kept`` gives what can be told at once, when the query's turn comes: that takes no slot (rule 2.4).
    ``scope_of`` is asked about ready queries only, often, and so must be cheap.  ``bind`` is asked once about each
    query with bindings, when the last query it takes from has succeeded; what it returns refuses or skips the query.
    What ``answer`` raises beside ``StatsError`` is told as "Internal error", with the original as its ``__cause__``.
    """

    plan: Plan
    answer: Callable[[PlannedQuery], Awaitable[Data]]
    refused: dict[str, StatsError]
    scope_of: Callable[[PlannedQuery], Hashable]
    bind: Callable[[PlannedQuery, Outcomes], StatsError | None] = _bind_nothing
    kept: Callable[[PlannedQuery], Data | None] = _keep_nothing
    clock: Callable[[], float] = time.perf_counter
    on_start: Callable[[PlannedQuery], object] | None = None
    _waiting: dict[str, PlannedQuery] = field(init=False)  # in execution order, so dependencies come first
    _running: dict[asyncio.Task[Outcome], _Seat] = field(init=False, default_factory=dict)
    _ending: list[asyncio.Task[Outcome]] = field(init=False, default_factory=list)  # cancelled at the deadline
    _outcomes: dict[str, Outcome] = field(init=False, default_factory=dict)
    _unread: deque[Settled] = field(init=False, default_factory=deque)
    _root_causes: dict[str, str] = field(init=False, default_factory=dict)  # of those whose dependency failed
    _stopped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        queries = {query.id: query for query in self.plan.queries}
        self._waiting = {query_id: queries[query_id] for query_id in self.plan.execution_order}
        self.refused = dict(self.refused)  # ``bind`` adds to it

    async def settled(self) -> AsyncGenerator[Settled, None]:
        """Every query with its outcome, the moment it is known.

        While the reader does something else, what is running goes on and nothing new starts: a slow reader slows the
        batch down instead of filling memory.  Left early (close it then) or cancelled, it cancels what is running and
        returns when that has ended.
        """
        try:
            self._take_turns()
            while self._unread or self._running:
                while self._unread:
                    yield self._unread.popleft()
                if self._running:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                self._collect()
                self._take_turns()
        finally:
            await _end([*self._running, *self._ending])

    async def finish(self) -> dict[str, Outcome]:
        """The outcome of every query, in input order."""
        async with aclosing(self.settled()) as settled:
            outcomes = {query.id: outcome async for query, outcome in settled}
        return {query.id: outcomes[query.id] for query in self.plan.queries}

    def expire(self) -> None:
        """The deadline: what is ready stays, everything else is skipped, and what is running is cancelled.  Rule 5.3."""
        self._collect()
        unfinished = [*(seat.query for seat in self._running.values()), *self._waiting.values()]
        self._ending += self._running
        self._running.clear()
        for task in self._ending:
            task.cancel()
        for query in unfinished:
            reason = Deadline(f"Skipped: not ready within {self.plan.options.deadline_ms} ms")
            self._record(query, Outcome("skipped", error=reason))

    def _take_turns(self) -> None:
        while (query := self._next_ready()) and (self._stopped or self._has_free_slot()):
            self._take_turn(query)
        if not self.plan.options.fail_fast:  # whose order decides who is skipped
            while sum(map(self._told_at_once, list(self._joinable()))):
                pass  # what waited for one of them may be kept too

    def _collect(self) -> None:
        """Settles whatever is done, in the order it was started; its dependants are ready from then on."""
        for task in [task for task in self._running if task.done()]:
            seat = self._running.pop(task)
            self._settle(seat.query, task.result())

    def _next_ready(self) -> PlannedQuery | None:
        return next((query for query in self._waiting.values() if self._is_ready(query)), None)

    def _is_ready(self, query: PlannedQuery) -> bool:
        return all(self._succeeded(needed) for needed in query.depends_on)

    def _succeeded(self, query_id: str) -> bool:
        outcome = self._outcomes.get(query_id)
        return outcome is not None and outcome.status == "success"

    def _has_free_slot(self) -> bool:
        return len({seat.slot for seat in self._running.values()}) < self.plan.options.parallel_limit

    def _take_turn(self, query: PlannedQuery) -> None:
        if self._stopped:
            self._settle(query, Outcome("skipped", error=FailFast("Skipped: another query failed")))
        elif error := self.refused.get(query.id):
            self._settle(query, Outcome("error", error=error, timing_ms=0))
        else:
            self._start([query, *self._companions(query)])

    def _companions(self, leader: PlannedQuery) -> list[PlannedQuery]:
        """Who else the leader's scan answers."""
        scope = self.scope_of(leader)
        return [query for query in self._joinable() if query is not leader and self.scope_of(query) == scope]

    def _joinable(self) -> Iterable[PlannedQuery]:
        """Ready queries; under ``fail_fast`` none behind a refused one, whose turn may stop them.  Rule 2.5."""
        for query in self._waiting.values():
            if query.id in self.refused:
                if self.plan.options.fail_fast:
                    return
            elif self._is_ready(query):
                yield query

    def _start(self, queries: list[PlannedQuery]) -> None:
        """Tasks made together start in the same tick, so that a loader below sees their questions together."""
        turn = self.clock()
        for query in [query for query in queries if not self._told_at_once(query)]:
            del self._waiting[query.id]
            task = asyncio.create_task(_outcome(query, self.answer, self.clock, turn))
            self._running[task] = _Seat(query, slot=queries[0].id)
            if self.on_start:
                self.on_start(query)

    def _told_at_once(self, query: PlannedQuery) -> bool:
        """Whether its answer was there already, and so takes no slot.  Rule 2.4."""
        turn = self.clock()
        if (data := self.kept(query)) is None:
            return False
        if self.on_start:
            self.on_start(query)
        self._settle(query, Outcome("success", data=data, timing_ms=_milliseconds(self.clock() - turn)))
        return True

    def _settle(self, query: PlannedQuery, outcome: Outcome) -> None:
        self._record(query, outcome)
        if outcome.status == "error" and self.plan.options.fail_fast:
            self._stopped = True
        if outcome.status == "success":
            self._bind_dependants(query)
        else:
            self._skip_dependants()

    def _bind_dependants(self, source: PlannedQuery) -> None:
        """Whose last dependency this was takes its values now.  Nothing there is a skip, at once.  Rule 5.2."""
        for query in [query for query in self._waiting.values() if query.bindings and source.id in query.depends_on]:
            if self._stopped or query.id in self.refused or not self._is_ready(query):
                continue
            fault = self.bind(query, self._outcomes)
            if isinstance(fault, Skipped):
                self._settle(query, Outcome("skipped", error=fault))
            elif fault:
                self.refused[query.id] = fault

    def _skip_dependants(self) -> None:
        """At once and transitively: one pass does, since dependants stand behind their dependencies."""
        for query in list(self._waiting.values()):
            failed = next((needed for needed in query.depends_on if self._has_failed(needed)), None)
            if failed is not None:
                self._record(query, Outcome("skipped", error=self._dependency_failed(query, failed)))

    def _has_failed(self, query_id: str) -> bool:
        return query_id in self._outcomes and not self._succeeded(query_id)

    def _dependency_failed(self, query: PlannedQuery, needed: str) -> DependencyFailed:
        """Names the dependency and the query at whose end the skipping began."""
        root = self._root_causes[query.id] = self._root_causes.get(needed, needed)
        detail = (
            PlanProblem("depends_on", self._told(needed), "dependency", needed),
            PlanProblem("depends_on", self._told(root), "root_cause", root),
        )
        return DependencyFailed(f"Skipped: dependency '{needed}' did not succeed", detail)

    def _told(self, query_id: str) -> str:
        outcome = self._outcomes[query_id]
        reason = f" ({outcome.error.code}: {outcome.error.message})" if outcome.error else ""
        return f"'{query_id}' ended with status '{outcome.status}'{reason}"

    def _record(self, query: PlannedQuery, outcome: Outcome) -> None:
        self._waiting.pop(query.id, None)
        self._outcomes[query.id] = outcome
        self._unread.append((query, outcome))


@dataclass(frozen=True, slots=True)
class _Seat:
    """A running query and its slot, which is named after the query whose turn opened it."""

    query: PlannedQuery
    slot: str


async def _outcome(
    query: PlannedQuery, answer: Callable[[PlannedQuery], Awaitable[Data]], clock: Callable[[], float], turn: float
) -> Outcome:
    try:
        outcome = Outcome("success", data=await answer(query))
    except Skipped as reason:
        return Outcome("skipped", error=reason)
    except StatsError as error:
        outcome = Outcome("error", error=error)
    except asyncio.CancelledError as error:
        if _is_being_cancelled():
            raise
        outcome = Outcome("error", error=_masked(error))
    except Exception as error:
        outcome = Outcome("error", error=_masked(error))
    return replace(outcome, timing_ms=_milliseconds(clock() - turn))


def _is_being_cancelled() -> bool:
    """False where the cancellation came up from something awaited, and so is a failure like any other."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _masked(error: BaseException) -> InternalError:
    masked = InternalError("Internal error")
    masked.__cause__ = error
    return masked


def _milliseconds(seconds: float) -> int:
    """Rounded half up, as ``round`` does not."""
    return math.floor(seconds * 1000 + 0.5)


async def _end(tasks: Collection[asyncio.Task[Outcome]]) -> None:
    for task in tasks:
        if not task.cancelling():  # asked once already, it may be cleaning up
            task.cancel()
    while unfinished := [task for task in tasks if not task.done()]:
        with suppress(asyncio.CancelledError):  # an impatient caller cancels again; the tasks must end all the same
            await asyncio.wait(unfinished)
