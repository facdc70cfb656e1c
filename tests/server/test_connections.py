"""Connections over real sockets: slow and oversized heads, slow bodies, slow readers, and more of them than are wanted."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fanin.app import create_app
from fanin.catalog.limits import LOAD_LIMITS, defaults_of
from fanin.server.connections import bounded_protocol
from fanin.server.settings import ServerSettings
from fanin.tests.facts import engine_over, visit, write
from fanin.tests.served import served

Head = tuple[int, dict[str, str]]
SOON_S = 10.0  # a bound for the test itself

both_parsers = pytest.mark.parametrize("parser", [HttpToolsProtocol, H11Protocol])


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", f"/{number:04}" * 20) for number in range(3_000)])
    return path


class Line:
    """One connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def get(self, address: str = "/livez", **headers: str) -> Head:
        lines = [f"GET {address} HTTP/1.1", "Host: localhost", *(f"{name}: {text}" for name, text in headers.items())]
        await self.send("\r\n".join([*lines, "", ""]).encode())
        return await self.head()

    async def head(self) -> Head:
        """Status and headers of the next answer, whose body is read into ``body``."""
        text = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), SOON_S)).decode()
        first, *others = text.splitlines()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in others if line)}
        self.body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers

    async def is_closed(self) -> bool:
        """Waits for the other side to end it, by whatever means."""
        with suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(), SOON_S) == b""
        return True


@asynccontextmanager
async def serving(path: Path, parser: Any = HttpToolsProtocol, **limits: int) -> AsyncIterator[Any]:
    """Gives a function that connects, and the application."""
    load = defaults_of(LOAD_LIMITS) | limits
    lines: list[Line] = []
    with engine_over(path) as (engine, _):
        app = create_app(engine, ServerSettings(load=load))
        async with served(
            app, http=bounded_protocol(load, parser), timeout_keep_alive=load["idle_ms"] / 1000
        ) as address:
            host, port = address.split(":")

            async def connect() -> Line:
                lines.append(Line(*await asyncio.open_connection(host, int(port), limit=2**26)))
                return lines[-1]

            try:
                yield connect, app
            finally:
                for line in lines:
                    line.writer.transport.abort()


def told(story: Callable[..., Awaitable[Any]], path: Path, **limits: Any) -> Any:
    async def run() -> Any:
        async with serving(path, **limits) as (connect, app):
            return await story(connect, app)

    return asyncio.run(run())


ASK = b'{"queries":[{"id":"q","endpoint":"/stats/overview","params":{"account_id":"acme"}}]}'
POST = b"POST /api/v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


@both_parsers
def test_a_head_that_does_not_come_in_time_ends_the_connection_and_none_that_has_come(
    warehouse_file: Path, parser: Any
) -> None:
    async def story(connect: Any, _: Any) -> list[Any]:
        silent, dripping, whole = await connect(), await connect(), await connect()
        await dripping.send(b"GET /livez HTTP/1.1\r\nHost: loc")
        first = await whole.get()
        again = await whole.get()
        return [await silent.is_closed(), await dripping.is_closed(), first[0], again[0]]

    assert told(story, warehouse_file, parser=parser, head_ms=300) == [True, True, 200, 200]


