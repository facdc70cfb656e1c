"""The one value that travels between doors and engine.

Doors parse into a ``StatsQuery``; nothing behind a door knows which door it came through.  It is frozen, checked when it
is made, and canonical: questions that mean the same are equal, so they are asked once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from .accounts import Account
from .dimensions import Table
from .endpoints import (
    ENDPOINTS,
    FREE_DIMENSIONS,
    FREE_METRICS,
    GOAL_SPLITS,
    INCLUDES,
    OVERVIEW_COMPARED_SERIES,
    OVERVIEW_SERIES,
    UTM,
    Endpoint,
    Shape,
)
from .errors import BadRequest, InvalidQuery, NotFound, Problem, suggestion
from .filters import Filter, check_number
from .metrics import METRICS, ROW_COUNT, sums_needed
from .periods import DEFAULT_PERIOD, Compare, Window, comparison_window, custom_window, parse_period
from .segments import Segment

MAX_SEARCH_LENGTH = 200
MAX_FREE_DIMENSIONS = 10
MAX_PAGE = 1_000_000
MAX_OFFSET = 1_000_000_000
MIN_STEPS, MAX_STEPS = 2, 10
MAX_STEP_LENGTH = 2048


class SortOrder(StrEnum):
    ASC = "asc"
    DESC = "desc"


class Granularity(StrEnum):
    """The step of overview's series; AUTO is hourly for one day and daily for more.  Contract §1.1."""

    AUTO = "auto"
    HOURLY = "hourly"
    DAILY = "daily"


class Interval(StrEnum):
    """The length of a time series' points; weeks begin on Monday.  Contract §0.4, §1.17."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question is about: whose numbers, of which days, set against which, narrowed how."""

    account: str
    window: Window
    comparison: Window | None = None
    filters: tuple[Filter, ...] = ()
    segment: Segment | None = None
    below: tuple[tuple[str, str], ...] = ()  # dimensions and values of the row it is inside of, as the row tells them

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", tuple(sorted(set(self.filters))))
        object.__setattr__(self, "below", tuple(sorted(set(self.below))))

    def within(self, row: Mapping[str, str]) -> Scope:
        """The scope narrowed to a row, by the row's dimensions and their values.

        Unlike a filter this leaves the scan alone: it groups by the row's dimensions too, and so serves all rows at once.
        """
        return replace(self, below=(*self.below, *row.items()))

    @property
    def shared(self) -> SharedScope:
        """What questions must have in common to be answered by one scan.  Rule 3.2."""
        return SharedScope(self.account, self.window, self.filters, self.segment)


@dataclass(frozen=True, slots=True)
class SharedScope:
    """A scope less its comparison, which rides along in the scan of whoever asks for it, and less the row it is within,
    which is cut out of a scan of all rows."""

    account: str
    window: Window
    filters: tuple[Filter, ...]
    segment: Segment | None


def make_scope(
    account: Account,
    now: datetime,
    *,
    period: str | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
    compare: Compare = Compare.NONE,
    filters: Iterable[Filter] = (),
    segment: Segment | None = None,
) -> Scope:
    """Resolve the dates in the account's own zone.  ``period`` wins over dates; neither is 30 days.  Contract §2.2.

    Raises ``BadRequest`` for an unknown period, half a range, a reversed one or one of more than 730 days, and for too
    many filters.  What is filtered explicitly is not narrowed by the segment too (Contract §6.13).
    """
    shortcut = None
    if period is not None or (start_date is None and end_date is None):
        shortcut = parse_period(DEFAULT_PERIOD if period is None else period)
        window = shortcut.window(account.today(now))
    else:
        window = custom_window(start_date, end_date)
    given = check_number(tuple(filters))
    return Scope(
        account.id,
        window,
        comparison_window(window, compare, shortcut),
        given,
        segment and segment.without(condition.field for condition in given),
    )


