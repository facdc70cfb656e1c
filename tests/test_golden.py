"""The statement of every report, in each engine's SQL, and the tables on a server: a change shows in the diff.

``make golden`` rewrites them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Compare, Window, comparison_window
from fanin.catalog.query import Scope, StatsQuery
from fanin.resolvers.planner import fuse, listings, shared_key
from fanin.tests.questions import ask_needed
from fanin.warehouse.clickhouse_statements import (
    build_clickhouse_listing,
    build_fused_statement,
    build_rolled_statement,
)
from fanin.warehouse.clickhouse_tables import create_statements
from fanin.warehouse.rollup_reading import build_rollup_statement
from fanin.warehouse.rollups import Rollup
from fanin.warehouse.statements import build_listing, build_rows_statement, build_statement
from fanin.warehouse.store import Column, Listing, Scan, Scans

GOLDEN = Path(__file__).parent / "golden"
TABLES = Path(__file__).parent / "golden_tables"
MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))


def duckdb_statements(filtered: Scans, plain: Scans, rows: list[Listing]) -> Iterator[str]:
    """As the engine groups, and as rows are fetched to be grouped here."""
    yield from (build(scan, 1).text for scan in filtered for build in (build_statement, build_rows_statement))
    yield from [build_rollup_statement(plain, 1, _unfiltered).text] if plain else []
    yield from (build_listing(listing, 1).text for listing in rows)


def clickhouse_statements(filtered: Scans, plain: Scans, rows: list[Listing]) -> Iterator[str]:
    yield from (build_fused_statement(scan, 1, 2).text for scan in filtered)
    yield from (build_rolled_statement(scan, 1, 2).text for scan in plain)
    yield from (build_clickhouse_listing(listing, 1, 2).text for listing in rows)


DIALECTS: dict[str, Callable[[Scans, Scans, list[Listing]], Iterator[str]]] = {
    "duckdb": duckdb_statements,
    "clickhouse": clickhouse_statements,
}


def statements(report: str, dialect: str) -> str:
    """Every statement of a filtered question and its comparison, and what reads the roll-ups when nothing is filtered.

    Of a report made of rows as they are, the statements that list them.
    """
    spain = make_filter("country", "eq", ["ES"])
    scope = Scope("acme", MARCH, comparison_window(MARCH, Compare.PREVIOUS), (spain,))
    query = ask_needed(scope, report)
    plain = replace(query, scope=replace(scope, filters=()))
    texts = DIALECTS[dialect](_scans(query), _scans(plain, rolled_up=True), [*listings(query).values()])
    return ";\n\n".join(texts) + ";\n"


def _scans(query: StatsQuery, *, rolled_up: bool = False) -> Scans:
    """The scans of a question; of what has to be rolled up and is not, none."""
    key = shared_key(query)
    return fuse(key, [query]) if key and (key.rolled_up or not rolled_up) else ()


def _unfiltered(scan: Scan, rollup: Rollup) -> Column:
    raise AssertionError("what has no filter asks for nothing that passes")


def assert_golden(file: Path, text: str) -> None:
    if os.environ.get("FANIN_GOLDEN") == "rewrite":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")

    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("report", ENDPOINTS)
def test_the_statements_of_a_report_are_those_written_down(report: str, dialect: str) -> None:
    assert_golden(GOLDEN / f"{report}.{dialect}.sql", statements(report, dialect))


def test_there_is_no_golden_file_of_a_report_that_is_not_there() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {
        f"{report}.{dialect}.sql" for report in ENDPOINTS for dialect in DIALECTS
    }


@pytest.mark.parametrize(("name", "cluster"), [("one_server", ""), ("cluster", "analytics")])
def test_the_tables_on_a_server_are_those_written_down(name: str, cluster: str) -> None:
    assert_golden(TABLES / f"{name}.clickhouse.sql", ";\n\n".join(create_statements(cluster)) + ";\n")
