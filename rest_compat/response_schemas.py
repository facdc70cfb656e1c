"""What every report answers, as schemas made from the tables.  One maker per shape, beside ``shapes.py``.  Contract §1.

Of each report there are its rows, its ``…Data`` (what ``results.X.data`` of a batch holds) and its ``…Answer`` (what
the single request gets around it).  Leaves carry an example, so that whole examples can be put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..catalog.channels import CHANNELS
from ..catalog.dimensions import DIMENSIONS
from ..catalog.endpoints import (
    BREAKDOWN_LISTS,
    ENDPOINTS,
    FREE_DIMENSIONS,
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
from ..catalog.periods import Compare
from ..catalog.query import Interval
from ..resolvers.free_rows import told_metrics
from ..resolvers.planner import EVENT_DIMENSIONS
from ..schema.naming import pascal_case
from .bodies import GRANULARITIES
from .documents import INCLUDED_NAMES
from .json_schema import (
    Members,
    Schema,
    array,
    closed,
    named_values,
    nullable,
    one_of,
    ref,
    sentence,
    text,
    truth,
    whole_number,
)


def report_schemas(endpoint: Endpoint) -> Members:
    """The named schemas of one report."""
    data = _DATA_MAKERS[endpoint.shape](endpoint)
    made = {part_name(endpoint, part): schema for part, schema in _parts(endpoint).items()}
    if endpoint.shape in _ROW_MAKERS:
        members, optional = _ROW_MAKERS[endpoint.shape](endpoint)
        made[row_name(endpoint)] = closed(members, f"One row of {endpoint.path}.", optional)
    made[data_name(endpoint)] = data
    if endpoint.shape not in _BARE:
        made[answer_name(endpoint)] = _ENVELOPES[endpoint.shape](endpoint, data)
    return made


def answer_name(endpoint: Endpoint) -> str:
    """The schema of what a single request is answered with; some reports come without an envelope."""
    return data_name(endpoint) if endpoint.shape in _BARE else part_name(endpoint, "Answer")


def data_name(endpoint: Endpoint) -> str:
    return part_name(endpoint, "Data")


def row_name(endpoint: Endpoint) -> str:
    return part_name(endpoint, "Row")


def part_name(endpoint: Endpoint, part: str) -> str:
    return f"{pascal_case(endpoint.name)}{part}"


# --- leaves -------------------------------------------------------------------------------------------------------

_UNITS: dict[Unit, Schema] = {
    Unit.COUNT: {"type": "integer", "minimum": 0},
    Unit.MONEY: {"type": "number"},
    Unit.PERCENT: {"type": "number", "minimum": 0, "maximum": 100},
    Unit.RATIO: {"type": "number", "minimum": 0},
}
_MONEY_TEXT: Schema = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}
_SAID_OF_UNIT = {
    Unit.COUNT: "",
    Unit.MONEY: ", in the account's currency",
    Unit.PERCENT: " (0 to 100, two decimals)",
    Unit.RATIO: " (two decimals)",
}

# One visit-laden day that adds up; what a schema's leaf shows as its example.
_FIGURES: dict[str, Any] = {
    "entrances": 1900,
    "engaged_entrances": 1330,
    "bounces": 570,
    "bounce_rate": 30.0,
    "page_views": 5320,
    "pages_per_session": 2.8,
    "microconversions": 300,
    "conversions": 45,
    "conversion_rate": 2.37,
    "revenue": 3960.0,
    "average_order_value": 88.0,
    "count": 45,
    "avg_value": 88.0,
    "unique_pages": 12,
    "percentage": 60.0,
}
_VALUES: dict[str, str] = {
    "utm_source": "google",
    "utm_medium": "cpc",
    "utm_campaign": "brand",
    "utm_term": "trail shoes",
    "utm_content": "",
    "referrer": "https://www.google.com/",
    "referrer_domain": "google.com",
    "channel": CHANNELS[0],
    "country": "ES",
    "country_name": "Spain",
    "device_type": "mobile",
    "browser": "Chrome",
    "os": "Android",
    "landing_page": "/trail",
    "path": "/trail",
    "content_grouping": "Products",
    "conversion_type": "purchase",
}
_MICROCONVERSION = "add_to_cart"

TIMESTAMP = text("When the answer was made, in UTC.", format="date-time", examples=["2026-03-18T12:00:00Z"])


def day(description: str, example: str = "2026-03-12") -> Schema:
    return text(description, format="date", examples=[example])


DATE_RANGE = closed(
    {
        "start_date": day("The first day, in the account's time zone."),
        "end_date": day("The last day, included.", "2026-03-18"),
        "days": whole_number("How many days these are.", minimum=1, examples=[7]),
    },
    "Whole local days of an account.",
)


DAYS = closed(
    {"start": day("The first day."), "end": day("The last day, included.", "2026-03-18")},
    "Whole local days of an account, as the earlier edition tells them.",
)


def _metric(name: str, *, as_text: bool, said: str = "") -> Schema:
    metric = METRICS[name]
    money_as_text = as_text and metric.unit is Unit.MONEY
    example = f"{_FIGURES[name]:.2f}" if money_as_text else _FIGURES[name]
    kind = _MONEY_TEXT if money_as_text else _UNITS[metric.unit]
    return {**kind, "description": said or sentence(metric.meaning + _SAID_OF_UNIT[metric.unit]), "examples": [example]}


def _metrics(names: Iterable[str], *, as_text: bool) -> Members:
    return {name: _metric(name, as_text=as_text) for name in names}


def _previous(names: Iterable[str], *, as_text: bool) -> Members:
    said = "{} of the comparison window; null when this row did not exist then, absent without `compare`."
    return {
        f"{name}_prev": nullable(_metric(name, as_text=as_text, said=said.format(name)))
        for name in additive_metrics(names)
    }


def _dimension(name: str, word: str = "") -> Members:
    """A dimension's value under its own name or the word REST has for it."""
    return {word or name: text(sentence(DIMENSIONS[name].meaning), examples=[_VALUES[name]])}


