"""``/metrics``: at the server's own address behind a guard, or at a port of its own.

Metrics tell of all accounts together, so whoever may read only some of them may not read these.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..catalog.errors import BadRequest, Forbidden, NotFound, StatsError, Unauthorized
from ..rest_compat.responses import error_response
from .callers import Callers
from .metrics import Metrics
from .observing import METRICS_PATH

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

READ_WITHIN_S = 10.0


def metrics_routes(metrics: Metrics, callers: Callers, token: str) -> list[Route]:
    """The page at the server's own address."""

    async def page(request: Request) -> Response:
        try:
            await _check(request, callers, token)
        except StatsError as error:
            challenge = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else {}
            return error_response(request, error, {**HEADERS, **challenge})
        metrics.refresh()
        return Response(metrics.told(), headers={**HEADERS, "Content-Type": CONTENT_TYPE})

    return [Route(METRICS_PATH, page, methods=["GET"])]


def is_token(shown: str, token: str) -> bool:
    """Whether an ``Authorization`` header shows the token, told in the same time whatever it shows."""
    scheme, _, word = shown.strip().partition(" ")
    return hmac.compare_digest(word.strip().encode(errors="replace"), token.encode()) and scheme.lower() == "bearer"


async def _check(request: Request, callers: Callers, token: str) -> None:
    """With a token the token; else a key for all accounts, where keys are asked for.  Whoever may not is counted."""
    identity, refusal = callers.identify(request, request.headers)
    if token:
        identity = callers.anyone(request)
        shown = request.headers.get("authorization", "")
        refusal = None if is_token(shown, token) else Unauthorized("Show FANIN_METRICS_TOKEN as a bearer token")
    elif refusal is None and (identity.accounts is not None or identity.shown):  # what is shown may be made up
        refusal = Forbidden("Metrics tell of all accounts; show a key for all of them")
    if refusal is not None:
        standing = await callers.count(identity, refusal, METRICS_PATH)
        raise standing.refusal or refusal


# --- a port of its own --------------------------------------------------------------------------------------------


class MetricsServer:
    """Answers at a port of its own from a thread, so that a busy server can be looked at too.

    Raises ``BadRequest`` for a port that cannot be listened on.
    """

    def __init__(self, host: str, port: int, told: Callable[[], bytes], token: str) -> None:
        def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            status, media_type, body = _answer(environ, told, token)
            headers = {**HEADERS, "Content-Type": media_type, "Content-Length": str(len(body))}
            start(status, list(headers.items()))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

        try:
            self._server = make_server(host, port, application, _Server, _Handler)
        except OSError as error:
            raise BadRequest(f"{host}:{port} cannot be listened on for metrics ({error.strerror})") from None
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _answer(environ: dict[str, Any], told: Callable[[], bytes], token: str) -> tuple[str, str, bytes]:
    """Status line, type and body."""
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or environ["PATH_INFO"] != METRICS_PATH:
        return (
            "404 Not Found",
            "application/json",
            _envelope(NotFound(f"There is {METRICS_PATH} here, and nothing else")),
        )
    if token and not is_token(environ.get("HTTP_AUTHORIZATION", ""), token):
        return (
            "401 Unauthorized",
            "application/json",
            _envelope(Unauthorized("Show FANIN_METRICS_TOKEN as a bearer token")),
        )
    return "200 OK", CONTENT_TYPE, told()


def _envelope(error: StatsError) -> bytes:
    return orjson.dumps({"error": error.as_json()})


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = READ_WITHIN_S

    def log_message(self, format: str, *args: Any) -> None:
        """What is asked here is asked every few seconds."""
