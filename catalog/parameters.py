"""Parameters of the documented API, one row each: what it means, which reports take it, and how a question writes it.

Contract §1.0.4, §2.  ``rest_compat/params.py`` reads them; whoever asks another server of the same API writes them, so
both directions come from one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from .endpoints import INCLUDES, UTM, Endpoint, Shape
from .errors import BadRequest
from .filters import Filter, Match, write_filters
from .periods import PERIODS, Compare, Window, comparison_window
from .query import StatsQuery

Texts = tuple[str, ...]  # the values of one parameter; none: it is left out


def _every(endpoint: Endpoint) -> bool:
    return True


def _paged_by(parameter: str) -> Callable[[Endpoint], bool]:
    return lambda endpoint: endpoint.page_size is not None and endpoint.page_size.parameter == parameter


def _unwritten(query: StatsQuery) -> Texts:
    """What another parameter has said already."""
    return ()


# --- writers of one parameter each --------------------------------------------------------------------------------


def _written(attribute: str) -> Callable[[StatsQuery], Texts]:
    return lambda query: tuple(filter(None, (str(getattr(query, attribute)),)))


def _account(query: StatsQuery) -> Texts:
    return (query.scope.account,)


def _period(query: StatsQuery) -> Texts:
    """Days are written as dates, except where only a period's name has the comparison that is asked for."""
    period = _period_compared(query.scope.window, query.scope.comparison)
    return (period,) if period else ()


def _day(end: str) -> Callable[[StatsQuery], Texts]:
    return lambda query: () if _period(query) else (getattr(query.scope.window, end).isoformat(),)


def _compare(query: StatsQuery) -> Texts:
    window, comparison = query.scope.window, query.scope.comparison
    if comparison is None:
        return ()
    return (Compare.YOY.value if _is_dated(window, comparison, Compare.YOY) else Compare.PREVIOUS.value,)


def _is_dated(window: Window, comparison: Window, compare: Compare) -> bool:
    """Whether explicit dates with this word are compared with just that window."""
    try:
        return comparison_window(window, compare) == comparison
    except BadRequest:  # the calendar has no such days
        return False


def _period_compared(window: Window, comparison: Window | None) -> str:
    """The calendar period of the window whose own previous window is the comparison; empty where dates say it too."""
    if comparison is None or any(_is_dated(window, comparison, word) for word in (Compare.PREVIOUS, Compare.YOY)):
        return ""
    for period in PERIODS.values():
        for today in (window.end, window.end + timedelta(days=1)):  # it ends with today, or lies before it
            if period.window(today) == window and period.previous(window) == comparison:
                return period.name
    return ""


def _filters(query: StatsQuery) -> Texts:
    text = write_filters(_conditions(query))
    return (text,) if text else ()


def _conditions(query: StatsQuery) -> Iterator[Filter]:
    return (given for given in query.scope.filters if not _has_own_parameter(given, query.scope.filters))


def _values(dimension: str) -> Callable[[StatsQuery], Texts]:
    def values(query: StatsQuery) -> Texts:
        own = (given for given in query.scope.filters if given.field == dimension)
        return next((given.values for given in own if _has_own_parameter(given, query.scope.filters)), ())

    return values


def _has_own_parameter(condition: Filter, conditions: Iterable[Filter]) -> bool:
    """Whether a condition is written as its field's parameter: ``filters`` has no such field in the contract (§2.4), and
    wins where both name one, so the condition must be the field's only one."""
    return (
        condition.field in OUTSIDE_FILTERS
        and condition.match is Match.ONE_OF
        and not condition.negated
        and sum(other.field == condition.field for other in conditions) == 1
    )


# The fields that the contract filters by with parameters of their own alone.  §1.0.4, §2.4.
OUTSIDE_FILTERS = ("channel", "content_grouping", "landing_page")


def _goals(query: StatsQuery) -> Texts:
    return query.goals


def _include(query: StatsQuery) -> Texts:
    return tuple(word for word, dimension in INCLUDES.items() if dimension in query.include)


def _include_utm(query: StatsQuery) -> Texts:
    return ("true",) if set(UTM) <= set(query.include) else ()


def _include_totals(query: StatsQuery) -> Texts:
    """Answers always have them, so they are always asked for."""
    return ("true",)