def _dimensions(names: Iterable[str]) -> Members:
    return {word: schema for name in names for word, schema in _dimension(name).items()}


def _labels(names: Iterable[str]) -> Members:
    return {name: text(sentence(LABELS[name].meaning), examples=[_VALUES[name]]) for name in names}


def _goal(endpoint: Endpoint) -> Members:
    return {"conversion_type": text("The goal's name.", examples=[_goal_example(endpoint)])}


def _goal_example(endpoint: Endpoint) -> str:
    return _MICROCONVERSION if endpoint.goal_kind == 0 else _VALUES["conversion_type"]


# --- rows ---------------------------------------------------------------------------------------------------------

Row = tuple[Members, frozenset[str]]  # its members, and which of them may be absent


def _measured(endpoint: Endpoint, columns: Members, further: Members | None = None) -> Row:
    """Columns and metrics, and what is there only when asked for."""
    asked = _previous(endpoint.metrics, as_text=endpoint.money_as_text) | (further or {})
    return columns | _metrics(endpoint.metrics, as_text=endpoint.money_as_text) | asked, frozenset(asked)


def _list_row(endpoint: Endpoint) -> Row:
    further: Members = {}
    if endpoint.include:
        further = _dimensions(UTM)
        for word, dimension in INCLUDES.items():
            further |= _dimension(dimension, INCLUDED_NAMES[word])
    return _measured(endpoint, _dimensions(endpoint.dimensions) | _labels(endpoint.labels), further)


def _goal_row(endpoint: Endpoint) -> Row:
    members, optional = _measured(endpoint, _goal(endpoint))
    return members | _split_lists(endpoint), optional


def _split_lists(endpoint: Endpoint) -> Members:
    return {
        name: array(ref(part_name(endpoint, pascal_case(name))), f"Its count {name.replace('_', ' ')}, most first.")
        for name in _splits(endpoint)
    }


def _splits(endpoint: Endpoint) -> dict[str, tuple[str, ...]]:
    """The splits of a goal, and the dimensions of each."""
    if endpoint.shape is Shape.GOAL:
        return GOAL_SPLITS
    by_source: dict[str, tuple[str, ...]] = {"by_source": UTM}
    return by_source if endpoint.goal_kind == 0 else by_source | {"by_country": ("country",)}


