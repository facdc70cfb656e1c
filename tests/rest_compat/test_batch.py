"""A whole batch in one room: one loader, one clock, a deadline kept by a clock in the test's hand."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.identity import Identity
from fanin.rest_compat.batch import open_batch, run_batch, validate_batch
from fanin.rest_compat.plan import read_plan
from fanin.rest_compat.streaming import batch_records, folded
from fanin.schema.reading import reading_as
from fanin.tests.facts import client_of, engine_over, visit, write
from fanin.tests.gated import gated
from fanin.warehouse.store import Listing


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    for account in ("quick", "slow"):
        write(path, account, [visit("2026-03-17T10:00", channel="Direct", utm_source="google")])
    return path


def query(query_id: str, account: str, *depends_on: str) -> dict[str, Any]:
    return {
        "id": query_id,
        "endpoint": "/stats/channels",
        "params": {"account_id": account, "period": "7d"},
        "depends_on": list(depends_on),
    }


def plan_of(*queries: dict[str, Any], **options: Any) -> Any:
    return read_plan(json.dumps({"queries": queries, "options": options}).encode())


class Deadline:
    """Stands in for ``asyncio.sleep``: the time asked for is noted, and is over when the test says so."""

    def __init__(self) -> None:
        self.asked_for: list[float] = []
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked_for.append(seconds)
        await self.over.wait()


DASHBOARD = plan_of(
    query("ready", "quick"),
    query("running", "slow"),
    query("waiting", "slow", "running"),
    query("free", "quick", "ready"),
    query("refused", "nowhere"),
    query("of_refused", "quick", "refused"),
    deadline_ms=1500,
)


def test_rule_5_3_at_the_deadline_what_is_ready_is_returned_and_scans_are_interrupted(warehouse_file: Path) -> None:
    async def run() -> tuple[dict[str, Any], list[str]]:
        with gated(warehouse_file, "slow") as (engine, warehouse):
            deadline = Deadline()
            records: list[dict[str, Any]] = []
            async with open_batch(DASHBOARD, engine, "id", sleep=deadline) as batch:
                async for record in batch_records(batch):
                    records.append(record)
                    if record.get("id") == "free":
                        assert deadline.asked_for == [1.5]
                        deadline.over.set()
            return folded(records, DASHBOARD), warehouse.interrupted

    answer, interrupted = asyncio.run(run())

    codes = {name: result.get("error", {}).get("code") for name, result in answer["results"].items()}
    assert codes == {
        "ready": None,
        "running": "deadline",
        "waiting": "deadline",
        "free": None,
        "refused": "account_not_found",
        "of_refused": "dependency_failed",
    }
    assert answer["results"]["running"] == {
        "status": "skipped",
        "error": {"code": "deadline", "message": "Skipped: not ready within 1500 ms"},
    }
    assert (answer["status"], answer["meta"]["skipped"]) == ("partial", 3)
    assert interrupted == ["slow"]


def test_rule_5_3_a_deadline_in_time_changes_nothing_and_leaves_no_timer(warehouse_file: Path) -> None:
    async def run() -> tuple[str, set[Any]]:
        with engine_over(warehouse_file) as (engine, _):
            ran = await run_batch(plan_of(query("a", "quick"), deadline_ms=600_000), engine, "id")
            return ran.answer["status"], asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == ("completed", set())


def test_rule_5_3_a_batch_that_is_left_before_its_deadline_leaves_no_timer(warehouse_file: Path) -> None:
    async def run() -> set[Any]:
        with gated(warehouse_file, "slow") as (engine, warehouse):
            running = asyncio.create_task(
                run_batch(plan_of(query("a", "slow"), deadline_ms=600_000), engine, "id", sleep=Deadline())
            )
            await warehouse.has_started("slow")
            running.cancel()
            await asyncio.wait([running])
            assert warehouse.interrupted == ["slow"]
            return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()


@pytest.mark.parametrize("deadline_ms", [0, -1, 600_001, 1.5, "100", True, None])
def test_rule_5_3_a_deadline_out_of_range_is_refused_and_never_clamped(warehouse_file: Path, deadline_ms: Any) -> None:
    async def ask() -> Any:
        with engine_over(warehouse_file) as (engine, _):
            async with client_of(engine) as client:
                body = {"queries": [query("a", "quick")], "options": {"deadline_ms": deadline_ms}}
                return await client.post("/api/v1/batch", json=body)

    response = asyncio.run(ask())

    assert response.status_code == 422
    assert response.json()["error"]["detail"][0]["field"] == "body.options.deadline_ms"


def test_rule_2_2_a_dependant_starts_while_others_of_the_first_level_still_run(warehouse_file: Path) -> None:
    async def run() -> list[str]:
        with gated(warehouse_file, "slow") as (engine, warehouse):
            plan = plan_of(query("slow", "slow"), query("quick", "quick"), query("next", "quick", "quick"))
            order: list[str] = []
            async with open_batch(plan, engine, "id") as batch:
                async for planned, _ in batch.run.settled():
                    order.append(planned.id)
                    if planned.id == "next":
                        warehouse.open("slow")
            return order

    assert asyncio.run(run()) == ["quick", "next", "slow"]


def test_a_listener_hears_of_every_query_that_gets_its_turn(warehouse_file: Path) -> None:
    async def run() -> list[str]:
        with engine_over(warehouse_file) as (engine, _):
            heard: list[str] = []
            plan = plan_of(query("b", "quick", "a"), query("a", "quick"), query("never", "nowhere"))
            await run_batch(plan, engine, "id", on_start=lambda started: heard.append(started.id))
            return heard

    assert asyncio.run(run()) == ["a", "b"]


def test_rule_1_3_validation_touches_no_data(warehouse_file: Path) -> None:
    async def run() -> Any:
        with gated(warehouse_file, "slow", "quick") as (engine, warehouse):
            answer = await validate_batch(DASHBOARD, engine, explain=True)
            assert warehouse.started == []
            return answer["errors"]

    assert [error["code"] for error in asyncio.run(run())] == ["account_not_found"]


def test_rule_3_2_different_reports_over_one_scope_are_one_scan_and_a_page_is_the_beginning_of_a_longer_one(
    sample_warehouse: Path,
) -> None:
    reports = ("channels", "sources", "mediums", "countries", "browsers", "landing-pages")
    entries = [
        {
            "id": f"{report}-{size}",
            "endpoint": f"/stats/{report}",
            "params": {"account_id": "my-site", "period": "30d", "page_size": size},
        }
        for report in reports
        for size in (3, 15)
    ]

    async def run() -> tuple[dict[str, Any], int]:
        with engine_over(sample_warehouse) as (engine, warehouse):
            ran = await run_batch(plan_of(*entries, parallel_limit=1), engine, "id")
            return ran.answer["results"], len(warehouse.scans)

    results, scans = asyncio.run(run())

    assert scans == 1
    for report in reports:
        short, long = (results[f"{report}-{size}"]["data"]["data"] for size in (3, 15))
        assert short == long[:3]


def test_rule_3_5_access_is_decided_before_anything_is_shared_and_accounts_share_nothing(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "mine", [visit("2026-03-17T10:00")])
    write(tmp_path / "w.duckdb", "ours", [visit("2026-03-17T10:00"), visit("2026-03-17T11:00")])
    write(tmp_path / "w.duckdb", "theirs", [visit("2026-03-17T10:00")])
    identity = Identity("key", accounts=frozenset({"mine", "ours"}))

    async def run() -> tuple[dict[str, Any], list[str]]:
        with engine_over(tmp_path / "w.duckdb") as (engine, warehouse), reading_as(identity):
            plan = plan_of(*(query(account, account) for account in ("mine", "theirs", "ours", "nobodys")))
            ran = await run_batch(plan, engine, "id")
            return ran.answer["results"], sorted(
                scans[0].account for scans in warehouse.scans if not isinstance(scans, Listing)
            )

    results, scanned = asyncio.run(run())

    assert scanned == ["mine", "ours"]
    assert [results[name]["data"]["data"][0]["entrances"] for name in ("mine", "ours")] == [1, 2]
    assert [results[name]["error"] for name in ("theirs", "nobodys")] == [
        {"code": "forbidden", "message": f"Access denied to account: {name}", "status": 403}
        for name in ("theirs", "nobodys")
    ]


def test_rule_3_5_a_value_opens_no_account_that_is_not_the_callers(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "mine", [visit("2026-03-17T10:00", utm_source="theirs")])
    write(tmp_path / "w.duckdb", "theirs", [visit("2026-03-17T10:00")])
    bound = query("bound", "mine")
    bound["params"]["account_id"] = {"from": "top", "path": "/data/0/utm_source"}
    top = {**query("top", "mine"), "endpoint": "/stats/sources"}

    async def run() -> tuple[dict[str, Any], list[str]]:
        with engine_over(tmp_path / "w.duckdb") as (engine, warehouse):
            with reading_as(Identity("key", accounts=frozenset({"mine"}))):
                ran = await run_batch(plan_of(top, bound), engine, "id")
            return ran.answer["results"], [
                scans[0].account for scans in warehouse.scans if not isinstance(scans, Listing)
            ]

    results, scanned = asyncio.run(run())

    assert (results["bound"]["status"], results["bound"]["error"]["code"]) == ("error", "forbidden")
    assert scanned == ["mine"]
