"""What to ask a place that answers whole reports, so that a question is answered: its own report, or several.

A report is asked for as it is documented.  What the documented API cannot say in one is composed: a row's own numbers are
those of a filtered report, a time series is the series of overviews, the totals of a list without any are the comparison
of the window after it.  Contract §1, §2.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from ..catalog.accounts import Account
from ..catalog.conditions import conditions_of, is_plain
from ..catalog.dimensions import Table
from ..catalog.endpoints import ENDPOINTS, FREE_DIMENSIONS, OVERVIEW_SERIES, Shape, can_stand_in_path
from ..catalog.errors import BadRequest, WarehouseUnavailable
from ..catalog.filters import Match, exactly
from ..catalog.metrics import additive_metrics
from ..catalog.periods import Window
from ..catalog.query import Granularity, Interval, Scope, StatsQuery, ask
from ..catalog.request_ids import present_request_id
from ..catalog.segments import Segment
from ..warehouse.grouping import regroup
from ..warehouse.store import Groups, Keys
from .answers import cut
from .cells import answer_by_cells, tells
from .figures import Answer, figures
from .reported import (
    Json,
    WrongShape,
    read_breakdown,
    read_comparison,
    read_events,
    read_free,
    read_funnel,
    read_goal,
    read_goals,
    read_names,
    read_page,
    read_series,
    read_shares,
    read_steps,
    read_top,
)

log = logging.getLogger(__name__)

Report = Callable[[StatsQuery], Awaitable[Json]]
Composer = Callable[[StatsQuery, Report, Account], Awaitable[Answer]]

HOURLY_DAYS = 31  # of one overview; its points are 24 a day
DAILY_DAYS = 366


async def compose(query: StatsQuery, report: Report, account: Account) -> Answer:
    """The answer to ``query``, from what ``report`` tells of the reports it is asked for.

    Raises ``BadRequest`` for what the documented API cannot be asked, ``WarehouseUnavailable`` for a report in another
    shape than the documented one, and whatever ``report`` raises.
    """
    if _is_for_cells(query):
        return await _composed(query, report, account, answer_by_cells)
    exact, loose = _plain(query, exact=True), _plain(query, exact=False)
    try:
        return await _composed(exact, report, account)
    except BadRequest:
        if exact == loose:
            raise
    # Patterns, which tell apart what differs in case alone, are not taken everywhere.  Contract §2.4.
    return await _composed(loose, report, account)


def _is_for_cells(query: StatsQuery) -> bool:
    """Whether no report tells it, but a free query by more dimensions does."""
    if query.endpoint.shape is Shape.FREE:
        return not (_by_moments(query) or _is_told_freely(query.scope)) and tells(query)
    return query.scope.segment is not None and not is_plain(query.scope.segment) and tells(query)


def _by_moments(query: StatsQuery) -> bool:
    """Whether a free query groups by moments alone, so that it is an overview's series, which takes every filter."""
    words = query.free.dimensions if query.free else ()
    return {FREE_DIMENSIONS[word] for word in words} <= {"day", "hour"} and is_plain(query.scope.segment or Segment())


def _is_told_freely(scope: Scope) -> bool:
    """Whether the body of a free query says all of the scope.  Contract §1.17."""
    if scope.below or not is_plain(scope.segment or Segment()):
        return False
    return all(condition.match is Match.ONE_OF for condition in conditions_of(scope, Table.SESSIONS, exact=True))


async def _composed(query: StatsQuery, report: Report, account: Account, composer: Composer | None = None) -> Answer:
    try:
        return await (composer or _COMPOSERS[query.endpoint.shape])(query, report, account)
    except WrongShape as wrong:
        log.warning("request %s: the upstream API's %s lacks %s", present_request_id(), query.report, wrong)
        raise WarehouseUnavailable(
            f"The upstream API answered '{query.report}' in another shape than the documented one"
        ) from None


def _plain(query: StatsQuery, *, exact: bool) -> StatsQuery:
    """The question with the row it is inside of and its segment told as filters."""
    scope = query.scope
    filters = conditions_of(scope, query.endpoint.table, exact=exact)
    return replace(query, scope=Scope(scope.account, scope.window, scope.comparison, filters))


# --- lists --------------------------------------------------------------------------------------------------------


async def _rows(query: StatsQuery, report: Report, account: Account) -> Answer:
    page = read_page(query, await report(query))
    if page["totals"] is None:
        page["totals"] = await _totals_of(query, page, report, account)
    return page


