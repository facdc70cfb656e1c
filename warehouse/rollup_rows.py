"""Roll-ups read from the file as they lie there: the rows that a cube is made of, and what combinations stand for."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from ..catalog.dimensions import Table
from .cube import Cube, Layer, RolledRows, estimated_bytes
from .rollup_reading import Combinations
from .rollups import COMBINED_CODES, ROLLED_METRICS, ROLLUPS, Rollup, by_day
from .statements import DATABASE


def read_combinations(cursor: duckdb.DuckDBPyConnection, account: int, rollup: Rollup) -> Combinations:
    codes = COMBINED_CODES[: len(rollup.dimensions)]
    columns = cursor.execute(
        f"SELECT {', '.join(codes)} FROM {DATABASE}.combinations WHERE account = ? AND rollup = ? ORDER BY combination",
        [account, rollup.number],
    ).fetchnumpy()
    return dict(zip(rollup.dimensions, columns.values(), strict=True))


def read_cube(cursor: duckdb.DuckDBPyConnection, account: int, table: Table, budget_bytes: int) -> Cube | None:
    """The cube of one fact table of an account; None when it would take more than ``budget_bytes``."""
    if sum(_estimates(cursor, account, table)) > budget_bytes:
        return None
    own = [rollup for rollup in ROLLUPS if rollup.table is table]
    return Cube(table, {rollup.number: Layer(_rows(cursor, account, rollup)) for rollup in own})


def _estimates(cursor: duckdb.DuckDBPyConnection, account: int, table: Table) -> Iterator[int]:
    found = cursor.execute(
        f"SELECT count(*), max(combination) + 1, max(day) - min(day) + 1 FROM {DATABASE}.{by_day(table)} "
        "WHERE account = ? GROUP BY rollup",
        [account],
    ).fetchall()
    for rows, combinations, days in found:
        yield estimated_bytes(rows, combinations, days, len(ROLLED_METRICS[table]))


def _rows(cursor: duckdb.DuckDBPyConnection, account: int, rollup: Rollup) -> RolledRows:
    metrics = ROLLED_METRICS[rollup.table]
    columns = cursor.execute(
        f"SELECT day, combination, {', '.join(metrics)} FROM {DATABASE}.{by_day(rollup.table)} "
        "WHERE account = ? AND rollup = ? ORDER BY day",
        [account, rollup.number],
    ).fetchnumpy()
    return RolledRows(columns["day"], columns["combination"], {metric: columns[metric] for metric in metrics})
