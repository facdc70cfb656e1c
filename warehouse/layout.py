"""The tables of an account's file: facts in integer codes, a lexicon that spells them, money in cents.

Facts are appended sorted by their start, so that a scan of a window touches few row groups.  Beside them stand their sums
per day and month (``rollups.py``).  In layouts 1 and 2 all accounts lay in one file, told apart by their number, and layout
1 had no sums and no stamps: both are read as they are, and brought forward by the first import.
"""

from __future__ import annotations

from ..catalog.dimensions import DIMENSIONS, Table
from .rollups import COMBINED_CODES, ROLLED_METRICS, by_day, by_month

LAYOUT = 3
FIRST_WITH_ROLLUPS = 2
OLDER_LAYOUTS = (1, 2)

# The engine's settings for every connection: left to itself it would fetch an extension over the network when it is
# shown a file of another program, SQLite's for one.
NO_EXTENSIONS = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

# The dimensions of a session, which its page views and goals carry too, so that every filter works on every table.
SESSION_DIMENSIONS = (
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "referrer",
    "channel",
    "country",
    "device_type",
    "browser",
    "os",
    "landing_page",
    "landing_content_grouping",
)

_WHEN = (("account", "INTEGER"), ("session", "UINTEGER"), ("start", "BIGINT"), ("day", "INTEGER"), ("hour", "UTINYINT"))
_SESSION = tuple((name, "UINTEGER") for name in SESSION_DIMENSIONS)

# Column name and type of each fact table, in the order an importer writes them.  ``start`` is the session's first
# moment in UTC, ``session`` its number in the account, ``day`` and ``hour`` are local; a session counts wholly, with all that belongs to it, on that day.
FACTS: dict[Table, tuple[tuple[str, str], ...]] = {
    Table.SESSIONS: (
        *_WHEN,
        *_SESSION,
        ("page_views", "UINTEGER"),
        ("conversions", "UINTEGER"),
        ("microconversions", "UINTEGER"),
        ("revenue_cents", "BIGINT"),
    ),
    Table.PAGE_VIEWS: (
        *_WHEN,
        *_SESSION,
        ("moment", "BIGINT"),
        ("path", "UINTEGER"),
        ("content_grouping", "UINTEGER"),
        ("is_entrance", "BOOLEAN"),
        ("is_engaged", "BOOLEAN"),
    ),
    Table.GOALS: (
        *_WHEN,
        *_SESSION,
        ("moment", "BIGINT"),
        ("goal", "UINTEGER"),
        ("is_conversion", "BOOLEAN"),
        ("amount_cents", "BIGINT"),
    ),
}

# The account's number is the same in all rows of a file; it stands there because the same statements serve warehouses that
# keep accounts together.
_OTHERS = {
    "fanin_meta": "schema_version INTEGER NOT NULL, late_sessions BIGINT NOT NULL",
    "lexicon": "account INTEGER NOT NULL, dimension VARCHAR NOT NULL, code UINTEGER NOT NULL, value VARCHAR NOT NULL",
    "imports": (
        "account INTEGER NOT NULL, digest VARCHAR NOT NULL, source_name VARCHAR NOT NULL, lines BIGINT DEFAULT 0 NOT NULL"
    ),
}

# What an import has to know of those before it: which lines were read, how often, and every hit, so that a session can be
# cut anew when a late hit belongs to it.  A line and a visitor are hashes that no one can make without the secret.
HITS: dict[str, str] = {
    "hit": "BIGINT",
    "visitor": "UBIGINT",
    "moment": "BIGINT",
    "is_own_visit": "BOOLEAN",  # all of the visitor's hits are one session, however long the pauses
    "is_redirect": "BOOLEAN",
    "is_same_site": "BOOLEAN",
    "has_arrival": "BOOLEAN",
    "is_tagged": "BOOLEAN",
    "is_page_view": "BOOLEAN",
    "utm_source": "UINTEGER",
    "utm_medium": "UINTEGER",
    "utm_campaign": "UINTEGER",
    "utm_term": "UINTEGER",
    "utm_content": "UINTEGER",
    "referrer": "UINTEGER",
    "path": "UINTEGER",
    "content_grouping": "UINTEGER",
    "country": "UINTEGER",
    "device_type": "UINTEGER",
    "browser": "UINTEGER",
    "os": "UINTEGER",
}
HIT_GOALS: dict[str, str] = {
    "hit": "BIGINT",
    "goal": "UINTEGER",
    "is_conversion": "BOOLEAN",
    "amount_cents": "BIGINT",
}
CODED_IN_HITS = tuple(name for name, kind in HITS.items() if kind == "UINTEGER")  # by the lexicon of the same name

