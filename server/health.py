"""Probes: is the process alive, can it answer.  Unlimited, at the host's root."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..catalog.errors import StatsError
from ..rest_compat.responses import JSONResponse
from ..schema.engine import Engine
from ..schema.reading import present_reader
from ..warehouse.store import ReportWarehouse


def health_routes(engine: Engine) -> list[Route]:
    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        """Whether the warehouse can be read now; how many accounts it holds is told where everyone may read them.

        Of an upstream it tells what is known without asking.
        """
        if isinstance(engine.warehouse, ReportWarehouse):
            standing = engine.warehouse.standing
            ready = standing != "unavailable"
            return JSONResponse({"status": "ok" if ready else standing, "upstream": standing}, 200 if ready else 503)
        try:
            accounts = engine.warehouse.snapshot().accounts
        except StatsError:
            return JSONResponse({"status": "unavailable"}, 503)
        all_readable = present_reader().identity.accounts is None
        return JSONResponse({"status": "ok"} | ({"accounts": len(accounts)} if all_readable else {}))

    return [
        Route("/livez", alive, methods=["GET"]),
        Route("/health", ready, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
    ]
