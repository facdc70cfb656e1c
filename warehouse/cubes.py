"""Which accounts have a cube: those asked for again, as many as there is room for; the longest unasked make room.

A cube is built beside the answering, on a thread of its own.  Until it is there the roll-up answers.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from ..catalog.accounts import Account
from ..catalog.dimensions import Table
from .cube import Cube

log = logging.getLogger(__name__)

_Key = tuple[Account, Table]

# An account that is asked for once is not worth a cube.
HOT_SCANS = 2
# One whose cube had to make room waits longer, lest two take turns in building.
COOLED_SCANS = 100


class Cubes:
    """The cubes of a process.  Built for an account as it is: one that changes loses its own."""

    def __init__(self, budget_bytes: int = 0) -> None:
        self._budget_bytes = budget_bytes
        self._lock = Lock()
        self._cubes: OrderedDict[_Key, Cube] = OrderedDict()
        self._scans: Counter[_Key] = Counter()  # of those that have none
        self._accounts: Collection[Account] = ()
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="cube")
        self.size_bytes = 0

    def find(self, account: Account, table: Table) -> Cube | None:
        with self._lock:
            cube = self._cubes.get((account, table))
            if cube is not None:
                self._cubes.move_to_end((account, table))
            return cube

    def ask(self, account: Account, table: Table, build: Callable[[int], Cube | None]) -> None:
        """Tell that a scan would have been glad of a cube.  ``build`` gets the bytes there are; None: it would take more."""
        with self._lock:
            self._scans[account, table] += 1
            wanted = self._budget_bytes and self._scans[account, table] == HOT_SCANS
        if wanted:
            self._builder.submit(self._build, account, table, build)

    def retain(self, accounts: Collection[Account]) -> None:
        """Forget all accounts but these, which are all there are."""
        with self._lock:
            self._accounts = accounts
            for key in [key for key in self._cubes if key[0] not in accounts]:
                self.size_bytes -= self._cubes.pop(key).size_bytes
            self._scans = Counter({key: count for key, count in self._scans.items() if key[0] in accounts})

    def settle(self) -> None:
        """Wait for what is being built."""
        self._builder.submit(lambda: None).result()

    def close(self) -> None:
        self._builder.shutdown(wait=True, cancel_futures=True)

    def _build(self, account: Account, table: Table, build: Callable[[int], Cube | None]) -> None:
        try:
            cube = build(self._budget_bytes)
        except Exception:  # the roll-up goes on answering
            log.exception("the cube of account %s could not be built", account.id)
            return
        if cube is None or cube.size_bytes > self._budget_bytes:
            log.info("the cube of account %s, %s, would take more than there is room for", account.id, table.value)
            return
        with self._lock:
            if account in self._accounts:
                self._cubes[account, table] = cube
                self.size_bytes += cube.size_bytes
            while self.size_bytes > self._budget_bytes:
                key, oldest = self._cubes.popitem(last=False)
                self.size_bytes -= oldest.size_bytes
                self._scans[key] = HOT_SCANS - COOLED_SCANS
