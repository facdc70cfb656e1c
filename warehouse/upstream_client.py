"""Asking an upstream API as all requests of a process do: again where that may help, not at all where it cannot.

Everything that is asked reads and changes nothing, a batch included, so each message may be sent again.  Texts and
addresses of the other side stay here: what leaves is data, or an error in our own words.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import orjson

from ..catalog.errors import (
    ERRORS,
    AccountNotFound,
    BadRequest,
    Forbidden,
    NotFound,
    StatsError,
    Unauthorized,
    WarehouseTimedOut,
    WarehouseUnavailable,
)
from ..catalog.identity import Shown
from ..catalog.parameters import PARAMETERS
from ..catalog.request_ids import present_request_id
from .upstream_breaker import Breaker, BreakerLimits
from .upstream_calls import Call, data_of, data_of_entry
from .upstream_kept import KeptReplies
from .upstream_wire import Message, Reply, Wire, WireFailure, WireLimits, WireTimeout

log = logging.getLogger(__name__)

MAX_ENTRIES = 50  # of one batch
MOST_REMEMBERED = 1_000  # credentials, and accounts that they were refused
JSON = {"Content-Type": "application/json"}

TRIED_AGAIN = {429, 500, 502, 503, 504}
NO_BATCH = {403, 404, 405}  # there is none at that address, or none for these credentials
BATCH_REFUSED = {400, 413, 422}  # the whole of it, for what may be the fault of one: asked one by one

Told = Any  # the data of a report, or the StatsError it failed with


@dataclass(frozen=True, slots=True)
class Pace:
    """How the client waits, given so that tests need not: seconds that only rise, waiting, the time of day, and chance."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    time: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class ClientLimits:
    answer_s: float = 30.0  # from asking to knowing, waiting and asking again included
    attempts: int = 3
    first_pause_s: float = 0.2  # before the second attempt, at most; doubled for each further one
    refusal_s: float = 60.0  # that an account which was refused is not asked for again
    wire: WireLimits = field(default_factory=WireLimits)
    breaker: BreakerLimits = field(default_factory=BreakerLimits)


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole reply, read."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]  # empty where a refusal has none
    size_bytes: int


