"""The loader of one request: it collects every question that becomes ready in one tick, and asks each once.

Below it lie the answers that are kept, then the planner, which fuses questions into scans, then the reads that other
requests have under way.  aiodataloader is wrapped because of how it treats failure: a cancelled waiter would cancel the
others, and a batch that is cancelled would leave them hanging.
"""

from __future__ import annotations

import asyncio
import logging
import operator
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiodataloader import DataLoader

from ..catalog.dimensions import Table
from ..catalog.errors import InternalError, StatsError, WarehouseTimedOut
from ..catalog.query import StatsQuery, groupings
from ..catalog.request_ids import present_request_id
from ..warehouse.store import Keys, Listing, ListingResult, ScanResult, Scans, Snapshot, Source
from .answers import Answer, cut
from .cache import AnswerCache
from .drill_down import groups_within, rows_within
from .flights import Flights
from .gate import ScanGate
from .planner import SharedKey, cover, fuse, gather, listings, shared_key
from .shared_answers import SharedAnswers

log = logging.getLogger(__name__)

Asked = TypeVar("Asked", Scans, Listing)
Told = TypeVar("Told", bound=Mapping[Any, Any])
Results = dict[Table, ScanResult]
Started = tuple[Scans, "asyncio.Task[Results]"]


@dataclass(slots=True)
class Sharing:
    """What a request asked and what it cost, told in ``extensions.fanin`` and ``Server-Timing``."""

    fields: int = 0  # questions asked
    distinct: int = 0  # after equal ones were asked once
    cache_hits: int = 0  # of them, those whose answer was kept from another request
    joined: int = 0  # reads that another request had begun; they cost this one none
    scans: int = 0  # statements asked of the warehouse
    scan_ms: float = 0.0  # their time, summed
    rows: int = 0  # that they brought back
    sources: Counter[Source] = field(default_factory=Counter)  # what the scans were read from
    accounts: set[str] = field(default_factory=set)  # that were asked about

    @property
    def identical(self) -> int:
        return self.fields - self.distinct

    def add(self, other: Sharing) -> None:
        """Count what another one cost as well."""
        self.fields += other.fields
        self.distinct += other.distinct
        self.cache_hits += other.cache_hits
        self.joined += other.joined
        self.scans += other.scans
        self.scan_ms += other.scan_ms
        self.rows += other.rows
        self.sources += other.sources
        self.accounts |= other.accounts


@dataclass(frozen=True, slots=True)
class FinishedRead:
    """One read of the warehouse: a scan or a listing.

    ``source`` is None where it failed or was interrupted, and of several the one farthest from memory.
    """

    account: str
    tables: tuple[Table, ...]
    source: Source | None
    rows: int
    began_ns: int  # since 1970
    duration_ms: float


