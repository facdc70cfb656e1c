"""Streaming: what a caller accepts, the records and their two forms, and a client that is slow or leaves.  Rule 5.1."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fanin.app import create_app
from fanin.rest_compat.plan import read_plan
from fanin.rest_compat.streaming import folded, stream_accepted
from fanin.tests.facts import client_of, engine_over, visit, without, write
from fanin.tests.gated import Asgi, GatedWarehouse, gated

NDJSON = "application/x-ndjson"
SSE = "text/event-stream"


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    for account in ("quick", "slow", "slower"):
        write(path, account, [visit(channel="Direct", country="ES")])
    return path


def query(query_id: str, account: str, *depends_on: str, endpoint: str = "/stats/channels") -> dict[str, Any]:
    params = {"account_id": account, "period": "30d"}
    return {"id": query_id, "endpoint": endpoint, "params": params, "depends_on": list(depends_on)}


def body_of(*queries: dict[str, Any], **options: Any) -> bytes:
    return json.dumps({"queries": queries, "options": options}).encode()


PLAN = body_of(
    query("wide", "quick"),
    query("deep", "quick", "wide", endpoint="/stats/pages"),
    query("bad", "nowhere"),
    query("never", "quick", "bad"),
)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", None),
        ("*/*", None),
        ("application/json", None),
        ("image/png", None),
        ("text/*", None),
        (NDJSON, NDJSON),
        (SSE, SSE),
        (f"{NDJSON}; charset=utf-8", NDJSON),
        (NDJSON.upper(), NDJSON),
        (f"{NDJSON}, */*", NDJSON),
        (f"{NDJSON}, application/json", None),
        (f"{NDJSON}, application/json;q=0.9", NDJSON),
        (f"{NDJSON};q=0.1, application/json;q=0", NDJSON),
        (f"{NDJSON};q=0.5, */*", None),
        (f"{NDJSON};q=0.5, {SSE}", SSE),
        (f"{SSE}, {NDJSON}", NDJSON),
        (f"{NDJSON};q=0", None),
        (f"{NDJSON};q=2", None),
        (f"{NDJSON};q=much", None),
        (f"{NDJSON};q=nan", None),
        (",;,=", None),
    ],
)
def test_rule_5_1_a_stream_is_for_those_who_prefer_it(accept: str, chosen: str | None) -> None:
    assert stream_accepted(accept) == chosen


def posted(path: Path, body: bytes, accept: str) -> Any:
    async def ask() -> Any:
        with engine_over(path) as (engine, _):
            async with client_of(engine) as client:
                return await client.post("/api/v1/batch", content=body, headers={"accept": accept})

    return asyncio.run(ask())


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    results = {query_id: without(result, "timing_ms") for query_id, result in answer["results"].items()}
    meta = without(answer["meta"], "total_timing_ms")
    return {**answer, "results": results, "meta": meta, "batch_id": ""}


def test_rule_5_1_ndjson_is_a_plan_each_result_and_an_end(warehouse_file: Path) -> None:
    response = posted(warehouse_file, PLAN, NDJSON)

    records = [json.loads(line) for line in response.text.splitlines()]
    assert response.status_code == 200
    assert response.headers["content-type"] == NDJSON
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert records[0] == {
        "type": "plan",
        "batch_id": response.headers["x-request-id"],
        "execution_order": ["wide", "bad", "deep", "never"],
        "parallel_groups": [["wide", "bad"], ["deep", "never"]],
        "query_count": 4,
    }
    assert [list(record) for record in records[1:-1]] == [["type", "id", "result"]] * 4
    assert list(records[-1]) == ["type", "status", "meta", "timestamp"]
    assert timeless(folded(records, read_plan(PLAN))) == timeless(posted(warehouse_file, PLAN, "*/*").json())


def test_rule_5_1_server_sent_events_are_named_and_numbered(warehouse_file: Path) -> None:
    response = posted(warehouse_file, body_of(query("a", "quick")), SSE)

    events = [dict(line.split(": ", 1) for line in event.splitlines()) for event in response.text.split("\n\n")[:-1]]
    assert response.headers["content-type"] == f"{SSE}; charset=utf-8"
    assert [(event["event"], event["id"]) for event in events] == [("plan", "0"), ("result", "1"), ("end", "2")]
    assert [json.loads(event["data"])["type"] for event in events] == ["plan", "result", "end"]


@pytest.mark.parametrize("accept", [NDJSON, SSE])
def test_rule_5_1_what_is_refused_is_refused_in_json(warehouse_file: Path, accept: str) -> None:
    response = posted(warehouse_file, body_of(query("a", "quick", "a")), accept)

    assert (response.status_code, response.headers["content-type"]) == (422, "application/json")
    assert response.json()["error"]["code"] == "validation_error"


def test_rule_5_1_timings_are_left_out_of_the_records_too(warehouse_file: Path) -> None:
    response = posted(warehouse_file, body_of(query("a", "quick"), include_timing=False), NDJSON)

    assert list(json.loads(response.text.splitlines()[1])["result"]) == ["status", "data"]


def test_rule_5_5_a_dry_run_is_no_stream(warehouse_file: Path) -> None:
    response = posted(warehouse_file, body_of(query("a", "quick"), dry_run=True), NDJSON)

    assert response.json()["valid"] is True


# --- in time ------------------------------------------------------------------------------------------------------

Scenario = Callable[[Asgi, GatedWarehouse], Awaitable[None]]


def play(path: Path, body: bytes, scenario: Scenario, *closed: str, accept: str = NDJSON, room: int = 1_000) -> None:
    async def run() -> None:
        with gated(path, *closed) as (engine, warehouse):
            request = Asgi(create_app(engine), "/api/v1/batch", body, accept=accept)
            request.room = asyncio.Semaphore(room)
            async with asyncio.timeout(30):
                await scenario(request, warehouse)
                await request.task

    asyncio.run(run())


async def told(request: Asgi) -> Any:
    record = json.loads(await request.chunks.get())
    return record.get("id", record["type"])


def test_rule_5_1_a_result_comes_the_moment_it_is_ready(warehouse_file: Path) -> None:
    async def scenario(request: Asgi, warehouse: GatedWarehouse) -> None:
        assert [await told(request) for _ in range(2)] == ["plan", "q"]
        assert request.chunks.empty()
        warehouse.open("slow")
        assert [await told(request) for _ in range(2)] == ["s", "end"]

    play(warehouse_file, body_of(query("s", "slow"), query("q", "quick")), scenario, "slow")


@pytest.mark.parametrize("accept", [NDJSON, SSE, "application/json"])
def test_rule_2_6_a_client_that_leaves_interrupts_every_scan_and_nothing_new_starts(
    warehouse_file: Path, accept: str
) -> None:
    async def scenario(request: Asgi, warehouse: GatedWarehouse) -> None:
        await warehouse.has_started("slow", "slower")
        request.gone.set()
        await request.task
        assert sorted(warehouse.interrupted) == ["slow", "slower"]
        assert warehouse.started == ["slow", "slower"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    body = body_of(query("a", "slow"), query("b", "slower"), query("c", "quick"), parallel_limit=2)
    play(warehouse_file, body, scenario, "slow", "slower", accept=accept)


def test_rule_5_1_a_client_that_reads_nothing_stops_the_batch_and_one_that_leaves_then_ends_it(
    warehouse_file: Path,
) -> None:
    async def scenario(request: Asgi, warehouse: GatedWarehouse) -> None:
        assert await told(request) == "plan"
        await warehouse.has_started("quick", "slow")
        for _ in range(50):
            await asyncio.sleep(0)
        assert warehouse.started == ["quick", "slow"]  # the second began before the first was offered
        request.gone.set()
        await request.task
        assert warehouse.interrupted == ["slow"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    body = body_of(query("a", "quick"), query("b", "slow"), query("c", "slower"), parallel_limit=1)
    play(warehouse_file, body, scenario, "slow", room=1)


def test_rule_5_1_a_batch_that_breaks_ends_without_an_end(
    warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("inside")

    monkeypatch.setattr("fanin.rest_compat.streaming.batch_meta", broken)

    async def scenario(request: Asgi, _warehouse: GatedWarehouse) -> None:
        with pytest.raises(RuntimeError, match="inside"):
            await request.task
        assert [await told(request) for _ in range(request.chunks.qsize())] == ["plan", "a"]

    with pytest.raises(RuntimeError, match="inside"):
        play(warehouse_file, body_of(query("a", "quick")), scenario)


def test_rule_5_3_a_deadline_works_with_streaming_and_interrupts_before_the_end_is_read(warehouse_file: Path) -> None:
    async def scenario(request: Asgi, warehouse: GatedWarehouse) -> None:
        records = [json.loads(await request.chunks.get()) for _ in range(4)]
        assert [record.get("id", record["type"]) for record in records] == ["plan", "a", "b", "end"]
        assert [record["result"]["error"]["code"] for record in records[1:3]] == ["deadline"] * 2
        assert records[3]["status"] == "failed"
        assert warehouse.interrupted == warehouse.started

    play(warehouse_file, body_of(query("a", "slow"), query("b", "slow", "a"), deadline_ms=1), scenario, "slow")
