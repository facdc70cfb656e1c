"""Warehouses as earlier layouts had them: all accounts in one DuckDB file under the warehouse's own name."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from fanin.catalog.dimensions import Table
from fanin.warehouse.manifest import folder_of, read_manifest
from fanin.warehouse.rollups import by_day, by_month

ROLLUP_TABLES = [*(name for table in Table for name in (by_day(table), by_month(table))), "combinations"]
_ACCOUNTS = (
    "account INTEGER PRIMARY KEY, id VARCHAR NOT NULL UNIQUE, time_zone VARCHAR NOT NULL, currency VARCHAR NOT NULL, "
    "data_version INTEGER NOT NULL, first_day INTEGER, last_day INTEGER, data_stamp VARCHAR DEFAULT ''"
)


def as_layout(path: Path, layout: int) -> None:
    """Put the file that layout 1 or 2 would have had in the place of the warehouse, with the same facts."""
    older = path.with_name("older")
    manifest = read_manifest(path)
    with duckdb.connect(str(older)) as connection:
        connection.execute(f"CREATE TABLE accounts ({_ACCOUNTS})")
        connection.execute(f"CREATE TABLE fanin_meta AS SELECT {layout} AS schema_version")
        for number, entry in enumerate(manifest.entries.values(), start=1):
            account = entry.account
            connection.execute(
                "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?::DATE - DATE '1970-01-01', ?::DATE - DATE '1970-01-01', ?)",
                [
                    number,
                    account.id,
                    account.time_zone,
                    account.currency,
                    account.data_version,
                    account.first_day,
                    account.last_day,
                    account.data_stamp,
                ],
            )
            connection.execute(f"ATTACH '{entry.file}' AS present (READ_ONLY)")
            for name in [*(table.value for table in Table), "lexicon", "imports", *ROLLUP_TABLES]:
                connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM present.{name} LIMIT 0")
                connection.execute(f"INSERT INTO {name} SELECT * REPLACE ({number} AS account) FROM present.{name}")
            connection.execute("DETACH present")
        connection.execute("ALTER TABLE imports DROP COLUMN lines")
        connection.execute("ALTER TABLE imports ADD COLUMN sessions BIGINT")
        if layout == 1:
            for name in ROLLUP_TABLES:
                connection.execute(f"DROP TABLE {name}")
            connection.execute("ALTER TABLE accounts DROP COLUMN data_stamp")
    older.replace(path)
    shutil.rmtree(folder_of(path))
