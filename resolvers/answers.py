"""Cutting the answer to one question out of a scan.  One answerer per shape; rows arrive sorted, cut to their page.

Answers are plain dicts in the contract's words: counts are ``int``, rates ``float`` in percent with two decimals, money
``Decimal`` with two.  Ties in a sort are broken by the dimensions, so that pages never overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np

from ..catalog.accounts import Account
from ..catalog.endpoints import (
    BREAKDOWN_LISTS,
    ENDPOINTS,
    GOAL_SPLITS,
    OVERVIEW_COMPARED_SERIES,
    OVERVIEW_CONVERSIONS,
    OVERVIEW_SERIES,
    OVERVIEW_TRAFFIC,
    UTM,
    Shape,
)
from ..catalog.labels import LABELS
from ..catalog.metrics import METRICS, ROW_COUNT, Unit, additive_metrics, value_of
from ..catalog.periods import Window
from ..catalog.query import Granularity, SortOrder, StatsQuery
from ..warehouse.grouping import regroup
from ..warehouse.store import Column, Groups
from .figures import Answer, as_rows, figure, figure_column, figures, money, summed
from .free_rows import free_rows
from .listed import LISTERS
from .series import time_series


def cut(query: StatsQuery, parts: Mapping[str, Any], account: Account) -> Answer:
    """The answer to ``query`` out of what was read for it, by the names ``groupings`` and ``listings`` gave the parts."""
    lister = LISTERS.get(query.endpoint.shape)
    return lister(query, parts, account) if lister else _ANSWERERS[query.endpoint.shape](query, parts)


# --- Shape.TOTALS -------------------------------------------------------------------------------------------------


def _totals(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{date_range, traffic, conversions, comparison, …_series}``.  Contract §1.1."""
    groups, scope = parts["series"], query.scope
    answer = _period_totals(groups, scope.window)
    answer["comparison"] = None if scope.comparison is None else _period_totals(groups, scope.comparison)
    for metric in OVERVIEW_SERIES:
        answer[f"{metric}_series"] = _series(query, groups, scope.window, metric)
    for metric in OVERVIEW_COMPARED_SERIES:
        compared = None if scope.comparison is None else _series(query, groups, scope.comparison, metric)
        answer[f"{metric}_series_compare"] = compared
    return answer


def _period_totals(groups: Groups, window: Window) -> Answer:
    sums = summed(groups.sums[window])
    return {
        "date_range": {"start_date": window.start, "end_date": window.end, "days": window.days},
        "traffic": figures(sums, OVERVIEW_TRAFFIC),
        "conversions": figures(sums, OVERVIEW_CONVERSIONS),
    }


def _series(query: StatsQuery, groups: Groups, window: Window, metric: str) -> Answer:
    """One point per day, or per hour of each day, the empty ones included."""
    hourly = query.granularity is Granularity.HOURLY
    values = dict(zip(_moments(groups, hourly), groups.sums[window][metric].tolist(), strict=True))
    present = figure(metric)
    points = [
        {"date": day, "hour": hour, "day_of_week": None, "value": present(values.get((day, hour), 0))}
        for day in _days(window)
        for hour in (range(24) if hourly else (None,))
    ]
    total = sum(values.get((point["date"], point["hour"]), 0) for point in points)
    average = _rounded_quotient(total, len(points), METRICS[metric].unit)
    return {"metric": metric, "points": points, "total": present(total), "average": average}


def _moments(groups: Groups, hourly: bool) -> list[tuple[date, int | None]]:
    days = [date(1970, 1, 1) + timedelta(days=number) for number in groups.keys["day"].codes.tolist()]
    hours = groups.keys["hour"].codes.tolist() if hourly else [None] * len(days)
    return list(zip(days, hours, strict=True))


def _days(window: Window) -> Iterator[date]:
    return (window.start + timedelta(days=index) for index in range(window.days))


def _rounded_quotient(total: int, points: int, unit: Unit) -> float:
    """The average per point with two decimals, rounded half up; cents are hundredths already."""
    scale = 1 if unit is Unit.MONEY else 100
    return (2 * scale * total + points) // (2 * points) / 100


# --- Shape.ROWS ---------------------------------------------------------------------------------------------------


