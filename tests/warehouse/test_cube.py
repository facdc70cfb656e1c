"""The cube, the roll-up, the fused statement and separate statements tell the same, whatever is asked and imported."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.catalog.dimensions import Table
from fanin.catalog.endpoints import ENDPOINTS, FREE_DIMENSIONS, Endpoint, Shape
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Window
from fanin.catalog.query import Granularity, Scope, SortOrder, StatsQuery, ask, free_columns
from fanin.resolvers.cache import AnswerCache
from fanin.resolvers.loader import Sharing
from fanin.schema.engine import Engine
from fanin.tests.facts import NOW, bought, moment, visit, write
from fanin.tests.questions import NEEDED
from fanin.warehouse import scanning
from fanin.warehouse.cube import Layer, estimated_bytes
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.facts import Goal, GoalKind, PageView, Session
from fanin.warehouse.held_rows import _rows
from fanin.warehouse.rollups import ROLLED_METRICS, ROLLUPS
from fanin.warehouse.store import Source
from fanin.warehouse.writing import writing

ROOM = 50_000_000
WHOLE = Window(date(2025, 12, 1), date(2026, 3, 18))
ACCOUNTS = {"acme": "Europe/Madrid", "other": "America/St_Johns"}


@contextmanager
def engine_on(path: Path, **options: Any) -> Iterator[tuple[Engine, DuckDBWarehouse]]:
    warehouse = DuckDBWarehouse(path, **options)
    try:
        yield Engine(warehouse, clock=lambda: NOW, cache=AnswerCache()), warehouse
    finally:
        warehouse.close()


async def together(engine: Engine, queries: list[StatsQuery]) -> tuple[list[Any], Sharing]:
    async with engine.request() as context:
        answers = await asyncio.gather(*map(context.loader.load, queries), return_exceptions=True)
        return list(answers), context.loader.sharing


async def one_by_one(engine: Engine, queries: list[StatsQuery]) -> list[Any]:
    return [(await together(engine, [query]))[0][0] for query in queries]


def heat(engine: Engine, warehouse: DuckDBWarehouse, accounts: list[str]) -> None:
    """Ask for every table of the accounts until each has its cube."""
    reports = ("overview", "pages", "conversions")

    async def asked() -> None:
        for account in accounts:
            for _ in range(2):
                await together(engine, [ask(Scope(account, WHOLE), report) for report in reports])

    asyncio.run(asked())
    warehouse.cubes.settle()


# --- the same in every way --------------------------------------------------------------------------------------------

# Few words, so that there are ties, and days of which most are empty; sessions begin just before midnight too.
word = st.sampled_from(["", "a", "b", "B"])
start = st.one_of(
    st.integers(moment("2025-12-01"), moment("2026-03-18")),
    st.sampled_from([moment(f"2026-0{month}-{day}T22:59:50") for month in (1, 2, 3) for day in ("01", "15", "28")]),
)
LABELS = ("utm_source", "utm_medium", "utm_campaign", "referrer", "channel", "country", "device_type", "browser")


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    at = draw(start)
    views = draw(st.lists(st.builds(PageView, st.just(at), word, word), max_size=3))
    kinds = st.sampled_from([(GoalKind.CONVERSION, 10**11), (GoalKind.CONVERSION, 0), (GoalKind.MICROCONVERSION, 0)])
    goals = [
        Goal(at + 3_600, kind, name, cents)
        for (kind, cents), name in draw(st.lists(st.tuples(kinds, st.sampled_from(["form", "buy"])), max_size=2))
    ]
    return Session(at, tuple(views), tuple(goals), **{name: draw(word) for name in LABELS})


day = st.integers(0, 125).map(lambda days: date(2025, 11, 25) + timedelta(days=days))
windows = st.tuples(day, day).map(lambda ends: Window(min(ends), max(ends)))


condition = st.builds(
    make_filter,
    st.sampled_from(["utm_source", "utm_medium", "country", "path", "content_grouping"]),
    st.sampled_from(["eq", "ne", "contains"]),
    word.map(lambda value: [value or "a"]),
)
narrowed = st.just(()) | st.lists(condition, min_size=1, max_size=2, unique_by=lambda given: given.field).map(tuple)


def _asked(endpoint: Endpoint) -> st.SearchStrategy[dict[str, Any]]:
    """What ``ask`` takes beside the scope."""
    wanted: dict[str, st.SearchStrategy[Any]] = {}
    if endpoint.page_size is not None:
        wanted["page_size"] = st.integers(1, 3)
        if endpoint.page_size.parameter == "page_size":
            wanted["page"] = st.integers(1, 2)
    if endpoint.sort:
        wanted |= {"sort_by": st.sampled_from(endpoint.sort), "sort_order": st.sampled_from(SortOrder)}
    if endpoint.search:
        wanted["search"] = st.sampled_from(["", "b"])
    if endpoint.granularity:
        wanted["granularity"] = st.sampled_from(Granularity)
    if endpoint.include:
        wanted["include"] = st.sampled_from([(), ("device",)])
    if endpoint.shape is Shape.FREE:
        words = st.lists(st.sampled_from(list(FREE_DIMENSIONS)), max_size=2, unique=True)
        wanted["free"] = words.map(free_columns)
    return st.fixed_dictionaries({}, optional=wanted)


@st.composite
def questions(draw: st.DrawFn) -> list[StatsQuery]:
    """One of every report, about two scopes, each filtered or not."""
    account = st.sampled_from(list(ACCOUNTS))
    scopes = [Scope(draw(account), draw(windows), draw(st.none() | windows), draw(narrowed)) for _ in range(2)]
    asked = []
    for name, endpoint in ENDPOINTS.items():
        scope = draw(st.sampled_from(scopes))
        if scope.window.days > endpoint.max_days:
            scope = replace(scope, window=Window(scope.window.start, scope.window.start + timedelta(days=20)))
        asked.append(ask(scope, name, **(NEEDED.get(endpoint.shape, {}) | draw(_asked(endpoint)))))
    return asked


def imported(path: Path, number: int, facts: list[Session]) -> None:
    """A file, unless it is there already."""
    digest = str(hash(tuple(facts)))
    with writing(path) as writer:
        for account, zone in ACCOUNTS.items():
            if not writer.has_import(account, digest):
                writer.put_account(account, time_zone=zone)
                writer.add_sessions(account, facts[number % 2 :], digest=digest, source_name=str(number))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    files=st.lists(st.lists(sessions(), min_size=1, max_size=8), min_size=1, max_size=4),
    again=st.booleans(),
    rounds=st.lists(questions(), min_size=1, max_size=2),
)
def test_every_way_to_an_answer_tells_the_same(
    files: list[list[Session]], again: bool, rounds: list[list[StatsQuery]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        for number, facts in enumerate([*files, *(files[:1] if again else ())]):
            imported(path, number, facts)
        with (
            engine_on(path, cube_bytes=ROOM) as (by_cube, cubes),
            engine_on(path) as (by_rollup, _),
            engine_on(path, use_rollups=False) as (by_statement, _),
        ):
            heat(by_cube, cubes, list(ACCOUNTS))
            for asked in rounds:
                told, sharing = asyncio.run(together(by_cube, asked))
                rolled, rolled_sharing = asyncio.run(together(by_rollup, asked))
                fused, fused_sharing = asyncio.run(together(by_statement, asked))
                separate = asyncio.run(one_by_one(by_statement, asked))

                for query, *answers in zip(asked, told, rolled, fused, separate, strict=True):
                    assert answers == [answers[-1]] * 4, query.report
                assert Source.ROLLUP not in sharing.sources
                assert sharing.sources[Source.CUBE] == rolled_sharing.sources[Source.ROLLUP]
                assert set(fused_sharing.sources) == {Source.STATEMENT}


def test_the_engine_grouping_large_windows_agrees_with_the_cube(
    sample_warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "ROWS_IN_MEMORY", 0)
    asked = [
        ask(Scope("my-site", window, compared), name, **NEEDED.get(endpoint.shape, {}))
        for name, endpoint in ENDPOINTS.items()
        if endpoint.on_the_page
        for window, compared in (
            (Window(date(2025, 3, 19), date(2026, 3, 18)), None),
            (Window(date(2026, 2, 3), date(2026, 3, 18)), Window(date(2025, 2, 3), date(2025, 3, 18))),
        )
    ]
    with (
        engine_on(sample_warehouse, cube_bytes=ROOM) as (by_cube, cubes),
        engine_on(sample_warehouse, use_rollups=False) as (by_statement, _),
    ):
        heat(by_cube, cubes, ["my-site"])

        told, sharing = asyncio.run(together(by_cube, asked))
        fused, _ = asyncio.run(together(by_statement, asked))

    assert told == fused
    assert set(sharing.sources) == {Source.CUBE}


# --- which accounts have one --------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for account in ("acme", "other"):
        write(tmp_path / "w.duckdb", account, [visit(country=code, goals=[bought(5)]) for code in ("ES", "US", "ES")])
    return tmp_path / "w.duckdb"


def sources(engine: Engine, account: str = "acme", report: str = "countries") -> tuple[list[Source], int]:
    """What one question was read from, and the entrances it was told."""
    (answer,), sharing = asyncio.run(together(engine, [ask(Scope(account, WHOLE), report)]))
    return list(sharing.sources), sum(row["entrances"] for row in answer["rows"])


def test_an_account_asked_for_again_gets_its_cube_and_the_roll_up_answers_until_then(path: Path) -> None:
    with engine_on(path, cube_bytes=ROOM) as (engine, warehouse):
        told = []
        for _ in range(4):
            told.append(sources(engine))
            warehouse.cubes.settle()

    assert told == [([Source.ROLLUP], 3), ([Source.ROLLUP], 3), ([Source.CUBE], 3), ([Source.CUBE], 3)]


def test_an_import_takes_the_cube_of_its_account_and_no_other(path: Path) -> None:
    with engine_on(path, cube_bytes=ROOM) as (engine, warehouse):
        heat(engine, warehouse, ["acme", "other"])
        write(path, "acme", [visit(country="IT")])
        told = [sources(engine), sources(engine, "other")]
        heat(engine, warehouse, ["acme"])
        told.append(sources(engine))

    assert told == [([Source.ROLLUP], 4), ([Source.CUBE], 3), ([Source.CUBE], 4)]


def test_no_room_is_no_cube(path: Path) -> None:
    with engine_on(path) as (engine, warehouse):
        heat(engine, warehouse, ["acme"])

        assert (sources(engine), warehouse.cubes.size_bytes) == (([Source.ROLLUP], 3), 0)


def test_one_too_large_is_not_built_and_the_roll_up_answers(path: Path) -> None:
    with engine_on(path, cube_bytes=100) as (engine, warehouse):
        heat(engine, warehouse, ["acme"])

        assert sources(engine) == ([Source.ROLLUP], 3)
        assert warehouse.cubes.find(warehouse.snapshot().accounts["acme"], Table.SESSIONS) is None


def test_the_longest_unasked_makes_room(path: Path) -> None:
    with engine_on(path, cube_bytes=ROOM) as (engine, warehouse):
        heat(engine, warehouse, ["acme"])
        size = warehouse.cubes.size_bytes
    with engine_on(path, cube_bytes=size) as (engine, warehouse):
        heat(engine, warehouse, ["acme"])
        heat(engine, warehouse, ["other"])

        told = [sources(engine, account) for account in ("acme", "other")]
        assert (told, warehouse.cubes.size_bytes) == ([([Source.ROLLUP], 3), ([Source.CUBE], 3)], size)


@pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: str(rollup.number))
def test_a_layer_takes_no_more_than_was_estimated(sample_warehouse: Path, rollup: Any) -> None:
    with engine_on(sample_warehouse) as (_, warehouse):
        snapshot = warehouse.snapshot()
        rows = _rows(snapshot._cursor("my-site"), 1, rollup)
    days = int(rows.days[-1] - rows.days[0]) + 1

    layer = Layer(rows)

    estimate = estimated_bytes(
        len(rows.days), int(rows.combinations.max()) + 1, days, len(ROLLED_METRICS[rollup.table])
    )
    assert 0.5 * estimate < layer.size_bytes <= estimate


def test_a_cube_is_of_one_table(path: Path) -> None:
    with engine_on(path, cube_bytes=ROOM) as (engine, warehouse):
        for _ in range(2):
            sources(engine)
        warehouse.cubes.settle()
        account = warehouse.snapshot().accounts["acme"]

        assert [warehouse.cubes.find(account, table) is not None for table in Table] == [True, False, False]
