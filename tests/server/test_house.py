"""What every request goes through: its id, safe headers, errors in the envelope, and leaving when the client leaves."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from fanin.app import create_app
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.limits import MAX_BODY_BYTES
from fanin.schema.engine import Engine
from fanin.tests.facts import client_of, engine_over, visit, write
from fanin.warehouse.store import Listing, ListingResult, ScanResult, Scans


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit()])
    return tmp_path / "w.duckdb"


def send(path: Path, method: str, address: str, **request: Any) -> Any:
    async def ask() -> Any:
        with engine_over(path) as (engine, _):
            async with client_of(engine) as client:
                return await client.request(method, address, **request)

    return asyncio.run(ask())


@pytest.mark.parametrize("address", ["/livez", "/graphql", "/nowhere", "/api/v1/stats/os?account_id=acme"])
def test_every_answer_has_an_id_and_safe_headers(warehouse_file: Path, address: str) -> None:
    headers = send(warehouse_file, "GET", address).headers

    assert str(uuid.UUID(headers["x-request-id"])) == headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(("sent", "kept"), [("mine-7.a_b", True), ("two words", False), ("x" * 65, False)])
def test_a_callers_id_is_kept_when_it_is_a_plain_word(warehouse_file: Path, sent: str, kept: bool) -> None:
    headers = send(warehouse_file, "GET", "/livez", headers={"X-Request-ID": sent}).headers

    assert (headers["x-request-id"] == sent) is kept


def test_errors_of_the_router_come_in_the_envelope(warehouse_file: Path) -> None:
    missing = send(warehouse_file, "GET", "/nowhere", headers={"X-Request-ID": "a"})
    method = send(warehouse_file, "GET", "/api/v1/batch")

    assert missing.status_code == 404
    assert missing.json() == {
        "error": {"code": "not_found", "message": "There is nothing at /nowhere"},
        "request_id": "a",
    }
    assert (method.status_code, method.headers["allow"]) == (405, "POST")
    assert method.json()["error"]["code"] == "method_not_allowed"


ADDRESSES = {
    **{f"/api/v1{endpoint.path}": "GET, HEAD" for endpoint in ENDPOINTS.values() if endpoint.method == "GET"},
    "/api/v1/stats/funnel": "GET, HEAD, POST",
    "/api/v1/stats/query": "POST",
    **dict.fromkeys(("/api/v1/batch", "/api/v1/batch/validate"), "POST"),
    **dict.fromkeys(("/health", "/livez", "/readyz"), "GET, HEAD"),
    "/graphql": "GET, HEAD, OPTIONS, POST",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_wrong_method_is_405_in_the_envelope_with_what_is_allowed(warehouse_file: Path, address: str) -> None:
    response = send(warehouse_file, "DELETE", address, headers={"X-Request-ID": "a"})

    allowed = ADDRESSES[address]
    assert response.status_code == 405
    assert sorted(response.headers["allow"].split(", ")) == allowed.split(", ")
    assert (response.json()["request_id"], response.json()["error"]["code"]) == ("a", "method_not_allowed")
    assert response.json()["error"]["message"].startswith("DELETE is not for this address; use ")


def test_our_own_failure_is_told_without_its_inside_and_logged_whole_under_its_id(
    warehouse_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> httpx.Response:
        with engine_over(warehouse_file) as (engine, _):
            app = create_app(engine)
            app.add_route("/broken", broken)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
                return await client.get("/broken", headers={"X-Request-ID": "mine"})

    async def broken(request: Request) -> Response:
        raise RuntimeError("the secret of /srv/warehouse")

    with caplog.at_level(logging.ERROR, "fanin"):
        response = asyncio.run(ask())

    assert response.status_code == 500
    assert response.json() == {
        "error": {"code": "internal_error", "message": "Internal error"},
        "request_id": "mine",
    }
    assert (response.headers["x-request-id"], response.headers["x-content-type-options"]) == ("mine", "nosniff")
    assert (response.headers["referrer-policy"], response.headers["x-frame-options"]) == ("no-referrer", "DENY")
    assert "the secret" not in response.text + str(response.headers)
    assert "request mine failed" in caplog.text
    assert "the secret" in caplog.text


@pytest.mark.parametrize("address", ["/api/v1/batch", "/api/v1/batch/validate", "/graphql"])
def test_a_client_that_leaves_while_it_sends_is_no_failure_of_ours(
    warehouse_file: Path, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []

    async def left() -> None:
        messages = [
            {"type": "http.disconnect"},
            {"type": "http.request", "body": b'{"query": "', "more_body": True},
        ]

        async def receive() -> Any:
            return messages.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        with engine_over(warehouse_file) as (engine, _):
            scope = {
                "type": "http",
                "method": "POST",
                "path": address,
                "raw_path": address.encode(),
                "query_string": b"",
                "headers": [(b"content-type", b"application/json")],
            }
            await create_app(engine)(scope, receive, send)

    asyncio.run(left())

    assert [message.get("status") for message in sent if message["type"] == "http.response.start"] in ([], [499])
    assert caplog.records == []


def test_a_body_is_counted_while_it_comes_also_without_its_length_being_said(warehouse_file: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65536 + 2):
            yield b" " * 65536

    response = send(warehouse_file, "POST", "/api/v1/batch", content=endless())

    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")


def test_probes_tell_whether_the_warehouse_can_be_read(warehouse_file: Path) -> None:
    assert send(warehouse_file, "GET", "/livez").json() == {"status": "ok"}
    for probe in ("/readyz", "/health"):
        assert send(warehouse_file, "GET", probe).json() == {"status": "ok", "accounts": 1}


@pytest.mark.parametrize("probe", ["/readyz", "/health"])
def test_readiness_ends_with_a_warehouse_that_became_something_else_and_not_with_a_removed_one(
    warehouse_file: Path, probe: str
) -> None:
    async def ask(engine: Engine, *addresses: str) -> list[tuple[int, Any]]:
        async with client_of(engine) as client:
            answers = [await client.get(address) for address in addresses]
        return [(answer.status_code, answer.json()) for answer in answers]

    with engine_over(warehouse_file) as (engine, _):
        warehouse_file.unlink()
        removed = asyncio.run(ask(engine, probe))
        warehouse_file.write_bytes(b"something else" * 1000)
        replaced = asyncio.run(ask(engine, probe, "/livez", "/api/v1/stats/os?account_id=acme"))

    assert removed == [(200, {"status": "ok", "accounts": 1})]
    assert replaced[:2] == [(503, {"status": "unavailable"}), (200, {"status": "ok"})]
    assert (replaced[2][0], replaced[2][1]["error"]) == (
        503,
        {"code": "database_unavailable", "message": "The warehouse cannot be read now; try again"},
    )


class Hanging:
    """A real warehouse whose scans never come back, as those of a very large account would not in time."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.started = asyncio.Event()
        self.interrupted = asyncio.Event()

    @property
    def accounts(self) -> Any:
        return self._inner.snapshot().accounts

    def snapshot(self) -> Hanging:
        return self

    async def scan_together(self, scans: Scans) -> tuple[ScanResult, ...]:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.interrupted.set()
        raise AssertionError("never reached")

    async def fetch(self, listing: Listing) -> ListingResult:
        raise AssertionError("never asked")

    def close(self) -> None:
        self._inner.close()


