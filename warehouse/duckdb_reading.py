"""The embedded warehouse, read: a DuckDB file per account attached read-only, one cursor per scan on a few threads.

An import publishes a new list of files (``manifest.py``).  Whoever asks for a snapshot afterwards gets the new one; a
snapshot already taken keeps reading the files it was taken from.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import duckdb

from ..catalog.accounts import Account
from ..catalog.errors import BadRequest, WarehouseUnavailable
from ..catalog.filters import Match
from .account_files import AccountCursor, AccountFiles
from .blocks import Block
from .cube import Cube
from .hot import Hot
from .layout import FIRST_WITH_ROLLUPS, LAYOUT
from .manifest import Manifest, read_manifest
from .scanning import AccountScans, Memory
from .store import Listing, ListingResult, Scan, ScanResult, Scans
from .words import Words

log = logging.getLogger(__name__)

Asked = TypeVar("Asked", Scans, Listing)
Told = TypeVar("Told")

# The interpreter lock is taken several times per statement, so more threads than cores only wait for each other.
SCAN_THREADS = max(2, os.cpu_count() or 2)

INTERRUPT_AGAIN_S = 0.05

UNREADABLE = "The warehouse cannot be read now; try again"


class DuckDBWarehouse:
    """A warehouse.  Raises ``WarehouseUnavailable`` with one sentence when it is missing or no warehouse.

    Accounts that are asked for again have their roll-ups in memory, as far as ``cube_bytes`` go, and the rows that filtered
    questions look at, as far as ``block_bytes`` go.
    """

    def __init__(self, path: Path, *, use_rollups: bool = True, cube_bytes: int = 0, block_bytes: int = 0) -> None:
        self._path = Path(os.path.realpath(path))
        self._use_rollups = use_rollups
        self._threads = ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="scan")
        self.cubes: Hot[Cube] = Hot(cube_bytes)
        self.blocks: Hot[Block] = Hot(block_bytes)
        self._memory = Memory(self.cubes, self.blocks, Words())
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
        snapshot = DuckDBSnapshot(manifest, self._files, self._threads, self._memory, use_rollups=self._use_rollups)
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
        self._files.close()


class DuckDBSnapshot:
    """One state of the warehouse: its accounts, and scans."""

    def __init__(
        self,
        manifest: Manifest,
        files: AccountFiles,
        threads: ThreadPoolExecutor,
        memory: Memory,
        *,
        use_rollups: bool = True,
    ) -> None:
        self._threads = threads
        self._memory = memory
        self._files = files
        self._entries = manifest.entries
        self._has_rollups = use_rollups and manifest.layout >= FIRST_WITH_ROLLUPS
        self.accounts: Mapping[str, Account] = MappingProxyType(
            {account_id: entry.account for account_id, entry in manifest.entries.items()}
        )

    async def scan(self, scan: Scan) -> ScanResult:
        (told,) = await self.scan_together((scan,))
        return told

    async def scan_together(self, scans: Scans) -> tuple[ScanResult, ...]:
        """From cubes at once: to hand the scans to a thread would take longer than to answer them."""
        account_id = scans[0].account
        own = self._scans_of(account_id)
        return own.told_at_once(scans) or await self._on_a_thread(account_id, own.read, scans)

    async def fetch(self, listing: Listing) -> ListingResult:
        return await self._on_a_thread(listing.account, self._scans_of(listing.account).fetch, listing)

    def _scans_of(self, account_id: str) -> AccountScans:
        entry = self._entries[account_id]
        return AccountScans(
            entry.account, entry.number, lambda: self._cursor(account_id), self._memory, self._has_rollups
        )

    async def _on_a_thread(self, account_id: str, read: Callable[[AccountCursor, Asked], Told], asked: Asked) -> Told:
        """Read with a cursor of its own; leaving interrupts the statement."""
        cursor = self._cursor(account_id)
        running: Future[Told] = self._threads.submit(_told_failures, read, cursor, asked)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            _interrupt(running, cursor, asyncio.get_running_loop())
            raise

    def _cursor(self, account_id: str) -> AccountCursor:
        return self._files.cursor(self._entries[account_id].file)


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


def _has_patterns(asked: Scans | Listing) -> bool:
    """Whether a caller's pattern is matched by the engine; a segment may have one too."""
    first = asked if isinstance(asked, Listing) else asked[0]  # scans that share a statement are about the same rows
    return first.segment is not None or any(condition.match is Match.REGEX for condition in first.filters)


def _interrupt(running: Future[Any], cursor: AccountCursor, loop: asyncio.AbstractEventLoop) -> None:
    """Stop a statement whose answer no one waits for; one that has not started never will.

    Said again until it has ended: a statement that is only just starting overlooks it.
    """
    if running.cancel() or running.done():
        return
    with suppress(duckdb.Error):  # the cursor may be closed in this very moment
        cursor.interrupt()
    loop.call_later(INTERRUPT_AGAIN_S, _interrupt, running, cursor, loop)