@dataclass(frozen=True, slots=True)
class FreeColumns:
    """What a free query asks for: dimensions and metrics by the contract's words, their order, and where to begin.

    Contract §1.17.
    """

    dimensions: tuple[str, ...] = ()
    metrics: tuple[str, ...] = FREE_METRICS
    order_by: tuple[tuple[str, SortOrder], ...] = (("entrances", SortOrder.DESC),)
    offset: int = 0

    def problems(self) -> Iterator[Problem]:
        if len(self.dimensions) > MAX_FREE_DIMENSIONS:
            yield Problem(
                "dimensions", f"at most {MAX_FREE_DIMENSIONS} dimensions, got {len(self.dimensions)}", "too_long"
            )
        yield from (
            _no_word("dimensions", word, FREE_DIMENSIONS) for word in self.dimensions if word not in FREE_DIMENSIONS
        )
        yield from (_no_word("metrics", word, FREE_METRICS) for word in self.metrics if word not in FREE_METRICS)
        if not self.metrics:
            yield Problem("metrics", f"at least one of {', '.join(FREE_METRICS)}", "too_short")
        asked = (*self.dimensions, *self.metrics)
        known = [word for word in asked if word in FREE_DIMENSIONS or word in FREE_METRICS]
        yield from (_no_word("order_by", word, known) for word, _ in self.order_by if word not in asked)
        if not 0 <= self.offset <= MAX_OFFSET:
            yield _out_of_range("offset", self.offset, 0, MAX_OFFSET)


def free_columns(
    dimensions: Iterable[str] = (),
    metrics: Iterable[str] = FREE_METRICS,
    order_by: Iterable[tuple[str, SortOrder]] = (),
    offset: int = 0,
) -> FreeColumns:
    """The columns with each word once, by entrances (or the first metric) unless another order is given."""
    summed = tuple(dict.fromkeys(metrics))
    usual = "entrances" if "entrances" in summed else next(iter(summed), "")
    order = tuple(order_by) or ((usual, SortOrder.DESC),)
    return FreeColumns(tuple(dict.fromkeys(dimensions)), summed, order, offset)


