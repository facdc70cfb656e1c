"""The engine behind the doors: a warehouse, who may ask it when, the answers that are kept, and the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..catalog.identity import Identity
from ..catalog.segments import NamedSegment
from ..resolvers.cache import AnswerCache
from ..resolvers.flights import Flights
from ..resolvers.gate import ScanGate
from ..resolvers.loader import FinishedRead, Loader, StatsLoader
from ..resolvers.report_loader import ReportLoader
from ..resolvers.shared_answers import SharedAnswers
from ..resolvers.turns import Turns
from ..warehouse.store import ReportSnapshot, ReportWarehouse, Snapshot, Warehouse
from .context import RequestContext
from .documents import Documents
from .notes import present_notes
from .reading import present_reader
from .vantages import Vantage, Vantages

UNBOUNDED = 1_000_000


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Engine:
    """What every request of a process shares.  ``clock`` is asked once per request, so all its periods agree."""

    warehouse: Warehouse | ReportWarehouse
    clock: Callable[[], datetime] = utc_now
    gate: ScanGate = field(default_factory=ScanGate)
    segments: tuple[NamedSegment, ...] = ()  # the saved ones, beside those of the system
    documents: Documents = field(default_factory=Documents)
    cache: AnswerCache = field(default_factory=AnswerCache)  # keeps nothing unless it was given room
    flights: Flights = field(default_factory=Flights)
    admission: Turns = field(default_factory=lambda: Turns(UNBOUNDED, UNBOUNDED))  # of requests; a server bounds it
    deadline_ms: int | None = None  # of one request; None: as long as it takes
    on_read: Callable[[FinishedRead], None] | None = None  # hears of every read of the warehouse when it has ended
    shared: SharedAnswers | None = None  # with other processes
    vantages: Vantages = field(default_factory=Vantages)

    @property
    def answers_hold(self) -> bool:
        """Whether an answer stays what it is until its account changes.  Whole reports of elsewhere may change at any time,
        and with whoever asks for them."""
        return not isinstance(self.warehouse, ReportWarehouse)

    @property
    def vantage(self) -> Vantage:
        """That of a request that would be opened now.  Raises ``WarehouseUnavailable``."""
        return self.vantages.of(self.warehouse.snapshot().accounts, present_reader().identity, self.clock())

    @asynccontextmanager
    async def request(self, max_scans: int = 10, *, about: Iterable[str] = ()) -> AsyncIterator[RequestContext]:
        """A context for one request, which may have ``max_scans`` in flight; leaving it interrupts what still runs.

        It waits for its turn first, among the requests ``about`` the same account, or of the same caller where it is about
        none that may be read.  It shows the accounts that the present reader may read, as if there were no others.
        Raises ``Overloaded`` and ``WarehouseUnavailable``.
        """
        reader = present_reader()
        snapshot = self._snapshot(reader.identity)
        accounts = reader.identity.readable(snapshot.accounts)
        account = self.admission.busiest(account for account in about if account in accounts)
        async with self.admission.slot(account or f"caller {reader.identity.name}"):
            loader = self._loader(snapshot, max_scans)
            reader.opened.append(loader.sharing)
            now = self.clock()
            try:
                with self._deadline(loader):
                    yield RequestContext(
                        accounts,
                        loader,
                        now,
                        self.segments,
                        reader.identity,
                        documents=self.documents,
                        vantage=self.vantages.of(snapshot.accounts, reader.identity, now),
                    )
            finally:
                await loader.close()
                present_notes().cost.add(loader.sharing)

    @contextmanager
    def _deadline(self, loader: Loader) -> Iterator[None]:
        if self.deadline_ms is None:
            yield
            return
        expiring = asyncio.get_running_loop().call_later(self.deadline_ms / 1000, loader.expire, self.deadline_ms)
        try:
            yield
        finally:
            expiring.cancel()

    async def close(self) -> None:
        """Put the warehouse away, inside the loop that it was asked from."""
        if isinstance(self.warehouse, ReportWarehouse):
            await self.warehouse.disconnect()
        self.warehouse.close()

    def _snapshot(self, identity: Identity) -> Snapshot | ReportSnapshot:
        if isinstance(self.warehouse, ReportWarehouse):
            return self.warehouse.snapshot_for(identity.shown)
        return self.warehouse.snapshot()

    def _loader(self, snapshot: Snapshot | ReportSnapshot, max_scans: int) -> Loader:
        if isinstance(snapshot, ReportSnapshot):
            return ReportLoader(snapshot, max_scans, flights=self.flights)
        return StatsLoader(
            snapshot,
            self.gate,
            max_scans,
            cache=self.cache,
            flights=self.flights,
            shared=self.shared,
            on_read=self.on_read,
        )
