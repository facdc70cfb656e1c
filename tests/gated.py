"""A warehouse whose scans wait for the test: the real one, with a gate in front of each account."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fanin.catalog.accounts import Account
from fanin.schema.engine import Engine
from fanin.tests.facts import NOW
from fanin.warehouse.duckdb_reading import DuckDBSnapshot, DuckDBWarehouse
from fanin.warehouse.store import Listing, ListingResult, ScanResult, Scans


class GatedWarehouse:
    """``started`` and ``interrupted`` hold the accounts of the scans that began and that were cancelled at the gate."""

    def __init__(self, path: Path, closed: Iterable[str]) -> None:
        self.closed = {account: asyncio.Event() for account in closed}
        self.started: list[str] = []
        self.interrupted: list[str] = []
        self._inner = DuckDBWarehouse(path)
        self._change = asyncio.Condition()

    def open(self, account: str) -> None:
        self.closed[account].set()

    async def has_started(self, *accounts: str) -> None:
        """Waits until exactly these scans have begun, in this order."""
        async with self._change:
            await self._change.wait_for(lambda: self.started == list(accounts))

    def snapshot(self) -> GatedSnapshot:
        return GatedSnapshot(self._inner.snapshot(), self)

    def close(self) -> None:
        self._inner.close()

    async def passed(self, account: str) -> None:
        self.started.append(account)
        async with self._change:
            self._change.notify_all()
        if account not in self.closed:
            return
        try:
            await self.closed[account].wait()
        except asyncio.CancelledError:
            self.interrupted.append(account)
            raise


class GatedSnapshot:
    def __init__(self, inner: DuckDBSnapshot, gates: GatedWarehouse) -> None:
        self._inner = inner
        self._gates = gates

    @property
    def accounts(self) -> Mapping[str, Account]:
        return self._inner.accounts

    async def scan_together(self, scans: Scans) -> tuple[ScanResult, ...]:
        await self._gates.passed(scans[0].account)
        return await self._inner.scan_together(scans)

    async def fetch(self, listing: Listing) -> ListingResult:
        await self._gates.passed(listing.account)
        return await self._inner.fetch(listing)


@contextmanager
def gated(path: Path, *closed: str) -> Iterator[tuple[Engine, GatedWarehouse]]:
    """An engine whose scans of the ``closed`` accounts wait until they are let through."""
    warehouse = GatedWarehouse(path, closed)
    try:
        yield Engine(warehouse, clock=lambda: NOW), warehouse
    finally:
        warehouse.close()


class Asgi:
    """One request to an application, by hand: what it sends is there the moment it sends it, and the client may leave."""

    def __init__(self, app, path: str, body: bytes, **headers: str) -> None:  # type: ignore[no-untyped-def]  # any ASGI app
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.room = asyncio.Semaphore(1_000)  # chunks the client is willing to take
        self.gone = asyncio.Event()
        self._unsent = [body]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "server": ("fanin.test", 80),
            "client": ("127.0.0.1", 1),
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, object]:
        if self._unsent:
            return {"type": "http.request", "body": self._unsent.pop(), "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message) -> None:  # type: ignore[no-untyped-def]
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        elif body := message.get("body"):
            await self.room.acquire()
            self.chunks.put_nowait(body)
