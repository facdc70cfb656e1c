"""The embedded warehouse, read: a DuckDB file per account attached read-only, one cursor per scan on a few threads.

An import publishes a new list of files (``manifest.py``).  Whoever asks for a snapshot afterwards gets the new one; a
snapshot already taken keeps reading the files it was taken from.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import duckdb
import numpy as np

from ..catalog.accounts import Account
from ..catalog.dimensions import DIMENSIONS, Table
from ..catalog.errors import BadRequest, WarehouseUnavailable
from ..catalog.filters import Filter, Match
from .account_files import AccountCursor, AccountFiles
from .blocks import Block, span_of
from .cube import Cube
from .grouping import group_rows, merge_groups
from .held_rows import read_block, read_combinations, read_cube
from .hot import Hot
from .layout import FIRST_WITH_ROLLUPS, LAYOUT
from .manifest import Manifest, read_manifest
from .rollup_reading import Combinations, build_rollup_statement, rolled_groups
from .rollups import Rollup, is_rolled_up, rollup_for
from .statements import (
    DATABASE,
    build_listing,
    build_passing_statement,
    build_rows_statement,
    build_statement,
    day_number,
    dimensions_of,
)
from .store import Column, Keys, Lexicon, Listing, ListingResult, Scan, ScanResult, Source

log = logging.getLogger(__name__)

Asked = TypeVar("Asked", Scan, Listing)
Told = TypeVar("Told")

# The interpreter lock is taken several times per statement, so more threads than cores only wait for each other.
SCAN_THREADS = max(2, os.cpu_count() or 2)

INTERRUPT_AGAIN_S = 0.05

UNREADABLE = "The warehouse cannot be read now; try again"

# Up to so many rows of a window are grouped here rather than by the engine (README, Decisions).
ROWS_IN_MEMORY = 100_000

# Of so many conditions it is remembered which codes pass them.
REMEMBERED_CONDITIONS = 500


class DuckDBWarehouse:
    """A warehouse.  Raises ``WarehouseUnavailable`` with one sentence when it is missing or no warehouse.

    Accounts that are asked for again have their roll-ups in memory, as far as ``cube_bytes`` go, and the rows that filtered
    questions look at, as far as ``block_bytes`` go.
    """

    def __init__(self, path: Path, *, use_rollups: bool = True, cube_bytes: int = 0, block_bytes: int = 0) -> None:
        self._path = Path(os.path.realpath(path))
        self._use_rollups = use_rollups
        self._threads = ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="scan")
        self._words = _Words()
        self.cubes: Hot[Cube] = Hot(cube_bytes)
        self.blocks: Hot[Block] = Hot(block_bytes)
        self._files = AccountFiles(self._path)
        self._identity = _identity(self._path)
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
        manifest = read_manifest(self._path)
        if manifest.layout < LAYOUT:  # its file will not keep its name
            self._files = AccountFiles(self._path)
            self._files.take(self._path)
        self._files.retain(manifest.files)
        snapshot = DuckDBSnapshot(
            manifest, self._files, self._threads, self._words, self.cubes, self.blocks, use_rollups=self._use_rollups
        )
        accounts = frozenset(snapshot.accounts.values())
        self._words.retain(accounts)
        self.cubes.retain(accounts)
        self.blocks.retain(accounts)
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
        self._files.close()


@dataclass(frozen=True, slots=True)
class _Words:
    """What codes stand for, by the account as it is: loaded when first needed, kept while the account stays as it is.

    Scans on several threads read and add while a new snapshot forgets, so each looks up once and holds what it found.
    """

    lexicons: dict[tuple[Account, str], Lexicon] = field(default_factory=dict)
    combinations: dict[tuple[Account, Rollup], Combinations] = field(default_factory=dict)
    passing: dict[tuple[Account, Filter], Column] = field(default_factory=dict)

    def retain(self, accounts: Collection[Account]) -> None:
        for key in [key for key in list(self.lexicons) if key[0] not in accounts]:
            self.lexicons.pop(key, None)
        for key in [key for key in list(self.combinations) if key[0] not in accounts]:
            self.combinations.pop(key, None)
        self.passing.clear()


class DuckDBSnapshot:
    """One state of the warehouse: its accounts, and scans."""

    def __init__(
        self,
        manifest: Manifest,
        files: AccountFiles,
        threads: ThreadPoolExecutor,
        words: _Words,
        cubes: Hot[Cube],
        blocks: Hot[Block],
        *,
        use_rollups: bool = True,
    ) -> None:
        self._threads = threads
        self._words = words
        self._cubes = cubes
        self._blocks = blocks
        self._files = files
        self._entries = manifest.entries
        self._has_rollups = use_rollups and manifest.layout >= FIRST_WITH_ROLLUPS
        self._numbers = {account_id: entry.number for account_id, entry in manifest.entries.items()}
        self._days: dict[tuple[Table, str], tuple[Column, Column]] = {}
        self.accounts: Mapping[str, Account] = MappingProxyType(
            {account_id: entry.account for account_id, entry in manifest.entries.items()}
        )

    async def scan(self, scan: Scan) -> ScanResult:
        """From a cube at once: to hand the scan to a thread would take longer than to answer it."""
        cube = self._cube(scan)
        if cube is not None and self._has_words(scan):
            return self._told_by(cube, self._cursor(scan.account), scan)
        return await self._on_a_thread(self._read_scan, scan)

    async def fetch(self, listing: Listing) -> ListingResult:
        return await self._on_a_thread(self._read_listing, listing)

    async def _on_a_thread(self, read: Callable[[AccountCursor, Asked], Told], asked: Asked) -> Told:
        """Read with a cursor of its own; leaving interrupts the statement."""
        cursor = self._cursor(asked.account)
        running: Future[Told] = self._threads.submit(_told_failures, read, cursor, asked)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            _interrupt(running, cursor, asyncio.get_running_loop())
            raise

    def _cursor(self, account_id: str) -> AccountCursor:
        return self._files.cursor(self._entries[account_id].file)

    def _read_scan(self, cursor: AccountCursor, scan: Scan) -> ScanResult:
        if not self._is_rolled_up(scan):
            return self._read_facts(cursor, scan)
        cube = self._cube(scan)
        return self._read_rollups(cursor, scan) if cube is None else self._told_by(cube, cursor, scan)

    def _is_rolled_up(self, scan: Scan) -> bool:
        return self._has_rollups and is_rolled_up(scan.table, scan.groupings, scan.filters, scan.segment)

    def _cube(self, scan: Scan) -> Cube | None:
        return self._cubes.find(self.accounts[scan.account], scan.table) if self._is_rolled_up(scan) else None

    def _told_by(self, cube: Cube, cursor: AccountCursor, scan: Scan) -> ScanResult:
        account = self.accounts[scan.account]
        return cube.tell(scan, partial(self._combinations_of, cursor, account), partial(self._lexicon, cursor, account))

    def _read_rollups(self, cursor: AccountCursor, scan: Scan) -> ScanResult:
        account = self.accounts[scan.account]
        statement = build_rollup_statement(scan, self._numbers[scan.account])
        columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
        told = rolled_groups(
            scan, columns, partial(self._combinations_of, cursor, account), partial(self._lexicon, cursor, account)
        )
        self._cubes.ask(account, scan.table, partial(self._build_cube, account, scan.table))
        return told

    def _build_cube(self, account: Account, table: Table, budget_bytes: int) -> Cube | None:
        """The roll-ups of a table in memory; None when they would take more than there is room for."""
        cursor = self._cursor(account.id)
        try:
            return read_cube(cursor, self._numbers[account.id], table, budget_bytes)
        finally:
            cursor.close()

    def _read_facts(self, cursor: AccountCursor, scan: Scan) -> ScanResult:
        number = self._numbers[scan.account]
        account = self.accounts[scan.account]
        block = self._blocks.find(account, scan.table)
        if block is None or not block.covers(scan.windows):
            self._blocks.ask(account, scan.table, partial(self._build_block, account, scan))
        elif told := self._told_by_block(block, cursor, scan):
            return told
        in_memory = self._rows_at_most(cursor, scan) <= ROWS_IN_MEMORY
        statement = (build_rows_statement if in_memory else build_statement)(scan, number)
        columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
        lexicons = {name: self._lexicon(cursor, account, name) for name in dimensions_of(scan.groupings)}
        return (group_rows if in_memory else merge_groups)(scan, columns, lexicons.__getitem__)

    def _told_by_block(self, block: Block, cursor: AccountCursor, scan: Scan) -> ScanResult | None:
        """None when more rows are found than are better grouped here than by the engine."""
        account = self.accounts[scan.account]
        found = block.found(scan, partial(self._passing, cursor, account))
        if len(found) > ROWS_IN_MEMORY:
            return None
        told = group_rows(scan, block.rows(scan, found), partial(self._lexicon, cursor, account))
        return ScanResult(told, Source.BLOCK)

    def _build_block(self, account: Account, scan: Scan, budget_bytes: int) -> Block | None:
        """The rows of a scan's days; None when they would take more than there is room for."""
        cursor = self._cursor(account.id)
        try:
            return read_block(cursor, self._numbers[account.id], scan.table, span_of(scan.windows), budget_bytes)
        finally:
            cursor.close()

    def _passing(self, cursor: AccountCursor, account: Account, condition: Filter) -> Column:
        """Whether each code passes a condition, negation aside."""
        positive = replace(condition, negated=False)
        passing = self._words.passing.get((account, positive))
        if passing is None:
            lexicon = self._lexicon(cursor, account, condition.field)
            passing = np.zeros(len(lexicon.values) if lexicon else 0, dtype=bool)
            statement = build_passing_statement(condition, self._numbers[account.id])
            passing[cursor.execute(statement.text, statement.parameters).fetchnumpy()["code"]] = True
            if len(self._words.passing) >= REMEMBERED_CONDITIONS:
                self._words.passing.clear()
            self._words.passing[account, positive] = passing
        return passing

    def _read_listing(self, cursor: AccountCursor, listing: Listing) -> ListingResult:
        account = self.accounts[listing.account]
        statement = build_listing(listing, self._numbers[listing.account])
        columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
        return {
            name: Keys(columns[name], self._lexicon(cursor, account, name) if name in DIMENSIONS else None)
            for name in listing.columns
        }

    def _rows_at_most(self, cursor: AccountCursor, scan: Scan) -> int:
        """How many rows the windows hold before any filter, told from the rows per day."""
        days, rows = self._rows_per_day(cursor, scan)
        inside = np.zeros(len(days), dtype=bool)
        for window in scan.windows:
            inside |= (days >= day_number(window.start)) & (days <= day_number(window.end))
        return int(rows[inside].sum())

    def _rows_per_day(self, cursor: AccountCursor, scan: Scan) -> tuple[Column, Column]:
        key = scan.table, scan.account
        if key not in self._days:
            columns = cursor.execute(
                f"SELECT day, count(*) AS rows FROM {DATABASE}.{scan.table.value} WHERE account = ? GROUP BY day",
                [self._numbers[scan.account]],
            )
            found = columns.fetchnumpy()
            self._days[key] = found["day"], found["rows"]
        return self._days[key]

    def _has_words(self, scan: Scan) -> bool:
        """Whether all that spells the groups of a scan is loaded."""
        account = self.accounts[scan.account]
        rollups = [rollup_for(scan.table, grouping) for grouping in scan.groupings]
        names = (DIMENSIONS[name].lexicon_name for name in dimensions_of(scan.groupings))
        return all(name is None or (account, name) in self._words.lexicons for name in names) and all(
            (account, rollup) in self._words.combinations for rollup in rollups if rollup and rollup.is_combined
        )

    def _lexicon(self, cursor: AccountCursor, account: Account, dimension: str) -> Lexicon | None:
        name = DIMENSIONS[dimension].lexicon_name
        if name is None:
            return None
        lexicon = self._words.lexicons.get((account, name))
        if lexicon is None:
            rows = cursor.execute(
                f"SELECT value FROM {DATABASE}.lexicon WHERE account = ? AND dimension = ? ORDER BY code",
                [self._numbers[account.id], name],
            ).fetchall()
            lexicon = self._words.lexicons[account, name] = Lexicon([value for (value,) in rows])
        return lexicon

    def _combinations_of(self, cursor: AccountCursor, account: Account, rollup: Rollup) -> Combinations:
        found = self._words.combinations.get((account, rollup))
        if found is None:
            found = read_combinations(cursor, self._numbers[account.id], rollup)
            self._words.combinations[account, rollup] = found
        return found


