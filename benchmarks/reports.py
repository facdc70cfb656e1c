"""The sixteen reports of the batch page, cold: through the engine, through ``POST /api/v1/batch``, and as plain statements.

Every request gets a new loader, as it does in the server, and nothing keeps answers from one request to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx

from fanin.app import create_app
from fanin.catalog.accounts import Account
from fanin.catalog.endpoints import ENDPOINTS, Endpoint, Shape
from fanin.catalog.periods import Compare
from fanin.catalog.query import StatsQuery, ask, make_scope
from fanin.ingest.demo import load_demo
from fanin.resolvers.answers import Answer
from fanin.schema.engine import Engine
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

from .plain_statements import PlainStatements
from .rounds import medians_ms

ACCOUNT = "bench"
NOW = datetime(2026, 3, 18, 22, 0, tzinfo=UTC)
WINDOW = (date(2026, 2, 17), date(2026, 3, 18))  # 30 days
COMPARED = (WINDOW[0] - timedelta(days=30), WINDOW[1] - timedelta(days=30))

REPORTS = tuple(endpoint for endpoint in ENDPOINTS.values() if endpoint.on_the_page)

ENGINE, BATCH, STATEMENTS = "engine", "POST /api/v1/batch", "16 statements"


@dataclass(frozen=True, slots=True)
class ReportFigures:
    page_views: int  # of the account
    page_views_in_window: int
    rounds: int
    scans: int  # statements the engine sent for one batch
    medians_ms: dict[str, float]


async def measure_reports(folder: Path, sessions: int, rounds: int) -> ReportFigures:
    """Make the account, see that both sides say the same, then time them in turn."""
    path = folder / "bench.duckdb"
    load_demo(path, ACCOUNT, now=NOW, sessions=sessions)
    engine = Engine(DuckDBWarehouse(path), clock=lambda: NOW)
    queries = [_query(engine.warehouse.snapshot().accounts[ACCOUNT], endpoint) for endpoint in REPORTS]
    plain = PlainStatements(path, WINDOW, COMPARED)
    scans = await _check(engine, queries, plain)

    async def through_engine() -> None:
        await _answers(engine, queries)

    async def as_statements() -> None:
        for endpoint in REPORTS:
            plain.run(endpoint.name)

    transport = httpx.ASGITransport(create_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:

        async def through_batch() -> None:
            _expect_all(await client.post("/api/v1/batch", json=_batch()))

        contestants = {ENGINE: through_engine, STATEMENTS: as_statements, BATCH: through_batch}
        taken = await medians_ms(contestants, rounds)
    plain.close()
    engine.warehouse.close()
    return ReportFigures(*_page_views(path), rounds, scans, taken)


def _query(account: Account, endpoint: Endpoint) -> StatsQuery:
    """With the comparison that REST takes when none is named."""
    compare = endpoint.compare or Compare.NONE
    scope = make_scope(account, NOW, start_date=WINDOW[0], end_date=WINDOW[1], compare=compare)
    return ask(scope, endpoint.name)


def _batch() -> dict[str, Any]:
    params = {"account_id": ACCOUNT, "start_date": WINDOW[0].isoformat(), "end_date": WINDOW[1].isoformat()}
    return {
        "queries": [{"id": endpoint.name, "endpoint": endpoint.path, "params": params} for endpoint in REPORTS],
        "options": {"fail_fast": False, "parallel_limit": 5, "include_timing": True},
    }


def _expect_all(response: httpx.Response) -> None:
    answer = response.json() if response.status_code == httpx.codes.OK else {}
    if answer.get("meta", {}).get("successful") != len(REPORTS):
        raise SystemExit(f"the batch failed: {response.status_code} {response.text[:300]}")


async def _answers(engine: Engine, queries: Iterable[StatsQuery]) -> tuple[list[Answer], int]:
    """Every answer, and how many scans they took."""
    async with engine.request() as context:
        answers = await asyncio.gather(*(context.loader.load(query) for query in queries))
        return answers, context.loader.sharing.scans


async def _check(engine: Engine, queries: list[StatsQuery], plain: PlainStatements) -> int:
    """The scans of one batch.  Ends the run when engine and statements differ: then there is nothing to compare."""
    answers, scans = await _answers(engine, queries)
    for query, answer in zip(queries, answers, strict=True):
        ours, theirs = set(_told(query, answer)), {tuple(row[:2]) for row in plain.run(query.report)}
        if ours != theirs:
            raise SystemExit(f"{query.report}: the engine and the plain statement differ in {len(ours ^ theirs)} rows")
    return scans


def _told(query: StatsQuery, answer: Answer) -> Iterator[tuple[Any, int]]:
    """The rows of an answer as (what it is, how many), in the columns that plain statements begin with."""
    endpoint = query.endpoint
    match endpoint.shape:
        case Shape.TOTALS:
            for series in ("entrances_series", "entrances_series_compare"):
                yield from ((point["date"], point["value"]) for point in answer[series]["points"])
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


def _page_views(path: Path) -> tuple[int, int]:
    """In the account, and in the window."""
    first, last = ((day - date(1970, 1, 1)).days for day in WINDOW)
    with duckdb.connect(str(path), read_only=True) as connection:
        counted = "SELECT count(*), count(*) FILTER (WHERE day BETWEEN ? AND ?) FROM page_views"
        return connection.execute(counted, [first, last]).fetchall()[0]
