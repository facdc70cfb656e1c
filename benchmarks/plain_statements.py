"""What one would write without a gateway: a statement per report, over the same tables, one after another.

They are written to be quick: facts are grouped by code, and only the groups are joined to their names.  They leave out
what the reports tell beyond their rows (how many rows there are in all, totals, rates), which favours them.
Every row begins with what it is and how many.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

Window = tuple[date, date]

_EPOCH = date(1970, 1, 1)

_TRAFFIC = (
    "count(*) AS entrances, count(*) FILTER (WHERE page_views >= 2) AS engaged_entrances, sum(page_views) AS page_views, "
    "sum(microconversions) AS microconversions, sum(conversions) AS conversions, sum(revenue_cents) AS revenue_cents"
)
_IN_WINDOW = "account = $account AND day BETWEEN $first AND $last"
_UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


def _words(column: str, lexicon: str, kind: str = "JOIN") -> str:
    """The join that spells a column of ``figures`` under the column's own name."""
    return (
        f"{kind} lexicon AS {column}_word ON {column}_word.account = $account"
        f" AND {column}_word.dimension = '{lexicon}' AND {column}_word.code = figures.{column}"
    )


def _spelled(columns: Iterable[str]) -> str:
    return ", ".join(f"{column}_word.value" for column in columns)


def _traffic(column: str, limit: int, lexicon: str = "") -> str:
    return f"""
        SELECT {column}_word.value, figures.* EXCLUDE ({column})
        FROM (SELECT {column}, {_TRAFFIC} FROM sessions WHERE {_IN_WINDOW} GROUP BY {column}) AS figures
        {_words(column, lexicon or column)}
        ORDER BY entrances DESC, {column}_word.value LIMIT {limit}"""


_OVERVIEW = f"""
    SELECT DATE '1970-01-01' + day, {_TRAFFIC} FROM sessions
    WHERE account = $account AND (day BETWEEN $first AND $last OR day BETWEEN $compared_first AND $compared_last)
    GROUP BY day ORDER BY day"""

_PAGES = f"""
    SELECT path_word.value, page_views, content_grouping_word.value, entrances
    FROM (
        SELECT path, content_grouping, count(*) AS page_views, count(*) FILTER (WHERE is_entrance) AS entrances
        FROM page_views WHERE {_IN_WINDOW} GROUP BY path, content_grouping
    ) AS figures
    {_words("path", "path")} {_words("content_grouping", "content_grouping")}
    ORDER BY page_views DESC, path_word.value, content_grouping_word.value LIMIT 50"""

_LANDING_PAGES = f"""
    SELECT landing_page_word.value, figures.* EXCLUDE (landing_page, landing_content_grouping),
           landing_content_grouping_word.value
    FROM (
        SELECT landing_page, landing_content_grouping, {_TRAFFIC}
        FROM sessions WHERE {_IN_WINDOW} GROUP BY landing_page, landing_content_grouping
    ) AS figures
    {_words("landing_page", "path")} {_words("landing_content_grouping", "content_grouping")}
    ORDER BY entrances DESC, landing_page_word.value, landing_content_grouping_word.value LIMIT 50"""

_DEVICES = f"""
    SELECT word.value, figures.* EXCLUDE (dimension, code)
    FROM (
        SELECT CASE grouping(device_type, browser, os) WHEN 3 THEN 'device_type' WHEN 5 THEN 'browser' ELSE 'os' END
                   AS dimension,
               coalesce(device_type, browser, os) AS code, {_TRAFFIC}
        FROM sessions WHERE {_IN_WINDOW} GROUP BY GROUPING SETS ((device_type), (browser), (os))
    ) AS figures
    JOIN lexicon AS word ON word.account = $account AND word.dimension = figures.dimension AND word.code = figures.code
    ORDER BY figures.dimension, entrances DESC"""


def _goals(is_conversion: bool, *splits: tuple[str, ...]) -> str:
    """The goals of one kind, and each of them split in these ways."""
    columns = [column for split in splits for column in split]
    sets = ", ".join(f"({', '.join(('goal', *split))})" for split in ((), *splits))
    return f"""
        SELECT goal_word.value, goals, revenue_cents, level, {_spelled(columns)}
        FROM (
            SELECT goal, {", ".join(columns)}, grouping({", ".join(columns)}) AS level,
                   count(*) AS goals, sum(amount_cents) AS revenue_cents
            FROM goals WHERE {_IN_WINDOW} AND {"" if is_conversion else "NOT "}is_conversion GROUP BY GROUPING SETS ({sets})
        ) AS figures
        {_words("goal", "goal")} {" ".join(_words(column, column, "LEFT JOIN") for column in columns)}
        ORDER BY level DESC, goals DESC"""


