"""The entrance: who asks, whether they may, and how often.  Everything but a short list of addresses is behind it.

Contract §4.1 to §4.4.  What is decided here reaches the doors as the present reader (``schema/reading.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..catalog.errors import BadRequest, Overloaded, StatsError, Unauthorized
from ..catalog.identity import ANYONE, NOBODY
from ..catalog.plans import PLANS, Plan
from ..resolvers.turns import BUSY
from ..rest_compat.responses import error_response
from ..schema.engine import Engine
from ..schema.notes import present_notes
from ..schema.reading import reading_as
from .admission import body_in_time, is_crowded
from .callers import Callers
from .counters import Counters, MemoryCounters
from .credentials import Credentials, TokenReader
from .graphiql import GRAPHQL_PATH, STATIC_PATH, wants_page
from .hosts import Hosts
from .keys import KeyRing
from .observing import METRICS_PATH
from .rate_limits import RateLimits, Standing
from .settings import ServerSettings

# What can be read without credentials, and as often as one likes: probes, and pages that hold no numbers.
PUBLIC = frozenset({"/", "/health", "/livez", "/readyz", "/docs", "/openapi.json"})
UNBOUNDED = frozenset({"/metrics"})  # answered however crowded the server is, as are those below
PUBLIC_FOLDERS = (f"{STATIC_PATH}/", "/docs/", "/dashboard/")

CHALLENGE = {"WWW-Authenticate": "Bearer"}  # RFC 9110 §11.6.1 asks for one with every 401

EXPOSED_HEADERS = (
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
    "Server-Timing",
    "ETag",
)
ACCEPTED_HEADERS = (
    "Authorization",
    "Content-Type",
    "If-None-Match",
    "X-API-Key",
    "X-Fanin-Cost",
    "X-Request-ID",
)


class Entrance:
    """Lets a request through to the doors, or answers in their place.  Every answer behind it tells the rate limits."""

    def __init__(self, app: ASGIApp, callers: Callers, body_ms: int) -> None:
        self._app = app
        self._callers = callers
        self._body_ms = body_ms
        self._limits = callers.limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_public(_path(scope)):  # a WebSocket shows later who it is (graphql_socket.py)
            with reading_as(ANYONE if self._callers.are_anyone else NOBODY):
                await self._app(scope, receive, send)
            return
        request = Request(scope)
        if _path(scope).rstrip("/") == GRAPHQL_PATH and wants_page(request):
            await self._show_page(request, receive, send)
        else:
            await self._ask(request, receive, send)

    async def _show_page(self, request: Request, receive: Receive, send: Send) -> None:
        """GraphiQL is read without credentials and uncounted; what it asks is not."""
        anyone = self._callers.anyone(request)
        standing = await self._limits.count(anyone, _path(request.scope), requests=0)
        with reading_as(NOBODY):
            await self._app(request.scope, receive, _telling(request.scope, send, replace(standing, refusal=None)))

    async def _ask(self, request: Request, receive: Receive, send: Send) -> None:
        identity, refusal = self._callers.identify(request, request.headers)
        present_notes().caller = identity.name
        standing = await self._callers.count(identity, refusal, _path(request.scope))
        told = _telling(request.scope, send, standing)
        if refusal := standing.refusal or refusal or _crowd(request.scope):
            await error_response(request, refusal, _headers_of(refusal))(request.scope, receive, told)
            return
        with reading_as(identity) as reader:
            self._limits.start(reader)
            try:
                await self._app(request.scope, body_in_time(receive, self._body_ms), told)
            finally:
                await self._limits.settle(reader)


def entrance(engine: Engine, settings: ServerSettings) -> tuple[list[Middleware], Callers]:
    """The middleware, outermost first, and the callers, whose limits are closed when the server stops.

    Raises ``BadRequest`` for settings that cannot be served.
    """
    limits = RateLimits(_counters(settings), lambda: engine.clock().timestamp())
    credentials = open_credentials(settings)
    callers = Callers(credentials, limits, engine.clock, settings.open_limit)
    hosts = Middleware(Hosts, credentials=credentials, settings=settings)
    return [hosts, *_cors(settings), Middleware(Entrance, callers=callers, body_ms=settings.load["body_ms"])], callers


def open_credentials(settings: ServerSettings) -> Credentials:
    """What callers must show.  Raises ``BadRequest`` for a damaged key file, unsafe keys or a missing extra."""
    keys = None if settings.keys_file is None else KeyRing(settings.keys_file)
    return Credentials(keys, _token_reader(settings), settings.may_be_open, settings.passes_credentials)


def is_public(path: str) -> bool:
    """Whether the entrance lets everyone through to an address; that of metrics has a guard of its own."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS) or path == METRICS_PATH


def limit_headers(request: Request) -> Mapping[str, str]:
    """What was told of the limits; for an answer given outside of the entrance."""
    return getattr(request.state, "limit_headers", {})


def _path(scope: Scope) -> str:
    """The path below the application's root, as the router sees it."""
    return scope["path"].removeprefix(scope.get("root_path", ""))


def _telling(scope: Scope, send: Send, standing: Standing) -> Send:
    scope.setdefault("state", {})["limit_headers"] = standing.headers

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(standing.headers)
        await send(message)

    return send_with_headers


def _crowd(scope: Scope) -> StatsError | None:
    return Overloaded(BUSY) if is_crowded(scope) and _path(scope) not in UNBOUNDED else None


def _headers_of(refusal: StatsError) -> Mapping[str, str]:
    return _FURTHER.get(type(refusal), {})


_FURTHER: dict[type[StatsError], Mapping[str, str]] = {Unauthorized: CHALLENGE, Overloaded: {"Connection": "close"}}


def _cors(settings: ServerSettings) -> list[Middleware]:
    """Outside of the guard: a browser asks first without credentials, and reads refusals only with these headers."""
    if not settings.cors_origins:
        return []
    options: dict[str, Any] = {
        "allow_origins": settings.cors_origins,
        "allow_methods": ("GET", "POST"),
        "allow_headers": ACCEPTED_HEADERS,
        "expose_headers": EXPOSED_HEADERS,
    }
    return [Middleware(CORSMiddleware, **options)]


def _counters(settings: ServerSettings) -> Counters:
    if not settings.rate_limit_store:
        return MemoryCounters()
    try:
        from .redis_counters import open_redis
    except ModuleNotFoundError:  # an extra, so it cannot be imported above
        raise BadRequest("FANIN_RATE_LIMIT_STORE needs a client: install fanin[redis]") from None
    return open_redis(settings.rate_limit_store, fails_closed=settings.rate_limits_fail_closed)


def _token_reader(settings: ServerSettings) -> TokenReader | None:
    if not settings.has_tokens:
        return None
    try:
        from .tokens import JwtReader
    except ModuleNotFoundError:  # an extra, so it cannot be imported above
        raise BadRequest("Access tokens need a library: install fanin[jwt]") from None
    plan: Plan = PLANS[settings.jwt_plan]
    return JwtReader(secret=settings.jwt_secret, public_key=settings.jwt_public_key, plan=plan)
