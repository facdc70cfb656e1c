"""Sums by cells: what no report tells under a scope, told from a free query by every dimension the scope looks at.

Sums of sessions add up, so rows that are read by finer groups than asked for can be looked at one by one, as filters,
segments and rows would look at facts, and then be put together.  Contract §1.17.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import chain
from typing import Any

import duckdb
import numpy as np

from ..catalog.accounts import Account
from ..catalog.dimensions import DIMENSIONS, Table
from ..catalog.endpoints import FREE_DIMENSIONS, FREE_METRICS
from ..catalog.errors import BadRequest
from ..catalog.filters import Filter, Match, folded
from ..catalog.metrics import METRICS, Unit
from ..catalog.periods import Window
from ..catalog.query import Scope, SortOrder, StatsQuery, ask, free_columns, groupings
from ..catalog.segments import Segment
from ..warehouse.grouping import regroup
from ..warehouse.store import Column, Groups, Keys, Lexicon
from .answers import cut
from .figures import Answer
from .reported import read_free

Report = Callable[[StatsQuery], Awaitable[Any]]

PAGE = 10_000  # rows of one free query
MOST_PAGES = 10  # of one window

_EPOCH = date(1970, 1, 1)
_WORDS = {dimension: word for word, dimension in reversed(FREE_DIMENSIONS.items()) if word != "day_of_week"}


def tells(query: StatsQuery) -> bool:
    """Whether cells can tell it: all it groups by and all its scope looks at are dimensions of a free query."""
    own = [dimension for part in groupings(query).values() for dimension in part.dimensions]
    tables = {part.table for part in groupings(query).values()}
    looked_at = (condition.field for condition in _looked_at(query.scope))
    return tables == {Table.SESSIONS} and all(name in _WORDS for name in chain(own, looked_at))


async def answer_by_cells(query: StatsQuery, report: Report, account: Account) -> Answer:
    """The answer, cut out of cells.  Raises ``BadRequest`` where there are too many, and what ``report`` raises."""
    parts = groupings(replace(query, scope=replace(query.scope, below=())))
    looked_at = [condition.field for condition in _looked_at(query.scope)]
    inside = [dimension for dimension, _ in query.scope.below]
    own = [dimension for part in parts.values() for dimension in part.dimensions]
    dimensions = tuple(dict.fromkeys([*own, *inside, *looked_at]))
    windows = [window for window in (query.scope.window, query.scope.comparison) if window]
    rows = {window: [row async for row in _rows(query.scope, window, dimensions, report)] for window in windows}
    cells = _within(query.scope, _groups(rows, dimensions))
    by_part = {
        name: regroup(cells, {dimension: cells.keys[dimension] for dimension in part.dimensions})
        for name, part in parts.items()
    }
    return cut(query, by_part, account)


def _looked_at(scope: Scope) -> Iterator[Filter]:
    """The conditions that are tried on cells; what a free query filters by is left to it."""
    yield from (condition for condition in scope.filters if not _is_passed(condition))
    segment = scope.segment or Segment()
    yield from chain.from_iterable((*segment.groups, *segment.not_groups))


def _is_passed(condition: Filter) -> bool:
    return condition.match is Match.ONE_OF and bool(condition.values)


async def _rows(scope: Scope, window: Window, dimensions: Sequence[str], report: Report) -> AsyncIterator[Answer]:
    """Every row of the window, in pages.  They are ordered, so that pages do not overlap."""
    words = [_WORDS[dimension] for dimension in dimensions]
    passed = tuple(condition for condition in scope.filters if _is_passed(condition))
    own = Scope(scope.account, window, None, passed)
    order = [(word, SortOrder.ASC) for word in words]
    for page in range(MOST_PAGES):
        columns = free_columns(words, FREE_METRICS, order, offset=page * PAGE)
        asked = ask(own, "query", page_size=PAGE, free=columns)
        told = read_free(asked, await report(asked))
        for row in told["rows"]:
            yield row
        if not told["has_more"]:
            return
    raise BadRequest(
        f"The upstream API would have to be asked for more than {MOST_PAGES * PAGE:,} rows; ask for fewer days, dimensions "
        "or conditions"
    )


def _groups(rows: Mapping[Window, list[Answer]], dimensions: Sequence[str]) -> Groups:
    """The rows of all windows one after the other, each counting for its own alone."""
    every = list(chain.from_iterable(rows.values()))
    keys = {name: _keys(name, [row[_WORDS[name]] for row in every]) for name in dimensions}
    owner = np.repeat(np.arange(len(rows)), [len(told) for told in rows.values()])
    sums = {
        window: {metric: np.where(owner == place, _sums(metric, every), 0) for metric in FREE_METRICS}
        for place, window in enumerate(rows)
    }
    return Groups(keys, sums)


def _keys(dimension: str, values: list[Any]) -> Keys:
    if dimension == "day":
        return Keys(np.array([(day - _EPOCH).days for day in values], dtype=np.int64), None)
    if dimension == "hour":
        return Keys(np.array(values, dtype=np.int64), None)
    lexicon = Lexicon(list(dict.fromkeys(values)))
    return Keys(np.array([lexicon.code_of(value) for value in values], dtype=np.int64), lexicon)


def _sums(metric: str, rows: list[Answer]) -> Column:
    scale = 100 if METRICS[metric].unit is Unit.MONEY else 1
    return np.array([int(row[metric] * scale) for row in rows], dtype=np.int64)


# --- which cells are in the scope ---------------------------------------------------------------------------------


def _within(scope: Scope, cells: Groups) -> Groups:
    found = np.ones(cells.height, dtype=bool)
    for dimension, value in scope.below:
        found &= cells.keys[dimension].codes == cells.keys[dimension].code_of(value)
    for condition in scope.filters:
        if not _is_passed(condition):
            found &= _passing(condition, cells)
    segment = scope.segment or Segment()
    if segment.groups:
        found &= np.logical_or.reduce([_all_of(group, cells) for group in segment.groups])
    for group in segment.not_groups:
        found &= ~_all_of(group, cells)
    chosen = np.flatnonzero(found)
    keys = {name: replace(column, codes=column.codes[chosen]) for name, column in cells.keys.items()}
    sums = {
        window: {metric: column[chosen] for metric, column in metrics.items()} for window, metrics in cells.sums.items()
    }
    return Groups(keys, sums)


def _all_of(group: Iterable[Filter], cells: Groups) -> Column:
    return np.logical_and.reduce([_passing(condition, cells) for condition in group])


def _passing(condition: Filter, cells: Groups) -> Column:
    column = cells.keys[condition.field]
    values = column.lexicon.values if column.lexicon else []
    codes = [code for code, value in enumerate(values) if value in _values_passing(condition, values)]
    return np.isin(column.codes, codes, invert=condition.negated)


# What looks at a value, in the words of the engine that filters facts, so that both see the same.
_TESTS = {
    Match.ONE_OF: "list_contains(?, {value})",
    Match.CONTAINS: "contains({value}, ?[1])",
    Match.STARTS_WITH: "starts_with({value}, ?[1])",
    Match.ENDS_WITH: "ends_with({value}, ?[1])",
    Match.REGEX: "regexp_matches(value, ?[1], '{flag}')",
}


def _values_passing(condition: Filter, values: Sequence[str]) -> set[str]:
    ignore_case = DIMENSIONS[condition.field].ignore_case
    test = _TESTS[condition.match].format(
        value="lower(value)" if ignore_case else "value", flag="i" if ignore_case else "c"
    )
    sought = [folded(text) if ignore_case and condition.match is not Match.REGEX else text for text in condition.values]
    with _engine().cursor() as cursor:
        found = cursor.execute(f"SELECT value FROM (SELECT unnest(?) AS value) WHERE {test}", [list(values), sought])
        return {value for (value,) in found.fetchall()}


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"threads": 1})
