"""Overload, by counts: what is over a line's room is refused before any work, and no account waits for another's line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from fanin.app import create_app
from fanin.catalog.errors import BadRequest
from fanin.catalog.limits import LOAD_LIMITS, defaults_of
from fanin.server.settings import ServerSettings, read_settings
from fanin.tests.callers import DOORS, Ask, batch, get, graphql, refusal, streamed
from fanin.tests.facts import visit, write
from fanin.tests.gated import Asgi, GatedWarehouse, gated

BUSY = "Too much is asked at once; wait for Retry-After seconds"
WORKING = {name: door for name, door in DOORS.items() if name != "validate"}  # which begins no work


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    for account in ("heavy", "light"):
        write(path, account, [visit("2026-03-17T10:00", "/a", channel="Direct")])
    return path


def load(**limits: int) -> ServerSettings:
    return ServerSettings(load=defaults_of(LOAD_LIMITS) | limits)


@dataclass(slots=True)
class House:
    """A server whose scans of ``heavy`` are held back, and what it was asked."""

    app: Starlette
    gates: GatedWarehouse
    client: httpx.AsyncClient

    def begin(self, ask: Ask) -> asyncio.Task[httpx.Response]:
        headers = {name: str(text) for name, text in ask.headers.items()}
        return asyncio.create_task(self.client.request(ask.method, ask.address, json=ask.body, headers=headers))

    async def ask(self, ask: Ask) -> httpx.Response:
        return await self.begin(ask)

    @property
    def counts(self) -> tuple[int, int]:
        admission = self.app.state.admission
        return admission.running, admission.waiting

    async def has(self, running: int, waiting: int) -> None:
        """Waits until so many requests run, their scans begun, and so many wait."""
        await self.gates.has_started(*["heavy"] * running)
        while self.counts != (running, waiting):  # noqa: ASYNC110  there is no event for it
            await asyncio.sleep(0.001)


@asynccontextmanager
async def house(path: Path, **limits: int) -> AsyncIterator[House]:
    with gated(path, "heavy") as (engine, gates):
        app = create_app(engine, load(**limits))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
            yield House(app, gates, client)


def days(number: int, door: Any = get) -> Ask:
    """Different questions, so that none waits for another's scan."""
    ask = door("heavy")
    return Ask(ask.method, ask.address.replace("30d", f"{number}d"), ask.body, ask.headers)


@pytest.mark.parametrize("door", WORKING.values(), ids=WORKING)
def test_one_request_too_many_is_503_with_retry_after_at_every_door_before_anything_of_it_runs(
    warehouse_file: Path, door: Any
) -> None:
    async def run() -> tuple[httpx.Response, list[str], list[int]]:
        async with house(warehouse_file, max_running_per_account=1, max_waiting_per_account=1) as held:
            accepted = [held.begin(get("heavy", "pages")), held.begin(get("heavy", "sources"))]
            await held.has(running=1, waiting=1)
            refused = await held.ask(door("heavy"))
            started = list(held.gates.started)
            held.gates.open("heavy")
            return refused, started, [(await response).status_code for response in accepted]

    refused, started, accepted = asyncio.run(run())

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    if door in (graphql, DOORS["graphql by get"], DOORS["array of queries"]):
        told = {"code": "service_unavailable", "message": BUSY, "status": 503}
        assert refused.json() == {"errors": [{"message": BUSY, "extensions": told}]}
    else:
        assert refusal(refused) == (503, "service_unavailable", BUSY)
    assert started == ["heavy"]
    assert accepted == [200, 200]


@pytest.mark.parametrize("door", WORKING.values(), ids=WORKING)
def test_a_light_account_is_answered_while_a_heavy_ones_line_is_full(warehouse_file: Path, door: Any) -> None:
    async def run() -> tuple[int, tuple[int, int], list[str]]:
        async with house(warehouse_file, max_running=3, max_running_per_account=2, max_waiting_per_account=4) as held:
            waiting = [held.begin(batch("heavy", report=report)) for report in ("pages", "sources", "os", "terms")]
            await held.has(running=2, waiting=2)
            answered = await held.ask(door("light"))
            counts, started = held.counts, list(held.gates.started)
            held.gates.open("heavy")
            await asyncio.gather(*waiting)
            return answered.status_code, counts, started

    status, counts, started = asyncio.run(run())

    assert (status, counts) == (200, (2, 2))
    assert started[:3] == ["heavy", "heavy", "light"]


