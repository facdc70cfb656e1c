"""Traces: a span per request within its caller's trace, below it one per scan; nothing of it unless asked for."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fanin.app import create_app
from fanin.catalog.errors import BadRequest
from fanin.resolvers.loader import FinishedRead
from fanin.server.log_output import JsonLines
from fanin.server.settings import ServerSettings
from fanin.tests.callers import Ask, batch, sent
from fanin.tests.facts import engine_over, visit, write

TRACED = ServerSettings(traces=True)
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WITHIN = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "X-Request-ID": "mine"}

_EXPORTER = InMemorySpanExporter()


@pytest.fixture
def spans() -> Any:
    """The spans recorded so far, in the order they ended."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # it can be set once in a process
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_EXPORTER))
        trace.set_tracer_provider(provider)
    _EXPORTER.clear()
    return _EXPORTER.get_finished_spans


@pytest.fixture
def warehouse_file(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit()])
    return tmp_path / "w.duckdb"


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_request_is_a_span_of_its_callers_trace_and_each_scan_one_below_it(warehouse_file: Path, spans: Any) -> None:
    ask = replace(batch("acme", "acme"), headers=WITHIN)
    pages = replace(
        ask,
        body={
            "queries": [*ask.body["queries"], {"id": "p", "endpoint": "/stats/pages", "params": {"account_id": "acme"}}]
        },
    )

    sent(warehouse_file, pages, settings=TRACED)

    *scans, request = spans()
    assert (request.name, request.kind) == ("POST /api/v1/batch", trace.SpanKind.SERVER)
    assert trace.format_trace_id(request.context.trace_id) == TRACE_ID
    assert trace.format_span_id(request.parent.span_id) == PARENT_ID
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/api/v1/batch",
        "http.response.status_code": 200,
        "fanin.request_id": "mine",
        "fanin.accounts": ("acme",),
        "fanin.reports": 3,
        "fanin.scans": 1,
        "fanin.cache_hits": 0,
        "fanin.joined": 0,
    }
    assert [scan.name for scan in scans] == ["scan sessions, page_views"]
    for scan in scans:
        assert scan.parent.span_id == request.context.span_id
        assert request.start_time <= scan.start_time < scan.end_time <= request.end_time
        assert (attributes(scan)["fanin.account"], attributes(scan)["fanin.source"]) == ("acme", "rollup")


def test_the_line_of_a_traced_request_names_its_trace(
    warehouse_file: Path, spans: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "fanin"):
        sent(warehouse_file, Ask("GET", "/nowhere?secret=x", headers=WITHIN), settings=TRACED)

    (record,) = [record for record in caplog.records if record.name == "fanin.requests"]
    (span,) = spans()
    assert json.loads(JsonLines().format(record))["trace_id"] == TRACE_ID
    assert (span.name, "http.route" in attributes(span), "secret" in str(attributes(span))) == ("GET", False, False)


def test_probes_and_metrics_are_not_traced(warehouse_file: Path, spans: Any) -> None:
    sent(warehouse_file, *(Ask("GET", path) for path in ("/livez", "/readyz", "/health", "/metrics")), settings=TRACED)

    assert spans() == ()


def test_a_read_that_failed_is_an_error(spans: Any) -> None:
    from fanin.catalog.dimensions import Table
    from fanin.server.traces import Tracing, open_tracer

    Tracing(open_tracer()).observe_read(FinishedRead("acme", (Table.GOALS,), None, 0, 1_000, 2.0))

    (span,) = spans()
    assert (span.name, span.status.status_code) == ("scan goals", trace.StatusCode.ERROR)
    assert (span.start_time, span.end_time) == (1_000, 2_001_000)


def test_without_being_asked_for_nothing_is_recorded(warehouse_file: Path, spans: Any) -> None:
    sent(warehouse_file, replace(batch("acme"), headers=WITHIN))

    assert spans() == ()


def test_asked_for_without_the_extra_it_is_refused_with_its_name(
    warehouse_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "fanin.server.traces", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    async def serve() -> None:
        with engine_over(warehouse_file) as (engine, _):
            create_app(engine, TRACED)

    with pytest.raises(BadRequest) as refused:
        asyncio.run(serve())

    assert refused.value.message == "Traces need OpenTelemetry: install fanin[otel]"
