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
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import duckdb

from ..catalog.accounts import Account
from ..catalog.errors import BadRequest, WarehouseUnavailable
from .blocks import Block
from .cube import Cube
from .hot import Hot
from .layout import FIRST_WITH_ROLLUPS, NO_EXTENSIONS, READABLE_LAYOUTS
from .scanning import AccountScans, Memory
from .statements import DATABASE
from .store import Listing, ListingResult, Scan, ScanResult, Scans
from .words import Words

log = logging.getLogger(__name__)

Asked = TypeVar("Asked")
Told = TypeVar("Told")

# The interpreter lock is taken several times per statement, so more threads than cores only wait for each other.
SCAN_THREADS = max(2, os.cpu_count() or 2)

INTERRUPT_AGAIN_S = 0.05

UNREADABLE = "The warehouse cannot be read now; try again"


class DuckDBWarehouse:
    """A warehouse file.  Raises ``WarehouseUnavailable`` with one sentence when it is missing or no warehouse.

    Accounts that are asked for again have their roll-ups in memory, as far as ``cube_bytes`` go, and the rows that filtered
    questions look at, as far as ``block_bytes`` go.
    """

    def __init__(self, path: Path, *, use_rollups: bool = True, cube_bytes: int = 0, block_bytes: int = 0) -> None:
        self._path = path
        self._use_rollups = use_rollups
        self._threads = ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="scan")
        self.cubes: Hot[Cube] = Hot(cube_bytes)
        self.blocks: Hot[Block] = Hot(block_bytes)
        self._memory = Memory(self.cubes, self.blocks, Words())
        self._identity = _identity(path)
        self._snapshot = self._opened()

    def snapshot(self) -> DuckDBSnapshot:
        """The state of the file as it is now; reopened only when an import has replaced it."""
        try:
            identity = _identity(self._path)
        except WarehouseUnavailable:
            return self._snapshot  # removed under a running server: what is open still answers
        if identity != self._identity:
            self._snapshot, self._identity = self._reopened(), identity
        return self._snapshot

    def _opened(self) -> DuckDBSnapshot:
        snapshot = DuckDBSnapshot(self._path, self._threads, self._memory, use_rollups=self._use_rollups)
        self._memory.retain(frozenset(snapshot.accounts.values()))
        return snapshot

    def _reopened(self) -> DuckDBSnapshot:
        """Where the file lies is for whoever started the server to know, and not for callers."""
        try:
            return self._opened()
        except WarehouseUnavailable as error:
            log.error("the warehouse was replaced by something else: %s", error)
            raise WarehouseUnavailable(UNREADABLE) from None

    def close(self) -> None:
        self.cubes.close()
        self.blocks.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._snapshot.close()


class DuckDBSnapshot:
    """One state of the file: its accounts, and scans."""

    def __init__(self, path: Path, threads: ThreadPoolExecutor, memory: Memory, *, use_rollups: bool = True) -> None:
        self._threads = threads
        self._memory = memory
        self._connection, layout, accounts = _attach(path)
        self._has_rollups = use_rollups and layout >= FIRST_WITH_ROLLUPS
        self._numbers = {account.id: number for number, account in accounts}
        self.accounts: Mapping[str, Account] = MappingProxyType({account.id: account for _, account in accounts})

    async def scan(self, scan: Scan) -> ScanResult:
        (told,) = await self.scan_together((scan,))
        return told

    async def scan_together(self, scans: Scans) -> tuple[ScanResult, ...]:
        """From cubes at once: to hand the scans to a thread would take longer than to answer them."""
        own = self._scans_of(scans[0].account)
        return own.told_at_once(scans) or await self._on_a_thread(own.read, scans)

    async def fetch(self, listing: Listing) -> ListingResult:
        return await self._on_a_thread(self._scans_of(listing.account).fetch, listing)

    def _scans_of(self, account: str) -> AccountScans:
        number = self._numbers[account]
        return AccountScans(self.accounts[account], number, self._connection, self._memory, self._has_rollups)

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
