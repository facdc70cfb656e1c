"""Counters that start anew every minute, in memory or in a Redis-compatible store shared by several processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..catalog.errors import Overloaded

log = logging.getLogger(__name__)

MOST_NAMES = 100_000  # counted in one minute; beyond, who was counted first is forgotten first
AWAY_S = 5.0  # for which a store that failed is left alone


class CountersAway(Overloaded):
    """Nothing can be counted now, and what cannot be counted is not let in."""


class Counters(Protocol):
    """Sums by name, within one window of time.  A later window starts at nothing."""

    async def add(self, window: int, amounts: Mapping[str, int]) -> list[int]:
        """Add to several sums at once, and tell them as they are then, in the same order.  Raises ``CountersAway``."""
        ...

    async def close(self) -> None: ...


class MemoryCounters:
    """For one process.  Bounded: it holds the present window only, and so many names of it."""

    def __init__(self, most_names: int = MOST_NAMES) -> None:
        self._window = 0
        self._sums: dict[str, int] = {}
        self._most_names = most_names

    async def add(self, window: int, amounts: Mapping[str, int]) -> list[int]:
        # A clock that steps back a little goes on counting in the later window; one that was wrong begins anew.
        if window > self._window or window < self._window - 1:
            self._window, self._sums = window, {}
        return [self._add(name, amount) for name, amount in amounts.items()]

    def _add(self, name: str, amount: int) -> int:
        total = self._sums.get(name, 0) + amount
        if amount:  # looking alone leaves nothing behind
            self._sums[name] = total
            if len(self._sums) > self._most_names:
                del self._sums[next(iter(self._sums))]
        return total

    async def close(self) -> None:
        self._sums = {}


@dataclass(slots=True)
class RedisCounters:
    """For several processes.  One round trip for all sums of a request; the store forgets a window by itself.

    As long as the store cannot be reached, each process counts for itself: limits become looser, and answers go on.  Where
    it ``fails_closed`` no one is let in instead.
    """

    client: Any  # redis.asyncio.Redis, whose own types are looser than none
    window_s: int
    prefix: str = "fanin:limits:"
    clock: Callable[[], float] = time.monotonic
    instead: MemoryCounters = field(default_factory=MemoryCounters)
    fails_closed: bool = False
    _away_until: float = 0.0

    async def add(self, window: int, amounts: Mapping[str, int]) -> list[int]:
        if self.clock() >= self._away_until:
            try:
                return await self._add(window, amounts)
            except Exception as error:  # the client raises its own, the socket's and the loop's
                how = "not counted" if self.fails_closed else "counted per process"
                log.error("rate limits are %s: the store fails with %s", how, type(error).__name__)
                self._away_until = self.clock() + AWAY_S
        if self.fails_closed:
            raise CountersAway("Rate limits cannot be counted now; wait for Retry-After seconds")
        return await self.instead.add(window, amounts)

    async def _add(self, window: int, amounts: Mapping[str, int]) -> list[int]:
        async with self.client.pipeline(transaction=False) as pipeline:
            for name, amount in amounts.items():
                key = f"{self.prefix}{window}:{name}"
                pipeline.incrby(key, amount)
                pipeline.expire(key, 2 * self.window_s)
            return [int(total) for total in (await pipeline.execute())[::2]]

    async def close(self) -> None:
        await self.client.aclose()
