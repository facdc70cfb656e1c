"""Reading documented reports back into answers: what ``rest_compat/shapes.py`` writes, and no other shape.  Contract §1.

Only what is summed is read; rates are told from it as everywhere, money is exact.  Names that editions of the documented
API write differently are read alike (§0.4, §6.12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from ..catalog.endpoints import (
    BREAKDOWN_LISTS,
    ENDPOINTS,
    FREE_DIMENSIONS,
    GOAL_SPLITS,
    UTM,
    Endpoint,
)
from ..catalog.labels import LABELS
from ..catalog.metrics import METRICS, Unit, additive_metrics, value_of
from ..catalog.periods import Window
from ..catalog.query import StatsQuery
from .figures import Answer, figure, figures, money
from .free_rows import told_metrics
from .planner import EVENT_DIMENSIONS

Json = Any
T = TypeVar("T")

LONGEST_TEXT = 20_000  # characters of one value


class WrongShape(Exception):
    """The report is not as documented; says which member."""


# --- single values ------------------------------------------------------------------------------------------------


def _member(value: Json, *names: str) -> Json:
    """The member of an object by the first of its names that is there."""
    if isinstance(value, Mapping):
        for name in names:
            if name in value:
                return value[name]
    raise WrongShape(names[0])


def _list(value: Json, name: str, most: int | None = None) -> list[Json]:
    found = _member(value, name)
    if not isinstance(found, list) or (most is not None and len(found) > most):
        raise WrongShape(name)
    return found


def _text(value: Json, *names: str) -> str:
    found = _member(value, *names)
    if not isinstance(found, str) or len(found) > LONGEST_TEXT:
        raise WrongShape(names[0])
    return found


def _truth(value: Json, name: str) -> bool:
    found = _member(value, name)
    if not isinstance(found, bool):
        raise WrongShape(name)
    return found


def _count(value: Json, name: str) -> int:
    found = _member(value, name)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 2**63:
        raise WrongShape(name)
    return found


def _cents(value: Json, name: str) -> int:
    """Money as a decimal text or a number, in whole cents.  Contract §1.0.2."""
    found = _member(value, name)
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        raise WrongShape(name)
    try:
        cents = Decimal(str(found)).scaleb(2)
        whole = int(cents.to_integral_value())
    except (InvalidOperation, ValueError, OverflowError):
        raise WrongShape(name) from None
    if abs(whole) >= 2**63:
        raise WrongShape(name)
    return whole


def _percent(value: Json, name: str) -> float:
    found = _member(value, name)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found <= 100:
        raise WrongShape(name)
    return round(float(found), 2)


def _day(value: Json, name: str) -> date:
    try:
        return date.fromisoformat(_text(value, name))
    except ValueError:
        raise WrongShape(name) from None


def _hour(value: Json, name: str, last: int = 23) -> int:
    found = _count(value, name)
    if found > last:
        raise WrongShape(name)
    return found


def _sum(value: Json, metric: str, name: str = "") -> int:
    """A summed metric: a count, or money in cents."""
    return (_cents if METRICS[metric].unit is Unit.MONEY else _count)(value, name or metric)


# --- rows ---------------------------------------------------------------------------------------------------------

# The names a dimension goes by in rows, where they are others than its own.
_NAMES: dict[str, tuple[str, ...]] = {
    "channel": ("channel", "channel_group"),
    "device_type": ("device_type", "device", "name"),
    "browser": ("browser", "name"),
    "os": ("os", "name"),
    "path": ("path", "page_path"),
    "landing_page": ("landing_page", "path"),
    "referrer": ("referrer", "referrer_domain"),
}


def _dimensions(row: Json, dimensions: Iterable[str]) -> Answer:
    return {name: _text(row, *_NAMES.get(name, (name,))) for name in dimensions}


def _measures(row: Json, metrics: tuple[str, ...]) -> Answer:
    sums = {name: _sum(row, name) for name in additive_metrics(metrics)}
    told = {name: figure(name)(value_of(name, sums)) for name in metrics if name != "percentage"}
    return told | ({"percentage": _percent(row, "percentage")} if "percentage" in metrics else {})


def _previous(row: Json, metrics: tuple[str, ...]) -> Answer:
    """``<metric>_prev``, all of them null where the row did not exist then.  Contract §1.0."""
    return {
        f"{name}_prev": None if _member(row, f"{name}_prev") is None else figure(name)(_sum(row, name, f"{name}_prev"))
        for name in additive_metrics(metrics)
    }


def _row(query: StatsQuery, row: Json, dimensions: Iterable[str]) -> Answer:
    endpoint = query.endpoint
    told = _dimensions(row, dimensions)
    told |= {name: LABELS[name].tell(told[LABELS[name].dimension]) for name in endpoint.labels}
    told |= _measures(row, endpoint.metrics)
    return told if query.scope.comparison is None else told | _previous(row, endpoint.metrics)


def read_page(query: StatsQuery, data: Json) -> Answer:
    """A page of rows; ``totals`` is None where the documented list has none.  Contract §1.0.1."""
    return _page(query, data, lambda row: _row(query, row, query.dimensions))


def _page(query: StatsQuery, data: Json, read: Callable[[Json], Answer]) -> Answer:
    metrics = additive_metrics(query.endpoint.metrics)
    rows = [read(row) for row in _list(data, "data", query.page_size)]
    page = _paging(query, data, rows)
    totals = _member(data, "totals") if query.endpoint.include_totals else None
    page["totals"] = None if totals is None else _sums(totals, metrics)
    page["comparison"] = None if query.scope.comparison is None else _comparison(query.scope.comparison, data, metrics)
    return page


def _paging(query: StatsQuery, data: Json, rows: list[Answer]) -> Answer:
    total = _count(data, "total")
    return {
        "rows": rows,
        "total": total,
        "page": query.page,
        "page_size": query.page_size,
        "has_next": query.page * query.page_size < total,
        "has_prev": query.page > 1,
    }


def _sums(totals: Json, metrics: Iterable[str]) -> Answer:
    return {name: figure(name)(_sum(totals, name)) for name in metrics}


def _comparison(window: Window, data: Json, metrics: Iterable[str]) -> Answer:
    """The comparison's sums, of the days that were compared with: a calendar period's are for the other side to tell."""
    told = _member(data, "comparison")
    days = told.get("date_range") if isinstance(told, Mapping) else None
    if days is not None:
        window = Window(_day(days, "start_date"), _day(days, "end_date"))
    return _sums(told, metrics) | {"date_range": _date_range(window)}


def read_comparison(query: StatsQuery, data: Json) -> Answer:
    """The comparison's sums alone."""
    return _sums(_member(data, "comparison"), additive_metrics(query.endpoint.metrics))


