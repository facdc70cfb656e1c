"""Blocks: the coded rows of an account's days in memory, so that filtered questions about them take no statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..catalog.dimensions import DIMENSIONS, Table
from ..catalog.periods import Window
from .conditions import Passing, passes
from .statements import DAY_COLUMN, day_number, dimensions_of, sum_column
from .store import Column, Scan


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one fact table over a span of days, sorted by day: columns as they are stored, and what metrics add."""

    table: Table
    first: int  # days since 1970-01-01
    last: int
    columns: Mapping[str, Column]

    @property
    def size_bytes(self) -> int:
        return sum(column.nbytes for column in self.columns.values())

    def covers(self, windows: Iterable[Window]) -> bool:
        first, last = span_of(windows)
        return self.first <= first and last <= self.last

    def found(self, scan: Scan, passing: Passing) -> Column:
        """The positions of the rows in the scan's windows that pass its filters and segment."""
        spans = self._spans(scan.windows)
        return np.concatenate([span.start + np.flatnonzero(self._passes(scan, span, passing)) for span in spans])

    def rows(self, scan: Scan, found: Column) -> dict[str, Column]:
        """What the rows statement of the scan would fetch."""
        told = {DAY_COLUMN: self.columns["day"][found]}
        told |= {name: self._column(name)[found] for name in dimensions_of(scan.groupings)}
        return told | {sum_column(metric): self.columns[sum_column(metric)][found] for metric in scan.metrics}

    def _spans(self, windows: Iterable[Window]) -> list[slice]:
        """Where the rows of the windows stand, each row in one span only."""
        days = self.columns["day"]
        spans: list[slice] = []
        for window in sorted(windows, key=lambda window: window.start):
            start, stop = np.searchsorted(days, [day_number(window.start), day_number(window.end) + 1]).tolist()
            begun = max([start, *(span.stop for span in spans)])
            spans.append(slice(begun, max(begun, stop)))
        return spans

    def _passes(self, scan: Scan, span: slice, passing: Passing) -> Column:
        rows = span.stop - span.start
        return passes(scan.filters, scan.segment, lambda name: self._column(name)[span], passing, rows)

    def _column(self, dimension: str) -> Column:
        return self.columns[DIMENSIONS[dimension].column(self.table)]


def span_of(windows: Iterable[Window]) -> tuple[int, int]:
    """The first and the last day of all windows."""
    starts, ends = zip(*((day_number(window.start), day_number(window.end)) for window in windows), strict=True)
    return min(starts), max(ends)
