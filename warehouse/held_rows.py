"""What is held in memory, read from the file: rows of roll-ups, rows of facts, and what combinations stand for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..catalog.dimensions import Table
from .account_files import AccountCursor
from .blocks import Block
from .cube import Cube, Layer, RolledRows, estimated_bytes
from .rollup_reading import Combinations
from .rollups import COMBINED_CODES, ROLLED_METRICS, ROLLUPS, Rollup, by_day
from .statements import DATABASE, build_block_statement
from .store import Column


def read_combinations(cursor: AccountCursor, account: int, rollup: Rollup) -> Combinations:
    codes = COMBINED_CODES[: len(rollup.dimensions)]
    columns = cursor.execute(
        f"SELECT {', '.join(codes)} FROM {DATABASE}.combinations WHERE account = ? AND rollup = ? ORDER BY combination",
        [account, rollup.number],
    ).fetchnumpy()
    return dict(zip(rollup.dimensions, columns.values(), strict=True))


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
