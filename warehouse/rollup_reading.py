"""Reading a scan off the roll-ups: the statement, and the groups out of what it told.

A long window is its whole months and the days at both edges.  Groupings that keep the day read days only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from ..catalog.dimensions import Table
from ..catalog.periods import Window
from .grouping import LexiconOf, group_columns, regroup
from .rollups import Rollup, by_day, by_month, rollup_for
from .statements import DATABASE, DAY_COLUMN, WINDOW_COLUMN, Statement, day_number, sum_column
from .store import Column, Groups, Keys, Scan, ScanResult, Source

COMBINATION = "combination"

# The codes of a combination, by dimension: each column is indexed by the combination's number.
Combinations = Mapping[str, Column]

# The sums of a roll-up in these windows, by combination, and by day where it is kept.
ReadRollup = Callable[[Rollup, tuple[Window, ...], bool], Groups]

_Span = tuple[date, date]

# So many roll-ups are asked for by number; of more, all are read, as naming them takes longer to plan.
_FEW = 4


def build_rollup_statement(scan: Scan, account_number: int) -> Statement:
    """A row per window, roll-up, combination and, where a grouping keeps it, day."""
    branches: list[_Branch] = []
    parameters: list[Any] = []
    for place, window in enumerate(scan.windows):
        for branch, spans in _branches(scan, place, window):
            branches.append(branch)
            parameters += [account_number, *(day_number(day) for span in spans for day in span)]
    return Statement(_text(tuple(branches), scan.metrics), parameters)


def rolled_groups(
    scan: Scan, columns: Mapping[str, Column], combinations_of: Callable[[Rollup], Combinations], lexicon_of: LexiconOf
) -> ScanResult:
    """The groups of a scan out of what its roll-up statement told."""

    def read(rollup: Rollup, windows: tuple[Window, ...], keeps_day: bool) -> Groups:
        places = {window: scan.windows.index(window) for window in windows}
        own = columns["rollup"] == rollup.number
        taken = np.flatnonzero(own & np.isin(columns[WINDOW_COLUMN], list(places.values())))
        told = {name: np.ma.filled(column, 0)[taken] for name, column in columns.items()}
        rows = {window: np.flatnonzero(told[WINDOW_COLUMN] == place) for window, place in places.items()}
        codes = {COMBINATION: told[COMBINATION]} | ({"day": told[DAY_COLUMN]} if keeps_day else {})
        return group_columns(codes, rows, {metric: told[sum_column(metric)] for metric in scan.metrics}, lambda _: None)

    return rolled_result(scan, read, combinations_of, lexicon_of, Source.ROLLUP)


def rolled_result(
    scan: Scan,
    read: ReadRollup,
    combinations_of: Callable[[Rollup], Combinations],
    lexicon_of: LexiconOf,
    source: Source,
) -> ScanResult:
    """The groups of a scan, each grouping spelled and put together from the roll-up that has it."""
    told: dict[tuple[Rollup, tuple[Window, ...], bool], Groups] = {}
    result: dict[tuple[str, ...], Groups] = {}
    for grouping in scan.groupings:
        rollup = rollup_for(scan.table, grouping)
        assert rollup is not None  # noqa: S101  whoever reads roll-ups has asked ``is_rolled_up``
        wanted = rollup, scan.windows_of(grouping), "day" in grouping
        if wanted not in told:
            told[wanted] = read(*wanted)
        result[grouping] = _spelled(grouping, rollup, told[wanted], combinations_of, lexicon_of)
    return ScanResult(result, source)


def _spelled(
    grouping: tuple[str, ...],
    rollup: Rollup,
    groups: Groups,
    combinations_of: Callable[[Rollup], Combinations],
    lexicon_of: LexiconOf,
) -> Groups:
    """The groups by dimension; a grouping of fewer dimensions than the roll-up's puts some together."""
    numbers = groups.keys[COMBINATION].codes
    keys: dict[str, Keys] = {}
    for name in grouping:
        if name == "day":
            keys[name] = groups.keys[name]
        else:
            codes = combinations_of(rollup)[name][numbers] if rollup.is_combined else numbers
            keys[name] = Keys(codes, lexicon_of(name))
    whole = set(grouping) - {"day"} == set(rollup.dimensions)
    return Groups(keys, groups.sums) if whole else regroup(groups, keys)


