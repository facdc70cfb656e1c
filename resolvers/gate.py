"""The gate: how many scans may be in flight at one moment, in the process and for one account.  Rule 2.4.

Work beyond it waits; the server never refuses its own fan-out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ScanGate:
    """Shared by all requests of a process.  One account can take at most its part, so that others are served beside it."""

    def __init__(self, per_process: int = 8, per_account: int = 4) -> None:
        self._process = asyncio.Semaphore(per_process)
        self._per_account = per_account
        self._accounts: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def slot(self, account: str) -> AsyncIterator[None]:
        """Hold a slot of the account, then one of the process, for as long as a scan runs."""
        semaphore, users = self._accounts.get(account, (asyncio.Semaphore(self._per_account), 0))
        self._accounts[account] = (semaphore, users + 1)
        try:
            async with semaphore, self._process:
                yield
        finally:
            self._leave(account)

    def _leave(self, account: str) -> None:
        """Forget an account that no one is using, so that the table does not grow with every account ever asked for."""
        semaphore, users = self._accounts[account]
        if users == 1:
            del self._accounts[account]
        else:
            self._accounts[account] = (semaphore, users - 1)
