"""Reports inside a row: the same numbers as under a filter, from one scan for all rows."""

from __future__ import annotations

import asyncio
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Compare, Window
from fanin.catalog.query import Scope, StatsQuery, make_scope
from fanin.schema.context import RequestContext
from fanin.tests.facts import CountingWarehouse, engine_over, visit, write
from fanin.tests.questions import ask_needed
from fanin.tests.recounted import Answers

# Dimensions of rows and values that the random sessions have there; the last is one they never have.
ROWS = {
    "utm_source": ["google", "Bing", "(direct)", "nowhere"],
    "country": ["ES", "US", "XX"],
    "channel": ["Direct", "Paid Search", "Audio"],
    "os": ["iOS", "Linux", "BeOS"],
    "path": ["/a", "/thanks", "/never"],
}
DAYS = (date(2026, 2, 25), date(2026, 3, 18))


async def load(context: RequestContext, *questions: StatsQuery) -> list[Any]:
    return list(await asyncio.gather(*map(context.loader.load, questions)))


@st.composite
def rows(draw: st.DrawFn) -> dict[str, str]:
    dimensions = draw(st.lists(st.sampled_from([*ROWS]), min_size=1, max_size=2, unique=True))
    return {dimension: draw(st.sampled_from(ROWS[dimension])) for dimension in dimensions}


@settings(max_examples=150, deadline=None)
@given(row=rows(), report=st.sampled_from([*ENDPOINTS]), compare=st.sampled_from(Compare))
def test_a_report_inside_a_row_tells_what_it_tells_under_a_filter(
    answers: Answers, row: dict[str, str], report: str, compare: Compare
) -> None:
    def scope(context: RequestContext, **asked: Any) -> Scope:
        account = context.account("acme")
        return make_scope(account, context.now, start_date=DAYS[0], end_date=DAYS[1], compare=compare, **asked)

    async def both() -> Any:
        async with answers.engine.request() as context:
            filters = [make_filter(dimension, "eq", [value]) for dimension, value in row.items()]
            inside = ask_needed(scope(context).within(row), report)
            filtered = ask_needed(scope(context, filters=filters), report)
            return await load(context, inside, filtered)

    inside, filtered = answers.runner.run(both())
    assert inside == filtered


FACTS = [
    visit(utm_source=source, utm_campaign=campaign, country=country, device_type="mobile" if country == "ES" else "desktop")
    for source, campaign, country in product(["google", "bing", "ask"], ["brand", "sale"], ["ES", "US"])
]  # fmt: skip


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", FACTS)
    return path


def asked_of(path: Path, *questions: tuple[str, dict[str, str]]) -> tuple[list[Any], CountingWarehouse]:
    async def ask() -> tuple[list[Any], CountingWarehouse]:
        with engine_over(path) as (engine, warehouse):
            async with engine.request() as context:
                scope = make_scope(context.account("acme"), context.now)
                inner = [ask_needed(scope.within(row), report) for report, row in questions]
                return await load(context, *inner), warehouse

    return asyncio.run(ask())


def test_all_rows_of_an_outer_report_are_one_scan(warehouse_file: Path) -> None:
    sources = [{"utm_source": source} for source in ("google", "bing", "ask")]

    answers, warehouse = asked_of(
        warehouse_file, *[(report, row) for row in sources for report in ("countries", "devices", "os")]
    )

    assert [[row["entrances"] for row in answer["rows"]] for answer in answers[::3]] == [[2, 2]] * 3
    assert len(warehouse.scans) == 1


def test_single_events_inside_rows_are_listed_once(warehouse_file: Path) -> None:
    countries = [{"country": country} for country in ("ES", "US")]

    _, warehouse = asked_of(warehouse_file, *[("conversion_events", row) for row in countries])

    assert len(warehouse.scans) == 1


def test_a_row_is_found_by_its_exact_value(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit(utm_source="Google"), visit(utm_source="google", country="ES")])

    (upper, lower), _ = asked_of(
        tmp_path / "w.duckdb", *[("countries", {"utm_source": name}) for name in ("Google", "google")]
    )

    assert [[row["country"] for row in answer["rows"]] for answer in (upper, lower)] == [["Unknown"], ["ES"]]


def test_rows_are_equal_whatever_order_their_dimensions_came_in() -> None:
    scope = Scope("acme", Window(*DAYS))

    one = scope.within({"os": "iOS"}).within({"country": "ES"})
    other = scope.within({"country": "ES", "os": "iOS"})

    assert one == other
    assert one.shared == scope.shared
    assert one != scope
