"""Data versions as they rise: one look at the warehouse's file every so often, for all who wait in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from ..catalog.accounts import Account
from ..catalog.errors import WarehouseUnavailable
from ..warehouse.store import Warehouse

LOOK_EVERY_S = 0.5


class DataVersions:
    """Looks only while someone waits.  A look is one ``stat`` as long as no import has replaced the file."""

    def __init__(self, warehouse: Warehouse, look_every_s: float = LOOK_EVERY_S) -> None:
        self._warehouse = warehouse
        self._look_every_s = look_every_s
        self._replaced = asyncio.Event()
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts as they are now.  Raises ``WarehouseUnavailable``."""
        return self._warehouse.snapshot().accounts

    def are(self, known: Mapping[str, Account]) -> bool:
        """Whether accounts and versions are still those known.  Raises ``WarehouseUnavailable``."""
        present = self.accounts
        return present is known or present == known

    async def replaced(self, known: Mapping[str, Account], at_most_s: float) -> None:
        """Wait until there may be other accounts or versions than those known, or someone says ``wake``."""
        with self._waits(), suppress(TimeoutError, WarehouseUnavailable):
            async with asyncio.timeout(at_most_s):
                if self.are(known):
                    await self._replaced.wait()

    def wake(self) -> None:
        """Let everyone who waits look for themselves."""
        self._replaced.set()
        self._replaced = asyncio.Event()

    @contextmanager
    def _waits(self) -> Iterator[None]:
        self._waiting += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        seen: Mapping[str, Account] | None = None
        while True:
            with suppress(WarehouseUnavailable):  # whoever waits finds out when it asks
                if seen is None or not self.are(seen):
                    seen = self.accounts
                    self.wake()
            await asyncio.sleep(self._look_every_s)