async def _goals(query: StatsQuery, report: Report, account: Account) -> Answer:
    page = read_goals(query, await report(query))
    if page["totals"] is None:
        page["totals"] = await _totals_of(query, page, report, account)
    if query.endpoint.goal_kind == 0:
        await _add_countries(query, page["rows"], report)
    return page


async def _add_countries(query: StatsQuery, rows: list[Answer], report: Report) -> None:
    """A list of microconversions has no split by country; each one's own report has, if a path can name it.

    Of others it is put together from the lists of every country.  Contract §1.13.
    """
    scope = replace(query.scope, comparison=None)
    named = [row for row in rows if can_stand_in_path(row["conversion_type"])]
    asked = [ask(scope, "microconversion", goals=[row["conversion_type"]]) for row in named]
    for row, told in zip(named, await _all(report, asked), strict=True):
        row["by_country"] = read_goal(ENDPOINTS["microconversion"], told)["by_country"]
    unnamed = [row for row in rows if row not in named]
    counts = await _counts_by_country(scope, [row["conversion_type"] for row in unnamed], report) if unnamed else {}
    for row in unnamed:
        row["by_country"] = read_shares("country", counts.get(row["conversion_type"], {}), row["count"])


async def _counts_by_country(scope: Scope, goals: list[str], report: Report) -> dict[str, dict[str, int]]:
    listed = ask(scope, "countries", page_size=1000)
    countries = [row["country"] for row in read_page(listed, await report(listed))["rows"] if row["microconversions"]]
    asked = [
        ask(
            replace(scope, filters=(*scope.filters, exactly("country", country))),
            "microconversions",
            goals=goals,
            page_size=100,
        )
        for country in countries
    ]
    counts: dict[str, dict[str, int]] = {}
    for country, query, told in zip(countries, asked, await _all(report, asked), strict=True):
        for row in read_goals(query, told)["rows"]:
            counts.setdefault(row["conversion_type"], {})[country] = row["count"]
    return counts


async def _totals_of(query: StatsQuery, page: Answer, report: Report, account: Account) -> Answer:
    """The sums over all rows where the documented list has none: of the page when it is all, else from another report."""
    if page["total"] == len(page["rows"]):
        return _summed(query, page["rows"])
    if query.endpoint.table is Table.SESSIONS and query.endpoint.shape is Shape.ROWS:
        groups = await _by_moment(query, report, hourly=False)  # each session is in one row
        sums = {name: int(column.sum()) for name, column in groups.sums[query.scope.window].items()}
        return figures(sums, additive_metrics(query.endpoint.metrics))
    after = _following(query)
    return read_comparison(after, await report(after))


def _summed(query: StatsQuery, rows: Iterable[Answer]) -> Answer:
    zeros = figures(
        dict.fromkeys(additive_metrics(query.endpoint.metrics), 0), additive_metrics(query.endpoint.metrics)
    )
    return {name: sum((row[name] for row in rows), zero) for name, zero in zeros.items()}


def _following(query: StatsQuery) -> StatsQuery:
    """The first row of the window after this one: what comes before it, its comparison, are the sums of this one."""
    window = query.scope.window
    after = Window(window.end + timedelta(days=1), window.end + timedelta(days=window.days))
    return replace(query, scope=replace(query.scope, window=after, comparison=window), page=1, page_size=1)


async def _top(query: StatsQuery, report: Report, account: Account) -> Answer:
    """The first of the list it is like, where there is one: what a top leaves out depends on its parameters (§1.3)."""
    like = query.endpoint.rows_like
    if not like:
        return read_top(query, await report(query))
    listed = ask(query.scope, like, page_size=query.page_size)
    return {"rows": read_page(listed, await report(listed))["rows"]}


# --- by day and hour ----------------------------------------------------------------------------------------------


async def _totals(query: StatsQuery, report: Report, account: Account) -> Answer:
    groups = await _by_moment(query, report, hourly=query.granularity is Granularity.HOURLY)
    return cut(query, {"series": groups}, account)


async def _series(query: StatsQuery, report: Report, account: Account) -> Answer:
    groups = await _by_moment(query, report, hourly=query.interval is Interval.HOUR)
    return cut(query, {"points": groups}, account)


