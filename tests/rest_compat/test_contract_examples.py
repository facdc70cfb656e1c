"""The contract's examples as golden shapes: every key they show is there with a value of the same type.

What an answer tells beyond an example is listed beside it, so that nothing comes or goes unseen.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fanin.tests.facts import bought, client_of, engine_over, reached, visit, write

GOALS = [bought(9240), *(reached(name) for name in ("view_item", "add_to_cart", "begin_checkout"))]
FACTS = [
    visit("2026-03-17T10:00", "/trail=Products", "/cart", utm_source="google", utm_medium="cpc", utm_campaign="brand",
          utm_term="trail shoes", country="ES", channel="Organic Search", device_type="mobile", browser="Chrome", os="Android",
          referrer="https://www.google.com/", goals=GOALS),
    visit("2026-03-10T10:00", "/trail=Products", country="ES", goals=GOALS),
]  # fmt: skip

COMMON = {"success": True, "timestamp": "2026-03-18T10:00:00Z"}
PAGING = {"total": 12, "page": 1, "page_size": 50, "has_next": False, "has_prev": False}
TRAFFIC = {
    "entrances": 1900,
    "engaged_entrances": 1330,
    "bounces": 570,
    "bounce_rate": 30.0,
    "page_views": 5320,
    "microconversions": 300,
    "conversions": 45,
    "conversion_rate": 2.37,
    "revenue": 3960.0,
}
TOTALS = {
    "entrances": 4200,
    "engaged_entrances": 2730,
    "page_views": 11340,
    "microconversions": 612,
    "conversions": 84,
    "revenue": "7392.00",
    "bounce_rate": 35.0,
    "pages_per_session": 2.7,
}
OUTCOME = {
    "conversions": 84,
    "revenue": "7392.00",
    "microconversions": 612,
    "conversion_rate": 2.0,
    "average_order_value": "88.00",
}
POINT = {"date": "2026-03-12", "hour": None, "day_of_week": None}


def series(name: str, value: float = 600) -> dict[str, Any]:
    return {"metric": name, "points": [POINT | {"value": value}], "total": 7 * value, "average": 600.0}


SERIES = ("entrances", "engaged_entrances", "page_views", "conversions", "microconversions")
COMPARED_SERIES = ("entrances", "page_views", "conversions")
UTM = {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "brand", "utm_term": "", "utm_content": ""}
FUNNEL = {
    "utm_source": "google",
    "utm_medium": "cpc",
    "utm_campaign": "brand",
    "utm_term": "trail shoes",
    "entrances": 700,
    "page_views": 2100,
    "microconversions": {"view_item": 410, "add_to_cart": 96, "begin_checkout": 20},
    "conversions": {"purchase": 18},
    "revenue": {"purchase": 1584.0},
}

# Path and query, the answer the contract shows, by section.
EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "1.1": (
        "overview?period=7d",
        COMMON
        | {
            "meta": {},
            "data": {
                "date_range": {"start_date": "2026-03-12", "end_date": "2026-03-18", "days": 7},
                "traffic": TOTALS,
                "conversions": OUTCOME,
                "traffic_change": TOTALS,
                "conversions_change": OUTCOME,
                **{f"{name}_series": series(name) for name in SERIES},
                **{f"{name}_series_compare": series(name) for name in COMPARED_SERIES},
                "revenue_series": series("revenue", 92.4),
            },
        },
    ),
    "1.2": (
        "pages?period=7d",
        COMMON
        | PAGING
        | {
            "data": [{"path": "/trail", "content_grouping": "Products", "page_views": 2, "entrances": 1}],
            "comparison": None,
            "totals": None,
        },
    ),
    "1.3": (
        "sources?period=7d",
        COMMON
        | PAGING
        | {"data": [{"utm_source": "google"} | TRAFFIC], "comparison": None, "totals": None},
    ),
    "1.8": (
        "countries?period=7d",
        COMMON
        | PAGING
        | {
            "data": [{"country": "ES", "country_name": "Spain"} | TRAFFIC | {"revenue": "4400.00"}],
            "comparison": None,
            "totals": None,
        },
    ),
    "1.9": (
        "devices?period=7d",
        COMMON
        | {
            "meta": {},
            "data": {
                f"by_{name}": [{key: "mobile"} | TRAFFIC | {"percentage": 60.0}]
                for name, key in (("device", "device_type"), ("browser", "browser"), ("os", "os"))
            },
        },
    ),
    "1.12": (
        "conversions?period=7d",
        COMMON
        | PAGING
        | {
            "data": [
                {
                    "conversion_type": "purchase",
                    "count": 80,
                    "revenue": "7392.00",
                    "avg_value": "92.40",
                    "by_source": [UTM | {"conversions": 30, "revenue": "2772.00", "percentage": 37.5}],
                    "by_country": [
                        {"country": "ES", "conversions": 48, "revenue": "4435.20", "percentage": 60.0}
                    ],
                }
            ],
            "comparison": None,
            "totals": None,
        },
    ),
    "1.13": (
        "microconversions?period=7d",
        COMMON
        | PAGING
        | {
            "data": [
                {
                    "conversion_type": "add_to_cart",
                    "count": 430,
                    "by_source": [UTM | {"count": 215, "percentage": 50.0}],
                }
            ],
            "comparison": None,
            "totals": None,
        },
    ),
    "1.14": (
        "funnel?period=7d",
        {
            "account_id": "acme",
            "date_from": "2026-03-12",
            "date_to": "2026-03-18",
            "microconversion_types": ["view_item", "add_to_cart", "begin_checkout"],
            "conversion_types": ["purchase"],
            "rows": [FUNNEL],
            "totals": FUNNEL,
            "truncated": False,
        },
    ),
    "1.15": (
        "landing-pages?period=7d",
        COMMON
        | PAGING
        | {
            "data": [
                {
                    "landing_page": "/trail",
                    "content_grouping": "Products",
                    "entrances": 610,
                    "engaged_entrances": 427,
                    "bounce_rate": 30.0,
                    "microconversions": 150,
                    "conversions": 20,
                    "conversion_rate": 3.28,
                    "revenue": "1760.00",
                }
            ],
            "comparison": None,
            "totals": None,
        },
    ),
    "1.16": (
        "channels?period=7d",
        COMMON
        | PAGING
        | {"data": [{"channel": "Organic Search"} | TRAFFIC], "comparison": None, "totals": None},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", FACTS)
    return path


def send(path: Path, method: str, address: str, **request: Any) -> Any:
    async def ask() -> Any:
        with engine_over(path) as (engine, _):
            async with client_of(engine) as client:
                return (await client.request(method, address, **request)).json()

    return asyncio.run(ask())


def shape(value: Any) -> Any:
    """Names and types; a list is what its first item is."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize("section", EXAMPLES)
