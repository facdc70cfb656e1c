"""Lines and hits into an account: every line once, and the sessions cut anew that a new hit belongs to or joins.

All of it happens in the account's draft, set by set: what is read waits in a database in memory that the engine moves to
disk when there is much of it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any

import duckdb
import numpy as np

from ..catalog.dimensions import Table
from .coding import FactColumns, LocalTime
from .drafts import AccountTables
from .facts import Arrival, Goal, GoalKind, Hit, PageView, Visitor
from .layout import CODED_IN_HITS, FACTS, HIT_GOALS, HITS
from .line_batches import LINES, READ_HITS, LineBatch
from .store import Cut, Settled

MEMORY = "320MB"  # for what is read, beyond which the engine writes to disk

LEAD_S = 60  # hits so long before a session may still say where it came from

_FETCHED = 20_000  # hits, or sessions, held as Python values at once


class Intake:
    """The lines of one import into an account's draft, as ``store.Intake`` has it."""

    def __init__(self, draft: AccountTables, idle_s: int) -> None:
        self._draft = draft
        self._connection = draft.connection
        self._idle_s = idle_s
        self._connection.execute(f"SET memory_limit = '{MEMORY}'")
        for statement in _WAITING:
            self._connection.execute(statement)
        self._hits = self._one("SELECT coalesce(max(hit) + 1, 0) FROM hits")

    @property
    def secret(self) -> bytes:
        """What lines and visitors are hashed with: made once for an account, and never shown."""
        found = self._connection.execute("SELECT secret FROM secret").fetchall()
        if not found:
            found = [(secrets.token_bytes(32),)]
            self._connection.execute("INSERT INTO secret VALUES (?)", found[0])
        return found[0][0]

    def add(self, batch: LineBatch) -> None:
        """Lines of the present file."""
        self._draft.insert("intake.incoming", batch.lines)
        if not batch.height:
            return
        known = {name: self._numbers_of(name, words) for name, words in batch.words.items()}
        hits = {name: known[name][column] if name in known else column for name, column in batch.hits.items()}
        hits["hit"] = hits["hit"] + self._hits
        self._draft.insert("intake.incoming_hits", hits)
        if len(batch.goals["hit"]):
            goals = batch.goals | {"hit": batch.goals["hit"] + self._hits, "goal": known["goal"][batch.goals["goal"]]}
            self._draft.insert("intake.incoming_goals", goals)
        self._hits += batch.height

    def settle(self, digest: str, source_name: str) -> Settled:
        """Keep of the file's lines those that are new, and remember it by the digest of its content."""
        for statement in _SETTLING:
            self._connection.execute(statement)
        rows = self._connection.execute(
            "SELECT line_class, sum(added), sum(repeated), sum(times - added - repeated) FROM intake.counted GROUP BY ALL"
        ).fetchall()
        bad_amounts = self._one("SELECT coalesce(sum(bad_amounts), 0) FROM intake.added_hits")
        names = self._draft.encoder.words("goal")
        goals = self._connection.execute(
            "SELECT goal, count(*) FROM intake.incoming_goals SEMI JOIN intake.added_hits USING (hit) GROUP BY ALL"
        ).fetchall()
        for statement in _KEEPING:
            self._connection.execute(statement)
        self._draft.remember_import(digest, source_name, sum(row[1] for row in rows))
        return Settled(
            {line_class: int(added) for line_class, added, _, _ in rows},
            int(sum(row[3] for row in rows)),
            int(sum(row[2] for row in rows)),
            Counter({names[code]: count for code, count in goals}),
            int(bad_amounts),
        )

    def cut(self, cut: Cut) -> int:
        """Cut the sessions that new hits belong to.  Returns how many more there are than before."""
        values = {"idle": self._idle_s, "lead": LEAD_S}
        for statement in _CHOOSING:
            self._connection.execute(
                statement, {name: value for name, value in values.items() if f"${name}" in statement}
            )
        gone = self._one("SELECT count(*) FROM intake.gone")
        days = self._connection.execute("SELECT DISTINCT day FROM sessions SEMI JOIN intake.gone USING (session)")
        self._draft.days |= {day for (day,) in days.fetchall()}
        newest = self._one("SELECT coalesce(max(start), 0) FROM sessions")
        added = self._write(cut)
        for statement in _REPLACING:
            self._connection.execute(statement)
        self._draft.count_late(self._one(f"SELECT count(*) FROM intake.new_sessions WHERE start < {newest}"))
        self._connection.execute("DETACH intake")
        return added - gone

    def _write(self, cut: Cut) -> int:
        """The new sessions, in the order of their visitors, and which hits they are cut from."""
        draft = self._draft
        columns = FactColumns(draft.number, LocalTime(draft.account.time_zone), draft.encoder)
        session_number = self._one("SELECT coalesce(max(session), 0) FROM sessions")
        added = 0
        visits: list[tuple[int, int, int, int]] = []
        for visitor, is_own_visit, hits in self._visitors():
            for session in cut(hits, is_own_visit):
                added += 1
                columns.add(session_number + added, session)
                last = max(found.at for found in (*session.page_views, *session.goals))
                visits.append((session_number + added, visitor, session.start, last))
                if len(visits) == _FETCHED:
                    self._append(columns, visits)
        self._append(columns, visits)
        return added

    def _append(self, columns: FactColumns, visits: list[tuple[int, int, int, int]]) -> None:
        for table, values in columns.take().items():
            self._draft.insert(f"intake.new_{table.value}", values)
        self._draft.days |= columns.days
        kinds = {"session": np.uint32, "visitor": np.uint64, "start": np.int64, "last": np.int64}
        told = zip(*visits, strict=True) if visits else ((),) * len(kinds)
        self._draft.insert(
            "visits",
            {name: np.array(column, dtype=kind) for (name, kind), column in zip(kinds.items(), told, strict=True)},
        )
        visits.clear()

    def _visitors(self) -> Iterator[tuple[int, bool, list[Hit]]]:
        """Whose sessions are to be cut, with the hits to cut them from, in no order."""
        with self._connection.cursor() as cursor:
            cursor.execute(_HITS_TO_CUT)
            hits = _Hits(self._draft.encoder.words)
            for (visitor, is_own_visit), rows in groupby(_fetched(cursor), key=lambda row: row[:2]):
                yield visitor, is_own_visit, [hits.spelled(row) for row in rows]

    def _numbers_of(self, name: str, words: list[str]) -> Any:
        """The account's number of each of a batch's words."""
        code = self._draft.encoder.code
        return np.array([code(name, word) for word in words], dtype=np.uint32)

    def _one(self, statement: str) -> Any:
        ((value,),) = self._connection.execute(statement).fetchall()
        return value


