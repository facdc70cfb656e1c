"""Answers kept from one request to the next, for as long as the data they were told from is the data there is.

It lies below the loader, and no number shows whether an answer was kept.  Failures are never kept.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from sys import getsizeof
from typing import Any

from ..catalog.accounts import Account
from ..catalog.query import StatsQuery
from .figures import Answer

# A question and the account it was put to, as it was then: an import changes the account, and so every key.
_Key = tuple[StatsQuery, Account]


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    size_bytes: int


class AnswerCache:
    """Shared by all requests of a process.  The answers that no one asked for the longest make room; 0 keeps none."""

    def __init__(self, budget_bytes: int = 0) -> None:
        self._budget_bytes = budget_bytes
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self.size_bytes = 0

    def find(self, query: StatsQuery, account: Account) -> Answer | None:
        """The answer to this question about the account as it is, if it is kept."""
        kept = self._kept.get((query, account)) if self._kept else None
        if kept is None:
            return None
        self._kept.move_to_end((query, account))
        return kept.answer

    def keep(self, query: StatsQuery, account: Account, answer: Answer) -> None:
        """Keep an answer, which no one changes from now on, unless it alone is larger than the budget."""
        if not self._budget_bytes:
            return
        size_bytes = _KEY_BYTES + size_of(answer)
        if (query, account) in self._kept or size_bytes > self._budget_bytes:
            return
        self._kept[query, account] = _Kept(answer, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self._budget_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.size_bytes -= oldest.size_bytes


_KEY_BYTES = 2_048  # a question with its scope, and its place in the table


def size_of(value: Any) -> int:
    """Bytes of an answer with all that is in it, counted as if nothing were shared; the words of its keys are."""
    if isinstance(value, dict):
        return getsizeof(value) + sum(map(size_of, value.values()))
    if isinstance(value, list):
        return getsizeof(value) + sum(map(size_of, value))
    return getsizeof(value)
