"""The sixteen reports of the batch page, asked in every way there is to answer them, and by what one would write by hand.

Every request gets a new loader, as it does in the server.  Unless it says so, nothing keeps answers between requests.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import httpx
from starlette.applications import Starlette

from fanin.app import create_app
from fanin.catalog.endpoints import ENDPOINTS, Endpoint, Shape
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Compare
from fanin.catalog.query import StatsQuery, ask, make_scope
from fanin.resolvers.answers import Answer
from fanin.resolvers.cache import AnswerCache
from fanin.resolvers.planner import fuse, gather
from fanin.schema.engine import Engine
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.manifest import read_manifest
from fanin.warehouse.store import ReportSnapshot, Source

from .batch_server import create_server
from .data import make_account
from .plain_statements import PlainStatements
from .rounds import Contestant, Taken, medians

ACCOUNT = "bench"
NOW = datetime(2026, 3, 18, 22, 0, tzinfo=UTC)
ROOM_BYTES = 1_000_000_000

REPORTS = tuple(endpoint for endpoint in ENDPOINTS.values() if endpoint.on_the_page)

SERVER, STATEMENTS = "hand-written batch server", "16 statements"
KEPT, CUBE, ROLLUP, BLOCK, FACTS = (
    f"fanin, {source}" for source in ("kept answers", "cube", "roll-ups", "held rows", "facts")
)
SCANS = {name: name.replace("fanin,", "scans of the") for name in (CUBE, ROLLUP, BLOCK, FACTS)}


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked: the days up to now, of everyone or of one country's visitors on one kind of device."""

    days: int
    filtered: bool

    @property
    def window(self) -> tuple[date, date]:
        return NOW.date() - timedelta(days=self.days - 1), NOW.date()

    @property
    def filters(self) -> dict[str, str]:
        return {"country": "AA", "device": "mobile"} if self.filtered else {}

    @property
    def name(self) -> str:
        return f"{self.days} days, {'one country and device' if self.filtered else 'unfiltered'}"


CASES = (Case(30, False), Case(365, False), Case(30, True), Case(365, True))


@dataclass(frozen=True, slots=True)
class CaseFigures:
    case: Case
    page_views: int  # in the window, before any filter
    sessions: int
    taken: dict[str, Taken]
    sources: dict[str, str]  # what each of ours was read from


@dataclass(frozen=True, slots=True)
class ReportFigures:
    page_views: int  # of the account
    file_mb: float
    rollup_rows: int
    make_s: float  # writing the account, its roll-ups included
    cube_mb: float
    peak_mb: float  # of the whole process
    rounds: int
    cases: list[CaseFigures]


async def measure_reports(folder: Path, page_views: int, rounds: int) -> ReportFigures:
    """Make the account, see that all say the same, then time them in turn."""
    path = folder / "bench.duckdb"
    began = perf_counter()
    make_account(path, ACCOUNT, NOW.date(), page_views)
    make_s = perf_counter() - began
    file = read_manifest(path).entries[ACCOUNT].file
    plain = PlainStatements(file)
    engines = {
        KEPT: Engine(_warehouse(path, ROOM_BYTES), clock=lambda: NOW, cache=AnswerCache(ROOM_BYTES)),
        CUBE: Engine(_warehouse(path, ROOM_BYTES), clock=lambda: NOW),
        BLOCK: Engine(DuckDBWarehouse(path, block_bytes=ROOM_BYTES), clock=lambda: NOW),
        ROLLUP: Engine(_warehouse(path), clock=lambda: NOW),
        FACTS: Engine(DuckDBWarehouse(path, use_rollups=False), clock=lambda: NOW),
    }
    await _warm(engines[KEPT], engines[CUBE])
    cases = [await _measure(case, engines, plain, file, rounds) for case in CASES]
    cube_mb = engines[CUBE].warehouse.cubes.size_bytes / 1e6  # type: ignore[attr-defined]  # it is DuckDB's
    for engine in engines.values():
        engine.warehouse.close()
    plain.close()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    size_mb = file.stat().st_size / 1e6
    return ReportFigures(_count(file), size_mb, _rollup_rows(file), make_s, cube_mb, peak_mb, rounds, cases)


def _warehouse(path: Path, cube_bytes: int = 0) -> DuckDBWarehouse:
    return DuckDBWarehouse(path, cube_bytes=cube_bytes)


async def _warm(*engines: Engine) -> None:
    """Ask until the cubes are there."""
    for engine in engines:
        for days in (29, 28, 27):
            await _answers(engine, _queries(engine, Case(days, False)))
            await asyncio.to_thread(engine.warehouse.cubes.settle)  # type: ignore[attr-defined]


async def _measure(
    case: Case, engines: dict[str, Engine], plain: PlainStatements, file: Path, rounds: int
) -> CaseFigures:
    ways = dict(engines)
    if case.filtered:
        del ways[CUBE], ways[ROLLUP]  # which know of no filters
        for _ in range(2):
            await _answers(ways[BLOCK], _queries(ways[BLOCK], case))
            await asyncio.to_thread(ways[BLOCK].warehouse.blocks.settle)  # type: ignore[attr-defined]
    else:
        del ways[BLOCK]
    sources = {name: await _check(engine, case, plain) for name, engine in ways.items()}
    sources[KEPT] = "none"  # that was the first time

    async def as_statements() -> None:
        for endpoint in REPORTS:
            plain.run(endpoint.name, case.window, **case.filters)

    async with AsyncExitStack() as stack:
        contestants: dict[str, Contestant] = {
            SERVER: await stack.enter_async_context(_posting(create_server(plain), case)),
            STATEMENTS: as_statements,
        }
        for name, engine in ways.items():
            contestants[name] = await stack.enter_async_context(_posting(create_app(engine), case))
        for name in (way for way in SCANS if way in ways):
            contestants[SCANS[name]] = _scanning(engines[name], case)
        taken = await medians(contestants, rounds)
    return CaseFigures(case, *_in_window(file, case.window), taken, sources)


