"""The loader over a place that answers whole reports.  Nothing is fused: what a question takes is composed of reports.

Equal reports that several questions or several requests want at one moment are asked for once.  How long an answer may
be kept is for the place to say, so none is kept here.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Sequence
from typing import Any

from ..catalog.query import StatsQuery
from ..warehouse.store import ReportSnapshot, Source
from .composing import compose
from .figures import Answer
from .flights import Flights
from .loader import Loader


class ReportLoader(Loader):
    """Answers the questions of one request from reports, with ``max_calls`` messages in flight at most."""

    def __init__(self, snapshot: ReportSnapshot, max_calls: int = 10, *, flights: Flights | None = None) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._flights = flights or Flights()
        self._composing: list[asyncio.Task[Answer]] = []
        self._closed = False
        snapshot.take_turns(asyncio.Semaphore(max_calls))

    def _stop(self) -> Sequence[asyncio.Task[Any]]:
        self._closed = True
        for composing in self._composing:
            composing.cancel()
        return self._composing

    async def _start_answers(self, queries: Sequence[StatsQuery]) -> list[asyncio.Future[Answer]]:
        for query in queries:
            self._count_distinct(query)
        return [self._begin(self._answer, query) for query in queries]

    async def _answer(self, query: StatsQuery) -> Answer:
        if self._closed:
            raise asyncio.CancelledError
        account = self._snapshot.accounts[query.scope.account]
        composing = asyncio.create_task(compose(query, self._report, account))
        self._composing.append(composing)
        try:
            return await composing
        finally:
            self._tell_cost()

    async def _report(self, query: StatsQuery) -> Any:
        key = (self._snapshot.reader, query)
        told, joined = await self._flights.read(key, query, operator.eq, lambda: self._snapshot.report(query))
        self.sharing.joined += joined
        return told

    def _tell_cost(self) -> None:
        calls, sharing = self._snapshot.calls, self.sharing
        sharing.scans, sharing.scan_ms, sharing.cache_hits = calls.made, calls.ms, calls.kept
        if calls.made:
            sharing.sources[Source.UPSTREAM] = calls.made
