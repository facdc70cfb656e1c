"""What GraphQL itself costs: the same document over answers that are ready, through this schema and through stock Strawberry.

No warehouse is asked while it is timed, so what is left is reading the document, executing it and writing its JSON.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import strawberry
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache
from strawberry.schema.config import StrawberryConfig

from fanin.catalog.query import StatsQuery
from fanin.resolvers.answers import Answer
from fanin.schema.context import RequestContext
from fanin.schema.engine import Engine
from fanin.schema.naming import camel_case
from fanin.schema.schema import Query, schema
from fanin.schema.schema import _value_of as value_of
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.facts import Goal, GoalKind, PageView, Session
from fanin.warehouse.writing import writing

from .rounds import medians

ACCOUNT = "bench"
NOW = datetime(2026, 3, 18, 22, 0, tzinfo=UTC)
REPORTS, ROWS = 16, 50
DIMENSIONS = ("source", "medium", "campaign", "term", "content")
SORTS = ("ENTRANCES", "PAGE_VIEWS", "CONVERSIONS", "REVENUE")
FIELDS = ("entrances", "engagedEntrances", "bounces", "bounceRate", "pageViews", "conversions", "revenue")

FANIN, ANEW = "fanin", "fanin, told in this form for the first time"
CACHED, STOCK = "stock with ParserCache and ValidationCache", "stock"


@dataclass(frozen=True, slots=True)
class ExecutionFigures:
    leaves: int
    answer_bytes: int
    rounds: int
    medians_ms: dict[str, float]


class ReadyAnswers:
    """A loader whose answers are there already.  Each round gets them from here, whoever asks; what they look like is kept
    beside them where ``keeps_forms``."""

    def __init__(self, answers: dict[StatsQuery, Answer], *, keeps_forms: bool) -> None:
        self._answers = answers
        self._keeps_forms = keeps_forms
        self._forms: dict[tuple[StatsQuery, Hashable], bytes] = {}

    def kept(self, query: StatsQuery) -> Answer:
        return self._answers[query]

    def form(self, query: StatsQuery, form: Hashable) -> bytes | None:
        return self._forms.get((query, form))

    def keep_form(self, query: StatsQuery, form: Hashable, text: bytes) -> None:
        if self._keeps_forms:
            self._forms[query, form] = text


class Recorder:
    """The real loader, whose answers are kept."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.answers: dict[StatsQuery, Answer] = {}

    def kept(self, query: StatsQuery) -> None:
        return None

    async def load(self, query: StatsQuery) -> Answer:
        answer = await self._loader.load(query)
        self.answers[query] = answer
        return answer


async def measure_execution(folder: Path, rounds: int) -> ExecutionFigures:
    """See that all say the same, byte for byte, then time them in turn."""
    path = folder / "graphql.duckdb"
    _write(path)
    document = document_of_reports()
    context = await _ready_context(Engine(DuckDBWarehouse(path), clock=lambda: NOW), document)
    contestants = {
        FANIN: _asking_encoded(document, context, keeps_forms=True),
        ANEW: _asking_encoded(document, context, keeps_forms=False),
        CACHED: _asking(stock_schema(ParserCache, ValidationCache), document, context),
        STOCK: _asking(stock_schema(), document, context),
    }
    told = {name: await ask() for name, ask in contestants.items()}
    if len(set(told.values())) != 1:
        raise SystemExit("the schemas do not answer the same bytes")
    data = orjson.loads(told[FANIN])["stats"]
    leaves = sum(len(report["rows"]) * len(report["rows"][0]) for report in data.values())
    taken = {name: took.cpu_ms for name, took in (await medians(contestants, rounds)).items()}
    return ExecutionFigures(leaves, len(told[FANIN]), rounds, taken)


def stock_schema(*extensions: type[SchemaExtension]) -> strawberry.Schema:
    """The same types under the executor that Strawberry brings."""
    return strawberry.Schema(Query, config=StrawberryConfig(default_resolver=value_of), extensions=extensions)


def document_of_reports() -> str:
    """Sixteen reports of fifty rows of eight fields, no two of them the same question."""
    questions = [(name, sort) for sort in SORTS for name in DIMENSIONS][:REPORTS]
    tiles = (
        f"tile{place}: {name}s(pageSize: {ROWS}, sortBy: {sort}) {{ rows {{ {camel_case(f'utm_{name}')} {' '.join(FIELDS)} }} }}"
        for place, (name, sort) in enumerate(questions)
    )
    return f'{{ stats(accountId: "{ACCOUNT}", period: "30d") {{ {" ".join(tiles)} }} }}'


def _write(path: Path) -> None:
    """Sessions of sixty values in each dimension, so that every page is full."""
    noon = int(NOW.timestamp()) - 86_400
    with writing(path) as writer:
        writer.put_account(ACCOUNT, time_zone="UTC", currency="EUR")
        sessions = [
            Session(
                noon + place,
                (PageView(noon + place, "/"),) * (1 + place % 3),
                (Goal(noon + place, GoalKind.CONVERSION, "purchase", place),) * (place % 2),
                **{f"utm_{name}": f"{name} {place % 60}" for name in DIMENSIONS},
            )
            for place in range(600)
        ]
        writer.add_sessions(ACCOUNT, sessions, digest="bench", source_name="benchmark")


async def _ready_context(engine: Engine, document: str) -> RequestContext:
    async with engine.request() as context:
        recorder = Recorder(context.loader)
        context.loader = recorder  # type: ignore[assignment]
        result = await schema.execute(document, context_value=context)
        if result.errors:
            raise SystemExit(f"the document fails: {result.errors[0]}")
        context.loader = ReadyAnswers(recorder.answers, keeps_forms=False)  # type: ignore[assignment]
        return context


def _asking_encoded(document: str, ready: RequestContext, *, keeps_forms: bool) -> Callable[[], Awaitable[bytes]]:
    """As the HTTP door asks: for data that is written and not looked into."""
    answers = ready.loader._answers  # type: ignore[attr-defined]
    context = replace(ready, loader=ReadyAnswers(answers, keeps_forms=keeps_forms))  # type: ignore[arg-type]

    async def ask() -> bytes:
        read = context.documents.read(document, schema.graphql_schema)
        result = await schema.answer(read, {}, context, encoded=True)
        return orjson.dumps(result.data)

    return ask


def _asking(which: strawberry.Schema, document: str, context: RequestContext) -> Callable[[], Awaitable[bytes]]:
    async def ask() -> bytes:
        result = await which.execute(document, context_value=context)
        return orjson.dumps(result.data)

    return ask