@asynccontextmanager
async def _posting(app: Starlette, case: Case) -> AsyncIterator[Contestant]:
    """The page's request to an application in process: HTTP in and HTTP out, without a socket."""
    start, end = (day.isoformat() for day in case.window)
    params = {"account_id": ACCOUNT, "start_date": start, "end_date": end, **case.filters}
    body = {
        "queries": [{"id": endpoint.name, "endpoint": endpoint.path, "params": params} for endpoint in REPORTS],
        "options": {"fail_fast": False, "parallel_limit": 5, "include_timing": True},
    }
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench") as client:

        async def post() -> None:
            _expect_all(await client.post("/api/v1/batch", json=body))

        yield post


def _expect_all(response: httpx.Response) -> None:
    answer = response.json() if response.status_code == httpx.codes.OK else {}
    if answer.get("meta", {}).get("successful") != len(REPORTS):
        raise SystemExit(f"the batch failed: {response.status_code} {response.text[:300]}")


def _scanning(engine: Engine, case: Case) -> Contestant:
    """The scans of all reports at the warehouse, without cutting the answers out of them."""
    statements = [fuse(key, asking) for key, asking in gather(_queries(engine, case)).items()]

    async def scan() -> None:
        snapshot = engine.warehouse.snapshot()
        assert not isinstance(snapshot, ReportSnapshot)
        await asyncio.gather(*map(snapshot.scan_together, statements))

    return scan


def _queries(engine: Engine, case: Case) -> list[StatsQuery]:
    account = engine.warehouse.snapshot().accounts[ACCOUNT]
    filters = [
        make_filter({"device": "device_type"}.get(name, name), "in", [value]) for name, value in case.filters.items()
    ]
    start, end = case.window

    def query(endpoint: Endpoint) -> StatsQuery:
        compare = endpoint.compare or Compare.NONE  # what REST compares with when nothing is named
        scope = make_scope(account, NOW, start_date=start, end_date=end, compare=compare, filters=filters)
        return ask(scope, endpoint.name)

    return [query(endpoint) for endpoint in REPORTS]


async def _answers(engine: Engine, queries: Iterable[StatsQuery]) -> tuple[list[Answer], dict[Source, int]]:
    """Every answer, and what the scans were read from."""
    async with engine.request() as context:
        answers = await asyncio.gather(*(context.loader.load(query) for query in queries))
        return answers, context.loader.sharing.sources


async def _check(engine: Engine, case: Case, plain: PlainStatements) -> str:
    """What the scans of one batch were read from.  Ends the run when engine and statements differ: then there is nothing
    to compare."""
    queries = _queries(engine, case)
    answers, sources = await _answers(engine, queries)
    for query, answer in zip(queries, answers, strict=True):
        _, rows = plain.run(query.report, case.window, **case.filters)
        ours, theirs = set(_told(query, answer)), {tuple(row[:2]) for row in rows}
        if ours != theirs:
            raise SystemExit(f"{query.report}: the engine and the plain statement differ in {len(ours ^ theirs)} rows")
    return ", ".join(f"{count} {source.value}" for source, count in sources.items())


def _told(query: StatsQuery, answer: Answer) -> Iterator[tuple[Any, int]]:
    """The rows of an answer as (what it is, how many), in the columns that plain statements begin with."""
    endpoint = query.endpoint
    match endpoint.shape:
        case Shape.TOTALS:
            for series in ("entrances_series", "entrances_series_compare"):
                points = answer[series]["points"]
                yield from ((point["date"], point["value"]) for point in points if point["value"])
        case Shape.BREAKDOWN:
            for dimension in endpoint.dimensions:
                rows = answer[f"by_{dimension.removesuffix('_type')}"]
                yield from ((row[dimension], row["entrances"]) for row in rows)
        case Shape.GOALS:
            for goal in answer["rows"]:
                splits = (*goal["by_source"], *(goal["by_country"] if endpoint.goal_kind else ()))
                yield from ((goal["conversion_type"], row["count"]) for row in (goal, *splits))
        case _:
            name, metric = endpoint.dimensions[0], endpoint.metrics[0]
            yield from ((row[name], row[metric]) for row in answer["rows"])


def _in_window(file: Path, window: tuple[date, date]) -> tuple[int, int]:
    """Page views, and sessions."""
    first, last = ((day - date(1970, 1, 1)).days for day in window)
    with duckdb.connect(str(file), read_only=True) as connection:
        counted = "SELECT sum(page_views)::BIGINT, count(*) FROM sessions WHERE day BETWEEN ? AND ?"
        return connection.execute(counted, [first, last]).fetchall()[0]


def _count(file: Path) -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute("SELECT count(*) FROM page_views").fetchall()[0][0]


def _rollup_rows(file: Path) -> int:
    tables = ("sessions_by_day", "page_views_by_day", "goals_by_day")
    with duckdb.connect(str(file), read_only=True) as connection:
        return sum(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in tables)
