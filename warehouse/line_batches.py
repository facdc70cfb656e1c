"""Lines of a log as they were read, in columns: what each counted as, and the hits among them, their words numbered.

What a batch calls a word by its number, ``words`` spells; the account has numbers of its own.  So batches can be made in
other processes, and cost little to send.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns import Column
from .facts import GoalKind, Hit
from .layout import CODED_IN_HITS, HIT_GOALS, HITS

_NUMPY = {
    "BIGINT": np.int64,
    "UBIGINT": np.uint64,
    "UINTEGER": np.uint32,
    "UTINYINT": np.uint8,
    "BOOLEAN": np.bool_,
}

LINES = {"line": "UBIGINT", "line_class": "UTINYINT", "is_once": "BOOLEAN"}
READ_HITS = {"line": "UBIGINT", **HITS, "bad_amounts": "UINTEGER"}

_NOTHING = ("", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class LineBatch:
    """``lines`` are a hash of each line, the number of its class, and whether it is one of those that occur once only,
    however often they are read.  ``hits`` are numbered from 0, and carry the hash of their line."""

    lines: dict[str, Column]
    hits: dict[str, Column]
    goals: dict[str, Column]
    words: dict[str, list[str]]

    @property
    def height(self) -> int:
        return len(self.hits["hit"])


class LineBatchBuilder:
    """Collects lines and hits, and makes a batch of them."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, bool]] = []
        self._hits: list[tuple[Any, ...]] = []
        self._goals: list[tuple[int, int, bool, int]] = []
        self._codes: dict[str, dict[str, int]] = {name: {} for name in (*CODED_IN_HITS, "goal")}

    def __len__(self) -> int:
        return len(self._lines)

    def add_line(self, line: int, line_class: int, is_once: bool = False) -> None:
        self._lines.append((line, line_class, is_once))

    def add_hit(self, line: int, hit: Hit, visitor: int, *, is_own_visit: bool = False, bad_amounts: int = 0) -> None:
        """The hit of a line, and a hash of whose it is."""
        number = len(self._hits)
        arrival, view = hit.arrival, hit.page_view
        told = (
            *(arrival[:6] if arrival else _NOTHING),
            view.path if view else "",
            view.content_grouping if view else "",
        )
        self._hits.append(
            (
                line,
                number,
                visitor,
                hit.at,
                is_own_visit,
                hit.is_redirect,
                hit.is_same_site,
                arrival is not None,
                arrival is not None and arrival.is_tagged,
                view is not None,
                *map(self._code, CODED_IN_HITS, (*told, *hit.visitor)),
                bad_amounts,
            )
        )
        for goal in hit.goals:
            code = self._code("goal", goal.name)
            self._goals.append((number, code, goal.kind is GoalKind.CONVERSION, goal.amount_cents))

    def take(self) -> LineBatch:
        """What was collected; afterwards there is nothing."""
        batch = LineBatch(
            _columns(LINES, self._lines),
            _columns(READ_HITS, self._hits),
            _columns(HIT_GOALS, self._goals),
            {name: list(codes) for name, codes in self._codes.items()},
        )
        self.__init__()
        return batch

    def _code(self, name: str, word: str) -> int:
        codes = self._codes[name]
        return codes.setdefault(word, len(codes))


def _columns(kinds: dict[str, str], rows: list[tuple[Any, ...]]) -> dict[str, Column]:
    columns = zip(*rows, strict=True) if rows else ((),) * len(kinds)
    return {
        name: np.array(column, dtype=_NUMPY[kind]) for (name, kind), column in zip(kinds.items(), columns, strict=True)
    }