def _identity(path: Path) -> tuple[int, int, int]:
    """What tells one published file from the next."""
    try:
        found = path.stat()
    except OSError:
        raise WarehouseUnavailable(
            f"There is no warehouse at {path}; import a log first: fanin import --help"
        ) from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _told_failures(read: Callable[[AccountCursor, Asked], Told], cursor: AccountCursor, asked: Asked) -> Told:
    """What was read, or the failure in the vocabulary, without the engine's words."""
    try:
        return read(cursor, asked)
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if isinstance(error, duckdb.InvalidInputException) and _has_patterns(asked):
            log.info("refused by the engine: %s", str(error).splitlines()[0])
            raise BadRequest("filters: a pattern is no RE2 expression, or too large a one") from None
        log.error("warehouse cannot be read: %s", error)
        cursor.open_anew(everything=isinstance(error, (duckdb.FatalException, duckdb.InternalException)))
        raise WarehouseUnavailable(UNREADABLE) from None
    except UnicodeDecodeError:
        log.error("warehouse cannot be read: it holds text that is none")
        cursor.open_anew(everything=False)
        raise WarehouseUnavailable(UNREADABLE) from None
    finally:
        cursor.close()


def _has_patterns(asked: Scan | Listing) -> bool:
    """Whether a caller's pattern is matched by the engine; a segment may have one too."""
    return asked.segment is not None or any(condition.match is Match.REGEX for condition in asked.filters)


def _interrupt(running: Future[Any], cursor: AccountCursor, loop: asyncio.AbstractEventLoop) -> None:
    """Stop a statement whose answer no one waits for; one that has not started never will.

    Said again until it has ended: a statement that is only just starting overlooks it.
    """
    if running.cancel() or running.done():
        return
    with suppress(duckdb.Error):  # the cursor may be closed in this very moment
        cursor.interrupt()
    loop.call_later(INTERRUPT_AGAIN_S, _interrupt, running, cursor, loop)
