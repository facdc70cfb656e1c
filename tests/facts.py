"""Facts for tests: visits as they read best, and a real engine over them with a fixed clock.

Import with ``from fanin.tests.facts import …``.  Nothing here is a mock: facts go through the real writer into a real file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx

from fanin.app import create_app
from fanin.catalog.accounts import Account
from fanin.resolvers.cache import AnswerCache
from fanin.schema.engine import Engine
from fanin.server.settings import ServerSettings
from fanin.warehouse.duckdb_reading import DuckDBSnapshot, DuckDBWarehouse
from fanin.warehouse.facts import Goal, GoalKind, PageView, Session
from fanin.warehouse.manifest import read_manifest
from fanin.warehouse.store import Listing, ListingResult, ScanResult, Scans
from fanin.warehouse.writing import writing

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)  # the Wednesday of the contract's worked example


def visit(at: str = "2026-03-10T10:00", *pages: str, goals: Iterable[Goal] = (), **dimensions: str) -> Session:
    """A session that starts at a UTC time; pages (``/`` unless said) follow each other by ten seconds.

    ``path=Grouping`` in a page's text gives it a content grouping.
    """
    start = moment(at)
    views = (
        PageView(start + 10 * place, *page.split("=", 1)) if "=" in page else PageView(start + 10 * place, page)
        for place, page in enumerate(pages or ("/",))
    )
    return Session(start, tuple(views), tuple(goals), **dimensions)


def moment(at: str) -> int:
    return int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp())


def bought(amount_cents: int = 0, name: str = "purchase", at: str = "2026-03-10T10:05") -> Goal:
    return Goal(moment(at), GoalKind.CONVERSION, name, amount_cents)


def reached(name: str, at: str = "2026-03-10T10:05") -> Goal:
    return Goal(moment(at), GoalKind.MICROCONVERSION, name)


def write(
    path: Path, account: str, sessions: Iterable[Session], *, time_zone: str = "UTC", currency: str = "EUR"
) -> None:
    """Import sessions into an account; each call counts as another file."""
    facts = list(sessions)
    with writing(path) as writer:
        writer.put_account(account, time_zone=time_zone, currency=currency)
        writer.add_sessions(account, facts, digest=str(hash(tuple(facts))), source_name="test")


def account_file(path: Path, account: str = "acme") -> Path:
    """The DuckDB file in which an account of a warehouse lies at present."""
    return read_manifest(path).entries[account].file


def stored(path: Path, statement: str, account: str = "acme") -> list[Any]:
    """What a statement tells of an account's file."""
    with duckdb.connect(str(account_file(path, account)), read_only=True) as connection:
        return connection.execute(statement).fetchall()


class CountingSnapshot:
    """The real snapshot, with its scans written down."""

    def __init__(self, inner: DuckDBSnapshot, scans: list[Scans | Listing]) -> None:
        self._inner = inner
        self._scans = scans

    @property
    def accounts(self) -> Mapping[str, Account]:
        return self._inner.accounts

    async def scan_together(self, scans: Scans) -> tuple[ScanResult, ...]:
        self._scans.append(scans)
        return await self._inner.scan_together(scans)

    async def fetch(self, listing: Listing) -> ListingResult:
        self._scans.append(listing)
        return await self._inner.fetch(listing)


class CountingWarehouse:
    """The real warehouse, with its scans written down in ``scans``."""

    def __init__(self, path: Path) -> None:
        self._inner = DuckDBWarehouse(path)
        self.scans: list[Scans | Listing] = []

    def snapshot(self) -> CountingSnapshot:
        return CountingSnapshot(self._inner.snapshot(), self.scans)

    def close(self) -> None:
        self._inner.close()


@contextmanager
def engine_over(path: Path, now: datetime = NOW, *, cache_bytes: int = 0) -> Iterator[tuple[Engine, CountingWarehouse]]:
    """Keeps no answers unless it is given room for them, so that scans can be counted."""
    warehouse = CountingWarehouse(path)
    try:
        yield Engine(warehouse, clock=lambda: now, cache=AnswerCache(cache_bytes)), warehouse
    finally:
        warehouse.close()


def client_of(engine: Engine, settings: ServerSettings | None = None) -> httpx.AsyncClient:
    """A client that talks to the application in process."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(engine, settings)), base_url="http://fanin.test")


def without(answer: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in names}
