"""Probes: is the process alive, should requests be sent to it.  Unlimited, at the host's root."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..catalog.dimensions import Table
from ..catalog.errors import StatsError
from ..catalog.periods import Window
from ..rest_compat.responses import JSONResponse
from ..schema.reading import present_reader
from ..warehouse.store import Listing, ReportSnapshot, ReportWarehouse, Snapshot, Warehouse

log = logging.getLogger(__name__)

LOOK_WITHIN_S = 2.0
TRUE_FOR_S = 1.0  # so that any number of probes is one small statement a second


@dataclass(slots=True, eq=False)
class Readiness:
    """Whether requests should be sent here: the warehouse answers, and the server is not about to stop."""

    warehouse: Warehouse | ReportWarehouse
    clock: Callable[[], float] = time.monotonic
    leaving: bool = False
    _answers: bool = False
    _true_until: float = float("-inf")
    _looking: asyncio.Task[None] | None = None

    def leave(self) -> None:
        """From now on requests should go elsewhere."""
        self.leaving = True

    async def reads(self) -> bool:
        """Whether the warehouse answered when it was last asked, a moment ago at most; all who ask wait for one look."""
        if isinstance(self.warehouse, ReportWarehouse):
            return self.warehouse.standing != "unavailable"
        if self._looking is None and self.clock() >= self._true_until:
            self._looking = asyncio.create_task(self._look())
        if self._looking is not None:
            await asyncio.shield(self._looking)
        return self._answers

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                await ask_little(self.warehouse.snapshot())
            self._answers = True
        except (StatsError, TimeoutError):
            self._answers = False
        except Exception:
            log.exception("the warehouse could not be asked whether it answers")
            self._answers = False
        finally:
            self._true_until = self.clock() + TRUE_FOR_S
            self._looking = None


async def ask_little(snapshot: Snapshot | ReportSnapshot) -> None:
    """Have one statement run that finds nothing, unless that would be a call.  Raises ``WarehouseUnavailable``."""
    if isinstance(snapshot, ReportSnapshot):
        return
    for account in snapshot.accounts.values():
        if account.first_day is not None:
            before = account.first_day - timedelta(days=1)
            await snapshot.fetch(Listing(Table.GOALS, account.id, Window(before, before), (), ("goal",)))
            return


def health_routes(readiness: Readiness) -> list[Route]:
    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        """Whether to send requests; how many accounts there are is told where everyone may read them.

        Of an upstream it tells what is known without asking.
        """
        if readiness.leaving:
            return JSONResponse({"status": "leaving"}, 503)
        if isinstance(readiness.warehouse, ReportWarehouse):
            return _standing(readiness.warehouse.standing)
        try:
            accounts = readiness.warehouse.snapshot().accounts
        except StatsError:
            return JSONResponse({"status": "unavailable"}, 503)
        if not await readiness.reads():
            return JSONResponse({"status": "unavailable"}, 503)
        all_readable = present_reader().identity.accounts is None
        return JSONResponse({"status": "ok"} | ({"accounts": len(accounts)} if all_readable else {}))

    return [
        Route("/livez", alive, methods=["GET"]),
        Route("/health", ready, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
    ]


def _standing(standing: str) -> Response:
    ready = standing != "unavailable"
    return JSONResponse({"status": "ok" if ready else standing, "upstream": standing}, 200 if ready else 503)
