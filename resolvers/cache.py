"""Answers kept from one request to the next, for as long as the data they were told from is the data there is.

It lies below the loader, and no number shows whether an answer was kept.  Failures are never kept.  Beside an answer lies
what it looked like in JSON, in each form that a door has told it in, so that telling it again is no work.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any

from ..catalog.accounts import Account
from ..catalog.query import StatsQuery
from .figures import Answer

# A question and the account it was put to, as it was then: an import changes the account, and so every key.
_Key = tuple[StatsQuery, Account]

MOST_FORMS = 8  # of one answer; the one kept first makes room


@dataclass(slots=True)
class _Kept:
    answer: Answer
    size_bytes: int  # with its forms
    forms: dict[Hashable, bytes] = field(default_factory=dict)


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
        self._grow(size_bytes)

    def find_form(self, query: StatsQuery, account: Account, form: Hashable) -> bytes | None:
        """The kept answer as JSON in this form, if it was told in it before."""
        kept = self._kept.get((query, account)) if self._kept else None
        text = None if kept is None else kept.forms.get(form)
        if text is not None:
            self._kept.move_to_end((query, account))
        return text

    def keep_form(self, query: StatsQuery, account: Account, form: Hashable, text: bytes) -> None:
        """Keep what an answer looks like, for as long as the answer itself is kept."""
        kept = self._kept.get((query, account))
        if kept is None or form in kept.forms:
            return
        kept.forms[form] = text
        grown = _FORM_BYTES + len(text)
        if len(kept.forms) > MOST_FORMS:
            grown -= _FORM_BYTES + len(kept.forms.pop(next(iter(kept.forms))))
        kept.size_bytes += grown
        self._grow(grown)

    def _grow(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        while self.size_bytes > self._budget_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.size_bytes -= oldest.size_bytes


_KEY_BYTES = 2_048  # a question with its scope, and its place in the table
_FORM_BYTES = 512  # the form's name, and its place beside the answer


def size_of(value: Any) -> int:
    """Bytes of an answer with all that is in it, counted as if nothing were shared; the words of its keys are."""
    if isinstance(value, dict):
        return getsizeof(value) + sum(map(size_of, value.values()))
    if isinstance(value, list):
        return getsizeof(value) + sum(map(size_of, value))
    return getsizeof(value)
