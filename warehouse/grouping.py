"""Grouping in memory: the fetched rows of a scan, and the groups of several windows into one.

Both count into bins.  Sums are counted in doubles, which are exact for whole numbers below 2^53: ninety trillion in cents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..catalog.periods import Window
from .statements import (
    DAY_COLUMN,
    GROUPING_COLUMN,
    WINDOW_COLUMN,
    day_number,
    dimensions_of,
    grouping_id,
    sum_column,
)
from .store import Column, Groups, Keys, Lexicon, Scan, ScanResult

LexiconOf = Callable[[str], Lexicon | None]

# Codes are counted directly while there are not many more of them than rows; beyond, they are made dense by sorting.
_SPARE_BINS = 4


def group_rows(scan: Scan, columns: Mapping[str, Column], lexicon_of: LexiconOf) -> ScanResult:
    """The groups of a scan out of what its rows statement fetched."""
    days = columns[DAY_COLUMN]
    added = {metric: columns[sum_column(metric)] for metric in scan.metrics}
    inside = {window: _rows_in(window, days) for window in scan.windows}
    asked, own = scan.windows[0], inside[scan.windows[0]]
    own_added = added if own is None else {metric: column[own] for metric, column in added.items()}
    result: dict[tuple[str, ...], Groups] = {}
    for grouping in scan.groupings:
        keys = {name: columns[name] for name in grouping}
        if scan.windows_of(grouping) == scan.windows:
            result[grouping] = group_columns(keys, inside, added, lexicon_of)
        else:  # what is only in the windows to compare with makes no group of it
            keys = keys if own is None else {name: column[own] for name, column in keys.items()}
            result[grouping] = group_columns(keys, {asked: None}, own_added, lexicon_of)
    return ScanResult(result)


def merge_groups(scan: Scan, columns: Mapping[str, Column], lexicon_of: LexiconOf) -> ScanResult:
    """The groups of a scan out of what its grouping statement told, those of several windows side by side."""
    places, ids = columns[WINDOW_COLUMN], columns[GROUPING_COLUMN]
    plain = {name: _plain(columns[name]) for name in dimensions_of(scan.groupings)}
    plain |= {metric: _plain(columns[sum_column(metric)]) for metric in scan.metrics}
    result: dict[tuple[str, ...], Groups] = {}
    for grouping in scan.groupings:
        rows = {window: _branch_rows(scan, window, grouping, places, ids) for window in scan.windows_of(grouping)}
        taken = np.concatenate(list(rows.values()))
        windows = _numbered(rows)
        keys = {name: plain[name][taken] for name in grouping}
        added = {metric: plain[metric][taken] for metric in scan.metrics}
        result[grouping] = group_columns(keys, windows, added, lexicon_of)
    return ScanResult(result)


def group_columns(
    codes: Mapping[str, Column],
    windows: Mapping[Window, Column | None],
    added: Mapping[str, Column],
    lexicon_of: LexiconOf,
) -> Groups:
    """Rows put together by their codes, each window's by itself; None stands for all rows."""
    rows = len(next(iter(added.values())))
    bins = _bins(list(codes.values()), rows)
    keys = {name: Keys(column[bins.examples], lexicon_of(name)) for name, column in codes.items()}
    return Groups(keys, {window: _sums(bins, inside, added) for window, inside in windows.items()})


def regroup(groups: Groups, keys: Mapping[str, Keys]) -> Groups:
    """The same sums by other keys: ``keys`` has one value for every group there is, and equal ones are put together."""
    rows = groups.height
    bins = _bins([column.codes for column in keys.values()], rows)
    merged = {name: Keys(column.codes[bins.examples], column.lexicon) for name, column in keys.items()}
    return Groups(merged, {window: _sums(bins, None, sums) for window, sums in groups.sums.items()})


def _branch_rows(scan: Scan, window: Window, grouping: tuple[str, ...], places: Column, ids: Column) -> Column:
    number = grouping_id(grouping, dimensions_of(scan.groupings_of(window)))
    return np.flatnonzero((places == scan.windows.index(window)) & (ids == number))


def _numbered(rows: Mapping[Window, Column]) -> dict[Window, Column | None]:
    """Where each window's rows stand once all are put one after another; None stands for all of them."""
    if len(rows) == 1:
        return dict.fromkeys(rows)
    ends = np.cumsum([len(found) for found in rows.values()])
    return {window: np.arange(end - len(found), end) for (window, found), end in zip(rows.items(), ends, strict=True)}


def _plain(column: Column) -> Column:
    """A column without its mask: what is masked belongs to other groupings, or is the sum of nothing, which is 0."""
    return np.ma.filled(column, 0)


@dataclass(frozen=True, slots=True)
class _Bins:
    """Which group each row is in, and one row of every group."""

    of_row: Column
    examples: Column

    @property
    def count(self) -> int:
        return len(self.examples)


def _rows_in(window: Window, days: Column) -> Column | None:
    """The positions of a window's rows; None stands for all of them."""
    inside = (days >= day_number(window.start)) & (days <= day_number(window.end))
    return None if inside.all() else np.flatnonzero(inside)


def _bins(codes: list[Column], rows: int) -> _Bins:
    if not codes:
        return _Bins(np.zeros(rows, dtype=np.int64), np.zeros(min(rows, 1), dtype=np.int64))
    bins = _dense(codes[0].astype(np.int64))
    for further in codes[1:]:
        second = _dense(further.astype(np.int64))
        bins = _dense(bins.of_row * max(second.count, 1) + second.of_row)
    return bins


def _dense(keys: Column) -> _Bins:
    """Keys numbered without gaps."""
    if len(keys) == 0:
        return _Bins(keys, keys)
    lowest, highest = int(keys.min()), int(keys.max())
    if highest - lowest > _SPARE_BINS * len(keys) + 1024:
        _, examples, of_row = np.unique(keys, return_index=True, return_inverse=True)
        return _Bins(of_row, examples)
    shifted = keys - lowest
    example = np.full(highest - lowest + 1, -1, dtype=np.int64)
    example[shifted] = np.arange(len(keys))
    taken = example >= 0
    numbers = np.cumsum(taken) - 1
    return _Bins(numbers[shifted], example[taken])


def _sums(bins: _Bins, rows: Column | None, added: Mapping[str, Column]) -> dict[str, Column]:
    of_row = bins.of_row if rows is None else bins.of_row[rows]
    return {
        metric: np.bincount(of_row, weights=column if rows is None else column[rows], minlength=bins.count).astype(
            np.int64
        )
        for metric, column in added.items()
    }
