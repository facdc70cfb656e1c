"""Single sessions of an account in a file, their words spelled: written by the engine, whatever their number."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from ..catalog.dimensions import Table
from ..catalog.errors import BadRequest, WarehouseUnavailable
from .layout import NO_EXTENSIONS, SESSION_DIMENSIONS, lexicon_of
from .manifest import read_manifest
from .statements import day_number

# How files are written, by the usual end of their name.
WRITTEN = {".csv": "FORMAT csv, HEADER", ".ndjson": "FORMAT json", ".parquet": "FORMAT parquet"}


def export_sessions(path: Path, account_id: str, first: date | None, last: date | None, output: Path, kind: str) -> int:
    """Write the sessions of these local days, of all where nothing is said, as one of ``WRITTEN``.  Returns how many.

    Times are UTC, ``day`` and ``hour`` the account's own, money is in its currency.  Raises ``BadRequest`` for an account
    that is not there, ``WarehouseUnavailable``.
    """
    manifest = read_manifest(path)
    entry = manifest.entries.get(account_id)
    if entry is None:
        raise BadRequest(f"There is no account {account_id}; there are {', '.join(manifest.entries) or 'none'}")
    bounds = [
        f"sessions.day {sign} {day_number(day)}" for sign, day in ((">=", first), ("<=", last)) if day is not None
    ]
    where = " AND ".join([f"sessions.account = {entry.number}", *bounds])
    file, target = (str(place).replace("'", "''") for place in (entry.file, output))
    try:
        with duckdb.connect(":memory:", config=dict(NO_EXTENSIONS)) as connection:
            connection.execute(f"ATTACH '{file}' AS account (READ_ONLY, TYPE duckdb)")
            connection.execute("USE account")
            ((count,),) = connection.execute(f"SELECT count(*) FROM sessions WHERE {where}").fetchall()
            connection.execute(f"COPY ({_selected(where, entry.number)}) TO '{target}' ({WRITTEN[kind]})")
            return count
    except duckdb.Error as error:
        raise WarehouseUnavailable(f"{output} cannot be written: {str(error).splitlines()[0]}") from None


def _selected(where: str, number: int) -> str:
    spelled = [f"{name}_words.value AS {name}" for name in SESSION_DIMENSIONS]
    joins = [
        f"JOIN lexicon AS {name}_words ON {name}_words.account = {number} AND {name}_words.code = sessions.{name} "
        f"AND {name}_words.dimension = '{lexicon_of(Table.SESSIONS, name)}'"
        for name in SESSION_DIMENSIONS
    ]
    return (
        f"SELECT session, make_timestamp(start * 1000000) AS start, DATE '1970-01-01' + day AS day, hour, {', '.join(spelled)}, "
        "page_views, conversions, microconversions, CAST(CAST(revenue_cents AS DECIMAL(18, 2)) * 0.01 AS DECIMAL(18, 2)) AS revenue "
        f"FROM sessions {' '.join(joins)} WHERE {where} ORDER BY start, session"
    )