class _Hits:
    """Hits as values again.  What many of them say is made once."""

    def __init__(self, words: Callable[[str], list[str]]) -> None:
        self._words = [words(name) for name in CODED_IN_HITS]
        self._goal_names = words("goal")
        self._arrivals: dict[tuple[Any, ...], Arrival] = {}
        self._visitors: dict[tuple[Any, ...], Visitor] = {}

    def spelled(self, row: tuple[Any, ...]) -> Hit:
        _, _, at, is_same_site, has_arrival, is_tagged, is_page_view, *codes, goals = row
        return Hit(
            at,
            is_same_site,
            self._arrival((*codes[:6], is_tagged)) if has_arrival else None,
            PageView(at, self._words[6][codes[6]], self._words[7][codes[7]]) if is_page_view else None,
            tuple(map(self._goal, goals, (at,) * len(goals))) if goals else (),
            self._visitor(tuple(codes[8:])),
        )

    def _arrival(self, codes: tuple[Any, ...]) -> Arrival:
        found = self._arrivals.get(codes)
        if found is None:
            *told, is_tagged = codes
            spelled = (words[code] for words, code in zip(self._words, told, strict=False))
            found = self._arrivals[codes] = Arrival(*spelled, is_tagged=is_tagged)
        return found

    def _visitor(self, codes: tuple[Any, ...]) -> Visitor:
        found = self._visitors.get(codes)
        if found is None:
            spelled = (words[code] for words, code in zip(self._words[8:], codes, strict=True))
            found = self._visitors[codes] = Visitor(*spelled)
        return found

    def _goal(self, goal: Mapping[str, Any], at: int) -> Goal:
        kind = GoalKind.CONVERSION if goal["is_conversion"] else GoalKind.MICROCONVERSION
        return Goal(at, kind, self._goal_names[goal["goal"]], goal["amount_cents"])


