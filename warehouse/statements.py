"""Building the statement of a scan.  Names come from the catalog's tables, values always travel as parameters.

Two shapes: ``build_statement`` lets the engine group; ``build_rows_statement`` fetches the coded rows for
``grouping.py`` to group, which is faster for short windows, where planning many grouping sets costs more than reading.
``build_together`` makes one statement of those for several tables.
What both engines are asked alike, which rows and which sums, is rendered here for either dialect; the shape that ClickHouse
groups in is in ``clickhouse_statements.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from ..catalog.dimensions import DIMENSIONS, Table
from ..catalog.filters import Filter, Match, folded
from ..catalog.metrics import METRICS
from ..catalog.periods import Window
from ..catalog.segments import Segment
from .dialects import DUCKDB, Dialect
from .store import Column, Listing, Scan

SCAN_COLUMN = "scan_place"
GROUPING_COLUMN = "grouping_id"
WINDOW_COLUMN = "window_place"
DAY_COLUMN = "row_day"
DATABASE = DUCKDB.source.rstrip(".")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement's text, its parameters in order, and the names of its columns: what marks and spells a row, and its sums."""

    text: str
    parameters: list[Any] = field(default_factory=list)
    marks: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()


def day_number(day: date) -> int:
    """Days since 1970-01-01, the way facts store the account's local day."""
    return (day - _EPOCH).days


def build_statement(scan: Scan, account_number: int) -> Statement:
    """The statement that groups: a row per group, marked with its window's place and the grouping it belongs to."""
    branches = tuple(scan.groupings_of(window) for window in scan.windows)
    text = _text(scan.table, restriction_of(scan), branches, scan.metrics)
    parameters: list[Any] = []
    for window in scan.windows:
        parameters += parameters_of(scan, account_number, (window,))
    marks = (WINDOW_COLUMN, GROUPING_COLUMN, *dimensions_of(scan.groupings))
    return Statement(text, parameters, marks, _sum_columns(scan))


def build_rows_statement(scan: Scan, account_number: int) -> Statement:
    """The statement that fetches every row of a scan: its day, the dimensions' codes, and what it adds to each metric."""
    text = _rows_text(scan.table, len(scan.windows), restriction_of(scan), scan.groupings, scan.metrics)
    marks = (DAY_COLUMN, *dimensions_of(scan.groupings))
    return Statement(text, parameters_of(scan, account_number, scan.windows), marks, _sum_columns(scan))


def build_together(statements: Sequence[Statement]) -> Statement:
    """One statement that tells what all of these do, row below row: their columns by position, short ones filled up."""
    if len(statements) == 1:
        return statements[0]
    shapes = tuple((statement.text, statement.marks, statement.sums) for statement in statements)
    return Statement(_together_text(shapes), [value for statement in statements for value in statement.parameters])


def told_apart(statements: Sequence[Statement], columns: Mapping[str, Column]) -> list[Mapping[str, Column]]:
    """What each of the statements that were put together told."""
    if len(statements) == 1:
        return [columns]
    places = columns[SCAN_COLUMN]
    apart: list[Mapping[str, Column]] = []
    for place, statement in enumerate(statements):
        rows = np.flatnonzero(places == place)
        whole = rows if len(rows) == 0 or rows[-1] - rows[0] >= len(rows) else slice(rows[0], rows[-1] + 1)
        names = zip((*statement.marks, *statement.sums), _positions(statement.marks, statement.sums), strict=True)
        apart.append({name: columns[position][whole] for name, position in names})
    return apart


def _positions(marks: Sequence[str], sums: Sequence[str]) -> list[str]:
    return [f"mark_{place}" for place in range(len(marks))] + [f"sum_{place}" for place in range(len(sums))]


@lru_cache(maxsize=512)
def _together_text(shapes: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]) -> str:
    most_marks, most_sums = (max(len(shape[kind]) for shape in shapes) for kind in (1, 2))
    all_positions = _positions(("",) * most_marks, ("",) * most_sums)
    parts: list[str] = []
    for place, (text, marks, sums) in enumerate(shapes):
        own = dict(zip(_positions(marks, sums), (*marks, *sums), strict=True))
        columns = [f"{own.get(position, 0)} AS {position}" for position in all_positions]
        parts.append(f"SELECT {place} AS {SCAN_COLUMN}, {', '.join(columns)}\nFROM (\n{text}\n)")
    return "\nUNION ALL\n".join(parts)