def test_a_light_accounts_scan_has_the_next_slot_before_the_rest_of_a_heavy_accounts_batches(
    warehouse_file: Path,
) -> None:
    fifty = [
        {"id": f"q{day}", "endpoint": "/stats/overview", "params": {"account_id": "heavy", "start_date": f"2026-{month:02}-{day % 25 + 1:02}", "end_date": "2026-03-17"}}
        for month in (1, 2)
        for day in range(month * 25 - 25, month * 25)
    ]  # fmt: skip

    async def run() -> tuple[list[str], dict[str, Any], tuple[int, int]]:
        async with house(warehouse_file) as held:
            body = {"queries": fifty, "options": {"parallel_limit": 10}}
            heavy = held.begin(Ask("POST", "/api/v1/batch", body))
            await held.gates.has_started(*["heavy"] * 4)  # as many as one account may have in flight
            light = await held.ask(batch("light"))
            before = list(held.gates.started)
            held.gates.open("heavy")
            meta = (await heavy).json()["meta"]
            return before, {"light": light.status_code} | meta, held.counts

    before, meta, counts = asyncio.run(run())

    assert before == ["heavy"] * 4 + ["light"]
    assert (meta["light"], meta["successful"], counts) == (200, 50, (0, 0))


@pytest.mark.parametrize("probe", ["/livez", "/metrics"])
def test_probes_are_answered_when_nothing_else_is(warehouse_file: Path, probe: str) -> None:
    async def run() -> tuple[int, int]:
        async with house(warehouse_file, max_running=1, max_waiting=1) as held:
            waiting = [held.begin(get("heavy", report)) for report in ("pages", "sources")]
            await held.has(running=1, waiting=1)
            told = (await held.ask(get("light"))).status_code, (await held.ask(Ask("GET", probe))).status_code
            held.gates.open("heavy")
            await asyncio.gather(*waiting)
            return told

    assert asyncio.run(run()) == (503, 200)


def test_whoever_leaves_the_line_makes_room_and_nothing_is_left_behind(warehouse_file: Path) -> None:
    async def run() -> tuple[list[str], tuple[int, int], set[str]]:
        async with house(warehouse_file, max_running_per_account=1, max_waiting_per_account=2) as held:
            before = {task.get_name() for task in asyncio.all_tasks()}
            body = b'{"queries":[{"id":"q","endpoint":"/stats/os","params":{"account_id":"heavy","start_date":"2026-03-%d","end_date":"2026-03-17"}}]}'
            asks = [Asgi(held.app, "/api/v1/batch", body % day, accept="application/json") for day in (10, 11, 12)]
            await held.has(running=1, waiting=2)
            for ask in asks:
                ask.gone.set()
            await asyncio.gather(*(ask.task for ask in asks))
            left = {task.get_name() for task in asyncio.all_tasks()} - before
            return held.gates.interrupted, held.counts, left

    interrupted, counts, left = asyncio.run(run())

    assert (interrupted, counts, left) == (["heavy"], (0, 0), set())


def test_a_request_stands_in_the_line_of_the_accounts_it_may_read_and_of_no_others(warehouse_file: Path) -> None:
    async def run() -> list[int]:
        async with house(warehouse_file, max_running_per_account=1, max_waiting_per_account=1) as held:
            waiting = [held.begin(get("heavy", report)) for report in ("pages", "sources")]
            await held.has(running=1, waiting=1)
            unknown = [get("nobody"), get("other"), Ask("GET", "/api/v1/stats/overview?account_id=a&account_id=b")]
            told = [(await held.ask(ask)).status_code for ask in (*unknown, batch("light", "heavy"))]
            held.gates.open("heavy")
            await asyncio.gather(*waiting)
            return told

    assert asyncio.run(run()) == [404, 404, 422, 503]


# --- the deadline -------------------------------------------------------------------------------------------------

DEADLINE_MS = 1_500  # enough for what is not held back
LATE = {"code": "gateway_timeout", "message": f"Not answered within {DEADLINE_MS} ms", "status": 504}


def late(path: Path, ask: Ask) -> tuple[httpx.Response, list[str], tuple[int, int]]:
    """The answer of a server whose scan does not end, the scans that were interrupted, and what still runs."""

    async def run() -> tuple[httpx.Response, list[str], tuple[int, int]]:
        async with house(path, deadline_ms=DEADLINE_MS) as held:
            return await held.ask(ask), held.gates.interrupted, held.counts

    return asyncio.run(run())


