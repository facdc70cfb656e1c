"""The cube: an account's roll-ups of one fact table in memory, so that a window of any length is the difference of two sums.

The sums of all days before are kept for every day where there are few combinations, else for every eighth; what lies between
is added from the rows of those few days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..catalog.dimensions import Table
from ..catalog.metrics import ROW_COUNT
from ..catalog.periods import Window
from .grouping import LexiconOf
from .rollup_reading import COMBINATION, CombinationsOf, PassingOf, rolled_result, rollup_of
from .rollups import Rollup, filtered_dimensions
from .statements import day_number
from .store import Column, Groups, Keys, Scan, ScanResult, Source

# Of every eighth day the sums of all days before are kept: dense ones would take as much again as eight times the rows.
SUMMED_DAYS = 8
# Of so few combinations those of every day are kept: they are short, and a window is one subtraction.
FEW_COMBINATIONS = 128


@dataclass(frozen=True, slots=True)
class RolledRows:
    """The rows of one roll-up, sorted by day: one for each day and combination."""

    days: Column
    combinations: Column
    sums: Mapping[str, Column]


class Layer:
    """One roll-up in memory."""

    def __init__(self, rows: RolledRows) -> None:
        self._first = int(rows.days[0]) if len(rows.days) else 0
        days = int(rows.days[-1]) - self._first + 1 if len(rows.days) else 0
        self._last = days  # the day behind the last, counted from the first
        self._starts = np.searchsorted(rows.days, np.arange(days + 1) + self._first)  # of each day among the rows
        self._combinations = rows.combinations.astype(np.uint32)
        self.width = int(rows.combinations.max()) + 1 if days else 0
        self._step = _step(self.width)
        self._sums = {metric: _narrow(column) for metric, column in rows.sums.items()}
        self._before = {metric: self._summed_before(column) for metric, column in self._sums.items()}

    @property
    def size_bytes(self) -> int:
        columns = [self._starts, self._combinations, *self._sums.values(), *self._before.values()]
        return sum(column.nbytes for column in columns)

    def window_sums(self, window: Window, metrics: Iterable[str]) -> dict[str, Column]:
        """The sums of some metrics in a window, by combination."""
        first, behind = self._places(window)
        if behind - first < self._step:
            return self._sums_of_days(first, behind, metrics)
        begun, over = first // self._step, behind // self._step
        sums = {metric: self._before[metric][over].astype(np.int64) for metric in metrics}
        for metric, column in sums.items():
            column -= self._before[metric][begun]
        for added, start, end in ((True, over * self._step, behind), (False, begun * self._step, first)):
            if start < end:
                for metric, days in self._sums_of_days(start, end, metrics).items():
                    sums[metric] += days if added else -days
        return sums

    def rows_in(self, window: Window) -> Column:
        """The positions of a window's rows."""
        first, behind = self._places(window)
        return np.arange(self._starts[first], self._starts[behind]) if self._last else np.arange(0)

    def day_of(self, positions: Column) -> Column:
        return np.searchsorted(self._starts, positions, side="right") - 1 + self._first

    def combination_of(self, positions: Column) -> Column:
        return self._combinations[positions].astype(np.int64)

    def sums_of(self, positions: Column, metric: str) -> Column:
        return self._sums[metric][positions].astype(np.int64)

    def _places(self, window: Window) -> tuple[int, int]:
        """A window's first day and the day behind its last, counted from the first day there is."""
        first, behind = day_number(window.start) - self._first, day_number(window.end) + 1 - self._first
        return min(max(first, 0), self._last), min(max(behind, 0), self._last)

    def _sums_of_days(self, first: int, behind: int, metrics: Iterable[str]) -> dict[str, Column]:
        rows = slice(self._starts[first], self._starts[behind])
        combinations = self._combinations[rows].astype(np.intp)
        return {
            metric: np.bincount(combinations, weights=self._sums[metric][rows], minlength=self.width).astype(np.int64)
            for metric in metrics
        }

    def _summed_before(self, column: Column) -> Column:
        """A row for every first day of a step: the sums of all days before it."""
        before = np.zeros((self._last // self._step + 1, self.width), dtype=np.int64)
        for place in range(1, len(before)):
            rows = slice(self._starts[(place - 1) * self._step], self._starts[place * self._step])
            added = np.bincount(self._combinations[rows], weights=column[rows], minlength=self.width)
            before[place] = before[place - 1] + added.astype(np.int64)
        return _narrow(before)


class Cube:
    """The layers of one fact table of one account, by the roll-up's number."""

    def __init__(self, table: Table, layers: Mapping[int, Layer]) -> None:
        self._count = ROW_COUNT[table]
        self._layers = layers
        self.size_bytes = sum(layer.size_bytes for layer in layers.values())

    def tell(
        self, scan: Scan, combinations_of: CombinationsOf, lexicon_of: LexiconOf, passing_of: PassingOf
    ) -> ScanResult:
        """What the roll-up statement of this scan would tell."""
        filtered = bool(filtered_dimensions(scan.filters, scan.segment))

        def read(rollup: Rollup, windows: tuple[Window, ...], keeps_day: bool) -> Groups:
            layer = self._layers[rollup.number]
            passing = passing_of(scan, rollup)[: layer.width] if filtered else None
            return (self._by_day if keeps_day else self._whole)(layer, windows, scan.metrics, passing)

        return rolled_result(scan, read, combinations_of, lexicon_of, Source.CUBE)

    def rows_by_day(self, scan: Scan) -> int:
        """How many rows have to be looked at one by one; windows as a whole take none."""
        by_day = [grouping for grouping in scan.groupings if "day" in grouping]
        return sum(
            len(self._layers[rollup_of(scan, grouping).number].rows_in(window))
            for grouping in by_day
            for window in scan.windows_of(grouping)
        )

    def _whole(
        self, layer: Layer, windows: tuple[Window, ...], metrics: tuple[str, ...], passing: Column | None
    ) -> Groups:
        summed = {window: layer.window_sums(window, {self._count, *metrics}) for window in windows}
        there = np.logical_or.reduce([own[self._count] > 0 for own in summed.values()])
        present = np.flatnonzero(there if passing is None else there & passing)
        sums = {window: {metric: own[metric][present] for metric in metrics} for window, own in summed.items()}
        return Groups({COMBINATION: Keys(present, None)}, sums)

    def _by_day(
        self, layer: Layer, windows: tuple[Window, ...], metrics: tuple[str, ...], passing: Column | None
    ) -> Groups:
        """A day and a combination have one row, so the rows are the groups."""
        rows = {window: layer.rows_in(window) for window in windows}
        found = next(iter(rows.values())) if len(rows) == 1 else np.unique(np.concatenate(list(rows.values())))
        if passing is not None:
            found = found[passing[layer.combination_of(found)]]
        inside = {window: np.isin(found, own) for window, own in rows.items()}
        sums = {
            window: {metric: layer.sums_of(found, metric) * own for metric in metrics} for window, own in inside.items()
        }
        keys = {COMBINATION: Keys(layer.combination_of(found), None), "day": Keys(layer.day_of(found), None)}
        return Groups(keys, sums)


def estimated_bytes(rows: int, combinations: int, days: int, metrics: int) -> int:
    """What a layer will take: money takes eight bytes a number, all else four."""
    numbers = rows + combinations * (days // _step(combinations) + 1)
    return 4 * rows + numbers * 4 * (metrics + 1) + 8 * (days + 1)


def _step(combinations: int) -> int:
    """Of how many days the first has the sums of all before it."""
    return 1 if combinations <= FEW_COMBINATIONS else SUMMED_DAYS


def _narrow(column: Column) -> Column:
    """In four bytes a number where all fit."""
    fits = not column.size or int(np.abs(column).max()) < 2**31
    return column.astype(np.int32 if fits else np.int64)
