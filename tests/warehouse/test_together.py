"""Scans of several tables as one statement: how many the engine is sent, by its own count, and that nothing mixes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.filters import Filter, make_filter
from fanin.catalog.periods import Window
from fanin.catalog.query import Scope, StatsQuery, ask
from fanin.resolvers.cache import AnswerCache
from fanin.schema.engine import Engine
from fanin.tests.facts import NOW, bought, reached, visit, write
from fanin.warehouse import scanning
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.statements import SCAN_COLUMN, Statement, build_together, told_apart

QUARTER = Window(date(2026, 1, 10), date(2026, 3, 18))
QUARTER_BEFORE = Window(date(2025, 11, 3), date(2026, 1, 9))
COUNTRY = make_filter("country", "eq", ["ES"])
DEVICE = make_filter("device_type", "in", ["desktop", "mobile"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    facts = [
        visit(f"2026-0{month}-10T10:00", "/", "/a", country=country, goals=[bought(100), reached("cart")])
        for month in (1, 2, 3)
        for country in ("ES", "US")
    ]
    write(tmp_path / "w.duckdb", "acme", facts)
    return tmp_path / "w.duckdb"


def the_page(*filters: Filter) -> list[StatsQuery]:
    """All sixteen reports of the batch page, each compared with the time before where it can be."""
    scope = Scope("acme", QUARTER, QUARTER_BEFORE, filters)
    return [ask(scope, name) for name, row in ENDPOINTS.items() if row.on_the_page]


@contextmanager
def logged(warehouse: DuckDBWarehouse) -> Iterator[list[str]]:
    """What the engine itself says it was sent, while inside."""
    connection = warehouse._files.new_cursor()
    connection.execute("CALL enable_logging('QueryLog')")
    sent: list[str] = []
    yield sent
    connection.execute("CALL disable_logging()")
    found = connection.execute("SELECT message FROM duckdb_logs WHERE type = 'QueryLog' ORDER BY timestamp").fetchall()
    connection.execute("CALL truncate_duckdb_logs()")
    connection.close()
    sent += [text for (text,) in found if "_logging(" not in text and not text.startswith("ATTACH ")]


async def answered(engine: Engine, queries: list[StatsQuery]) -> tuple[list[Any], int]:
    """Every answer, and the scans that were told of."""
    async with engine.request() as context:
        answers = await asyncio.gather(*map(context.loader.load, queries))
        return list(answers), context.loader.sharing.scans


@contextmanager
def engine_on(path: Path, **options: Any) -> Iterator[tuple[Engine, DuckDBWarehouse]]:
    warehouse = DuckDBWarehouse(path, **options)
    try:
        yield Engine(warehouse, clock=lambda: NOW, cache=AnswerCache()), warehouse
    finally:
        warehouse.close()


@pytest.mark.parametrize("rows_in_memory", [0, 100_000], ids=["grouped by the engine", "grouped here"])
@pytest.mark.parametrize(
    "filters", [(), (COUNTRY,), (COUNTRY, DEVICE)], ids=["unfiltered", "one filter", "two filters"]
)
def test_sixteen_reports_and_their_comparisons_are_one_statement(
    path: Path, filters: tuple[Filter, ...], rows_in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "ROWS_IN_MEMORY", rows_in_memory)
    queries = the_page(*filters)
    assert len(queries) == 16

    with engine_on(path) as (engine, warehouse):
        asyncio.run(answered(engine, queries))  # the words of the account are read
        with logged(warehouse) as sent:
            answers, scans = asyncio.run(answered(engine, queries))
        alone = [asyncio.run(answered(engine, [query]))[0][0] for query in queries]

    assert (len(sent), scans) == (1, 1)
    assert answers == alone


def test_an_account_asked_for_the_first_time_takes_two_statements_more_for_all_its_words(path: Path) -> None:
    with engine_on(path) as (engine, warehouse), logged(warehouse) as sent:
        asyncio.run(answered(engine, the_page()))

    assert [text.split(" FROM ")[0] for text in sent[:1]] == ["SELECT dimension, value"]
    assert [".combinations" in text for text in sent] == [False, True, False]


def test_what_a_filter_lets_pass_is_asked_once_and_remembered(path: Path) -> None:
    queries = [ask(Scope("acme", QUARTER, filters=(COUNTRY,)), "countries")]
    with engine_on(path) as (engine, warehouse):
        asyncio.run(answered(engine, queries))
        with logged(warehouse) as sent:
            asyncio.run(answered(engine, [ask(Scope("acme", QUARTER_BEFORE, filters=(COUNTRY,)), "countries")]))

    assert len(sent) == 1


def test_statements_put_together_are_told_apart_by_place_wherever_their_rows_stand() -> None:
    one = Statement("SELECT 1 AS day, 2.0 AS a_sum", [], ("day",), ("a_sum",))
    other = Statement("SELECT 3 AS id, 4 AS day, 5 AS b_sum, 6 AS c_sum", [], ("id", "day"), ("b_sum", "c_sum"))
    columns = {
        SCAN_COLUMN: np.array([1, 0, 1]),
        "mark_0": np.array([3, 1, 7]),
        "mark_1": np.array([4, 0, 8]),
        "sum_0": np.array([5, 2, 9]),
        "sum_1": np.array([6, 0, 10]),
    }

    first, second = told_apart([one, other], columns)

    assert {name: column.tolist() for name, column in first.items()} == {"day": [1], "a_sum": [2]}
    assert {name: column.tolist() for name, column in second.items()} == {
        "id": [3, 7],
        "day": [4, 8],
        "b_sum": [5, 9],
        "c_sum": [6, 10],
    }
    assert build_together([one]) is one
