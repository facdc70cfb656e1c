"""Cutting answers: whole answers over facts small enough to count by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.filters import Filter, make_filter
from fanin.catalog.periods import Compare
from fanin.catalog.query import SortOrder, ask, make_scope
from fanin.tests.facts import bought, engine_over, reached, visit, write
from fanin.warehouse.facts import Session


def answer(
    path: Path,
    sessions: Iterable[Session],
    report: str,
    *,
    period: str = "30d",
    compare: Compare = Compare.NONE,
    filters: Iterable[Filter] = (),
    **arguments: Any,
) -> dict[str, Any]:
    write(path / "w.duckdb", "acme", sessions)

    async def asked() -> dict[str, Any]:
        with engine_over(path / "w.duckdb") as (engine, _):
            async with engine.request() as context:
                account = context.account("acme")
                scope = make_scope(account, context.now, period=period, compare=compare, filters=filters)
                return await context.loader.load(ask(scope, report, **arguments))

    return asyncio.run(asked())


def test_a_source_row_has_every_traffic_metric(tmp_path: Path) -> None:
    sessions = [
        visit("2026-03-10T10:00", "/", "/a", "/b", utm_source="google", goals=[bought(1999), reached("add_to_cart")]),
        visit("2026-03-11T10:00", "/", utm_source="google"),
        visit("2026-03-12T10:00", "/", utm_source="google"),
    ]

    found = answer(tmp_path, sessions, "sources")

    assert found["rows"] == [
        {
            "utm_source": "google",
            "entrances": 3,
            "engaged_entrances": 1,
            "bounces": 2,
            "bounce_rate": 66.67,
            "page_views": 5,
            "microconversions": 1,
            "conversions": 1,
            "conversion_rate": 33.33,
            "revenue": Decimal("19.99"),
        }
    ]


def test_equal_values_are_ordered_by_the_dimension_so_that_pages_never_overlap(tmp_path: Path) -> None:
    sessions = [visit(utm_source=source) for source in ("delta", "alpha", "charlie", "bravo", "bravo")]

    pages = [
        answer(tmp_path / str(number), sessions, "sources", page=number, page_size=2)["rows"] for number in (1, 2, 3)
    ]

    assert [[row["utm_source"] for row in rows] for rows in pages] == [["bravo", "alpha"], ["charlie", "delta"], []]


def test_ascending_order_breaks_ties_the_same_way(tmp_path: Path) -> None:
    sessions = [visit(utm_source=source) for source in ("delta", "alpha", "bravo", "bravo")]

    found = answer(tmp_path, sessions, "sources", sort_order=SortOrder.ASC)

    assert [row["utm_source"] for row in found["rows"]] == ["alpha", "delta", "bravo"]


def test_a_page_past_the_end_is_empty_and_has_a_page_before_it(tmp_path: Path) -> None:
    found = answer(tmp_path, [visit()], "sources", page=9)

    assert (found["rows"], found["total"], found["has_next"], found["has_prev"]) == ([], 1, False, True)


def test_search_ignores_case_and_narrows_total_and_totals(tmp_path: Path) -> None:
    sessions = [visit(utm_source=source) for source in ("Google", "google-news", "bing")]

    found = answer(tmp_path, sessions, "sources", search="GOOGLE")

    assert [row["utm_source"] for row in found["rows"]] == ["Google", "google-news"]
    assert (found["total"], found["totals"]["entrances"]) == (2, 2)


def test_previous_values_stand_beside_each_row_and_are_null_where_there_was_none(tmp_path: Path) -> None:
    sessions = [
        visit("2026-03-17T10:00", "/", "/a", utm_source="old", goals=[bought(500)]),
        visit("2026-03-10T10:00", "/", utm_source="old", goals=[bought(100), bought(100)]),
        visit("2026-03-17T10:00", "/", utm_source="new"),
        visit("2026-03-10T10:00", "/", utm_source="gone"),
    ]

    found = answer(tmp_path, sessions, "sources", period="7d", compare=Compare.PREVIOUS)

    previous = {row["utm_source"]: (row["entrances_prev"], row["revenue_prev"]) for row in found["rows"]}
    assert previous == {"new": (None, None), "old": (1, Decimal("2.00"))}
    assert found["total"] == 2
    assert found["comparison"]["entrances"] == 2
    assert found["comparison"]["revenue"] == Decimal("2.00")
    assert found["comparison"]["date_range"]["days"] == 7


def test_a_year_compared_with_the_overlapping_year_before_counts_each_session_in_both(tmp_path: Path) -> None:
    sessions = [visit("2025-06-01T10:00"), visit("2024-06-01T10:00")]
    write(tmp_path / "w.duckdb", "acme", sessions)

    async def asked() -> dict[str, Any]:
        from datetime import date

        with engine_over(tmp_path / "w.duckdb") as (engine, warehouse):
            async with engine.request() as context:
                scope = make_scope(
                    context.account("acme"),
                    context.now,
                    start_date=date(2024, 4, 1),
                    end_date=date(2026, 3, 18),
                    compare=Compare.YOY,
                )
                found = await context.loader.load(ask(scope, "sources"))
                assert len(warehouse.scans) == 1
                return found

    found = asyncio.run(asked())

    assert (found["rows"][0]["entrances"], found["rows"][0]["entrances_prev"]) == (2, 1)


def test_pages_count_views_and_entrances_by_path_and_group(tmp_path: Path) -> None:
    sessions = [visit("2026-03-10T10:00", "/=Home", "/a=Shop", "/a=Shop"), visit("2026-03-11T10:00", "/a=Shop")]

    found = answer(tmp_path, sessions, "pages")

    assert found["rows"] == [
        {"path": "/a", "content_grouping": "Shop", "page_views": 3, "entrances": 1},
        {"path": "/", "content_grouping": "Home", "page_views": 1, "entrances": 1},
    ]


def test_included_columns_split_the_rows(tmp_path: Path) -> None:
    sessions = [visit(device_type="mobile"), visit(device_type="desktop"), visit(device_type="desktop")]

    found = answer(tmp_path, sessions, "landing_pages", include=["device"])

    assert [(row["landing_page"], row["device_type"], row["entrances"]) for row in found["rows"]] == [
        ("/", "desktop", 2),
        ("/", "mobile", 1),
    ]


def test_devices_are_three_lists_with_their_share_of_all_entrances(tmp_path: Path) -> None:
    sessions = [
        visit(device_type="mobile", browser="Safari", os="iOS"),
        visit(device_type="mobile", browser="Chrome", os="Android"),
        visit(device_type="desktop", browser="Chrome", os="Windows"),
    ]

    found = answer(tmp_path, sessions, "devices")

    shares = {
        name: [(row[key], row["entrances"], row["percentage"]) for row in found[name]]
        for name, key in (("by_device", "device_type"), ("by_browser", "browser"), ("by_os", "os"))
    }
    assert shares == {
        "by_device": [("mobile", 2, 66.67), ("desktop", 1, 33.33)],
        "by_browser": [("Chrome", 2, 66.67), ("Safari", 1, 33.33)],
        "by_os": [("Android", 1, 33.33), ("Windows", 1, 33.33), ("iOS", 1, 33.33)],
    }


def test_a_conversion_is_split_by_source_and_country_and_microconversions_are_not_counted(tmp_path: Path) -> None:
    sessions = [
        visit(utm_source="google", utm_medium="cpc", country="ES", goals=[bought(1000), bought(500)]),
        visit(utm_source="bing", utm_medium="cpc", country="US", goals=[bought(300), reached("add_to_cart")]),
        visit(country="US", goals=[bought(0, "signup")]),
    ]

    found = answer(tmp_path, sessions, "conversions")

    assert [(row["conversion_type"], row["count"], row["revenue"], row["avg_value"]) for row in found["rows"]] == [
        ("purchase", 3, Decimal("18.00"), Decimal("6.00")),
        ("signup", 1, Decimal("0.00"), Decimal("0.00")),
    ]
    assert found["rows"][0]["by_country"] == [
        {"country": "ES", "count": 2, "revenue": Decimal("15.00"), "percentage": 66.67},
        {"country": "US", "count": 1, "revenue": Decimal("3.00"), "percentage": 33.33},
    ]
    assert found["rows"][0]["by_source"][0] == {
        "utm_source": "google",
        "utm_medium": "cpc",
        "utm_campaign": "(not set)",
        "utm_term": "",
        "utm_content": "",
        "count": 2,
        "revenue": Decimal("15.00"),
        "percentage": 66.67,
    }


def test_the_funnel_lists_goals_by_frequency_and_totals_cover_rows_cut_by_the_limit(tmp_path: Path) -> None:
    sessions = [
        visit(utm_source="google", goals=[reached("view_item"), reached("view_item"), reached("cart"), bought(700)]),
        visit(utm_source="google"),
        visit(utm_source="bing", goals=[reached("view_item")]),
    ]

    found = answer(tmp_path, sessions, "funnel", page_size=1)

    assert found["microconversion_types"] == ["view_item", "cart"]
    assert found["conversion_types"] == ["purchase"]
    assert found["rows"] == [
        {
            "utm_source": "google",
            "utm_medium": "(none)",
            "utm_campaign": "(not set)",
            "utm_term": "",
            "entrances": 2,
            "page_views": 2,
            "microconversions": [{"type": "view_item", "count": 2}, {"type": "cart", "count": 1}],
            "conversions": [{"type": "purchase", "count": 1}],
            "revenue": [{"type": "purchase", "amount": Decimal("7.00")}],
        }
    ]
    assert (found["totals"]["entrances"], found["totals"]["microconversions"][0]["count"]) == (3, 3)
    assert found["truncated"] is True


def test_overview_series_have_a_point_for_every_day_and_an_average(tmp_path: Path) -> None:
    sessions = [visit("2026-03-12T10:00", goals=[bought(1001)]), visit("2026-03-18T11:00"), visit("2026-03-18T11:30")]

    found = answer(tmp_path, sessions, "overview", period="7d")

    series = found["entrances_series"]
    assert [point["value"] for point in series["points"]] == [1, 0, 0, 0, 0, 0, 2]
    assert (series["total"], series["average"]) == (3, 0.43)
    assert (found["revenue_series"]["total"], found["revenue_series"]["average"]) == (Decimal("10.01"), 1.43)
    assert found["comparison"] is None
    assert found["entrances_series_compare"] is None


def test_one_day_is_told_by_the_hour(tmp_path: Path) -> None:
    found = answer(tmp_path, [visit("2026-03-18T11:00"), visit("2026-03-18T11:30")], "overview", period="today")

    points = found["entrances_series"]["points"]
    assert [point["hour"] for point in points] == list(range(24))
    assert [point["value"] for point in points] == [0] * 11 + [2] + [0] * 12


def test_nothing_at_all_is_zeros_and_empty_lists(tmp_path: Path) -> None:
    found = answer(tmp_path, [visit("2020-01-01T10:00")], "overview", compare=Compare.PREVIOUS)

    assert found["traffic"] == {
        "entrances": 0,
        "engaged_entrances": 0,
        "page_views": 0,
        "microconversions": 0,
        "conversions": 0,
        "revenue": Decimal("0.00"),
        "bounce_rate": 0.0,
        "pages_per_session": 0.0,
    }
    assert found["comparison"]["traffic"] == found["traffic"]


@pytest.mark.parametrize(
    ("condition", "sources"),
    [
        (("utm_source", "eq", ["GOOGLE"]), ["google"]),
        (("utm_source", "ne", ["google"]), ["bing", "duckduckgo"]),
        (("utm_source", "contains", ["G"]), ["bing", "duckduckgo", "google"]),
        (("utm_source", "not_contains", ["duck"]), ["bing", "google"]),
        (("utm_source", "regex", ["^(B|d)"]), ["bing", "duckduckgo"]),
        (("utm_source", "not_regex", ["^b"]), ["duckduckgo", "google"]),
        (("utm_source", "in", ["bing", "google"]), ["bing", "google"]),
        (("utm_source", "not_in", ["bing", "google"]), ["duckduckgo"]),
    ],
)
def test_every_operator_filters(tmp_path: Path, condition: tuple[str, str, list[str]], sources: list[str]) -> None:
    sessions = [visit(utm_source=source) for source in ("google", "bing", "duckduckgo")]

    found = answer(tmp_path, sessions, "sources", filters=[make_filter(*condition)])

    assert sorted(row["utm_source"] for row in found["rows"]) == sources