def test_an_answer_has_the_shape_of_the_contracts_example(warehouse_file: Path, section: str) -> None:
    address, example = EXAMPLES[section]

    answer = send(warehouse_file, "GET", f"/api/v1/stats/{address}&account_id=acme")

    assert shape(answer) == shape(example)


@pytest.mark.parametrize("section", ["1.3", "1.8", "1.15", "1.16"])
def test_with_comparison_and_totals_a_list_has_them_in_full(warehouse_file: Path, section: str) -> None:
    address, example = EXAMPLES[section]
    summed = [name for name in ("entrances", "engaged_entrances", "page_views", "microconversions", "conversions",
                                "revenue") if name in example["data"][0]]  # fmt: skip
    row = shape(example["data"][0])
    sums = {name: row[name] for name in summed}

    answer = send(
        warehouse_file, "GET", f"/api/v1/stats/{address}&account_id=acme&compare=previous&include_totals=true"
    )

    days = {"start_date": "str", "end_date": "str", "days": "int"}
    assert shape(answer["totals"]) == sums
    assert shape(answer["comparison"]) == sums | {"date_range": days}
    known = [line for line in answer["data"] if line["entrances_prev"] is not None]
    new = [line for line in answer["data"] if line["entrances_prev"] is None]
    assert all(shape(line) == row | {f"{name}_prev": kind for name, kind in sums.items()} for line in known)
    assert all(shape(line) == row | {f"{name}_prev": "NoneType" for name in sums} for line in new)
    assert known or new


def test_a_partial_batch_is_as_the_contract_shows_it_in_6_36(warehouse_file: Path) -> None:
    asked = {
        "queries": [
            {"id": "ov", "endpoint": "/stats/overview", "params": {"account_id": "acme"}},
            {"id": "bad", "endpoint": "/stats/sources", "params": {"account_id": "acme", "period": "31x"}},
            {"id": "dep", "endpoint": "/stats/os", "params": {"account_id": "acme"}, "depends_on": ["bad"]},
        ]
    }

    answer = send(warehouse_file, "POST", "/api/v1/batch", json=asked)

    results = answer["results"]
    assert (answer["status"], list(results)) == ("partial", ["ov", "bad", "dep"])
    assert [list(result) for result in results.values()] == [
        ["status", "data", "timing_ms"],
        ["status", "error", "timing_ms"],
        ["status", "error"],
    ]
    assert results["bad"]["error"]["code"] == "bad_request"
    assert results["bad"]["error"]["message"].startswith("Unknown period: 31x")
    assert results["bad"]["error"]["status"] == 400
    assert results["dep"]["error"] == {
        "code": "dependency_failed",
        "message": "Skipped: dependency 'bad' did not succeed",
        "detail": results["dep"]["error"]["detail"],
    }
    meta = answer["meta"]
    assert (meta["total_queries"], meta["successful"], meta["failed"], meta["skipped"]) == (3, 1, 1, 1)
    assert meta["parallel_execution"] is True
    assert meta["total_timing_ms"] == results["ov"]["timing_ms"] + results["bad"]["timing_ms"]
