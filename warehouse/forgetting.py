"""Taking facts out of an account for good: what is forgotten is in no file any more, not only hidden."""

from __future__ import annotations

from datetime import date

import duckdb

from ..catalog.dimensions import Table
from .drafts import Draft
from .layout import CODED_IN_HITS, FACTS, SESSION_DIMENSIONS, lexicon_of
from .statements import day_number


def forget_before(draft: Draft, day: date) -> int:
    """Take out the sessions of all local days before ``day``, with all that belongs to them.  Returns how many.

    Which lines were read stays known, by hashes that say nothing, so that an old log does not bring back what was
    forgotten.
    """
    connection = draft.connection
    first = day_number(day)
    days = [
        number for (number,) in connection.execute(f"SELECT DISTINCT day FROM sessions WHERE day < {first}").fetchall()
    ]
    ((before,),) = connection.execute(f"SELECT count(*) FROM sessions WHERE day < {first}").fetchall()
    if not before:
        return 0
    for statement in _statements(first):
        connection.execute(statement)
    draft.days |= set(days)
    draft.changes += 1
    _forget_words(connection)
    return before


def _statements(first: int) -> list[str]:
    """Hits go with the session they were cut from; redirects, which are in none, with the earliest of those that stay."""
    return [
        f"CREATE TEMP TABLE forgotten AS FROM visits SEMI JOIN (FROM sessions WHERE day < {first}) AS old USING (session)",
        "CREATE TEMP TABLE kept AS SELECT coalesce(min(start), 9223372036854775807) - 60 AS moment "
        "FROM visits ANTI JOIN forgotten USING (session)",
        "DELETE FROM hits USING forgotten WHERE hits.visitor = forgotten.visitor AND moment BETWEEN start AND last",
        "DELETE FROM hits WHERE is_redirect AND moment < (SELECT moment FROM kept)",
        "DELETE FROM hit_goals WHERE hit NOT IN (SELECT hit FROM hits)",
        "DELETE FROM visits WHERE session IN (SELECT session FROM forgotten)",
        *(f"DELETE FROM {table.value} WHERE day < {first}" for table in Table),
        "DROP TABLE forgotten",
        "DROP TABLE kept",
    ]


def _forget_words(connection: duckdb.DuckDBPyConnection) -> None:
    """Words that nothing says any more: their numbers stay, since those of the others must not change."""
    used: dict[str, list[str]] = {}
    for table, columns in FACTS.items():
        for name, _ in columns:
            if lexicon := _lexicon(table, name):
                used.setdefault(lexicon, []).append(f"SELECT {name} FROM {table.value}")
    for name in CODED_IN_HITS:
        used.setdefault(name, []).append(f"SELECT {name} FROM hits")
    used["goal"].append("SELECT goal FROM hit_goals")
    for lexicon, columns in used.items():
        connection.execute(
            "UPDATE lexicon SET value = '(forgotten ' || code || ')' "
            f"WHERE dimension = ? AND code NOT IN ({' UNION '.join(columns)})",
            [lexicon],
        )


def _lexicon(table: Table, name: str) -> str | None:
    if name in SESSION_DIMENSIONS:
        return lexicon_of(Table.SESSIONS, name)
    return {"path": "path", "content_grouping": "content_grouping", "goal": "goal"}.get(name)
