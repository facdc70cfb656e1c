"""What is held in memory of accounts that are asked for again, as much as there is room for; the longest unasked makes room.

It is built beside the answering, on a thread of its own.  Until it is there the file answers.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Generic, Protocol, TypeVar

from ..catalog.accounts import Account
from ..catalog.dimensions import Table

log = logging.getLogger(__name__)


class Held(Protocol):
    """Something in memory that knows its size."""

    @property
    def size_bytes(self) -> int: ...


Part = TypeVar("Part", bound=Held)

_Key = tuple[Account, Table]

# What is asked for once is not worth holding.
HOT_SCANS = 2
# What had to make room, or was too large, waits longer, lest two take turns in being built.
COOLED_SCANS = 100


class Hot(Generic[Part]):
    """One part for each fact table of an account as it is: an account that changes loses its own."""

    def __init__(self, budget_bytes: int = 0) -> None:
        self._budget_bytes = budget_bytes
        self._lock = Lock()
        self._parts: OrderedDict[_Key, Part] = OrderedDict()
        self._missed: Counter[_Key] = Counter()  # scans that found none, or none of use
        self._accounts: Collection[Account] = ()
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="hot")
        self.size_bytes = 0

    def find(self, account: Account, table: Table) -> Part | None:
        with self._lock:
            part = self._parts.get((account, table))
            if part is not None:
                self._parts.move_to_end((account, table))
            return part

    def ask(self, account: Account, table: Table, build: Callable[[int], Part | None]) -> None:
        """Tell that a scan would have been glad of it.  ``build`` gets the bytes there are; None: it would take more."""
        if not self._budget_bytes:
            return
        with self._lock:
            self._missed[account, table] += 1
            wanted = self._missed[account, table] == HOT_SCANS
        if wanted:
            self._builder.submit(self._build, account, table, build)

    def retain(self, accounts: Collection[Account]) -> None:
        """Forget all accounts but these, which are all there are."""
        with self._lock:
            self._accounts = accounts
            for key in [key for key in self._parts if key[0] not in accounts]:
                self._drop(key)
            self._missed = Counter({key: count for key, count in self._missed.items() if key[0] in accounts})

    def settle(self) -> None:
        """Wait for what is being built."""
        self._builder.submit(lambda: None).result()

    def close(self) -> None:
        self._builder.shutdown(wait=True, cancel_futures=True)

    def _build(self, account: Account, table: Table, build: Callable[[int], Part | None]) -> None:
        try:
            part = build(self._budget_bytes)
        except Exception:  # the file goes on answering
            log.exception("%s of account %s could not be held in memory", table.value, account.id)
            return
        if part is None or part.size_bytes > self._budget_bytes:
            log.info("%s of account %s would take more memory than there is room for", table.value, account.id)
            with self._lock:
                self._missed[account, table] = HOT_SCANS - COOLED_SCANS
            return
        with self._lock:
            if account in self._accounts:
                self._keep((account, table), part)

    def _keep(self, key: _Key, part: Part) -> None:
        if key in self._parts:
            self._drop(key)
        self._parts[key] = part
        self.size_bytes += part.size_bytes
        del self._missed[key]
        while self.size_bytes > self._budget_bytes:
            oldest = next(iter(self._parts))
            self._drop(oldest)
            self._missed[oldest] = HOT_SCANS - COOLED_SCANS

    def _drop(self, key: _Key) -> None:
        self.size_bytes -= self._parts.pop(key).size_bytes