def _share(endpoint: Endpoint) -> Members:
    """A conversion's split counts ``conversions``, a microconversion's ``count`` and no money.  Contract §1.12, §1.13."""
    counted = ("count",) if endpoint.goal_kind == 0 else ("conversions", "revenue")
    return _metrics((*counted, "percentage"), as_text=endpoint.money_as_text)


def _funnel_row(endpoint: Endpoint) -> Row:
    members = _dimensions(endpoint.dimensions) | _metrics(endpoint.metrics, as_text=False)
    count, amount = whole_number(minimum=0), {"type": "number"}
    return members | {
        "microconversions": named_values(count, "Microconversions by type.", examples=[{"add_to_cart": 96}]),
        "conversions": named_values(count, "Conversions by type.", examples=[{"purchase": 45}]),
        "revenue": named_values(amount, "Revenue by conversion type.", examples=[{"purchase": 3960.0}]),
    }, frozenset()


def _top_row(endpoint: Endpoint) -> Row:
    columns = _dimensions(endpoint.dimensions) | _labels(endpoint.labels)
    untold = frozenset(endpoint.untold_by_landing_page)
    return columns | _metrics(endpoint.metrics, as_text=endpoint.money_as_text), untold


def _event_row(endpoint: Endpoint) -> Row:
    members: Members = {
        "date": day("Local day.", "2026-03-17"),
        "hour": whole_number("Local hour.", minimum=0, maximum=23, examples=[11]),
        "timestamp_utc": text("The moment in UTC.", format="date-time", examples=["2026-03-17T10:05:00Z"]),
        "timestamp_local": text(
            "The moment with the account's offset.", format="date-time", examples=["2026-03-17T11:05:00+01:00"]
        ),
        **_goal(endpoint),
    }
    if endpoint.goal_kind:
        members["amount"] = _MONEY_TEXT | {"description": "What it was worth.", "examples": ["88.00"]}
    members |= _dimensions(name for name in EVENT_DIMENSIONS if name != "channel")
    members |= _dimension("channel", "channel_group")
    members["properties"] = {"type": "object", "description": "Always empty: custom properties are not kept."}
    return members, frozenset()


def _step_row(endpoint: Endpoint) -> Row:
    percent = _UNITS[Unit.PERCENT]
    return {
        "step_number": whole_number("From 1.", minimum=1, examples=[1]),
        "name": text("The path or goal.", examples=["/trail"]),
        "count": whole_number("Sessions that took it after the step before.", minimum=0, examples=[610]),
        "conversion_rate": percent
        | {"description": "In percent of the step before; 100 for the first.", "examples": [100.0]},
        "drop_off_rate": percent | {"description": "What was lost of the step before, in percent.", "examples": [0.0]},
    }, frozenset()


def _point(endpoint: Endpoint) -> Row:
    when = {
        "date": day("First local day of the point that is in the window."),
        "hour": nullable(whole_number("Local hour; null unless by the hour.", minimum=0, maximum=23, examples=[11])),
    }
    beside = nullable(day("First day that the `_prev` members are about; null when there is none.", "2026-02-12"))
    return _measured(endpoint, when, {"comparison_date": beside})


_FREE_NUMBERS = {
    "hour": whole_number("Local hour.", minimum=0, maximum=23, examples=[11]),
    "day_of_week": whole_number("1 is Monday.", minimum=1, maximum=7, examples=[2]),
    "date": day("Local day.", "2026-03-17"),
}


def _free_row(endpoint: Endpoint) -> Row:
    columns: Members = {}
    for word, dimension in FREE_DIMENSIONS.items():
        columns |= {word: _FREE_NUMBERS[word]} if word in _FREE_NUMBERS else _dimension(dimension, word)
    columns |= _metrics(told_metrics(endpoint.metrics), as_text=False)
    return columns, frozenset(columns)