class Loader:
    """Asks each question of one request once; make it inside the running loop, and close it when the request is over.

    How answers come about is for its kinds to say.
    """

    def __init__(self) -> None:
        self.sharing = Sharing()
        self._loader: DataLoader[StatsQuery, asyncio.Future[Answer]] = DataLoader(self._start_answers)
        self._answers: list[asyncio.Task[Answer]] = []
        self._asked: set[StatsQuery] = set()
        self._ending: StatsError = InternalError("Internal error")  # what is left unanswered hears when it is closed

    def expect(self, queries: Iterable[StatsQuery]) -> None:
        """Say what will be asked later."""

    def kept_form(self, query: StatsQuery, form: Hashable) -> bytes | None:
        """The answer to one question as JSON in this form, where it is kept: told at once, and counted like any other."""
        text = self.form(query, form)
        if text is not None:
            self._count_kept(query)
        return text

    def kept(self, query: StatsQuery) -> Answer | None:
        """The answer to one question, where it is kept: told at once, and counted like any other."""
        answer = self._kept(query)
        if answer is not None:
            self._count_kept(query)
        return answer

    def form(self, query: StatsQuery, form: Hashable) -> bytes | None:
        """What ``kept_form`` tells, for whoever has asked the question already."""
        return None

    def keep_form(self, query: StatsQuery, form: Hashable, text: bytes) -> None:
        """Keep what the answer to a question looks like as JSON in this form, beside the answer if that is kept."""

    async def load(self, query: StatsQuery) -> Answer:
        """The answer to one question.  Equal questions share one; leaving early harms no one else.

        Raises the ``StatsError`` of this question alone.
        """
        self.sharing.fields += 1
        self.sharing.accounts.add(query.scope.account)
        try:
            answering = await asyncio.shield(self._loader.load(query))
            return await asyncio.shield(answering)
        except StatsError as error:
            self._loader.clear(query)  # errors are never cached
            self._asked.discard(query)
            raise error.copy() from None

    def expire(self, deadline_ms: int) -> None:
        """The request's own deadline: its reads are interrupted, and what they were for is ``WarehouseTimedOut``."""
        self._ending = WarehouseTimedOut(f"Not answered within {deadline_ms} ms")
        self._stop()

    async def close(self) -> None:
        """Interrupt whatever is still running, and start nothing more: no one waits for it.  Rules 2.6, 5.3."""
        await asyncio.gather(*self._stop(), *self._answers, return_exceptions=True)

    def _stop(self) -> Sequence[asyncio.Task[Any]]:
        """Cancel what is read, so that what waits for it ends; the tasks that were cancelled."""
        raise NotImplementedError

    async def _start_answers(self, queries: Sequence[StatsQuery]) -> list[asyncio.Future[Answer]]:
        """One answer per question, in order: kept, or running."""
        raise NotImplementedError

    def _kept(self, query: StatsQuery) -> Answer | None:
        return None

    def _count_kept(self, query: StatsQuery) -> None:
        self.sharing.fields += 1
        self.sharing.accounts.add(query.scope.account)
        self.sharing.cache_hits += self._count_distinct(query)

    def _count_distinct(self, query: StatsQuery) -> bool:
        """Whether this request asks it for the first time."""
        is_new = query not in self._asked
        self._asked.add(query)
        self.sharing.distinct += is_new
        return is_new

    def _begin(self, answering: Callable[..., Awaitable[Answer]], *asked: Any) -> asyncio.Task[Answer]:
        answer = asyncio.create_task(self._named_failures(answering, *asked))
        answer.add_done_callback(_retrieve)
        self._answers.append(answer)
        return answer

    async def _named_failures(self, answering: Callable[..., Awaitable[Answer]], *asked: Any) -> Answer:
        """Raises a ``StatsError`` and nothing else; what has no name is logged and told without its inside."""
        try:
            return await answering(*asked)
        except StatsError:
            raise
        except asyncio.CancelledError:
            raise self._ending.copy() from None
        except Exception:
            log.exception("request %s: a question failed unexpectedly", present_request_id())
            raise InternalError("Internal error") from None


