"""Keeping the roll-ups: the days that an import has touched are summed anew from their facts, and then their months.

So roll-ups cannot drift from the facts, whatever came late.  All of it happens in the draft that an import publishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import duckdb
import numpy as np

from ..catalog.dimensions import DIMENSIONS, Table
from .rollups import COMBINED_CODES, ROLLED_METRICS, ROLLUPS, Rollup, by_day, by_month
from .statements import sum_of

_EPOCH = date(1970, 1, 1)


def roll_up(connection: duckdb.DuckDBPyConnection, account: int, days: Iterable[int]) -> None:
    """Sum up these days of an account, and the months they lie in.  A day that has lost its facts loses its sums."""
    touched = sorted(set(days))
    if not touched:
        return
    months = sorted({_first_of_month(day) for day in touched})
    connection.begin()  # one commit of many statements
    for table in Table:
        with _registered(connection, touched):
            if not _has_any(connection, account, table.value, by_day(table)):
                continue
            _roll_up_days(connection, account, table)
        with _registered(connection, months):
            _roll_up_months(connection, account, table)
    connection.commit()


def days_of(connection: duckdb.DuckDBPyConnection, account: int) -> list[int]:
    """All days on which the account has sessions."""
    found = connection.execute("SELECT DISTINCT day FROM sessions WHERE account = ?", [account])
    return [day for (day,) in found.fetchall()]


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, days: list[int]) -> Iterator[None]:
    """The days as a table that statements can read."""
    connection.register("touched", {"day": np.array(days, dtype=np.int32)})
    try:
        yield
    finally:
        connection.unregister("touched")


_OF_TOUCHED = "account = $account AND day IN (SELECT day FROM touched)"


def _has_any(connection: duckdb.DuckDBPyConnection, account: int, *tables: str) -> bool:
    found = (
        connection.execute(f"SELECT 1 FROM {table} WHERE {_OF_TOUCHED} LIMIT 1", {"account": account})
        for table in tables
    )
    return any(rows.fetchone() is not None for rows in found)


def _roll_up_days(connection: duckdb.DuckDBPyConnection, account: int, table: Table) -> None:
    connection.execute(f"DELETE FROM {by_day(table)} WHERE {_OF_TOUCHED}", {"account": account})
    own = [rollup for rollup in ROLLUPS if rollup.table is table]
    if single := [rollup for rollup in own if not rollup.is_combined]:
        connection.execute(_single_statement(table, single), {"account": account})
    for rollup in own:
        if rollup.is_combined:
            values = {"account": account, "rollup": rollup.number}
            connection.execute(_new_combinations_statement(rollup), values)
            connection.execute(_combined_statement(rollup), values)


def _roll_up_months(connection: duckdb.DuckDBPyConnection, account: int, table: Table) -> None:
    sums = ", ".join(f"sum({metric})" for metric in ROLLED_METRICS[table])
    connection.execute(f"DELETE FROM {by_month(table)} WHERE {_OF_TOUCHED}", {"account": account})
    connection.execute(
        f"""
        INSERT INTO {by_month(table)}
        SELECT account, rollup, touched.day, combination, {sums}
        FROM {by_day(table)} AS days
        JOIN touched ON date_trunc('month', DATE '1970-01-01' + days.day) = DATE '1970-01-01' + touched.day
        WHERE account = $account
        GROUP BY ALL
        ORDER BY rollup, touched.day, combination""",
        {"account": account},
    )


def _single_statement(table: Table, rollups: list[Rollup]) -> str:
    """All roll-ups of at most one dimension, in one pass."""
    columns = [column for rollup in rollups for column in _columns(rollup)]
    numbers = " ".join(f"WHEN {_grouping_bits(columns, rollup)} THEN {rollup.number}" for rollup in rollups)
    codes = ", ".join(f"CAST({column} AS UINTEGER)" for column in columns)
    sets = ", ".join(f"({', '.join(['account', 'day', *_columns(rollup)])})" for rollup in rollups)
    return f"""
        INSERT INTO {by_day(table)}
        SELECT account, CASE grouping({", ".join(columns)}) {numbers} END AS rollup, day,
               coalesce({codes}, 0) AS combination, {_sums(table)}
        FROM {table.value} WHERE {_OF_TOUCHED}
        GROUP BY GROUPING SETS ({sets})
        ORDER BY rollup, day, combination"""


def _grouping_bits(columns: list[str], rollup: Rollup) -> int:
    """What ``grouping()`` over the columns says of this roll-up's rows: a bit is set where they are not grouped by."""
    own = _columns(rollup)
    return sum(1 << place for place, column in enumerate(reversed(columns)) if column not in own)


def _new_combinations_statement(rollup: Rollup) -> str:
    """Numbers for the combinations that were not there before, following those that were."""
    codes = COMBINED_CODES[: len(rollup.dimensions)]
    unused = ["0"] * (len(COMBINED_CODES) - len(codes))
    return f"""
        INSERT INTO combinations
        WITH known AS (SELECT * FROM combinations WHERE account = $account AND rollup = $rollup),
        found AS (
            SELECT DISTINCT {_coded(rollup)} FROM {rollup.table.value} WHERE {_OF_TOUCHED}
            EXCEPT SELECT {", ".join(codes)} FROM known
        )
        SELECT $account, $rollup,
               (SELECT coalesce(max(combination) + 1, 0) FROM known) + row_number() OVER (ORDER BY {", ".join(codes)}) - 1,
               {", ".join([*codes, *unused])}
        FROM found"""


def _combined_statement(rollup: Rollup) -> str:
    codes = ", ".join(COMBINED_CODES[: len(rollup.dimensions)])
    return f"""
        INSERT INTO {by_day(rollup.table)}
        WITH summed AS (
            SELECT day, {_coded(rollup)}, {_sums(rollup.table)}
            FROM {rollup.table.value} WHERE {_OF_TOUCHED}
            GROUP BY ALL
        )
        SELECT account, rollup, day, combination, {", ".join(f"rolled_{metric}" for metric in ROLLED_METRICS[rollup.table])}
        FROM summed JOIN combinations USING ({codes})
        WHERE account = $account AND rollup = $rollup
        ORDER BY day, combination"""


def _columns(rollup: Rollup) -> list[str]:
    return [DIMENSIONS[name].column(rollup.table) for name in rollup.dimensions]


def _coded(rollup: Rollup) -> str:
    """The dimensions under the names that the table of combinations has for them."""
    named = zip(_columns(rollup), COMBINED_CODES, strict=False)
    return ", ".join(f"CAST({column} AS UINTEGER) AS {code}" for column, code in named)


def _sums(table: Table) -> str:
    return ", ".join(f"{sum_of(metric, table)} AS rolled_{metric}" for metric in ROLLED_METRICS[table])


def _first_of_month(day: int) -> int:
    found = _EPOCH + timedelta(days=day)
    return day - (found.day - 1)
