"""The answer to a free query: rows over dimensions and metrics of the caller's choice.  Contract §1.17."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np

from ..catalog.endpoints import FREE_DIMENSIONS
from ..catalog.metrics import METRICS, ROW_COUNT, value_of
from ..catalog.periods import Window
from ..catalog.query import FreeColumns, SortOrder, StatsQuery
from ..warehouse.grouping import regroup
from ..warehouse.store import Column, Groups, Keys
from .figures import Answer, as_rows, figure_column, figures, summed


def free_rows(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{rows, total, has_more, comparison_rows, comparison_total}``, each window's rows sorted and cut alike.

    ``bounce_rate`` comes beside the metrics when both entrance metrics were asked for.
    """
    free = query.free or FreeColumns()
    groups = _by_words(free, parts["rows"])
    rows, total = _window_rows(query, free, groups, query.scope.window)
    answer: Answer = {"rows": rows, "total": total, "has_more": free.offset + query.page_size < total}
    compared = ([], 0) if query.scope.comparison is None else _window_rows(query, free, groups, query.scope.comparison)
    answer["comparison_rows"], answer["comparison_total"] = compared
    return answer


def told_metrics(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics that a row has."""
    return (*metrics, "bounce_rate") if {"entrances", "engaged_entrances"} <= set(metrics) else metrics


def _by_words(free: FreeColumns, groups: Groups) -> Groups:
    """The groups by the caller's words: the day as the date it is, or the weekday it falls on."""
    keys = {word: _keys(word, groups.keys[FREE_DIMENSIONS[word]]) for word in free.dimensions}
    return regroup(groups, keys) if "day_of_week" in keys and "date" not in keys else Groups(keys, groups.sums)


def _keys(word: str, keys: Keys) -> Keys:
    # 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
    return Keys((keys.codes.astype(np.int64) + 3) % 7 + 1, None) if word == "day_of_week" else keys


def _window_rows(query: StatsQuery, free: FreeColumns, groups: Groups, window: Window) -> tuple[list[Answer], int]:
    sums = groups.sums[window]
    if not free.dimensions:
        whole = [figures(summed(sums), told_metrics(free.metrics))]  # even when there was nothing
        return whole[free.offset :], 1
    present = np.flatnonzero(sums[ROW_COUNT[query.endpoint.table]] > 0)
    chosen = _sorted(free, groups, sums, present)[free.offset : free.offset + query.page_size]
    columns: dict[str, list[Any]] = {word: _spelled(word, groups.keys[word], chosen) for word in free.dimensions}
    cut = {name: column[chosen] for name, column in sums.items()}
    columns |= {name: figure_column(name, value_of(name, cut)) for name in told_metrics(free.metrics)}
    return as_rows(columns), len(present)


def _sorted(free: FreeColumns, groups: Groups, sums: Mapping[str, Column], present: Column) -> Column:
    """By the caller's order, then by the dimensions, so that pages never overlap."""
    ties = [groups.keys[word].ranks[present] for word in reversed(free.dimensions)]
    wanted = [
        _direction(sums[field][present] if field in METRICS else groups.keys[field].ranks[present], order)
        for field, order in reversed(free.order_by)
    ]
    levels = (*ties, *wanted)
    return present[np.lexsort(levels)] if levels else present


def _direction(column: Column, order: SortOrder) -> Column:
    return column.astype(np.int64) if order is SortOrder.ASC else -column.astype(np.int64)


def _spelled(word: str, keys: Keys, chosen: Column) -> list[Any]:
    values = keys.spell(chosen)
    return [date(1970, 1, 1) + timedelta(days=day) for day in values] if word == "date" else values
