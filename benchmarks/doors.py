"""The way above the warehouse: what telling kept answers costs, and how much of a server's time is left for it.

Costs are those of the process that serves; whoever asks over a socket is a process of its own.  ``python -m benchmarks.doors``
prints this part of the page alone.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fanin.app import create_app
from fanin.resolvers.cache import AnswerCache
from fanin.schema.engine import Engine
from fanin.server.serving import Server, server_config
from fanin.warehouse.manifest import read_manifest

from .batch_server import create_server
from .data import make_account
from .exchange import Request, exchanged
from .graphql_execution import document_of_reports
from .plain_statements import PlainStatements
from .reports import ACCOUNT, CUBE, KEPT, NOW, REPORTS, ROOM_BYTES, SERVER, Case, _warehouse, _warm
from .rounds import Contestant, Taken, medians

CASE = Case(30, filtered=False)
CONNECTIONS = 4
STATIC = "the same bytes, static"
TARGET_WARM, TARGET_GRAPHQL, TARGET_UNCHANGED, TARGET_BUSY = 0.025, 0.05, 0.5, 3


@dataclass(frozen=True, slots=True)
class Served:
    """One way of being asked over a socket; ``of`` is what it is compared with."""

    name: str
    of: str
    answer_bytes: int
    per_second: float
    cpu_ms: float  # of the server, for one


@dataclass(frozen=True, slots=True)
class DoorFigures:
    page_views: int
    rounds: int
    requests: int  # per round, over sockets
    batch: dict[str, Taken]
    served: list[Served]
    quiet_ms: float
    busy_ms: float
    megabytes: dict[int, float]  # by requests answered; empty where it cannot be measured


def measure_doors(folder: Path, page_views: int, rounds: int, requests: int, mixed: int) -> DoorFigures:
    """Over sockets ``requests`` a round of each kind; ``mixed`` are those after which memory is looked at."""
    path = folder / "doors.duckdb"
    make_account(path, ACCOUNT, NOW.date(), page_views)
    with asyncio.Runner(loop_factory=server_config(None).get_loop_factory()) as runner:
        batch, served, quiet_ms, busy_ms = runner.run(_measure(path, rounds, requests))
    return DoorFigures(page_views, rounds, requests, batch, served, quiet_ms, busy_ms, _megabytes(path, mixed))


async def _measure(path: Path, rounds: int, requests: int) -> tuple[dict[str, Taken], list[Served], float, float]:
    plain = PlainStatements(read_manifest(path).entries[ACCOUNT].file)
    kept = Engine(_warehouse(path, ROOM_BYTES), clock=lambda: NOW, cache=AnswerCache(ROOM_BYTES))
    cube = Engine(_warehouse(path, ROOM_BYTES), clock=lambda: NOW)
    await _warm(kept, cube)
    batch = await medians(
        {
            SERVER: _asking(create_server(plain), BATCH),
            CUBE: _asking(create_app(cube), BATCH),
            KEPT: _asking(create_app(kept), BATCH),
        },
        rounds,
    )
    served = await _served(create_app(kept), rounds, requests)
    quiet_ms, busy_ms = await _busy(create_app(cube), create_app(kept), max(rounds // 3, 1))
    kept.warehouse.close()
    cube.warehouse.close()
    plain.close()
    return batch, served, quiet_ms, busy_ms


def _batch_request() -> Request:
    start, end = (day.isoformat() for day in CASE.window)
    params = {"account_id": ACCOUNT, "start_date": start, "end_date": end}
    queries = [{"id": endpoint.name, "endpoint": endpoint.path, "params": params} for endpoint in REPORTS]
    return Request("POST", "/api/v1/batch", body=orjson.dumps({"queries": queries}))


BATCH = _batch_request()
POSTED = Request("POST", "/graphql", body=orjson.dumps({"query": document_of_reports()}))
REPORT = Request("GET", "/api/v1/stats/sources", f"account_id={ACCOUNT}&period=30d".encode())


def _asking(app: ASGIApp, request: Request) -> Contestant:
    async def ask() -> None:
        response = await exchanged(app, request)
        if response.status != 200:
            raise SystemExit(f"{request.path} failed: {response.status} {response.body[:300]!r}")

    return ask


# --- over sockets -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _serving(app: Any) -> AsyncIterator[int]:
    """The port of a server in this process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def _loaded(port: int, request: Request, requests: int, connections: int = CONNECTIONS) -> tuple[float, float]:
    """Seconds for all of them and the median of one in milliseconds, as ``load`` tells them."""
    command = (sys.executable, "-m", "benchmarks.load", str(port), str(requests), str(connections))
    here = Path(__file__).parent.parent
    asking = await asyncio.create_subprocess_exec(
        *command, cwd=here, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asking.communicate(request.text)
    if asking.returncode:
        raise SystemExit(f"asking for {request.path} failed")
    seconds, median_ms = map(float, told.split())
    return seconds, median_ms


async def _served(app: Starlette, rounds: int, requests: int) -> list[Served]:
    by_hash = await _registered(app)
    whole = {
        "batch of 16, POST": BATCH,
        "GraphQL, 16 reports, POST": POSTED,
        "GraphQL, 16 reports, GET": by_hash,
        "one report, GET": REPORT,
    }
    answers = {name: await exchanged(app, request) for name, request in whole.items()}
    asked = dict(whole)
    for name in ("GraphQL, 16 reports, GET", "one report, GET"):
        held = answers[name].headers[b"etag"]
        asked[f"{name}, unchanged"] = whole[name].with_headers((b"if-none-match", held))
    bodies = {name: answers[name.removesuffix(", unchanged")].body for name in asked}
    taken: dict[str, list[tuple[float, float]]] = {}
    async with _serving(app) as port, _serving(_static(answers)) as static_port:
        for count in range(rounds + 1):
            for name, request in asked.items():
                plain = Request("GET", f"/{list(whole).index(name.removesuffix(', unchanged'))}")
                for way, told in ((name, await _timed(port, request, requests)), (f"{STATIC}: {name}", None)):
                    figures = told or await _timed(static_port, plain, requests)
                    if count:
                        taken.setdefault(way, []).append(figures)
    return [
        Served(name, f"{STATIC}: {name.removesuffix(', unchanged')}", len(bodies[name]), *_medians(taken[name]))
        for name in asked
    ] + [Served(f"{STATIC}: {name}", "", len(bodies[name]), *_medians(taken[f"{STATIC}: {name}"])) for name in whole]


async def _timed(port: int, request: Request, requests: int) -> tuple[float, float]:
    """Requests per second, and this process's milliseconds for one."""
    cpu = time.process_time()
    seconds, _ = await _loaded(port, request, requests)
    return requests / seconds, (time.process_time() - cpu) * 1000 / requests


def _medians(taken: list[tuple[float, float]]) -> tuple[float, float]:
    per_second, cpu_ms = zip(*taken, strict=True)
    return median(per_second), median(cpu_ms)


async def _registered(app: Starlette) -> Request:
    """The GET that names the document by its hash, which the server knows from now on."""
    digest = sha256(document_of_reports().encode()).hexdigest()
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
    body = orjson.dumps({"query": document_of_reports(), "extensions": extensions})
    await exchanged(app, Request("POST", "/graphql", body=body))
    return Request("GET", "/graphql", urlencode({"extensions": orjson.dumps(extensions).decode()}).encode())


def _static(answers: Mapping[str, Any]) -> Starlette:
    """What is left of a server that only sends bytes."""

    def sending(body: bytes) -> Any:
        async def send(request: Any) -> Response:
            return Response(body, media_type="application/json")

        return send

    return Starlette(routes=[Route(f"/{place}", sending(answer.body)) for place, answer in enumerate(answers.values())])


async def _busy(cube: Starlette, kept: Starlette, rounds: int) -> tuple[float, float]:
    """The median of a batch that has to be computed: alone, and beside a client that asks for kept ones without a pause."""

    async def both(scope: Any, receive: Any, send: Any) -> None:
        beside = scope["path"].startswith("/beside")
        inner = {**scope, "path": scope["path"].removeprefix("/beside")} if beside else scope
        await (kept if beside else cube)(inner, receive, send)

    beside = Request("POST", f"/beside{BATCH.path}", body=BATCH.body)
    quiet: list[float] = []
    busy: list[float] = []
    async with _serving(both) as port:
        for _ in range(rounds):
            quiet.append((await _loaded(port, BATCH, 30, 1))[1])
            crowd = asyncio.create_task(_crowd(port, beside))
            await asyncio.sleep(1)
            busy.append((await _loaded(port, BATCH, 30, 1))[1])
            crowd.cancel()
            await asyncio.wait([crowd])
    return median(quiet), median(busy)


async def _crowd(port: int, request: Request) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    try:
        while True:
            writer.write(request.text)
            _, _, length = (await reader.readuntil(b"\r\n\r\n")).lower().partition(b"content-length:")
            await reader.readexactly(int(length.partition(b"\r\n")[0]))
    finally:
        writer.close()


def _megabytes(path: Path, mixed: int) -> dict[int, float]:
    if not Path("/proc/self/statm").exists():
        return {}
    command = (sys.executable, "-m", "benchmarks.memory", str(path), str(mixed))
    told = subprocess.run(command, cwd=Path(__file__).parent.parent, check=True, capture_output=True, text=True)
    return {int(number): float(size) for number, size in (line.split() for line in told.stdout.splitlines())}


# --- told ---------------------------------------------------------------------------------------------------------


def doors_section(figures: DoorFigures) -> list[str]:
    server = figures.batch[SERVER]
    by_name = {row.name: row for row in figures.served}
    return [
        "## Above the warehouse",
        "",
        f"An account of {figures.page_views:,} page views, 16 reports of {CASE.name}.  In process, between the server's "
        f"hands and the application: no socket, and no client whose reading is counted.  Medians of {figures.rounds} "
        f"rounds in turn.  Target of kept answers: at most {TARGET_WARM} of the hand-written server.",
        "",
        "| | wall | ratio | CPU | ratio |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {taken.wall_ms:.2f} ms | {taken.wall_ms / server.wall_ms:.4f} "
            f"| {taken.cpu_ms:.2f} ms | {taken.cpu_ms / server.cpu_ms:.4f} |"
            for name, taken in figures.batch.items()
        ),
        "",
        f"Over sockets: {figures.requests} requests a round on {CONNECTIONS} connections, asked by another process; CPU is the "
        f"server's.  Ratios are to a static response of the same bytes.  Targets: at least {TARGET_GRAPHQL} through GraphQL, "
        f"at least {TARGET_UNCHANGED} for an unchanged GET.",
        "",
        "| | bytes of the answer | requests/s | ratio | CPU | ratio of CPU |",
        "|---|---:|---:|---:|---:|---:|",
        *(_served_row(row, by_name.get(row.of)) for row in figures.served),
        "",
        f"A batch that has to be computed takes {figures.quiet_ms:.1f} ms (p50) alone and {figures.busy_ms:.1f} ms beside a client "
        f"that asks for kept ones without a pause: {figures.busy_ms / figures.quiet_ms:.2f}.  Target: at most {TARGET_BUSY}.",
        "",
        *_memory(figures.megabytes),
    ]


