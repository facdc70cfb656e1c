"""One constant GraphQL document per report, variables for everything else.

Constant texts are parsed and validated once; aliases give every field its REST name, so that mapping back is short.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

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
from ..catalog.filters import Filter, Match
from ..catalog.metrics import additive_metrics
from ..resolvers.planner import EVENT_DIMENSIONS
from ..schema.naming import camel_case
from ..schema.schema import schema
from ..schema.stats import arguments_of
from .params import RestQuery

_SCOPE = {
    "account": "ID!",
    "period": "String",
    "startDate": "Date",
    "endDate": "Date",
    "compare": "Compare",
    "segment": "String",
    "filters": "[FilterInput!]",
}
_SWITCHES = ("compared", "withTotals", "withUtm", *(f"with_{word}" for word in INCLUDES))


@cache
def document_of(name: str) -> str:
    """The document of a report.  It asks for everything REST may have to tell; switches leave out what it need not."""
    endpoint = ENDPOINTS[name]
    selection = _SELECTIONS[endpoint.shape](endpoint)
    switches = {switch: "Boolean!" for switch in _SWITCHES if f"${switch})" in selection}
    variables = _SCOPE | _argument_types(endpoint) | switches
    declared = ", ".join(f"${variable}: {kind}" for variable, kind in variables.items())
    given = ", ".join(
        f"{camel_case(argument.name)}: ${camel_case(argument.name)}" for argument in arguments_of(endpoint)
    )
    report = f"report: {camel_case(name)}{f'({given})' if given else ''}"
    scope = ", ".join(f"{'accountId' if variable == 'account' else variable}: ${variable}" for variable in _SCOPE)
    return f"query {endpoint.noun}({declared}) {{ stats({scope}) {{ {report} {{ {selection} }} }} }}"


def variables_of(query: RestQuery) -> dict[str, Any]:
    """The variables that make the document ask exactly this."""
    stats, endpoint = query.stats, query.endpoint
    values: dict[str, Any] = switches_of(query) | {
        "account": stats.scope.account,
        "period": query.dates.get("period"),
        "startDate": _iso(query.dates.get("start_date")),
        "endDate": _iso(query.dates.get("end_date")),
        "compare": query.compare.name,
        "segment": query.segment,
        "filters": [_filter_input(condition) for condition in query.filters],
    }
    values |= {camel_case(argument.name): _argument_value(argument.name, stats) for argument in arguments_of(endpoint)}
    return values


def switches_of(query: RestQuery) -> dict[str, bool]:
    """Those of the variables that decide what is selected."""
    stats = query.stats
    switches = {
        "compared": stats.scope.comparison is not None,
        "withTotals": query.include_totals,
        "withUtm": set(UTM) <= set(stats.include),
    }
    return switches | {f"with_{word}": dimension in stats.include for word, dimension in INCLUDES.items()}


def _argument_value(name: str, stats: Any) -> Any:
    """An argument as the variable holds it: GraphQL writes enum values in capitals."""
    match name:
        case "limit":
            return stats.page_size
        case "sort_by":
            return stats.sort_by.upper()
        case "sort_order" | "granularity" | "interval":
            return getattr(stats, name).name
        case "include":
            return [word.upper() for word, dimension in INCLUDES.items() if dimension in stats.include]
        case "include_utm":
            return set(UTM) <= set(stats.include)
        case "conversion_type":
            return list(stats.goals) or None
        case "type":
            return stats.goals[0]
        case "steps":
            return list(stats.steps)
        case "dimensions" | "metrics":
            return [word.upper() for word in getattr(stats.free, name)]
        case "order_by":
            return [{"field": word.upper(), "direction": order.name} for word, order in stats.free.order_by]
        case "offset":
            return stats.free.offset
        case _:
            return getattr(stats, name)


_OPERATOR_OF = {
    (Match.ONE_OF, False): "IN",
    (Match.ONE_OF, True): "NOT_IN",
    (Match.CONTAINS, False): "CONTAINS",
    (Match.CONTAINS, True): "NOT_CONTAINS",
    (Match.REGEX, False): "REGEX",
    (Match.REGEX, True): "NOT_REGEX",
}


def _filter_input(condition: Filter) -> dict[str, Any]:
    return {
        "field": condition.field.upper(),
        "op": _OPERATOR_OF[condition.match, condition.negated],
        "values": list(condition.values),
    }


def _iso(day: Any) -> str | None:
    return None if day is None else day.isoformat()


def _argument_types(endpoint: Endpoint) -> dict[str, str]:
    """The types of a report's arguments, as the schema has them."""
    return schema.argument_types("Stats", camel_case(endpoint.name))


# --- selections ---------------------------------------------------------------------------------------------------


def _fields(names: Iterable[str], condition: str = "") -> str:
    """Fields under their REST names, all on the same condition."""
    suffix = f" @include(if: ${condition})" if condition else ""
    return " ".join(f"{name}: {camel_case(name)}{suffix}" for name in names)


_DATE_RANGE = "date_range: dateRange { start_date: startDate end_date: endDate days }"


def _measures(metrics: tuple[str, ...]) -> str:
    previous = tuple(f"{name}_prev" for name in additive_metrics(metrics))
    return f"{_fields(metrics)} {_fields(previous, 'compared')}"


