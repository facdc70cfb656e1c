"""Traces by OpenTelemetry: a span per request, below it one per read of the warehouse, within the caller's own trace.

An extra: without it, or unless asked for, nothing of this is in the way of a request.  What is recorded holds no text of a
caller but the ids of accounts.
"""

from __future__ import annotations

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..resolvers.loader import FinishedRead
from ..schema.notes import present_notes
from .observing import NO_ROUTE, RouteNames

NAME = "fanin"
UNTRACED = frozenset({"/health", "/livez", "/readyz", "/metrics"})


class Traced:
    """Opens a span for each request and continues the trace that its ``traceparent`` names."""

    def __init__(self, app: ASGIApp, route_of: RouteNames, tracer: Tracer) -> None:
        self._app = app
        self._route_of = route_of
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._route_of(scope["path"].removeprefix(scope.get("root_path", ""))) if "path" in scope else ""
        if scope["type"] not in ("http", "websocket") or route in UNTRACED:
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "GET")
        attributes = {"http.request.method": method, "fanin.request_id": scope["state"]["request_id"]}
        name = method
        if route != NO_ROUTE:
            name, attributes["http.route"] = f"{method} {route}", route
        context = propagate.extract(Headers(scope=scope))
        with self._tracer.start_as_current_span(name, context, SpanKind.SERVER, attributes) as span:
            notes = present_notes()
            notes.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _tell_status(span, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, send_noted)
            finally:
                cost = notes.cost
                span.set_attributes(
                    {
                        "fanin.accounts": notes.accounts,
                        "fanin.reports": cost.fields,
                        "fanin.scans": cost.scans,
                        "fanin.cache_hits": cost.cache_hits,
                        "fanin.joined": cost.joined,
                    }
                )


class Tracing:
    """Records by one tracer.  A read is told of when it has ended: a span that belongs to the request that began it."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def middleware(self, route_of: RouteNames) -> Middleware:
        return Middleware(Traced, route_of=route_of, tracer=self._tracer)

    def observe_read(self, read: FinishedRead) -> None:
        tables = tuple(table.value for table in read.tables)
        attributes = {"fanin.account": read.account, "fanin.tables": tables, "fanin.rows": read.rows}
        if read.source:
            attributes["fanin.source"] = read.source.value
        span = self._tracer.start_span(f"scan {', '.join(tables)}", attributes=attributes, start_time=read.began_ns)
        if read.source is None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(read.began_ns + int(read.duration_ms * 1e6))


def open_tracer() -> Tracer:
    """The tracer that the environment describes.

    Where nothing has set up OpenTelemetry already (as ``opentelemetry-instrument`` does), spans go where the standard
    ``OTEL_…`` variables say, by OTLP over HTTP.  Raises ``ModuleNotFoundError`` where the extra is not installed.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource({SERVICE_NAME: NAME}).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    return trace.get_tracer(NAME)


def _tell_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