def _fetched(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(_FETCHED):
        yield from rows


def _typed(kinds: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in kinds.items())


_WAITING = (
    "ATTACH ':memory:' AS intake",
    f"CREATE TABLE intake.incoming ({_typed(LINES)})",
    f"CREATE TABLE intake.incoming_hits ({_typed(READ_HITS)})",
    f"CREATE TABLE intake.incoming_goals ({_typed(HIT_GOALS)})",
    f"CREATE TABLE intake.fresh ({_typed(HITS)})",
    f"CREATE TABLE intake.fresh_goals ({_typed(HIT_GOALS)})",
    *(f"CREATE TABLE intake.new_{table.value} ({_typed(dict(columns))})" for table, columns in FACTS.items()),
)

# Which of a file's lines are new.
_SETTLING = (
    """
    CREATE OR REPLACE TABLE intake.counted AS
    WITH read AS (
        SELECT line, any_value(line_class) AS line_class, count(*) AS times, bool_or(is_once) AS is_once
        FROM intake.incoming GROUP BY line
    ),
    known AS (SELECT line, sum(times) AS times FROM lines SEMI JOIN read USING (line) GROUP BY line)
    SELECT line, line_class, read.times,
           CASE WHEN is_once THEN read.times - 1 ELSE 0 END AS repeated,
           greatest(read.times - repeated - coalesce(known.times, 0), 0) AS added
    FROM read LEFT JOIN known USING (line)""",
    f"""
    CREATE OR REPLACE TABLE intake.added_hits AS
    SELECT {", ".join(HITS)}, bad_amounts
    FROM (SELECT *, row_number() OVER (PARTITION BY line ORDER BY hit) AS nth FROM intake.incoming_hits)
    JOIN intake.counted USING (line)
    WHERE nth <= added""",
)

# And keeping them.
_KEEPING = (
    "INSERT INTO lines SELECT line, added FROM intake.counted WHERE added > 0",
    f"INSERT INTO intake.fresh SELECT {', '.join(HITS)} FROM intake.added_hits",
    "INSERT INTO intake.fresh_goals FROM intake.incoming_goals SEMI JOIN intake.added_hits USING (hit)",
    *(f"TRUNCATE intake.{name}" for name in ("incoming", "incoming_hits", "incoming_goals", "counted")),
)

# The stretch of time in which each visitor's sessions may be others now, the sessions in it, and the hits it is cut from.
# Redirects count from some way before it: they tell where the first page view came from.
_CHOOSING = (
    """
    CREATE TABLE intake.touched AS
    SELECT visitor, is_own_visit, min(moment) - $idle AS first, max(moment) + $idle AS last
    FROM intake.fresh GROUP BY ALL""",
    """
    CREATE TABLE intake.gone AS
    SELECT session, visitor, start, visits.last
    FROM visits JOIN intake.touched USING (visitor)
    WHERE is_own_visit OR (start <= touched.last AND visits.last >= first)""",
    """
    CREATE TABLE intake.stretches AS
    SELECT visitor, is_own_visit, least(any_value(first), min(start)) AS first,
           greatest(any_value(touched.last), max(gone.last)) AS last
    FROM intake.touched LEFT JOIN intake.gone USING (visitor) GROUP BY ALL""",
    f"INSERT INTO hits SELECT {', '.join(HITS)} FROM intake.fresh ORDER BY moment",
    "INSERT INTO hit_goals FROM intake.fresh_goals",
    f"""
    CREATE TABLE intake.chosen AS
    SELECT {", ".join(f"hits.{name}" for name in HITS)}
    FROM hits JOIN intake.stretches USING (visitor)
    WHERE hits.is_own_visit
       OR moment BETWEEN first AND last
       OR (hits.is_redirect AND moment BETWEEN first - $lead AND first)""",
    f"""
    CREATE TABLE intake.chosen_goals AS
    SELECT hit, list({{{", ".join(f"{name}: {name}" for name in HIT_GOALS if name != "hit")}}} ORDER BY ALL) AS goals
    FROM hit_goals SEMI JOIN intake.chosen USING (hit) GROUP BY hit""",
)

_HITS_TO_CUT = f"""
    SELECT visitor, is_own_visit, moment, is_same_site, has_arrival, is_tagged, is_page_view, {", ".join(CODED_IN_HITS)}, goals
    FROM intake.chosen LEFT JOIN intake.chosen_goals USING (hit)
    ORDER BY visitor"""

_REPLACING = (
    *(f"DELETE FROM {name} WHERE session IN (SELECT session FROM intake.gone)" for name in (*FACTS, "visits")),
    *(f"INSERT INTO {table.value} SELECT * FROM intake.new_{table.value} ORDER BY start, session" for table in Table),
)
