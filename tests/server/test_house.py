"""What every request goes through: its id, safe headers, errors in the envelope, and leaving when the client leaves."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fanin.app import create_app
from fanin.catalog.limits import MAX_BODY_BYTES
from fanin.schema.engine import Engine
from fanin.tests.facts import client_of, engine_over, visit, write
from fanin.warehouse.store import Listing, ListingResult, Scan, ScanResult


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


def test_a_body_is_counted_while_it_comes_also_without_its_length_being_said(warehouse_file: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65536 + 2):
            yield b" " * 65536

    response = send(warehouse_file, "POST", "/api/v1/batch", content=endless())

    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")


def test_probes_tell_whether_the_warehouse_can_be_read(warehouse_file: Path) -> None:
    assert send(warehouse_file, "GET", "/livez").json() == {"status": "ok"}
    assert send(warehouse_file, "GET", "/readyz").json() == {"status": "ok", "accounts": 1}


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

    async def scan(self, scan: Scan) -> ScanResult:
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


def test_rule_2_6_a_client_that_leaves_interrupts_its_scans(warehouse_file: Path) -> None:
    queries = [{"id": "q", "endpoint": "/stats/os", "params": {"account_id": "acme"}}]
    body = json.dumps({"queries": queries}).encode()

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
                "method": "POST",
                "path": "/api/v1/batch",
                "raw_path": b"/api/v1/batch",
                "query_string": b"",
                "headers": [(b"content-length", str(len(body)).encode())],
            }
            await app(scope, receive, send)
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            return hanging.interrupted.is_set() and not others, statuses

    assert asyncio.run(left()) == (True, [499])
