"""The engine behind the doors: a warehouse, who may ask it when, the answers that are kept, and the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..catalog.segments import NamedSegment
from ..resolvers.cache import AnswerCache
from ..resolvers.flights import Flights
from ..resolvers.gate import ScanGate
from ..resolvers.loader import StatsLoader
from ..resolvers.turns import Turns
from ..warehouse.store import Warehouse
from .context import RequestContext
from .documents import Documents
from .reading import present_reader

UNBOUNDED = 1_000_000


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Engine:
    """What every request of a process shares.  ``clock`` is asked once per request, so all its periods agree."""

    warehouse: Warehouse
    clock: Callable[[], datetime] = utc_now
    gate: ScanGate = field(default_factory=ScanGate)
    segments: tuple[NamedSegment, ...] = ()  # the saved ones, beside those of the system
    documents: Documents = field(default_factory=Documents)
    cache: AnswerCache = field(default_factory=AnswerCache)  # keeps nothing unless it was given room
    flights: Flights = field(default_factory=Flights)
    admission: Turns = field(default_factory=lambda: Turns(UNBOUNDED, UNBOUNDED))  # of requests; a server bounds it
    deadline_ms: int | None = None  # of one request; None: as long as it takes

    @asynccontextmanager
    async def request(self, max_scans: int = 10, *, about: Iterable[str] = ()) -> AsyncIterator[RequestContext]:
        """A context for one request, which may have ``max_scans`` in flight; leaving it interrupts what still runs.

        It waits for its turn first, among the requests ``about`` the same account, or of the same caller where it is about
        none that may be read.  It shows the accounts that the present reader may read, as if there were no others.
        Raises ``Overloaded`` and ``WarehouseUnavailable``.
        """
        snapshot = self.warehouse.snapshot()
        reader = present_reader()
        accounts = reader.identity.readable(snapshot.accounts)
        account = self.admission.busiest(account for account in about if account in accounts)
        async with self.admission.slot(account or f"caller {reader.identity.name}"):
            loader = StatsLoader(snapshot, self.gate, max_scans, cache=self.cache, flights=self.flights)
            reader.opened.append(loader.sharing)
            try:
                with self._deadline(loader):
                    yield RequestContext(
                        accounts, loader, self.clock(), self.segments, reader.identity, documents=self.documents
                    )
            finally:
                await loader.close()

    @contextmanager
    def _deadline(self, loader: StatsLoader) -> Iterator[None]:
        if self.deadline_ms is None:
            yield
            return
        expiring = asyncio.get_running_loop().call_later(self.deadline_ms / 1000, loader.expire, self.deadline_ms)
        try:
            yield
        finally:
            expiring.cancel()
