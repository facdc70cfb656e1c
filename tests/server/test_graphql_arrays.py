"""An array of GraphQL requests: answered in order from the same scans, one request to the rate limit, errors apart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.server.settings import ServerSettings
from fanin.tests.callers import Ask, closed, key_for, limits, sent
from fanin.tests.facts import client_of, engine_over, visit, write


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", country="ES"), visit("2026-03-17T11:00", country="US")])
    return path


def asking(report: str, account: str = "acme", period: str = "30d") -> dict[str, Any]:
    return {"query": f'{{ stats(accountId: "{account}", period: "{period}") {{ {report} {{ total }} }} }}'}


def post(path: Path, body: Any, **headers: str) -> tuple[httpx.Response, int]:
    """The response, and how many scans it took."""

    async def ask() -> tuple[httpx.Response, int]:
        with engine_over(path) as (engine, warehouse):
            async with client_of(engine) as client:
                response = await client.post("/graphql", json=body, headers=headers)
            return response, len(warehouse.scans)

    return asyncio.run(ask())


def test_what_an_array_has_in_common_is_scanned_once(warehouse_file: Path) -> None:
    reports = ("channels", "countries", "sources", "browsers", "os", "channels")

    together, scans = post(warehouse_file, [asking(report) for report in reports])
    alone = [post(warehouse_file, asking(report)) for report in reports]

    assert (scans, [count for _, count in alone]) == (1, [1] * 6)
    assert [entry["data"] for entry in together.json()] == [response.json()["data"] for response, _ in alone]
    cost = {"fields": 6, "identical": 1, "scans": 1}
    assert [entry["extensions"]["fanin"] | cost for entry in together.json()] == [
        entry["extensions"]["fanin"] for entry in together.json()
    ]
    assert '"1 scans"' in together.headers["server-timing"]


def test_an_error_stays_with_its_entry_and_the_array_is_200(warehouse_file: Path) -> None:
    entries: list[Any] = [
        asking("os"),
        1,
        {"query": "{ nope }"},
        {"query": 5},
        {"query": "{"},
        asking("os", "nowhere"),
        asking("os"),
    ]

    for accept in ("application/json", "application/graphql-response+json"):
        response, _ = post(warehouse_file, entries, accept=accept)
        assert (response.status_code, response.headers["content-type"]) == (200, f"{accept}; charset=utf-8")
        answers = response.json()
        assert [answer.get("data", "none") for answer in answers] == [
            {"stats": {"os": {"total": 1}}},
            *["none"] * 4,
            None,
            {"stats": {"os": {"total": 1}}},
        ]
        assert [[error["extensions"]["code"] for error in answer.get("errors", ())] for answer in answers] == [
            [],
            ["bad_request"],
            ["validation_error"],
            ["bad_request"],
            ["bad_request"],
            ["account_not_found"],
            [],
        ]


def test_an_array_of_one_is_answered_by_an_array_of_one(warehouse_file: Path) -> None:
    response, _ = post(warehouse_file, [{"query": "{ __typename }"}])

    assert [entry["data"] for entry in response.json()] == [{"__typename": "Query"}]


@pytest.mark.parametrize("length", [0, 11, 1_000])
def test_an_array_of_none_or_too_many_runs_nothing(warehouse_file: Path, length: int) -> None:
    response, scans = post(warehouse_file, [asking("os")] * length)

    assert (response.status_code, scans) == (400, 0)
    assert [error["message"] for error in response.json()["errors"]] == [
        f"An array holds 1 to 10 requests, not {length}"
    ]


def test_the_cap_is_told_in_the_settings(warehouse_file: Path) -> None:
    response, _ = post(warehouse_file, {"query": "{ settings { limits { name value } } }"})

    told = {limit["name"]: limit["value"] for limit in response.json()["data"]["settings"]["limits"]}
    assert (told["max_graphql_array"], told["max_graphql_bytes"]) == (10, 100_000)


def test_an_array_inside_an_array_is_no_request(warehouse_file: Path) -> None:
    response, _ = post(warehouse_file, [[{"query": "{ __typename }"}]])

    assert [error["message"] for error in response.json()[0]["errors"]] == [
        "A request must be a JSON object with a query, not an array"
    ]


def test_an_array_is_one_request_of_the_rate_limit_however_many_it_holds(warehouse_file: Path, tmp_path: Path) -> None:
    key = key_for(tmp_path / "keys.json", "acme")
    one, ten = (Ask("POST", "/graphql", [asking("os")] * length).by(key) for length in (1, 10))

    responses = sent(warehouse_file, one, ten, one, settings=closed(tmp_path / "keys.json"))

    assert [limits(response)[1] for response in responses] == [239, 238, 237]


def test_the_scans_of_an_array_are_charged_and_run_out_before_the_requests_do(warehouse_file: Path) -> None:
    periods = ("7d", "30d", "90d", "12m", "today", "yesterday", "this_week", "last_week", "last_month", "last_year")
    windows = Ask("POST", "/graphql", [asking("os", period=period) for period in periods])

    responses = sent(warehouse_file, windows, windows, windows, settings=ServerSettings(open_limit=4))  # 20 scans

    assert [response.status_code for response in responses] == [200, 200, 429]
    assert responses[2].json()["error"]["message"].startswith("Rate limit exceeded: 20 scans per minute")


def test_an_array_reads_the_accounts_of_its_key_only(warehouse_file: Path, tmp_path: Path) -> None:
    key = key_for(tmp_path / "keys.json", "acme")
    entries = [asking("os"), asking("os", "globex")]

    (response,) = sent(
        warehouse_file, Ask("POST", "/graphql", entries).by(key), settings=closed(tmp_path / "keys.json")
    )

    own, other = response.json()
    assert own["data"] == {"stats": {"os": {"total": 1}}}
    assert [error["extensions"]["code"] for error in other["errors"]] == ["forbidden"]
