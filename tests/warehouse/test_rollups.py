"""Roll-ups: kept by every import, brought into older files, and never seen in the numbers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.catalog.dimensions import Table
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.filters import Filter, make_filter
from fanin.catalog.periods import Window
from fanin.catalog.query import Granularity, Scope, StatsQuery, ask, groupings
from fanin.catalog.segments import Segment
from fanin.resolvers.planner import fuse, gather, shared_key
from fanin.tests.facts import bought, reached, stored, visit, write
from fanin.tests.older_layouts import ROLLUP_TABLES, as_layout
from fanin.tests.questions import ask_needed
from fanin.warehouse.duckdb_reading import DuckDBSnapshot, DuckDBWarehouse
from fanin.warehouse.rollup_reading import months_and_edges
from fanin.warehouse.rollups import ROLLUPS, by_day, by_month
from fanin.warehouse.store import Scan, ScanResult, Source
from fanin.warehouse.writing import writing

SPRING = Window(date(2026, 1, 15), date(2026, 4, 10))  # two whole months and ragged edges
FACTS = [
    visit(f"2026-{month:02}-{day:02}T10:00", "/", f"/{day}", utm_source=source, country=country, goals=goals)
    for month, day in ((1, 15), (1, 31), (2, 1), (2, 28), (3, 1), (3, 10), (3, 31), (4, 1), (4, 11))
    for source, country, goals in (("google", "ES", [bought(100 * day)]), ("bing", "US", [reached("cart")]))
]


@contextmanager
def opened(path: Path, *, use_rollups: bool = True) -> Iterator[DuckDBWarehouse]:
    warehouse = DuckDBWarehouse(path, use_rollups=use_rollups)
    try:
        yield warehouse
    finally:
        warehouse.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", FACTS)
    return tmp_path / "w.duckdb"


def scans_of(query: StatsQuery) -> list[Scan]:
    key = shared_key(query)
    assert key is not None
    return list(fuse(key, [query]))


def read(path: Path, *scans: Scan, use_rollups: bool = True) -> list[ScanResult]:
    async def read_all(snapshot: DuckDBSnapshot) -> list[ScanResult]:
        return [await snapshot.scan(scan) for scan in scans]

    with opened(path, use_rollups=use_rollups) as warehouse:
        return asyncio.run(read_all(warehouse.snapshot()))


# --- which questions they answer -----------------------------------------------------------------------------------

# Answered from rows as they are.
LISTED = ("conversion_events", "microconversion_events", "funnel_steps")


@pytest.mark.parametrize("report", [name for name in ENDPOINTS if name not in LISTED])
def test_every_report_without_a_filter_is_read_off_roll_ups(path: Path, report: str) -> None:
    scans = scans_of(ask_needed(Scope("acme", SPRING, Window(date(2025, 11, 1), date(2026, 1, 20))), report))

    assert {result.source for result in read(path, *scans)} == {Source.ROLLUP}


SPAIN = make_filter("country", "eq", ["ES"])
GOOGLE = make_filter("utm_source", "contains", ["goo"])
PAGE = make_filter("path", "in", ["/", "/15"])


@pytest.mark.parametrize(
    ("report", "filters"),
    [
        ("countries", (SPAIN,)),
        ("overview", (SPAIN,)),
        ("time_series", (GOOGLE,)),
        ("sources", (make_filter("utm_source", "ne", ["google"]),)),
        ("campaigns", (GOOGLE, make_filter("utm_medium", "eq", ["(none)"]))),
        ("funnel", (GOOGLE,)),
        ("pages", (PAGE,)),
        ("landing_pages", (PAGE,)),
        ("content_groups", (PAGE, make_filter("content_grouping", "eq", ["(not set)"]))),
    ],
)
def test_a_filter_on_their_own_dimensions_is_read_off_them_and_tells_what_the_facts_tell(
    path: Path, report: str, filters: tuple[Filter, ...]
) -> None:
    scope = Scope("acme", SPRING, Window(date(2025, 11, 1), date(2026, 1, 20)), filters)
    scans = scans_of(ask_needed(scope, report))

    rolled, facts = read(path, *scans), read(path, *scans, use_rollups=False)

    assert [({result.source for result in results}) for results in (rolled, facts)] == [
        {Source.ROLLUP},
        {Source.STATEMENT},
    ]
    assert [told(result) for result in rolled] == [told(result) for result in facts]


def test_so_is_a_segment_of_them(path: Path) -> None:
    segment = Segment(groups=((GOOGLE,), (make_filter("utm_source", "eq", ["bing"]),)), not_groups=((GOOGLE,),))
    scans = scans_of(ask(Scope("acme", SPRING, segment=segment), "sources"))

    (rolled,), (facts,) = read(path, *scans), read(path, *scans, use_rollups=False)

    assert (rolled.source, facts.source) == (Source.ROLLUP, Source.STATEMENT)
    assert told(rolled) == told(facts) != {}


def test_what_is_filtered_goes_to_the_facts_with_those_that_have_to() -> None:
    scope = Scope("acme", SPRING, filters=(SPAIN,))
    countries, sources = ask(scope, "countries"), ask(scope, "sources")

    gathered = gather([countries, sources])

    assert [(key.source, queries) for key, queries in gathered.items()] == [(Source.STATEMENT, [sources, countries])]


def told(result: ScanResult) -> dict[Any, Any]:
    """The groups that have rows, spelled; the order of groups is no one's business."""
    spelled: dict[Any, Any] = {}
    for grouping, groups in result.items():
        keys = [groups.keys[name].spell(np.arange(groups.height)) for name in grouping]
        for place, value in enumerate(zip(*keys, strict=True) if keys else [()]):
            sums = {
                (window, metric): int(column[place])
                for window, own in groups.sums.items()
                for metric, column in own.items()
                if len(column)
            }
            if any(sums.values()):
                spelled[grouping, value] = sums
    return spelled