class UpstreamClient:
    """One upstream.  ``on_message`` of its methods hears the seconds that each message took."""

    def __init__(
        self, address: str, limits: ClientLimits | None = None, *, cache_bytes: int = 0, pace: Pace | None = None
    ) -> None:
        self._limits = limits or ClientLimits()
        self._pace = pace or Pace()
        self._wire = Wire(address, self._limits.wire)
        self._breaker = Breaker(self._pace.now, self._limits.breaker)
        self._kept = KeptReplies(cache_bytes, self._pace.now)
        self._without_batch: set[Shown] = set()  # credentials for which the upstream is known to have none
        self._paused_until: dict[Shown, float] = {}
        self._refused: dict[tuple[Shown, str], tuple[StatsError, float]] = {}

    @property
    def standing(self) -> str:
        return self._breaker.standing.value

    async def disconnect(self) -> None:
        await self._wire.disconnect()

    def kept(self, call: Call, shown: Shown) -> Any | None:
        """The data of a report that may be told without asking."""
        kept = self._kept.fresh((shown, call))
        return None if kept is None else kept.data

    async def ask(self, calls: Sequence[Call], shown: Shown, on_message: Callable[[float], object]) -> list[Told]:
        """What each call told, in their order: by one batch where there are several and the upstream has one."""
        refused = {call: error for call in calls if (error := self._refusal_of(call, shown)) is not None}
        wanted = [call for call in calls if call not in refused]
        told = dict(zip(wanted, await self._ask_wanted(wanted, shown, on_message), strict=True))
        for call, data in told.items():
            self._remember_refused(call, shown, data)
        return [refused.get(call) or told[call] for call in calls]

    async def _ask_wanted(
        self, calls: Sequence[Call], shown: Shown, on_message: Callable[[float], object]
    ) -> list[Told]:
        if len(calls) > 1 and shown not in self._without_batch:
            told = await self._ask_batch(calls, shown, on_message)
            if told is not None:
                return told
        return await asyncio.gather(*(self._ask_one(call, shown, on_message) for call in calls))

    # --- one call -------------------------------------------------------------------------------------------------

    async def _ask_one(self, call: Call, shown: Shown, on_message: Callable[[float], object]) -> Told:
        try:
            return await self._data(call, shown, on_message)
        except StatsError as error:
            return error

    async def _data(self, call: Call, shown: Shown, on_message: Callable[[float], object]) -> Any:
        key = (shown, call)
        etag = self._kept.etag(key)
        headers = dict(shown) | (JSON if call.body else {}) | ({"If-None-Match": etag} if etag else {})
        reply = await self._reply(Message(call.method, call.target, headers, call.body), shown, on_message)
        if reply.status == 304 and (renewed := self._kept.renewed(key, reply.headers)) is not None:
            return renewed.data
        if reply.status != 200:
            raise _refusal(reply.status, reply.body, call)
        data = data_of(call, reply.body)
        if not call.body:
            self._kept.keep(key, reply.headers, data, reply.size_bytes)
        return data

    # --- many calls -----------------------------------------------------------------------------------------------

    async def _ask_batch(
        self, calls: Sequence[Call], shown: Shown, on_message: Callable[[float], object]
    ) -> list[Told] | None:
        """None where the calls have to be asked one by one."""
        entries = {f"q{place}": call for place, call in enumerate(calls, start=1)}
        body = {
            "queries": [call.as_entry(entry_id) for entry_id, call in entries.items()],
            "options": {"include_timing": False},
        }
        try:
            message = Message("POST", "/batch", dict(shown) | JSON, orjson.dumps(body))
            reply = await self._reply(message, shown, on_message)
            if reply.status in NO_BATCH:
                _bounded(self._without_batch).add(shown)
            if reply.status in NO_BATCH | BATCH_REFUSED:
                return None
            if reply.status != 200:
                raise _refusal(reply.status, reply.body, calls[0])
            results = reply.body.get("results")
            told = [_told(call, results, entry_id) for entry_id, call in entries.items()]
        except StatsError as error:
            return [error] * len(calls)
        return told

    # --- messages -------------------------------------------------------------------------------------------------

    async def _reply(self, message: Message, shown: Shown, on_message: Callable[[float], object]) -> Heard:
        """A whole reply that need not be asked for again.  Raises ``WarehouseUnavailable`` or ``WarehouseTimedOut``."""
        deadline = self._pace.now() + self._limits.answer_s
        try:
            async with asyncio.timeout(self._limits.answer_s):
                return await self._insisted(message, shown, deadline, on_message)
        except TimeoutError:
            raise _no_reply_in_time() from None

    async def _insisted(
        self, message: Message, shown: Shown, deadline: float, on_message: Callable[[float], object]
    ) -> Heard:
        attempt = 1
        while True:
            await self._wait(self._paused_until.get(shown, 0.0) - self._pace.now(), deadline)
            outcome = await self._sent(message, on_message)
            if isinstance(outcome, Heard) and outcome.status not in TRIED_AGAIN:
                return outcome
            if attempt == self._limits.attempts:
                raise _failure(outcome)
            await self._wait(self._pause(outcome, attempt, shown), deadline, _failure(outcome))
            attempt += 1

    async def _sent(self, message: Message, on_message: Callable[[float], object]) -> Heard | WireFailure:
        """One attempt, of which the breaker hears.  Raises ``WarehouseUnavailable`` while it is open."""
        if not self._breaker.lets_through():
            raise _no_reply()
        began = time.perf_counter()
        try:
            reply = await self._wire.send(message)
        except WireFailure as failure:
            self._breaker.failed()
            log.warning(
                "request %s: the upstream API gave no whole reply (%s)", present_request_id(), type(failure).__name__
            )
            return failure
        except BaseException:
            self._breaker.left()
            raise
        finally:
            on_message(time.perf_counter() - began)
        if reply.status >= 500:
            self._breaker.failed()
            log.warning("request %s: the upstream API answered with status %d", present_request_id(), reply.status)
        else:
            self._breaker.succeeded()
        return _heard(reply)

    def _pause(self, outcome: Heard | WireFailure, attempt: int, shown: Shown) -> float:
        """Seconds until the next attempt: those that were asked for, at least a random part of ours."""
        pause_s = self._pace.chance() * self._limits.first_pause_s * 2 ** (attempt - 1)
        if isinstance(outcome, WireFailure):
            return pause_s
        asked_s = self._retry_after(outcome.headers)
        if outcome.status == 429 and asked_s:
            _bounded(self._paused_until)[shown] = self._pace.now() + asked_s  # these credentials are at their limit
        return max(pause_s, asked_s)

    async def _wait(self, seconds: float, deadline: float, failure: StatsError | None = None) -> None:
        """Raises the failure at once where waiting would go beyond the deadline."""
        if seconds <= 0:
            return
        if self._pace.now() + seconds > deadline:
            raise failure or _no_more_for_now()
        await self._pace.sleep(seconds)

    def _retry_after(self, headers: Mapping[str, str]) -> float:
        text = headers.get("retry-after", "").strip()
        if text.isdecimal() and len(text) < 10:
            return float(text)
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._pace.time())
        except (ValueError, TypeError, OverflowError):
            return 0.0

    # --- accounts that were refused -------------------------------------------------------------------------------

    def _refusal_of(self, call: Call, shown: Shown) -> StatsError | None:
        error, until = self._refused.get((shown, call.account), (None, 0.0))
        return error if self._pace.now() < until else None

    def _remember_refused(self, call: Call, shown: Shown, told: Told) -> None:
        if isinstance(told, (AccountNotFound, Forbidden)):
            _bounded(self._refused)[shown, call.account] = (told, self._pace.now() + self._limits.refusal_s)


