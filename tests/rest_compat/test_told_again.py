"""What was told before and is kept is told again byte for byte, and never to anyone it is not the answer for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings

from fanin.catalog.errors import StatsError
from fanin.catalog.identity import Identity
from fanin.resolvers.cache import AnswerCache
from fanin.rest_compat.documents import document_of, variables_of
from fanin.rest_compat.encoded import Encoded
from fanin.rest_compat.execution import execute
from fanin.rest_compat.params import endpoint_at, read_query
from fanin.rest_compat.plan import read_plan
from fanin.rest_compat.shapes import rest_data
from fanin.rest_compat.understood import UnderstoodPlans
from fanin.schema.documents import Document
from fanin.schema.engine import Engine
from fanin.schema.reading import reading_as
from fanin.schema.schema import schema
from fanin.tests.callers import Clock, closed, key_for
from fanin.tests.facts import NOW, bought, client_of, engine_over, reached, visit, write
from fanin.tests.gated import gated
from fanin.tests.questions import READ, path_of
from fanin.tests.random_plans import plans, queries
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

ROOM = 10_000_000
ID = "11111111-2222-3333-4444-555555555555"

FACTS = [
    visit("2026-03-18T09:00", "/trail", "/=Home", utm_source="google", utm_medium="cpc", country="ES",
          channel="Paid Search", device_type="mobile", browser="Safari", os="iOS",
          goals=[bought(9240, at="2026-03-18T09:05"), reached("view_item", at="2026-03-18T09:04")]),
    visit("2026-03-17T10:00", "/trail=Products", country="US", channel="Direct", browser="Chrome"),
    visit("2026-03-16T10:00", "/shoes", "/", utm_source="news", country="ES", channel="Email", os="Linux"),
    visit("2026-02-10T10:00", "/=Home", country="ES", channel="Direct"),
]  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBWarehouse]:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", FACTS)
    opened = DuckDBWarehouse(path)
    yield opened
    opened.close()


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", FACTS)
    write(tmp_path / "w.duckdb", "globex", [visit("2026-03-17T10:00", country="PT")])
    return tmp_path / "w.duckdb"


def keeping(engine: Engine) -> Engine:
    return replace(engine, cache=AnswerCache(ROOM))


async def posted(client: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    return await client.post("/api/v1/batch", json=body, headers={"X-Request-ID": ID} | headers)


def timeless(body: bytes) -> bytes:
    return re.sub(rb'"(total_)?timing_ms":\d+', b'"\\1timing_ms":0', body)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(body=plans("acme", bindings=True))
def test_a_batch_that_was_told_before_is_told_in_the_same_bytes(
    warehouse: DuckDBWarehouse, body: dict[str, Any]
) -> None:
    async def ask() -> list[bytes]:
        engine = Engine(warehouse, clock=lambda: NOW)
        async with client_of(engine) as without, client_of(keeping(engine)) as room:
            asked = [await posted(client, body) for client in (without, room, room, room)]
            return [timeless(response.content) for response in asked]

    unkept, *kept = asyncio.run(ask())

    assert kept == [unkept] * 3


@settings(deadline=None, derandomize=True, max_examples=60)
@given(asked=queries("acme"))
def test_a_query_tells_what_executing_its_document_tells(warehouse: DuckDBWarehouse, asked: dict[str, Any]) -> None:
    """The first time, compiled, and for columns of any kind: the question is the one that the variables make."""

    async def ask() -> tuple[Any, ...]:
        async with Engine(warehouse, clock=lambda: NOW).request() as context:
            try:
                query = read_query(endpoint_at(asked["endpoint"]), asked["params"], context)
            except StatsError:  # too many days for this report, say
                return ()
            result = await schema.answer(document_named(query.endpoint.name), variables_of(query), context)
            errors = [str(error.original_error) for error in result.errors or ()]
            told = errors or orjson.dumps(rest_data(query, (result.data or {})["stats"]["report"]))
            return told, *[await told_or_why(execute(query, context)) for _ in range(2)]

    executed, *told = asyncio.run(ask()) or (None, None, None)

    assert told == [executed] * 2


@cache
def document_named(report: str) -> Document:
    return schema.own_document(document_of(report))


async def told_or_why(answering: Awaitable[Encoded]) -> Any:
    try:
        return (await answering).text
    except StatsError as error:
        return [error.message]


@pytest.mark.parametrize("report", READ)
def test_a_get_that_was_told_before_is_told_in_the_same_bytes_and_to_a_batch_too(
    warehouse: DuckDBWarehouse, report: str
) -> None:
    address = f"/api/v1{path_of(READ[report])}?account_id=acme&period=7d&compare=previous"
    params = {"account_id": "acme", "period": "7d", "compare": "previous"}
    batch = {"queries": [{"id": "a", "endpoint": path_of(READ[report]), "params": params}]}

    async def ask() -> list[list[bytes]]:
        engine = Engine(warehouse, clock=lambda: NOW)
        told = []
        for order in ([address, batch], [batch, address, batch, address]):
            async with client_of(keeping(engine) if len(order) > 2 else engine) as client:
                got = [await (posted(client, one) if one is batch else client.get(address)) for one in order]
                told.append(sorted({timeless(re.sub(b'"request_id":"[^"]*"', b"", one.content)) for one in got}))
        return told

    unkept, kept = asyncio.run(ask())

    assert kept == unkept


def test_switches_that_change_the_data_are_forms_of_their_own(warehouse: DuckDBWarehouse) -> None:
    async def ask() -> list[bool]:
        async with client_of(keeping(Engine(warehouse, clock=lambda: NOW))) as client:
            address = "/api/v1/stats/countries?account_id=acme&period=7d"
            asked = [await client.get(f"{address}&include_totals={said}") for said in (1, 0, 1, 0)]
            return [response.json()["totals"] is not None for response in asked]

    assert asyncio.run(ask()) == [True, False, True, False]


COUNTRIES = {"id": "a", "endpoint": "/stats/countries", "params": {"account_id": "acme", "period": "today"}}


def countries(response: httpx.Response, query_id: str = "a") -> Any:
    result = response.json()["results"][query_id]
    return [row["country"] for row in result["data"]["data"]] if "data" in result else result["error"]["code"]


def over(path: Path, ask: Callable[[httpx.AsyncClient, Clock, AnswerCache], Any], **server: Any) -> Any:
    async def run() -> Any:
        clock = Clock()
        with engine_over(path, cache_bytes=ROOM) as (engine, _):
            engine = replace(engine, clock=clock)
            async with client_of(engine, **server) as client:
                return await ask(client, clock, engine.cache)

    return asyncio.run(run())


def test_the_same_words_mean_another_day_from_the_accounts_own_midnight_on(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", FACTS, time_zone="Asia/Tokyo")
    write(tmp_path / "w.duckdb", "acme", [visit("2026-03-18T15:00", country="JP")], time_zone="Asia/Tokyo")

    async def ask(client: httpx.AsyncClient, clock: Clock, _: AnswerCache) -> list[Any]:
        told = []
        for now in ("2026-03-18T14:59:59", "2026-03-18T15:00:00", "2026-03-18T23:59:59"):
            clock.now = datetime.fromisoformat(now).replace(tzinfo=UTC)
            batch = await posted(client, {"queries": [COUNTRIES]})
            single = await client.get("/api/v1/stats/countries?account_id=acme&period=today")
            assert batch.json()["results"]["a"]["data"]["data"] == single.json()["data"]
            told.append(countries(batch))
        return told

    assert over(tmp_path / "w.duckdb", ask) == [["ES"], ["JP"], ["JP"]]


def test_after_an_import_the_same_request_tells_the_new_numbers(warehouse_file: Path) -> None:
    async def ask(client: httpx.AsyncClient, *_: Any) -> list[Any]:
        told = [countries(await posted(client, {"queries": [COUNTRIES]})) for _ in range(2)]
        write(warehouse_file, "acme", [visit("2026-03-18T10:00", country="FR")])
        return [*told, countries(await posted(client, {"queries": [COUNTRIES]}))]

    assert over(warehouse_file, ask) == [["ES"], ["ES"], ["ES", "FR"]]


def test_rule_3_5_what_was_told_to_one_key_is_not_told_to_another(warehouse_file: Path) -> None:
    keys = warehouse_file.with_suffix(".keys.json")
    own, other = key_for(keys, "acme"), key_for(keys, "globex")

    async def ask(client: httpx.AsyncClient, *_: Any) -> list[Any]:
        return [
            countries(await posted(client, {"queries": [COUNTRIES]}, **{"X-API-Key": key}))
            for key in (own, own, other, own)
        ]

    told = over(warehouse_file, ask, settings=closed(keys))

    assert told == [["ES"], ["ES"], "forbidden", ["ES"]]


def test_an_account_that_is_new_is_found_by_a_request_that_missed_it(warehouse_file: Path) -> None:
    query = {**COUNTRIES, "params": {"account_id": "initech", "period": "today"}}

    async def ask(client: httpx.AsyncClient, *_: Any) -> list[Any]:
        before = countries(await posted(client, {"queries": [query]}))
        write(warehouse_file, "initech", [visit("2026-03-18T10:00", country="DE")])
        return [before, countries(await posted(client, {"queries": [query]}))]

    assert over(warehouse_file, ask) == ["account_not_found", ["DE"]]


def test_what_is_kept_counts_as_asked_and_kept_once_however_often_it_stands_in_the_batch(warehouse_file: Path) -> None:
    body = {"queries": [COUNTRIES, {**COUNTRIES, "id": "b"}, {**COUNTRIES, "id": "c", "depends_on": ["a"]}]}

    async def ask(client: httpx.AsyncClient, *_: Any) -> list[Any]:
        timings = [(await posted(client, body)).headers["server-timing"] for _ in range(2)]
        return [re.findall(r'desc="([^"]*)"', timing) for timing in timings]

    first, second = over(warehouse_file, ask)

    assert first == ["1 scans", "1 rollup", "2 identical", "0 kept, 0 joined"]
    assert second == ["0 scans", "nothing read", "2 identical", "1 kept, 0 joined"]


def test_rule_2_4_what_is_kept_takes_no_slot(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    for account in ("slow", "quick"):
        write(path, account, [visit("2026-03-18T10:00", country="ES")])
    asked = {
        name: {"id": name, "endpoint": "/stats/countries", "params": {"account_id": name}} for name in ("slow", "quick")
    }
    after = {**asked["quick"], "id": "after", "depends_on": ["quick"]}
    body = {"queries": [asked["slow"], asked["quick"], after], "options": {"parallel_limit": 1}}

    async def run() -> list[str]:
        with gated(path, "slow") as (engine, warehouse):
            async with client_of(keeping(engine)) as client:
                await posted(client, {"queries": [asked["quick"]]})
                streaming = asyncio.create_task(posted(client, body, Accept="application/x-ndjson"))
                await warehouse.has_started("quick", "slow")
                warehouse.open("slow")
                lines = [orjson.loads(line) for line in (await streaming).content.splitlines()]
                return [line["id"] for line in lines if line["type"] == "result"]

    assert asyncio.run(run()) == ["quick", "after", "slow"]


def test_a_plan_is_read_once_and_what_waits_for_values_is_understood_anew(warehouse_file: Path) -> None:
    bound = {"id": "b", "endpoint": "/stats/sources", "params": {"account_id": {"from": "a", "path": "/x"}}}
    body = orjson.dumps({"queries": [COUNTRIES, bound]})
    plans_read = UnderstoodPlans()

    async def run() -> Any:
        with engine_over(warehouse_file) as (engine, _):
            async with engine.request() as context:
                plan = plans_read.read(body)
                first = plans_read.translation(body, plan, context)
                first.queries["b"] = first.queries["a"]  # as binding it does
                return plan, first, plans_read.translation(body, plans_read.read(body), context)

    plan, first, second = asyncio.run(run())

    assert plan is plans_read.read(body)
    assert plan == read_plan(body)
    assert second.queries == {"a": first.queries["a"]}
    assert second.queries["a"] is first.queries["a"]


def test_requests_larger_than_the_room_are_understood_and_not_kept(warehouse_file: Path) -> None:
    plans_read = UnderstoodPlans(most_bytes=1_000)
    body = orjson.dumps({"queries": [COUNTRIES]})

    assert plans_read.read(body) == plans_read.read(body)
    assert plans_read.read(body) is not plans_read.read(body)


def test_a_vantage_is_the_same_for_readers_of_the_same_accounts_only(warehouse_file: Path) -> None:
    async def vantage(engine: Engine, *accounts: str) -> Any:
        with reading_as(Identity("someone", frozenset(accounts))):
            async with engine.request() as context:
                return context.vantage

    async def run() -> list[bool]:
        with engine_over(warehouse_file) as (engine, _):
            own = await vantage(engine, "acme")
            others = [await vantage(engine, "acme"), await vantage(engine, "globex"), await vantage(engine)]
            tomorrow = await vantage(replace(engine, clock=lambda: NOW.replace(day=19)), "acme")
            write(warehouse_file, "globex", [visit()])
            return [own == other for other in (*others, tomorrow, await vantage(engine, "acme"))]

    assert asyncio.run(run()) == [True, False, False, False, False]
