"""What every request goes through: its id, safe headers, and errors in the documented envelope."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..catalog.errors import BadRequest, InternalError, NotFound, Stopping
from ..catalog.request_ids import request_called
from ..rest_compat.responses import error_response
from .entrance import limit_headers
from .refusals import MethodNotAllowed

log = logging.getLogger(__name__)

_CALLERS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# On every answer that does not say otherwise: pages say what they load, files and tagged answers that they may be kept.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class RequestIds:
    """Gives each request an id, the caller's own when it is a plain word, and says it in ``X-Request-ID``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _CALLERS_ID.fullmatch(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        began = False

        async def send_with_headers(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            with request_called(request_id):
                await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            log.info("request %s: its client left before it was read", request_id)
        except asyncio.CancelledError:
            if not is_leaving(scope):
                raise
            log.warning("request %s was cut off: the server's time to finish is over", request_id)
            if not began:
                cut_off = error_response(Request(scope), Stopping("The server is stopping; try again"))
                await cut_off(scope, receive, send_with_headers)


def is_leaving(scope: Scope) -> bool:
    """Whether the server is about to stop.  What still runs when its patience ends is cancelled."""
    readiness = getattr(getattr(scope.get("app"), "state", None), "readiness", None)
    return readiness is not None and readiness.leaving


async def told_http_error(request: Request, error: Exception) -> Response:
    """What the router refuses, in the envelope: no such address, or not by this method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        allowed = headers.get("Allow", "")
        return error_response(
            request, MethodNotAllowed(f"{request.method} is not for this address; use {allowed}"), headers
        )
    if status == 404:
        return error_response(request, NotFound(f"There is nothing at {request.url.path[:100]}"))
    return error_response(request, BadRequest("The request cannot be read"), headers)


async def told_internal_error(request: Request, error: Exception) -> Response:
    """Our fault: logged whole, told without its inside."""
    log.error("request %s failed", getattr(request.state, "request_id", "-"), exc_info=error)
    return error_response(request, InternalError("Internal error"), {**SAFE_HEADERS, **limit_headers(request)})
