"""The GraphQL types of the reports, made from the catalog's tables.

Resolvers hand over plain dicts in the contract's words, so these classes only describe: which fields there are, of which
type, in which unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import strawberry

from ..catalog.dimensions import DIMENSIONS
from ..catalog.endpoints import (
    BREAKDOWN_LISTS,
    ENDPOINTS,
    FREE_DIMENSIONS,
    FREE_METRICS,
    GOAL_SPLITS,
    INCLUDES,
    OVERVIEW_COMPARED_SERIES,
    OVERVIEW_CONVERSIONS,
    OVERVIEW_SERIES,
    OVERVIEW_TRAFFIC,
    UTM,
    Endpoint,
    Shape,
)
from ..catalog.labels import LABELS
from ..catalog.metrics import METRICS, Unit, additive_metrics
from ..catalog.query import Interval
from ..resolvers.planner import EVENT_DIMENSIONS
from .drill_down import within_field
from .naming import pascal_case

# name, type, description
FieldRow = tuple[str, Any, str]

_TYPE_OF_UNIT: dict[Unit, Any] = {Unit.COUNT: int, Unit.MONEY: Decimal, Unit.PERCENT: float, Unit.RATIO: float}
_SAID_OF_UNIT = {
    Unit.COUNT: "",
    Unit.MONEY: " (account currency, two decimals)",
    Unit.PERCENT: " (percent, two decimals)",
    Unit.RATIO: " (two decimals)",
}


def make_type(name: str, fields: Iterable[FieldRow], description: str, **resolved: Any) -> Any:
    """An object type of plain fields, and of those that are ``resolved``."""
    rows = list(fields)
    described = {field: strawberry.field(description=said) for field, _, said in rows}
    made = type(name, (), {"__annotations__": {field: kind for field, kind, _ in rows}, **described, **resolved})
    return strawberry.type(made, name=name, description=description)


def _metric_field(name: str) -> FieldRow:
    metric = METRICS[name]
    return name, _TYPE_OF_UNIT[metric.unit], _sentence(metric.meaning + _SAID_OF_UNIT[metric.unit])


def _previous_field(name: str) -> FieldRow:
    metric = METRICS[name]
    said = f"{name} of the comparison window; null without one, or when this row did not exist then."
    return f"{name}_prev", _TYPE_OF_UNIT[metric.unit] | None, said


def _dimension_field(name: str) -> FieldRow:
    return name, str, _sentence(DIMENSIONS[name].meaning)


def _included_field(name: str) -> FieldRow:
    return name, str | None, _sentence(f"{DIMENSIONS[name].meaning}; null unless asked for by an argument")


def _label_field(name: str) -> FieldRow:
    return name, str, _sentence(LABELS[name].meaning)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


strawberry.enum(Interval, description="The length of a time series' points; weeks begin on Monday.")

Window = make_type(
    "Window",
    [
        ("start_date", date, "First day, in the account's time zone."),
        ("end_date", date, "Last day, included."),
        ("days", int, "Number of days, both ends included."),
    ],
    "Whole local days of an account.",
)


# --- rows ---------------------------------------------------------------------------------------------------------


def _measured(metrics: tuple[str, ...]) -> list[FieldRow]:
    return [
        *(_metric_field(name) for name in metrics),
        *(_previous_field(name) for name in additive_metrics(metrics)),
    ]


def _row_type(endpoint: Endpoint) -> Any:
    included = [*UTM, *INCLUDES.values()] if endpoint.include else []
    return make_type(
        f"{endpoint.noun}Row",
        [
            *(_dimension_field(name) for name in endpoint.dimensions),
            *(_label_field(name) for name in endpoint.labels),
            *(_included_field(name) for name in included),
            *_measured(endpoint.metrics),
        ],
        f"One row of {endpoint.name}.",
        within=within_field(),
    )


# Reports whose rows sum the same metrics share their totals' type.
_FAMILIES = {
    ("entrances", "engaged_entrances", "page_views", "microconversions", "conversions", "revenue"): "Traffic",
    ("page_views", "entrances"): "Views",
    ("entrances", "engaged_entrances", "microconversions", "conversions", "revenue"): "Landing",
    ("count", "revenue"): "Conversions",
    ("count",): "Microconversions",
    ("unique_pages", "page_views", "entrances"): "ContentGroup",
    (
        "unique_pages",
        "entrances",
        "engaged_entrances",
        "microconversions",
        "conversions",
        "revenue",
    ): "LandingContentGroup",
}

_TOTALS = {
    metrics: make_type(
        f"{family}Totals",
        [_metric_field(name) for name in metrics],
        "The sums over all rows of a list, the ones on other pages included.",
    )
    for metrics, family in _FAMILIES.items()
}
_COMPARISONS = {
    metrics: make_type(
        f"{family}Comparison",
        [*(_metric_field(name) for name in metrics), ("date_range", Window, "The comparison window.")],
        "The sums of the comparison window under the same filters.",
    )
    for metrics, family in _FAMILIES.items()
}


def _paged(row: Any) -> list[FieldRow]:
    return [
        ("rows", list[row], "The rows of this page."),
        ("total", int, "Number of rows on all pages."),
        ("page", int, "This page's number, from 1."),
        ("page_size", int, "Rows per page."),
        ("has_next", bool, "Whether there is a page after this one."),
        ("has_prev", bool, "Whether there is a page before this one."),
    ]


def _report_type(endpoint: Endpoint, row: Any) -> Any:
    family = additive_metrics(endpoint.metrics)
    return make_type(
        f"{endpoint.noun}Report",
        [
            *_paged(row),
            ("totals", _TOTALS[family], "Sums over all rows."),
            ("comparison", _COMPARISONS[family] | None, "Sums of the comparison window; null without one."),
        ],
        endpoint.meaning,
    )


# --- overview -----------------------------------------------------------------------------------------------------

Traffic = make_type(
    "Traffic",
    [_metric_field(name) for name in OVERVIEW_TRAFFIC],
    "The traffic of a window.",
)
ConversionTotals = make_type(
    "ConversionTotals",
    [_metric_field(name) for name in OVERVIEW_CONVERSIONS],
    "What the traffic of a window led to.",
)
_WHOLE: list[FieldRow] = [
    ("date_range", Window, "The days."),
    ("traffic", Traffic, "The traffic of these days."),
    ("conversions", ConversionTotals, "What it led to."),
]
OverviewComparison = make_type("OverviewComparison", _WHOLE, "The totals of the comparison window.")


def _series_type(name: str, value: Any, description: str) -> Any:
    point = make_type(
        f"{name}Point",
        [
            ("date", date, "Local day."),
            ("hour", int | None, "Local hour, 0 to 23; null when a point is a day."),
            ("day_of_week", int | None, "1 is Monday; null, kept for the documented shape."),
            ("value", value, "The metric at this moment."),
        ],
        "One moment of a series.",
    )
    return make_type(
        name,
        [
            ("metric", str, "The metric's name."),
            ("points", list[point], "Every moment of the window, the empty ones included."),
            ("total", value, "The sum of the points."),
            ("average", float, "The total by the number of points, two decimals."),
        ],
        description,
    )


Series = _series_type("Series", int, "A count over time.")
MoneySeries = _series_type("MoneySeries", Decimal, "Money over time.")


def _series_field(metric: str) -> FieldRow:
    kind = MoneySeries if METRICS[metric].unit is Unit.MONEY else Series
    return f"{metric}_series", kind, f"{metric} by day or hour."


def _compared_series_field(metric: str) -> FieldRow:
    return f"{metric}_series_compare", Series | None, f"{metric} of the comparison window; null without one."


def _overview_type(endpoint: Endpoint, row: Any) -> Any:
    return make_type(
        endpoint.noun,
        [
            *_WHOLE,
            ("comparison", OverviewComparison | None, "The comparison window's totals; null without one."),
            *(_series_field(metric) for metric in OVERVIEW_SERIES),
            *(_compared_series_field(metric) for metric in OVERVIEW_COMPARED_SERIES),
        ],
        endpoint.meaning,
    )


# --- devices, goals, funnel ---------------------------------------------------------------------------------------


def _breakdown_type(endpoint: Endpoint, row: Any) -> Any:
    fields = [
        (name, list[REPORT_ROWS[report]], f"Traffic per {ENDPOINTS[report].dimensions[0]}, by entrances.")
        for name, report in BREAKDOWN_LISTS.items()
    ]
    return make_type(endpoint.noun, fields, endpoint.meaning)


_SPLIT: list[FieldRow] = [
    ("count", int, "How often the goal was reached from here."),
    ("revenue", Decimal, "What it was worth."),
    ("percentage", float, "Share of the goal's count, in percent."),
]
GoalSource = make_type(
    "GoalSource", [*(_dimension_field(name) for name in UTM), *_SPLIT], "A goal's share from one source."
)
GoalCountry = make_type("GoalCountry", [_dimension_field("country"), *_SPLIT], "A goal's share from one country.")


def _goal_row_type(endpoint: Endpoint) -> Any:
    return make_type(
        f"{endpoint.noun}Row",
        [
            ("conversion_type", str, "The goal's name."),
            *_measured(endpoint.metrics),
            ("by_source", list[GoalSource], "The goal's count by source, most frequent first."),
            ("by_country", list[GoalCountry], "The goal's count by country, most frequent first."),
        ],
        f"One row of {endpoint.name}.",
    )


GoalCount = make_type(
    "GoalCount", [("type", str, "The goal's name."), ("count", int, "How often it was reached.")], "A goal's count."
)
GoalAmount = make_type(
    "GoalAmount", [("type", str, "The goal's name."), ("amount", Decimal, "What it was worth.")], "A goal's money."
)


def _funnel_row_type(endpoint: Endpoint) -> Any:
    return make_type(
        "FunnelRow",
        [
            *(_dimension_field(name) for name in endpoint.dimensions),
            *(_metric_field(name) for name in endpoint.metrics),
            ("microconversions", list[GoalCount], "Microconversions by type; those never reached are left out."),
            ("conversions", list[GoalCount], "Conversions by type; those never reached are left out."),
            ("revenue", list[GoalAmount], "Revenue by conversion type."),
        ],
        "One combination of source, medium, campaign and term, or their totals.",
    )


def _funnel_type(endpoint: Endpoint, row: Any) -> Any:
    return make_type(
        "Funnel",
        [
            ("microconversion_types", list[str], "The microconversions that were reached, most frequent first."),
            ("conversion_types", list[str], "The conversions that were reached, most frequent first."),
            ("rows", list[row], "The combinations with most entrances."),
            ("totals", row, "The whole window, combinations cut by the limit included."),
            ("truncated", bool, "Whether there are more combinations than the limit."),
        ],
        endpoint.meaning,
    )


# --- short lists, single goals, steps and free rows ---------------------------------------------------------------


def _top_row_type(endpoint: Endpoint) -> Any:
    return make_type(
        f"{endpoint.noun}Row",
        [
            *(_dimension_field(name) for name in endpoint.dimensions),
            *(_metric_field(name) for name in endpoint.metrics),
        ],
        f"One row of {endpoint.name}.",
        within=within_field(),
    )


def _top_type(endpoint: Endpoint, row: Any) -> Any:
    like = REPORT_ROWS[endpoint.rows_like] if endpoint.rows_like else row
    return make_type(pascal_case(endpoint.name), [("rows", list[like], "The rows, most first.")], endpoint.meaning)


# What a goal's share from one value of the split dimensions is called.
_SHARES = {UTM: GoalSource, ("country",): GoalCountry} | {
    (name,): make_type(
        f"Goal{pascal_case(name)}", [_dimension_field(name), *_SPLIT], f"A goal's share from one {name}."
    )
    for name in ("device_type", "landing_page")
}


def _goal_type(endpoint: Endpoint, row: Any) -> Any:
    total = make_type("GoalTotals", [("count", int, "How often it was reached.")], "The sums over a goal's splits.")
    return make_type(
        endpoint.noun,
        [
            ("conversion_type", str, "The goal's name."),
            ("totals", total, "Its sums."),
            *(
                (name, list[_SHARES[dimensions]], f"Its count {name.replace('_', ' ')}, most frequent first.")
                for name, dimensions in GOAL_SPLITS.items()
            ),
        ],
        endpoint.meaning,
    )


def _names_type(endpoint: Endpoint, row: Any) -> Any:
    return make_type(
        pascal_case(endpoint.name), [("names", list[str], "The names, in order of the alphabet.")], endpoint.meaning
    )


def _event_row_type(endpoint: Endpoint) -> Any:
    return make_type(
        f"{endpoint.noun}Row",
        [
            ("date", date, "Local day."),
            ("hour", int, "Local hour, 0 to 23."),
            ("timestamp_utc", str, "ISO 8601, in UTC."),
            ("timestamp_local", str, "ISO 8601, with the account's offset."),
            ("conversion_type", str, "The goal's name."),
            ("amount", Decimal, "What it was worth, in the account's currency."),
            *(_dimension_field(name) for name in EVENT_DIMENSIONS),
        ],
        f"One row of {endpoint.name}.",
    )


def _events_type(endpoint: Endpoint, row: Any) -> Any:
    return make_type(f"{endpoint.noun}Report", _paged(row), endpoint.meaning)


def _step_row_type(endpoint: Endpoint) -> Any:
    return make_type(
        "FunnelStep",
        [
            ("step_number", int, "From 1."),
            ("name", str, "The path or goal."),
            ("count", int, "Sessions that took it after the step before."),
            ("conversion_rate", float, "In percent of the step before; 100 for the first."),
            ("drop_off_rate", float, "What was lost of the step before, in percent; 0 for the first."),
        ],
        "One step of a custom funnel.",
    )


def _steps_type(endpoint: Endpoint, row: Any) -> Any:
    return make_type(
        endpoint.noun,
        [
            ("date_range", Window, "The days."),
            ("steps", list[row], "The steps in their order."),
            ("total_entries", int, "Sessions that took the first step."),
            ("total_completions", int, "Sessions that took all of them."),
            ("overall_conversion_rate", float, "Completions in percent of entries."),
        ],
        endpoint.meaning,
    )


def _point_type(endpoint: Endpoint) -> Any:
    return make_type(
        "TimePoint",
        [
            ("date", date, "First local day of the point that is in the window."),
            ("end_date", date, "Its last local day in the window."),
            ("hour", int | None, "Local hour, 0 to 23; null when a point is a day or longer."),
            *_measured(endpoint.metrics),
            ("comparison_date", date | None, "First day that the `Prev` fields are about; null when there is none."),
        ],
        "One moment of a time series.",
    )


def _time_series_type(endpoint: Endpoint, row: Any) -> Any:
    return make_type(
        endpoint.noun,
        [
            ("interval", Interval, "The length of a point."),
            ("date_range", Window, "The days."),
            ("points", list[row], "Every moment of the window in its order, the empty ones included."),
        ],
        endpoint.meaning,
    )


_FREE_TYPES: dict[str, Any] = {"date": date, "hour": int, "day_of_week": int}
_FREE_MEANINGS = {"date": "Local day", "hour": "Local hour, 0 to 23", "day_of_week": "1 is Monday"}


def _free_row_type(endpoint: Endpoint) -> Any:
    return make_type(
        "FreeRow",
        [
            *(
                (
                    word,
                    _FREE_TYPES.get(word, str) | None,
                    _sentence(f"{_FREE_MEANINGS.get(word) or DIMENSIONS[name].meaning}; null unless asked for"),
                )
                for word, name in FREE_DIMENSIONS.items()
            ),
            *(
                (
                    name,
                    _TYPE_OF_UNIT[METRICS[name].unit] | None,
                    _sentence(f"{METRICS[name].meaning}{_SAID_OF_UNIT[METRICS[name].unit]}; null unless asked for"),
                )
                for name in (*FREE_METRICS, "bounce_rate")
            ),
        ],
        "One row of a free query.",
    )


def _free_type(endpoint: Endpoint, row: Any) -> Any:
    return make_type(
        endpoint.noun,
        [
            ("rows", list[row], "The rows of this window."),
            ("total", int, "Number of rows without the limit."),
            ("has_more", bool, "Whether there are rows after these."),
            ("comparison_rows", list[row], "The rows of the comparison window; empty without one."),
            ("comparison_total", int, "Their number without the limit."),
        ],
        endpoint.meaning,
    )


_ROW_MAKERS = {
    Shape.ROWS: _row_type,
    Shape.GROUPED: _row_type,
    Shape.GOALS: _goal_row_type,
    Shape.FUNNEL: _funnel_row_type,
    Shape.TOP: _top_row_type,
    Shape.EVENTS: _event_row_type,
    Shape.STEPS: _step_row_type,
    Shape.SERIES: _point_type,
    Shape.FREE: _free_row_type,
}
_REPORT_MAKERS = {
    Shape.TOTALS: _overview_type,
    Shape.ROWS: _report_type,
    Shape.BREAKDOWN: _breakdown_type,
    Shape.GOALS: _report_type,
    Shape.FUNNEL: _funnel_type,
    Shape.TOP: _top_type,
    Shape.GROUPED: _report_type,
    Shape.GOAL: _goal_type,
    Shape.NAMES: _names_type,
    Shape.EVENTS: _events_type,
    Shape.STEPS: _steps_type,
    Shape.SERIES: _time_series_type,
    Shape.FREE: _free_type,
}

REPORT_ROWS: dict[str, Any] = {
    endpoint.name: _ROW_MAKERS[endpoint.shape](endpoint)
    for endpoint in ENDPOINTS.values()
    if endpoint.shape in _ROW_MAKERS and not endpoint.rows_like
}
REPORTS: dict[str, Any] = {
    endpoint.name: _REPORT_MAKERS[endpoint.shape](endpoint, REPORT_ROWS.get(endpoint.name))
    for endpoint in ENDPOINTS.values()
}