def test_a_report_that_is_not_ready_at_the_deadline_is_504_and_its_scan_ends(warehouse_file: Path) -> None:
    response, interrupted, counts = late(warehouse_file, get("heavy"))

    assert refusal(response) == (504, "gateway_timeout", LATE["message"])
    assert (interrupted, counts) == (["heavy"], (0, 0))


def test_a_batch_tells_what_is_ready_at_the_deadline_and_504_for_each_of_the_rest(warehouse_file: Path) -> None:
    response, interrupted, counts = late(warehouse_file, batch("light", "heavy"))

    results = response.json()["results"]
    assert (response.status_code, response.json()["status"]) == (200, "partial")
    assert results["q0"]["status"] == "success"
    assert results["q1"] == {"status": "error", "error": LATE}
    assert (interrupted, counts) == (["heavy"], (0, 0))


def test_what_a_late_query_was_waited_for_by_is_skipped_and_nothing_of_it_starts(warehouse_file: Path) -> None:
    ask = batch("heavy", "light")
    ask.body["queries"][1]["depends_on"] = ["q0"]

    response, interrupted, _ = late(warehouse_file, ask)

    error = response.json()["results"]["q1"]["error"]
    assert (error["code"], interrupted) == ("dependency_failed", ["heavy"])


def test_a_report_of_graphql_that_is_not_ready_is_null_with_its_code_beside_those_that_are(
    warehouse_file: Path,
) -> None:
    def of(name: str, account: str) -> str:
        return f'{name}: stats(accountId: "{account}", period: "30d") {{ channels {{ total }} }}'

    document = f"{{ {of('a', 'light')} {of('b', 'heavy')} }}"
    response, interrupted, _ = late(warehouse_file, Ask("POST", "/graphql", {"query": document}))

    answer = response.json()
    assert answer["data"] == {"a": {"channels": {"total": 1}}, "b": {"channels": None}}
    assert [error["extensions"] for error in answer["errors"]] == [LATE]
    assert interrupted == ["heavy"]


def test_a_stream_ends_whole_at_the_deadline(warehouse_file: Path) -> None:
    response, interrupted, _ = late(warehouse_file, streamed("light", "heavy"))

    assert response.text.splitlines()[-1].startswith('{"type":"end","status":"partial"')
    assert interrupted == ["heavy"]


# --- settings -----------------------------------------------------------------------------------------------------


def test_limits_of_the_load_are_read_from_the_environment_by_name() -> None:
    told = read_settings({"FANIN_LOAD_LIMITS": "max_running=64, deadline_ms=30000"}).load

    assert told == defaults_of(LOAD_LIMITS) | {"max_running": 64, "deadline_ms": 30_000}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_runing=1", "FANIN_LOAD_LIMITS: 'max_runing' is no limit; accepted: max_running, "),
        ("body_ms=0", "FANIN_LOAD_LIMITS: body_ms must be a whole number from 1, got '0'"),
        ("body_ms", "FANIN_LOAD_LIMITS: body_ms must be a whole number from 1, got ''"),
    ],
)
def test_a_limit_that_is_none_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_settings({"FANIN_LOAD_LIMITS": text})

    assert refused.value.message.startswith(said)


def test_the_documents_that_a_caller_sends_are_about_the_accounts_their_root_fields_name(warehouse_file: Path) -> None:
    documents: Mapping[str, dict[str, Any]] = {
        'query Q($a: ID!) { x: stats(accountId: $a, period: "30d") { channels { total } } }': {"a": "heavy"},
        '{ stats(accountId: "heavy", period: "30d") { channels { total } } accounts { id } }': {},
    }

    async def run() -> list[int]:
        async with house(warehouse_file, max_running_per_account=1, max_waiting_per_account=1) as held:
            waiting = [held.begin(get("heavy", report)) for report in ("pages", "sources")]
            await held.has(running=1, waiting=1)
            asks = [Ask("POST", "/graphql", {"query": text, "variables": given}) for text, given in documents.items()]
            asks.append(Ask("POST", "/graphql", {"query": "{ accounts { id } }"}))
            told = [(await held.ask(ask)).status_code for ask in asks]
            held.gates.open("heavy")
            await asyncio.gather(*waiting)
            return told

    assert asyncio.run(run()) == [503, 503, 200]
