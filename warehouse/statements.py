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
WINDOW_COLUMN = "window_place"
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
    """The statement that groups: a row per group, marked with its window's place and the grouping it belongs to."""
    shapes = tuple(_filter_shape(condition) for condition in scan.filters)
    branches = tuple(scan.groupings_of(window) for window in scan.windows)
    parameters: list[Any] = []
    for window in scan.windows:
        parameters += [account_number, *_bounds(window), *_filter_parameters(scan, account_number)]
    return Statement(_text(scan.table, shapes, branches, scan.metrics), parameters)


def build_rows_statement(scan: Scan, account_number: int) -> Statement:
    """The statement that fetches every row of a scan: its day, the dimensions' codes, and what it adds to each metric."""
    shapes = tuple(_filter_shape(condition) for condition in scan.filters)
    text = _rows_text(scan.table, len(scan.windows), shapes, scan.groupings, scan.metrics)
    bounds = [bound for window in scan.windows for bound in _bounds(window)]
    return Statement(text, [account_number, *bounds, *_filter_parameters(scan, account_number)])


def dimensions_of(groupings: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Every dimension of any grouping, in the catalog's order: the key columns of the statement."""
    wanted = {dimension for grouping in groupings for dimension in grouping}
    return tuple(name for name in DIMENSIONS if name in wanted)


def grouping_id(grouping: tuple[str, ...], dimensions: tuple[str, ...]) -> int:
    """The number SQL's ``grouping()`` gives this grouping: a bit per dimension, set where it is not grouped by."""
    return sum(1 << place for place, name in enumerate(reversed(dimensions)) if name not in grouping)


def sum_column(metric: str) -> str:
    """The name of a sum's column; the table may have a column of the metric's own name."""
    return f"{metric}_sum"


_FilterShape = tuple[str, Match, bool, int, bool]


def _filter_shape(condition: Filter) -> _FilterShape:
    """What of a filter is in the text: all but its values."""
    ignore_case = DIMENSIONS[condition.field].ignore_case
    return condition.field, condition.match, condition.negated, len(condition.values), ignore_case


def _bounds(window: Window) -> tuple[int, int]:
    return day_number(window.start), day_number(window.end)


def _filter_parameters(scan: Scan, account_number: int) -> Iterator[Any]:
    for condition in scan.filters:
        yield account_number
        yield DIMENSIONS[condition.field].lexicon_name
        fold = condition.match is not Match.REGEX and DIMENSIONS[condition.field].ignore_case
        yield from (value.lower() if fold else value for value in condition.values)


@lru_cache(maxsize=512)
def _text(
    table: Table,
    filters: tuple[_FilterShape, ...],
    branches: tuple[tuple[tuple[str, ...], ...], ...],
    metrics: tuple[str, ...],
) -> str:
    """One branch per window, each with the groupings of its own: nothing is summed that no one asked for."""
    all_dimensions = dimensions_of(grouping for groupings in branches for grouping in groupings)
    return "\nUNION ALL\n".join(
        _branch(table, filters, place, groupings, all_dimensions, metrics) for place, groupings in enumerate(branches)
    )


def _branch(
    table: Table,
    filters: tuple[_FilterShape, ...],
    place: int,
    groupings: tuple[tuple[str, ...], ...],
    all_dimensions: tuple[str, ...],
    metrics: tuple[str, ...],
) -> str:
    dimensions = dimensions_of(groupings)
    grouping = f"grouping({', '.join(dimensions)})" if dimensions else "0"
    marks = [f"{place} AS {WINDOW_COLUMN}", f"{grouping} AS {GROUPING_COLUMN}"]
    keys = [name if name in dimensions else f"NULL AS {name}" for name in all_dimensions]
    sums = [_sum(metric, table) for metric in metrics]
    sets = ", ".join(f"({', '.join(grouping)})" for grouping in groupings)
    return (
        f"SELECT {', '.join([*marks, *keys, *sums])}\n"
        f"FROM (\n  SELECT {', '.join(_inner_columns(table, dimensions, metrics))}\n"
        f"  FROM {DATABASE}.{table.value}\n"
        f"  WHERE {_conditions(table, 1, filters)}\n)\n"
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
    added = [f"CAST({aggregate.per_row} AS DOUBLE) AS {sum_column(metric)}" for metric, aggregate in aggregates]
    return (
        f"SELECT day AS {DAY_COLUMN}, {', '.join([*columns, *added])}\n"
        f"FROM {DATABASE}.{table.value}\n"
        f"WHERE {_conditions(table, windows, filters)}"
    )


def _sum(metric: str, table: Table) -> str:
    aggregate = METRICS[metric].aggregates[table]
    where = f" FILTER (WHERE {aggregate.where})" if aggregate.where else ""
    return f"CAST({aggregate.total}{where} AS BIGINT) AS {sum_column(metric)}"


def _inner_columns(table: Table, dimensions: tuple[str, ...], metrics: tuple[str, ...]) -> Iterator[str]:
    for name in dimensions:
        column = DIMENSIONS[name].column(table)
        yield column if column == name else f"{column} AS {name}"
    aggregates = [METRICS[metric].aggregates[table] for metric in metrics]
    for column in MEASURES[table]:
        used = any(column in aggregate.adds or column in aggregate.where for aggregate in aggregates)
        if used and column not in dimensions:
            yield column
    if not dimensions and all(aggregate.adds == "1" and not aggregate.where for aggregate in aggregates):
        yield "account"  # counting rows takes a column to select


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
