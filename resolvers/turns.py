"""Turns: a few slots that accounts take one after the other, however much one of them asks for.

Whoever finds no slot waits in its account's line.  A slot that is given back goes to the account whose last turn is the
longest ago, so a long line delays nobody but itself.  Lines may be bounded; what finds its line full is refused at once.
A burst may fill a line.  One that stands on and on is held shorter, so that what is let in is still answered soon.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from ..catalog.errors import Overloaded

Turn = asyncio.Future[None]

_REMEMBERED = 20  # of those that had a slot last, as many count for how long one takes

BUSY = "Too much is asked at once; wait for Retry-After seconds"


class Turns:
    """Slots of a process, of which one account has at most ``per_account``.

    ``most_waiting`` bounds all lines together, ``most_waiting_per_account`` each, ``patience_s`` how long one stands in
    it; None: no bound.  A line that has stood for ``soon_s`` takes only what can expect its turn within that time, or
    within what requests take themselves where that is longer.
    """

    def __init__(
        self,
        slots: int,
        per_account: int,
        *,
        most_waiting: int | None = None,
        most_waiting_per_account: int | None = None,
        patience_s: float | None = None,
        soon_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused = 0  # so far, for whoever watches
        self._free = slots
        self._per_account = per_account
        self._most_waiting = most_waiting
        self._most_waiting_per_account = most_waiting_per_account
        self._patience_s = patience_s
        self._soon_s = soon_s
        self._clock = clock
        self._taken_s = 0.0  # by one that has a slot, lately
        self._running: Counter[str] = Counter()
        self._standing_since: dict[str, float] = {}
        self._lines: OrderedDict[str, deque[Turn]] = OrderedDict()  # the next account to have a turn first

    @property
    def running(self) -> int:
        return self._running.total()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    def busiest(self, accounts: Iterable[str]) -> str | None:
        """The one of these that has the most running and waiting; whoever asks about several stands in its line."""
        return max(accounts, key=lambda account: self._running[account] + self._length(account), default=None)

    @asynccontextmanager
    async def slot(self, account: str) -> AsyncIterator[None]:
        """Hold a slot of that account.  Raises ``Overloaded`` when its line is full or does not move."""
        if self._may_run(account):
            self._begin(account)
        else:
            await self._wait(account)
        began = self._clock()
        try:
            yield
        finally:
            self._taken_s += (self._clock() - began - self._taken_s) / _REMEMBERED
            self._end(account)

    def _may_run(self, account: str) -> bool:
        return self._free > 0 and self._running[account] < self._per_account

    def _begin(self, account: str) -> None:
        self._free -= 1
        self._running[account] += 1

    async def _wait(self, account: str) -> None:
        if self._is_full(account):
            self.refused += 1
            raise Overloaded(BUSY)
        turn: Turn = asyncio.get_running_loop().create_future()
        self._standing_since.setdefault(account, self._clock())
        self._lines.setdefault(account, deque()).append(turn)
        try:
            async with asyncio.timeout(self._patience_s):
                await turn
        except BaseException as left:
            if turn.done() and not turn.cancelled():  # its turn came in the moment it left
                self._end(account)
            else:
                self._leave(account, turn)
            if isinstance(left, TimeoutError):
                self.refused += 1
                raise Overloaded(BUSY) from None
            raise

    def _is_full(self, account: str) -> bool:
        most, most_per_account = self._most_waiting, self._most_waiting_per_account
        return (
            (most is not None and self.waiting >= most)
            or (most_per_account is not None and self._length(account) >= most_per_account)
            or (self._soon_s is not None and self._stands(account, self._soon_s))
        )

    def _stands(self, account: str, soon_s: float) -> bool:
        """Whether a line has stood long and one more would wait long."""
        if self._clock() - self._standing_since.get(account, self._clock()) < soon_s:
            return False
        expected_s = self._taken_s * (self._length(account) + 1) / max(1, self._running[account])
        return expected_s > max(soon_s, self._taken_s)

    def _length(self, account: str) -> int:
        return len(self._lines.get(account, ()))

    def _end(self, account: str) -> None:
        self._free += 1
        self._running[account] -= 1
        if not self._running[account]:
            del self._running[account]  # so that the table does not grow with every account ever asked for
        self._call_the_next()

    def _call_the_next(self) -> None:
        for account in list(self._lines):
            if not self._free:
                return
            if self._running[account] < self._per_account:
                self._call(account)

    def _call(self, account: str) -> None:
        """Its oldest turn; the account stands behind all others then."""
        turn = next((turn for turn in self._lines[account] if not turn.done()), None)
        if turn is None:  # all of them are leaving
            return
        self._leave(account, turn)
        if account in self._lines:
            self._lines.move_to_end(account)
        self._begin(account)
        turn.set_result(None)

    def _leave(self, account: str, turn: Turn) -> None:
        line = self._lines[account]
        line.remove(turn)
        if not line:
            del self._lines[account], self._standing_since[account]
