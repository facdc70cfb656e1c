"""Cutting what belongs to one row of an outer report out of a scan that was grouped by all of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..warehouse.store import Column, Groups, Keys, ListingResult

Below = tuple[tuple[str, str], ...]  # dimensions, and the values the row has there


def groups_within(below: Below, groups: Groups) -> Groups:
    """The groups inside a row; all of them when there is none."""
    if not below:
        return groups
    chosen = _positions(below, groups.keys)
    sums = {
        window: {metric: column[chosen] for metric, column in columns.items()}
        for window, columns in groups.sums.items()
    }
    return Groups(_cut(groups.keys, chosen), sums)


def rows_within(below: Below, rows: ListingResult) -> ListingResult:
    """The same for rows as they are."""
    return _cut(rows, _positions(below, rows)) if below else rows


def _positions(below: Below, keys: Mapping[str, Keys]) -> Column:
    inside = [keys[dimension].codes == keys[dimension].code_of(value) for dimension, value in below]
    return np.flatnonzero(np.logical_and.reduce(inside))


def _cut(keys: Mapping[str, Keys], chosen: Column) -> dict[str, Keys]:
    return {name: replace(column, codes=column.codes[chosen]) for name, column in keys.items()}