def _date_range(window: Window) -> Answer:
    return {"start_date": window.start, "end_date": window.end, "days": window.days}


def read_top(query: StatsQuery, data: Json) -> Answer:
    return {"rows": [_row(query, row, query.dimensions) for row in _list(data, "data", query.page_size)]}


def read_breakdown(query: StatsQuery, data: Json) -> Answer:
    own = {name: ENDPOINTS[report].dimensions for name, report in BREAKDOWN_LISTS.items()}
    return {name: [_row(query, row, dimensions) for row in _list(data, name)] for name, dimensions in own.items()}


def read_series(data: Json, metric: str, window: Window, *, hourly: bool) -> dict[tuple[date, int], int]:
    """A series of an overview by day and hour (0 where points are days), money in cents.  Contract §1.1."""
    points = _list(_member(data, f"{metric}_series"), "points", window.days * (24 if hourly else 1))
    read = {
        (_day(point, "date"), _hour(point, "hour") if hourly else 0): _sum(point, metric, "value") for point in points
    }
    if len(read) != len(points) or any(not window.start <= day <= window.end for day, _ in read):
        raise WrongShape(f"{metric}_series")
    return read


# --- goals --------------------------------------------------------------------------------------------------------


def read_goals(query: StatsQuery, data: Json) -> Answer:
    """A page of goals with their splits, of which a microconversion's list has only that by source.  Contract §1.12, §1.13."""
    endpoint = query.endpoint

    def read(row: Json) -> Answer:
        told = {"conversion_type": _text(row, "conversion_type")} | _measures(row, endpoint.metrics)
        if query.scope.comparison is not None:
            told |= _previous(row, endpoint.metrics)
        told["by_source"] = _split(endpoint, row, "by_source", UTM)
        told["by_country"] = _split(endpoint, row, "by_country", ("country",)) if endpoint.goal_kind else []
        return told

    return _page(query, data, read)


def _split(endpoint: Endpoint, row: Json, name: str, dimensions: tuple[str, ...]) -> list[Answer]:
    """Conversions are counted as ``conversions`` and are worth something, microconversions as ``count``."""
    count = "conversions" if endpoint.goal_kind else "count"
    return [
        _dimensions(part, dimensions)
        | {
            "count": _count(part, count),
            "revenue": money(_cents(part, "revenue") if endpoint.goal_kind else 0),
            "percentage": _percent(part, "percentage"),
        }
        for part in _list(row, name)
    ]