BATCH = {"queries": [{"id": "q", "endpoint": "/stats/os", "params": {"account_id": "acme"}}]}
DOCUMENT = {"query": '{ stats(accountId: "acme") { os { total } } }'}


@pytest.mark.parametrize(
    ("method", "address", "asked"),
    [
        ("POST", "/api/v1/batch", BATCH),
        ("POST", "/graphql", DOCUMENT),
        ("POST", "/graphql", [DOCUMENT] * 3),
        ("GET", f"/graphql?{httpx.QueryParams(DOCUMENT)}", None),
    ],
    ids=["batch", "graphql", "array", "graphql by get"],
)
def test_rule_2_6_a_client_that_leaves_interrupts_its_scans(
    warehouse_file: Path, method: str, address: str, asked: Any
) -> None:
    body = json.dumps(asked).encode() if asked else b""
    path, _, query = address.partition("?")

    async def left() -> tuple[bool, list[int]]:
        with engine_over(warehouse_file) as (engine, warehouse):
            hanging = Hanging(warehouse)
            app = create_app(Engine(hanging, engine.clock))
            messages = [{"type": "http.request", "body": body, "more_body": False}]
            statuses: list[int] = []

            async def receive() -> Any:
                if messages:
                    return messages.pop()
                await hanging.started.wait()
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])

            scope = {
                "type": "http",
                "method": method,
                "path": path,
                "raw_path": path.encode(),
                "query_string": query.encode(),
                "headers": [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")],
            }
            await app(scope, receive, send)
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            return hanging.interrupted.is_set() and not others, statuses

    assert asyncio.run(left()) == (True, [499])
