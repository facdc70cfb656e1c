"""Single flight: what requests want at one moment is read once, and no one's leaving or failing harms the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.errors import InternalError, WarehouseUnavailable
from fanin.resolvers.flights import Flights
from fanin.resolvers.gate import ScanGate
from fanin.resolvers.loader import Sharing, StatsLoader
from fanin.schema.context import RequestContext
from fanin.tests.facts import engine_over, visit, write
from fanin.tests.questions import ask_needed
from fanin.tests.resolvers.test_loader import Troubled
from fanin.warehouse.store import Scan


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit(country="ES"), visit(country="US")])
    return tmp_path / "w.duckdb"


class Held:
    """Requests over one warehouse whose scans wait until they are let go."""

    def __init__(self, snapshot: Callable[[Callable[[Scan], Awaitable[None]]], Troubled], clock: Any) -> None:
        self.started, self.go_on = asyncio.Event(), asyncio.Event()
        self.interrupted = 0
        self.failure: Exception | None = None
        self.snapshot = snapshot(self._wait)
        self._clock = clock
        self._flights = Flights()
        self._gate = ScanGate()

    async def _wait(self, scan: Scan) -> None:
        self.started.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.interrupted += 1
            raise
        if self.failure and ("referrer",) in scan.groupings:
            raise self.failure

    def request(self, *reports: str) -> asyncio.Task[tuple[list[Any], Sharing]]:
        """One request for these reports; it is begun when this returns to the loop."""
        return asyncio.create_task(self._request(reports))

    async def _request(self, reports: tuple[str, ...]) -> tuple[list[Any], Sharing]:
        loader = StatsLoader(self.snapshot, self._gate, flights=self._flights)
        context = RequestContext(self.snapshot.accounts, loader, self._clock())
        questions = [ask_needed(context.scope("acme"), report) for report in reports]
        try:
            return await asyncio.gather(*map(loader.load, questions), return_exceptions=True), loader.sharing
        finally:
            await loader.close()


@asynccontextmanager
async def held(path: Path) -> AsyncIterator[Held]:
    with engine_over(path) as (engine, warehouse):
        yield Held(lambda trouble: Troubled(warehouse.snapshot(), trouble), engine.clock)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_two_requests_want_at_one_moment_is_read_once_and_costs_the_first(warehouse_file: Path) -> None:
    async def work() -> Any:
        async with held(warehouse_file) as requests:
            first = requests.request("countries", "sources")
            await requests.started.wait()
            second, smaller = requests.request("countries", "sources"), requests.request("countries")
            await turns()
            requests.go_on.set()
            return [await task for task in (first, second, smaller)], len(requests.snapshot.scans)

    told, scans = asyncio.run(work())

    assert scans == 1
    assert told[0][0] == told[1][0]
    assert told[2][0] == told[0][0][:1]
    assert [(sharing.scans, sharing.joined) for _, sharing in told] == [(1, 0), (0, 1), (0, 1)]


def test_one_that_joined_and_leaves_does_not_harm_the_one_who_began(warehouse_file: Path) -> None:
    async def work() -> Any:
        async with held(warehouse_file) as requests:
            first = requests.request("countries")
            await requests.started.wait()
            second = requests.request("countries")
            await turns()
            second.cancel()
            await asyncio.wait([second])
            requests.go_on.set()
            return (await first)[0][0]["total"], requests.interrupted

    assert asyncio.run(work()) == (2, 0)


def test_when_the_one_who_began_leaves_those_who_joined_get_what_it_was_reading(warehouse_file: Path) -> None:
    async def work() -> Any:
        async with held(warehouse_file) as requests:
            first = requests.request("countries")
            await requests.started.wait()
            joined = [requests.request("countries") for _ in range(3)]
            await turns()
            first.cancel()
            await asyncio.wait([first])
            requests.go_on.set()
            totals = [(await task)[0][0]["total"] for task in joined]
            return totals, len(requests.snapshot.scans), requests.interrupted

    assert asyncio.run(work()) == ([2, 2, 2], 1, 0)


def test_when_the_last_has_left_the_scan_is_interrupted_and_the_next_one_reads_anew(warehouse_file: Path) -> None:
    async def work() -> Any:
        async with held(warehouse_file) as requests:
            waiting = [requests.request("countries") for _ in range(2)]
            await requests.started.wait()
            await turns()
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
            interrupted = requests.interrupted
            requests.go_on.set()
            (answer,), _ = await requests.request("countries")
            return answer["total"], interrupted, len(requests.snapshot.scans)

    assert asyncio.run(work()) == (2, 1, 2)


def test_a_failure_reaches_all_who_wait_and_the_next_one_reads_anew(warehouse_file: Path) -> None:
    async def work() -> Any:
        async with held(warehouse_file) as requests:
            requests.failure = WarehouseUnavailable("a bad block")
            waiting = [requests.request("referrers") for _ in range(2)]
            await requests.started.wait()
            await turns()
            requests.go_on.set()
            failed = [(await task)[0][0] for task in waiting]
            scans = len(requests.snapshot.scans)
            requests.failure = None
            (answer,), _ = await requests.request("referrers")
            return failed, scans, answer["total"], len(requests.snapshot.scans)

    failed, scans, total, scans_in_all = asyncio.run(work())

    assert [type(error) for error in failed] == [WarehouseUnavailable] * 2
    assert failed[0] is not failed[1]
    assert (scans, total, scans_in_all) == (1, 1, 2)


def test_one_that_joined_a_larger_scan_does_not_fail_for_what_it_did_not_ask(warehouse_file: Path) -> None:
    async def work() -> Any:
        async with held(warehouse_file) as requests:
            requests.failure = WarehouseUnavailable("a bad block")
            larger = requests.request("countries", "referrers")
            await requests.started.wait()
            smaller = requests.request("countries")
            await turns()
            requests.go_on.set()
            return [await larger, await smaller]

    (larger, _), (smaller, sharing) = asyncio.run(work())

    assert [type(outcome) for outcome in larger] == [dict, WarehouseUnavailable]
    assert smaller == larger[:1]
    assert sharing.scans + sharing.joined == 1


def test_nothing_is_remembered_of_what_is_over(warehouse_file: Path) -> None:
    async def work() -> Any:
        async with held(warehouse_file) as requests:
            requests.go_on.set()
            await requests.request("countries", "pages")
            return requests._flights._under_way

    assert asyncio.run(work()) == {}


def test_a_request_that_is_closed_before_its_turn_joins_nothing(warehouse_file: Path) -> None:
    async def work() -> Any:
        async with held(warehouse_file) as requests:
            loader = StatsLoader(requests.snapshot, ScanGate())
            context = RequestContext(requests.snapshot.accounts, loader, requests._clock())
            waiting = asyncio.create_task(loader.load(ask_needed(context.scope("acme"), "countries")))
            await asyncio.sleep(0)
            await loader.close()
            return await asyncio.gather(waiting, return_exceptions=True), requests.snapshot.scans

    (outcome,), scans = asyncio.run(work())

    assert (type(outcome), scans) == (InternalError, [])
