"""Scans of one account: what memory holds is told from there, all else is read by one statement."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..catalog.accounts import Account
from ..catalog.dimensions import DIMENSIONS, Table
from .account_files import AccountCursor
from .blocks import Block, span_of
from .cube import Cube
from .grouping import group_rows, merge_groups
from .held_rows import RowsPerDay, read_block, read_cube, read_rows_per_day
from .hot import Hot
from .rollup_reading import build_rollup_statement, rolled_groups
from .rollups import is_rolled_up
from .statements import (
    Statement,
    build_listing,
    build_rows_statement,
    build_statement,
    build_together,
    day_number,
    dimensions_of,
    told_apart,
)
from .store import Column, Keys, Listing, ListingResult, Scan, ScanResult, Scans, Source
from .words import AccountWords, Words, retain

# Up to so many rows of a window are grouped here rather than by the engine (README, Decisions).
ROWS_IN_MEMORY = 100_000

# Up to so many groupings are left to the engine, which plans them faster than it hands out the rows.
FEW_GROUPINGS = 1

# More rows of a cube than these are not looked at on the event loop: it would stand still for a millisecond.
ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Memory:
    """What is held in memory of all accounts."""

    cubes: Hot[Cube]
    blocks: Hot[Block]
    words: Words = field(default_factory=Words)
    days: dict[tuple[Account, Table], RowsPerDay] = field(default_factory=dict)

    def retain(self, accounts: Collection[Account]) -> None:
        """Forget all accounts but these, which are all there are."""
        self.words.retain(accounts)
        retain(self.days, accounts)
        self.cubes.retain(accounts)
        self.blocks.retain(accounts)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A statement, and the scans that are told out of its columns."""

    statement: Statement
    scans: Scans
    tell: Callable[[Scan, Mapping[str, Column]], ScanResult]


