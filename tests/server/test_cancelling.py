"""Whoever leaves takes the engine's work along: a genuinely long statement over real sockets, at every door.

What runs is what the warehouse's own threads say; a statement that ended by itself is told apart from an interrupted one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
from websockets.asyncio.client import connect

from fanin.app import create_app
from fanin.catalog.limits import LOAD_LIMITS, defaults_of
from fanin.schema.engine import Engine
from fanin.server.settings import ServerSettings
from fanin.tests.facts import NOW, visit, write
from fanin.tests.served import served
from fanin.warehouse import duckdb_reading
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.manifest import folder_of

# Each pattern is tried on every word below: far longer work than any test waits for.
PATTERNS = [f"([0-9a-f]+[0-9]){{20}}x{number}" for number in range(20)]
FILTERS = ",".join(f"path:not_regex:{pattern}" for pattern in PATTERNS)
WORDS = 60_000

LONG_QUERY = {"id": "q", "endpoint": "/stats/pages", "params": {"account_id": "acme", "filters": FILTERS}}
GRAPHQL_FILTERS = ", ".join(f"{{field: PATH, op: NOT_REGEX, values: {json.dumps([pattern])}}}" for pattern in PATTERNS)
LONG_DOCUMENT = f'{{ stats(accountId: "acme", filters: [{GRAPHQL_FILTERS}]) {{ pages {{ total }} }} }}'
LONG_SUBSCRIPTION = (
    f'subscription {{ dashboard(accountId: "acme", filters: [{GRAPHQL_FILTERS}]) {{ pages {{ total }} }} }}'
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", "/a")])
    (file,) = folder_of(path).glob("*.duckdb")
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "INSERT INTO lexicon SELECT 1, 'path', 1 + range, repeat(md5(range::VARCHAR), 20) FROM range(?)", [WORDS]
        )
    return path


@dataclass(slots=True)
class Engines:
    """The statements of the warehouse's threads: how many run, and with what each has ended."""

    running: int = 0
    ends: list[str] = field(default_factory=list)
    _read: Callable[..., Any] = duckdb_reading._told_failures

    def __call__(self, *arguments: Any) -> Any:
        self.running += 1
        end = "answered"
        try:
            return self._read(*arguments)
        except BaseException as error:
            end = type(error).__name__
            raise
        finally:
            self.ends.append(end)
            self.running -= 1

    async def has(self, running: int) -> None:
        while self.running != running:  # noqa: ASYNC110  threads have no event for it
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(path: Path, engines: Engines, *, grace_s: int = 1, **limits: int) -> AsyncIterator[tuple[str, Any]]:
    app = create_app(
        Engine(DuckDBWarehouse(path), clock=lambda: NOW), ServerSettings(load=defaults_of(LOAD_LIMITS) | limits)
    )
    async with served(app, timeout_graceful_shutdown=grace_s) as address:
        yield address, app


def post(address: str, body: Any, accept: str = "application/json") -> bytes:
    text = json.dumps(body).encode()
    head = f"POST {address} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(text) + text


LONG = {
    "report": f"GET /api/v1/stats/pages?account_id=acme&filters={quote(FILTERS)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    "batch": post("/api/v1/batch", {"queries": [LONG_QUERY]}),
    "streamed batch": post("/api/v1/batch", {"queries": [LONG_QUERY]}, "application/x-ndjson"),
    "graphql": post("/graphql", {"query": LONG_DOCUMENT}),
    "event stream": post("/graphql", {"query": LONG_SUBSCRIPTION}, "text/event-stream"),
}


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    engines = Engines()
    monkeypatch.setattr(duckdb_reading, "_told_failures", engines)
    return engines


async def sent(address: str, request: bytes) -> asyncio.StreamWriter:
    host, port = address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    return writer


@pytest.mark.parametrize("door", LONG)
def test_rule_2_6_a_client_that_closes_its_connection_interrupts_its_statement(
    path: Path, engines: Engines, door: str
) -> None:
    async def run() -> tuple[int, int]:
        async with serving(path, engines) as (address, app):
            client = await sent(address, LONG[door])
            await engines.has(running=1)
            client.transport.abort()
            await engines.has(running=0)
            while app.state.admission.running:  # noqa: ASYNC110  there is no event for it
                await asyncio.sleep(0.005)
            return app.state.admission.running, app.state.admission.waiting

    assert asyncio.run(run()) == (0, 0)
    assert engines.ends == ["InterruptException"]


@pytest.mark.parametrize("ending", ["complete", "close"])
def test_a_subscription_that_is_ended_interrupts_its_statement(path: Path, engines: Engines, ending: str) -> None:
    async def run() -> None:
        async with serving(path, engines) as (address, _):
            async with connect(f"ws://{address}/graphql", subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
                await socket.send('{"type":"connection_init"}')
                await socket.recv()
                await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": LONG_SUBSCRIPTION}}))
                await engines.has(running=1)
                if ending == "complete":
                    await socket.send('{"type":"complete","id":"1"}')
                    await engines.has(running=0)
            await engines.has(running=0)

    asyncio.run(run())

    assert engines.ends == ["InterruptException"]


def test_of_two_who_wait_for_one_statement_the_first_may_leave_and_the_second_too_and_only_then_it_ends(
    path: Path, engines: Engines
) -> None:
    async def run() -> list[int]:
        async with serving(path, engines) as (address, app):
            first = await sent(address, LONG["batch"])
            await engines.has(running=1)
            second = await sent(address, LONG["report"])
            while app.state.admission.running < 2:  # noqa: ASYNC110  there is no event for it
                await asyncio.sleep(0.005)
            first.transport.abort()
            while app.state.admission.running > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            told = [engines.running]
            second.transport.abort()
            await engines.has(running=0)
            return told

    assert asyncio.run(run()) == [1]
    assert engines.ends == ["InterruptException"]


def test_the_deadline_of_a_request_interrupts_its_statement_and_is_told(path: Path, engines: Engines) -> None:
    async def run() -> str:
        async with serving(path, engines, deadline_ms=300) as (address, _):
            host, port = address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(LONG["report"])
            status = (await reader.readline()).decode().split()[1]
            await engines.has(running=0)
            writer.transport.abort()
            return status

    assert asyncio.run(run()) == "504"
    assert engines.ends == ["InterruptException"]


def test_a_server_that_stops_leaves_no_statement_running(path: Path, engines: Engines) -> None:
    async def run() -> None:
        async with serving(path, engines, grace_s=0) as (address, _):
            clients = [await sent(address, LONG[door]) for door in ("event stream", "batch", "streamed batch")]
            while engines.running == 0:  # noqa: ASYNC110  threads have no event for it
                await asyncio.sleep(0.005)
        assert engines.running == 0  # though none of the clients has left
        for client in clients:
            client.transport.abort()

    asyncio.run(run())

    assert set(engines.ends) == {"InterruptException"}
