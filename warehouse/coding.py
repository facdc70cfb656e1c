"""Facts as they are stored: values turned into codes, UTC into local days and hours, sessions into rows of every table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ..catalog.dimensions import Table
from .facts import GoalKind, Session
from .layout import FACTS, SESSION_DIMENSIONS, lexicon_of


class Encoder:
    """Values to codes, per lexicon.  New values get the next code."""

    def __init__(self, words: Iterable[tuple[str, str]]) -> None:
        self._codes: dict[str, dict[str, int]] = {}
        self._known: dict[str, int] = {}
        for lexicon, value in words:
            self.code(lexicon, value)
        self._known = {lexicon: len(codes) for lexicon, codes in self._codes.items()}

    def code(self, lexicon: str, value: str) -> int:
        codes = self._codes.setdefault(lexicon, {})
        return codes.setdefault(value, len(codes))

    def words(self, lexicon: str) -> list[str]:
        """All values of a lexicon, by code."""
        return list(self._codes.get(lexicon, ()))

    def new_words(self, number: int) -> dict[str, Any]:
        """The columns of what has been added since the lexicon was read."""
        rows = [
            (lexicon, code, value)
            for lexicon, codes in self._codes.items()
            for value, code in list(codes.items())[self._known.get(lexicon, 0) :]
        ]
        return {
            "account": np.full(len(rows), number, dtype=np.int32),
            "dimension": np.array([row[0] for row in rows], dtype=object),
            "code": np.array([row[1] for row in rows], dtype=np.uint32),
            "value": np.array([row[2] for row in rows], dtype=object),
        }

    def settle(self) -> None:
        """Take what has been added for known: it is written."""
        self._known = {lexicon: len(codes) for lexicon, codes in self._codes.items()}


class LocalTime:
    """UTC seconds to the account's local day and hour.  Offsets change at whole minutes: at 00:01 where it was thought
    wise to keep a day whole."""

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._known: dict[int, tuple[int, int]] = {}

    def day_and_hour(self, at: int) -> tuple[int, int]:
        minute = at // 60
        if minute not in self._known:
            local = datetime.fromtimestamp(minute * 60, self._zone)
            self._known[minute] = (local.toordinal() - _EPOCH_ORDINAL, local.hour)
        return self._known[minute]


_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

_NUMPY = {"INTEGER": np.int32, "BIGINT": np.int64, "UINTEGER": np.uint32, "UTINYINT": np.uint8, "BOOLEAN": np.bool_}


class FactColumns:
    """Sessions turned into rows of codes, table by table."""

    def __init__(self, number: int, local_time: LocalTime, encoder: Encoder) -> None:
        self._number = number
        self._local_time = local_time
        self._code = encoder.code
        self._lexicons = {name: lexicon_of(Table.SESSIONS, name) for name in SESSION_DIMENSIONS}
        self._rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in Table}
        self.days: set[int] = set()  # local ones, of all that were ever added

    def add(self, session_number: int, session: Session) -> None:
        day, hour = self._local_time.day_and_hour(session.start)
        self.days.add(day)
        shared = (self._number, session_number, session.start, day, hour, *self._session_codes(session))
        views, goals = session.page_views, session.goals
        conversions = [goal for goal in goals if goal.kind is GoalKind.CONVERSION]
        revenue = sum(goal.amount_cents for goal in conversions)
        self._rows[Table.SESSIONS].append(
            (*shared, len(views), len(conversions), len(goals) - len(conversions), revenue)
        )
        self._rows[Table.PAGE_VIEWS].extend(
            (
                *shared,
                view.at,
                self._code("path", view.path),
                self._code("content_grouping", view.content_grouping),
                index == 0,
                len(views) >= 2,
            )
            for index, view in enumerate(views)
        )
        self._rows[Table.GOALS].extend(
            (*shared, goal.at, self._code("goal", goal.name), goal.kind is GoalKind.CONVERSION, goal.amount_cents)
            for goal in goals
        )

    def take(self) -> dict[Table, dict[str, Any]]:
        """The columns gathered so far; afterwards there are none."""
        taken = {
            table: {
                name: np.array([row[place] for row in rows], dtype=_NUMPY[kind])
                for place, (name, kind) in enumerate(FACTS[table])
            }
            for table, rows in self._rows.items()
        }
        self._rows = {table: [] for table in Table}
        return taken

    def _session_codes(self, session: Session) -> Iterator[int]:
        first = session.page_views[0] if session.page_views else None
        landing = {
            "landing_page": first.path if first else "",
            "landing_content_grouping": first.content_grouping if first else "",
        }
        for name, lexicon in self._lexicons.items():
            yield self._code(lexicon, landing[name] if name in landing else getattr(session, name))