_KNOWN = {
    "secret": "secret BLOB NOT NULL",
    "settings": "settings VARCHAR NOT NULL",
    "lines": "line UBIGINT NOT NULL, times UINTEGER NOT NULL",
    "hits": ", ".join(f"{name} {kind} NOT NULL" for name, kind in HITS.items()),
    "hit_goals": ", ".join(f"{name} {kind} NOT NULL" for name, kind in HIT_GOALS.items()),
    "visits": "session UINTEGER NOT NULL, visitor UBIGINT NOT NULL, start BIGINT NOT NULL, last BIGINT NOT NULL",
}

_ROLLED = "account INTEGER NOT NULL, rollup UTINYINT NOT NULL, day INTEGER NOT NULL, combination UINTEGER NOT NULL"


def _rollup_tables() -> dict[str, str]:
    """Per fact table its sums per day and per month, and what a combination of several codes stands for."""
    tables = {
        name: ", ".join([_ROLLED, *(f"{metric} BIGINT NOT NULL" for metric in ROLLED_METRICS[table])])
        for table in Table
        for name in (by_day(table), by_month(table))
    }
    codes = ", ".join(f"{code} UINTEGER NOT NULL" for code in COMBINED_CODES)
    combined = f"account INTEGER NOT NULL, rollup UTINYINT NOT NULL, combination UINTEGER NOT NULL, {codes}"
    return tables | {"combinations": combined}


def create_statements() -> list[str]:
    """The statements that make the empty file of an account."""
    return [
        *(
            f"CREATE TABLE {name} ({columns})"
            for name, columns in (_OTHERS | _KNOWN | _facts() | _rollup_tables()).items()
        ),
        f"INSERT INTO fanin_meta VALUES ({LAYOUT}, 0)",
    ]


def tables_of(layout: int) -> set[str]:
    """The tables that a file of a layout has and that imports ask."""
    return {"imports", "settings"} if layout == LAYOUT else {"imports"}


def reorder_statements() -> list[str]:
    """The statements that put all facts in the order of their sessions' start again."""
    return [
        statement
        for name, columns in _facts().items()
        for statement in (
            f"CREATE TABLE ordered ({columns})",
            f"INSERT INTO ordered SELECT * FROM {name} ORDER BY start, session",
            f"DROP TABLE {name}",
            f"ALTER TABLE ordered RENAME TO {name}",
        )
    ] + ["UPDATE fanin_meta SET late_sessions = 0"]


def copy_statements(layout: int) -> list[str]:
    """The statements that take an account out of a file of an earlier layout, attached as ``older``, by ``$account``.

    Of layout 1 all but the roll-ups, which it has not.
    """
    ordered = dict.fromkeys((table.value for table in FACTS), " ORDER BY start, session")
    rolled = _rollup_tables() if layout >= FIRST_WITH_ROLLUPS else {}
    tables = dict.fromkeys(("lexicon", *rolled), "") | ordered
    return [
        "INSERT INTO imports BY NAME SELECT account, digest, source_name FROM older.imports WHERE account = $account",
        *(
            f"INSERT INTO {name} BY NAME SELECT * FROM older.{name} WHERE account = $account{order}"
            for name, order in tables.items()
        ),
    ]


def _facts() -> dict[str, str]:
    return {
        table.value: ", ".join(f"{name} {kind} NOT NULL" for name, kind in columns) for table, columns in FACTS.items()
    }


def lexicon_of(table: Table, column: str) -> str:
    """The lexicon that spells a coded column: a landing page is a path, so both share one."""
    for dimension in DIMENSIONS.values():
        in_table = dimension.columns is None or table in dimension.columns
        if dimension.lexicon_name and in_table and dimension.column(table) == column:
            return dimension.lexicon_name
    raise KeyError(column)