@dataclass(frozen=True, slots=True)
class _Branch:
    """A part of the statement: some spans of days, or of months, of one window."""

    place: int
    source: str
    rollups: tuple[int, ...]  # that are read; none: all there are
    kept: tuple[int, ...]  # of them, those whose rows stay apart by day
    spans: int
    whole: bool = False  # whether those kept by day are read over the last span, and the others over those before


def _branches(scan: Scan, place: int, window: Window) -> Iterator[tuple[_Branch, list[_Span]]]:
    kept = _numbers(scan.table, (grouping for grouping in scan.groupings_of(window) if "day" in grouping))
    read = _numbers(scan.table, scan.groupings_of(window))
    named = read if len(read) <= _FEW else ()
    summed = tuple(number for number in read if number not in kept)
    months, edges = months_and_edges(window)
    if months is None or not summed:
        yield _Branch(place, by_day(scan.table), named, kept, 1), [(window.start, window.end)]
        return
    yield _Branch(place, by_month(scan.table), summed if kept or named else (), (), 1), [months]
    spans = [*edges, *([(window.start, window.end)] if kept else ())]
    if spans:
        yield _Branch(place, by_day(scan.table), named, kept, len(spans), bool(kept)), spans


def _numbers(table: Table, groupings: Iterable[tuple[str, ...]]) -> tuple[int, ...]:
    found = (rollup_for(table, grouping) for grouping in groupings)
    return tuple(sorted({rollup.number for rollup in found if rollup is not None}))


def months_and_edges(window: Window) -> tuple[_Span | None, list[_Span]]:
    """The first days of the first and last whole month, and the spans of days before and after them."""
    first = window.start if window.start.day == 1 else _next_month(window.start)
    behind = _next_month(window.end) if _next_month(window.end) == _day_after(window.end) else window.end.replace(day=1)
    if first >= behind:
        return None, [(window.start, window.end)]
    last = (behind - timedelta(days=1)).replace(day=1)
    edges = ((window.start, first - timedelta(days=1)), (behind, window.end))
    return (first, last), [(start, end) for start, end in edges if start <= end]


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _day_after(day: date) -> date:
    return day + timedelta(days=1)


@lru_cache(maxsize=512)
def _text(branches: tuple[_Branch, ...], metrics: tuple[str, ...]) -> str:
    """Sums leave as doubles, as the engine adds in 128 bits: exact below 2^53, as everywhere (``grouping.py``)."""
    return "\nUNION ALL\n".join(_part(branch, metrics) for branch in branches)


def _part(branch: _Branch, metrics: tuple[str, ...]) -> str:
    sums = ", ".join(f"sum({metric}) AS {sum_column(metric)}" for metric in metrics)
    kept = f"rollup IN ({_listed(branch.kept)})"
    day = f"CASE WHEN {kept} THEN day ELSE 0 END" if branch.kept else "0"
    conditions = ["account = ?", *([f"rollup IN ({_listed(branch.rollups)})"] if branch.rollups else [])]
    span = "day BETWEEN ? AND ?"
    if branch.whole:
        edges = [f"(NOT {kept} AND ({' OR '.join([span] * (branch.spans - 1))}))"] if branch.spans > 1 else []
        conditions.append(f"({' OR '.join([*edges, f'({kept} AND {span})'])})")
    else:
        conditions.append(f"({' OR '.join([span] * branch.spans)})")
    return (
        f"SELECT {branch.place} AS {WINDOW_COLUMN}, rollup, {day} AS {DAY_COLUMN}, {COMBINATION}, {sums}\n"
        f"FROM {DATABASE}.{branch.source}\n"
        f"WHERE {' AND '.join(conditions)}\n"
        f"GROUP BY ALL"
    )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
