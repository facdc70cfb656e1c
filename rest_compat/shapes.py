"""From a report as GraphQL told it to the documented ``data``.  One mapper per shape.  Contract §1, rule 4.3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from ..catalog.endpoints import Endpoint, Shape
from ..catalog.metrics import METRICS, Unit
from ..catalog.query import FreeColumns
from ..resolvers.free_rows import told_metrics
from .params import RestQuery

Json = dict[str, Any]


def rest_data(query: RestQuery, report: Json) -> Json:
    """What ``results.X.data`` holds: always an object.  Contract §6.1."""
    return _MAPPERS[query.endpoint.shape](query, report)


def _overview(query: RestQuery, report: Json) -> Json:
    """Comparison values go by the names ``traffic_change`` and ``conversions_change``.  Contract §6.8."""
    comparison = report["comparison"] or {"traffic": None, "conversions": None}
    data = {name: report[name] for name in ("date_range", "traffic", "conversions")}
    data |= {"traffic_change": comparison["traffic"], "conversions_change": comparison["conversions"]}
    data |= {name: value for name, value in report.items() if "_series" in name}
    data["revenue_series"] = _numeric_series(report["revenue_series"])
    return data


def _numeric_series(series: Json) -> Json:
    """Every series is of numbers, money too: they share one type in the documented API."""
    points = [point | {"value": float(point["value"])} for point in series["points"]]
    return series | {"points": points, "total": float(series["total"])}


def _page(query: RestQuery, report: Json) -> Json:
    rows = report["rows"]
    if not query.endpoint.money_as_text:
        _money_to_numbers(rows)
        _money_to_numbers([part for part in (report.get("totals"), report.get("comparison")) if part])
    data = {"data": rows} | {name: report[name] for name in ("total", "page", "page_size", "has_next", "has_prev")}
    return data | {name: report[name] for name in ("comparison", "totals") if name in report}


def _money_to_numbers(rows: list[Json]) -> None:
    if not rows:
        return
    for name in _money_fields(rows[0]):
        for row in rows:
            if row[name] is not None:
                row[name] = float(row[name])


def _money_fields(row: Mapping[str, Any]) -> list[str]:
    return [name for name in row if (metric := METRICS.get(name.removesuffix("_prev"))) and metric.unit is Unit.MONEY]


def _breakdown(query: RestQuery, report: Json) -> Json:
    for rows in report.values():
        _money_to_numbers(rows)
    return report


def _goals(query: RestQuery, report: Json) -> Json:
    """A conversion's split counts ``conversions``, a microconversion's ``count`` and no money.  Contract §1.12, §1.13."""
    for row in report["rows"]:
        for split in ("by_source", "by_country"):
            if split in row:
                row[split] = _split_rows(query.endpoint, row[split])
    return _page(query, report)


def _split_rows(endpoint: Endpoint, parts: list[Json]) -> list[Json]:
    if not parts:
        return []
    untold = ("revenue",) if endpoint.goal_kind == 0 else ()
    names = [name for name in parts[0] if name not in untold]
    told = [name if endpoint.goal_kind == 0 else _GOAL_WORDS.get(name, name) for name in names]
    return [dict(zip(told, values, strict=True)) for values in map(itemgetter(*names), parts)]


_GOAL_WORDS = {"count": "conversions"}


def _funnel(query: RestQuery, report: Json) -> Json:
    scope = query.stats.scope
    return {
        "account_id": scope.account,
        "date_from": scope.window.start.isoformat(),
        "date_to": scope.window.end.isoformat(),
        "microconversion_types": report["microconversion_types"],
        "conversion_types": report["conversion_types"],
        "rows": [_funnel_row(row) for row in report["rows"]],
        "totals": _funnel_row(report["totals"]),
        "truncated": report["truncated"],
    }


def _funnel_row(row: Json) -> Json:
    return row | {
        "microconversions": {goal["type"]: goal["count"] for goal in row["microconversions"]},
        "conversions": {goal["type"]: goal["count"] for goal in row["conversions"]},
        "revenue": {goal["type"]: float(goal["amount"]) for goal in row["revenue"]},
    }


def _top(query: RestQuery, report: Json) -> Json:
    if not query.endpoint.money_as_text:
        _money_to_numbers(report["rows"])
    by_landing_page = any(condition.field == "landing_page" for condition in query.filters)
    untold = query.endpoint.untold_by_landing_page if by_landing_page else ()
    return {"data": [{name: row[name] for name in row if name not in untold} for row in report["rows"]]}


def _goal(query: RestQuery, report: Json) -> Json:
    return report


def _names(query: RestQuery, report: Json) -> Json:
    return {"data": report["names"]}


def _events(query: RestQuery, report: Json) -> Json:
    """Custom properties are not kept, so there are none to tell.  Contract §1.12."""
    rows = [row | {"properties": {}} for row in report["rows"]]
    return {"data": rows} | {name: report[name] for name in ("total", "page", "page_size", "has_next", "has_prev")}


def _steps(query: RestQuery, report: Json) -> Json:
    return report


def _series(query: RestQuery, report: Json) -> Json:
    """Rows beside their interval and days.  Contract §1.17, the (F) edition's ``/stats/evolution``."""
    _money_to_numbers(report["points"])
    days = {"start": report["date_range"]["start_date"], "end": report["date_range"]["end_date"]}
    return {"data": report["points"], "interval": query.stats.interval.value, "date_range": days}


