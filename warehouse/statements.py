"""Building the statement of a scan.  Names come from the catalog's tables, values always travel as parameters.

Two shapes: ``build_statement`` lets the engine group; ``build_rows_statement`` fetches the coded rows for
``grouping.py`` to group, which is faster for short windows, where planning many grouping sets costs more than reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from ..catalog.dimensions import DIMENSIONS, Table
from ..catalog.filters import Filter, Match
from ..catalog.metrics import METRICS
from ..catalog.periods import Window
from .store import Scan

GROUPING_COLUMN = "grouping_id"
DAY_COLUMN = "row_day"
DATABASE = "warehouse"  # the name under which the reader attaches the file
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement's text, its parameters in order, and how to read its columns back."""

    text: str
    parameters: list[Any] = field(default_factory=list)


def day_number(day: date) -> int:
    """Days since 1970-01-01, the way facts store the account's local day."""
    return (day - _EPOCH).days


def build_statement(scan: Scan, account_number: int) -> Statement:
    """The statement of a scan: one row per group, marked with the grouping it belongs to."""
    shapes = tuple(_filter_shape(condition) for condition in scan.filters)
    text = _text(scan.table, len(scan.windows), shapes, scan.groupings, scan.metrics)
    return Statement(
        text, [*_window_parameters(scan.windows, account_number), *_filter_parameters(scan, account_number)]
    )


def build_rows_statement(scan: Scan, account_number: int) -> Statement:
    """The statement that fetches every row of a scan: its day, the dimensions' codes, and what it adds to each metric."""
    shapes = tuple(_filter_shape(condition) for condition in scan.filters)
    text = _rows_text(scan.table, len(scan.windows), shapes, scan.groupings, scan.metrics)
    bounds = _window_bounds(scan.windows)
    return Statement(text, [account_number, *bounds, *_filter_parameters(scan, account_number)])


