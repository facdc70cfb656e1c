"""What is held in memory, read from the file: rows of roll-ups, rows of facts, and what codes stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..catalog.dimensions import Table
from .account_files import AccountCursor
from .blocks import Block
from .cube import Cube, Layer, RolledRows, estimated_bytes
from .rollup_reading import Combinations
from .rollups import COMBINED_CODES, ROLLED_METRICS, ROLLUPS, Rollup, by_day
from .statements import DATABASE, build_block_statement
from .store import Column, Lexicon

# The days of a fact table that have rows, and how many.
RowsPerDay = tuple[Column, Column]


def read_lexicons(cursor: AccountCursor, account: int, names: Sequence[str]) -> dict[str, Lexicon]:
    """The lexicons of these names, by one statement."""
    rows = cursor.execute(
        f"SELECT dimension, value FROM {DATABASE}.lexicon WHERE account = ? AND dimension IN ({_marks(names)}) "
        "ORDER BY dimension, code",
        [account, *names],
    ).fetchall()
    values: dict[str, list[str]] = {name: [] for name in names}
    for name, value in rows:
        values[name].append(value)
    return {name: Lexicon(own) for name, own in values.items()}


def read_combinations(cursor: AccountCursor, account: int, rollups: Sequence[Rollup]) -> dict[Rollup, Combinations]:
    """What the combinations of these roll-ups stand for, by one statement."""
    columns = cursor.execute(
        f"SELECT rollup, {', '.join(COMBINED_CODES)} FROM {DATABASE}.combinations "
        f"WHERE account = ? AND rollup IN ({_marks(rollups)}) ORDER BY rollup, combination",
        [account, *(rollup.number for rollup in rollups)],
    ).fetchnumpy()
    found: dict[Rollup, Combinations] = {}
    for rollup in rollups:
        own = np.flatnonzero(columns["rollup"] == rollup.number)
        codes = zip(rollup.dimensions, COMBINED_CODES, strict=False)
        found[rollup] = {name: columns[code][own] for name, code in codes}
    return found


def read_rows_per_day(cursor: AccountCursor, account: int, table: Table) -> RowsPerDay:
    columns = cursor.execute(
        f"SELECT day, count(*) AS rows FROM {DATABASE}.{table.value} WHERE account = ? GROUP BY day", [account]
    ).fetchnumpy()
    return columns["day"], columns["rows"]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def read_cube(cursor: AccountCursor, account: int, table: Table, budget_bytes: int) -> Cube | None:
    """The cube of one fact table of an account; None when it would take more than ``budget_bytes``."""
    if sum(_estimates(cursor, account, table)) > budget_bytes:
        return None
    own = [rollup for rollup in ROLLUPS if rollup.table is table]
    return Cube(table, {rollup.number: Layer(_rows(cursor, account, rollup)) for rollup in own})


def read_block(
    cursor: AccountCursor, account: int, table: Table, span: tuple[int, int], budget_bytes: int
) -> Block | None:
    """The rows of one fact table over a span of days; None when they would take more than ``budget_bytes``, or when there
    are so many that to look through them takes longer than to leave it to the engine."""
    ((rows,),) = cursor.execute(
        f"SELECT count(*) FROM {DATABASE}.{table.value} WHERE account = ? AND day BETWEEN ? AND ?", [account, *span]
    ).fetchall()
    if rows > MOST_ROWS or rows * USUAL_BYTES_A_ROW > budget_bytes:
        return None
    statement = build_block_statement(table, account, *span)
    columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
    return Block(table, *span, {name: _narrow(column) for name, column in columns.items()})


# Thirteen codes and six sums, most of them in one or two bytes.
USUAL_BYTES_A_ROW = 50
MOST_ROWS = 1_000_000


def _narrow(column: Column) -> Column:
    """In as few bytes a number as all of them fit."""
    if column.dtype == np.bool_ or not column.size:
        return column
    kinds = (np.uint8, np.uint16, np.int32, np.int64)
    low, high = int(column.min()), int(column.max())
    return column.astype(next(kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max))


def _estimates(cursor: AccountCursor, account: int, table: Table) -> Iterator[int]:
    found = cursor.execute(
        f"SELECT count(*), max(combination) + 1, max(day) - min(day) + 1 FROM {DATABASE}.{by_day(table)} "
        "WHERE account = ? GROUP BY rollup",
        [account],
    ).fetchall()
    for rows, combinations, days in found:
        yield estimated_bytes(rows, combinations, days, len(ROLLED_METRICS[table]))


def _rows(cursor: AccountCursor, account: int, rollup: Rollup) -> RolledRows:
    metrics = ROLLED_METRICS[rollup.table]
    columns = cursor.execute(
        f"SELECT day, combination, {', '.join(metrics)} FROM {DATABASE}.{by_day(rollup.table)} "
        "WHERE account = ? AND rollup = ? ORDER BY day",
        [account, rollup.number],
    ).fetchnumpy()
    return RolledRows(columns["day"], columns["combination"], {metric: columns[metric] for metric in metrics})
