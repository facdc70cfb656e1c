"""Single flight: what several requests of a process want to read at one moment is read once.

A read belongs to all who wait for it.  Whoever leaves harms no one, the one who began it included; when the last has
left it is cancelled.  Its failure reaches all of them, and the next who asks reads anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..catalog.errors import StatsError

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(slots=True, eq=False)
class _Flight:
    asked: Any
    reading: asyncio.Task[Any]
    waiting: int = 0


class Flights:
    """The reads under way.  Shared by all requests of a process."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, list[_Flight]] = {}

    async def read(
        self,
        key: Hashable,
        asked: Asked,
        covers: Callable[[Asked, Asked], bool],
        read: Callable[[], Awaitable[Told]],
    ) -> tuple[Told, bool]:
        """What was told, and whether it was read for someone else too.

        Reads of one ``key`` may stand in for each other: one under way that ``covers`` what is asked is joined.
        """
        for flight in self._under_way.get(key, ()):
            if covers(flight.asked, asked):
                try:
                    return await self._awaited(key, flight), True
                except StatsError:
                    if flight.asked == asked:
                        raise
                    break  # what made the larger one fail may be none of this one's business
        return await self._awaited(key, self._started(key, asked, read)), False

    def _started(self, key: Hashable, asked: Any, read: Callable[[], Awaitable[Any]]) -> _Flight:
        async def reading() -> Any:
            try:
                return await read()
            finally:
                self._forget(key, flight)

        flight = _Flight(asked, asyncio.create_task(reading()))
        self._under_way.setdefault(key, []).append(flight)
        return flight

    async def _awaited(self, key: Hashable, flight: _Flight) -> Any:
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.reading)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.reading.done():
                self._forget(key, flight)  # no one joins what is being given up
                flight.reading.cancel()
                await asyncio.wait([flight.reading])

    def _forget(self, key: Hashable, flight: _Flight) -> None:
        flights = self._under_way.get(key, [])
        if flight in flights:
            flights.remove(flight)
            if not flights:
                del self._under_way[key]
