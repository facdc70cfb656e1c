"""Rate limits: requests per minute by plan, and beside them the scans and rows that requests cost.  Contract §4.4, rule 4.8.

A batch is one request.  What it costs is known when it has run, so cost is charged then, and it is the next request that
is refused, before anything of it runs; a request under way is never stopped for its cost.  What is under way counts with
what it has cost so far, so that requests sent all at once are no way around.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from ..catalog.errors import RateLimitExceeded
from ..catalog.identity import Identity, Means
from ..catalog.plans import PLANS, WINDOW_S
from ..schema.reading import Reader
from .counters import AWAY_S, Counters, CountersAway

STATS_PREFIX = "/api/v1/stats/"
KEY_FLOOR = 30

_LARGEST = max(plan.requests for plan in PLANS.values())


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands after a request was counted; ``refusal`` says why it may not run."""

    limit: int
    remaining: int
    reset: int  # Unix seconds
    retry_after_s: int
    refusal: RateLimitExceeded | CountersAway | None = None

    @property
    def headers(self) -> dict[str, str]:
        told = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }
        return told | {"Retry-After": str(self.retry_after_s)} if self.refusal else told


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one caller may do in a minute at one door."""

    bucket: str
    requests: int
    scans: int
    rows: int


def allowance_of(identity: Identity, path: str) -> Allowance:
    """Half the plan for API keys on ``/api/v1/stats/…``, counted apart; all of it for everyone else.  Contract §4.4."""
    plan = identity.plan
    if identity.means is Means.KEY and path.startswith(STATS_PREFIX):
        return Allowance(f"stats:{identity.name}", max(KEY_FLOOR, plan.requests // 2), plan.scans, plan.rows)
    return Allowance(f"all:{identity.name}", plan.requests, plan.scans, plan.rows)


class RateLimits:
    """Counts requests and what they cost.  ``clock`` gives Unix seconds; windows are the minutes of that clock."""

    def __init__(self, counters: Counters, clock: Callable[[], float]) -> None:
        self._counters = counters
        self._clock = clock
        self._running: defaultdict[str, list[Reader]] = defaultdict(list)

    async def count(self, identity: Identity, path: str, requests: int = 1) -> Standing:
        """Count a request, or just look with 0 of them.  The standing says whether it may run."""
        allowance = allowance_of(identity, path)
        costs = _cost_names(identity)
        amounts = {allowance.bucket: requests, **dict.fromkeys(costs, 0)}
        try:
            used, scans, rows = await self._counters.add(self._window(), amounts)
        except CountersAway as away:
            return replace(self._standing(allowance, allowance.requests, away), retry_after_s=math.ceil(AWAY_S))
        running = self._running.get(identity.name, ())
        scans += sum(max(1, reader.scans) for reader in running)
        rows += sum(reader.rows for reader in running)
        return self._standing(allowance, used, _refusal(allowance, used, scans, rows))

    def start(self, reader: Reader) -> None:
        """From now on what this reader costs counts, as it grows."""
        self._running[reader.identity.name].append(reader)

    def stop(self, reader: Reader) -> None:
        """From now on it counts no longer."""
        name = reader.identity.name
        self._running[name] = [other for other in self._running[name] if other is not reader]
        if not self._running[name]:
            del self._running[name]

    async def settle(self, reader: Reader) -> None:
        """Charge what a request has cost, however it ended."""
        self.stop(reader)
        if reader.scans:
            costs = (reader.scans, reader.rows)
            with suppress(CountersAway):  # the answer has been given
                await self._counters.add(self._window(), dict(zip(_cost_names(reader.identity), costs, strict=True)))

    def uncounted(self) -> Standing:
        """For a server that counts no one: the largest plan, always full, which is less than it will serve."""
        return self._standing(Allowance("", _LARGEST, 0, 0), 0, None)

    async def close(self) -> None:
        await self._counters.close()

    def _window(self) -> int:
        return math.floor(self._clock() / WINDOW_S)

    def _standing(self, allowance: Allowance, used: int, refusal: RateLimitExceeded | CountersAway | None) -> Standing:
        reset = (self._window() + 1) * WINDOW_S
        wait = max(1, math.ceil(reset - self._clock()))
        return Standing(allowance.requests, max(0, allowance.requests - used), reset, wait, refusal)


def _cost_names(identity: Identity) -> tuple[str, str]:
    """One budget per caller, whichever door is used."""
    return f"scans:{identity.name}", f"rows:{identity.name}"


def _refusal(allowance: Allowance, used: int, scans: int, rows: int) -> RateLimitExceeded | None:
    for what, spent, most in (
        ("requests", used - 1, allowance.requests),
        ("scans", scans, allowance.scans),
        ("rows", rows, allowance.rows),
    ):
        if spent >= most:
            return RateLimitExceeded(f"Rate limit exceeded: {most:,} {what} per minute; wait for Retry-After seconds")
    return None
