"""JSON over HTTP: the documented error envelope, bounded bodies, and leaving when the client leaves."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from ..catalog.errors import ERRORS, RequestTimeout, StatsError
from ..catalog.limits import MAX_BODY_BYTES
from ..resolvers.loader import Sharing
from .encoded import encode

T = TypeVar("T")


class PayloadTooLarge(StatsError):
    code = "payload_too_large"


class JSONResponse(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode(content)


class ClientGone(Exception):
    """The client closed its connection; no one will read an answer."""


class EmptyResponse(Response):
    """What is "sent" to a client that has gone.  499 is what proxies log for it."""

    status: ClassVar[int] = 499

    def __init__(self) -> None:
        super().__init__(status_code=self.status)


def request_id_of(request: Request) -> str:
    """The id the request goes by: the caller's own, or one made for it (a UUID)."""
    state = request.scope.setdefault("state", {})
    return state.setdefault("request_id", str(uuid.uuid4()))


def error_response(request: Request, error: StatsError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """``{"error": {code, message, detail?}, "request_id"}`` under the error's own status.  Contract §4.3."""
    request_id = request_id_of(request)
    body = {"error": error.as_json(), "request_id": request_id}
    told = {"X-Request-ID": request_id, **told_by_code(error), **(headers or {})}
    return JSONResponse(body, error.http_status, told)


def told_by_code(error: StatsError) -> dict[str, str]:
    """The headers that are known from the error alone: when to ask again, and that the body's rest need not come."""
    wait_s = ERRORS[error.code].retry_after_s
    again = {} if wait_s is None else {"Retry-After": str(wait_s)}
    return again | ({"Connection": "close"} if isinstance(error, RequestTimeout) else {})


async def read_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """The body, counted while it comes.  Raises ``PayloadTooLarge`` before reading more than ``most`` bytes of it."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def _too_large(most: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is over {most} bytes")


async def unless_client_leaves(request: Request, work: Awaitable[T]) -> T:
    """The result of ``work``, which is cancelled when the client closes its connection.  Rule 2.6.

    Raises ``ClientGone``.  Call it only after the body has been read: what comes next can only be the end.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def server_timing(wall_ms: float, sharing: Sharing) -> str:
    """The header of that name: wall time, and what was shared.  Rule 4.5."""
    metrics = {
        "wall": f"dur={wall_ms:.1f}",
        "scan": f'dur={sharing.scan_ms:.1f};desc="{sharing.scans} scans"',
        "source": f'desc="{_sources(sharing)}"',
        "identical": f'desc="{sharing.identical} identical"',
        "cache": f'desc="{sharing.cache_hits} kept, {sharing.joined} joined"',
    }
    return ", ".join(f"{name};{told}" for name, told in metrics.items())


def _sources(sharing: Sharing) -> str:
    """What the scans were read from: "2 rollup, 1 statement"."""
    told = (f"{count} {source.value}" for source, count in sorted(sharing.sources.items()))
    return ", ".join(told) or "nothing read"


def timestamp(now: datetime) -> str:
    """ISO 8601 in UTC with a ``Z``, whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
