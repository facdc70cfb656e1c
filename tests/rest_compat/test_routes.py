"""The legacy door over HTTP, on a real warehouse: shapes to the letter, faults in their place, few scans."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.catalog.endpoints import ENDPOINTS
from fanin.tests.facts import bought, client_of, engine_over, reached, visit, without, write
from fanin.tests.questions import READ
from fanin.warehouse.store import Listing, Scans

FACTS = [
    visit("2026-03-17T10:00", "/=Home", "/trail=Products", utm_source="google", utm_medium="cpc", utm_campaign="brand",
          utm_term="trail shoes", country="ES", channel="Paid Search", device_type="mobile", browser="Safari", os="iOS",
          referrer="https://www.google.com/", goals=[bought(9240), reached("view_item"), reached("add_to_cart")]),
    visit("2026-03-16T10:00", "/trail=Products", country="US", channel="Direct"),
    visit("2026-02-10T10:00", "/=Home", country="ES", channel="Direct"),
]  # fmt: skip

# The request of the batch page, word for word.
PAGE_REQUEST = {
    "queries": [
        {"id": "overview", "endpoint": "/stats/overview", "params": {"account_id": "my-site", "period": "30d"}},
        {
            "id": "pages",
            "endpoint": "/stats/pages",
            "params": {"account_id": "my-site", "period": "30d", "page_size": 10},
        },
        {
            "id": "sources",
            "endpoint": "/stats/sources",
            "params": {"account_id": "my-site", "period": "30d"},
            "depends_on": ["overview"],
        },
    ],
    "options": {"fail_fast": False, "parallel_limit": 5, "include_timing": True},
}


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "my-site", FACTS)
    write(path, "tokyo", FACTS[:1], time_zone="Asia/Tokyo")
    return path


def send(path: Path, method: str, address: str, **request: Any) -> tuple[httpx.Response, list[Scans | Listing]]:
    async def ask() -> tuple[httpx.Response, list[Scans | Listing]]:
        with engine_over(path) as (engine, warehouse):
            async with client_of(engine) as client:
                return await client.request(method, address, **request), list(warehouse.scans)

    return asyncio.run(ask())


def batch(path: Path, body: Any) -> dict[str, Any]:
    response, _ = send(path, "POST", "/api/v1/batch", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def query(query_id: str, endpoint: str, *depends_on: str, **params: Any) -> dict[str, Any]:
    body = {"id": query_id, "endpoint": endpoint, "params": {"account_id": "my-site", **params}}
    return {**body, "depends_on": list(depends_on)} if depends_on else body


def keys(value: Any) -> Any:
    """The shape of an answer: its keys, and those of the first item of its lists."""
    if isinstance(value, dict):
        return {name: keys(inner) for name, inner in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else type(value)


def test_the_pages_own_example_gives_the_pages_own_shape(warehouse_file: Path) -> None:
    response, scans = send(warehouse_file, "POST", "/api/v1/batch", json=PAGE_REQUEST)

    body = response.json()
    assert list(body) == ["batch_id", "status", "results", "meta", "timestamp"]
    assert body["status"] == "completed"
    assert list(body["results"]) == ["overview", "pages", "sources"]
    assert [list(result) for result in body["results"].values()] == [["status", "data", "timing_ms"]] * 3
    assert without(body["meta"], "total_timing_ms") == {
        "total_queries": 3,
        "successful": 3,
        "failed": 0,
        "skipped": 0,
        "parallel_execution": True,
    }
    assert body["meta"]["total_timing_ms"] == sum(result["timing_ms"] for result in body["results"].values())
    assert body["timestamp"] == "2026-03-18T12:00:00Z"
    assert len(scans) == 1  # though one query waits for another


def test_the_pages_own_example_validates_as_the_page_says(warehouse_file: Path) -> None:
    response, scans = send(warehouse_file, "POST", "/api/v1/batch/validate", json=PAGE_REQUEST)

    assert response.json() == {
        "valid": True,
        "query_count": 3,
        "execution_order": ["overview", "pages", "sources"],
        "parallel_groups": [["overview", "pages"], ["sources"]],
        "errors": [],
        "warnings": [],
    }
    assert scans == []


def test_an_overview_is_what_the_contract_shows(warehouse_file: Path) -> None:
    response, _ = send(warehouse_file, "GET", "/api/v1/stats/overview?account_id=my-site&period=7d")

    body = response.json()
    assert without(body, "data") == {"success": True, "meta": {}, "timestamp": "2026-03-18T12:00:00Z"}
    data = body["data"]
    assert data["date_range"] == {"start_date": "2026-03-12", "end_date": "2026-03-18", "days": 7}
    assert data["traffic"] == {
        "entrances": 2,
        "engaged_entrances": 1,
        "page_views": 3,
        "microconversions": 2,
        "conversions": 1,
        "revenue": "92.40",
        "bounce_rate": 50.0,
        "pages_per_session": 1.5,
    }
    assert data["conversions"] == {
        "conversions": 1,
        "revenue": "92.40",
        "microconversions": 2,
        "conversion_rate": 50.0,
        "average_order_value": "92.40",
    }
    assert data["traffic_change"]["entrances"] == 0  # overview compares unless told not to
    assert data["entrances_series"]["points"][4] == {
        "date": "2026-03-16",
        "hour": None,
        "day_of_week": None,
        "value": 1,
    }
    assert data["revenue_series"]["points"][5]["value"] == 92.4
    assert list(data["entrances_series_compare"]) == ["metric", "points", "total", "average"]


def test_an_overview_told_not_to_compare_has_nulls_there(warehouse_file: Path) -> None:
    data = batch(warehouse_file, {"queries": [query("q", "/stats/overview", period="7d", compare="none")]})["results"][
        "q"
    ]

    assert (data["data"]["traffic_change"], data["data"]["entrances_series_compare"]) == (None, None)


def test_a_list_has_its_documented_envelope(warehouse_file: Path) -> None:
    response, _ = send(warehouse_file, "GET", "/api/v1/stats/sources?account_id=my-site&period=7d&page_size=1")

    assert response.json() == {
        "success": True,
        "data": [
            {
                "utm_source": "(direct)",
                "entrances": 1,
                "engaged_entrances": 0,
                "bounces": 1,
                "bounce_rate": 100.0,
                "page_views": 1,
                "microconversions": 0,
                "conversions": 0,
                "conversion_rate": 0.0,
                "revenue": 0.0,
            }
        ],
        "total": 2,
        "page": 1,
        "page_size": 1,
        "has_next": True,
        "has_prev": False,
        "comparison": None,
        "totals": None,
        "timestamp": "2026-03-18T12:00:00Z",
    }


def test_comparison_and_totals_come_when_asked_for(warehouse_file: Path) -> None:
    asked = query("q", "/stats/countries", period="30d", compare="previous", include_totals=True)

    data = batch(warehouse_file, {"queries": [asked]})["results"]["q"]["data"]

    assert data["totals"] == {
        "entrances": 2,
        "engaged_entrances": 1,
        "page_views": 3,
        "microconversions": 2,
        "conversions": 1,
        "revenue": "92.40",
    }
    assert data["comparison"]["date_range"] == {"start_date": "2026-01-18", "end_date": "2026-02-16", "days": 30}
    assert data["comparison"]["entrances"] == 1
    assert {row["country"]: row["entrances_prev"] for row in data["data"]} == {"ES": 1, "US": None}
    assert data["data"][0]["country_name"] == "Spain"


MONEY_AS_TEXT = {"overview", "countries", "conversions", "landing_pages", "landing_content_groups"}


@pytest.mark.parametrize("name", [name for name, row in READ.items() if "revenue" in row.metrics])
def test_money_is_a_text_or_a_number_as_the_contract_says_per_report(warehouse_file: Path, name: str) -> None:
    data = batch(warehouse_file, {"queries": [query("q", ENDPOINTS[name].path)]})["results"]["q"]["data"]

    row = data["traffic"] if name == "overview" else (data.get("data") or data["by_device"])[0]
    assert type(row["revenue"]) is (str if name in MONEY_AS_TEXT else float)


def test_the_funnel_is_bare_and_counts_by_type(warehouse_file: Path) -> None:
    response, _ = send(warehouse_file, "GET", "/api/v1/stats/funnel?account_id=my-site&period=7d")

    assert response.json() == {
        "account_id": "my-site",
        "date_from": "2026-03-12",
        "date_to": "2026-03-18",
        "microconversion_types": ["add_to_cart", "view_item"],
        "conversion_types": ["purchase"],
        "rows": [
            {
                "utm_source": "(direct)",
                "utm_medium": "(none)",
                "utm_campaign": "(not set)",
                "utm_term": "",
                "entrances": 1,
                "page_views": 1,
                "microconversions": {},
                "conversions": {},
                "revenue": {},
            },
            {
                "utm_source": "google",
                "utm_medium": "cpc",
                "utm_campaign": "brand",
                "utm_term": "trail shoes",
                "entrances": 1,
                "page_views": 2,
                "microconversions": {"add_to_cart": 1, "view_item": 1},
                "conversions": {"purchase": 1},
                "revenue": {"purchase": 92.4},
            },
        ],
        "totals": {
            "utm_source": "",
            "utm_medium": "",
            "utm_campaign": "",
            "utm_term": "",
            "entrances": 2,
            "page_views": 3,
            "microconversions": {"add_to_cart": 1, "view_item": 1},
            "conversions": {"purchase": 1},
            "revenue": {"purchase": 92.4},
        },
        "truncated": False,
    }


def test_goals_have_the_splits_of_their_kind(warehouse_file: Path) -> None:
    queries = [query("c", "/stats/conversions"), query("m", "/stats/microconversions")]
    results = batch(warehouse_file, {"queries": queries})["results"]

    utm = dict.fromkeys(("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"), str)
    assert keys(results["c"]["data"]["data"][0]) == {
        "conversion_type": str,
        "count": int,
        "revenue": str,
        "avg_value": str,
        "by_source": [{**utm, "conversions": int, "revenue": str, "percentage": float}],
        "by_country": [{"country": str, "conversions": int, "revenue": str, "percentage": float}],
    }
    assert keys(results["m"]["data"]["data"][0]) == {
        "conversion_type": str,
        "count": int,
        "by_source": [{**utm, "count": int, "percentage": float}],
    }


def test_devices_are_three_lists_and_their_types_a_list(warehouse_file: Path) -> None:
    results = batch(warehouse_file, {"queries": [query("d", "/stats/devices"), query("t", "/stats/devices/types")]})[
        "results"
    ]

    assert list(results["d"]["data"]) == ["by_device", "by_browser", "by_os"]
    assert results["t"]["data"]["data"] == results["d"]["data"]["by_device"]
    assert results["t"]["data"]["page_size"] == 10


def test_columns_asked_for_are_there_and_no_others(warehouse_file: Path) -> None:
    asked = query("q", "/stats/pages", include=["device", "channel_group"], include_utm="true")

    row = batch(warehouse_file, {"queries": [asked]})["results"]["q"]["data"]["data"][0]

    assert set(row) == {
        "path", "content_grouping", "page_views", "entrances", "device_type", "channel_group",
        "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
    }  # fmt: skip


def test_rule_3_1_the_same_question_spelled_differently_is_asked_once(warehouse_file: Path) -> None:
    spelled = [
        query("a", "/stats/countries", period="7d"),
        query("b", "/stats/geo/countries/", start_date="2026-03-12", end_date="2026-03-18"),
        query("c", "/stats/countries", period="7d", page=1, page_size="50", sort_by="entrances", sort_order="desc"),
        query("d", "/stats/countries", period="7d", compare="none", include_totals=False),
    ]
    spelled[1]["params"] = {"site_id": "my-site", **without(spelled[1]["params"], "account_id")}

    response, scans = send(warehouse_file, "POST", "/api/v1/batch", json={"queries": spelled})

    data = [result["data"] for result in response.json()["results"].values()]
    assert data == [data[0]] * 4
    assert len(scans) == 1
    assert 'identical;desc="3 identical"' in response.headers["server-timing"]


def test_rule_2_7_one_clock_and_every_account_in_its_own_zone(warehouse_file: Path) -> None:
    queries = [query("here", "/stats/overview", period="today"), query("there", "/stats/overview", period="today")]
    queries[1]["params"]["account_id"] = "tokyo"

    async def ask() -> Any:
        from datetime import UTC, datetime

        with engine_over(warehouse_file, now=datetime(2026, 3, 18, 20, 0, tzinfo=UTC)) as (engine, _):
            async with client_of(engine) as client:
                return (await client.post("/api/v1/batch", json={"queries": queries})).json()["results"]

    results = asyncio.run(ask())

    days = {name: result["data"]["date_range"]["end_date"] for name, result in results.items()}
    assert days == {"here": "2026-03-18", "there": "2026-03-19"}


def test_rule_1_3_content_is_the_querys_fault_and_the_others_run(warehouse_file: Path) -> None:
    queries = [
        query("good", "/stats/channels"),
        query("path", "/stats/chanels"),
        query("size", "/stats/pages", page_size=5000),
        query("unknown", "/stats/sources", perod="7d"),
        query("period", "/stats/sources", period="31x"),
        {"id": "nobody", "endpoint": "/stats/sources", "params": {"account_id": "nowhere"}},
        query("dependent", "/stats/sources", "path"),
    ]

    body = batch(warehouse_file, {"queries": queries})

    results = body["results"]
    assert body["status"] == "partial"
    assert results["good"]["status"] == "success"
    told = {name: result["error"] for name, result in results.items() if result["status"] == "error"}
    assert {name: (error["code"], error["status"]) for name, error in told.items()} == {
        "path": ("not_found", 404),
        "size": ("validation_error", 422),
        "unknown": ("validation_error", 422),
        "period": ("bad_request", 400),
        "nobody": ("account_not_found", 404),
    }
    assert told["path"]["message"] == "Unknown endpoint: /stats/chanels (did you mean '/stats/channels'?)"
    assert told["size"]["detail"] == [
        {
            "field": "body.queries.2.params.page_size",
            "message": "page_size must be between 1 and 1000, got 5000",
            "type": "out_of_range",
        }
    ]
    assert told["unknown"]["detail"][0]["message"] == "unknown parameter 'perod' (did you mean 'period'?)"
    assert results["dependent"]["status"] == "skipped"
    assert results["dependent"]["error"]["code"] == "dependency_failed"


def test_rule_1_3_validation_knows_the_same_faults_without_touching_data(warehouse_file: Path) -> None:
    queries = [query("size", "/stats/pages", page_size=5000), query("period", "/stats/sources", period="31x")]

    response, scans = send(warehouse_file, "POST", "/api/v1/batch/validate", json={"queries": queries})

    body = response.json()
    assert (response.status_code, body["valid"], body["execution_order"], body["parallel_groups"]) == (
        200,
        False,
        [],
        [],
    )
    assert [(error["code"], error["query_id"]) for error in body["errors"]] == [
        ("validation_error", "size"),
        ("bad_request", "period"),
    ]
    assert scans == []


def test_rule_1_1_a_bad_plan_is_422_with_every_fault_and_nothing_runs(warehouse_file: Path) -> None:
    queries = [query("a b", "/stats/overview"), query("x", "overview", "y"), {"id": "z", "params": {}}]

    response, scans = send(warehouse_file, "POST", "/api/v1/batch", json={"queries": queries})

    body = response.json()
    assert response.status_code == 422
    assert list(body) == ["error", "request_id"]
    assert {problem["field"] for problem in body["error"]["detail"]} == {
        "body.queries.0.id",
        "body.queries.1.endpoint",
        "body.queries.1.depends_on.0",
        "body.queries.2.endpoint",
    }
    assert scans == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{nope", 400, "bad_request"),
        (b"\xff\xfe", 400, "bad_request"),
        (b"[]", 422, "validation_error"),
        (b'{"queries": []}', 422, "validation_error"),
        (b" " * (1024 * 1024 + 1), 413, "payload_too_large"),
    ],
)
def test_rule_1_1_what_is_no_plan_at_all_has_its_own_status(
    warehouse_file: Path, body: bytes, status: int, code: str
) -> None:
    response, _ = send(warehouse_file, "POST", "/api/v1/batch", content=body)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_rule_2_5_with_one_slot_everything_before_a_bad_query_has_run(warehouse_file: Path) -> None:
    queries = [query("first", "/stats/overview"), query("bad", "/stats/pages", page=0), query("last", "/stats/sources")]
    options = {"fail_fast": True, "parallel_limit": 1}

    results = batch(warehouse_file, {"queries": queries, "options": options})["results"]

    assert [result["status"] for result in results.values()] == ["success", "error", "skipped"]
    assert results["last"]["error"]["code"] == "fail_fast"


def test_rule_4_1_nothing_succeeded_is_failed_and_still_200(warehouse_file: Path) -> None:
    assert batch(warehouse_file, {"queries": [query("bad", "/stats/pages", page=0)]})["status"] == "failed"


def test_rule_4_4_without_timing_only_the_sum_is_told(warehouse_file: Path) -> None:
    body = batch(warehouse_file, {"queries": [query("q", "/stats/os")], "options": {"include_timing": False}})

    assert list(body["results"]["q"]) == ["status", "data"]
    assert isinstance(body["meta"]["total_timing_ms"], int)


def test_rule_4_6_the_batch_id_is_a_uuid_and_the_request_id_unless_the_caller_sent_one(warehouse_file: Path) -> None:
    plain, _ = send(warehouse_file, "POST", "/api/v1/batch", json=PAGE_REQUEST)
    named, _ = send(warehouse_file, "POST", "/api/v1/batch", json=PAGE_REQUEST, headers={"X-Request-ID": "mine-7"})

    assert plain.headers["x-request-id"] == plain.json()["batch_id"]
    assert str(uuid.UUID(named.json()["batch_id"])) == named.json()["batch_id"]
    assert named.headers["x-request-id"] == "mine-7"


def test_rule_5_5_a_dry_run_answers_as_validation(warehouse_file: Path) -> None:
    dry, scans = send(warehouse_file, "POST", "/api/v1/batch", json={**PAGE_REQUEST, "options": {"dry_run": True}})
    validated, _ = send(warehouse_file, "POST", "/api/v1/batch/validate", json=PAGE_REQUEST)

    assert dry.json() == validated.json()
    assert scans == []


def test_faults_of_a_single_get_are_told_under_query(warehouse_file: Path) -> None:
    response, _ = send(warehouse_file, "GET", "/api/v1/stats/pages?account_id=my-site&page=x&page_size=0&sort_by=nope")

    body = response.json()
    assert response.status_code == 422
    assert [problem["field"] for problem in body["error"]["detail"]] == [
        "query.page",
        "query.page_size",
        "query.sort_by",
    ]
    assert body["error"]["detail"][0] == {
        "field": "query.page",
        "message": "page must be a whole number, got 'x'",
        "type": "int_parsing",
    }
    assert body["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/stats/nothing", "/stats/", "/stats/../overview", "/stats/overview/x"])
def test_rule_1_5_anything_else_under_stats_is_unknown(warehouse_file: Path, path: str) -> None:
    response, _ = send(warehouse_file, "GET", f"/api/v1{path}?account_id=my-site")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


def test_a_report_that_takes_a_body_is_not_unknown_to_a_get(warehouse_file: Path) -> None:
    response, _ = send(warehouse_file, "GET", "/api/v1/stats/query")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_a_goal_in_a_path_is_as_long_as_a_batch_would_take(warehouse_file: Path) -> None:
    address = "/api/v1/stats/microconversions/{}?account_id=my-site"

    longest, longer = (send(warehouse_file, "GET", address.format("g" * length))[0] for length in (200, 201))

    assert (longest.status_code, longer.status_code) == (200, 422)
    assert longer.json()["error"]["detail"][0]["field"] == "query.type"


def test_an_answer_is_plain_json_without_nan(warehouse_file: Path) -> None:
    response, _ = send(
        warehouse_file, "GET", "/api/v1/stats/overview?account_id=my-site&start_date=2001-01-01&end_date=2001-01-31"
    )

    json.loads(response.text, parse_constant=pytest.fail)