# --- the table ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its meaning, who takes it, and its values in a question that is asked of another server."""

    name: str
    meaning: str
    taken_by: Callable[[Endpoint], bool] = _every
    repeatable: bool = False
    same_as: str = ""  # the parameter this one is another name of
    dimension: str = ""  # the dimension that it is a standard filter of
    write: Callable[[StatsQuery], Texts] = _unwritten


def _only(name: str, meaning: str, dimension: str = "", same_as: str = "") -> Parameter:
    """A standard filter: only rows with one of the values."""
    own = dimension or name
    write = _values(own) if own in OUTSIDE_FILTERS else _unwritten
    return Parameter(name, meaning, repeatable=True, same_as=same_as, dimension=own, write=write)


PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("account_id", "the account; required", write=_account),
        Parameter("site_id", "the same as account_id", same_as="account_id"),
        Parameter("period", "a word such as 30d; wins over dates; default 30d", write=_period),
        Parameter("start_date", "first day, YYYY-MM-DD, in the account's zone", write=_day("start")),
        Parameter("end_date", "last day, included", write=_day("end")),
        Parameter("date_from", "the same as start_date", same_as="start_date"),
        Parameter("date_to", "the same as end_date", same_as="end_date"),
        Parameter(
            "compare",
            "the window to compare with: previous, yoy, true (previous) or none",
            lambda endpoint: endpoint.compare is not None,
            write=_compare,
        ),
        Parameter("filters", "conditions of the form field:op:value, joined by commas", write=_filters),
        Parameter("segment", "a segment's slug or id"),
        _only("country", "only this country: two letters or unknown"),
        *(
            _only(name, f"only this {name}")
            for name in ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "browser", "os")
        ),
        _only("device", "only this device type: desktop, mobile or tablet", "device_type"),
        _only("device_type", "the same as device", same_as="device"),
        _only("channel_group", "only this channel", "channel"),
        _only("content_grouping", "only this group of pages"),
        _only("landing_page", "only this landing page, in any case; a slash at the end counts"),
        Parameter(
            "conversion_type",
            "only this goal",
            lambda endpoint: endpoint.conversion_type,
            repeatable=True,
            write=_goals,
        ),
        Parameter("type", "the goal, part of the path", lambda endpoint: endpoint.shape is Shape.GOAL, write=_goals),
        Parameter("path_filter", "only paths with this text in them"),
        Parameter(
            "search",
            "a text the dimension must have in it",
            lambda endpoint: endpoint.search,
            write=_written("search"),
        ),
        Parameter("sort_by", "a metric of the report", lambda endpoint: bool(endpoint.sort), write=_written("sort_by")),
        Parameter(
            "sort_order",
            "the direction: asc or desc",
            lambda endpoint: bool(endpoint.sort),
            write=_written("sort_order"),
        ),
        Parameter("page", "the page's number, from 1", _paged_by("page_size"), write=_written("page")),
        Parameter("page_size", "rows per page", _paged_by("page_size"), write=_written("page_size")),
        Parameter("limit", "rows", _paged_by("limit"), write=_written("page_size")),
        Parameter(
            "include_totals",
            "add the sums over all rows",
            lambda endpoint: endpoint.include_totals,
            write=_include_totals,
        ),
        Parameter(
            "granularity",
            "the step of the series: auto, hourly or daily",
            lambda endpoint: endpoint.granularity,
            write=_written("granularity"),
        ),
        Parameter(
            "interval",
            "the length of a point: hour, day, week or month",
            lambda endpoint: endpoint.shape is Shape.SERIES,
            write=_written("interval"),
        ),
        Parameter(
            "include",
            f"further columns: {', '.join(INCLUDES)}",
            lambda endpoint: endpoint.include,
            repeatable=True,
            write=_include,
        ),
        Parameter("include_utm", "add the UTM columns", lambda endpoint: endpoint.include, write=_include_utm),
    )
}


def parameters_of(endpoint: Endpoint) -> Texts:
    """The names of all parameters a report takes."""
    return tuple(name for name, parameter in PARAMETERS.items() if parameter.taken_by(endpoint))


def written_parameters(query: StatsQuery) -> dict[str, Texts]:
    """The parameters that ask this question; what it leaves at its default may be among them.

    A segment and the rows it is inside of have to be conditions already.  Raises ``BadRequest`` for conditions that
    ``filters`` cannot say.
    """
    taken = (PARAMETERS[name] for name in parameters_of(query.endpoint))
    written = {parameter.name: parameter.write(query) for parameter in taken}
    return {name: texts for name, texts in written.items() if texts}