def dimensions_of(groupings: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Every dimension of any grouping, in the catalog's order: the key columns of the statement."""
    wanted = {dimension for grouping in groupings for dimension in grouping}
    return tuple(name for name in DIMENSIONS if name in wanted)


def grouping_id(grouping: tuple[str, ...], dimensions: tuple[str, ...]) -> int:
    """The number SQL's ``grouping()`` gives this grouping: a bit per dimension, set where it is not grouped by."""
    return sum(1 << place for place, name in enumerate(reversed(dimensions)) if name not in grouping)


def sum_column(metric: str, window_index: int) -> str:
    return f"{metric}_{window_index}"


_FilterShape = tuple[str, Match, bool, int, bool]


def _filter_shape(condition: Filter) -> _FilterShape:
    """What of a filter is in the text: all but its values."""
    ignore_case = DIMENSIONS[condition.field].ignore_case
    return condition.field, condition.match, condition.negated, len(condition.values), ignore_case


def _window_parameters(windows: tuple[Window, ...], account_number: int) -> Iterator[int]:
    bounds = _window_bounds(windows)
    if len(windows) > 1:
        yield from bounds  # once to mark the rows of each window …
    yield account_number
    yield from bounds  # … and once to read no others


def _window_bounds(windows: tuple[Window, ...]) -> list[int]:
    return [day_number(day) for window in windows for day in (window.start, window.end)]


def _filter_parameters(scan: Scan, account_number: int) -> Iterator[Any]:
    for condition in scan.filters:
        yield account_number
        yield DIMENSIONS[condition.field].lexicon_name
        fold = condition.match is not Match.REGEX and DIMENSIONS[condition.field].ignore_case
        yield from (value.lower() if fold else value for value in condition.values)


@lru_cache(maxsize=512)
def _text(
    table: Table,
    windows: int,
    filters: tuple[_FilterShape, ...],
    groupings: tuple[tuple[str, ...], ...],
    metrics: tuple[str, ...],
) -> str:
    dimensions = dimensions_of(groupings)
    sets = ", ".join(f"({', '.join(grouping)})" for grouping in groupings)
    head = [f"grouping({', '.join(dimensions)}) AS {GROUPING_COLUMN}" if dimensions else f"0 AS {GROUPING_COLUMN}"]
    sums = [_sum(metric, table, index, windows) for index in range(windows) for metric in metrics]
    return (
        f"SELECT {', '.join([*head, *dimensions, *sums])}\n"
        f"FROM (\n  SELECT {', '.join(_inner_columns(table, windows, dimensions, metrics))}\n"
        f"  FROM {DATABASE}.{table.value}\n"
        f"  WHERE {_conditions(table, windows, filters)}\n)\n"
        f"GROUP BY GROUPING SETS ({sets})"
    )


@lru_cache(maxsize=512)
def _rows_text(
    table: Table,
    windows: int,
    filters: tuple[_FilterShape, ...],
    groupings: tuple[tuple[str, ...], ...],
    metrics: tuple[str, ...],
) -> str:
    columns = [f"{DIMENSIONS[name].column(table)} AS {name}" for name in dimensions_of(groupings)]
    aggregates = [(metric, METRICS[metric].aggregates[table]) for metric in metrics]
    added = [f"CAST({aggregate.per_row} AS DOUBLE) AS {sum_column(metric, 0)}" for metric, aggregate in aggregates]
    return (
        f"SELECT day AS {DAY_COLUMN}, {', '.join([*columns, *added])}\n"
        f"FROM {DATABASE}.{table.value}\n"
        f"WHERE {_conditions(table, windows, filters)}"
    )


def _sum(metric: str, table: Table, window_index: int, windows: int) -> str:
    aggregate = METRICS[metric].aggregates[table]
    conditions = [aggregate.where] if aggregate.where else []
    if windows > 1:
        conditions.append(f"in_window_{window_index}")
    where = f" FILTER (WHERE {' AND '.join(conditions)})" if conditions else ""
    return f"CAST({aggregate.total}{where} AS BIGINT) AS {sum_column(metric, window_index)}"


def _inner_columns(table: Table, windows: int, dimensions: tuple[str, ...], metrics: tuple[str, ...]) -> Iterator[str]:
    for name in dimensions:
        column = DIMENSIONS[name].column(table)
        yield column if column == name else f"{column} AS {name}"
    taken = set(dimensions)
    for column in MEASURES[table]:
        aggregates = [METRICS[metric].aggregates[table] for metric in metrics]
        used = any(column in aggregate.adds or column in aggregate.where for aggregate in aggregates)
        if used and column not in taken:
            yield column
    if windows > 1:
        yield from (f"day BETWEEN ? AND ? AS in_window_{index}" for index in range(windows))


def _conditions(table: Table, windows: int, filters: tuple[_FilterShape, ...]) -> str:
    days = " OR ".join(["day BETWEEN ? AND ?"] * windows)
    return "\n    AND ".join(["account = ?", f"({days})", *(_predicate(table, shape) for shape in filters)])


def _predicate(table: Table, shape: _FilterShape) -> str:
    """Filters look at the lexicon, which is short, and hand the facts a set of codes."""
    name, match, negated, count, ignore_case = shape
    column = DIMENSIONS[name].column(table)
    value = "lower(value)" if ignore_case else "value"
    test = {
        Match.ONE_OF: f"{value} IN ({', '.join(['?'] * count)})",
        Match.CONTAINS: f"contains({value}, ?)",
        Match.REGEX: f"regexp_matches(value, ?, '{'i' if ignore_case else 'c'}')",
    }[match]
    return (
        f"{column} {'NOT IN' if negated else 'IN'} "
        f"(SELECT code FROM {DATABASE}.lexicon WHERE account = ? AND dimension = ? AND {test})"
    )


# The columns of each fact table that metrics are summed from.
MEASURES: dict[Table, tuple[str, ...]] = {
    Table.SESSIONS: ("page_views", "conversions", "microconversions", "revenue_cents"),
    Table.PAGE_VIEWS: ("is_entrance", "is_engaged"),
    Table.GOALS: ("is_conversion", "amount_cents"),
}
