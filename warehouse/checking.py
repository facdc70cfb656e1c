"""Whether a warehouse is sound: every account's file there and whole, its sums those of its facts, nothing left over."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ..catalog.dimensions import Table
from ..catalog.errors import WarehouseUnavailable
from .layout import FACTS, LAYOUT, NO_EXTENSIONS
from .manifest import Entry, Manifest, folder_of, read_manifest
from .rollups import by_day, by_month

# What must find nothing.  By what is wrong when it does.
CHECKS: tuple[tuple[str, str], ...] = (
    *(
        (
            f"sums of {table.value} per day differ from the facts",
            f"SELECT day, count(*) AS rows FROM {table.value} GROUP BY day "
            f"EXCEPT SELECT day, {measure} FROM {by_day(table)} WHERE rollup = {rollup} {grouped}",
        )
        for table, measure, rollup, grouped in (
            (Table.SESSIONS, "entrances", 1, ""),
            (Table.PAGE_VIEWS, "sum(page_views)", 16, "GROUP BY day"),
        )
    ),
    *(
        (
            f"sums of {table.value} per month differ from those per day",
            f"SELECT rollup, date_trunc('month', DATE '1970-01-01' + day)::DATE AS month, count(DISTINCT combination) "
            f"FROM {by_day(table)} GROUP BY ALL "
            f"EXCEPT SELECT rollup, DATE '1970-01-01' + day, count(*) FROM {by_month(table)} GROUP BY ALL",
        )
        for table in Table
    ),
    *(
        (
            f"{table.value} of a session that is not there",
            f"SELECT session FROM {table.value} ANTI JOIN sessions USING (session) LIMIT 1",
        )
        for table in (Table.PAGE_VIEWS, Table.GOALS)
    ),
    ("two sessions with one number", "SELECT session FROM sessions GROUP BY session HAVING count(*) > 1 LIMIT 1"),
    (
        "page views of a session are not as many as it says",
        "SELECT session FROM sessions LEFT JOIN (SELECT session, count(*) AS views FROM page_views GROUP BY session) "
        "USING (session) WHERE sessions.page_views != coalesce(views, 0) LIMIT 1",
    ),
    (
        "words of a lexicon are missing",
        "SELECT dimension FROM lexicon GROUP BY dimension HAVING max(code) + 1 != count(DISTINCT code)",
    ),
    ("visits of a session that is not there", "SELECT session FROM visits ANTI JOIN sessions USING (session) LIMIT 1"),
)


@dataclass(frozen=True, slots=True)
class AccountHealth:
    id: str
    file: str
    bytes: int
    sessions: int
    page_views: int
    hits: int
    lines: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """``bytes`` are those in use; ``leftovers`` do no harm and go with a later import."""

    path: str
    layout: int
    versions: dict[str, str]
    bytes: int = 0
    accounts: tuple[AccountHealth, ...] = ()
    leftovers: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        return not any(account.problems for account in self.accounts)


def check(path: Path, version: str) -> Health:
    """Look at everything.  ``version`` is the program's.  Raises ``WarehouseUnavailable`` when there is no warehouse."""
    if not path.exists():
        raise WarehouseUnavailable(f"There is no warehouse at {path}; import a log first: fanin import --help")
    path = path.resolve()
    manifest = read_manifest(path)
    accounts = tuple(_check_account(entry, manifest.layout) for entry in manifest.entries.values())
    leftovers = tuple(_leftovers(path, manifest))
    return Health(
        str(path),
        manifest.layout,
        {"fanin": version, "duckdb": duckdb.__version__, "python": platform.python_version()},
        sum(file.stat().st_size for file in {path, *manifest.files} if file.exists()),
        accounts,
        leftovers,
    )


def _check_account(entry: Entry, layout: int) -> AccountHealth:
    found = {"sessions": 0, "page_views": 0, "hits": 0, "lines": 0}
    size = entry.file.stat().st_size if entry.file.exists() else 0
    problems: list[str] = []
    try:
        if not entry.file.exists():
            raise duckdb.IOException("its file is gone")
        with duckdb.connect(":memory:", config=dict(NO_EXTENSIONS)) as connection:
            quoted = str(entry.file).replace("'", "''")
            connection.execute(f"ATTACH '{quoted}' AS account (READ_ONLY, TYPE duckdb)")
            connection.execute("USE account")
            if layout == LAYOUT:
                found |= _counts(connection)
                problems += _problems(connection, entry)
            else:
                found |= _counts_of_older(connection, entry.number)
    except duckdb.Error as error:
        problems.append(f"cannot be read: {str(error).splitlines()[0]}")
    return AccountHealth(entry.account.id, entry.file.name, size, **found, problems=tuple(problems))


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    return {
        "sessions": _one(connection, "SELECT count(*) FROM sessions"),
        "page_views": _one(connection, "SELECT count(*) FROM page_views"),
        "hits": _one(connection, "SELECT count(*) FROM hits"),
        "lines": int(_one(connection, "SELECT coalesce(sum(times), 0) FROM lines")),
    }


def _counts_of_older(connection: duckdb.DuckDBPyConnection, number: int) -> dict[str, Any]:
    return {
        name: _one(connection, f"SELECT count(*) FROM {name} WHERE account = {number}")
        for name in ("sessions", "page_views")
    }


def _problems(connection: duckdb.DuckDBPyConnection, entry: Entry) -> Iterator[str]:
    for wrong, statement in CHECKS:
        if connection.execute(f"SELECT 1 FROM ({statement}) LIMIT 1").fetchall():
            yield wrong
    for table in FACTS:
        for _ in connection.execute(f"SELECT 1 FROM {table.value} WHERE account != {entry.number} LIMIT 1").fetchall():
            yield f"{table.value} of another account"
    days = connection.execute(
        "SELECT min(DATE '1970-01-01' + day), max(DATE '1970-01-01' + day) FROM sessions"
    ).fetchall()
    if days != [(entry.account.first_day, entry.account.last_day)]:
        yield "its first and last day are not those of its sessions"


def _one(connection: duckdb.DuckDBPyConnection, statement: str) -> Any:
    ((value,),) = connection.execute(statement).fetchall()
    return value


def _leftovers(path: Path, manifest: Manifest) -> Iterator[str]:
    """What is neither in use nor waiting for requests under way to end: of imports that died, or that run."""
    folder = folder_of(path)
    used = {file.name for file in (*manifest.files, *manifest.retired)}
    if folder.exists():
        yield from sorted(file.name for file in folder.iterdir() if file.name not in used)
    yield from sorted(file.name for file in path.parent.glob(f"{_literal(path.name)}.next*"))


def _literal(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)
