"""The application: wiring as a list."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from .catalog.errors import BadRequest
from .catalog.segments import read_segments
from .resolvers.cache import AnswerCache
from .resolvers.loader import FinishedRead
from .rest_compat.openapi import openapi_routes
from .rest_compat.routes import rest_routes
from .schema.documents import Documents
from .schema.engine import Engine
from .server.admission import admission
from .server.answer_stores import shared_answers
from .server.api_reference import docs_routes
from .server.compression import Compression
from .server.dashboard import dashboard_routes
from .server.entrance import entrance
from .server.graphiql import graphiql_routes
from .server.graphql_socket import socket_routes
from .server.graphql_view import graphql_routes
from .server.health import Readiness, health_routes
from .server.house import RequestIds, told_http_error, told_internal_error
from .server.live_answers import LiveAnswers
from .server.log_output import dropped_lines, flush_logs
from .server.metrics import Metrics
from .server.metrics_page import metrics_routes
from .server.observing import Observed, RouteNames, Traffic
from .server.request_log import log_request
from .server.settings import (
    BLOCK_MB,
    CACHE_MB,
    CUBE_MB,
    SEGMENTS,
    WAREHOUSE,
    ServerSettings,
    read_settings,
    read_upstream,
    room_bytes,
)
from .warehouse.addresses import DEFAULT_ADDRESS, open_warehouse
from .warehouse.upstream_options import Upstream


def create_app(engine: Engine, settings: ServerSettings | None = None) -> Starlette:
    """The gateway over one engine, open unless the settings say otherwise; the warehouse is closed when the server stops.

    Raises ``BadRequest`` for settings that cannot be served.
    """
    settings = settings or ServerSettings()
    shared = shared_answers(settings)
    engine = replace(engine, shared=shared or engine.shared)
    traffic = Traffic()
    turns = admission(settings.load)
    metrics = Metrics(engine, traffic, turns, dropped_lines)
    traffic.observers = (log_request, metrics.observe)
    tracing = _tracing(settings)
    on_read = _to_all(metrics.observe_read, *(traces.observe_read for traces in tracing))
    engine = replace(
        engine,
        documents=Documents(settings.documents),
        admission=turns,
        deadline_ms=settings.load["deadline_ms"],
        on_read=on_read,
    )
    guard, callers = entrance(engine, settings)
    live = LiveAnswers(engine, callers)
    readiness = Readiness(engine.warehouse)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(metrics.keep_fresh())
        yield
        refreshing.cancel()
        await live.close()
        await callers.limits.close()
        if shared is not None:
            await shared.close()
        await engine.close()
        flush_logs()

    routes = [
        *dashboard_routes(production=settings.production),
        *graphql_routes(engine, settings.persisted_queries, live, production=settings.production),
        *socket_routes(engine, settings, callers, live),
        *graphiql_routes(),
        *rest_routes(engine),
        *openapi_routes(),
        *docs_routes(),
        *health_routes(readiness),
        *([] if settings.metrics_port is not None else metrics_routes(metrics, callers, settings.metrics_token)),
    ]
    route_of = RouteNames(routes)
    watched = [
        Middleware(Observed, route_of=route_of, traffic=traffic),
        *(traces.middleware(route_of) for traces in tracing),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(RequestIds), *watched, Middleware(Compression), *guard],
        exception_handlers={HTTPException: told_http_error, Exception: told_internal_error},
        lifespan=lifespan,
    )
    app.state.live, app.state.readiness, app.state.metrics = live, readiness, metrics
    app.state.admission = engine.admission
    return app


def _tracing(settings: ServerSettings) -> list[Any]:
    """What records traces; nothing unless asked for.  Raises ``BadRequest`` without the extra."""
    if not settings.traces:
        return []
    try:
        from .server.traces import Tracing, open_tracer
    except ModuleNotFoundError:  # an extra, so it cannot be imported above
        raise BadRequest("Traces need OpenTelemetry: install fanin[otel]") from None
    return [Tracing(open_tracer())]


def _to_all(*hearers: Callable[[FinishedRead], None]) -> Callable[[FinishedRead], None]:
    def tell(read: FinishedRead) -> None:
        for hear in hearers:
            hear(read)

    return tell


def create_app_from_environment() -> Starlette:
    """The gateway over the warehouse that the environment names; every worker process makes its own."""
    segments, settings = os.environ.get(SEGMENTS), read_settings()
    warehouse = os.environ.get(WAREHOUSE, DEFAULT_ADDRESS)
    engine = open_engine(warehouse, Path(segments) if segments else None, settings.upstream)
    return create_app(engine, settings)


def open_engine(warehouse: str, segments: Path | None = None, upstream: Upstream | None = None) -> Engine:
    """The engine over the warehouse at an address, with the saved segments of a file, and room as the environment says,
    and how an upstream is asked unless that is given.

    Raises ``BadRequest`` for an address, a file or a setting that cannot be used.
    """
    saved = read_segments(segments) if segments else ()
    cache = AnswerCache(room_bytes(CACHE_MB))
    store = open_warehouse(
        warehouse,
        cube_bytes=room_bytes(CUBE_MB),
        block_bytes=room_bytes(BLOCK_MB),
        cache_bytes=room_bytes(CACHE_MB),
        upstream=upstream or read_upstream(),
    )
    return Engine(store, segments=saved, cache=cache)