def build_listing(listing: Listing, account_number: int) -> Statement:
    """The statement of a listing."""
    columns = [listed(listing.table, name) for name in listing.columns]
    text = (
        f"SELECT {', '.join(columns)}\nFROM {DATABASE}.{listing.table.value}\n"
        f"WHERE {conditions_of(listing.table, 1, restriction_of(listing))}"
    )
    return Statement(text, parameters_of(listing, account_number, (listing.window,)))


def listed(table: Table, name: str) -> str:
    """A dimension under its name, or a stored column.  ValueError for what is neither."""
    if name in DIMENSIONS:
        return f"{DIMENSIONS[name].column(table)} AS {name}"
    return LISTABLE[LISTABLE.index(name)]


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


def _sum_columns(scan: Scan) -> tuple[str, ...]:
    return tuple(map(sum_column, scan.metrics))


_FilterShape = tuple[str, Match, bool, int, bool]


@dataclass(frozen=True, slots=True)
class Restriction:
    """What of filters and segment is in the text: all but their values."""

    filters: tuple[_FilterShape, ...]
    groups: tuple[tuple[_FilterShape, ...], ...] = ()
    not_groups: tuple[tuple[_FilterShape, ...], ...] = ()


def restriction_of(scan: Scan | Listing) -> Restriction:
    segment = scan.segment or Segment()
    return Restriction(
        _shapes(scan.filters),
        tuple(_shapes(group) for group in segment.groups),
        tuple(_shapes(group) for group in segment.not_groups),
    )


def _shapes(conditions: Iterable[Filter]) -> tuple[_FilterShape, ...]:
    return tuple(
        (given.field, given.match, given.negated, len(given.values), DIMENSIONS[given.field].ignore_case)
        for given in conditions
    )


def parameters_of(
    scan: Scan | Listing,
    account_number: int,
    windows: Iterable[Window],
    dialect: Dialect = DUCKDB,
    version: int | None = None,
) -> list[Any]:
    """The values in the order of the text: account, its version where the store keeps several, days, then those of every
    condition."""
    segment = scan.segment or Segment()
    conditions = (*scan.filters, *chain.from_iterable(segment.groups), *chain.from_iterable(segment.not_groups))
    own = [account_number] if version is None else [account_number, version]
    bounds = [day_number(day) for window in windows for day in (window.start, window.end)]
    values = (_values(given, account_number, dialect) for given in conditions)
    return [*own, *bounds, *chain.from_iterable(values)]


def _values(condition: Filter, account_number: int, dialect: Dialect) -> Iterator[Any]:
    dimension = DIMENSIONS[condition.field]
    yield account_number
    yield dimension.lexicon_name
    if condition.match is Match.REGEX:
        yield from (dialect.pattern(value, dimension.ignore_case) for value in condition.values)
    else:
        yield from map(folded, condition.values) if dimension.ignore_case else condition.values


def build_block_statement(table: Table, account_number: int, first: int, last: int) -> Statement:
    """The statement that fetches a block: every dimension's column, and what a row adds to every metric."""
    dimensions = [name for name, given in DIMENSIONS.items() if given.columns is None or table in given.columns]
    columns = dict.fromkeys(["day", *(DIMENSIONS[name].column(table) for name in dimensions)])
    added = [
        f"CAST({metric.aggregates[table].per_row} AS BIGINT) AS {sum_column(name)}"
        for name, metric in METRICS.items()
        if table in metric.aggregates
    ]
    return Statement(
        f"SELECT {', '.join([*columns, *added])}\nFROM {DATABASE}.{table.value}\n"
        "WHERE account = ? AND day BETWEEN ? AND ?\nORDER BY day",
        [account_number, first, last],
    )


def build_passing_statement(condition: Filter, account_number: int) -> Statement:
    """The statement that tells the codes whose value passes a condition, negation aside."""
    ((name, match, _, count, ignore_case),) = _shapes([condition])
    text = _codes_passing(name, match, count, ignore_case, DUCKDB)
    return Statement(text, list(_values(condition, account_number, DUCKDB)))


@lru_cache(maxsize=512)
def _text(
    table: Table,
    restriction: Restriction,
    branches: tuple[tuple[tuple[str, ...], ...], ...],
    metrics: tuple[str, ...],
) -> str:
    """One branch per window, each with the groupings of its own: nothing is summed that no one asked for."""
    all_dimensions = dimensions_of(grouping for groupings in branches for grouping in groupings)
    return "\nUNION ALL\n".join(
        _branch(table, restriction, place, groupings, all_dimensions, metrics)
        for place, groupings in enumerate(branches)
    )


