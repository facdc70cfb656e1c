"""The embedded warehouse, read: a DuckDB file attached read-only, one cursor per scan on a few threads.

An import publishes a new file under the same name (``writing.py``).  Whoever asks for a snapshot afterwards gets the new
one; a snapshot already taken keeps reading the file it was taken from.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import duckdb
import numpy as np

from ..catalog.accounts import Account
from ..catalog.dimensions import DIMENSIONS, Table
from ..catalog.errors import BadRequest, WarehouseUnavailable
from .grouping import group_rows, merge_groups
from .layout import FIRST_WITH_ROLLUPS, NO_EXTENSIONS, READABLE_LAYOUTS
from .rollup_reading import Combinations, build_rollup_statement, rolled_groups
from .rollups import COMBINED_CODES, Rollup, is_rolled_up
from .statements import (
    DATABASE,
    build_listing,
    build_rows_statement,
    build_statement,
    day_number,
    dimensions_of,
)
from .store import Column, Keys, Lexicon, Listing, ListingResult, Scan, ScanResult

log = logging.getLogger(__name__)

Asked = TypeVar("Asked")
Told = TypeVar("Told")

# The interpreter lock is taken several times per statement, so more threads than cores only wait for each other.
SCAN_THREADS = max(2, os.cpu_count() or 2)

INTERRUPT_AGAIN_S = 0.05

UNREADABLE = "The warehouse cannot be read now; try again"

# Up to so many rows of a window are grouped here rather than by the engine (README, Decisions).
ROWS_IN_MEMORY = 100_000


class DuckDBWarehouse:
    """A warehouse file.  Raises ``WarehouseUnavailable`` with one sentence when it is missing or no warehouse."""

    def __init__(self, path: Path, *, use_rollups: bool = True) -> None:
        self._path = path
        self._use_rollups = use_rollups
        self._threads = ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="scan")
        self._identity = _identity(path)
        self._snapshot = DuckDBSnapshot(path, self._threads, use_rollups=use_rollups)

    def snapshot(self) -> DuckDBSnapshot:
        """The state of the file as it is now; reopened only when an import has replaced it."""
        try:
            identity = _identity(self._path)
        except WarehouseUnavailable:
            return self._snapshot  # removed under a running server: what is open still answers
        if identity != self._identity:
            self._snapshot, self._identity = self._reopened(), identity
        return self._snapshot

    def _reopened(self) -> DuckDBSnapshot:
        """Where the file lies is for whoever started the server to know, and not for callers."""
        try:
            return DuckDBSnapshot(self._path, self._threads, use_rollups=self._use_rollups)
        except WarehouseUnavailable as error:
            log.error("the warehouse was replaced by something else: %s", error)
            raise WarehouseUnavailable(UNREADABLE) from None

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._snapshot.close()


class DuckDBSnapshot:
    """One state of the file: its accounts, their lexicons (loaded when first needed), and scans."""

    def __init__(self, path: Path, threads: ThreadPoolExecutor, *, use_rollups: bool = True) -> None:
        self._threads = threads
        self._connection, layout, accounts = _attach(path)
        self._has_rollups = use_rollups and layout >= FIRST_WITH_ROLLUPS
        self._numbers = {account.id: number for number, account in accounts}
        self._lexicons: dict[tuple[int, str], Lexicon] = {}
        self._combinations: dict[tuple[int, Rollup], Combinations] = {}
        self._days: dict[tuple[Table, int], tuple[Column, Column]] = {}
        self.accounts: Mapping[str, Account] = MappingProxyType({account.id: account for _, account in accounts})

    async def scan(self, scan: Scan) -> ScanResult:
        return await self._on_a_thread(self._read_scan, scan)

    async def fetch(self, listing: Listing) -> ListingResult:
        return await self._on_a_thread(self._read_listing, listing)

    async def _on_a_thread(self, read: Callable[[duckdb.DuckDBPyConnection, Asked], Told], asked: Asked) -> Told:
        """Read with a cursor of its own; leaving interrupts the statement."""
        cursor = self._connection.cursor()
        running: Future[Told] = self._threads.submit(_told_failures, read, cursor, asked)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            _interrupt(running, cursor, asyncio.get_running_loop())
            raise

    def close(self) -> None:
        self._connection.close()

    def _read_scan(self, cursor: duckdb.DuckDBPyConnection, scan: Scan) -> ScanResult:
        if self._has_rollups and is_rolled_up(scan.table, scan.groupings, scan.filters, scan.segment):
            return self._read_rollups(cursor, scan)
        return self._read_facts(cursor, scan)

    def _read_rollups(self, cursor: duckdb.DuckDBPyConnection, scan: Scan) -> ScanResult:
        number = self._numbers[scan.account]
        statement = build_rollup_statement(scan, number)
        columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
        lexicons = {name: self._lexicon(cursor, number, name) for name in dimensions_of(scan.groupings)}
        combinations = partial(self._combinations_of, cursor, number)
        return rolled_groups(scan, columns, combinations, lexicons.__getitem__)

    def _read_facts(self, cursor: duckdb.DuckDBPyConnection, scan: Scan) -> ScanResult:
        number = self._numbers[scan.account]
        in_memory = self._rows_at_most(scan, number) <= ROWS_IN_MEMORY
        statement = (build_rows_statement if in_memory else build_statement)(scan, number)
        columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
        lexicons = {name: self._lexicon(cursor, number, name) for name in dimensions_of(scan.groupings)}
        return (group_rows if in_memory else merge_groups)(scan, columns, lexicons.__getitem__)

    def _read_listing(self, cursor: duckdb.DuckDBPyConnection, listing: Listing) -> ListingResult:
        number = self._numbers[listing.account]
        statement = build_listing(listing, number)
        columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
        return {
            name: Keys(columns[name], self._lexicon(cursor, number, name) if name in DIMENSIONS else None)
            for name in listing.columns
        }

    def _rows_at_most(self, scan: Scan, number: int) -> int:
        """How many rows the windows hold before any filter, told from the rows per day."""
        days, rows = self._rows_per_day(scan.table, number)
        inside = np.zeros(len(days), dtype=bool)
        for window in scan.windows:
            inside |= (days >= day_number(window.start)) & (days <= day_number(window.end))
        return int(rows[inside].sum())

    def _rows_per_day(self, table: Table, number: int) -> tuple[Column, Column]:
        if (table, number) not in self._days:
            columns = self._connection.cursor().execute(
                f"SELECT day, count(*) AS rows FROM {DATABASE}.{table.value} WHERE account = ? GROUP BY day", [number]
            )
            found = columns.fetchnumpy()
            self._days[table, number] = found["day"], found["rows"]
        return self._days[table, number]

    def _lexicon(self, cursor: duckdb.DuckDBPyConnection, number: int, dimension: str) -> Lexicon | None:
        name = DIMENSIONS[dimension].lexicon_name
        if name is None:
            return None
        if (number, name) not in self._lexicons:
            rows = cursor.execute(
                f"SELECT value FROM {DATABASE}.lexicon WHERE account = ? AND dimension = ? ORDER BY code",
                [number, name],
            ).fetchall()
            self._lexicons[number, name] = Lexicon([value for (value,) in rows])
        return self._lexicons[number, name]

    def _combinations_of(self, cursor: duckdb.DuckDBPyConnection, number: int, rollup: Rollup) -> Combinations:
        if (number, rollup) not in self._combinations:
            codes = COMBINED_CODES[: len(rollup.dimensions)]
            columns = cursor.execute(
                f"SELECT {', '.join(codes)} FROM {DATABASE}.combinations WHERE account = ? AND rollup = ? "
                "ORDER BY combination",
                [number, rollup.number],
            ).fetchnumpy()
            self._combinations[number, rollup] = dict(zip(rollup.dimensions, columns.values(), strict=True))
        return self._combinations[number, rollup]


def _identity(path: Path) -> tuple[int, int, int]:
    """What tells one published file from the next."""
    try:
        found = path.stat()
    except OSError:
        raise WarehouseUnavailable(
            f"There is no warehouse at {path}; import a log first: fanin import --help"
        ) from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _attach(path: Path) -> tuple[duckdb.DuckDBPyConnection, int, list[tuple[int, Account]]]:
    """An empty in-memory database with the file attached, the file's layout, and its accounts with their numbers.

    Connecting to the path itself would hand back the instance that is already open in this process, and with it the
    file of before the import.
    """
    connection = duckdb.connect(":memory:", config={"threads": os.cpu_count() or 1, **NO_EXTENSIONS})
    try:
        return connection, *_try_attach(connection, path)
    except WarehouseUnavailable:
        connection.close()
        raise


def _try_attach(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, list[tuple[int, Account]]]:
    quoted = str(path.absolute()).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{quoted}' AS {DATABASE} (READ_ONLY, TYPE duckdb)")
        connection.execute(f"USE {DATABASE}")
        connection.execute("SET enable_external_access = false")
        (layout,) = connection.execute("SELECT schema_version FROM fanin_meta").fetchone() or (None,)
        if layout not in READABLE_LAYOUTS:
            raise WarehouseUnavailable(
                f"{path} is a warehouse of layout {layout}; this fanin reads layouts {READABLE_LAYOUTS[0]} to "
                f"{READABLE_LAYOUTS[-1]}"
            )
        return layout, _read_accounts(connection, layout)
    except duckdb.Error as error:
        log.info("cannot attach %s: %s", path, error)
        raise WarehouseUnavailable(f"{path} is not a fanin warehouse, or cannot be read") from None


def _read_accounts(connection: duckdb.DuckDBPyConnection, layout: int) -> list[tuple[int, Account]]:
    stamp = "data_stamp" if layout >= FIRST_WITH_ROLLUPS else "''"
    rows = connection.execute(
        f"SELECT account, id, time_zone, currency, first_day, last_day, data_version, {stamp} FROM accounts ORDER BY id"
    ).fetchall()
    return [
        (number, Account(account_id, time_zone, currency, _day(first), _day(last), version, stamp))
        for number, account_id, time_zone, currency, first, last, version, stamp in rows
    ]


def _told_failures(
    read: Callable[[duckdb.DuckDBPyConnection, Asked], Told], cursor: duckdb.DuckDBPyConnection, asked: Asked
) -> Told:
    """What was read, or the failure in the vocabulary, without the engine's words."""
    try:
        return read(cursor, asked)
    except duckdb.InvalidInputException as error:
        log.info("refused by the engine: %s", str(error).splitlines()[0])
        raise BadRequest("filters: a pattern is no RE2 expression, or too large a one") from None
    except (duckdb.IOException, duckdb.FatalException, duckdb.OutOfMemoryException) as error:
        log.error("warehouse cannot be read: %s", error)
        raise WarehouseUnavailable(UNREADABLE) from None
    finally:
        cursor.close()


def _interrupt(running: Future[Any], cursor: duckdb.DuckDBPyConnection, loop: asyncio.AbstractEventLoop) -> None:
    """Stop a statement whose answer no one waits for; one that has not started never will.

    Said again until it has ended: a statement that is only just starting overlooks it.
    """
    if running.cancel() or running.done():
        return
    with suppress(duckdb.Error):  # the cursor may be closed in this very moment
        cursor.interrupt()
    loop.call_later(INTERRUPT_AGAIN_S, _interrupt, running, cursor, loop)


def _day(number: int | None) -> date | None:
    return None if number is None else date(1970, 1, 1) + timedelta(days=number)