@both_parsers
@pytest.mark.parametrize("pieces", [1, 40])
def test_a_head_over_its_size_is_431_before_anything_is_made_of_it(
    warehouse_file: Path, parser: Any, pieces: int
) -> None:
    async def story(connect: Any, _: Any) -> tuple[int, bool]:
        line = await connect()
        await line.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
        for number in range(pieces):
            await line.send(b"X-%d: %s\r\n" % (number, b"x" * (20_000 // pieces)))
            await asyncio.sleep(0)  # the server reads meanwhile
        status, _ = await line.head()
        return status, await line.is_closed()

    assert told(story, warehouse_file, parser=parser, max_head_bytes=10_000) == (431, True)


@both_parsers
def test_heads_within_their_size_are_read_however_many_and_bodies_are_no_heads(
    warehouse_file: Path, parser: Any
) -> None:
    async def story(connect: Any, _: Any) -> list[int]:
        line = await connect()
        statuses = [(await line.get(**{"X-Long": "x" * 6_000}))[0] for _ in range(3)]
        body = ASK + b" " * 50_000
        await line.send(POST % len(body) + body)
        return [*statuses, (await line.head())[0]]

    assert told(story, warehouse_file, parser=parser, max_head_bytes=10_000) == [200, 200, 200, 200]


@both_parsers
def test_a_body_that_does_not_come_in_time_is_408_and_the_connection_ends(warehouse_file: Path, parser: Any) -> None:
    async def story(connect: Any, app: Any) -> Any:
        line = await connect()
        await line.send(POST % len(ASK) + ASK[:10])
        status, headers = await line.head()
        return status, headers["connection"], json.loads(line.body)["error"], await line.is_closed()

    error = {"code": "request_timeout", "message": "The body did not come within 300 ms"}
    assert told(story, warehouse_file, parser=parser, body_ms=300) == (408, "close", error, True)


def test_a_slow_body_of_graphql_is_408_in_its_own_words(warehouse_file: Path) -> None:
    async def story(connect: Any, app: Any) -> Any:
        line = await connect()
        await line.send(
            b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )
        status, _ = await line.head()
        return status, json.loads(line.body)["errors"][0]["extensions"]["code"]

    assert told(story, warehouse_file, body_ms=300) == (408, "request_timeout")


@both_parsers
def test_a_body_over_its_size_is_413_and_what_follows_of_it_is_not_read(warehouse_file: Path, parser: Any) -> None:
    async def story(connect: Any, app: Any) -> Any:
        declared, chunked = await connect(), await connect()
        await declared.send(POST % 2_000_000)
        await chunked.send(b"POST /api/v1/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            await chunked.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        await chunked.send(b"0\r\n\r\n")
        heads = [await declared.head(), await chunked.head()]
        return [status for status, _ in heads], await declared.is_closed(), (await chunked.get())[0]

    assert told(story, warehouse_file, parser=parser, idle_ms=300) == ([413, 413], True, 200)


@both_parsers
def test_what_is_sent_on_and_on_after_an_answer_ends_the_connection(warehouse_file: Path, parser: Any) -> None:
    async def story(connect: Any, app: Any) -> Any:
        line = await connect()
        await line.send(POST % 100_000_000)
        status, _ = await line.head()
        for _ in range(100):
            await line.send(b" " * 65_536)
        return status, await line.is_closed()

    assert told(story, warehouse_file, parser=parser, idle_ms=300) == (413, True)


PAGES = b"""{"queries":[%s]}""" % b",".join(
    b'{"id":"q%d","endpoint":"/stats/pages","params":{"account_id":"acme","page_size":1000,"page":%d}}'
    % (number, number % 3 + 1)
    for number in range(50)
)  # an answer of several megabytes


@both_parsers
def test_a_client_that_takes_nothing_of_its_answer_is_cut_off_and_one_that_takes_it_is_not(
    warehouse_file: Path, parser: Any
) -> None:
    async def story(connect: Any, _: Any) -> int:
        stuck, taking = await connect(), await connect()
        stuck.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        stuck.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await stuck.send(POST % len(PAGES) + PAGES)
        await taking.send(POST % len(PAGES) + PAGES)
        status, _ = await taking.head()
        await asyncio.sleep(1.0)  # more than twice what it may take nothing for
        stuck.reader._transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises(asyncio.IncompleteReadError):
            await stuck.head()
        return status

    assert told(story, warehouse_file, parser=parser, write_ms=400) == 200


def test_beyond_the_connections_wanted_an_idle_one_is_ended_for_the_next(warehouse_file: Path) -> None:
    async def story(connect: Any, _: Any) -> list[Any]:
        first, second = await connect(), await connect()
        told = [(await line.get())[0] for line in (first, second)]
        third = await connect()
        told.append((await third.get("/api/v1/stats/overview?account_id=acme"))[0])
        return [*told, await first.is_closed(), (await second.get())[0]]

    assert told(story, warehouse_file, max_connections=2) == [200, 200, 200, True, 200]


def test_one_connection_too_many_hears_503_and_is_ended_but_probes_are_answered(warehouse_file: Path) -> None:
    async def story(connect: Any, _: Any) -> Any:
        busy = await connect()
        await busy.send(POST % len(ASK))  # its body does not come
        extra, probing = await connect(), await connect()
        status, headers = await extra.get("/api/v1/stats/overview?account_id=acme")
        code = json.loads(extra.body)["error"]["code"]
        return status, code, headers["retry-after"], await extra.is_closed(), (await probing.get("/readyz"))[0]

    assert told(story, warehouse_file, max_connections=1) == (503, "service_unavailable", "5", True, 200)


def test_a_connection_is_kept_between_requests_and_ended_when_it_is_idle(warehouse_file: Path) -> None:
    async def story(connect: Any, _: Any) -> list[Any]:
        line = await connect()
        return [(await line.get())[0], (await line.get())[0], await line.is_closed()]

    assert told(story, warehouse_file, idle_ms=200) == [200, 200, True]
