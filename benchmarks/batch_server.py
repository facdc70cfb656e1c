"""What one would write by hand in an afternoon: a batch server that runs a statement per query, several at a time.

It reads the same batch requests and answers with rows in the same envelope.  It does less: no totals, no counts of rows,
no checks, no dependencies between queries, no deadlines, no limits.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fanin.catalog.endpoints import ENDPOINTS_BY_PATH

from .plain_statements import PlainStatements

THREADS = 4  # more were no faster


def create_server(statements: PlainStatements) -> Starlette:
    threads = ThreadPoolExecutor(THREADS)

    async def batch(request: Request) -> Response:
        queries = orjson.loads(await request.body())["queries"]
        loop = asyncio.get_running_loop()
        told = await asyncio.gather(*(loop.run_in_executor(threads, _answer, statements, query) for query in queries))
        results = {query["id"]: {"status": "success", "data": rows} for query, rows in zip(queries, told, strict=True)}
        meta = {"total_queries": len(queries), "successful": len(queries), "failed": 0, "skipped": 0}
        body = {"status": "completed", "results": results, "meta": meta}
        return Response(orjson.dumps(body, default=_plain), media_type="application/json")

    return Starlette(routes=[Route("/api/v1/batch", batch, methods=["POST"])])


def _answer(statements: PlainStatements, query: dict[str, Any]) -> dict[str, Any]:
    params = query["params"]
    window = date.fromisoformat(params["start_date"]), date.fromisoformat(params["end_date"])
    names, rows = statements.run(
        ENDPOINTS_BY_PATH[query["endpoint"]].name, window, params.get("country"), params.get("device")
    )
    return {"data": [dict(zip(names, row, strict=True)) for row in rows], "page": 1}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError
