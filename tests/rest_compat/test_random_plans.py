"""Over random plans: a batch answers as its single GETs do, and a stream folds to what is answered at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings

from fanin.rest_compat.params import endpoint_at
from fanin.rest_compat.plan import read_plan
from fanin.rest_compat.shapes import envelope
from fanin.rest_compat.streaming import folded
from fanin.schema.engine import Engine
from fanin.tests.facts import NOW, bought, client_of, reached, visit, without, write
from fanin.tests.random_plans import plans
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

SEEDED = settings(deadline=None, derandomize=True, max_examples=40)

FACTS = [
    visit("2026-03-18T09:00", "/trail", "/=Home", utm_source="google", utm_medium="cpc", country="ES",
          channel="Paid Search", device_type="mobile", browser="Safari", os="iOS",
          goals=[bought(9240, at="2026-03-18T09:05"), reached("view_item", at="2026-03-18T09:04")]),
    visit("2026-03-17T10:00", "/trail=Products", country="US", channel="Direct", browser="Chrome"),
    visit("2026-03-16T10:00", "/shoes", "/", utm_source="news", country="ES", channel="Email", os="Linux"),
    visit("2026-02-10T10:00", "/=Home", country="ES", channel="Direct"),
    visit("2025-03-17T10:00", "/trail", utm_source="google", country="PT", channel="Organic Search"),
]  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBWarehouse]:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", FACTS)
    opened = DuckDBWarehouse(path)
    yield opened
    opened.close()


def spelled(params: dict[str, Any]) -> dict[str, Any]:
    """As a query string: what JSON writes as a number or a boolean is its text there."""
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}


@SEEDED
@given(body=plans("acme"))
def test_rule_3_3_a_batch_answers_row_for_row_as_the_single_gets(
    warehouse: DuckDBWarehouse, body: dict[str, Any]
) -> None:
    async def ask() -> tuple[dict[str, Any], dict[str, httpx.Response]]:
        async with client_of(Engine(warehouse, clock=lambda: NOW)) as client:
            batch = await client.post("/api/v1/batch", json=body)
            singles = {
                query["id"]: await client.get(f"/api/v1{query['endpoint']}", params=spelled(query["params"]))
                for query in body["queries"]
            }
            return batch.json(), singles

    answer, singles = asyncio.run(ask())

    for query in body["queries"]:
        result, single = answer["results"][query["id"]], singles[query["id"]]
        if result["status"] == "success":
            alone = envelope(endpoint_at(query["endpoint"]), result["data"], answer["timestamp"])
            assert alone == single.json(), query
        elif result["status"] == "error":
            assert result["error"]["status"] == single.status_code, query
            assert result["error"]["code"] == single.json()["error"]["code"], query


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    results = {query_id: without(result, "timing_ms") for query_id, result in answer["results"].items()}
    meta = without(answer["meta"], "total_timing_ms")
    return {**answer, "results": results, "meta": meta, "batch_id": ""}


@SEEDED
@given(body=plans("acme", bindings=True))
def test_rule_5_1_folding_the_records_gives_the_buffered_answer(
    warehouse: DuckDBWarehouse, body: dict[str, Any]
) -> None:
    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with client_of(Engine(warehouse, clock=lambda: NOW)) as client:
            streamed, buffered = [
                await client.post("/api/v1/batch", json=body, headers={"accept": accept})
                for accept in ("application/x-ndjson", "application/json")
            ]
            return streamed, buffered

    streamed, buffered = asyncio.run(ask())

    assert streamed.status_code == buffered.status_code
    if buffered.status_code != 200:
        assert without(streamed.json(), "request_id") == without(buffered.json(), "request_id")
        return
    records = [json.loads(line) for line in streamed.text.splitlines()]
    told = folded(records, read_plan(json.dumps(body).encode()))
    assert timeless(told) == timeless(buffered.json())
    place_of = {record["id"]: place for place, record in enumerate(records) if record["type"] == "result"}
    assert sorted(place_of) == sorted(query["id"] for query in body["queries"])
    for query in body["queries"]:
        if told["results"][query["id"]]["status"] == "success":
            assert all(place_of[needed] < place_of[query["id"]] for needed in query.get("depends_on", ()))