_ROW_MAKERS: dict[Shape, Callable[[Endpoint], Row]] = {
    Shape.ROWS: _list_row,
    Shape.GROUPED: _list_row,
    Shape.GOALS: _goal_row,
    Shape.FUNNEL: _funnel_row,
    Shape.TOP: _top_row,
    Shape.EVENTS: _event_row,
    Shape.STEPS: _step_row,
    Shape.SERIES: _point,
    Shape.FREE: _free_row,
}


# --- named parts of rows and data ---------------------------------------------------------------------------------

_PAGED = (Shape.ROWS, Shape.GROUPED, Shape.GOALS)
_BARE = (Shape.FUNNEL, Shape.FREE)


def _parts(endpoint: Endpoint) -> Members:
    """What the report has beside its rows, data and answer, by the end of its name."""
    parts: Members = {}
    if endpoint.shape in _PAGED:
        parts["Comparison"] = _comparison(endpoint)
    if endpoint.include_totals or endpoint.shape is Shape.GOAL:
        parts["Totals"] = _totals(endpoint)
    if endpoint.shape in (Shape.GOALS, Shape.GOAL):
        share = _share(endpoint)
        parts |= {pascal_case(name): closed(_dimensions(split) | share) for name, split in _splits(endpoint).items()}
    if endpoint.shape is Shape.FREE:
        parts |= {"Meta": _FREE_META, "ComparisonMeta": _FREE_COMPARISON_META}
    return parts


def _totals(endpoint: Endpoint) -> Schema:
    sums = _metrics(additive_metrics(endpoint.metrics), as_text=endpoint.money_as_text)
    return closed(sums, "The sums over all rows, the ones on other pages included.")


def _comparison(endpoint: Endpoint) -> Schema:
    sums = _metrics(additive_metrics(endpoint.metrics), as_text=endpoint.money_as_text)
    return closed(sums | {"date_range": ref("DateRange")}, "The sums of the comparison window under the same filters.")


_FREE_META = closed(
    {
        "total_rows": whole_number("Number of rows without the limit.", minimum=0, examples=[1]),
        "has_more": truth("Whether there are rows after these.", examples=[False]),
        "granularity": one_of(GRANULARITIES, examples=["daily"]),
        "dimensions": array(text(), examples=[["date"]]),
        "metrics": array(text(), examples=[["entrances"]]),
    },
    "What was asked, and how many rows there are.",
)
_FREE_COMPARISON_META = closed(
    {
        "date_from": day("The first day of the comparison window.", "2026-03-05"),
        "date_to": day("Its last day, included.", "2026-03-11"),
        "mode": one_of((mode.value for mode in Compare if mode is not Compare.NONE), examples=["previous"]),
        "total_rows": whole_number("Number of its rows without the limit.", minimum=0, examples=[1]),
    },
    "The comparison window, and how many rows it has.",
)


# --- data ---------------------------------------------------------------------------------------------------------


def _rows(endpoint: Endpoint, description: str = "The rows of this page.") -> Schema:
    return array(ref(row_name(endpoint)), description)


def _paging(endpoint: Endpoint) -> Members:
    size = endpoint.page_size
    return {
        "total": whole_number("Number of rows on all pages.", minimum=0, examples=[1]),
        "page": whole_number("This page's number.", minimum=1, examples=[1]),
        "page_size": whole_number(
            "Rows per page.", minimum=1, maximum=size.maximum if size else 1, examples=[size.default if size else 1]
        ),
        "has_next": truth("Whether there is a page after this one.", examples=[False]),
        "has_prev": truth("Whether there is a page before this one.", examples=[False]),
    }


def _page(endpoint: Endpoint) -> Schema:
    members = {"data": _rows(endpoint), **_paging(endpoint), "comparison": ref(part_name(endpoint, "Comparison"))}
    if endpoint.include_totals:
        members["totals"] = ref(part_name(endpoint, "Totals"))
    return closed(members, endpoint.meaning, ("comparison", "totals"))


