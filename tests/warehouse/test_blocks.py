"""Held rows: which days are held, for whom, and when the engine is asked all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from fanin.catalog.dimensions import Table
from fanin.catalog.errors import BadRequest
from fanin.catalog.filters import Filter, Match, make_filter
from fanin.catalog.periods import Window
from fanin.tests.facts import visit, write
from fanin.warehouse import held_rows, scanning
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.store import Scan, Source

FEBRUARY = Window(date(2026, 2, 1), date(2026, 2, 28))
MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))
SPAIN = make_filter("country", "eq", ["ES"])
FACTS = [visit(f"2026-0{month}-10T10:00", country=code) for month in (2, 3) for code in ("ES", "US", "ES")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for account in ("acme", "other"):
        write(tmp_path / "w.duckdb", account, FACTS)
    return tmp_path / "w.duckdb"


@contextmanager
def opened(path: Path, block_bytes: int = 1_000_000) -> Iterator[DuckDBWarehouse]:
    warehouse = DuckDBWarehouse(path, use_rollups=False, block_bytes=block_bytes)
    try:
        yield warehouse
    finally:
        warehouse.close()


def told(
    warehouse: DuckDBWarehouse, *windows: Window, account: str = "acme", condition: Filter = SPAIN
) -> tuple[Source, list[int]]:
    """What a filtered scan is read from, and the entrances in each window."""
    scan = Scan(Table.SESSIONS, account, windows or (MARCH,), (condition,), ((),), ("entrances",))
    result = asyncio.run(warehouse.snapshot().scan(scan))
    warehouse.blocks.settle()
    return result.source, [int(sums["entrances"].sum()) for sums in result[()].sums.values()]


def test_days_that_are_looked_at_again_are_held(path: Path) -> None:
    with opened(path) as warehouse:
        sources = [told(warehouse) for _ in range(3)]

    assert sources == [(Source.STATEMENT, [2]), (Source.STATEMENT, [2]), (Source.BLOCK, [2])]


def test_other_filters_on_the_same_days_find_them_held(path: Path) -> None:
    with opened(path) as warehouse:
        for _ in range(2):
            told(warehouse)

        assert told(warehouse, condition=make_filter("country", "ne", ["ES"])) == (Source.BLOCK, [1])


def test_other_days_take_the_place_of_those_held_once_they_are_looked_at_again(path: Path) -> None:
    with opened(path) as warehouse:
        sources = [told(warehouse, *windows) for windows in 3 * [(MARCH,)] + 3 * [(MARCH, FEBRUARY)] + [(FEBRUARY,)]]

    assert [source for source, _ in sources] == [Source.STATEMENT, Source.STATEMENT, Source.BLOCK] * 2 + [Source.BLOCK]
    assert sources[-2:] == [(Source.BLOCK, [2, 2]), (Source.BLOCK, [2])]


def test_an_import_takes_the_rows_of_its_account_and_no_others(path: Path) -> None:
    with opened(path) as warehouse:
        for account in ("acme", "other"):
            for _ in range(2):
                told(warehouse, account=account)
        write(path, "acme", [visit(country="ES")])

        assert told(warehouse) == (Source.STATEMENT, [3])
        assert told(warehouse, account="other") == (Source.BLOCK, [2])


def test_words_of_a_later_import_pass_the_filters_they_fit(path: Path) -> None:
    condition = make_filter("country", "in", ["ES", "IT"])
    with opened(path) as warehouse:
        before = [told(warehouse, condition=condition) for _ in range(3)]
        write(path, "acme", [visit(country="IT")])
        after = [told(warehouse, condition=condition) for _ in range(3)]

    assert (before[-1], after[-1]) == ((Source.BLOCK, [2]), (Source.BLOCK, [3]))


@pytest.mark.parametrize(("module", "limit"), [(held_rows, "MOST_ROWS"), (scanning, "ROWS_IN_MEMORY")])
def test_more_rows_than_are_quickly_looked_through_are_left_to_the_engine(
    path: Path, module: object, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, limit, 1)
    with opened(path) as warehouse:
        sources = [told(warehouse) for _ in range(3)]

    assert sources == [(Source.STATEMENT, [2])] * 3


def test_no_room_holds_nothing(path: Path) -> None:
    with opened(path, block_bytes=0) as warehouse:
        sources = [told(warehouse) for _ in range(3)]

        assert (sources, warehouse.blocks.size_bytes) == ([(Source.STATEMENT, [2])] * 3, 0)


def test_a_pattern_that_the_engine_refuses_is_refused_of_held_rows_too(path: Path) -> None:
    with opened(path) as warehouse:
        for _ in range(2):
            told(warehouse)

        with pytest.raises(BadRequest, match="a pattern is no RE2 expression"):
            told(warehouse, condition=Filter("path", Match.REGEX, False, ("(",)))
