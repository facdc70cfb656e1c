"""Grouping the fetched rows of a scan in memory: every grouping and window of it, by counting into bins.

Sums are counted in doubles, which are exact for whole numbers below 2^53: ninety trillion in cents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..catalog.periods import Window
from .statements import DAY_COLUMN, day_number, sum_column
from .store import Column, Groups, Keys, Lexicon, Scan, ScanResult

# Codes are counted directly while there are not many more of them than rows; beyond, they are made dense by sorting.
_SPARE_BINS = 4


def group_rows(scan: Scan, columns: Mapping[str, Column], lexicon_of: Callable[[str], Lexicon | None]) -> ScanResult:
    """The groups of every grouping, as the engine would have made them.  ``columns`` are those of the rows statement."""
    days = columns[DAY_COLUMN]
    windows = {window: _rows_in(window, days) for window in scan.windows}
    added = {metric: columns[sum_column(metric, 0)] for metric in scan.metrics}
    result: dict[tuple[str, ...], Groups] = {}
    for grouping in scan.groupings:
        bins = _bins([columns[name] for name in grouping], len(days))
        keys = {name: Keys(columns[name][bins.examples], lexicon_of(name)) for name in grouping}
        sums = {window: _sums(bins, rows, added) for window, rows in windows.items()}
        result[grouping] = Groups(keys, sums)
    return result


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
