"""Reading scans off the roll-ups: the statement, and the groups out of what it told.

A long window is its whole months and the days at both edges.  Groupings that keep the day read the rows of days as they
are, those of all windows at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from ..catalog.metrics import METRICS
from ..catalog.periods import Window
from .grouping import LexiconOf, group_columns, regroup
from .rollups import Rollup, by_day, by_month, filtered_dimensions, rollup_for
from .statements import DATABASE, DAY_COLUMN, WINDOW_COLUMN, Statement, day_number, sum_column
from .store import Column, Groups, Keys, Scan, ScanResult, Source

ROLLUP_COLUMN = "rollup"
COMBINATION = "combination"
MARKS = (WINDOW_COLUMN, ROLLUP_COLUMN, DAY_COLUMN, COMBINATION)

# The place of rows that stay apart by day, whichever windows they lie in.
BY_DAY = -1

# The codes of a combination, by dimension: each column is indexed by the combination's number.
Combinations = Mapping[str, Column]
CombinationsOf = Callable[[Rollup], Combinations]

# Whether each combination of a roll-up passes the filters and the segment of a scan.
PassingOf = Callable[[Scan, Rollup], Column]

# The sums of a roll-up in these windows, by combination, and by day where it is kept.
ReadRollup = Callable[[Rollup, tuple[Window, ...], bool], Groups]

_Span = tuple[date, date]

# So many roll-ups are asked for by number; of more, all are read, as naming them takes longer to plan.
_FEW = 4


def build_rollup_statement(scans: Iterable[Scan], account_number: int, passing_of: PassingOf) -> Statement:
    """A row per window, roll-up, combination and, where a grouping keeps it, day; whatever tables the scans are of."""
    branches: list[_Branch] = []
    parameters: list[Any] = []
    for scan in scans:
        for branch, spans in _branches(scan):
            branches.append(branch)
            parameters += [account_number, *(day_number(day) for span in spans for day in span)]
            if branch.passing is not None:
                parameters.append(np.flatnonzero(passing_of(scan, branch.passing)).tolist())
    metrics = tuple(name for name in METRICS if any(name in branch.metrics for branch in branches))
    return Statement(_text(tuple(branches), metrics), parameters, MARKS, tuple(map(sum_column, metrics)))


def rolled_groups(
    scan: Scan, columns: Mapping[str, Column], combinations_of: CombinationsOf, lexicon_of: LexiconOf
) -> ScanResult:
    """The groups of one of the scans out of what their statement told."""
    plain = {name: np.ma.filled(columns[name], 0) for name in (*MARKS, *map(sum_column, scan.metrics))}

    def read(rollup: Rollup, windows: tuple[Window, ...], keeps_day: bool) -> Groups:
        places = [BY_DAY] if keeps_day else [scan.windows.index(window) for window in windows]
        taken = np.flatnonzero((plain[ROLLUP_COLUMN] == rollup.number) & np.isin(plain[WINDOW_COLUMN], places))
        told = {name: column[taken] for name, column in plain.items()}
        codes = {COMBINATION: told[COMBINATION]}
        if keeps_day:
            codes["day"] = told[DAY_COLUMN]
            rows = {window: _days_in(window, told[DAY_COLUMN]) for window in windows}
        else:
            rows = {window: _at(place, told[WINDOW_COLUMN]) for window, place in zip(windows, places, strict=True)}
        return group_columns(codes, rows, {metric: told[sum_column(metric)] for metric in scan.metrics}, lambda _: None)

    return rolled_result(scan, read, combinations_of, lexicon_of, Source.ROLLUP)


def _days_in(window: Window, days: Column) -> Column:
    return np.flatnonzero((days >= day_number(window.start)) & (days <= day_number(window.end)))


def _at(place: int, places: Column) -> Column:
    return np.flatnonzero(places == place)


def rolled_result(
    scan: Scan, read: ReadRollup, combinations_of: CombinationsOf, lexicon_of: LexiconOf, source: Source
) -> ScanResult:
    """The groups of a scan, each grouping spelled and put together from the roll-up that has it."""
    told: dict[tuple[Rollup, tuple[Window, ...], bool], Groups] = {}
    result: dict[tuple[str, ...], Groups] = {}
    for grouping in scan.groupings:
        rollup = rollup_of(scan, grouping)
        wanted = rollup, scan.windows_of(grouping), "day" in grouping
        if wanted not in told:
            told[wanted] = read(*wanted)
        result[grouping] = _spelled(grouping, rollup, told[wanted], combinations_of, lexicon_of)
    return ScanResult(result, source)


def rollup_of(scan: Scan, grouping: tuple[str, ...]) -> Rollup:
    """The roll-up that a grouping of this scan is read from."""
    rollup = rollup_for(scan.table, grouping, filtered_dimensions(scan.filters, scan.segment))
    assert rollup is not None  # noqa: S101  whoever reads roll-ups has asked ``is_rolled_up``
    return rollup


def _spelled(
    grouping: tuple[str, ...],
    rollup: Rollup,
    groups: Groups,
    combinations_of: CombinationsOf,
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
    """A part of the statement: some spans of days, or of months, of one window, or the days of several as they are."""

    source: str
    place: int
    rollups: tuple[int, ...]  # that are read; none: all there are
    metrics: tuple[str, ...]
    spans: int = 1
    passing: Rollup | None = None  # of which only the combinations that pass are read
    combined: bool = True  # whether combinations stay apart


def _branches(scan: Scan) -> Iterator[tuple[_Branch, list[_Span]]]:
    """What is filtered is read roll-up by roll-up, as each has combinations of its own that pass."""
    filtered = bool(filtered_dimensions(scan.filters, scan.segment))
    for rollups in [(rollup,) for rollup in _rollups(scan)] if filtered else [_rollups(scan)]:
        passing = rollups[0] if filtered else None
        for place, window in enumerate(scan.windows):
            summed = _numbers(scan, rollups, window, by_day=False)
            yield from _summed(scan, place, window, summed, passing) if summed else ()
        together: defaultdict[tuple[int, ...], list[_Span]] = defaultdict(list)
        for window in scan.windows:
            together[_numbers(scan, rollups, window, by_day=True)].append((window.start, window.end))
        for kept, spans in together.items():
            if kept:
                combined = passing is None or any(len(grouping) > 1 for grouping in _kept(scan, passing))
                source = by_day(scan.table)
                yield _Branch(source, BY_DAY, kept, scan.metrics, len(spans), passing, combined), spans


def _summed(
    scan: Scan, place: int, window: Window, numbers: tuple[int, ...], passing: Rollup | None
) -> Iterator[tuple[_Branch, list[_Span]]]:
    named = numbers if len(numbers) <= _FEW else ()
    months, edges = months_and_edges(window)
    if months is not None:
        yield _Branch(by_month(scan.table), place, named, scan.metrics, 1, passing), [months]
    if edges:
        yield _Branch(by_day(scan.table), place, named, scan.metrics, len(edges), passing), edges


def _rollups(scan: Scan) -> tuple[Rollup, ...]:
    return tuple(dict.fromkeys(rollup_of(scan, grouping) for grouping in scan.groupings))


def _numbers(scan: Scan, rollups: tuple[Rollup, ...], window: Window, *, by_day: bool) -> tuple[int, ...]:
    """Those of the roll-ups that are read by day, or not by day, in one of the windows."""
    found = {rollup_of(scan, grouping) for grouping in scan.groupings_of(window) if ("day" in grouping) is by_day}
    return tuple(sorted(rollup.number for rollup in rollups if rollup in found))


def _kept(scan: Scan, rollup: Rollup) -> Iterator[tuple[str, ...]]:
    """The groupings by day that are read from a roll-up."""
    return (grouping for grouping in scan.groupings if "day" in grouping and rollup_of(scan, grouping) == rollup)


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
    """A day and a combination have one row, so those that stay apart need not be grouped."""
    grouped = branch.place != BY_DAY or not branch.combined
    columns = [
        f"{branch.place} AS {WINDOW_COLUMN}",
        ROLLUP_COLUMN,
        f"{'day' if branch.place == BY_DAY else 0} AS {DAY_COLUMN}",
        COMBINATION if branch.combined else f"0 AS {COMBINATION}",
    ]
    for metric in metrics:
        added = f"sum({metric})" if grouped else metric
        columns.append(f"{added if metric in branch.metrics else 0} AS {sum_column(metric)}")
    conditions = ["account = ?"]
    if branch.rollups:
        conditions.append(f"{ROLLUP_COLUMN} IN ({', '.join(map(str, branch.rollups))})")
    conditions.append(f"({' OR '.join(['day BETWEEN ? AND ?'] * branch.spans)})")
    if branch.passing is not None:
        conditions.append(f"{COMBINATION} IN (SELECT unnest(CAST(? AS UINTEGER[])))")
    return (
        f"SELECT {', '.join(columns)}\nFROM {DATABASE}.{branch.source}\nWHERE {' AND '.join(conditions)}"
        + "\nGROUP BY ALL" * grouped
    )