@dataclass(frozen=True, slots=True)
class AccountScans:
    """The scans of one account in one state of the warehouse.  Several threads may read at once."""

    account: Account
    number: int
    new_cursor: Callable[[], AccountCursor]
    memory: Memory
    has_rollups: bool

    def told_at_once(self, scans: Scans) -> tuple[ScanResult, ...] | None:
        """What cubes tell without any statement and in no time; None when it takes more than them."""
        words = self._words(self.new_cursor())
        told: list[ScanResult] = []
        for scan in scans:
            cube = self._cube(scan)
            if cube is None or not words.knows(scan) or cube.rows_by_day(scan) > ROWS_AT_ONCE:
                return None
            told.append(_told_by_cube(cube, scan, words))
        return tuple(told)

    def read(self, cursor: AccountCursor, scans: Scans) -> tuple[ScanResult, ...]:
        words = self._words(cursor)
        words.read_lexicons(name for scan in scans for name in dimensions_of(scan.groupings))
        words.read_combinations(scan for scan in scans if self._is_rolled_up(scan))
        told = {scan.table: self._told_from_memory(scan, words) for scan in scans}
        unread = tuple(scan for scan in scans if told[scan.table] is None)
        for scan, result in self._read(cursor, list(self._readings(unread, words))):
            told[scan.table] = result
        return tuple(result for result in told.values() if result is not None)

    def fetch(self, cursor: AccountCursor, listing: Listing) -> ListingResult:
        words = self._words(cursor)
        statement = build_listing(listing, self.number)
        columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
        return {
            name: Keys(columns[name], words.lexicon(name) if name in DIMENSIONS else None) for name in listing.columns
        }

    def _words(self, cursor: AccountCursor) -> AccountWords:
        return AccountWords(self.memory.words, self.account, self.number, cursor)

    def _is_rolled_up(self, scan: Scan) -> bool:
        return self.has_rollups and is_rolled_up(scan.table, scan.groupings, scan.filters, scan.segment)

    # --- from memory ---------------------------------------------------------------------------------------------

    def _cube(self, scan: Scan) -> Cube | None:
        return self.memory.cubes.find(self.account, scan.table) if self._is_rolled_up(scan) else None

    def _told_from_memory(self, scan: Scan, words: AccountWords) -> ScanResult | None:
        """None when a statement has to be read; that it would have been of use then is told."""
        if self._is_rolled_up(scan):
            cube = self._cube(scan)
            if cube is not None:
                return _told_by_cube(cube, scan, words)
            self.memory.cubes.ask(self.account, scan.table, partial(self._build_cube, scan.table))
            return None
        block = self.memory.blocks.find(self.account, scan.table)
        if block is not None and block.covers(scan.windows):
            return _told_by_block(block, scan, words)
        self.memory.blocks.ask(self.account, scan.table, partial(self._build_block, scan))
        return None

    def _build_cube(self, table: Table, budget_bytes: int) -> Cube | None:
        """The roll-ups of a table in memory; None when they would take more than there is room for."""
        with closing(self.new_cursor()) as cursor:
            return read_cube(cursor, self.number, table, budget_bytes)

    def _build_block(self, scan: Scan, budget_bytes: int) -> Block | None:
        """The rows of a scan's days; None when they would take more than there is room for."""
        with closing(self.new_cursor()) as cursor:
            return read_block(cursor, self.number, scan.table, span_of(scan.windows), budget_bytes)

    # --- by a statement ------------------------------------------------------------------------------------------

    def _read(self, cursor: AccountCursor, readings: list[_Reading]) -> Iterator[tuple[Scan, ScanResult]]:
        if not readings:
            return
        statements = [reading.statement for reading in readings]
        statement = build_together(statements)
        columns = cursor.execute(statement.text, statement.parameters).fetchnumpy()
        for reading, own in zip(readings, told_apart(statements, columns), strict=True):
            yield from ((scan, reading.tell(scan, own)) for scan in reading.scans)

    def _readings(self, scans: Scans, words: AccountWords) -> Iterator[_Reading]:
        """Roll-ups of all tables are read as one, as their rows are alike."""
        rolled_up = tuple(scan for scan in scans if self._is_rolled_up(scan))
        if rolled_up:
            statement = build_rollup_statement(rolled_up, self.number, words.passing_combinations)
            yield _Reading(
                statement, rolled_up, lambda scan, own: rolled_groups(scan, own, words.combinations, words.lexicon)
            )
        for scan in scans:
            if scan not in rolled_up:
                yield self._facts_reading(scan, words)

    def _facts_reading(self, scan: Scan, words: AccountWords) -> _Reading:
        if self._is_grouped_in_memory(scan):
            statement, group = build_rows_statement(scan, self.number), group_rows
        else:
            statement, group = build_statement(scan, self.number), merge_groups
        return _Reading(statement, (scan,), lambda scan, own: group(scan, own, words.lexicon))

    def _is_grouped_in_memory(self, scan: Scan) -> bool:
        groupings = sum(len(scan.groupings_of(window)) for window in scan.windows)
        return groupings > FEW_GROUPINGS and self._rows_at_most(scan) <= ROWS_IN_MEMORY

    def _rows_at_most(self, scan: Scan) -> int:
        """How many rows the windows hold before any filter, told from the rows per day."""
        days, rows = self._rows_per_day(scan.table)
        inside = np.zeros(len(days), dtype=bool)
        for window in scan.windows:
            inside |= (days >= day_number(window.start)) & (days <= day_number(window.end))
        return int(rows[inside].sum())

    def _rows_per_day(self, table: Table) -> RowsPerDay:
        found = self.memory.days.get((self.account, table))
        if found is None:
            with closing(self.new_cursor()) as cursor:
                found = self.memory.days[self.account, table] = read_rows_per_day(cursor, self.number, table)
        return found


def _told_by_cube(cube: Cube, scan: Scan, words: AccountWords) -> ScanResult:
    return cube.tell(scan, words.combinations, words.lexicon, words.passing_combinations)


def _told_by_block(block: Block, scan: Scan, words: AccountWords) -> ScanResult | None:
    """None when more rows are found than are better grouped here than by the engine."""
    found = block.found(scan, words.passing)
    if len(found) > ROWS_IN_MEMORY:
        return None
    return ScanResult(group_rows(scan, block.rows(scan, found), words.lexicon), Source.BLOCK)
