"""The statements of a scan as ClickHouse groups best: several groupings in one pass over ``dimension * 2^32 + code``.

Every row stands once for each dimension that is grouped by alone (ARRAY JOIN); groupings of several dimensions are
branches of the same statement.  Each row that is told bears its window's place, its grouping's, and the codes of the
grouping's dimensions in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

import numpy as np

from ..catalog.dimensions import DIMENSIONS, Table
from ..catalog.metrics import ROW_COUNT
from ..catalog.periods import Window
from .dialects import CLICKHOUSE
from .grouping import LexiconOf, group_columns
from .rollup_reading import months_and_edges
from .rollups import COMBINED_CODES, Rollup, by_day, by_month, rollup_for
from .statements import (
    DAY_COLUMN,
    WINDOW_COLUMN,
    Restriction,
    Statement,
    conditions_of,
    day_number,
    listed,
    parameters_of,
    restriction_of,
    sum_column,
    sum_of,
)
from .store import Column, Groups, Listing, Scan, ScanResult, Source

GROUPING_PLACE = "grouping_place"

# What all groupings of fact tables have in common: one that has lost all its rows is not there.
_LIVE = "sum(sign) > 0"

# A grouping and where it stands among those of the scan.
_Placed = tuple[int, tuple[str, ...]]


def build_fused_statement(scan: Scan, account_number: int, version: int) -> Statement:
    """The statement that groups the facts of a scan."""
    branches = tuple(_placed(scan, window) for window in scan.windows)
    text, uses = _fused_text(scan.table, restriction_of(scan), branches, scan.metrics, _width(scan))
    parameters = [
        value
        for window, count in zip(scan.windows, uses, strict=True)
        for value in parameters_of(scan, account_number, (window,), CLICKHOUSE, version) * count
    ]
    return Statement(text, parameters)


def build_rolled_statement(scan: Scan, account_number: int, version: int) -> Statement:
    """The statement that reads a scan off the roll-ups: whole months, the days at both edges, and days where they are
    kept apart."""
    parts: list[str] = []
    parameters: list[int] = []
    for place, window in enumerate(scan.windows):
        kept = _numbers(scan.table, (grouping for grouping in scan.groupings_of(window) if "day" in grouping))
        read = _numbers(scan.table, scan.groupings_of(window))
        spans = list(_spans(scan.table, window, kept, tuple(number for number in read if number not in kept)))
        sources = tuple((source, numbers) for source, numbers, _ in spans)
        parts.append(_rolled_part(scan.table, place, sources, kept, scan.metrics))
        for _, _, (first, last) in spans:
            parameters += [account_number, version, first, last]
    return Statement(CLICKHOUSE.bound(_joined(parts)), parameters)


def build_clickhouse_listing(listing: Listing, account_number: int, version: int) -> Statement:
    """The statement that fetches rows as they are, without those of sessions that were taken back."""
    columns = ", ".join(listed(listing.table, name) for name in listing.columns)
    gone = f"SELECT session FROM sessions WHERE {CLICKHOUSE.own} AND sign < 0"
    text = (
        f"SELECT {columns}\nFROM {listing.table.value}\n"
        f"WHERE {conditions_of(listing.table, 1, restriction_of(listing), CLICKHOUSE)}\n"
        f"    AND sign > 0\n    AND session NOT IN ({gone})"
    )
    parameters = parameters_of(listing, account_number, (listing.window,), CLICKHOUSE, version)
    return Statement(CLICKHOUSE.bound(text), [*parameters, account_number, version])


def fused_groups(scan: Scan, columns: Mapping[str, Column], lexicon_of: LexiconOf) -> ScanResult:
    """The groups of a scan out of what its fused statement told."""

    def read(grouping: tuple[str, ...]) -> tuple[Column, dict[str, Column]]:
        rows = np.flatnonzero(columns[GROUPING_PLACE] == scan.groupings.index(grouping))
        return rows, {name: columns[_code(place)] for place, name in enumerate(grouping, start=1)}

    return ScanResult({grouping: _groups(scan, grouping, columns, read, lexicon_of) for grouping in scan.groupings})


def rolled_up_groups(scan: Scan, columns: Mapping[str, Column], lexicon_of: LexiconOf) -> ScanResult:
    """The groups of a scan out of what its roll-up statement told."""

    def read(grouping: tuple[str, ...]) -> tuple[Column, dict[str, Column]]:
        rollup = _rollup(scan.table, grouping)
        keys = {
            name: columns[DAY_COLUMN] if name == "day" else columns[_code(rollup.dimensions.index(name) + 1)]
            for name in grouping
        }
        return np.flatnonzero(columns["rollup"] == rollup.number), keys

    groups = {grouping: _groups(scan, grouping, columns, read, lexicon_of) for grouping in scan.groupings}
    return ScanResult(groups, Source.ROLLUP)


def _groups(
    scan: Scan,
    grouping: tuple[str, ...],
    columns: Mapping[str, Column],
    read: Callable[[tuple[str, ...]], tuple[Column, dict[str, Column]]],
    lexicon_of: LexiconOf,
) -> Groups:
    rows, keys = read(grouping)
    places = columns[WINDOW_COLUMN][rows]
    windows: dict[Window, Column | None] = {
        window: np.flatnonzero(places == scan.windows.index(window)) for window in scan.windows_of(grouping)
    }
    sums = {metric: columns[sum_column(metric)][rows] for metric in scan.metrics}
    return group_columns({name: column[rows] for name, column in keys.items()}, windows, sums, lexicon_of)


def _placed(scan: Scan, window: Window) -> tuple[_Placed, ...]:
    """The groupings of a window, each with its place among all of the scan."""
    own = scan.groupings_of(window)
    return tuple((place, grouping) for place, grouping in enumerate(scan.groupings) if grouping in own)


def _width(scan: Scan) -> int:
    """How many codes a row tells."""
    return max(map(len, scan.groupings), default=0)


def _code(place: int) -> str:
    return f"code_{place}"


@lru_cache(maxsize=512)
def _fused_text(
    table: Table,
    restriction: Restriction,
    windows: tuple[tuple[_Placed, ...], ...],
    metrics: tuple[str, ...],
    width: int,
) -> tuple[str, tuple[int, ...]]:
    """The text, and in how many branches each window stands."""
    parts = [
        list(_window_parts(table, restriction, place, placed, metrics, width)) for place, placed in enumerate(windows)
    ]
    return CLICKHOUSE.bound(_joined(part for own in parts for part in own)), tuple(map(len, parts))


def _window_parts(
    table: Table,
    restriction: Restriction,
    place: int,
    placed: tuple[_Placed, ...],
    metrics: tuple[str, ...],
    width: int,
) -> Iterator[str]:
    alone = [(number, grouping[0]) for number, grouping in placed if len(grouping) == 1]
    packs = len(alone) > 1
    if packs:
        yield _packed_part(table, restriction, place, alone, metrics, width)
    for number, grouping in placed:
        if not (packs and len(grouping) == 1):
            yield _plain_part(table, restriction, place, number, grouping, metrics, width)


def _packed_part(
    table: Table,
    restriction: Restriction,
    place: int,
    alone: list[tuple[int, str]],
    metrics: tuple[str, ...],
    width: int,
) -> str:
    """All groupings of one dimension, told apart by the upper half of the key."""
    keys = ", ".join(f"{number << 32} + toUInt32({DIMENSIONS[name].column(table)})" for number, name in alone)
    marks = [f"{place} AS {WINDOW_COLUMN}", f"bitShiftRight(packed, 32) AS {GROUPING_PLACE}"]
    codes = ["toUInt32(bitAnd(packed, 4294967295))"]
    return (
        f"SELECT {', '.join([*marks, *_codes(codes, width), *_sums(table, metrics)])}\n"
        f"FROM {table.value}\nARRAY JOIN [{keys}] AS packed\n"
        f"WHERE {conditions_of(table, 1, restriction, CLICKHOUSE)}\nGROUP BY packed\nHAVING {_LIVE}"
    )


def _plain_part(
    table: Table,
    restriction: Restriction,
    place: int,
    number: int,
    grouping: tuple[str, ...],
    metrics: tuple[str, ...],
    width: int,
) -> str:
    """One grouping; that of no dimension has its one row even where there is nothing."""
    columns = [DIMENSIONS[name].column(table) for name in grouping]
    marks = [f"{place} AS {WINDOW_COLUMN}", f"{number} AS {GROUPING_PLACE}"]
    codes = [f"toUInt32({column})" for column in columns]
    grouped = f"\nGROUP BY {', '.join(columns)}\nHAVING {_LIVE}" if columns else ""
    return (
        f"SELECT {', '.join([*marks, *_codes(codes, width), *_sums(table, metrics)])}\n"
        f"FROM {table.value}\nWHERE {conditions_of(table, 1, restriction, CLICKHOUSE)}{grouped}"
    )


def _codes(codes: list[str], width: int) -> list[str]:
    padded = [*codes, *["toUInt32(0)"] * (width - len(codes))]
    return [f"{code} AS {_code(place)}" for place, code in enumerate(padded, start=1)]


def _sums(table: Table, metrics: tuple[str, ...]) -> list[str]:
    return [f"{sum_of(metric, table, CLICKHOUSE)} AS {sum_column(metric)}" for metric in metrics]


def _rollup(table: Table, grouping: Iterable[str]) -> Rollup:
    rollup = rollup_for(table, grouping)
    assert rollup is not None  # noqa: S101  whoever reads roll-ups has asked ``is_rolled_up``
    return rollup


def _numbers(table: Table, groupings: Iterable[tuple[str, ...]]) -> tuple[int, ...]:
    return tuple(sorted({_rollup(table, grouping).number for grouping in groupings}))


_Span = tuple[str, tuple[int, ...], tuple[int, int]]  # the table, the roll-ups read of it, the first and the last day


def _spans(table: Table, window: Window, kept: tuple[int, ...], summed: tuple[int, ...]) -> Iterator[_Span]:
    if kept:
        yield by_day(table), kept, (day_number(window.start), day_number(window.end))
    if summed:
        months, edges = months_and_edges(window)
        if months is not None:
            yield by_month(table), summed, (day_number(months[0]), day_number(months[1]))
        for first, last in edges:
            yield by_day(table), summed, (day_number(first), day_number(last))


@lru_cache(maxsize=512)
def _rolled_part(
    table: Table,
    place: int,
    sources: tuple[tuple[str, tuple[int, ...]], ...],
    kept: tuple[int, ...],
    metrics: tuple[str, ...],
) -> str:
    """One window; its spans are put together by the engine."""
    live = ROW_COUNT[table]
    told = dict.fromkeys((*metrics, live))
    columns = ["rollup", "day", *COMBINED_CODES, *(f"{metric} AS told_{metric}" for metric in told)]
    read = _joined(
        f"SELECT {', '.join(columns)} FROM {source} WHERE {CLICKHOUSE.own} AND rollup IN ({', '.join(map(str, numbers))}) "
        f"AND day BETWEEN {CLICKHOUSE.number} AND {CLICKHOUSE.number}"
        for source, numbers in sources
    )
    day = f"if(rollup IN ({', '.join(map(str, kept))}), day, 0)" if kept else "toInt32(0)"
    sums = ", ".join(f"sum(told_{metric}) AS {sum_column(metric)}" for metric in metrics)
    return (
        f"SELECT {place} AS {WINDOW_COLUMN}, rollup, {day} AS {DAY_COLUMN}, {', '.join(COMBINED_CODES)}, {sums}\n"
        f"FROM (\n{read}\n)\nGROUP BY {DAY_COLUMN}, rollup, {', '.join(COMBINED_CODES)}\n"
        f"HAVING sum(told_{live}) > 0"
    )


def _joined(parts: Iterable[str]) -> str:
    return "\nUNION ALL\n".join(parts)