async def _by_moment(query: StatsQuery, report: Report, *, hourly: bool) -> Groups:
    """The sums of every day, or of every hour, of the window and its comparison, from the series of overviews."""
    windows = [window for window in (query.scope.window, query.scope.comparison) if window]
    asked = {
        part: _overview(query, part, hourly=hourly)
        for window in windows
        for part in _parts(window, HOURLY_DAYS if hourly else DAILY_DAYS)
    }
    told = dict(zip(asked, await _all(report, asked.values()), strict=True))
    points = {
        window: {
            metric: {
                moment: value
                for part in _parts(window, HOURLY_DAYS if hourly else DAILY_DAYS)
                for moment, value in read_series(told[part], metric, part, hourly=hourly).items()
            }
            for metric in OVERVIEW_SERIES
        }
        for window in windows
    }
    return _groups(points, hourly=hourly)


def _overview(query: StatsQuery, window: Window, *, hourly: bool) -> StatsQuery:
    scope = replace(query.scope, window=window, comparison=None)
    return ask(scope, "overview", granularity=Granularity.HOURLY if hourly else Granularity.DAILY)


def _parts(window: Window, days: int) -> Iterator[Window]:
    start = window.start
    while start <= window.end:
        end = min(window.end, start + timedelta(days=days - 1))
        yield Window(start, end)
        start = end + timedelta(days=1)


Moment = tuple[date, int]


def _groups(points: Mapping[Window, Mapping[str, Mapping[Moment, int]]], *, hourly: bool) -> Groups:
    moments = sorted({moment for metrics in points.values() for values in metrics.values() for moment in values})
    days = np.array([(day - date(1970, 1, 1)).days for day, _ in moments], dtype=np.int64)
    keys = {"day": Keys(days, None)}
    if hourly:
        keys["hour"] = Keys(np.array([hour for _, hour in moments], dtype=np.int64), None)
    sums = {
        window: {
            metric: np.array([values.get(moment, 0) for moment in moments], dtype=np.int64)
            for metric, values in metrics.items()
        }
        for window, metrics in points.items()
    }
    return Groups(keys, sums)


# --- the rest -----------------------------------------------------------------------------------------------------


async def _free(query: StatsQuery, report: Report, account: Account) -> Answer:
    """The rows of both windows; by moments alone they are an overview's series."""
    words = query.free.dimensions if query.free else ()
    if _by_moments(query):
        dimensions = {FREE_DIMENSIONS[word] for word in words}
        groups = await _by_moment(query, report, hourly="hour" in dimensions)
        wanted = {name: groups.keys[name] for name in sorted(dimensions)}
        return cut(query, {"rows": regroup(groups, wanted) if wanted else groups}, account)
    for condition in query.scope.filters:
        if condition.match is not Match.ONE_OF:
            raise BadRequest(
                f"filters: a free query by {', '.join(words)} is asked of the upstream API with eq, ne, in and not_in on "
                f"{condition.field}, not with {condition.match.value}"
            )
    windows = [window for window in (query.scope.window, query.scope.comparison) if window]
    asked = [replace(query, scope=replace(query.scope, window=window, comparison=None)) for window in windows]
    told = [read_free(query, data) for data in await _all(report, asked)]
    compared = told[1] if len(told) > 1 else {"rows": [], "total": 0}
    return told[0] | {"comparison_rows": compared["rows"], "comparison_total": compared["total"]}


def _read(read: Callable[[StatsQuery, Json], Answer]) -> Composer:
    async def answer(query: StatsQuery, report: Report, account: Account) -> Answer:
        return read(query, await report(query))

    return answer


async def _all(report: Report, queries: Iterable[StatsQuery]) -> list[Json]:
    """What all of them tell, asked for together.  When one fails the others are given up."""
    asking = [asyncio.ensure_future(report(query)) for query in queries]
    try:
        return await asyncio.gather(*asking)
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


_COMPOSERS: dict[Shape, Composer] = {
    Shape.TOTALS: _totals,
    Shape.ROWS: _rows,
    Shape.BREAKDOWN: _read(read_breakdown),
    Shape.GOALS: _goals,
    Shape.FUNNEL: _read(read_funnel),
    Shape.TOP: _top,
    Shape.GROUPED: _rows,
    Shape.GOAL: _read(lambda query, told: read_goal(query.endpoint, told)),
    Shape.NAMES: _read(read_names),
    Shape.EVENTS: _read(read_events),
    Shape.STEPS: _read(read_steps),
    Shape.SERIES: _series,
    Shape.FREE: _free,
}
