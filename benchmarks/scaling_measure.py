"""Measuring what the model of scaling needs: sizes on disk and in memory, and the processor's time of real servers.

Time is that of the server's process alone, as Linux counts it, so that neither the client nor a busy machine is in it.
"""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import duckdb
import orjson

from fanin.catalog.dimensions import Table
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Window
from fanin.catalog.query import Scope, ask
from fanin.ingest.importing import import_log
from fanin.ingest.site_rules import read_site_rules
from fanin.resolvers.cache import AnswerCache, size_of
from fanin.resolvers.written_answers import key_of, write
from fanin.schema.engine import Engine
from fanin.tests.processes import Served, serving
from fanin.tests.redis_servers import redis_server
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.manifest import read_manifest
from fanin.warehouse.rollups import by_day, by_month

from .data import DAYS, make_account
from .import_speed import SAMPLES, SHOP
from .scaling_model import WINDOW_DAYS, Constants, Measured, Way

LAST_DAY = date(2026, 3, 18)
WINDOW = Window(LAST_DAY - timedelta(days=WINDOW_DAYS - 1), LAST_DAY)
REPORTS = [endpoint for endpoint in ENDPOINTS.values() if endpoint.on_the_page]
SPENT_S = 1.0  # of the server's time on each way, or so many requests
MOST_REQUESTS = 150
ROOM_MB = "2000"
FACT_TABLES = ("sessions", "page_views", "goals")

# What each way is: the server's room for answers, roll-ups and rows in megabytes, and whether the question is filtered.
WAYS: dict[Way, tuple[str, str, str, bool]] = {
    Way.KEPT: ("64", "0", "0", False),
    Way.FOUND: ("0", "0", "0", False),
    Way.CUBE: ("0", ROOM_MB, "0", False),
    Way.ROLLUP: ("0", "0", "0", False),
    Way.BLOCK: ("0", "0", ROOM_MB, True),
    Way.FACTS: ("0", "0", "0", True),
}


def measure(page_views: list[int]) -> Constants:
    """Everything, over accounts of so many page views, small to large.  Takes minutes."""
    with tempfile.TemporaryDirectory(prefix="fanin-scaling-") as name, ExitStack() as running:
        folder = Path(name)
        store = running.enter_context(redis_server(folder))
        for number, views in enumerate(page_views):
            make_account(folder / "fanin.duckdb", _account(number), LAST_DAY, views)
        taken = {way: _taken(folder, way, len(page_views), store) for way in Way}
        accounts = [_account_measured(folder, number, taken) for number in range(len(page_views))]
        kept, stored = asyncio.run(_answer_bytes(folder))
        events = _events_per_session(folder, len(page_views) - 1)
        speed, line_bytes = _imported(folder)
        with serving(folder, environment=_room(Way.KEPT)) as server:
            process_bytes = _resident(server)
            kept_get = _get_ms(server)
        return Constants(
            where=_where(),
            days=DAYS,
            events_per_session=events,
            accounts=accounts,
            kept_get_ms=kept_get,
            answer_bytes=kept,
            stored_bytes=stored,
            process_bytes=process_bytes,
            import_lines_per_cpu_s=speed,
            line_bytes=line_bytes,
        )


def _where() -> str:
    return f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _account(number: int) -> str:
    return f"account-{number}"


# --- on disk and in memory ----------------------------------------------------------------------------------------