def _page(endpoint: Endpoint, row: str) -> str:
    sums = _fields(additive_metrics(endpoint.metrics))
    return (
        f"rows {{ {row} }} total page page_size: pageSize has_next: hasNext has_prev: hasPrev "
        f"totals @include(if: $withTotals) {{ {sums} }} "
        f"comparison @include(if: $compared) {{ {sums} {_DATE_RANGE} }}"
    )


def _rows(endpoint: Endpoint) -> str:
    columns = [_fields((*endpoint.dimensions, *endpoint.labels)), _measures(endpoint.metrics)]
    if endpoint.include:
        columns.append(_fields(UTM, "withUtm"))
        columns += [
            f"{INCLUDED_NAMES[word]}: {camel_case(dimension)} @include(if: $with_{word})"
            for word, dimension in INCLUDES.items()
        ]
    return _page(endpoint, " ".join(columns))


# The columns that ``include`` adds, under the names REST gives them.  Contract §1.2.
INCLUDED_NAMES = {"device": "device_type", "browser": "browser", "os": "os", "channel_group": "channel_group"}


def _overview(endpoint: Endpoint) -> str:
    whole = f"traffic {{ {_fields(OVERVIEW_TRAFFIC)} }} conversions {{ {_fields(OVERVIEW_CONVERSIONS)} }}"
    series = "{ metric points { date hour day_of_week: dayOfWeek value } total average }"
    names = [f"{metric}_series" for metric in OVERVIEW_SERIES]
    names += [f"{metric}_series_compare" for metric in OVERVIEW_COMPARED_SERIES]
    return " ".join(
        [
            _DATE_RANGE,
            whole,
            f"comparison {{ {whole} }}",
            *(f"{name}: {camel_case(name)} {series}" for name in names),
        ]
    )


def _breakdown(endpoint: Endpoint) -> str:
    return " ".join(
        f"{name}: {camel_case(name)} {{ {_fields(ENDPOINTS[report].dimensions)} {_measures(endpoint.metrics)} }}"
        for name, report in BREAKDOWN_LISTS.items()
    )


def _goals(endpoint: Endpoint) -> str:
    by_source = f"by_source: bySource {{ {_fields(UTM)} count revenue percentage }}"
    by_country = "by_country: byCountry { country count revenue percentage }"
    splits = by_source if endpoint.goal_kind == 0 else f"{by_source} {by_country}"
    return _page(endpoint, f"conversion_type: conversionType {_measures(endpoint.metrics)} {splits}")


def _top(endpoint: Endpoint) -> str:
    return f"rows {{ {_fields((*endpoint.dimensions, *endpoint.labels, *endpoint.metrics))} }}"


def _grouped(endpoint: Endpoint) -> str:
    return _page(endpoint, f"{_fields(endpoint.dimensions)} {_measures(endpoint.metrics)}")


def _goal(endpoint: Endpoint) -> str:
    parts = [
        f"{name}: {camel_case(name)} {{ {_fields(split)} count percentage }}" for name, split in GOAL_SPLITS.items()
    ]
    return f"{_fields(('conversion_type',))} totals {{ count }} {' '.join(parts)}"


def _names(endpoint: Endpoint) -> str:
    return "names"


def _events(endpoint: Endpoint) -> str:
    told = ("date", "hour", "timestamp_utc", "timestamp_local", "conversion_type")
    amount = ("amount",) if endpoint.goal_kind else ()
    dimensions = tuple(name for name in EVENT_DIMENSIONS if name != "channel")
    row = f"{_fields((*told, *amount, *dimensions))} channel_group: channel"
    return f"rows {{ {row} }} total page page_size: pageSize has_next: hasNext has_prev: hasPrev"


def _steps(endpoint: Endpoint) -> str:
    step = _fields(("step_number", "name", "count", "conversion_rate", "drop_off_rate"))
    overall = _fields(("total_entries", "total_completions", "overall_conversion_rate"))
    return f"{_DATE_RANGE} steps {{ {step} }} {overall}"


def _series(endpoint: Endpoint) -> str:
    moment = f"{_fields(('date', 'hour'))} {_fields(('comparison_date',), 'compared')}"
    return f"interval {_DATE_RANGE} points {{ {moment} {_measures(endpoint.metrics)} }}"


def _free(endpoint: Endpoint) -> str:
    row = _fields((*FREE_DIMENSIONS, *FREE_METRICS, "bounce_rate"))
    counts = _fields(("total", "has_more", "comparison_total"))
    return f"rows {{ {row} }} comparison_rows: comparisonRows {{ {row} }} {counts}"


def _funnel(endpoint: Endpoint) -> str:
    row = (
        f"{_fields((*endpoint.dimensions, *endpoint.metrics))} "
        "microconversions { type count } conversions { type count } revenue { type amount }"
    )
    types = _fields(("microconversion_types", "conversion_types"))
    return f"{types} rows {{ {row} }} totals {{ {row} }} truncated"


_SELECTIONS = {
    Shape.TOTALS: _overview,
    Shape.ROWS: _rows,
    Shape.BREAKDOWN: _breakdown,
    Shape.GOALS: _goals,
    Shape.FUNNEL: _funnel,
    Shape.TOP: _top,
    Shape.GROUPED: _grouped,
    Shape.GOAL: _goal,
    Shape.NAMES: _names,
    Shape.EVENTS: _events,
    Shape.STEPS: _steps,
    Shape.SERIES: _series,
    Shape.FREE: _free,
}