@pytest.mark.parametrize("report", LISTED)
def test_reports_of_single_rows_group_nothing(report: str) -> None:
    query = ask_needed(Scope("acme", Window(SPRING.start, SPRING.start + timedelta(days=9))), report)

    assert groupings(query) == {}


@pytest.mark.parametrize(
    "query",
    [
        ask(Scope("acme", SPRING, filters=(make_filter("country", "eq", ["ES"]),)), "sources"),
        ask(Scope("acme", SPRING), "pages", include=["device"]),
    ],
    ids=["a filter", "a column that is not summed up"],
)
def test_what_they_do_not_know_is_read_from_the_facts(path: Path, query: StatsQuery) -> None:
    assert [result.source for result in read(path, *scans_of(query))] == [Source.STATEMENT]


def test_one_tile_that_they_cannot_tell_does_not_take_the_others_to_the_facts() -> None:
    scope = Scope("acme", SPRING)

    gathered = gather([ask(scope, "pages"), ask(scope, "pages", include=["device"])])

    assert {key.source for key in gathered} == {Source.ROLLUP, Source.STATEMENT}


def test_their_numbers_and_dimensions_are_as_they_are_stored() -> None:
    assert [rollup.number for rollup in ROLLUPS] == list(range(1, len(ROLLUPS) + 1))
    assert [(rollup.number, rollup.dimensions) for rollup in ROLLUPS if rollup.is_combined] == [
        (14, ("landing_page", "content_grouping")),
        (15, ("utm_source", "utm_medium", "utm_campaign", "utm_term")),
        (16, ("path", "content_grouping")),
        (17, ("goal_kind", "goal", "country")),
        (18, ("goal_kind", "goal", "device_type")),
        (19, ("goal_kind", "goal", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")),
        (20, ("goal_kind", "goal", "landing_page")),
    ]


# --- whole months and the days at both edges -------------------------------------------------------------------------

day = st.dates(date(2023, 1, 1), date(2026, 12, 31))


@given(st.tuples(day, day).map(lambda ends: Window(min(ends), max(ends))))
def test_months_and_edges_are_every_day_of_the_window_once(window: Window) -> None:
    months, edges = months_and_edges(window)

    counted = [day for start, end in edges for day in _days(start, end)]
    if months is not None:
        first, last = months
        assert (first.day, last.day) == (1, 1)
        counted += _days(first, (last.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1))
    assert sorted(counted) == _days(window.start, window.end)
    assert all((end - start).days < 30 for start, end in edges) or months is None


def _days(start: date, end: date) -> list[date]:
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


# --- how they are kept -----------------------------------------------------------------------------------------------


def sums(path: Path, table: str, account: str = "acme") -> list[Any]:
    """By day: sessions, page views and cents."""
    return stored(
        path,
        f"SELECT DATE '1970-01-01' + day, entrances, page_views, revenue FROM {table} WHERE rollup = 1 ORDER BY ALL",
        account,
    )


def test_a_session_counts_wholly_on_its_first_local_day(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    late = visit("2026-03-31T21:55", "/", "/a", goals=[bought(5, at="2026-03-31T22:10")])  # into April in Madrid
    write(path, "acme", [late], time_zone="Europe/Madrid")

    assert sums(path, by_day(Table.SESSIONS)) == [(date(2026, 3, 31), 1, 2, 5)]
    assert sums(path, by_month(Table.SESSIONS)) == [(date(2026, 3, 1), 1, 2, 5)]
    assert stored(path, "SELECT DISTINCT DATE '1970-01-01' + day FROM goals_by_day") == [(date(2026, 3, 31),)]


def test_sessions_that_come_late_change_the_sums_of_their_days_and_months_only(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-02-10T10:00"), visit("2026-03-10T10:00"), visit("2026-03-11T10:00")])
    write(path, "other", [visit("2026-03-10T10:00", "/", "/a")])
    write(path, "acme", [visit("2026-03-10T09:00", "/", "/b", goals=[bought(7)])])

    assert sums(path, by_day(Table.SESSIONS)) == [
        (date(2026, 2, 10), 1, 1, 0),
        (date(2026, 3, 10), 2, 3, 7),
        (date(2026, 3, 11), 1, 1, 0),
    ]
    assert sums(path, by_month(Table.SESSIONS)) == [
        (date(2026, 2, 1), 1, 1, 0),
        (date(2026, 3, 1), 3, 4, 7),
    ]
    assert sums(path, by_day(Table.SESSIONS), "other") == [(date(2026, 3, 10), 1, 2, 0)]


def test_combinations_keep_their_numbers_and_new_ones_follow(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    spelled = (
        "SELECT combination, value FROM combinations JOIN lexicon "
        "ON dimension = 'path' AND code = code_1 AND lexicon.account = combinations.account "
        "WHERE rollup = 16 ORDER BY combination"
    )
    write(path, "acme", [visit("2026-03-10T10:00", "/b", "/a")])
    before = stored(path, spelled)
    write(path, "acme", [visit("2026-03-10T11:00", "/a", "/c"), visit("2026-03-12T11:00", "/b")])

    assert [number for number, _ in before] == [0, 1]
    assert stored(path, spelled) == [*before, (2, "/c")]


def test_an_account_that_is_cleared_leaves_no_sums(path: Path) -> None:
    with writing(path) as writer:
        writer.clear_account("acme", source_name="test")

    assert {name: stored(path, f"FROM {name}") for name in ROLLUP_TABLES} == {name: [] for name in ROLLUP_TABLES}


# --- files of earlier layouts ----------------------------------------------------------------------------------------


def test_a_file_of_layout_1_is_read_from_its_facts_and_one_of_layout_2_from_its_roll_ups(path: Path) -> None:
    write(path, "aaa", [visit("2026-03-10T10:00")])  # comes first, so that acme has another number
    scans = scans_of(ask(Scope("acme", SPRING), "sources"))
    told = read(path, *scans)
    for layout in (2, 1):
        as_layout(path, layout)
        told += read(path, *scans)
        with writing(path) as writer:
            writer.add_sessions("aaa", [], digest="x", source_name="nothing")

    assert [result.source for result in told] == [Source.ROLLUP, Source.ROLLUP, Source.STATEMENT]
    assert [result["utm_source",].sums[SPRING]["entrances"].tolist() for result in told] == [[8, 8]] * 3


@pytest.mark.parametrize("layout", [1, 2])
def test_an_import_brings_all_accounts_forward_and_keeps_the_old_file_beside_the_new_ones(
    path: Path, layout: int
) -> None:
    whole = {
        name: stored(path, f"FROM {name} ORDER BY ALL") for name in (by_day(Table.SESSIONS), by_month(Table.GOALS))
    }
    write(path, "aaa", [visit("2026-03-10T10:00")])
    as_layout(path, layout)
    before = path.read_bytes()

    write(path, "aaa", [visit("2026-03-10T10:00")])

    moved = {name: stored(path, f"SELECT * REPLACE (1 AS account) FROM {name} ORDER BY ALL") for name in whole}
    assert moved == whole
    assert sums(path, by_day(Table.SESSIONS), "aaa") == [(date(2026, 3, 10), 2, 2, 0)]
    assert stored(path, "SELECT schema_version FROM fanin_meta") == [(3,)]
    assert path.with_name(f"w.duckdb.layout-{layout}").read_bytes() == before
    with opened(path.with_name(f"w.duckdb.layout-{layout}")) as old, opened(path) as new:
        assert list(old.snapshot().accounts) == list(new.snapshot().accounts) == ["aaa", "acme"]


def test_a_running_server_reads_on_in_the_old_file_while_it_is_brought_forward(path: Path) -> None:
    as_layout(path, 2)
    scans = scans_of(ask(Scope("acme", SPRING), "sources"))

    async def told() -> list[list[int]]:
        with opened(path) as warehouse:
            old = warehouse.snapshot()
            write(path, "acme", [visit("2026-03-10T10:00", utm_source="bing")])
            results = [await snapshot.scan(scans[0]) for snapshot in (old, warehouse.snapshot(), old)]
        return [sorted(result["utm_source",].sums[SPRING]["entrances"].tolist()) for result in results]

    assert asyncio.run(told()) == [[8, 8], [8, 9], [8, 8]]


def test_an_import_that_fails_leaves_an_earlier_layout_as_it_was(path: Path) -> None:
    as_layout(path, 1)
    before = path.read_bytes()

    with pytest.raises(RuntimeError, match="stop"):
        _stopped_halfway(path)

    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["w.duckdb"]


def _stopped_halfway(path: Path) -> None:
    with writing(path) as writer:
        writer.add_sessions("acme", [visit()], digest="x", source_name="log")
        raise RuntimeError("stop")


def test_nothing_imported_brings_nothing_forward(path: Path) -> None:
    as_layout(path, 1)
    before = path.read_bytes()

    with writing(path):
        pass

    assert (path.read_bytes(), os.listdir(path.parent)) == (before, ["w.duckdb"])


def test_hourly_series_are_read_off_roll_ups_too(path: Path) -> None:
    query = ask(Scope("acme", Window(date(2026, 3, 10), date(2026, 3, 10))), "overview", granularity=Granularity.HOURLY)

    (result,) = read(path, *scans_of(query))

    groups = result["day", "hour"]
    assert result.source is Source.ROLLUP
    assert [groups.keys[name].codes.tolist() for name in ("day", "hour")] == [[20522], [10]]
