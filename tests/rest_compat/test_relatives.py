"""The close relatives of the sixteen reports over HTTP, whole answers: tops, groups, single goals, events, steps, free
queries.  Contract §1.2-1.6, §1.12-1.17."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.catalog.endpoints import FREE_DIMENSIONS
from fanin.tests.facts import NOW, bought, client_of, engine_over, moment, reached, visit, without, write
from fanin.warehouse.facts import Goal, GoalKind

STAMP = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")

FACTS = [
    visit("2026-03-10T23:30", "/shoes=Shop", "/cart=Shop", "/thanks", utm_source="google", utm_medium="cpc", utm_campaign="brand",
          country="ES", channel="Paid Search", device_type="mobile", referrer="https://www.google.com/x",
          goals=[reached("cart", "2026-03-10T23:31"), bought(1999, at="2026-03-10T23:40")]),
    visit("2026-03-11T10:00", "/shoes=Shop", "/cart=Shop", utm_source="google", utm_medium="cpc", country="US",
          channel="Paid Search", goals=[reached("cart", "2026-03-11T10:01"), reached("cart", "2026-03-11T10:02")]),
    visit("2026-03-12T10:00", "/", "/shoes=Shop", "/blog/a=Blog", country="ES"),
]  # fmt: skip


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", FACTS, time_zone="Europe/Madrid")
    return path


def send(path: Path, method: str, address: str, **request: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        with engine_over(path) as (engine, _):
            async with client_of(engine) as client:
                return await client.request(method, f"/api/v1{address}", **request)

    return asyncio.run(ask())


def get(path: Path, address: str, **params: Any) -> Any:
    response = send(path, "GET", address, params={"account_id": "acme"} | params)
    assert response.status_code == 200, response.text
    return response.json()


def post(path: Path, address: str, body: Any) -> Any:
    response = send(path, "POST", address, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(path: Path, method: str, address: str, **request: Any) -> tuple[int, Any]:
    response = send(path, method, address, **request)
    error = response.json()["error"]
    return response.status_code, [(problem["field"], problem["type"]) for problem in error.get("detail", [])] or error


# --- tops ---------------------------------------------------------------------------------------------------------

GOOGLE = {
    "utm_source": "google",
    "entrances": 2,
    "engaged_entrances": 2,
    "bounces": 0,
    "bounce_rate": 0.0,
    "page_views": 5,
    "microconversions": 3,
    "conversions": 1,
    "conversion_rate": 50.0,
    "revenue": 19.99,
}


def test_a_top_is_a_list_in_the_envelope_of_one_object_and_no_comparison(warehouse_file: Path) -> None:
    assert get(warehouse_file, "/stats/sources/top", limit=1) == {
        "success": True,
        "data": [GOOGLE],
        "meta": {},
        "timestamp": STAMP,
    }
    assert [row["utm_source"] for row in get(warehouse_file, "/stats/sources/top")["data"]] == ["google", "(direct)"]
    assert refusal(warehouse_file, "GET", "/stats/sources/top?account_id=acme&compare=previous") == (
        422,
        [("query.compare", "extra_forbidden")],
    )


def test_top_sources_of_a_landing_page_ignore_its_case_and_tell_no_page_views(warehouse_file: Path) -> None:
    expected = [without(GOOGLE, "page_views")]

    assert get(warehouse_file, "/stats/sources/top", landing_page="/SHOES")["data"] == expected
    assert get(warehouse_file, "/stats/sources/top", landing_page="/shoes/")["data"] == []
    assert get(warehouse_file, "/stats/sources/top", filters="landing_page:eq:/shoes")["data"] == expected


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("/stats/campaigns/top", ["(not set)", "brand"]),
        ("/stats/referrers/top", ["", "https://www.google.com/x"]),
        ("/stats/top-channels", ["Paid Search", "Direct"]),
        ("/stats/landing-pages/top", ["/shoes", "/"]),
    ],
)
def test_every_top_has_the_rows_of_its_list_without_pages(warehouse_file: Path, path: str, rows: list[str]) -> None:
    found = get(warehouse_file, path)["data"]

    assert [next(iter(row.values())) for row in found] == rows
    assert [row["entrances"] for row in found] == [2, 1]


def test_top_pages_have_the_documented_five_fields(warehouse_file: Path) -> None:
    assert get(warehouse_file, "/stats/pages/top", limit=2)["data"] == [
        {"path": "/shoes", "page_views": 3, "entrances": 2, "engaged_entrances": 2, "bounce_rate": 0.0},
        {"path": "/cart", "page_views": 2, "entrances": 0, "engaged_entrances": 0, "bounce_rate": 0.0},
    ]


@pytest.mark.parametrize(("path", "most"), [("/stats/sources/top", 100), ("/stats/top-channels", 50)])
def test_a_top_is_at_most_as_long_as_documented(warehouse_file: Path, path: str, most: int) -> None:
    get(warehouse_file, path, limit=most)

    assert refusal(warehouse_file, "GET", f"{path}?account_id=acme&limit={most + 1}") == (
        422,
        [("query.limit", "out_of_range")],
    )


# --- groups of pages ----------------------------------------------------------------------------------------------


def test_content_groups_count_their_different_pages_and_leave_ungrouped_ones_out(warehouse_file: Path) -> None:
    answer = get(warehouse_file, "/stats/pages/content-groups", compare="previous")

    group = {"page_views_prev": None, "entrances_prev": None, "unique_pages_prev": None}
    assert answer["data"] == [
        {"content_grouping": "Shop", "unique_pages": 2, "page_views": 5, "entrances": 2} | group,
        {"content_grouping": "Blog", "unique_pages": 1, "page_views": 1, "entrances": 0} | group,
    ]
    assert (answer["total"], answer["page_size"], answer["totals"]) == (2, 50, None)
    assert without(answer["comparison"], "date_range") == {"unique_pages": 0, "page_views": 0, "entrances": 0}


def test_landing_pages_by_content_group_are_landing_rows_with_their_different_pages(warehouse_file: Path) -> None:
    assert get(warehouse_file, "/stats/landing-pages/by-content-group")["data"] == [
        {
            "content_grouping": "Shop",
            "unique_pages": 1,
            "entrances": 2,
            "engaged_entrances": 2,
            "bounce_rate": 0.0,
            "microconversions": 3,
            "conversions": 1,
            "conversion_rate": 50.0,
            "revenue": "19.99",
        }
    ]


# --- goals --------------------------------------------------------------------------------------------------------

CPC = {"utm_source": "google", "utm_medium": "cpc", "utm_term": "", "utm_content": ""}


def test_one_microconversion_is_split_by_source_country_device_and_landing_page(warehouse_file: Path) -> None:
    answer = get(warehouse_file, "/stats/microconversions/cart")

    assert answer == {
        "success": True,
        "data": {
            "conversion_type": "cart",
            "totals": {"count": 3},
            "by_source": [
                CPC | {"utm_campaign": "(not set)", "count": 2, "percentage": 66.67},
                CPC | {"utm_campaign": "brand", "count": 1, "percentage": 33.33},
            ],
            "by_country": [
                {"country": "US", "count": 2, "percentage": 66.67},
                {"country": "ES", "count": 1, "percentage": 33.33},
            ],
            "by_device": [
                {"device_type": "desktop", "count": 2, "percentage": 66.67},
                {"device_type": "mobile", "count": 1, "percentage": 33.33},
            ],
            "by_landing_page": [{"landing_page": "/shoes", "count": 3, "percentage": 100.0}],
        },
        "meta": {},
        "timestamp": STAMP,
    }


@pytest.mark.parametrize("name", ["never", "purchase"])
def test_a_goal_never_reached_or_of_the_other_kind_is_zero_with_empty_splits(warehouse_file: Path, name: str) -> None:
    data = get(warehouse_file, f"/stats/microconversions/{name}")["data"]

    assert data["totals"] == {"count": 0}
    assert [data[key] for key in data if key.startswith("by_")] == [[]] * 4


def test_the_goal_in_the_path_is_not_to_be_given_again(warehouse_file: Path) -> None:
    asked = {"id": "q", "endpoint": "/stats/microconversions/cart", "params": {"account_id": "acme", "type": "form"}}

    batch = post(warehouse_file, "/batch", {"queries": [asked]})

    assert refusal(warehouse_file, "GET", "/stats/microconversions/cart?account_id=acme&type=form") == (
        422,
        [("query.type", "extra_forbidden")],
    )
    assert batch["results"]["q"]["error"]["detail"] == [
        {"field": "body.queries.0.params.type", "message": "type stands in the path already", "type": "extra_forbidden"}
    ]


def test_microconversion_types_are_a_list_of_texts(warehouse_file: Path) -> None:
    assert get(warehouse_file, "/stats/microconversions-types")["data"] == ["cart"]
    assert get(warehouse_file, "/stats/microconversions-types", country="FR")["data"] == []


def test_microconversions_of_one_type_are_those_alone(warehouse_file: Path, tmp_path: Path) -> None:
    goals = [
        reached("cart"),
        reached("form"),
        reached("form"),
        Goal(moment("2026-03-10T10:05"), GoalKind.CONVERSION, "cart"),
    ]
    write(tmp_path / "w.duckdb", "acme", [visit(goals=goals)])

    def counts(**params: Any) -> list[tuple[str, int]]:
        rows = get(tmp_path / "w.duckdb", "/stats/microconversions", **params)["data"]
        return [(row["conversion_type"], row["count"]) for row in rows]

    assert counts() == [("form", 2), ("cart", 1)]
    assert counts(conversion_type="cart") == [("cart", 1)]
    assert counts(conversion_type=["form", "cart"]) == [("form", 2), ("cart", 1)]


# --- single events ------------------------------------------------------------------------------------------------

EVENT = {
    "country": "ES",
    "device_type": "mobile",
    "browser": "Unknown",
    "os": "Unknown",
    "channel_group": "Paid Search",
    "landing_page": "/shoes",
    "utm_source": "google",
    "utm_medium": "cpc",
    "utm_campaign": "brand",
    "utm_term": "",
    "utm_content": "",
    "properties": {},
}


def test_a_single_conversion_tells_when_in_utc_and_in_the_accounts_zone(warehouse_file: Path) -> None:
    assert get(warehouse_file, "/stats/conversions/raw") == {
        "success": True,
        "data": [
            {
                "date": "2026-03-11",
                "hour": 0,
                "timestamp_utc": "2026-03-10T23:40:00Z",
                "timestamp_local": "2026-03-11T00:40:00+01:00",
                "conversion_type": "purchase",
                "amount": "19.99",
                **EVENT,
            }
        ],
        "total": 1,
        "page": 1,
        "page_size": 100,
        "has_next": False,
        "has_prev": False,
        "timestamp": STAMP,
    }


def test_single_microconversions_are_newest_first_and_have_no_amount(warehouse_file: Path) -> None:
    answer = get(warehouse_file, "/stats/microconversions/raw", page_size=2)

    assert [row["timestamp_utc"] for row in answer["data"]] == ["2026-03-11T10:02:00Z", "2026-03-11T10:01:00Z"]
    assert (answer["total"], answer["has_next"]) == (3, True)
    assert all("amount" not in row for row in answer["data"])
    last = get(warehouse_file, "/stats/microconversions/raw", page_size=2, page=2)["data"]
    assert [row["timestamp_utc"] for row in last] == ["2026-03-10T23:31:00Z"]
    assert get(warehouse_file, "/stats/microconversions/raw", conversion_type="form")["data"] == []
    assert get(warehouse_file, "/stats/microconversions/raw", country="US", device="desktop")["total"] == 2


@pytest.mark.parametrize("kind", ["conversions", "microconversions"])
def test_more_than_31_days_of_single_events_are_refused_and_not_cut(warehouse_file: Path, kind: str) -> None:
    status, error = refusal(warehouse_file, "GET", f"/stats/{kind}/raw?account_id=acme&period=90d")

    assert (status, error["code"]) == (400, "bad_request")
    assert error["message"].endswith("cannot exceed 31 days")


# --- GET /stats/evolution ------------------------------------------------------------------------------------------


def test_an_evolution_has_the_rows_interval_and_days_of_the_earlier_edition(warehouse_file: Path) -> None:
    answer = get(warehouse_file, "/stats/evolution", interval="month", period="30d")

    assert without(answer, "data") == {
        "success": True,
        "interval": "month",
        "date_range": {"start": "2026-02-17", "end": "2026-03-18"},
        "timestamp": STAMP,
    }
    assert [row["date"] for row in answer["data"]] == ["2026-02-17", "2026-03-01"]
    assert answer["data"][1] == {
        "date": "2026-03-01",
        "hour": None,
        "entrances": 3,
        "engaged_entrances": 3,
        "bounces": 0,
        "bounce_rate": 0.0,
        "page_views": 8,
        "microconversions": 3,
        "conversions": 1,
        "conversion_rate": 33.33,
        "revenue": 19.99,
        "pages_per_session": 2.67,
        "average_order_value": 19.99,
    }


def test_an_evolution_by_the_hour_tells_the_hour_and_with_comparison_its_day(warehouse_file: Path) -> None:
    days = {"start_date": "2026-03-12", "end_date": "2026-03-12", "interval": "hour", "compare": "previous"}

    rows = get(warehouse_file, "/stats/evolution", **days)["data"]

    assert [(row["hour"], row["entrances"], row["entrances_prev"]) for row in rows if row["entrances"]] == [(11, 1, 1)]
    assert {(row["date"], row["comparison_date"]) for row in rows} == {("2026-03-12", "2026-03-11")}
    assert len(rows) == 24


# --- POST /stats/funnel -------------------------------------------------------------------------------------------


def test_a_custom_funnel_counts_sessions_step_by_step(warehouse_file: Path) -> None:
    answer = post(warehouse_file, "/stats/funnel", {"account_id": "acme", "steps": ["/shoes", "cart", "purchase"]})

    assert answer == {
        "success": True,
        "data": {
            "name": "Custom Funnel",
            "date_range": {"start_date": "2026-02-17", "end_date": "2026-03-18", "days": 30},
            "steps": [
                {"step_number": 1, "name": "/shoes", "count": 3, "conversion_rate": 100.0, "drop_off_rate": 0.0},
                {"step_number": 2, "name": "cart", "count": 2, "conversion_rate": 66.67, "drop_off_rate": 33.33},
                {"step_number": 3, "name": "purchase", "count": 1, "conversion_rate": 50.0, "drop_off_rate": 50.0},
            ],
            "total_entries": 3,
            "total_completions": 1,
            "overall_conversion_rate": 33.33,
        },
        "meta": {},
        "timestamp": STAMP,
    }


def test_a_custom_funnel_takes_a_name_and_the_parameters_of_every_report(warehouse_file: Path) -> None:
    body = {"site_id": "acme", "name": "Buying", "steps": ["/shoes", "/cart"], "period": "30d", "country": ["ES"]}

    data = post(warehouse_file, "/stats/funnel", body)["data"]

    assert data["name"] == "Buying"
    assert [step["count"] for step in data["steps"]] == [2, 1]


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({"account_id": "acme"}, [("body.steps", "list_type")]),
        ({"account_id": "acme", "steps": "/a"}, [("body.steps", "list_type")]),
        ({"account_id": "acme", "steps": ["/a", 1], "name": ""}, [("body.name", "string_type"), ("body.steps", "list_type")]),
        ({"account_id": "acme", "steps": ["/a"]}, [("body.steps", "out_of_range")]),
        ({"account_id": "acme", "steps": ["/a"] * 11}, [("body.steps", "out_of_range")]),
        ({"account_id": "acme", "steps": ["/a", ""]}, [("body.steps", "string_length")]),
        ({"account_id": "acme", "steps": ["/a", "/b"], "stepz": 1}, [("body.stepz", "extra_forbidden")]),
        ({"steps": ["/a", "/b"]}, [("body.account_id", "missing")]),
        ([], [("body", "object_type")]),
    ],
)  # fmt: skip
def test_a_custom_funnel_that_cannot_be_names_its_fields(warehouse_file: Path, body: Any, problems: Any) -> None:
    assert refusal(warehouse_file, "POST", "/stats/funnel", json=body) == (422, problems)


# --- POST /stats/query --------------------------------------------------------------------------------------------

DATES = {"account_id": "acme", "date_from": "2026-03-10", "date_to": "2026-03-12"}


def test_a_free_query_is_bare_rows_and_meta(warehouse_file: Path) -> None:
    body = DATES | {"dimensions": ["country"], "metrics": ["entrances", "engaged_entrances", "revenue"], "limit": 1}

    assert post(warehouse_file, "/stats/query", body) == {
        "data": [{"country": "ES", "entrances": 2, "engaged_entrances": 2, "revenue": 19.99, "bounce_rate": 0.0}],
        "meta": {
            "total_rows": 2,
            "has_more": True,
            "granularity": "total",
            "dimensions": ["country"],
            "metrics": ["entrances", "engaged_entrances", "revenue"],
        },
    }


def test_granularity_adds_the_day_or_the_hour_in_the_accounts_zone(warehouse_file: Path) -> None:
    by_day = post(warehouse_file, "/stats/query", DATES | {"granularity": "daily", "metrics": ["entrances"]})
    by_hour = post(
        warehouse_file,
        "/stats/query",
        DATES
        | {"granularity": "hourly", "metrics": ["entrances"], "order_by": [{"field": "date", "direction": "asc"}]},
    )

    assert by_day["data"] == [{"date": "2026-03-11", "entrances": 2}, {"date": "2026-03-12", "entrances": 1}]
    assert (by_day["meta"]["granularity"], by_day["meta"]["dimensions"]) == ("daily", ["date"])
    assert by_hour["data"] == [
        {"date": "2026-03-11", "hour": 0, "entrances": 1},
        {"date": "2026-03-11", "hour": 11, "entrances": 1},
        {"date": "2026-03-12", "hour": 11, "entrances": 1},
    ]


def test_a_free_query_is_compared_by_rows_of_their_own(warehouse_file: Path) -> None:
    body = DATES | {"date_from": "2026-03-12", "dimensions": ["device_type"], "metrics": ["page_views"]}

    answer = post(warehouse_file, "/stats/query", body | {"compare": "previous"})

    assert answer["data"] == [{"device_type": "desktop", "page_views": 3}]
    assert answer["comparison_data"] == [
        {"device_type": "mobile", "page_views": 3},
        {"device_type": "desktop", "page_views": 2},
    ]
    assert answer["comparison_meta"] == {
        "date_from": "2026-03-11",
        "date_to": "2026-03-11",
        "mode": "previous",
        "total_rows": 2,
    }


def test_filters_of_a_free_query_are_fields_with_one_or_more_values_or_their_opposite(warehouse_file: Path) -> None:
    def entrances(**filters: Any) -> int:
        answer = post(warehouse_file, "/stats/query", DATES | {"metrics": ["entrances"], "filters": filters})
        return answer["data"][0]["entrances"]

    assert entrances() == 3
    assert entrances(country="ES") == entrances(country=["es", "FR"]) == 2
    assert entrances(country_not="ES") == 1
    assert entrances(country="ES", channel_group_not=["Direct"]) == 1


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"date_from": None}, [("body.date_from", "missing")]),
        ({"date_to": "soon"}, [("body.date_to", "date_parsing")]),
        ({"dimensions": ["country", "city"]}, [("body.dimensions", "enum")]),
        ({"dimensions": "country"}, [("body.dimensions", "list_type")]),
        ({"dimensions": [*FREE_DIMENSIONS][:11]}, [("body.dimensions", "too_long")]),
        ({"metrics": []}, [("body.metrics", "too_short"), ("body.order_by", "enum")]),
        ({"metrics": ["bounce_rate"]}, [("body.metrics", "enum")]),
        ({"granularity": "weekly"}, [("body.granularity", "enum")]),
        ({"order_by": [{"field": "os"}]}, [("body.order_by", "enum")]),
        ({"order_by": [{"field": "entrances", "direction": "up"}]}, [("body.order_by", "list_type")]),
        ({"limit": 10_001}, [("body.limit", "out_of_range")]),
        ({"limit": "ten"}, [("body.limit", "int_parsing")]),
        ({"offset": -1}, [("body.offset", "out_of_range")]),
        ({"offset": 1.5}, [("body.offset", "int_type")]),
        ({"filters": []}, [("body.filters", "object_type")]),
        ({"filters": {"city": "x"}}, [("body.filters.city", "value_error")]),
        ({"filters": {"country": 1}}, [("body.filters.country", "value_error")]),
        ({"period": "7d"}, [("body.period", "extra_forbidden")]),
    ],
)  # fmt: skip
def test_a_free_query_that_cannot_be_names_its_fields(warehouse_file: Path, change: Any, problems: Any) -> None:
    assert refusal(warehouse_file, "POST", "/stats/query", json=DATES | change) == (422, problems)


@pytest.mark.parametrize("path", ["/stats/funnel", "/stats/query"])
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b'{"a": NaN}', 400), (b'{"a":1,"a":2}', 422), (b"\xff", 400), (b"[" * 100_000, 400), (b"1", 422)],
)  # fmt: skip
def test_what_is_no_object_of_json_is_refused_in_the_envelope(
    warehouse_file: Path, path: str, body: bytes, status: int
) -> None:
    response = send(warehouse_file, "POST", path, content=body)

    assert response.status_code == status, response.text
    assert set(response.json()) == {"error", "request_id"}


def test_reports_with_a_body_of_their_own_have_no_place_in_a_batch(warehouse_file: Path) -> None:
    asked = {"id": "q", "endpoint": "/stats/query", "params": {"account_id": "acme"}}

    error = post(warehouse_file, "/batch", {"queries": [asked]})["results"]["q"]["error"]

    assert (error["code"], error["status"]) == ("not_found", 404)


# --- GraphQL ------------------------------------------------------------------------------------------------------

DOCUMENT = """{ stats(accountId: "acme") {
  topSources(limit: 1) { rows { utmSource entrances revenue } }
  contentGroups { rows { contentGrouping uniquePages } }
  microconversion(type: "cart") { totals { count } byCountry { country percentage } }
  microconversionTypes { names }
  conversionEvents { total rows { timestampLocal amount channel } }
  timeSeries(interval: WEEK) { interval points { date endDate entrances revenue entrancesPrev } }
  funnelSteps(steps: ["/shoes", "/cart"]) { steps { name count } overallConversionRate }
  query(dimensions: [COUNTRY, DAY_OF_WEEK], metrics: [ENTRANCES], orderBy: [{field: COUNTRY, direction: DESC}], limit: 2) {
    total hasMore rows { country dayOfWeek entrances revenue } }
} }"""


def week(first: str, last: str, entrances: int = 0, revenue: str = "0.00") -> dict[str, Any]:
    return {"date": first, "endDate": last, "entrances": entrances, "revenue": revenue, "entrancesPrev": None}


def test_every_relative_is_a_graphql_field_too(warehouse_file: Path) -> None:
    async def ask() -> Any:
        with engine_over(warehouse_file) as (engine, _):
            async with client_of(engine) as client:
                return (await client.post("/graphql", content=json.dumps({"query": DOCUMENT}), headers=JSON)).json()

    assert asyncio.run(ask())["data"]["stats"] == {
        "topSources": {"rows": [{"utmSource": "google", "entrances": 2, "revenue": "19.99"}]},
        "contentGroups": {
            "rows": [
                {"contentGrouping": "Shop", "uniquePages": 2},
                {"contentGrouping": "Blog", "uniquePages": 1},
            ]
        },
        "microconversion": {
            "totals": {"count": 3},
            "byCountry": [{"country": "US", "percentage": 66.67}, {"country": "ES", "percentage": 33.33}],
        },
        "microconversionTypes": {"names": ["cart"]},
        "conversionEvents": {
            "total": 1,
            "rows": [{"timestampLocal": "2026-03-11T00:40:00+01:00", "amount": "19.99", "channel": "Paid Search"}],
        },
        "timeSeries": {
            "interval": "WEEK",
            "points": [
                week("2026-02-17", "2026-02-22"),
                week("2026-02-23", "2026-03-01"),
                week("2026-03-02", "2026-03-08"),
                week("2026-03-09", "2026-03-15", 3, "19.99"),
                week("2026-03-16", "2026-03-18"),
            ],
        },
        "funnelSteps": {
            "steps": [{"name": "/shoes", "count": 3}, {"name": "/cart", "count": 2}],
            "overallConversionRate": 66.67,
        },
        "query": {
            "total": 3,
            "hasMore": True,
            "rows": [
                {"country": "US", "dayOfWeek": 3, "entrances": 1, "revenue": None},
                {"country": "ES", "dayOfWeek": 3, "entrances": 1, "revenue": None},
            ],
        },
    }


JSON = {"Content-Type": "application/json"}
