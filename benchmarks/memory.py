"""What a process holds after many requests of all kinds, most of which it has not seen before.

``python -m benchmarks.memory FILE REQUESTS`` answers them in a process of its own with the room a server has unless told
otherwise, and prints requests and megabytes now and then.  It needs ``/proc``, so it measures on Linux.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import orjson

from fanin.app import create_app
from fanin.catalog.periods import PERIODS
from fanin.resolvers.cache import AnswerCache
from fanin.schema.engine import Engine
from fanin.warehouse.duckdb_reading import DuckDBWarehouse

from .exchange import Request, exchanged
from .reports import ACCOUNT, NOW, REPORTS

CACHE_BYTES, CUBE_BYTES, BLOCK_BYTES = 64_000_000, 96_000_000, 40_000_000
STATM = Path("/proc/self/statm")
PAGE_MB = 4_096 / 1e6


async def main(path: Path, requests: int) -> None:
    warehouse = DuckDBWarehouse(path, cube_bytes=CUBE_BYTES, block_bytes=BLOCK_BYTES)
    app = create_app(Engine(warehouse, clock=lambda: NOW, cache=AnswerCache(CACHE_BYTES)))
    marks = {0, requests // 5, requests}
    for number, request in enumerate(mixed(requests)):
        if number in marks:
            _tell(number)
        await exchanged(app, request)
    _tell(requests)
    warehouse.close()


def _tell(number: int) -> None:
    sys.stdout.write(f"{number} {int(STATM.read_text().split()[1]) * PAGE_MB:.1f}\n")


def mixed(count: int) -> Iterator[Request]:
    """Batches, single reports, GraphQL by POST and GET, and requests that are refused; the same for the same count."""
    random = Random(1)
    for _ in range(count):
        yield random.choice((_batch, _get, _get, _graphql, _graphql_get, _refused))(random)


def _params(random: Random) -> dict[str, str]:
    start = NOW.date() - timedelta(days=random.randrange(1, 360))
    chosen: list[dict[str, str]] = [
        {"period": random.choice(list(PERIODS))},
        {"start_date": start.isoformat(), "end_date": NOW.date().isoformat()},
        {"period": "30d", "country": chr(65 + random.randrange(3)) + "A"},
    ]
    return {"account_id": ACCOUNT, **random.choice(chosen)}


def _batch(random: Random) -> Request:
    params = _params(random)
    asked = random.sample(REPORTS, random.randrange(1, 8))
    queries = [{"id": endpoint.name, "endpoint": endpoint.path, "params": params} for endpoint in asked]
    return Request("POST", "/api/v1/batch", body=orjson.dumps({"queries": queries}))


def _get(random: Random) -> Request:
    endpoint = random.choice(REPORTS)
    return Request("GET", f"/api/v1{endpoint.path}", urlencode(_params(random)).encode())


def _document(random: Random) -> str:
    fields = random.sample(("entrances", "pageViews", "conversions", "revenue", "bounceRate"), random.randrange(1, 5))
    report = random.choice(("sources", "countries", "campaigns"))
    size, days = random.randrange(1, 100), random.choice(("7d", "30d", "90d"))
    rows = f"rows {{ {' '.join(fields)} }}"
    return f'{{ stats(accountId: "{ACCOUNT}", period: "{days}") {{ {report}(pageSize: {size}) {{ {rows} }} }} }}'


def _graphql(random: Random) -> Request:
    return Request("POST", "/graphql", body=orjson.dumps({"query": _document(random)}))


def _graphql_get(random: Random) -> Request:
    return Request("GET", "/graphql", urlencode({"query": _document(random)}).encode())


def _refused(random: Random) -> Request:
    body = {"queries": [{"id": f"q{random.random()}", "endpoint": "/stats/nothing", "params": {}}]}
    return Request("POST", "/api/v1/batch", body=orjson.dumps(body))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
