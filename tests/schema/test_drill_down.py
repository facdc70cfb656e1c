"""``within``: the reports of a row, for all rows of a list at once, two rows deep."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.app import create_app
from fanin.catalog.limits import DOCUMENT_LIMITS, DocumentRules
from fanin.server.settings import ServerSettings
from fanin.tests.facts import bought, engine_over, visit, write

FACTS = [
    visit("2026-03-10T10:00", "/a", "/b", utm_source="google", utm_campaign="brand", country="ES", device_type="mobile",
          goals=[bought(1000)]),
    visit("2026-03-11T10:00", "/a", utm_source="google", utm_campaign="brand", country="US"),
    visit("2026-03-11T11:00", "/b", utm_source="google", utm_campaign="sale", country="ES"),
    visit("2026-03-12T10:00", "/a", utm_source="bing", utm_campaign="sale", country="ES"),
    visit("2026-02-10T10:00", "/a", utm_source="bing", utm_campaign="sale", country="US"),
]  # fmt: skip


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", FACTS)
    write(path, "other", FACTS[:1])
    return path


def ask(path: Path, document: str, **variables: Any) -> tuple[dict[str, Any], int]:
    """The answer, and how many scans it took; at most 10,000 rows are given."""
    rules = DocumentRules({name: value for name, (value, _) in DOCUMENT_LIMITS.items()} | {"max_rows": 10_000})

    async def asked() -> tuple[dict[str, Any], int]:
        with engine_over(path) as (engine, warehouse):
            transport = httpx.ASGITransport(create_app(engine, ServerSettings(documents=rules)))
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                body = {"query": document, "variables": {"days": variables.get("period")}}
                return (await client.post("/graphql", json=body)).json(), len(warehouse.scans)

    return asyncio.run(asked())


def test_all_rows_of_a_list_are_narrowed_by_one_scan_more(warehouse_file: Path) -> None:
    document = """{ stats(accountId: "acme") { sources { rows { utmSource
      within { campaigns(pageSize: 1) { total rows { utmCampaign entrances } } overview { traffic { pageViews revenue } } }
    } } } }"""

    answer, scans = ask(warehouse_file, document)

    assert answer["data"]["stats"]["sources"]["rows"] == [
        {
            "utmSource": "google",
            "within": {
                "campaigns": {"total": 2, "rows": [{"utmCampaign": "brand", "entrances": 2}]},
                "overview": {"traffic": {"pageViews": 4, "revenue": "10.00"}},
            },
        },
        {
            "utmSource": "bing",
            "within": {
                "campaigns": {"total": 1, "rows": [{"utmCampaign": "sale", "entrances": 1}]},
                "overview": {"traffic": {"pageViews": 1, "revenue": "0.00"}},
            },
        },
    ]
    assert scans == 2


def test_a_row_may_be_looked_into_twice_and_no_deeper(warehouse_file: Path) -> None:
    document = """{ stats(accountId: "acme") { s: sources { list: rows { utmSource
      w: within { campaigns { rows { utmCampaign inner: within { countries { rows { country entrances
        within { window { days } } } } } } } }
    } } } }"""

    answer, scans = ask(warehouse_file, document)

    google, bing = answer["data"]["stats"]["s"]["list"]
    assert [
        (
            campaign["utmCampaign"],
            [(row["country"], row["entrances"]) for row in campaign["inner"]["countries"]["rows"]],
        )
        for campaign in google["w"]["campaigns"]["rows"]
    ] == [("brand", [("ES", 1), ("US", 1)]), ("sale", [("ES", 1)])]
    assert bing["w"]["campaigns"]["rows"][0]["inner"]["countries"]["rows"] == [
        {"country": "ES", "entrances": 1, "within": None}
    ]
    assert {error["message"] for error in answer["errors"]} == {"within goes at most 2 rows deep"}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"bad_request"}
    assert scans == 3


def test_a_comparison_is_compared_inside_the_row_too(warehouse_file: Path) -> None:
    document = """{ stats(accountId: "acme", compare: PREVIOUS) { sources { rows { utmSource
      within { countries { rows { country entrances entrancesPrev } comparison { entrances } } } } } } }"""

    answer, scans = ask(warehouse_file, document)

    bing = answer["data"]["stats"]["sources"]["rows"][1]
    assert bing == {
        "utmSource": "bing",
        "within": {
            "countries": {
                "rows": [{"country": "ES", "entrances": 1, "entrancesPrev": None}],
                "comparison": {"entrances": 1},
            }
        },
    }
    assert scans == 2


def test_inside_a_page_reports_of_sessions_are_about_those_that_landed_there(warehouse_file: Path) -> None:
    document = """{ stats(accountId: "acme") { pages { rows { path pageViews
      within { pages { rows { path pageViews } } sources { rows { utmSource entrances } } } } } } }"""

    answer, scans = ask(warehouse_file, document)

    assert answer["data"]["stats"]["pages"]["rows"] == [
        {
            "path": "/a",
            "pageViews": 3,
            "within": {
                "pages": {"rows": [{"path": "/a", "pageViews": 3}]},
                "sources": {"rows": [{"utmSource": "google", "entrances": 2}, {"utmSource": "bing", "entrances": 1}]},
            },
        },
        {
            "path": "/b",
            "pageViews": 2,
            "within": {
                "pages": {"rows": [{"path": "/b", "pageViews": 2}]},
                "sources": {"rows": [{"utmSource": "google", "entrances": 1}]},
            },
        },
    ]
    assert scans == 3


def test_the_three_lists_of_devices_and_included_columns_narrow_by_what_their_rows_tell(warehouse_file: Path) -> None:
    document = """{ stats(accountId: "acme") {
      devices { byDevice { deviceType within { overview { traffic { entrances } } } } }
      landingPages(include: [DEVICE]) { rows { landingPage deviceType within { countries { rows { country } } } } }
    } }"""

    answer, _ = ask(warehouse_file, document)

    devices = answer["data"]["stats"]["devices"]["byDevice"]
    assert [(row["deviceType"], row["within"]["overview"]["traffic"]["entrances"]) for row in devices] == [
        ("desktop", 3),
        ("mobile", 1),
    ]
    landings = answer["data"]["stats"]["landingPages"]["rows"]
    assert [
        (row["landingPage"], row["deviceType"], [inner["country"] for inner in row["within"]["countries"]["rows"]])
        for row in landings
    ] == [("/a", "desktop", ["ES", "US"]), ("/a", "mobile", ["ES"]), ("/b", "desktop", ["ES"])]


def test_a_fault_inside_a_row_stays_inside_it(warehouse_file: Path) -> None:
    document = """{ stats(accountId: "acme") { sources { rows { utmSource
      within { campaigns(pageSize: 1000) { total } countries { total } } } } } }"""

    answer, _ = ask(warehouse_file, document)

    rows = answer["data"]["stats"]["sources"]["rows"]
    assert [row["within"] for row in rows] == [
        {"campaigns": None, "countries": {"total": 2}},
        {"campaigns": None, "countries": {"total": 1}},
    ]
    assert [error["path"] for error in answer["errors"]] == [
        ["stats", "sources", "rows", place, "within", "campaigns"] for place in (0, 1)
    ]


def test_what_all_rows_together_may_return_is_limited_though_the_document_is_short(warehouse_file: Path) -> None:
    document = """query ($days: String) { stats(accountId: "acme", period: $days) { pages { rows { path
      within { timeSeries(interval: HOUR) { points { entrances } } } } } } }"""

    answer, _ = ask(warehouse_file, document, period="12m")
    shorter, _ = ask(warehouse_file, document, period="30d")

    message = (
        "The request is over max_rows: its reports may return more than 10000 rows; ask for shorter lists, fewer rows to "
        "look into or fewer days"
    )
    inner = [row["within"]["timeSeries"] for row in answer["data"]["stats"]["pages"]["rows"]]
    assert [report is None for report in inner] == [False, True]
    assert [(error["message"], error["extensions"]["code"]) for error in answer["errors"]] == [(message, "bad_request")]
    assert "errors" not in shorter


def test_several_accounts_in_one_request_have_scans_of_their_own(warehouse_file: Path) -> None:
    document = """{ one: stats(accountId: "acme") { sources { total } countries { total } }
      other: stats(accountId: "other") { sources { total } countries { total } } }"""

    answer, scans = ask(warehouse_file, document)

    assert answer["data"] == {
        "one": {"sources": {"total": 2}, "countries": {"total": 2}},
        "other": {"sources": {"total": 1}, "countries": {"total": 1}},
    }
    assert scans == 2