def read_shares(dimension: str, counts: Mapping[str, int], whole: int) -> list[Answer]:
    """A microconversion's split by one dimension, out of counts: most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        {dimension: value, "count": count, "revenue": money(0), "percentage": _share(count, whole)}
        for value, count in ranked
    ]


def read_goal(endpoint: Endpoint, data: Json) -> Answer:
    """One goal with all of its splits.  Contract §1.13: the total goes by two names."""
    splits = {name: _split(endpoint, data, name, dimensions) for name, dimensions in GOAL_SPLITS.items()}
    count = _count(data, "total_count") if "totals" not in data else _count(data["totals"], "count")
    return {"conversion_type": _text(data, "conversion_type"), **splits, "totals": {"count": count}}


def read_names(query: StatsQuery, data: Json) -> Answer:
    names = _list(data, "data")
    if not all(isinstance(name, str) for name in names):
        raise WrongShape("data")
    return {"names": sorted(names)}


def read_funnel(query: StatsQuery, data: Json) -> Answer:
    """The combinations with a count per goal; goals come most frequent first everywhere.  Contract §1.14."""
    totals = _member(data, "totals")
    order = {kind: _most_frequent(_by_goal(totals, kind, _count)) for kind in ("microconversions", "conversions")}
    return {
        "microconversion_types": order["microconversions"],
        "conversion_types": order["conversions"],
        "rows": [_funnel_row(query, row, order) for row in _list(data, "rows", query.page_size)],
        "totals": _funnel_row(query, totals, order),
        "truncated": "truncated" in data and _truth(data, "truncated"),
    }


def _most_frequent(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))


def _funnel_row(query: StatsQuery, row: Json, order: Mapping[str, list[str]]) -> Answer:
    counts = {kind: _by_goal(row, kind, _count) for kind in order}
    revenue = _by_goal(row, "revenue", _cents)
    return {
        **_dimensions(row, query.dimensions),
        **_measures(row, query.endpoint.metrics),
        **{
            kind: [{"type": goal, "count": counts[kind][goal]} for goal in goals if goal in counts[kind]]
            for kind, goals in order.items()
        },
        "revenue": [{"type": goal, "amount": money(revenue[goal])} for goal in order["conversions"] if goal in revenue],
    }


def _by_goal(row: Json, kind: str, read: Callable[[Json, str], T]) -> dict[str, T]:
    goals = _member(row, kind)
    if not isinstance(goals, Mapping):
        raise WrongShape(kind)
    return {name: read(goals, name) for name in goals}


def read_events(query: StatsQuery, data: Json) -> Answer:
    """A page of single goals; a microconversion is worth nothing.  Contract §1.12."""
    rows = [_event(query.endpoint, row) for row in _list(data, "data", query.page_size)]
    return _paging(query, data, rows)


def _event(endpoint: Endpoint, row: Json) -> Answer:
    return {
        "date": _day(row, "date"),
        "hour": _hour(row, "hour"),
        **{name: _text(row, name) for name in ("timestamp_utc", "timestamp_local", "conversion_type")},
        "amount": money(_cents(row, "amount") if endpoint.goal_kind else 0),
        **_dimensions(row, EVENT_DIMENSIONS),
    }


# --- steps and free rows ------------------------------------------------------------------------------------------


def read_steps(query: StatsQuery, data: Json) -> Answer:
    """A custom funnel; its rates are told from its counts.  Contract §1.14."""
    told = _list(data, "steps")
    if [_text(step, "name") for step in told] != list(query.steps):
        raise WrongShape("steps")
    counts = [_count(step, "count") for step in told]
    return {
        "date_range": _date_range(query.scope.window),
        "steps": [
            {
                "step_number": number,
                "name": name,
                "count": count,
                "conversion_rate": 100.0 if number == 1 else _share(count, before),
                "drop_off_rate": _share(before - count, before),
            }
            for number, (name, count, before) in enumerate(
                zip(query.steps, counts, [counts[0], *counts[:-1]], strict=True), start=1
            )
        ],
        "total_entries": counts[0],
        "total_completions": counts[-1],
        "overall_conversion_rate": _share(counts[-1], counts[0]),
    }


def _share(part: int, whole: int) -> float:
    if part < 0 or whole < part:
        raise WrongShape("steps")
    return figure("percentage")(value_of("percentage", {"part": part, "whole": whole}))


def read_free(query: StatsQuery, data: Json) -> Answer:
    """The rows of one window by the caller's own columns.  Contract §1.17."""
    if query.free is None:
        raise WrongShape("dimensions")
    free = query.free
    total = _count(_member(data, "meta"), "total_rows")
    rows = []
    for row in _list(data, "data", query.page_size):
        sums = {name: _sum(row, name) for name in free.metrics}
        rows.append(
            {word: _free_value(row, word) for word in free.dimensions} | figures(sums, told_metrics(free.metrics))
        )
    return {"rows": rows, "total": total, "has_more": free.offset + query.page_size < total}


_FREE_VALUES: dict[str, Callable[[Json, str], Any]] = {
    "date": _day,
    "hour": _hour,
    "day_of_week": lambda row, word: _hour(row, word, last=7),
}


def _free_value(row: Json, word: str) -> Any:
    return _FREE_VALUES[word](row, word) if word in _FREE_VALUES else _text(row, word, FREE_DIMENSIONS[word])
