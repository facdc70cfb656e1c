"""The statement of every report, written down: a change of SQL shows in the diff.  ``make golden`` rewrites them."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Compare, Window, comparison_window
from fanin.catalog.query import Scope
from fanin.resolvers.planner import fuse, listings, shared_key
from fanin.tests.questions import ask_needed
from fanin.warehouse.rollup_reading import build_rollup_statement
from fanin.warehouse.rollups import Rollup
from fanin.warehouse.statements import build_listing, build_rows_statement, build_statement
from fanin.warehouse.store import Column, Scan

GOLDEN = Path(__file__).parent / "golden"
MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))


def statements(report: str) -> str:
    """Every statement of a filtered question and its comparison: as the engine groups, and as rows are fetched; and what
    reads the roll-ups when nothing is filtered.

    Of a report made of rows as they are, the statements that list them.
    """
    spain = make_filter("country", "eq", ["ES"])
    scope = Scope("acme", MARCH, comparison_window(MARCH, Compare.PREVIOUS), (spain,))
    query = ask_needed(scope, report)
    key = shared_key(query)
    scans = fuse(key, [query]) if key else ()
    texts = [build(scan, 1).text for scan in scans for build in (build_statement, build_rows_statement)]
    plain = replace(query, scope=replace(scope, filters=()))
    plain_key = shared_key(plain)
    if plain_key and plain_key.rolled_up:
        texts.append(build_rollup_statement(fuse(plain_key, [plain]), 1, _unfiltered).text)
    texts += [build_listing(listing, 1).text for listing in listings(query).values()]
    return ";\n\n".join(texts) + ";\n"


def _unfiltered(scan: Scan, rollup: Rollup) -> Column:
    raise AssertionError("what has no filter asks for nothing that passes")


@pytest.mark.parametrize("report", ENDPOINTS)
def test_the_statements_of_a_report_are_those_written_down(report: str) -> None:
    file = GOLDEN / f"{report}.duckdb.sql"
    if os.environ.get("FANIN_GOLDEN") == "rewrite":
        file.parent.mkdir(exist_ok=True)
        file.write_text(statements(report), encoding="utf-8")

    assert file.read_text(encoding="utf-8") == statements(report)


def test_there_is_no_golden_file_of_a_report_that_is_not_there() -> None:
    assert {file.name.partition(".")[0] for file in GOLDEN.iterdir()} == set(ENDPOINTS)