def _account_measured(folder: Path, number: int, taken: dict[Way, list[float]]) -> Measured:
    file = read_manifest(folder / "fanin.duckdb").entries[_account(number)].file
    with duckdb.connect(str(file), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        blocks = {name: _blocks(connection, name) for name in names}
        (sessions,) = connection.execute("SELECT count(*) FROM sessions").fetchone() or (0,)
        rolled = ["combinations", *(name(table) for table in Table for name in (by_day, by_month))]
        rows = sum((connection.execute(f"SELECT count(*) FROM {name}").fetchone() or (0,))[0] for name in rolled)
        between = [(day - date(1970, 1, 1)).days for day in (WINDOW.start, WINDOW.end)]
        (window,) = connection.execute(
            "SELECT count(*) FROM sessions WHERE day BETWEEN ? AND ?", between
        ).fetchone() or (0,)
    cubes, held_rows = asyncio.run(_held(folder, number))
    return Measured(
        sessions=sessions,
        sessions_per_day=sessions / DAYS,
        file_bytes=file.stat().st_size,
        facts_bytes=sum(blocks[name] for name in FACT_TABLES),
        rollup_bytes=sum(blocks[name] for name in rolled),
        rollup_rows=rows,
        cube_bytes=cubes,
        block_bytes=held_rows,
        window_sessions=window,
        cpu_ms={way.value: taken[way][number] for way in Way},
    )


def _blocks(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Bytes of the blocks that a table lies in; a block may hold several columns."""
    ((count,),) = connection.execute(
        "SELECT count(DISTINCT block_id) FROM pragma_storage_info(?) WHERE block_id >= 0", [table]
    ).fetchall()
    ((size,),) = connection.execute("SELECT block_size FROM pragma_database_size() LIMIT 1").fetchall()
    return count * size


async def _held(folder: Path, number: int) -> tuple[int, int]:
    """Bytes of an account's roll-ups in memory, and of the rows of its window."""
    room = int(ROOM_MB) * 1_000_000
    warehouse = DuckDBWarehouse(folder / "fanin.duckdb", cube_bytes=room, block_bytes=room)
    engine = Engine(warehouse)
    try:
        for filtered in (False, True):
            for _ in range(4):
                await _asked(engine, _scope(number, filtered=filtered))
                await asyncio.to_thread(warehouse.cubes.settle)
                await asyncio.to_thread(warehouse.blocks.settle)
        return warehouse.cubes.size_bytes, warehouse.blocks.size_bytes
    finally:
        warehouse.close()


def _scope(number: int, *, filtered: bool) -> Scope:
    spain = (make_filter("country", "eq", ["AB"]),) if filtered else ()
    return Scope(_account(number), WINDOW, filters=spain)


async def _asked(engine: Engine, scope: Scope) -> list[Any]:
    async with engine.request() as context:
        return list(await asyncio.gather(*(context.loader.load(ask(scope, report.name)) for report in REPORTS)))


async def _answer_bytes(folder: Path) -> tuple[int, int]:
    """Sixteen answers, as a process keeps them and as they are stored for others."""
    warehouse = DuckDBWarehouse(folder / "fanin.duckdb")
    try:
        scope = _scope(1, filtered=False)
        answers = await _asked(Engine(warehouse, cache=AnswerCache(0)), scope)
        account = warehouse.snapshot().accounts[scope.account]
        keys = [key_of(ask(scope, report.name), account) for report in REPORTS]
        stored = [write(key, answer) or b"" for key, answer in zip(keys, answers, strict=True)]
        return sum(map(size_of, answers)), sum(map(len, stored))
    finally:
        warehouse.close()


def _events_per_session(folder: Path, number: int) -> float:
    file = read_manifest(folder / "fanin.duckdb").entries[_account(number)].file
    with duckdb.connect(str(file), read_only=True) as connection:
        counts = [(connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,))[0] for table in FACT_TABLES]
    return (counts[1] + counts[2]) / counts[0]


# --- the processor's time -----------------------------------------------------------------------------------------


def _room(way: Way, store: str = "") -> dict[str, str]:
    answers, cubes, blocks, _ = WAYS[way]
    room = {"FANIN_CACHE_MB": answers, "FANIN_CUBE_MB": cubes, "FANIN_BLOCK_MB": blocks}
    return room | ({"FANIN_CACHE_STORE": store} if way is Way.FOUND else {})


def _taken(folder: Path, way: Way, accounts: int, store: str) -> list[float]:
    """Milliseconds of a server's time for one dashboard of each account."""
    with serving(folder, environment=_room(way, store)) as server, _connected(server) as connection:
        return [_dashboard_ms(server, connection, _dashboard(number, way)) for number in range(accounts)]


def _dashboard(number: int, way: Way) -> bytes:
    params = {
        "account_id": _account(number),
        "start_date": str(WINDOW.start),
        "end_date": str(WINDOW.end),
        **({"country": "AB"} if WAYS[way][3] else {}),
    }
    queries = [{"id": report.name, "endpoint": report.path, "params": params} for report in REPORTS]
    return orjson.dumps({"queries": queries, "options": {"parallel_limit": 10}})


def _dashboard_ms(server: Served, connection: HTTPConnection, body: bytes) -> float:
    for _ in range(6):  # what is held is built beside the first answers
        _post(connection, body)
        time.sleep(0.3)
    before, requests = _cpu_s(server), 0
    while requests < MOST_REQUESTS and _cpu_s(server) - before < SPENT_S:
        for _ in range(5):
            _post(connection, body)
        requests += 5
    return (_cpu_s(server) - before) * 1_000 / requests


def _get_ms(server: Served) -> float:
    path = f"/api/v1/stats/channels?account_id={_account(1)}&start_date={WINDOW.start}&end_date={WINDOW.end}"
    with _connected(server) as connection:
        for _ in range(20):
            _get(connection, path)
        before = _cpu_s(server)
        for _ in range(1_000):
            _get(connection, path)
        return _cpu_s(server) - before  # seconds of a thousand are milliseconds of one


@contextmanager
def _connected(server: Served) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        yield connection
    finally:
        connection.close()


def _post(connection: HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/api/v1/batch", body, {"Content-Type": "application/json"})
    answer = connection.getresponse().read()
    assert orjson.loads(answer)["status"] == "completed"


def _get(connection: HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    response = connection.getresponse()
    assert (response.status, bool(response.read())) == (200, True)


def _cpu_s(server: Served) -> float:
    """All threads of the process, in seconds."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(server: Served) -> int:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _imported(folder: Path) -> tuple[float, float]:
    """Lines of a log that a second of the processor brings into a warehouse, and bytes that it remembers of each."""
    log = folder / "shop.log.gz"
    log.write_bytes(SHOP.read_bytes() * 2)
    began = time.process_time()
    summary = import_log([log], "shop", folder / "import.duckdb", read_site_rules(SAMPLES / "shop.toml"))
    speed = summary.lines / (time.process_time() - began)
    file = read_manifest(folder / "import.duckdb").entries["shop"].file
    with duckdb.connect(str(file), read_only=True) as connection:
        (known,) = connection.execute("SELECT count(*) FROM lines").fetchone() or (1,)
        return speed, _blocks(connection, "lines") / known