SERIES_POINT = closed(
    {
        "date": day("Local day."),
        "hour": nullable(
            whole_number("Local hour; null when a point is a day.", minimum=0, maximum=23, examples=[None])
        ),
        "day_of_week": nullable(whole_number("Kept for the documented shape.", minimum=1, maximum=7, examples=[None])),
        "value": {"type": "number", "description": "The metric at this moment.", "examples": [1900]},
    },
    "One moment of a series.",
)
SERIES = closed(
    {
        "metric": text("The metric's name.", examples=["entrances"]),
        "points": array(ref("SeriesPoint"), "Every moment of the window, the empty ones included."),
        "total": {"type": "number", "description": "The sum of the points.", "examples": [1900]},
        "average": {"type": "number", "description": "The total by the number of points.", "examples": [1900.0]},
    },
    "A metric over time, by day or by hour.",
)
TRAFFIC_SCHEMA = closed(_metrics(OVERVIEW_TRAFFIC, as_text=True), "The traffic of a window.")
CONVERSIONS_SCHEMA = closed(
    _metrics(OVERVIEW_CONVERSIONS, as_text=True),
    "What the traffic of a window led to.",
)


def _overview(endpoint: Endpoint) -> Schema:
    whole = "The comparison window's values, not differences; null without one."
    members = {
        "date_range": ref("DateRange"),
        "traffic": ref("OverviewTraffic"),
        "conversions": ref("OverviewConversions"),
        "traffic_change": nullable(ref("OverviewTraffic", whole)),
        "conversions_change": nullable(ref("OverviewConversions", whole)),
        **{f"{name}_series": _series(name) for name in OVERVIEW_SERIES},
        **{f"{name}_series_compare": nullable(_series(name)) for name in OVERVIEW_COMPARED_SERIES},
    }
    return closed(members, endpoint.meaning)


def _series(metric: str) -> Schema:
    value = _FIGURES[metric]
    point = {"date": "2026-03-12", "hour": None, "day_of_week": None, "value": value}
    return ref("Series") | {
        "examples": [{"metric": metric, "points": [point], "total": value, "average": float(value)}]
    }


def _breakdown(endpoint: Endpoint) -> Schema:
    return closed(
        {name: _rows(ENDPOINTS[report], "By entrances, most first.") for name, report in BREAKDOWN_LISTS.items()},
        endpoint.meaning,
    )


def _funnel(endpoint: Endpoint) -> Schema:
    members = {
        "account_id": text("The account.", examples=["my-site"]),
        "date_from": day("The first day."),
        "date_to": day("The last day, included.", "2026-03-18"),
        "microconversion_types": array(
            text(), "The microconversions that were reached.", examples=[[_MICROCONVERSION]]
        ),
        "conversion_types": array(text(), "The conversions that were reached.", examples=[["purchase"]]),
        "rows": _rows(endpoint, "The combinations with most entrances."),
        "totals": ref(row_name(endpoint), "The whole window, combinations cut by the limit included."),
        "truncated": truth("Whether there are more combinations than the limit.", examples=[False]),
    }
    return closed(members, endpoint.meaning)


def _top(endpoint: Endpoint) -> Schema:
    return closed({"data": _rows(endpoint, "The rows, most first.")}, endpoint.meaning)


def _goal_detail(endpoint: Endpoint) -> Schema:
    members = {**_goal(endpoint), "totals": ref(part_name(endpoint, "Totals")), **_split_lists(endpoint)}
    return closed(members, endpoint.meaning)


def _names(endpoint: Endpoint) -> Schema:
    names = array(text(), "The names, in order of the alphabet.", examples=[[_goal_example(endpoint)]])
    return closed({"data": names}, endpoint.meaning)


def _events(endpoint: Endpoint) -> Schema:
    return closed({"data": _rows(endpoint), **_paging(endpoint)}, endpoint.meaning)


def _steps(endpoint: Endpoint) -> Schema:
    members = {
        "name": text("The funnel's name.", examples=["Custom Funnel"]),
        "date_range": ref("DateRange"),
        "steps": array(ref(row_name(endpoint)), "The steps in their order."),
        "total_entries": whole_number("Sessions that took the first step.", minimum=0, examples=[610]),
        "total_completions": whole_number("Sessions that took all of them.", minimum=0, examples=[45]),
        "overall_conversion_rate": _UNITS[Unit.PERCENT]
        | {"description": "Completions in percent of entries.", "examples": [7.38]},
    }
    return closed(members, endpoint.meaning)


