"""Observing: what each request came to, told when it has ended to whoever wants to know.

Nothing is done per row or per question: a request is looked at when it begins, when its answer begins and when it ends.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..schema.notes import RequestNotes, noting

METRICS_PATH = "/metrics"
NO_ROUTE = "none"
WEBSOCKET = "WEBSOCKET"
LEFT = 499  # what proxies log for a client that left before it was answered

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", WEBSOCKET})


@dataclass(frozen=True, slots=True)
class Observation:
    """One request that has ended.  ``route`` and ``method`` are of small sets, ``path`` is as its caller wrote it."""

    request_id: str
    method: str
    route: str
    path: str
    status: int
    body_bytes: int  # sent, after compression
    began_ms: float  # until the answer began
    total_ms: float  # until it ended
    notes: RequestNotes


Observer = Callable[[Observation], None]


@dataclass(slots=True)
class Traffic:
    """The requests under way, and who hears of each that has ended."""

    observers: Sequence[Observer] = ()
    under_way: int = 0


class RouteNames:
    """The route an address leads to, by the template it was written as, whatever the request's method."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        known = [route for route in routes if isinstance(route, Route | WebSocketRoute)]
        self._plain = {route.path for route in known if "{" not in route.path}
        self._patterns: list[tuple[re.Pattern[str], str]] = [
            (route.path_regex, route.path) for route in known if "{" in route.path
        ]

    def __call__(self, path: str) -> str:
        if path in self._plain:
            return path
        return next((name for pattern, name in self._patterns if pattern.match(path)), NO_ROUTE)


class Observed:
    """Watches a request go through and tells the observers when it is over, however it ended."""

    def __init__(self, app: ASGIApp, route_of: Callable[[str], str], traffic: Traffic) -> None:
        self._app = app
        self._route_of = route_of
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        sent = _Sent(send, time.perf_counter())
        self._traffic.under_way += 1
        with noting() as notes:
            try:
                await self._app(scope, receive, sent)
            except ClientDisconnect:
                raise
            except Exception:
                sent.status = sent.status or 500  # which is sent outside of here
                raise
            finally:
                self._traffic.under_way -= 1
                self._tell(scope, sent, notes)

    def _tell(self, scope: Scope, sent: _Sent, notes: RequestNotes) -> None:
        total_ms = 1000 * (time.perf_counter() - sent.asked)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        method = scope.get("method", WEBSOCKET)
        observation = Observation(
            request_id=scope["state"]["request_id"],
            method=method if method in _METHODS else "other",
            route=self._route_of(path),
            path=path,
            status=sent.status or LEFT,
            body_bytes=sent.body_bytes,
            began_ms=total_ms if sent.began is None else 1000 * (sent.began - sent.asked),
            total_ms=total_ms,
            notes=notes,
        )
        for observer in self._traffic.observers:
            observer(observation)


@dataclass(slots=True)
class _Sent:
    """The way out for one answer, and what went there.  Of a WebSocket: whether it was let in, and its messages."""

    send: Send
    asked: float
    status: int = 0
    body_bytes: int = 0
    began: float | None = field(default=None)

    async def __call__(self, message: Message) -> None:
        match message["type"]:
            case "http.response.body":
                self.body_bytes += len(message.get("body", b""))
            case "http.response.start":
                self._begin(message["status"])
            case "websocket.send":
                self.body_bytes += len((message.get("text") or "").encode())
            case "websocket.accept":
                self._begin(101)
            case "websocket.close" if not self.status:
                self._begin(403)
        await self.send(message)

    def _begin(self, status: int) -> None:
        self.status = status
        self.began = time.perf_counter()