Memory = TypeVar("Memory", dict[Any, Any], set[Any])


def _bounded(memory: Memory) -> Memory:
    """The memory itself, emptied when it has become too large: what it knows is found out again."""
    if len(memory) >= MOST_REMEMBERED:
        memory.clear()
    return memory


# --- replies ------------------------------------------------------------------------------------------------------


def _heard(reply: Reply) -> Heard | WireFailure:
    """What was said; a reply that should hold an object and does not is none."""
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        if reply.status == 200:
            return WireFailure()
        body = {}
    return Heard(reply.status, reply.headers, body, len(reply.body))


def _told(call: Call, results: Any, entry_id: str) -> Told:
    """What a batch tells of one call."""
    result = results.get(entry_id) if isinstance(results, dict) else None
    if not isinstance(result, dict):
        return _no_reply()
    if result.get("status") == "success":
        return data_of_entry(call, result.get("data"))
    error = result.get("error")
    return _refusal(_status_of(error), {"error": error}, call)


def _status_of(error: Any) -> int:
    """The status of a batch's entry: told, or that of its code."""
    if not isinstance(error, dict):
        return 503
    row = ERRORS.get(str(error.get("code")))
    status = error.get("status", row.http_status if row else None)
    return status if isinstance(status, int) else 503


def _failure(outcome: Heard | WireFailure) -> StatsError:
    if isinstance(outcome, WireTimeout):
        return _no_reply_in_time()
    if isinstance(outcome, WireFailure):
        return _no_reply()
    return _refusal(outcome.status, {}, None)


def _refusal(status: int, body: Mapping[str, Any], call: Call | None) -> StatsError:
    """What a status means to our caller, in our own words."""
    match status:
        case 401:
            return Unauthorized("The upstream API does not accept these credentials")
        case 403 if call:
            return Forbidden(f"Access denied to account: {call.account}")
        case 404 if call and _code(body) == "account_not_found":
            return AccountNotFound(f"Account not found: {call.account}")
        case 404 | 405 if call:
            return NotFound(f"The upstream API has no report '{call.report}'")
        case 400 | 413 | 414 | 422 if call:
            return BadRequest(f"The upstream API does not take this question to '{call.report}'{_named(body, call)}")
        case 429:
            return _no_more_for_now()
        case 504:
            return _no_reply_in_time()
        case _:
            return _no_reply()


def _code(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    return str(error.get("code")) if isinstance(error, dict) else ""


def _named(body: Mapping[str, Any], call: Call) -> str:
    """The parameters that were found fault with, as far as they are ones that were sent."""
    error = body.get("error")
    detail = error.get("detail") if isinstance(error, dict) else None
    sent = {name for name, _ in call.params} & PARAMETERS.keys()
    fields = [str(problem.get("field")).rpartition(".")[2] for problem in detail or () if isinstance(problem, dict)]
    named = [name for name in dict.fromkeys(fields) if name in sent]
    return f": it refuses {', '.join(named)}" if named else ""


def _no_reply() -> WarehouseUnavailable:
    return WarehouseUnavailable("The upstream API cannot be read now")


def _no_reply_in_time() -> WarehouseTimedOut:
    return WarehouseTimedOut("The upstream API did not answer in time")


def _no_more_for_now() -> WarehouseUnavailable:
    return WarehouseUnavailable("The upstream API takes no more requests for now")
