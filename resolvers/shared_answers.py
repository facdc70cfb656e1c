"""Answers shared by several processes and machines, behind those that each keeps itself (``cache.py``).

A store may be gone, slow or damaged at any time: then there is simply nothing kept.  A failure or a time-out leaves the
store alone for a while, and nothing that is asked waits for an answer to be stored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ..catalog.accounts import Account
from ..catalog.query import StatsQuery
from .figures import Answer
from .written_answers import Unreadable, key_of, read, write

log = logging.getLogger(__name__)

FIND_WITHIN_S = 0.1
STORE_WITHIN_S = 1.0
AWAY_S = 5.0  # for which a store that failed is left alone
MOST_WAITING = 500  # answers to be stored; what comes beyond is not
AT_ONCE = 25


class AnswerStore(Protocol):
    """Bytes by key, forgotten after a while.  Any method may raise anything."""

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    async def put(self, values: Mapping[bytes, bytes]) -> None: ...

    async def close(self) -> None: ...


class Event(StrEnum):
    """What is counted."""

    FOUND = "found"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    STORED = "stored"
    TOO_LARGE = "too_large"
    NOT_STORED = "not_stored"  # there were too many at once, or the store was away
    FAILED = "failed"  # the store, or its time was up
    LEFT_ALONE = "left_alone"  # not asked, as it had failed


@dataclass(slots=True, eq=False)
class SharedAnswers:
    """Finds and stores answers; never raises, and is never waited for longer than ``FIND_WITHIN_S``."""

    store: AnswerStore
    clock: Callable[[], float] = time.monotonic
    counts: Counter[Event] = field(default_factory=Counter)
    _waiting: dict[tuple[StatsQuery, Account], Answer] = field(default_factory=dict)
    _storing: asyncio.Task[None] | None = None
    _away_until: float = float("-inf")

    async def find(self, asked: Mapping[StatsQuery, Account]) -> dict[StatsQuery, Answer]:
        """Those of the answers that are there, in one round trip."""
        keys = {query: key for query, account in asked.items() if (key := _key(query, account))}
        if not keys or self._is_away(len(keys)):
            return {}
        try:
            async with asyncio.timeout(FIND_WITHIN_S):
                stored = await self.store.get(list(keys.values()))
            found = list(zip(keys.items(), stored, strict=True))
        except Exception as error:  # the client raises its own, the socket's and the loop's
            self._leave_alone(error)
            return {}
        answers = {query: self._read(key, told) for (query, key), told in found}
        return {query: answer for query, answer in answers.items() if answer is not None}

    def keep(self, query: StatsQuery, account: Account, answer: Answer) -> None:
        """Store an answer, which no one changes from now on, some time soon."""
        if len(self._waiting) >= MOST_WAITING or self.clock() < self._away_until:
            self.counts[Event.NOT_STORED] += 1
            return
        self._waiting[query, account] = answer
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())

    async def stored(self) -> None:
        """Wait until nothing waits to be stored."""
        while self._storing is not None:
            await asyncio.wait([self._storing])

    async def close(self) -> None:
        if self._storing is not None:
            self._storing.cancel()
            await asyncio.wait([self._storing])
        with suppress(Exception):  # a store that is away cannot be taken leave of
            await self.store.close()

    def _is_away(self, questions: int) -> bool:
        away = self.clock() < self._away_until
        self.counts[Event.LEFT_ALONE] += questions * away
        return away

    def _leave_alone(self, error: Exception) -> None:
        self.counts[Event.FAILED] += 1
        if self.clock() >= self._away_until:
            log.error("answers are kept per process: their store fails with %s", type(error).__name__)
        self._away_until = self.clock() + AWAY_S

    def _read(self, key: bytes, stored: bytes | None) -> Answer | None:
        if stored is None:
            self.counts[Event.MISSING] += 1
            return None
        try:
            answer = read(key, stored)
        except Unreadable:
            self.counts[Event.UNREADABLE] += 1
            return None
        self.counts[Event.FOUND] += 1
        return answer

    async def _store(self) -> None:
        try:
            while self._waiting:
                taken = [self._waiting.popitem() for _ in range(min(AT_ONCE, len(self._waiting)))]
                values: dict[bytes, bytes] = {}
                for (query, account), answer in taken:
                    values |= self._written(query, account, answer)
                    await asyncio.sleep(0)  # requests are let in between
                if values:
                    await self._put(values)
        finally:
            self._storing = None

    def _written(self, query: StatsQuery, account: Account, answer: Answer) -> dict[bytes, bytes]:
        key = _key(query, account)
        if key is None:
            return {}
        try:
            written = write(key, answer)
        except TypeError as error:  # a kind of value that is new here; the answer is as good without
            log.error("an answer of %s cannot be shared: %s", query.report, error)
            return {}
        self.counts[Event.TOO_LARGE] += written is None
        return {} if written is None else {key: written}

    async def _put(self, values: Mapping[bytes, bytes]) -> None:
        if self.clock() < self._away_until:
            self.counts[Event.NOT_STORED] += len(values)
            return
        try:
            async with asyncio.timeout(STORE_WITHIN_S):
                await self.store.put(values)
            self.counts[Event.STORED] += len(values)
        except Exception as error:  # as above
            self._leave_alone(error)
            self.counts[Event.NOT_STORED] += len(values)


def _key(query: StatsQuery, account: Account) -> bytes | None:
    """None where the account does not tell one state of its data from another, or a text cannot be written."""
    if not account.data_stamp:
        return None
    try:
        return key_of(query, account)
    except TypeError:
        return None