def _free(query: RestQuery, report: Json) -> Json:
    """``{data, meta}``, and the comparison's own rows and meta when there is one.  Contract §1.17."""
    free, scope = query.stats.free or FreeColumns(), query.stats.scope
    words = (*free.dimensions, *told_metrics(free.metrics))
    data: Json = {"data": _only(words, report["rows"]), "meta": _free_meta(query, free, report)}
    if scope.comparison is not None:
        data["comparison_data"] = _only(words, report["comparison_rows"])
        data["comparison_meta"] = {
            "date_from": scope.comparison.start.isoformat(),
            "date_to": scope.comparison.end.isoformat(),
            "mode": query.compare.value,
            "total_rows": report["comparison_total"],
        }
    return data


def _free_meta(query: RestQuery, free: FreeColumns, report: Json) -> Json:
    return {
        "total_rows": report["total"],
        "has_more": report["has_more"],
        "granularity": query.granularity,
        "dimensions": list(free.dimensions),
        "metrics": list(free.metrics),
    }


def _only(words: tuple[str, ...], rows: list[Json]) -> list[Json]:
    """Of each row what was asked for, money as a number."""
    kept = [{word: row[word] for word in words} for row in rows]
    _money_to_numbers(kept)
    return kept


_MAPPERS: dict[Shape, Callable[[RestQuery, Json], Json]] = {
    Shape.TOTALS: _overview,
    Shape.ROWS: _page,
    Shape.BREAKDOWN: _breakdown,
    Shape.GOALS: _goals,
    Shape.FUNNEL: _funnel,
    Shape.TOP: _top,
    Shape.GROUPED: _page,
    Shape.GOAL: _goal,
    Shape.NAMES: _names,
    Shape.EVENTS: _events,
    Shape.STEPS: _steps,
    Shape.SERIES: _series,
    Shape.FREE: _free,
}


_WITHOUT_TIMESTAMP = (Shape.FUNNEL, Shape.FREE)


def envelope(endpoint: Endpoint, data: Json, timestamp: str) -> Json:
    """What ``GET /api/v1/stats/…`` wraps around the data, the timestamp last.  Contract §1.0.1."""
    stamp = {} if endpoint.shape in _WITHOUT_TIMESTAMP else {"timestamp": timestamp}
    return open_envelope(endpoint, data) | stamp


def closed_envelope(endpoint: Endpoint, text: bytes, timestamp: str) -> bytes:
    """The JSON of an envelope out of that of an open one."""
    return text if endpoint.shape in _WITHOUT_TIMESTAMP else b'%b,"timestamp":"%b"}' % (text[:-1], timestamp.encode())


def open_envelope(endpoint: Endpoint, data: Json) -> Json:
    """An envelope that lacks its timestamp: what is the same at any time."""
    match endpoint.shape:
        case Shape.FUNNEL | Shape.FREE:
            return data
        case Shape.TOTALS | Shape.BREAKDOWN | Shape.GOAL | Shape.STEPS:
            return {"success": True, "data": data, "meta": {}}
        case Shape.TOP | Shape.NAMES:
            return {"success": True, "data": data["data"], "meta": {}}
        case Shape.EVENTS | Shape.SERIES:
            return {"success": True} | data
        case _:
            told_or_null = {"comparison": data.get("comparison"), "totals": data.get("totals")}
            return {"success": True} | data | told_or_null