def _served_row(row: Served, static: Served | None) -> str:
    told = f"| {row.name} | {row.answer_bytes:,} | {row.per_second:,.0f} |"
    if static is None:
        return f"{told} 1.000 | {row.cpu_ms:.3f} ms | 1.0 |"
    ratio, cpu_ratio = row.per_second / static.per_second, row.cpu_ms / static.cpu_ms
    return f"{told} {ratio:.3f} | {row.cpu_ms:.3f} ms | {cpu_ratio:.1f} |"


def _memory(megabytes: Mapping[int, float]) -> list[str]:
    if not megabytes:
        return []
    told = ", ".join(f"{size:,.0f} MB after {number:,}" for number, size in megabytes.items())
    return [f"Resident memory with the room a server has by itself, mixed requests: {told}.", ""]


def main() -> None:
    rounds, requests, mixed = (int(os.environ.get(name, told)) for name, told in _SIZES.items())
    with TemporaryDirectory(prefix="fanin-bench-") as folder:
        figures = measure_doors(Path(folder), 1_000_000, rounds, requests, mixed)
    sys.stdout.write("\n".join([*doors_section(figures), ""]))


_SIZES = {"ROUNDS": "9", "REQUESTS": "300", "MIXED": "10000"}

if __name__ == "__main__":
    main()