def _evolution(endpoint: Endpoint) -> Schema:
    members = {
        "data": _rows(endpoint, "Every moment of the window in its order, the empty ones included."),
        "interval": ref("Interval") | {"examples": [Interval.DAY.value]},
        "date_range": ref("Days"),
    }
    return closed(members, endpoint.meaning)


def _free(endpoint: Endpoint) -> Schema:
    rows = ref(row_name(endpoint))
    members = {
        "data": array(rows, "The rows of the window.", examples=[[{"date": "2026-03-17", "entrances": 1900}]]),
        "meta": ref(part_name(endpoint, "Meta")),
        "comparison_data": array(rows, "The rows of the comparison window."),
        "comparison_meta": ref(part_name(endpoint, "ComparisonMeta")),
    }
    return closed(members, endpoint.meaning, ("comparison_data", "comparison_meta"))


_DATA_MAKERS: dict[Shape, Callable[[Endpoint], Schema]] = {
    Shape.TOTALS: _overview,
    Shape.ROWS: _page,
    Shape.BREAKDOWN: _breakdown,
    Shape.GOALS: _page,
    Shape.FUNNEL: _funnel,
    Shape.TOP: _top,
    Shape.GROUPED: _page,
    Shape.GOAL: _goal_detail,
    Shape.NAMES: _names,
    Shape.EVENTS: _events,
    Shape.STEPS: _steps,
    Shape.SERIES: _evolution,
    Shape.FREE: _free,
}

SHARED_SCHEMAS: Members = {
    "DateRange": DATE_RANGE,
    "Days": DAYS,
    "SeriesPoint": SERIES_POINT,
    "Series": SERIES,
    "OverviewTraffic": TRAFFIC_SCHEMA,
    "OverviewConversions": CONVERSIONS_SCHEMA,
}


# --- envelopes: what ``shapes.envelope`` puts around the data.  Contract §1.0.1. ----------------------------------

_SUCCESS = truth("Always true.", const=True, examples=[True])
_META: Schema = {"type": "object", "description": "Empty.", "examples": [{}]}


def _object_answer(endpoint: Endpoint, data: Schema) -> Schema:
    members = {"success": _SUCCESS, "data": ref(data_name(endpoint)), "meta": _META, "timestamp": TIMESTAMP}
    return closed(members, endpoint.meaning)


def _array_answer(endpoint: Endpoint, data: Schema) -> Schema:
    members = {"success": _SUCCESS, "data": data["properties"]["data"], "meta": _META, "timestamp": TIMESTAMP}
    return closed(members, endpoint.meaning)


def _events_answer(endpoint: Endpoint, data: Schema) -> Schema:
    return closed({"success": _SUCCESS, **data["properties"], "timestamp": TIMESTAMP}, endpoint.meaning)


def _page_answer(endpoint: Endpoint, data: Schema) -> Schema:
    """A single request tells ``comparison`` and ``totals`` always, as null where they were not asked for."""
    nothing: Schema = {"type": "null", "description": "Always null: this report has no totals."}
    listed = data["properties"]
    members = {
        "success": _SUCCESS,
        **listed,
        "comparison": nullable(listed["comparison"]) | {"examples": [None]},
        "totals": nullable(listed["totals"]) | {"examples": [None]} if "totals" in listed else nothing,
        "timestamp": TIMESTAMP,
    }
    return closed(members, endpoint.meaning)


_ENVELOPES: dict[Shape, Callable[[Endpoint, Schema], Schema]] = {
    Shape.TOTALS: _object_answer,
    Shape.ROWS: _page_answer,
    Shape.BREAKDOWN: _object_answer,
    Shape.GOALS: _page_answer,
    Shape.TOP: _array_answer,
    Shape.GROUPED: _page_answer,
    Shape.GOAL: _object_answer,
    Shape.NAMES: _array_answer,
    Shape.EVENTS: _events_answer,
    Shape.SERIES: _events_answer,
    Shape.STEPS: _object_answer,
}