class StatsLoader(Loader):
    """Answers the questions of one request from scans."""

    def __init__(
        self,
        snapshot: Snapshot,
        gate: ScanGate,
        max_scans: int = 10,
        *,
        cache: AnswerCache | None = None,
        flights: Flights | None = None,
        shared: SharedAnswers | None = None,
        on_read: Callable[[FinishedRead], None] | None = None,
    ) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._gate = gate
        self._cache = cache or AnswerCache()
        self._flights = flights or Flights()
        self._shared = shared
        self._on_read = on_read
        self._slots = asyncio.Semaphore(max_scans)
        self._closed = False
        self._expected: dict[StatsQuery, None] = {}
        self._listings: dict[Listing, asyncio.Task[ListingResult]] = {}
        self._scans: defaultdict[SharedKey, list[Started]] = defaultdict(list)

    def expect(self, queries: Iterable[StatsQuery]) -> None:
        """Say what will be asked later, so that the first scan of a key can serve it too.  Rule 3.2 across dependencies."""
        self._expected |= dict.fromkeys(queries)  # looked at once there is a scan to begin: what is kept needs none

    def form(self, query: StatsQuery, form: Hashable) -> bytes | None:
        account = self._snapshot.accounts.get(query.scope.account)
        return None if account is None else self._cache.find_form(query, account, form)

    def keep_form(self, query: StatsQuery, form: Hashable, text: bytes) -> None:
        if (account := self._snapshot.accounts.get(query.scope.account)) is not None:
            self._cache.keep_form(query, account, form, text)

    def _stop(self) -> Sequence[asyncio.Task[Any]]:
        self._closed = True
        tasks: list[asyncio.Task[Any]] = [task for scans in self._scans.values() for _, task in scans]
        tasks += self._listings.values()
        for task in tasks:
            task.cancel()
        return tasks

    async def _start_answers(self, queries: Sequence[StatsQuery]) -> list[asyncio.Future[Answer]]:
        """One answer per question, in order: kept, or running and ready as soon as its own scans are.  Rule 5.1."""
        kept = {query: answer for query in queries if (answer := self._kept(query)) is not None}
        if self._shared is not None and len(kept) < len(queries):
            kept |= await self._kept_by_others(self._shared, [query for query in queries if query not in kept])
        for query in queries:
            is_new = self._count_distinct(query)
            self.sharing.cache_hits += is_new and query in kept
        started = self._start_scans([query for query in queries if query not in kept])
        return [
            _ready(kept[query]) if query in kept else self._begin(self._cut, query, started.get(query))
            for query in queries
        ]

    def _kept(self, query: StatsQuery) -> Answer | None:
        account = self._snapshot.accounts.get(query.scope.account)
        return None if account is None else self._cache.find(query, account)

    async def _kept_by_others(self, shared: SharedAnswers, queries: Sequence[StatsQuery]) -> dict[StatsQuery, Answer]:
        """What other processes have answered; from now on it is kept here too."""
        accounts = self._snapshot.accounts
        asked = {query: accounts[query.scope.account] for query in queries if query.scope.account in accounts}
        found = await shared.find(asked)
        for query, answer in found.items():
            self._cache.keep(query, asked[query], answer)
        return found

    def _start_scans(self, queries: Sequence[StatsQuery]) -> dict[StatsQuery, Started]:
        """For each question the scans that answer it: some that run already, or new ones, which serve what is expected too."""
        asked = dict.fromkeys(queries)
        coming = [query for query in self._expected if query not in asked and self._kept(query) is None]
        started: dict[StatsQuery, Started] = {}
        for key, sharing in gather([*asked, *coming]).items():
            asking = [query for query in sharing if query in asked]
            if asking:
                scans = self._covering(key, fuse(key, asking)) or self._start(key, fuse(key, sharing))
                started |= dict.fromkeys(asking, scans)
        return started

    async def _cut(self, query: StatsQuery, started: Started | None) -> Answer:
        account = self._snapshot.accounts[query.scope.account]
        results = await self._results(query, started) if started else {}
        parts: dict[str, Any] = {
            name: groups_within(query.scope.below, results[part.table][part.dimensions])
            for name, part in groupings(query).items()
        }
        parts |= {
            name: rows_within(query.scope.below, await self._fetched(listing))
            for name, listing in listings(query).items()
        }
        answer = self._cache.find(query, account)  # another request may have waited for the same scan
        if answer is None:
            answer = cut(query, parts, account)
            self._cache.keep(query, account, answer)
            if self._shared is not None:
                self._shared.keep(query, account, answer)
        return answer

    async def _fetched(self, listing: Listing) -> ListingResult:
        """The rows of a listing, fetched once for all who ask."""
        if listing not in self._listings:
            reading = self._in_turn(listing, listing.account, listing, operator.eq, self._snapshot.fetch)
            self._listings[listing] = asyncio.create_task(reading)
        try:
            return await self._listings[listing]
        except BaseException:
            self._listings.pop(listing, None)
            raise

    async def _results(self, query: StatsQuery, started: Started) -> Results:
        """What scans say about this question.  When shared ones fail, the question is asked alone.  Rule 3.4."""
        scans, task = started
        try:
            return await task
        except StatsError:
            key = shared_key(query)
            alone = fuse(key, [query]) if key else ()
            if key is None or scans == alone:
                raise
            return await self._start(key, alone)[1]

    def _covering(self, key: SharedKey, wanted: Scans) -> Started | None:
        """Scans of this request, running or done, that tell what is wanted.  What has failed is asked anew."""
        for scans, task in self._scans[key]:
            failed = task.done() and (task.cancelled() or task.exception() is not None)
            if not failed and cover(scans, wanted):
                return scans, task
        return None

    def _start(self, key: SharedKey, scans: Scans) -> Started:
        started = scans, asyncio.create_task(self._in_turn(key, scans[0].account, scans, cover, self._scan))
        self._scans[key].append(started)
        return started

    async def _scan(self, scans: Scans) -> Results:
        told = await self._snapshot.scan_together(scans)
        return {scan.table: result for scan, result in zip(scans, told, strict=True)}

    async def _in_turn(
        self,
        key: SharedKey | Listing,
        account_id: str,
        asked: Asked,
        covers: Callable[[Asked, Asked], bool],
        read: Callable[[Asked], Awaitable[Told]],
    ) -> Told:
        """Read from the warehouse once there is a slot for it, or wait for another request that reads the same."""
        if self._closed:
            raise asyncio.CancelledError
        account = self._snapshot.accounts[account_id]
        async with self._slots:
            told, joined = await self._flights.read(
                (account, key), asked, covers, lambda: self._read(account_id, asked, read)
            )
            self.sharing.joined += joined
            return told

    async def _read(self, account_id: str, asked: Asked, read: Callable[[Asked], Awaitable[Told]]) -> Told:
        """Whoever begins a read is told its cost."""
        async with self._gate.slot(account_id):
            began, began_ns = time.perf_counter(), time.time_ns()
            source, rows = None, 0
            self.sharing.scans += 1
            try:
                told = await read(asked)
                sources, rows = _sources_of(told), _rows_of(told)
                source = min(sources, key=list(Source).index)
                self.sharing.rows += rows
                self.sharing.sources.update(sources)
                return told
            finally:
                duration_ms = (time.perf_counter() - began) * 1000
                self.sharing.scan_ms += duration_ms
                if self._on_read:
                    tables = _tables_of(asked)
                    self._on_read(FinishedRead(account_id, tables, source, rows, began_ns, duration_ms))


def _ready(answer: Answer) -> asyncio.Future[Answer]:
    ready: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    ready.set_result(answer)
    return ready


def _retrieve(answer: asyncio.Task[Answer]) -> None:
    """An answer that everyone has stopped waiting for may fail unheard."""
    if not answer.cancelled():
        answer.exception()


def _tables_of(asked: Scans | Listing) -> tuple[Table, ...]:
    return (asked.table,) if isinstance(asked, Listing) else tuple(scan.table for scan in asked)


def _rows_of(told: Mapping[Any, Any]) -> int:
    """Rows of all groupings of scans; of a listing those of one column, since all are as long."""
    groupings = [part.height for result in told.values() if isinstance(result, ScanResult) for part in result.values()]
    columns = [part.height for part in told.values() if isinstance(part, Keys)]
    return sum(groupings) + max(columns, default=0)


def _sources_of(told: Mapping[Any, Any]) -> set[Source]:
    """What scans were read from; a listing is always read from the facts."""
    return {result.source for result in told.values() if isinstance(result, ScanResult)} or {Source.STATEMENT}