@dataclass(frozen=True, slots=True)
class StatsQuery:
    """One question to one report.  Make it with ``ask``, which fills in the report's defaults."""

    scope: Scope
    report: str
    page: int = 1
    page_size: int = 0  # 0: the report is one object and has no pages
    sort_by: str = ""
    sort_order: SortOrder = SortOrder.DESC
    search: str = ""
    granularity: Granularity = Granularity.AUTO
    include: tuple[str, ...] = ()  # further dimensions that rows are grouped by
    goals: tuple[str, ...] = ()  # the only goals it is about; none: all
    steps: tuple[str, ...] = ()  # of a custom funnel: page paths or goals
    interval: Interval = Interval.DAY  # of a time series
    free: FreeColumns | None = None
    _hash: int = field(init=False, repr=False, compare=False, default=0)  # it is the key of every table below the doors

    def __hash__(self) -> int:
        return self._hash

    def __post_init__(self) -> None:
        if self.report not in ENDPOINTS:
            raise NotFound(f"Unknown report: {self.report[:60]}{suggestion(self.report, ENDPOINTS)}")
        if problems := list(self._problems()):
            raise InvalidQuery.of(*problems)
        if self.scope.window.days > self.endpoint.max_days:
            raise BadRequest(f"Date range of {self.report} cannot exceed {self.endpoint.max_days} days")
        chosen = (self.page, self.page_size, self.sort_by, self.search, self.include, self.goals, self.steps, self.free)
        object.__setattr__(self, "_hash", hash((self.scope, self.report, chosen)))

    @property
    def endpoint(self) -> Endpoint:
        return ENDPOINTS[self.report]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions of one row, the included ones last."""
        return self.endpoint.dimensions + self.include

    def _problems(self) -> Iterator[Problem]:
        endpoint = self.endpoint
        yield from (Problem(name, f"{self.report} does not take {name}", "extra_forbidden") for name in self._untaken())
        if endpoint.page_size is not None:
            size = endpoint.page_size
            if not 1 <= self.page_size <= size.maximum:
                yield _out_of_range(size.parameter, self.page_size, 1, size.maximum)
            if not 1 <= self.page <= MAX_PAGE:
                yield _out_of_range("page", self.page, 1, MAX_PAGE)
        if self.sort_by != endpoint.default_sort and self.sort_by not in endpoint.sort:
            yield Problem(
                "sort_by",
                f"{self.report} cannot be sorted by '{self.sort_by[:40]}'; accepted: {', '.join(endpoint.sort) or 'none'}",
                "enum",
            )
        if endpoint.search and len(self.search) > MAX_SEARCH_LENGTH:
            yield Problem("search", f"search is longer than {MAX_SEARCH_LENGTH} characters", "string_too_long")
        if endpoint.include:
            yield from (_no_column(word) for word in self.include if word not in _INCLUDABLE)
        if endpoint.shape is Shape.GOAL and len(self.goals) != 1:
            yield Problem("type", f"{self.report} is about exactly one goal", "missing")
        if endpoint.shape is Shape.STEPS:
            yield from _step_problems(self.steps)
        if self.free is not None:
            yield from self.free.problems()

    def _untaken(self) -> Iterator[str]:
        """What was asked for and this report has not.  Rather refused than ignored (Contract §1.0.4)."""
        endpoint, size = self.endpoint, self.endpoint.page_size
        given = {
            "page": (self.page != 1, size is not None and size.parameter == "page_size"),
            "page_size": (self.page_size != 0, size is not None),
            "sort_order": (self.sort_order is not SortOrder.DESC, bool(endpoint.sort)),
            "search": (bool(self.search), endpoint.search),
            "granularity": (self.granularity is not Granularity.AUTO, endpoint.granularity),
            "include": (bool(self.include), endpoint.include),
            "conversion_type": (bool(self.goals), endpoint.conversion_type or endpoint.shape is Shape.GOAL),
            "steps": (bool(self.steps), endpoint.shape is Shape.STEPS),
            "interval": (self.interval is not Interval.DAY, endpoint.shape is Shape.SERIES),
            "dimensions": (self.free is not None, endpoint.shape is Shape.FREE),
        }
        yield from (name for name, (asked, taken) in given.items() if asked and not taken)


def ask(
    scope: Scope,
    report: str,
    *,
    page: int | None = None,
    page_size: int | None = None,
    sort_by: str | None = None,
    sort_order: SortOrder | None = None,
    search: str | None = None,
    granularity: Granularity = Granularity.AUTO,
    include: Iterable[str] = (),
    include_utm: bool = False,
    goals: Iterable[str] = (),
    steps: Iterable[str] = (),
    interval: Interval = Interval.DAY,
    free: FreeColumns | None = None,
) -> StatsQuery:
    """A ``StatsQuery`` with everything left out filled in.  Raises ``NotFound`` or ``InvalidQuery``.

    ``search`` is folded to lower case, since it ignores case; ``include`` takes the contract's words (§1.2).  A report that
    has nothing to compare leaves the scope's comparison aside.
    """
    endpoint = ENDPOINTS.get(report)
    if endpoint is None:
        raise NotFound(f"Unknown report: {report[:60]}{suggestion(report, ENDPOINTS)}")
    words = tuple(dict.fromkeys(include))
    problems = [_no_column(word) for word in words if word not in INCLUDES]
    try:
        query = StatsQuery(
            scope=scope if endpoint.compare is not None else replace(scope, comparison=None),
            report=report,
            page=1 if page is None else page,
            page_size=_page_size(endpoint, page_size),
            sort_by=endpoint.default_sort if sort_by is None else sort_by,
            sort_order=sort_order or SortOrder.DESC,
            search=(search or "").lower(),
            granularity=_step(granularity, scope.window) if endpoint.granularity else granularity,
            include=_included_dimensions(words, include_utm),
            goals=tuple(sorted(set(goals))),
            steps=tuple(steps),
            interval=interval,
            free=FreeColumns() if free is None and endpoint.shape is Shape.FREE else free,
        )
    except InvalidQuery as error:
        raise InvalidQuery.of(*error.detail, *problems) from None
    if problems:
        raise InvalidQuery.of(*problems)
    return query


def _page_size(endpoint: Endpoint, page_size: int | None) -> int:
    if page_size is not None:
        return page_size
    return 0 if endpoint.page_size is None else endpoint.page_size.default


def _step(granularity: Granularity, window: Window) -> Granularity:
    if granularity is not Granularity.AUTO:
        return granularity
    return Granularity.HOURLY if window.days == 1 else Granularity.DAILY


def _included_dimensions(words: tuple[str, ...], include_utm: bool) -> tuple[str, ...]:
    utm = UTM if include_utm else ()
    return utm + tuple(dimension for word, dimension in INCLUDES.items() if word in words)


def _step_problems(steps: tuple[str, ...]) -> Iterator[Problem]:
    if not MIN_STEPS <= len(steps) <= MAX_STEPS:
        yield Problem("steps", f"a funnel has {MIN_STEPS} to {MAX_STEPS} steps, got {len(steps)}", "out_of_range")
    yield from (
        Problem("steps", f"step {place} must be a path or the name of a goal", "string_length")
        for place, step in enumerate(steps, start=1)
        if not 1 <= len(step) <= MAX_STEP_LENGTH
    )


_INCLUDABLE = {*UTM, *INCLUDES.values()}


def _no_column(word: str) -> Problem:
    near = suggestion(word, INCLUDES)
    return Problem("include", f"'{word[:40]}' cannot be included{near}; accepted: {', '.join(INCLUDES)}", "enum")


def _no_word(field: str, word: str, known: Iterable[str]) -> Problem:
    words = tuple(known)
    return Problem(field, f"{field}: '{word[:40]}' is none of {', '.join(words)}{suggestion(word, words)}", "enum")


def _out_of_range(field: str, value: int, low: int, high: int) -> Problem:
    return Problem(field, f"{field} must be between {low} and {high}, got {value}", "out_of_range")


# One thing to group by in one table: the smallest part of a scan.  The empty tuple is the whole.
@dataclass(frozen=True, slots=True)
class Grouping:
    table: Table
    dimensions: tuple[str, ...]


_SOURCE_SPLIT = ("goal_kind", "goal", *UTM)
_COUNTRY_SPLIT = ("goal_kind", "goal", "country")


def groupings(query: StatsQuery) -> dict[str, Grouping]:
    """What has to be grouped to answer ``query``, by the name its answerer knows each part under.

    Inside a row everything is grouped by the row's dimensions too.
    """
    outer = [dimension for dimension, _ in query.scope.below]
    return {
        name: Grouping(part.table, tuple(dict.fromkeys((*outer, *part.dimensions))))
        for name, part in _own_groupings(query).items()
    }


def _own_groupings(query: StatsQuery) -> dict[str, Grouping]:
    endpoint, table = query.endpoint, query.endpoint.table
    match endpoint.shape:
        case Shape.TOTALS:
            hourly = query.granularity is Granularity.HOURLY
            return {"series": Grouping(table, ("day", "hour") if hourly else ("day",))}
        case Shape.SERIES:
            return {"points": Grouping(table, ("day", "hour") if query.interval is Interval.HOUR else ("day",))}
        case Shape.ROWS:
            return {"rows": Grouping(table, query.dimensions)}
        case Shape.BREAKDOWN:
            return {dimension: Grouping(table, (dimension,)) for dimension in endpoint.dimensions}
        case Shape.GOALS:
            return {
                "rows": Grouping(table, ("goal_kind", "goal")),
                "by_source": Grouping(table, _SOURCE_SPLIT),
                "by_country": Grouping(table, _COUNTRY_SPLIT),
            }
        case Shape.FUNNEL:
            return {
                "rows": Grouping(table, endpoint.dimensions),
                "goals": Grouping(Table.GOALS, ("goal_kind", "goal", *endpoint.dimensions)),
            }
        case Shape.TOP:
            return {"rows": Grouping(table, endpoint.dimensions)}
        case Shape.GROUPED:
            return {"rows": Grouping(table, (endpoint.counts, *endpoint.dimensions))}
        case Shape.NAMES:
            return {"rows": Grouping(table, ("goal_kind", "goal"))}
        case Shape.GOAL:
            return {name: Grouping(table, ("goal_kind", "goal", *split)) for name, split in GOAL_SPLITS.items()}
        case Shape.FREE:
            return {"rows": Grouping(table, _free_grouping(query.free))}
        case Shape.EVENTS | Shape.STEPS:
            return {}  # answered from rows as they are: see ``resolvers.planner.listings``


def _free_grouping(free: FreeColumns | None) -> tuple[str, ...]:
    """The dimensions behind the words; the date and the day of the week both come from the day."""
    return tuple(dict.fromkeys(FREE_DIMENSIONS[word] for word in (free.dimensions if free else ())))


SHORT_LISTS = 50  # rows that an answer without pages or moments counts for


def most_rows(query: StatsQuery) -> int:
    """How many rows or points the answer may hold at most, which is what it costs to write it."""
    days = query.scope.window.days
    match query.endpoint.shape:
        case Shape.TOTALS:
            series = len(OVERVIEW_SERIES) + len(OVERVIEW_COMPARED_SERIES)
            return series * days * (24 if query.granularity is Granularity.HOURLY else 1)
        case Shape.SERIES:
            return days * 24 if query.interval is Interval.HOUR else days
        case _:
            return query.page_size or SHORT_LISTS


def summed_metrics(query: StatsQuery, table: Table) -> tuple[str, ...]:
    """The additive metrics of one table that answering ``query`` takes."""
    own = sums_needed((*query.free.metrics, ROW_COUNT[table]) if query.free else query.endpoint.metrics)
    goals = ("count", "revenue") if table is Table.GOALS else ()
    return tuple(name for name in dict.fromkeys((*own, *goals)) if table in METRICS[name].aggregates)
