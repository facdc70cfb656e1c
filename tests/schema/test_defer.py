"""What is deferred comes in parts, whose sum is the whole answer; it takes no scan more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.schema.documents import Documents
from fanin.schema.projection import ProjectingExecutor
from fanin.schema.schema import OWN_RULES
from fanin.server.operations import Operation, Outcome, execute, execute_in_parts
from fanin.tests.facts import bought, engine_over, reached, visit, write
from fanin.tests.schema.test_projection import documents
from fanin.tests.served import folded

FRAGMENT = re.compile(r"\.\.\.(?: on \w+|F\d+)?")


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(
        path,
        "acme",
        [
            visit("2026-03-10T10:00", "/", "/a=Shop", country="ES", goals=[bought(1234), reached("cart")]),
            visit("2026-02-10T10:00", "/a=Shop", utm_source="google", utm_medium="cpc", country="US"),
            visit("2026-03-11T10:00", "/", utm_source="google", utm_medium="cpc", device_type="mobile"),
        ],
    )
    return path


@st.composite
def deferring_documents(draw: st.DrawFn) -> str:
    """Random documents with ``@defer`` at random fragments: labelled or not, switched or not."""
    labels = iter(range(1_000))
    placed = st.sampled_from(
        [
            lambda: "",
            lambda: " @defer",
            lambda: f' @defer(label: "part {next(labels)}")',
            lambda: " @defer(if: $no)",
            lambda: f' @defer(if: $yes, label: "part {next(labels)}")',
        ]
    )
    return FRAGMENT.sub(lambda found: found[0] + draw(placed)(), draw(documents()))


def asked(path: Path, document: str, *given: dict[str, Any]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """For each set of variables the whole answer, and the payloads of the same operation; all in one request."""

    async def ask() -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
        with engine_over(path) as (engine, _):
            unlimited = replace(engine, documents=Documents(OWN_RULES))
            async with unlimited.request() as context:
                operations = [Operation(document, None, variables) for variables in given]
                return [
                    (
                        orjson.loads(orjson.dumps((await execute(operation, context)).body({}))),
                        [
                            part.body({}) if isinstance(part, Outcome) else part
                            async for part in execute_in_parts(operation, context)
                        ],
                    )
                    for operation in operations
                ]

    return asyncio.run(ask())


def sorted_errors(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "errors": sorted(answer.get("errors", ()), key=repr)}


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(document=deferring_documents())
def test_the_payloads_of_any_selection_fold_into_the_whole_answer(warehouse_file: Path, document: str) -> None:
    switches = [{"no": False}, {"no": True}, {"no": False, "yes": False}, {"no": False}]

    for whole, payloads in asked(warehouse_file, document, *switches):
        assert sorted_errors(folded(payloads)) == sorted_errors(whole)


def test_the_whole_answer_is_that_of_the_document_without_defer(warehouse_file: Path) -> None:
    document = '{ stats(accountId: "acme") { ...%s { sources { total } } os { total ...%s { rows { os } } } } }'

    ((deferred, _),) = asked(warehouse_file, document % (" @defer", ' @defer(label: "x")'), {})
    ((plain, _),) = asked(warehouse_file, document % ("", ""), {})

    assert deferred == plain
    assert list(deferred["data"]["stats"]) == ["sources", "os"]


def scans(path: Path, document: str, how: Callable[..., Any]) -> int:
    async def ask() -> int:
        with engine_over(path) as (engine, warehouse):
            async with engine.request() as context:
                await how(Operation(document, None, {}), context)
            return len(warehouse.scans)

    return asyncio.run(ask())


async def in_parts(operation: Operation, context: Any) -> None:
    async with aclosing(execute_in_parts(operation, context)) as parts:
        assert len([part async for part in parts]) > 1


def test_deferring_takes_no_scan_more(warehouse_file: Path) -> None:
    document = """{ stats(accountId: "acme") { overview { traffic { entrances } } ... @defer { sources { total } }
      ... @defer { os { total } pages { total } ... @defer { goals: conversions { total } } } } }"""

    assert scans(warehouse_file, document, in_parts) == scans(warehouse_file, document, execute) == 1


def test_a_deferred_report_is_projected_like_any_other(warehouse_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    projected: list[str] = []
    original = ProjectingExecutor._projection

    def watched(self: Any, return_type: Any, details: Any) -> Any:
        projection = original(self, return_type, details)
        if projection is not None:
            projected.append(return_type.name)
        return projection

    monkeypatch.setattr(ProjectingExecutor, "_projection", watched)
    document = '{ stats(accountId: "acme") { os { total } ... @defer { sources { rows { utmSource } } } } }'

    ((_, payloads),) = asked(warehouse_file, document, {})

    assert len(payloads) == 2
    assert projected == ["OsReport", "SourceReport", "OsReport", "SourceReport"]
