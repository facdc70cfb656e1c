"""An upstream API as a warehouse: reports are asked of it by the calls of the documented API, and nothing is scanned.

What becomes ready at one moment is asked for by one batch where the upstream has one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from ..catalog.accounts import ACCOUNT_ID, Account
from ..catalog.errors import InternalError, StatsError, Unauthorized, WarehouseUnavailable
from ..catalog.identity import Shown
from ..catalog.query import StatsQuery
from ..catalog.request_ids import present_request_id
from .store import Calls
from .upstream_calls import Call, call_of
from .upstream_client import MAX_ENTRIES, ClientLimits, Pace, UpstreamClient
from .upstream_options import Upstream
from .upstream_wire import WireLimits

log = logging.getLogger(__name__)

GATHERED_TURNS = 4  # of the event loop, in which the questions of one moment have become calls
MOST_OF_AN_ANSWER = 0.8  # of its time one reply may take, so that the breaker hears of a late one
REFRESH_S = 60  # after which the numbers count as other ones, for those who wait for others


def open_upstream(address: str, upstream: Upstream, *, cache_bytes: int = 0) -> UpstreamWarehouse:
    """The warehouse behind an API's address.  Raises ``BadRequest`` for what is no address."""
    usual = WireLimits()
    reply_s = min(usual.reply_s, MOST_OF_AN_ANSWER * upstream.answer_s)
    wire = replace(usual, reply_s=reply_s, connections=upstream.connections)
    limits = ClientLimits(answer_s=upstream.answer_s, wire=wire)
    return UpstreamWarehouse(UpstreamClient(address, limits, cache_bytes=cache_bytes), upstream)


class UpstreamWarehouse:
    """Stands behind the gateway as ``ReportWarehouse``."""

    def __init__(self, client: UpstreamClient, upstream: Upstream, pace: Pace | None = None) -> None:
        self._client = client
        self._upstream = upstream
        self._now: Callable[[], float] = (pace or Pace()).now

    @property
    def standing(self) -> str:
        return self._client.standing

    def snapshot(self) -> UpstreamSnapshot:
        return self.snapshot_for(())

    def snapshot_for(self, shown: Shown) -> UpstreamSnapshot:
        version = int(self._now() // REFRESH_S)
        if self._upstream.passes_credentials:
            return UpstreamSnapshot(self._client, self._accounts(version), shown)
        return UpstreamSnapshot(self._client, self._accounts(version), self._upstream.shown, are_ours=True)

    async def disconnect(self) -> None:
        await self._client.disconnect()

    def close(self) -> None:
        """Nothing is held but connections, which only their own loop can give up."""

    def _accounts(self, version: int) -> Mapping[str, Account]:
        named = {account.id: replace(account, data_version=version) for account in self._upstream.accounts}
        if named and not self._upstream.passes_credentials:
            return named
        return AnyAccount(named, version)  # which there are is between each caller and the upstream


class AnyAccount(Mapping[str, Account]):
    """Every account there could be, in UTC unless it was named: which there are is found out by asking for their numbers."""

    def __init__(self, named: Mapping[str, Account], version: int) -> None:
        self._named = named
        self._version = version

    def __getitem__(self, account_id: str) -> Account:
        if account_id in self._named:
            return self._named[account_id]
        if not ACCOUNT_ID.fullmatch(account_id):
            raise KeyError(account_id)
        return Account(account_id, data_version=self._version)

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyAccount) and (other._named, other._version) == (self._named, self._version)

    __hash__ = None  # type: ignore[assignment]


@dataclass(slots=True, eq=False)
class _Asked:
    """A call of one request, and how many wait for what it tells."""

    call: Call
    told: asyncio.Future[Any]
    waiting: int = 0
    carrier: asyncio.Task[None] | None = None  # of the message that asks for it, and perhaps for others


class UpstreamSnapshot:
    """One request's view, as ``ReportSnapshot``: what was told once stays so until the request is over."""

    def __init__(
        self, client: UpstreamClient, accounts: Mapping[str, Account], shown: Shown, *, are_ours: bool = False
    ) -> None:
        self.accounts = accounts
        self.calls = Calls()
        self._client = client
        self._shown = shown
        self._are_ours = are_ours
        self._turns: AbstractAsyncContextManager[Any] = nullcontext()
        self._asked: dict[Call, _Asked] = {}
        self._gathering: list[_Asked] = []
        self._carriers: set[asyncio.Task[None]] = set()

    @property
    def reader(self) -> Hashable:
        return self._shown

    def take_turns(self, turns: AbstractAsyncContextManager[Any]) -> None:
        self._turns = turns

    async def report(self, query: StatsQuery) -> Any:
        call = call_of(query)
        asked = self._asked.get(call)
        if asked is None:
            kept = self._client.kept(call, self._shown)
            if kept is not None:
                self.calls.kept += 1
                return kept
            asked = self._gather(call)
        asked.waiting += 1
        try:
            told = await asyncio.shield(asked.told)
        finally:
            asked.waiting -= 1
            self._interrupt_unheard(asked)
        if isinstance(told, StatsError):
            raise self._as_ours(told)
        return told

    def _as_ours(self, error: StatsError) -> StatsError:
        """A failure of our own key is none of the caller's."""
        if self._are_ours and isinstance(error, Unauthorized):
            log.error("request %s: the upstream API does not accept this server's key", present_request_id())
            return WarehouseUnavailable("The upstream API cannot be read now")
        return error.copy()

    def _gather(self, call: Call) -> _Asked:
        asked = _Asked(call, asyncio.get_running_loop().create_future())
        self._asked[call] = asked
        if not self._gathering:
            self._start(self._carry_gathered())
        self._gathering.append(asked)
        return asked

    async def _carry_gathered(self) -> None:
        for _ in range(GATHERED_TURNS):
            await asyncio.sleep(0)
        gathered, self._gathering = self._gathering, []
        wanted = [asked for asked in gathered if asked.waiting]
        self._forget(asked for asked in gathered if not asked.waiting)
        together = [asked for asked in wanted if not asked.call.body]
        batches = [together[start : start + MAX_ENTRIES] for start in range(0, len(together), MAX_ENTRIES)]
        for carried in (*batches, *([asked] for asked in wanted if asked.call.body)):
            carrier = self._start(self._carry(carried))
            for asked in carried:
                asked.carrier = carrier

    async def _carry(self, carried: list[_Asked]) -> None:
        """Ask, and tell all who wait.  What failed is asked anew by the next who wants it."""
        told: list[Any] = [InternalError("Internal error")] * len(carried)
        try:
            async with self._turns:
                told = await self._client.ask([asked.call for asked in carried], self._shown, self._count)
        except Exception:
            log.exception("request %s: asking the upstream API failed unexpectedly", present_request_id())
        finally:
            self._forget(asked for asked, data in zip(carried, told, strict=True) if isinstance(data, StatsError))
            for asked, data in zip(carried, told, strict=True):
                asked.told.set_result(data)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._carriers.add(task)  # the loop itself holds tasks but weakly
        task.add_done_callback(self._carriers.discard)
        return task

    def _forget(self, failed: Iterator[_Asked]) -> None:
        for asked in failed:
            self._asked.pop(asked.call, None)

    def _interrupt_unheard(self, asked: _Asked) -> None:
        """Interrupt a message that no one waits for any more."""
        carrier = asked.carrier
        if carrier is None or carrier.done():
            return
        if not any(other.waiting for other in self._asked.values() if other.carrier is carrier):
            carrier.cancel()

    def _count(self, seconds: float) -> None:
        self.calls.made += 1
        self.calls.ms += 1000 * seconds