def _branch(
    table: Table,
    restriction: Restriction,
    place: int,
    groupings: tuple[tuple[str, ...], ...],
    all_dimensions: tuple[str, ...],
    metrics: tuple[str, ...],
) -> str:
    dimensions = dimensions_of(groupings)
    grouping = f"grouping({', '.join(dimensions)})" if dimensions else "0"
    marks = [f"{place} AS {WINDOW_COLUMN}", f"{grouping} AS {GROUPING_COLUMN}"]
    keys = [name if name in dimensions else f"NULL AS {name}" for name in all_dimensions]
    sums = [f"{sum_of(metric, table)} AS {sum_column(metric)}" for metric in metrics]
    sets = ", ".join(f"({', '.join(grouping)})" for grouping in groupings)
    return (
        f"SELECT {', '.join([*marks, *keys, *sums])}\n"
        f"FROM (\n  SELECT {', '.join(_inner_columns(table, dimensions, metrics))}\n"
        f"  FROM {DATABASE}.{table.value}\n"
        f"  WHERE {conditions_of(table, 1, restriction)}\n)\n"
        f"GROUP BY GROUPING SETS ({sets})"
    )


@lru_cache(maxsize=512)
def _rows_text(
    table: Table,
    windows: int,
    restriction: Restriction,
    groupings: tuple[tuple[str, ...], ...],
    metrics: tuple[str, ...],
) -> str:
    columns = [f"{DIMENSIONS[name].column(table)} AS {name}" for name in dimensions_of(groupings)]
    aggregates = [(metric, METRICS[metric].aggregates[table]) for metric in metrics]
    added = [f"CAST({aggregate.per_row} AS DOUBLE) AS {sum_column(metric)}" for metric, aggregate in aggregates]
    return (
        f"SELECT day AS {DAY_COLUMN}, {', '.join([*columns, *added])}\n"
        f"FROM {DATABASE}.{table.value}\n"
        f"WHERE {conditions_of(table, windows, restriction)}"
    )


def sum_of(metric: str, table: Table, dialect: Dialect = DUCKDB) -> str:
    """The SQL that sums a metric over a fact table."""
    return dialect.total(METRICS[metric].aggregates[table])


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


def conditions_of(table: Table, windows: int, restriction: Restriction, dialect: Dialect = DUCKDB) -> str:
    """What the rows of a question have in common: account, windows, filters and segment."""
    span = f"day BETWEEN {dialect.number} AND {dialect.number}"
    conditions = [dialect.own, f"({' OR '.join([span] * windows)})"]
    conditions += [_predicate(table, shape, dialect) for shape in restriction.filters]
    if restriction.groups:
        conditions.append(f"({' OR '.join(_all_of(table, group, dialect) for group in restriction.groups)})")
    conditions += [f"NOT {_all_of(table, group, dialect)}" for group in restriction.not_groups]
    return "\n    AND ".join(conditions)


def _all_of(table: Table, group: tuple[_FilterShape, ...], dialect: Dialect) -> str:
    return f"({' AND '.join(_predicate(table, shape, dialect) for shape in group)})"


def _predicate(table: Table, shape: _FilterShape, dialect: Dialect) -> str:
    """Filters look at the lexicon, which is short, and hand the facts a set of codes."""
    name, match, negated, count, ignore_case = shape
    column = DIMENSIONS[name].column(table)
    return f"{column} {'NOT IN' if negated else 'IN'} ({_codes_passing(name, match, count, ignore_case, dialect)})"


def _codes_passing(name: str, match: Match, count: int, ignore_case: bool, dialect: Dialect) -> str:
    pattern = DIMENSIONS[name].told_from
    word = dialect.folded if ignore_case and match is not Match.REGEX else "value"
    value = dialect.told.format(pattern=pattern) if pattern else word
    marks = ", ".join([dialect.text] * count)
    test = dialect.matches[match].format(value=value, marks=marks, case="i" if ignore_case else "c")
    return (
        f"SELECT code FROM {dialect.source}lexicon "
        f"WHERE account = {dialect.account} AND dimension = {dialect.text} AND {test}"
    )


# The columns of each fact table that metrics are summed from.
MEASURES: dict[Table, tuple[str, ...]] = {
    Table.SESSIONS: ("page_views", "conversions", "microconversions", "revenue_cents"),
    Table.PAGE_VIEWS: ("is_entrance", "is_engaged"),
    Table.GOALS: ("is_conversion", "amount_cents"),
}

# Stored columns that a listing may name beside dimensions.
LISTABLE = ("session", "start", "moment", "amount_cents")