_FUNNEL_BY = _UTM[:4]
_FUNNEL = f"""
    WITH traffic AS (
        SELECT {", ".join(_FUNNEL_BY)}, count(*) AS entrances, sum(page_views) AS page_views
        FROM sessions WHERE {_IN_WINDOW} GROUP BY {", ".join(_FUNNEL_BY)}
    ), named AS (
        SELECT figures.*, {", ".join(f"{column}_word.value AS {column}_name" for column in _FUNNEL_BY)}
        FROM traffic AS figures {" ".join(_words(column, column) for column in _FUNNEL_BY)}
        ORDER BY entrances DESC, {_spelled(_FUNNEL_BY)} LIMIT 100
    ), reached AS (
        SELECT {", ".join(_FUNNEL_BY)}, goal, is_conversion, count(*) AS goals, sum(amount_cents) AS revenue_cents
        FROM goals WHERE {_IN_WINDOW} GROUP BY ALL
    )
    SELECT utm_source_name, entrances, utm_medium_name, utm_campaign_name, utm_term_name, page_views, goal_word.value,
           is_conversion, goals, revenue_cents
    FROM named LEFT JOIN reached AS figures USING ({", ".join(_FUNNEL_BY)}) {_words("goal", "goal", "LEFT JOIN")}
    ORDER BY entrances DESC, utm_source_name, utm_medium_name, utm_campaign_name, utm_term_name"""

STATEMENTS: dict[str, str] = {
    "overview": _OVERVIEW,
    "pages": _PAGES,
    "sources": _traffic("utm_source", 50),
    "mediums": _traffic("utm_medium", 50),
    "campaigns": _traffic("utm_campaign", 50),
    "terms": _traffic("utm_term", 50),
    "referrers": _traffic("referrer", 50),
    "countries": _traffic("country", 50),
    "devices": _DEVICES,
    "browsers": _traffic("browser", 15),
    "os": _traffic("os", 15),
    "conversions": _goals(True, _UTM, ("country",)),
    "microconversions": _goals(False, _UTM),
    "funnel": _FUNNEL,
    "landing_pages": _LANDING_PAGES,
    "channels": _traffic("channel", 50),
}


# Put before a fact table's days when the question is about one country and one kind of device.
_FILTERED = "".join(
    f" AND {column} IN (SELECT code FROM lexicon WHERE account = $account AND dimension = '{column}' AND value = ${name})"
    for column, name in (("country", "country"), ("device_type", "device"))
)
_WHERE = "WHERE account = $account"


class PlainStatements:
    """The statements over the file of one account, attached read-only as the gateway attaches it.

    Several threads may run them at once.
    """

    def __init__(self, file: Path) -> None:
        self._connection = duckdb.connect(":memory:")
        self._connection.execute(f"ATTACH '{file}' AS warehouse (READ_ONLY)")
        self._own = threading.local()

    def run(
        self, report: str, window: Window, country: str | None = None, device: str | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of the columns, and rows.  The window before is compared with where the report does so by itself."""
        text = STATEMENTS[report]
        if country is not None:
            text = text.replace(_WHERE, _WHERE + _FILTERED)
        days = (window[1] - window[0]).days + 1
        bounds = dict(zip(("first", "last"), ((day - _EPOCH).days for day in window), strict=True))
        bounds |= {f"compared_{name}": day - days for name, day in bounds.items()}
        values = {"account": 1, "country": country, "device": device} | bounds
        cursor = self._cursor()
        cursor.execute(text, {name: value for name, value in values.items() if f"${name}" in text})
        names = [column[0] for column in cursor.description or ()]
        return names, cursor.fetchall()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """One for each thread, opened once."""
        if not hasattr(self._own, "cursor"):
            self._own.cursor = self._connection.cursor()
            self._own.cursor.execute("USE warehouse")
        return self._own.cursor

    def close(self) -> None:
        self._connection.close()
