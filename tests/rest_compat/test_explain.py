"""Plans that explain: windows, scans after sharing, and advice, told without touching data.  Rule 5.4."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.endpoints import ENDPOINTS
from fanin.tests.facts import client_of, engine_over, visit, write


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", utm_source="google")])
    write(path, "tokyo", [visit("2026-03-17T10:00", utm_source="google")], time_zone="Asia/Tokyo")
    return path


def query(query_id: str, report: str = "sources", *depends_on: str, **params: Any) -> dict[str, Any]:
    return {
        "id": query_id,
        "endpoint": ENDPOINTS[report].path,
        "params": {"account_id": "acme", "compare": "none", **params},
        "depends_on": list(depends_on),
    }


def asked(path: Path, address: str, *queries: dict[str, Any], **options: Any) -> tuple[Any, int]:
    """The response, and how many scans there were."""

    async def ask() -> tuple[Any, int]:
        with engine_over(path) as (engine, warehouse):
            async with client_of(engine) as client:
                response = await client.post(f"/api/v1{address}", json={"queries": queries, "options": options})
                return response, len(warehouse.scans)

    return asyncio.run(ask())


def explained(path: Path, *queries: dict[str, Any], **options: Any) -> dict[str, Any]:
    response, scans = asked(path, "/batch/validate?explain=true", *queries, **options)
    assert response.json()["valid"], response.text
    assert scans == 0
    return response.json()["explanation"]


def advice(path: Path, *queries: dict[str, Any], parallel_limit: int = 1, **options: Any) -> list[str]:
    told = explained(path, *queries, parallel_limit=parallel_limit, **options)["advice"]
    return [note["message"] for note in told]


WEEK = {"start_date": "2026-03-12", "end_date": "2026-03-18", "days": 7}
WEEK_BEFORE = {"start_date": "2026-03-05", "end_date": "2026-03-11", "days": 7}


def test_rule_5_4_each_query_has_its_windows_and_its_scan(warehouse_file: Path) -> None:
    told = explained(
        warehouse_file,
        query("o", "overview", period="7d", compare="previous"),
        query("s", period="7d"),
        query("p", "pages", period="7d", utm_source=["google", "news"]),
    )

    assert told["queries"] == {
        "o": {"window": WEEK, "comparison_window": WEEK_BEFORE, "scans": [1], "shared_with": ["s"]},
        "s": {"window": WEEK, "scans": [1], "shared_with": ["o"]},
        "p": {"window": WEEK, "scans": [2], "shared_with": []},
    }
    assert told["scans"] == [
        {
            "scan": 1,
            "source": "rollup",
            "account_id": "acme",
            "windows": [WEEK, WEEK_BEFORE],
            "filters": [],
            "reads": [{"table": "sessions", "groupings": [["day"], ["utm_source"]]}],
            "queries": ["o", "s"],
        },
        {
            "scan": 2,
            "source": "statement",
            "account_id": "acme",
            "windows": [WEEK],
            "filters": ["utm_source:in:google|news"],
            "reads": [{"table": "page_views", "groupings": [["path", "content_grouping"]]}],
            "queries": ["p"],
        },
    ]
    assert (told["scan_count"], told["further_scans_at_most"]) == (2, 0)


def test_rule_5_4_windows_are_those_of_the_accounts_own_zone(warehouse_file: Path) -> None:
    told = explained(warehouse_file, query("a", period="today"), query("b", period="today", account_id="tokyo"))

    assert [told["queries"][name]["window"]["end_date"] for name in ("a", "b")] == ["2026-03-18", "2026-03-18"]
    assert [scan["account_id"] for scan in told["scans"]] == ["acme", "tokyo"]


BATCHES = {
    "everything": [query(name, name) for name, row in ENDPOINTS.items() if row.on_the_page and row.compare],
    "accounts": [query("a"), query("b", account_id="tokyo"), query("c", "pages")],
    "identical": [query("a"), query("b", start_date="2026-02-17", end_date="2026-03-18")],
    "chain": [query("a"), query("b", "mediums", "a"), query("c", "os", "b")],
    "filters": [query("a"), query("b", country="ES"), query("c", "os", country="ES"), query("d", "funnel")],
}
for _body in BATCHES["filters"]:
    if "funnel" in _body["endpoint"]:
        del _body["params"]["compare"]


@pytest.mark.parametrize("name", BATCHES)
def test_rule_5_4_the_batch_takes_as_many_scans_as_were_told(warehouse_file: Path, name: str) -> None:
    told = explained(warehouse_file, *BATCHES[name])

    response, scans = asked(warehouse_file, "/batch", *BATCHES[name])

    assert response.json()["status"] == "completed"
    assert f'desc="{scans} scans"' in response.headers["server-timing"]
    assert told["scan_count"] == scans


def test_rule_5_4_a_query_that_waits_for_a_value_says_so(warehouse_file: Path) -> None:
    taken = {"from": "a", "path": "/data/0/utm_source"}

    told = explained(
        warehouse_file,
        query("a", period="7d"),
        query("b", "channels", period="7d", utm_source=[taken], search=taken),
        query("c", "channels", account_id=taken),
    )

    assert told["queries"]["b"] == {
        "window": WEEK,
        "scans": [],
        "depends_on_values": [{"parameter": parameter, **taken} for parameter in ("utm_source", "search")],
    }
    assert told["queries"]["c"] == {
        "scans": [],
        "depends_on_values": [{"parameter": "account_id", **taken}],
    }
    assert (told["scan_count"], told["further_scans_at_most"]) == (1, 3)


def test_rule_5_4_what_is_not_asked_for_or_not_valid_is_not_explained(warehouse_file: Path) -> None:
    plain, _ = asked(warehouse_file, "/batch/validate", query("a"))
    unwanted, _ = asked(warehouse_file, "/batch/validate?explain=false", query("a"))
    wrong, _ = asked(warehouse_file, "/batch/validate?explain=true", query("a", page=0))
    refused, _ = asked(warehouse_file, "/batch/validate?explain=1", query("a", "sources", "a"))

    assert ["explanation" in response.json() for response in (plain, unwanted, wrong, refused)] == [False] * 4
    assert [response.json()["valid"] for response in (wrong, refused)] == [False, False]


def test_rule_5_4_explain_is_true_or_false(warehouse_file: Path) -> None:
    response, _ = asked(warehouse_file, "/batch/validate?explain=please", query("a"))

    assert response.status_code == 422
    assert response.json()["error"]["detail"] == [
        {
            "field": "query.explain",
            "message": "explain: 'please' is neither true nor false",
            "type": "bool_parsing",
        }
    ]


# --- advice -------------------------------------------------------------------------------------------------------


def test_rule_5_4_a_plan_without_fault_gets_no_advice(warehouse_file: Path) -> None:
    assert advice(warehouse_file, query("a", period="7d"), query("b", "os", period="7d")) == []


def test_rule_5_4_advice_waiting_for_what_one_takes_nothing_from(warehouse_file: Path) -> None:
    taken = {"from": "a", "path": "/data/0/utm_source"}

    told = advice(
        warehouse_file,
        query("a"),
        query("sources", "mediums", "a"),
        query("takes", "os", utm_source=taken),
        query("both", "browsers", "a", "sources", utm_source=taken),
    )

    assert told == [
        "`sources` waits for `a` but takes nothing from it",
        "`both` waits for `sources` but takes nothing from it",
    ]


def test_rule_5_4_advice_asking_the_same_twice(warehouse_file: Path) -> None:
    told = advice(
        warehouse_file, query("a", period="7d"), query("b", period="7d", page="1"), query("c", period="7d", page=2)
    )

    assert told == ["`b` asks the same as `a`; it is asked once"]


def test_rule_5_4_advice_one_period_spelled_in_two_ways(warehouse_file: Path) -> None:
    told = advice(
        warehouse_file,
        query("a", period="7d"),
        query("b", "os", start_date="2026-03-12", end_date="2026-03-18"),
        query("c", "browsers", period="7d"),
        query("d", "mediums", period="30d"),
        query("e", "campaigns"),
    )

    assert told == [
        "`b` says 2026-03-12 to 2026-03-18 and `a` says period 7d: both are 2026-03-12 to 2026-03-18; "
        "one spelling is enough",
        "`e` says nothing and `d` says period 30d: both are 2026-02-17 to 2026-03-18; one spelling is enough",
    ]


def test_rule_5_4_advice_an_overview_compares_unless_told_not_to(warehouse_file: Path) -> None:
    overview = query("o", "overview")
    del overview["params"]["compare"]

    assert advice(warehouse_file, overview) == [
        "`o` is compared with an earlier window by default; compare none reads half as much"
    ]
    assert advice(warehouse_file, query("o", "overview")) == []


def test_rule_5_4_advice_more_slots_than_scans(warehouse_file: Path) -> None:
    assert advice(warehouse_file, query("a"), parallel_limit=5) == [
        "parallel_limit is 5, but the batch takes no more than 1 scan"
    ]
    assert advice(warehouse_file, query("a"), query("b", "pages", period="7d"), parallel_limit=2) == []


def test_rule_5_4_no_statement_is_shown(warehouse_file: Path) -> None:
    response, _ = asked(warehouse_file, "/batch/validate?explain=true", query("a"))

    assert not re.search(r"select|group by|where", response.text, re.IGNORECASE)