def _rows(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{rows, total, page, page_size, has_next, has_prev, totals, comparison}``.  Contract §1.0.1."""
    groups = parts["rows"]
    found = _found(query, groups)
    return _page(query, groups, found, _traffic_rows)


def _page(
    query: StatsQuery, groups: Groups, found: Column, make_rows: Callable[[StatsQuery, Groups, Column], list[Answer]]
) -> Answer:
    """A page of the ``found`` positions that have anything in the window, with totals over all of them."""
    window, comparison = query.scope.window, query.scope.comparison
    present = found[groups.sums[window][ROW_COUNT[query.endpoint.table]][found] > 0]
    chosen = _sorted(query, groups, present)[(query.page - 1) * query.page_size : query.page * query.page_size]
    return {
        "rows": make_rows(query, groups, chosen),
        "total": len(present),
        "page": query.page,
        "page_size": query.page_size,
        "has_next": query.page * query.page_size < len(present),
        "has_prev": query.page > 1,
        "totals": _window_totals(query, groups, present, window),
        "comparison": None if comparison is None else _comparison(query, groups, found, comparison),
    }


def _found(query: StatsQuery, groups: Groups) -> Column:
    """The positions whose own dimension has the searched text in it; all of them when nothing is searched for."""
    own = groups.keys[query.dimensions[0]]
    if not query.search or own.lexicon is None:
        return np.arange(len(own.codes))
    return np.flatnonzero(np.isin(own.codes, own.lexicon.codes_containing(query.search)))


def _sorted(query: StatsQuery, groups: Groups, positions: Column) -> Column:
    sums = {name: column[positions] for name, column in groups.sums[query.scope.window].items()}
    values = value_of(query.sort_by, sums)
    first = values if query.sort_order is SortOrder.ASC else -values
    ties = [groups.keys[dimension].ranks[positions] for dimension in reversed(query.dimensions)]
    return positions[np.lexsort((*ties, first))]


def _traffic_rows(query: StatsQuery, groups: Groups, chosen: Column) -> list[Answer]:
    columns = _dimension_columns(query.dimensions, groups, chosen)
    for name in query.endpoint.labels:
        label = LABELS[name]
        columns[name] = [label.tell(value) for value in columns[label.dimension]]
    columns |= _metric_columns(query, groups, chosen)
    if query.scope.comparison is not None:
        columns |= _previous_columns(query, groups, chosen, query.scope.comparison)
    return as_rows(columns)


def _dimension_columns(dimensions: Iterable[str], groups: Groups, chosen: Column) -> dict[str, list[Any]]:
    return {name: groups.keys[name].spell(chosen) for name in dimensions}


def _metric_columns(query: StatsQuery, groups: Groups, chosen: Column) -> dict[str, list[Any]]:
    all_sums = groups.sums[query.scope.window]
    sums = {name: column[chosen] for name, column in all_sums.items()}
    whole = int(all_sums[ROW_COUNT[query.endpoint.table]].sum())
    sums |= {"part": sums[ROW_COUNT[query.endpoint.table]], "whole": np.full(len(chosen), whole)}
    return {name: figure_column(name, value_of(name, sums)) for name in query.endpoint.metrics}


def _previous_columns(query: StatsQuery, groups: Groups, chosen: Column, window: Window) -> dict[str, list[Any]]:
    """``<metric>_prev`` for what is summed; None where the row did not exist then.  Contract §1.0, §6.9."""
    sums = {name: column[chosen] for name, column in groups.sums[window].items()}
    existed = (sums[ROW_COUNT[query.endpoint.table]] > 0).tolist()
    return {
        f"{name}_prev": [
            value if there else None for value, there in zip(figure_column(name, sums[name]), existed, strict=True)
        ]
        for name in additive_metrics(query.endpoint.metrics)
    }


def _window_totals(query: StatsQuery, groups: Groups, positions: Column, window: Window) -> Answer:
    sums = summed({name: column[positions] for name, column in groups.sums[window].items()})
    return figures(sums, additive_metrics(query.endpoint.metrics))


def _comparison(query: StatsQuery, groups: Groups, positions: Column, window: Window) -> Answer:
    totals = _window_totals(query, groups, positions, window)
    return totals | {"date_range": {"start_date": window.start, "end_date": window.end, "days": window.days}}


# --- Shape.BREAKDOWN ----------------------------------------------------------------------------------------------


def _breakdown(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{by_device, by_browser, by_os}``, each by entrances.  Contract §1.9, §6.12."""
    own = {name: ENDPOINTS[report].dimensions[0] for name, report in BREAKDOWN_LISTS.items()}
    return {name: _list(query, dimension, parts[dimension]) for name, dimension in own.items()}


def _list(query: StatsQuery, dimension: str, groups: Groups) -> list[Answer]:
    entrances = groups.sums[query.scope.window]["entrances"]
    present = np.flatnonzero(entrances > 0)
    order = present[np.lexsort((groups.keys[dimension].ranks[present], -entrances[present]))]
    columns = _dimension_columns((dimension,), groups, order) | _metric_columns(query, groups, order)
    if query.scope.comparison is not None:
        columns |= _previous_columns(query, groups, order, query.scope.comparison)
    return as_rows(columns)


# --- Shape.GOALS --------------------------------------------------------------------------------------------------


def _goals(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """A page of goals of one kind, or of those named, each with its split.  Contract §1.12, §1.13."""
    groups = parts["rows"]
    splits = {
        "by_source": _split(query, parts["by_source"], UTM),
        "by_country": _split(query, parts["by_country"], ("country",)),
    }

    def make_rows(query: StatsQuery, groups: Groups, chosen: Column) -> list[Answer]:
        columns = {"conversion_type": groups.keys["goal"].spell(chosen)} | _metric_columns(query, groups, chosen)
        if query.scope.comparison is not None:
            columns |= _previous_columns(query, groups, chosen, query.scope.comparison)
        for name, by_goal in splits.items():
            columns[name] = [by_goal.get(code, []) for code in groups.keys["goal"].codes[chosen].tolist()]
        return as_rows(columns)

    return _page(query, groups, _of_kind(query, groups), make_rows)


def _of_kind(query: StatsQuery, groups: Groups) -> Column:
    of_kind = groups.keys["goal_kind"].codes == query.endpoint.goal_kind
    if query.goals:
        names = groups.keys["goal"]
        of_kind &= np.array([names.word(code) in query.goals for code in names.codes.tolist()], dtype=bool)
    return np.flatnonzero(of_kind)


def _split(query: StatsQuery, groups: Groups, dimensions: tuple[str, ...]) -> dict[int, list[Answer]]:
    """By goal code, its rows over further dimensions, most frequent first, with their share of the goal's count."""
    sums = groups.sums[query.scope.window]
    found = _of_kind(query, groups)
    found = found[sums["count"][found] > 0]
    ties = [groups.keys[dimension].ranks[found] for dimension in reversed(dimensions)]
    found = found[np.lexsort((*ties, -sums["count"][found]))]
    goals, counts = groups.keys["goal"].codes[found], sums["count"][found]
    wholes = np.bincount(goals, weights=counts, minlength=1).astype(np.int64)[goals] if len(found) else counts
    columns = _dimension_columns(dimensions, groups, found)
    columns["count"] = counts.tolist()
    columns["revenue"] = figure_column("revenue", sums["revenue"][found])
    columns["percentage"] = figure_column("percentage", value_of("percentage", {"part": counts, "whole": wholes}))
    split: dict[int, list[Answer]] = {}
    for goal, row in zip(goals.tolist(), as_rows(columns), strict=True):
        split.setdefault(goal, []).append(row)
    return split


# --- Shape.GOAL and Shape.NAMES -----------------------------------------------------------------------------------


def _goal(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{conversion_type, totals, by_source, by_country, …}`` of one goal; zeros when it was never reached."""
    (name,) = query.goals
    answer: Answer = {"conversion_type": name}
    for part, dimensions in GOAL_SPLITS.items():
        groups = parts[part]
        split = _split(query, groups, dimensions)
        answer[part] = next(
            (rows for code, rows in split.items() if groups.keys["goal"].word(code) == name),
            [],
        )
    answer["totals"] = {"count": sum(row["count"] for row in answer["by_country"])}
    return answer


def _names(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{names}``, in order of the alphabet."""
    groups = parts["rows"]
    found = _of_kind(query, groups)
    reached = found[groups.sums[query.scope.window]["count"][found] > 0]
    return {"names": sorted(groups.keys["goal"].spell(reached))}


# --- Shape.TOP and Shape.GROUPED ----------------------------------------------------------------------------------


def _top(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{rows}``: the first few, never compared."""
    groups = parts["rows"]
    present = np.flatnonzero(groups.sums[query.scope.window][ROW_COUNT[query.endpoint.table]] > 0)
    return {"rows": _traffic_rows(query, groups, _sorted(query, groups, present)[: query.page_size])}


def _grouped(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """A page of groups with the number of different finer values in each; what belongs to none is left out."""
    finer = parts["rows"]
    count = ROW_COUNT[query.endpoint.table]
    counted = {
        window: {**sums, "unique_pages": (sums[count] > 0).astype(np.int64)} for window, sums in finer.sums.items()
    }
    groups = regroup(Groups(finer.keys, counted), {name: finer.keys[name] for name in query.endpoint.dimensions})
    own = groups.keys[query.endpoint.dimensions[0]]
    named = np.flatnonzero([own.word(code) != "" for code in own.codes.tolist()])
    return _page(query, groups, named, _traffic_rows)


# --- Shape.FUNNEL -------------------------------------------------------------------------------------------------


def _funnel(query: StatsQuery, parts: Mapping[str, Groups]) -> Answer:
    """``{microconversion_types, conversion_types, rows, totals, truncated}``.  Contract §1.14."""
    groups, goals = parts["rows"], parts["goals"]
    window, dimensions = query.scope.window, query.endpoint.dimensions
    present = np.flatnonzero(groups.sums[window]["entrances"] > 0)
    chosen = _sorted(query, groups, present)[: query.page_size]
    columns = _dimension_columns(dimensions, groups, chosen) | _metric_columns(query, groups, chosen)
    rows = as_rows(columns)
    codes = list(zip(*(groups.keys[name].codes[chosen].tolist() for name in dimensions), strict=True))
    reached = _goals_by_row(query, goals, frozenset(codes))
    overall = _goals_overall(query, goals)
    for row, key in zip(rows, codes, strict=False):
        row |= _goal_lists(goals, reached.get(key, {}), overall)
    totals = dict.fromkeys(dimensions, "") | figures(summed(groups.sums[window]), query.endpoint.metrics)
    return {
        "microconversion_types": _goal_names(goals, overall, 0),
        "conversion_types": _goal_names(goals, overall, 1),
        "rows": rows,
        "totals": totals | _goal_lists(goals, overall, overall),
        "truncated": len(present) > query.page_size,
    }


# By (kind, goal code): how often it was reached, and for how many cents.
_Reached = dict[tuple[int, int], tuple[int, int]]


def _goals_by_row(
    query: StatsQuery, goals: Groups, rows: frozenset[tuple[int, ...]]
) -> dict[tuple[int, ...], _Reached]:
    """What each of the rows that are told has reached."""
    sums = goals.sums[query.scope.window]
    dimensions = query.endpoint.dimensions
    keys = zip(*(goals.keys[name].codes.tolist() for name in dimensions), strict=True)
    kinds = [int(kind) for kind in goals.keys["goal_kind"].codes.tolist()]
    codes = goals.keys["goal"].codes.tolist()
    counts, cents = sums["count"].tolist(), sums["revenue"].tolist()
    reached: dict[tuple[int, ...], _Reached] = {}
    for key, kind, code, count, amount in zip(keys, kinds, codes, counts, cents, strict=False):
        if key in rows:
            reached.setdefault(key, {})[kind, code] = (count, amount)
    return reached


def _goals_overall(query: StatsQuery, goals: Groups) -> _Reached:
    """The sums over all rows, most frequent first: the order in which goals are listed everywhere in the funnel."""
    whole = regroup(goals, {name: goals.keys[name] for name in ("goal_kind", "goal")})
    sums, names = whole.sums[query.scope.window], whole.keys["goal"]
    kinds, codes = (whole.keys[name].codes.tolist() for name in ("goal_kind", "goal"))
    goal_sums = zip(sums["count"].tolist(), sums["revenue"].tolist(), strict=True)
    overall = dict(zip(zip(map(int, kinds), codes, strict=True), goal_sums, strict=True))
    return dict(sorted(overall.items(), key=lambda item: (-item[1][0], names.word(item[0][1]))))


def _goal_names(goals: Groups, overall: _Reached, kind: int) -> list[str]:
    return [goals.keys["goal"].word(code) for goal_kind, code in overall if goal_kind == kind]


def _goal_lists(goals: Groups, reached: _Reached, order: Iterable[tuple[int, int]]) -> Answer:
    """What one row reached, goals in the common ``order``, those never reached left out."""
    names = goals.keys["goal"]
    ordered = [(kind, names.word(code), *reached[kind, code]) for kind, code in order if (kind, code) in reached]
    return {
        "microconversions": [{"type": name, "count": count} for kind, name, count, _ in ordered if kind == 0],
        "conversions": [{"type": name, "count": count} for kind, name, count, _ in ordered if kind == 1],
        "revenue": [{"type": name, "amount": money(cents)} for kind, name, _, cents in ordered if kind == 1],
    }


_ANSWERERS: dict[Shape, Callable[[StatsQuery, Mapping[str, Groups]], Answer]] = {
    Shape.TOTALS: _totals,
    Shape.ROWS: _rows,
    Shape.BREAKDOWN: _breakdown,
    Shape.GOALS: _goals,
    Shape.FUNNEL: _funnel,
    Shape.GOAL: _goal,
    Shape.NAMES: _names,
    Shape.TOP: _top,
    Shape.GROUPED: _grouped,
    Shape.SERIES: time_series,
    Shape.FREE: free_rows,
}
