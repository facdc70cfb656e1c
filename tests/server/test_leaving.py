"""How a server takes leave, and how its workers are replaced: real processes, real signals, real connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from fanin.app import create_app
from fanin.catalog.errors import BadRequest, WarehouseUnavailable
from fanin.server import health
from fanin.server.health import TRUE_FOR_S, Readiness
from fanin.server.serving import Manners, read_proxies, server_config
from fanin.server.settings import ServerSettings
from fanin.tests.facts import client_of, engine_over, visit, write
from fanin.tests.processes import Served, is_running, serving, until
from fanin.tests.served import served

FOLLOWED = 'subscription { dashboard(accountId: "acme") { channels { total } } }'
ASKED = b'{"query": "{ stats(accountId: \\"acme\\") { channels { total } } }"}'
TOTAL = {"channels": {"total": 1}}

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse whose one visit was today, whenever the test runs."""
    path = tmp_path_factory.mktemp("facts")
    write(path / "fanin.duckdb", "acme", [visit("2026-03-10T10:00", channel="Direct")])
    return path


# --- leaving ------------------------------------------------------------------------------------------------------


def half_asked(server: Served) -> socket.socket:
    """A request under way: all of it but its last byte."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = f"POST /graphql HTTP/1.1\r\nHost: {server.authority}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(ASKED)}\r\n\r\n".encode() + ASKED[:-1])
    return connection


def answered(connection: socket.socket) -> tuple[bytes, Any]:
    """The status line and the body of what comes until the connection ends."""
    with connection:
        connection.sendall(ASKED[-1:])
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], json.loads(body)


async def leave(server: Served, under_way: socket.socket) -> dict[str, Any]:
    """What is seen of a server that is asked to stop while someone follows it by a WebSocket and an event stream."""
    seen: dict[str, Any] = {}
    async with (
        httpx.AsyncClient(timeout=60) as http,
        connect(f"ws://{server.authority}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]) as followed,
        http.stream(
            "POST",
            f"{server.address}/graphql",
            json={"query": FOLLOWED},
            headers={"Accept": "text/event-stream"},
        ) as streamed,
    ):
        await followed.send('{"type": "connection_init"}')
        await followed.recv()
        await followed.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": FOLLOWED}}))
        await followed.recv()
        events = streamed.aiter_text()
        await anext(events)

        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(until, lambda: server.get("/readyz")[0] == 503)
        for path in ("/readyz", "/livez", "/api/v1/stats/channels?account_id=acme&period=30d"):
            status, headers, body = await asyncio.to_thread(server.get, path)
            seen[path.partition("?")[0]] = status, headers["connection"], json.loads(body).get("status")
        try:
            await followed.recv()
        except ConnectionClosed as closed:
            seen["websocket"] = closed.rcvd and (closed.rcvd.code, closed.rcvd.reason)
        seen["events"] = [text async for text in events]
    await asyncio.to_thread(until, lambda: server.status("/livez") == 0)  # no one is let in any more
    seen["under way"] = await asyncio.to_thread(answered, under_way)
    return seen


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_is_asked_to_stop_says_so_serves_on_lets_go_and_finishes(folder: Path, workers: int) -> None:
    with serving(folder, "--workers", str(workers), "--drain-seconds", "3") as server:
        processes = server.workers()
        seen = asyncio.run(leave(server, half_asked(server)))
        code, said = server.ended()

    assert seen == {
        "/readyz": (503, "close", "leaving"),
        "/livez": (200, "close", "ok"),
        "/api/v1/stats/channels": (200, "close", None),
        "websocket": (1001, "The server is stopping"),
        "events": [],  # not even that it is complete
        "under way": (b"HTTP/1.1 200 OK", seen["under way"][1]),
    }
    assert seen["under way"][1]["data"] == {"stats": {"channels": {"total": 0}}}
    assert (code, said) == (0, "")
    assert [len(processes), *map(is_running, processes)] == ([0] if workers == 1 else [2, False, False])


@on_linux
@pytest.mark.slow
def test_a_request_that_does_not_finish_in_its_time_is_cut_off(folder: Path) -> None:
    with serving(folder, "--grace-seconds", "1") as server, half_asked(server) as under_way:
        server.process.send_signal(signal.SIGTERM)
        code, said = server.ended()
        head, _, body = b"".join(iter(lambda: under_way.recv(65536), b"")).partition(b"\r\n\r\n")

    told = json.loads(body)
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 5\r\n" in head.lower()
    assert (told["error"]["code"], told["error"]["message"]) == (
        "service_unavailable",
        "The server is stopping; try again",
    )
    assert code == 0
    assert [line.partition("Z ")[2].partition(" [")[0].strip() for line in said.splitlines()] == [
        "error   Cancel 1 running task(s), timeout graceful shutdown exceeded",
    ]


@on_linux
@pytest.mark.slow
def test_a_dead_worker_is_replaced_and_orphans_leave(folder: Path) -> None:
    with serving(folder, "--workers", "2") as server:
        before = server.workers()
        os.kill(before[0], signal.SIGKILL)
        assert server.process.stderr is not None
        said = server.process.stderr.readline()
        until(lambda: len(server.workers()) == 2)
        after = server.workers()
        statuses = {server.status("/livez") for _ in range(10)}
        server.process.kill()
        until(lambda: not any(map(is_running, after)))

    assert said.endswith(f" worker {before[0]} was ended by signal 9; another takes its place\n")
    assert (before[1] in after, before[0] in after) == (True, False)
    assert statuses == {200}


# --- probes -------------------------------------------------------------------------------------------------------


def probed(path: Path, *probes: str, between: Callable[[Any], None] = lambda _: None) -> tuple[list[int], int]:
    """The statuses of some probes, and how many statements they took."""

    async def run() -> tuple[list[int], int]:
        with engine_over(path) as (engine, warehouse):
            async with client_of(engine) as client:
                answers = [(await client.get(probe)).status_code for probe in probes]
            return answers, len(warehouse.scans)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("probes", "statements"), [(["/livez"] * 9, 0), (["/readyz"] * 9, 1), (["/health", "/readyz"], 1)]
)
def test_however_many_probes_there_are_the_warehouse_is_asked_once_a_moment(
    folder: Path, probes: list[str], statements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "TRUE_FOR_S", 60)
    monkeypatch.setattr(health, "LOOK_WITHIN_S", 60)

    assert probed(folder / "fanin.duckdb", *probes) == ([200] * len(probes), statements)


def test_a_warehouse_without_any_data_is_ready_to_be_filled(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", [])

    assert probed(tmp_path / "w.duckdb", "/readyz") == ([200], 0)


class Stubborn:
    """A warehouse that does whatever it is told to when it is asked for a snapshot."""

    def __init__(self, does: Callable[[], Any]) -> None:
        self.does = does
        self.asked = 0

    def snapshot(self) -> Any:
        self.asked += 1
        return self.does()

    def close(self) -> None: ...


class Silent:
    """The snapshot of a warehouse that never answers."""

    def __init__(self, accounts: Any) -> None:
        self.accounts = accounts

    async def fetch(self, listing: Any) -> Any:
        await asyncio.Event().wait()


def away() -> Any:
    raise WarehouseUnavailable("away")


def broken() -> Any:
    raise RuntimeError("inside")


def test_a_warehouse_is_asked_again_after_a_moment_and_a_silent_one_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slow_machine = 60.0
    monkeypatch.setattr(health, "LOOK_WITHIN_S", slow_machine)
    moment = [0.0]

    async def run() -> list[bool]:
        with engine_over(folder / "fanin.duckdb") as (engine, _):
            silent = Silent(engine.warehouse.snapshot().accounts)
            warehouse = Stubborn(engine.warehouse.snapshot)
            readiness = Readiness(warehouse, clock=lambda: moment[0])
            told = await asyncio.gather(*(readiness.reads() for _ in range(5)))
            for does, within in (
                (lambda: silent, 0.01),
                (away, slow_machine),
                (broken, slow_machine),
                (engine.warehouse.snapshot, slow_machine),
            ):
                warehouse.does = does
                monkeypatch.setattr(health, "LOOK_WITHIN_S", within)
                told.append(await readiness.reads())  # what it knows is true for a moment
                moment[0] += TRUE_FOR_S
                told.append(await readiness.reads())
            assert warehouse.asked == 5
            return told

    assert asyncio.run(run()) == [True] * 5 + [True, False, False, False, False, False, False, True]
    assert [record.getMessage() for record in caplog.records] == ["the warehouse could not be asked whether it answers"]


# --- proxies ------------------------------------------------------------------------------------------------------


def counted(path: Path, manners: Manners, *forwarded_for: str) -> list[int]:
    """The statuses of requests, one per minute and address, that came by a proxy on this machine."""

    async def run() -> list[int]:
        with engine_over(path) as (engine, _):
            app = create_app(engine, ServerSettings(open_limit=1))
            async with served(server_config(app, manners)) as address, httpx.AsyncClient() as http:
                return [
                    (
                        await http.get(
                            f"http://{address}/api/v1/stats/os?account_id=acme", headers={"X-Forwarded-For": word}
                        )
                    ).status_code
                    for word in forwarded_for
                ]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("proxies", "forwarded_for", "statuses"),
    [
        ((), ("192.0.2.1", "192.0.2.2"), [200, 429]),  # anyone could say so
        (("127.0.0.0/8",), ("192.0.2.1", "192.0.2.2", "192.0.2.1"), [200, 200, 429]),
        (("127.0.0.1", "::1"), ("192.0.2.1, 192.0.2.9", "192.0.2.2, 192.0.2.9"), [200, 429]),  # the last one's word
        (("10.0.0.0/8",), ("192.0.2.1", "192.0.2.2"), [200, 429]),
    ],
)
def test_only_a_trusted_proxy_is_believed_whom_it_forwards_for(
    folder: Path, proxies: tuple[str, ...], forwarded_for: tuple[str, ...], statuses: list[int]
) -> None:
    assert counted(folder / "fanin.duckdb", Manners(trusted_proxies=proxies), *forwarded_for) == statuses


def test_proxies_are_addresses_and_networks() -> None:
    assert read_proxies(" 10.0.0.0/8, ::1,10.0.0.0/8,") == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize("text", ["*", "nginx", "10.0.0.1/8", "10.0.0.0/33"])
def test_what_is_no_address_is_no_proxy(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_proxies(text)

    assert refused.value.message == f"FANIN_TRUSTED_PROXIES: '{text}' is no address or network such as 10.0.0.0/8"
