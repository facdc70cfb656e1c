"""A ClickHouse warehouse, read: one statement per scan, by the driver's async client.

A snapshot is the accounts with their versions as they were at a look, and a scan tells the rows of its account up to that
version.  So nothing of an import that comes in between is seen, and two scans of a request agree.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client

from ..catalog.accounts import Account
from ..catalog.dimensions import DIMENSIONS
from ..catalog.errors import WarehouseUnavailable
from .clickhouse_connecting import UNREADABLE, ClickHousePlace, connect, connect_async, failures_told, no_warehouse
from .clickhouse_statements import (
    build_clickhouse_listing,
    build_fused_statement,
    build_rolled_statement,
    fused_groups,
    rolled_up_groups,
)
from .clickhouse_tables import SCHEMA_VERSION
from .rollups import filtered_dimensions, is_rolled_up
from .statements import Statement, dimensions_of
from .store import Column, Keys, Lexicon, Listing, ListingResult, Scan, ScanResult, Scans

Told = TypeVar("Told")
Others = TypeVar("Others")

# How old the accounts may be that a request is shown.
LOOK_EVERY_S = 0.5
# After so many looks that failed in a row the warehouse is away.
FAILED_LOOKS = 2

_ACCOUNTS = """\
SELECT id, version, account, time_zone, currency, first_day, last_day, stamp
FROM accounts ORDER BY id, version DESC LIMIT 1 BY id"""

_WORDS = """\
SELECT dimension, code, value FROM lexicon FINAL
WHERE account = {account:UInt64} AND dimension IN {dimensions:Array(String)} ORDER BY dimension, code"""

# On a cluster: an account is on one shard with all its words, and what is read was written everywhere.
_ON_A_CLUSTER = {
    "distributed_product_mode": "local",
    "optimize_skip_unused_shards": 1,
    "select_sequential_consistency": 1,
}


class ClickHouseWarehouse:
    """The tables in one database.  Raises ``WarehouseUnavailable`` with one sentence when they cannot be read."""

    def __init__(self, place: ClickHousePlace) -> None:
        with closing(connect(place)) as client:
            cluster = read_layout(client, place)
        self._words = _Words()
        self._failed_looks = 0
        self._present: ClickHouseSnapshot | None = None
        self.asking = _Asking(place, _ON_A_CLUSTER if cluster else {})
        try:
            self.look()
        except WarehouseUnavailable:
            self.asking.close()
            raise
        self.asking.begin(self._look_again())

    def snapshot(self) -> ClickHouseSnapshot:
        """The accounts of the last look.  Raises ``WarehouseUnavailable`` when the server cannot be looked at."""
        if self._present is None or self._failed_looks >= FAILED_LOOKS:
            raise WarehouseUnavailable(UNREADABLE)
        return self._present

    def look(self) -> None:
        """Look now.  Raises ``WarehouseUnavailable``."""
        self.asking.wait_for(self._look())

    def close(self) -> None:
        self.asking.close()

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(WarehouseUnavailable):
                await self._look()

    async def _look(self) -> None:
        """The snapshot of now, which is the one there was when nothing has changed."""
        level = logging.DEBUG if self._failed_looks else logging.ERROR  # said once is enough
        try:
            rows = await self.asking.rows(_ACCOUNTS, {}, level)
        except WarehouseUnavailable:
            self._failed_looks += 1
            raise
        self._failed_looks = 0
        held = {account.id: (number, account) for number, account in map(_account, rows)}
        if self._present is None or self._present.held != held:
            self._words.retain({number for number, _ in held.values()})
            self._present = ClickHouseSnapshot(held, self.asking, self._words)


def read_layout(client: Client, place: ClickHousePlace) -> str:
    """The cluster that the tables were made for, none when they are of one server.

    Raises ``WarehouseUnavailable`` where there are no tables, or those of another layout.
    """
    with failures_told(f"{place} cannot be read"):
        there = client.query(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'fanin_meta'"
        ).result_rows
        found = client.query("SELECT layout, cluster FROM fanin_meta").result_rows if there[0][0] else []
    if not found:
        raise WarehouseUnavailable(no_warehouse(place))
    layout, cluster = found[0]
    if layout != SCHEMA_VERSION:
        raise WarehouseUnavailable(
            f"{place} holds a warehouse of layout {layout}; this fanin reads layout {SCHEMA_VERSION}"
        )
    return cluster


def _account(row: tuple[Any, ...]) -> tuple[int, Account]:
    account_id, version, number, time_zone, currency, first, last, stamp = row
    return number, Account(account_id, time_zone, currency, _day(first), _day(last), version, stamp)


def _day(number: int | None) -> date | None:
    return None if number is None else date(1970, 1, 1) + timedelta(days=number)


@dataclass(slots=True)
class _Words:
    """The lexicons that were needed, by an account's number: words are only ever added, so one that has all of a
    newer version tells the older ones too."""

    lexicons: dict[tuple[int, str], tuple[Account, Lexicon]] = field(default_factory=dict)

    def retain(self, numbers: set[int]) -> None:
        for key in [key for key in list(self.lexicons) if key[0] not in numbers]:
            self.lexicons.pop(key, None)

    def find(self, number: int, account: Account, name: str) -> Lexicon | None:
        known, lexicon = self.lexicons.get((number, name), (None, None))
        return lexicon if known is not None and known.data_version >= account.data_version else None

    def keep(self, number: int, account: Account, name: str, lexicon: Lexicon) -> Lexicon:
        self.lexicons[number, name] = account, lexicon
        return lexicon


class _Asking:
    """A client with a loop and a thread of its own, whoever asks: the driver's is bound to the loop it began in.

    A statement that no one waits for any more is stopped on the server.
    """

    def __init__(self, place: ClickHousePlace, settings: Mapping[str, Any]) -> None:
        self._place = place
        self._settings = {**settings, "max_execution_time": place.limit_s}
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clickhouse", daemon=True)
        self._thread.start()

    async def told(self, asked: Coroutine[Any, Any, Told]) -> Told:
        """What is told in the loop of the client; cancelling the call cancels it there."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, self._loop))

    def wait_for(self, asked: Coroutine[Any, Any, Told]) -> Told:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin something that goes on until the end, or ends by itself."""
        self._loop.call_soon_threadsafe(self._start, work)

    async def columns(self, statement: Statement) -> Mapping[str, Column]:
        """What a statement tells, as columns of numbers."""
        parameters = {f"p{place}": value for place, value in enumerate(statement.parameters)}
        return _columns(await self._ask(statement.text, parameters, use_numpy=True))

    async def rows(self, text: str, parameters: dict[str, Any], level: int = logging.ERROR) -> list[tuple[Any, ...]]:
        """What a statement tells, row by row; ``level`` is that of a failure in the log."""
        return [tuple(row) for row in (await self._ask(text, parameters, level)).result_rows]

    def close(self) -> None:
        """Give up the connections.  Once more does nothing."""
        if self._loop.is_closed():
            return
        self.wait_for(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _ask(self, text: str, parameters: dict[str, Any], level: int = logging.ERROR, **options: Any) -> Any:
        query_id = f"fanin-{uuid.uuid4().hex}"
        client = await self._connected(level)
        try:
            with failures_told(UNREADABLE, level=level):
                return await client.query(text, parameters, self._settings | {"query_id": query_id}, **options)
        except asyncio.CancelledError:
            self._start(self._stop(client, query_id))
            raise

    async def _connected(self, level: int) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await connect_async(self._place, level)
        return self._client

    async def _stop(self, client: AsyncClient, query_id: str) -> None:
        with suppress(WarehouseUnavailable), failures_told("A statement could not be stopped"):
            await client.command("KILL QUERY WHERE query_id = {id:String} ASYNC", {"id": query_id})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _close(self) -> None:
        """What runs is cancelled, and what that has begun is waited for: the server is to stop too."""
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        if self._client is not None:
            await self._client.close()
        await self._loop.shutdown_default_executor()


def _columns(result: Any) -> Mapping[str, Column]:
    """The driver puts columns of one kind into a table and others into records, and of no rows it tells no columns."""
    told = result.np_result
    named = told.dtype.names is not None
    found = {
        name: np.ascontiguousarray(told[name] if named else told[:, place])
        for place, name in enumerate(result.column_names)
    }
    return defaultdict(lambda: np.zeros(0, dtype=np.int64), found)


_FUSED = build_fused_statement, fused_groups
_ROLLED = build_rolled_statement, rolled_up_groups


class ClickHouseSnapshot:
    """The accounts as they were at one look, and scans of their rows up to then."""

    def __init__(self, held: Mapping[str, tuple[int, Account]], asking: _Asking, words: _Words) -> None:
        self.held = held
        self._asking = asking
        self._words = words
        self.accounts: Mapping[str, Account] = MappingProxyType({name: account for name, (_, account) in held.items()})

    async def scan(self, scan: Scan) -> ScanResult:
        return await self._asking.told(self._scan(scan))

    async def scan_together(self, scans: Scans) -> tuple[ScanResult, ...]:
        """A statement for each table, all at once: here planning is cheap, and the server has more than two cores."""
        return tuple(await asyncio.gather(*map(self.scan, scans)))

    async def fetch(self, listing: Listing) -> ListingResult:
        return await self._asking.told(self._fetch(listing))

    async def _scan(self, scan: Scan) -> ScanResult:
        number, account = self.held[scan.account]
        filtered = bool(filtered_dimensions(scan.filters, scan.segment))
        rolled = not filtered and is_rolled_up(scan.table, scan.groupings, scan.filters, scan.segment)
        build, groups = _ROLLED if rolled else _FUSED
        columns, lexicons = await _both(
            self._asking.columns(build(scan, number, account.data_version)),
            self._lexicons(scan.account, dimensions_of(scan.groupings)),
        )
        return await asyncio.to_thread(groups, scan, columns, lexicons.__getitem__)

    async def _fetch(self, listing: Listing) -> ListingResult:
        number, account = self.held[listing.account]
        columns, lexicons = await _both(
            self._asking.columns(build_clickhouse_listing(listing, number, account.data_version)),
            self._lexicons(listing.account, [name for name in listing.columns if name in DIMENSIONS]),
        )
        return {name: Keys(columns[name], lexicons.get(name)) for name in listing.columns}

    async def _lexicons(self, account_id: str, dimensions: Iterable[str]) -> dict[str, Lexicon | None]:
        """What spells each of the dimensions; all that are not held yet are read by one statement."""
        number, account = self.held[account_id]
        names = {dimension: DIMENSIONS[dimension].lexicon_name for dimension in dimensions}
        held = {name: self._words.find(number, account, name) for name in set(names.values()) if name is not None}
        missing = sorted(name for name, lexicon in held.items() if lexicon is None)
        if missing:
            values: dict[str, list[str]] = {name: [] for name in missing}
            for name, _, value in await self._asking.rows(_WORDS, {"account": number, "dimensions": missing}):
                values[name].append(value)
            for name, found in values.items():
                held[name] = self._words.keep(number, account, name, Lexicon(found))
        return {dimension: None if name is None else held[name] for dimension, name in names.items()}


async def _both(first: Coroutine[Any, Any, Told], second: Coroutine[Any, Any, Others]) -> tuple[Told, Others]:
    """Both at once; when one fails, the other is not waited for."""
    loop = asyncio.get_running_loop()
    tasks = loop.create_task(first), loop.create_task(second)
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        raise
