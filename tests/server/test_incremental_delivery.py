"""Answers as they come: ``@defer`` over a real server, in the form the client named and in no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from fanin.app import create_app
from fanin.server.media_types import accepted_streams
from fanin.tests.callers import Ask, closed, key_for, limits, sent
from fanin.tests.facts import client_of, engine_over, visit, write
from fanin.tests.gated import Asgi, gated
from fanin.tests.served import events_of, folded, parts_of, payload_of, served

JSON = "application/json"
RESPONSE = "application/graphql-response+json"
PARTS = "multipart/mixed"
EVENTS = "text/event-stream"

DASHBOARD = """query ($later: Boolean = true) {
  quick: stats(accountId: "quick") { channels { total } }
  ... @defer(label: "slow", if: $later) { slow: stats(accountId: "slow") { channels { rows { channel entrances } } } }
}"""
QUICK = {"quick": {"channels": {"total": 1}}}
SLOW = {"slow": {"channels": {"rows": [{"channel": "Direct", "entrances": 1}]}}}


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    for account in ("quick", "slow"):
        write(path, account, [visit("2026-03-17T10:00", channel="Direct")])
    return path


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ("", []),
        ("*/*", []),
        (JSON, []),
        ("text/*", []),
        ("multipart/*", []),
        (PARTS, [PARTS]),
        (EVENTS, [EVENTS]),
        (f"{JSON}, {PARTS}", [PARTS]),
        (f"{EVENTS}, {PARTS}, {JSON}", [PARTS, EVENTS]),
        (f"{EVENTS}, {PARTS};q=0.9", [EVENTS, PARTS]),
        (f"{PARTS};q=0.5, {JSON}", []),
        (f"{PARTS}, */*;q=0.1", [PARTS]),
        (f"{PARTS};q=0", []),
        (f"{PARTS};incrementalSpec=v0.2, {RESPONSE}, {JSON};q=0.9", [PARTS]),
        (f"{PARTS};deferSpec=20220824, {JSON}", []),
        (f'{PARTS};boundary="graphql";subscriptionSpec=1.0, {JSON}', []),
    ],
)
def test_a_stream_is_for_those_who_name_it_and_like_it_no_less_than_json(accept: str, streams: list[str]) -> None:
    assert accepted_streams(Headers({"accept": accept})) == streams


def post(path: Path, body: Any, accept: str, method: str = "POST", **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        with engine_over(path) as (engine, _):
            async with client_of(engine) as client:
                return await client.request(
                    method, "/graphql", json=body, headers={"accept": accept, "accept-encoding": "gzip"}, **options
                )

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "accept", [JSON, RESPONSE, "*/*", f"{JSON}, {PARTS};q=0.5", f"{PARTS};deferSpec=20220824, */*"]
)
def test_clients_of_json_get_the_whole_answer_at_once(warehouse_file: Path, accept: str) -> None:
    response = post(warehouse_file, {"query": DASHBOARD}, accept)

    assert response.status_code == 200
    assert response.headers["content-type"].startswith(RESPONSE if accept == RESPONSE else JSON)
    assert response.json()["data"] == QUICK | SLOW


@pytest.mark.parametrize(("accept", "read"), [(PARTS, parts_of), (EVENTS, events_of)])
def test_the_parts_are_those_of_the_draft_and_the_last_tells_what_was_shared(
    warehouse_file: Path, accept: str, read: Any
) -> None:
    response = post(warehouse_file, {"query": DASHBOARD}, f"{JSON}, {accept}")

    first, *others = read(response.text)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(accept)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "Accept, Accept-Encoding, Authorization, X-API-Key"
    assert "content-encoding" not in response.headers
    assert first == {"data": QUICK, "pending": [{"id": "0", "path": [], "label": "slow"}], "hasNext": True}
    assert folded([first, *others]) == {"data": QUICK | SLOW}
    assert ["extensions" in payload for payload in (first, *others)][-1:] == [True]
    told = others[-1]["extensions"]["fanin"]
    assert (told["fields"], told["scans"]) == (2, 2)


def test_a_multipart_body_is_to_the_letter(warehouse_file: Path) -> None:
    query = '{ stats(accountId: "quick") { ... @defer { os { total } } window { days } } }'

    (response,) = sent(
        warehouse_file, Ask("POST", "/graphql", {"query": query}, {"Accept": PARTS, "X-Fanin-Cost": "0"})
    )

    assert response.headers["content-type"] == 'multipart/mixed; boundary="-"; incrementalSpec=v0.2'
    assert response.content == (
        b"---\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        b'{"data":{"stats":{"window":{"days":30}}},"pending":[{"id":"0","path":["stats"]}],"hasNext":true}\r\n---'
        b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        b'{"hasNext":false,"incremental":[{"data":{"os":{"total":1}},"id":"0"}],"completed":[{"id":"0"}]}\r\n-----\r\n'
    )


@pytest.mark.parametrize("accept", [f"{JSON}, {PARTS}", f"{EVENTS}, {RESPONSE}, {JSON};q=0.5"])
def test_what_defers_nothing_is_answered_in_json(warehouse_file: Path, accept: str) -> None:
    for variables in ({"later": False}, {"later": 5}):
        response = post(warehouse_file, {"query": DASHBOARD, "variables": variables}, accept)
        plain = post(
            warehouse_file, {"query": DASHBOARD, "variables": variables}, RESPONSE if RESPONSE in accept else JSON
        )
        assert response.headers["content-type"].startswith("application/")
        assert response.json().get("data") == plain.json().get("data")
        assert response.json().get("errors") == plain.json().get("errors")


@pytest.mark.parametrize(("accept", "read"), [(PARTS, parts_of), (EVENTS, events_of)])
def test_clients_of_a_stream_alone_get_even_one_answer_as_a_stream(
    warehouse_file: Path, accept: str, read: Any
) -> None:
    whole = post(warehouse_file, {"query": "{ __typename }"}, accept)
    refused = post(warehouse_file, {"query": "{ nope }"}, accept)

    assert [payload["data"] for payload in read(whole.text)] == [{"__typename": "Query"}]
    assert [list(payload) for payload in read(refused.text)] == [["errors"]]


@pytest.mark.parametrize("accept", [PARTS, EVENTS])
def test_a_get_and_an_array_are_no_streams(warehouse_file: Path, accept: str) -> None:
    get = {"method": "GET", "params": {"query": DASHBOARD}}

    assert post(warehouse_file, None, accept, **get).status_code == 406
    assert post(warehouse_file, [{"query": DASHBOARD}], accept).status_code == 406
    assert post(warehouse_file, None, f"{accept}, {JSON}", **get).json()["data"] == QUICK | SLOW
    assert post(warehouse_file, [{"query": DASHBOARD}], f"{accept}, {JSON}").json()[0]["data"] == QUICK | SLOW


def test_an_error_in_a_deferred_report_stays_with_it(warehouse_file: Path) -> None:
    query = '{ stats(accountId: "quick") { os { total } ... @defer { pages(pageSize: 5000) { total } channels { total } } } }'

    first, *others = parts_of(post(warehouse_file, {"query": query}, PARTS).text)

    answer = folded([first, *others])
    assert first["data"] == {"stats": {"os": {"total": 1}}}
    assert answer["data"] == {"stats": {"os": {"total": 1}, "pages": None, "channels": {"total": 1}}}
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["stats", "pages"], "validation_error")
    ]


def test_a_deferred_answer_is_one_request_and_pays_for_its_scans(warehouse_file: Path, tmp_path: Path) -> None:
    key = key_for(tmp_path / "keys.json", "quick", "slow")
    ask = Ask("POST", "/graphql", {"query": DASHBOARD}, {"Accept": PARTS}).by(key)

    responses = sent(warehouse_file, ask, ask, settings=closed(tmp_path / "keys.json"))

    assert [limits(response)[1] for response in responses] == [239, 238]
    assert [folded(parts_of(response.text))["data"] for response in responses] == [QUICK | SLOW] * 2


def test_clients_are_refused_in_json_before_there_is_anything_to_stream(warehouse_file: Path, tmp_path: Path) -> None:
    ask = Ask("POST", "/graphql", {"query": DASHBOARD}, {"Accept": PARTS})

    (response,) = sent(warehouse_file, ask, settings=closed(tmp_path / "keys.json"))

    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")


# --- in time ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def streaming(address: str, accept: str) -> AsyncIterator[AsyncIterator[str]]:
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream(
            "POST", f"http://{address}/graphql", json={"query": DASHBOARD}, headers={"accept": accept}
        ) as response,
    ):
        yield response.aiter_text()


@pytest.mark.parametrize("accept", [PARTS, EVENTS])
def test_the_first_part_is_read_while_a_deferred_scan_still_runs(warehouse_file: Path, accept: str) -> None:
    async def run() -> None:
        with gated(warehouse_file, "slow") as (engine, warehouse):
            async with (
                asyncio.timeout(30),
                served(create_app(engine)) as address,
                streaming(address, accept) as chunks,
            ):
                first = await anext(chunks)
                payload = payload_of(first.rstrip()) if accept == EVENTS else parts_of(f"{first}--\r\n")[0]
                assert (payload["data"], payload["hasNext"]) == (QUICK, True)
                assert sorted(warehouse.started) == ["quick", "slow"]
                warehouse.open("slow")
                body = first + "".join([chunk async for chunk in chunks])
        read = events_of if accept == EVENTS else parts_of
        assert folded(read(body)) == {"data": QUICK | SLOW}

    asyncio.run(run())


@pytest.mark.parametrize("accept", [PARTS, EVENTS])
def test_a_client_that_leaves_between_parts_interrupts_what_still_runs(warehouse_file: Path, accept: str) -> None:
    async def run() -> None:
        with gated(warehouse_file, "slow") as (engine, warehouse):
            body = json.dumps({"query": DASHBOARD}).encode()
            request = Asgi(create_app(engine), "/graphql", body, accept=accept, content_type=JSON)
            async with asyncio.timeout(30):
                await request.chunks.get()
                request.gone.set()
                await request.task
            assert warehouse.interrupted == ["slow"]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_client_that_leaves_before_the_first_part_interrupts_everything(warehouse_file: Path) -> None:
    async def run() -> None:
        with gated(warehouse_file, "slow", "quick") as (engine, warehouse):
            body = json.dumps({"query": DASHBOARD}).encode()
            request = Asgi(create_app(engine), "/graphql", body, accept=PARTS, content_type=JSON)
            async with asyncio.timeout(30):
                await warehouse.has_started("quick", "slow")
                request.gone.set()
                await request.task
            assert sorted(warehouse.interrupted) == ["quick", "slow"]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())
