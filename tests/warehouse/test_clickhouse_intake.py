"""Logs in pieces into ClickHouse: every line counts once, and sessions go on from one file to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("clickhouse_connect")

from fanin.catalog.query import make_scope
from fanin.ingest.importing import import_log
from fanin.ingest.site_rules import SiteRules
from fanin.ingest.summaries import LineClass
from fanin.resolvers.loader import StatsLoader
from fanin.schema.engine import Engine
from fanin.tests.clickhouse import empty_database
from fanin.tests.facts import NOW
from fanin.tests.questions import ask_needed
from fanin.warehouse.clickhouse_connecting import ClickHousePlace
from fanin.warehouse.clickhouse_reading import ClickHouseWarehouse
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

LINE = '{address} - - [10/Mar/2026:{at} +0000] "GET {path} HTTP/1.1" 200 10 "{referrer}" "Mozilla/5.0 (X11; Linux x86_64) Firefox/124.0"\n'
REPORTS = ("overview", "sources", "pages", "landing_pages", "funnel", "query")

# Three visitors: one all morning, one twice with a pause between, one who comes from elsewhere.
LINES = [
    *(LINE.format(address="1.2.3.4", at=f"10:{minute:02}:00", path=f"/{minute}", referrer="-") for minute in range(0, 60, 10)),
    *(LINE.format(address="1.2.3.5", at=f"{hour}:30:00", path="/", referrer="-") for hour in ("09", "15")),
    LINE.format(address="1.2.3.6", at="10:30:01", path="/a", referrer="https://news.example/x"),
    LINE.format(address="1.2.3.6", at="10:31:00", path="/a", referrer="-"),
    LINE.format(address="1.2.3.6", at="10:31:00", path="/a", referrer="-"),
]  # fmt: skip
BY_TIME = sorted(LINES, key=lambda line: line.partition("2026:")[2])


@pytest.fixture
def place(clickhouse_address: str) -> Iterator[ClickHousePlace]:
    with empty_database(clickhouse_address) as place:
        yield place


def told(warehouse: Any) -> list[Any]:
    """Some reports of the day."""

    async def ask() -> list[Any]:
        async with Engine(warehouse, clock=lambda: NOW).request() as context:
            scope = make_scope(context.account("acme"), NOW, start_date=date(2026, 3, 9), end_date=date(2026, 3, 11))
            assert isinstance(context.loader, StatsLoader)
            return [await context.loader.load(ask_needed(scope, report)) for report in REPORTS]

    with closing(warehouse):
        return asyncio.run(ask())


def test_pieces_in_any_order_and_overlapping_are_the_whole(place: ClickHousePlace, tmp_path: Path) -> None:
    pieces = {"whole": BY_TIME, "late": BY_TIME[4:9], "early": BY_TIME[:6], "last": BY_TIME[8:]}
    for name, lines in pieces.items():
        (tmp_path / name).write_text("".join(lines))
    address = f"clickhouse://{place.user}@{place.host}:{place.port}/{place.database}"
    rules = SiteRules()

    import_log([tmp_path / "whole"], "acme", tmp_path / "w.duckdb", rules)
    summaries = [import_log([tmp_path / name], "acme", address, rules) for name in ("late", "early", "last", "whole")]

    assert told(ClickHouseWarehouse(place)) == told(DuckDBWarehouse(tmp_path / "w.duckdb"))
    assert [summary.classes[LineClass.ALREADY_THERE] for summary in summaries] == [0, 2, 1, 11]
    assert sum(summary.sessions for summary in summaries) == 4
