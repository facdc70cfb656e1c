"""The tables of a ClickHouse warehouse: the facts of the embedded one, in codes, as a ledger that is only added to.

Every row bears the account's version that it came with, and counts for its ``sign``.  Whoever reads an account as of a
version sees what had come by then and nothing of an import under way; what is taken back is written once more with the
opposite sign.  So roll-ups are materialised views that follow by themselves, and nothing has to be merged to be right.

On a cluster each table is a local one, replicated within its shard, and a ``Distributed`` one in front of it under the
name that statements use; an account lies on one shard with all that is its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..catalog.dimensions import DIMENSIONS, Table
from .dialects import CLICKHOUSE
from .layout import FACTS, HIT_GOALS, HITS
from .rollups import COMBINED_CODES, ROLLED_METRICS, ROLLUPS, Rollup, by_day, by_month
from .statements import sum_of

SCHEMA_VERSION = 1

# So many blocks of a table are remembered by their tokens, so that one that is sent again is not added again.
_REMEMBERED_BLOCKS = 1000

_TYPES = {
    "INTEGER": "Int32",
    "BIGINT": "Int64",
    "UINTEGER": "UInt32",
    "UBIGINT": "UInt64",
    "UTINYINT": "UInt8",
    "BOOLEAN": "Bool",
}


@dataclass(frozen=True, slots=True)
class ClickHouseTable:
    """One table.  ``shard_by`` tells on a cluster which shard a row lies on."""

    name: str
    columns: tuple[tuple[str, str], ...]
    order: str
    engine: str = "MergeTree"
    version: str = ""  # what the engine is given: the column that replaces, or those that are summed
    shard_by: str = "account"
    ttl: str = ""

    @property
    def local(self) -> str:
        return local_name(self.name)


def local_name(table: str) -> str:
    """A table's name on each server of a cluster."""
    return f"{table}_local"


def _ledger(columns: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The columns of facts: an account's number is never used again, so it is long and drawn by lot."""
    told = tuple((name, _TYPES[kind]) for name, kind in columns if name != "account")
    return ("account", "UInt64"), ("version", "UInt32"), ("sign", "Int8"), *told


_FACTS = tuple(
    ClickHouseTable(table.value, _ledger(columns), "account, day, start, session") for table, columns in FACTS.items()
)

_KEYS = "account, rollup, day, " + ", ".join(COMBINED_CODES) + ", version"


def _rolled(name: str, table: Table) -> ClickHouseTable:
    metrics = ROLLED_METRICS[table]
    columns = (
        ("account", "UInt64"),
        ("version", "UInt32"),
        ("rollup", "UInt8"),
        ("day", "Int32"),
        *((code, "UInt32") for code in COMBINED_CODES),
        *((metric, "Int64") for metric in metrics),
    )
    return ClickHouseTable(name, columns, _KEYS, "SummingMergeTree", f"({', '.join(metrics)})")


_ROLLED = tuple(_rolled(name, table) for table in Table for name in (by_day(table), by_month(table)))

# ``folded`` is the word without its case as the gateway folds, so that filters find the same in every engine.
_WORDS = ClickHouseTable(
    "lexicon",
    (
        ("account", "UInt64"),
        ("dimension", "LowCardinality(String)"),
        ("code", "UInt32"),
        ("value", "String"),
        ("folded", "String"),
    ),
    "account, dimension, code",
    "ReplacingMergeTree",
)

# A row here is what makes an import visible: the account as it is from then on.
_ACCOUNTS = ClickHouseTable(
    "accounts",
    (
        ("id", "String"),
        ("version", "UInt32"),
        ("account", "UInt64"),
        ("time_zone", "String"),
        ("currency", "String"),
        ("first_day", "Nullable(Int32)"),
        ("last_day", "Nullable(Int32)"),
        ("stamp", "String"),
    ),
    "id, version",
    shard_by="cityHash64(id)",
)

_IMPORTS = ClickHouseTable(
    "imports",
    (
        ("account", "UInt64"),
        ("version", "UInt32"),
        ("digest", "String"),
        ("source_name", "String"),
        ("added", "UInt64"),
    ),
    "account, version, digest",
)


def _known(name: str, columns: tuple[tuple[str, str], ...], order: str) -> ClickHouseTable:
    """What an import has to know of those before it (``layout.py``)."""
    return ClickHouseTable(name, (("account", "UInt64"), ("version", "UInt32"), *columns), f"account, {order}")


_VISITS = (("sign", "Int8"), ("session", "UInt32"), ("visitor", "UInt64"), ("start", "Int64"), ("last", "Int64"))

_KNOWN = (
    _known("secrets", (("secret", "String"),), "version"),
    _known("settings", (("settings", "String"),), "version"),
    _known("lines", (("line", "UInt64"), ("times", "UInt32")), "line"),
    _known("visits", _VISITS, "visitor, start"),
    _known("hits", tuple((name, _TYPES[kind]) for name, kind in HITS.items()), "visitor, moment"),
    _known("hit_goals", tuple((name, _TYPES[kind]) for name, kind in HIT_GOALS.items()), "hit"),
)

# Who is writing an account, and until when that holds unless it is said again.
_CLAIMS = ClickHouseTable(
    "claims",
    (("id", "String"), ("claim", "String"), ("serial", "UInt32"), ("until", "DateTime64(3, 'UTC')")),
    "id, claim",
    "ReplacingMergeTree",
    "serial",
    "cityHash64(id)",
    "toDateTime(until) + INTERVAL 1 DAY",
)

_META = ClickHouseTable(
    "fanin_meta",
    (("layout", "UInt32"), ("cluster", "String")),
    "layout",
    "ReplacingMergeTree",
    shard_by="layout",
)

TABLES = (_META, _ACCOUNTS, _IMPORTS, _CLAIMS, _WORDS, *_KNOWN, *_FACTS, *_ROLLED)

# What rows of an account bear its versions, those that a dead import left among them.
VERSIONED = (*(table.name for table in _ROLLED), *(table.name for table in (*_FACTS, *_KNOWN)), "imports")


def create_statements(cluster: str = "") -> Iterator[str]:
    """The statements that make the tables where they are not there yet."""
    for table in TABLES:
        yield from _create_table(table, cluster)
    for table in Table:
        yield _roll_up_days(table, cluster)
        yield _roll_up_months(table, cluster)
    yield (
        f"INSERT INTO fanin_meta SELECT {SCHEMA_VERSION}, '{cluster}' WHERE NOT EXISTS (SELECT layout FROM fanin_meta)"
    )


def _create_table(table: ClickHouseTable, cluster: str) -> Iterator[str]:
    columns = ",\n    ".join(f"{name} {kind}" for name, kind in table.columns)
    ttl = f"\nTTL {table.ttl}" if table.ttl else ""
    window = "replicated_deduplication_window" if cluster else "non_replicated_deduplication_window"
    yield (
        f"CREATE TABLE IF NOT EXISTS {_stored(table.name, cluster)}{_on(cluster)} (\n    {columns}\n)\n"
        f"ENGINE = {_engine(table, cluster)}\nORDER BY ({table.order}){ttl}\n"
        f"SETTINGS {window} = {_REMEMBERED_BLOCKS}"
    )
    if cluster:
        yield (
            f"CREATE TABLE IF NOT EXISTS {table.name}{_on(cluster)} AS {table.local}\n"
            f"ENGINE = Distributed('{cluster}', currentDatabase(), '{table.local}', {table.shard_by})"
        )


def _stored(name: str, cluster: str) -> str:
    return local_name(name) if cluster else name


def _on(cluster: str) -> str:
    return f" ON CLUSTER '{cluster}'" if cluster else ""


def _engine(table: ClickHouseTable, cluster: str) -> str:
    place = ["'/clickhouse/tables/{shard}/{database}/{table}'", "'{replica}'"] if cluster else []
    given = ", ".join([*place, *([table.version] if table.version else [])])
    return f"{'Replicated' if cluster else ''}{table.engine}({given})"


def _roll_up_days(table: Table, cluster: str) -> str:
    """Every roll-up of a fact table in one pass over the rows that come in: each row stands in each of them."""
    rollups = [rollup for rollup in ROLLUPS if rollup.table is table]
    rows = ",\n        ".join(_row_of(rollup) for rollup in rollups)
    codes = ", ".join(f"toUInt32(rolled.{place}) AS {code}" for place, code in enumerate(COMBINED_CODES, start=2))
    sums = ", ".join(f"{sum_of(metric, table, CLICKHOUSE)} AS {metric}_sum" for metric in ROLLED_METRICS[table])
    named = ", ".join(f"{metric}_sum AS {metric}" for metric in ROLLED_METRICS[table])
    source, target = _stored(table.value, cluster), _stored(by_day(table), cluster)
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {by_day(table)}_view{_on(cluster)} TO {target} AS\n"
        f"SELECT account, version, rollup, day, {', '.join(COMBINED_CODES)}, {named}\nFROM (\n"
        f"    SELECT account, version, toUInt8(rolled.1) AS rollup, day, {codes},\n    {sums}\n"
        f"    FROM {source}\n    ARRAY JOIN [\n        {rows}\n    ] AS rolled\n"
        f"    GROUP BY account, version, rolled, day\n)"
    )


def _row_of(rollup: Rollup) -> str:
    """A roll-up's number and the codes of its dimensions, as many as the longest has."""
    codes = [f"toUInt32({DIMENSIONS[name].column(rollup.table)})" for name in rollup.dimensions]
    unused = ["toUInt32(0)"] * (len(COMBINED_CODES) - len(codes))
    return f"({', '.join([f'toUInt8({rollup.number})', *codes, *unused])})"


def _roll_up_months(table: Table, cluster: str) -> str:
    source, target = _stored(by_day(table), cluster), _stored(by_month(table), cluster)
    keys = ["account", "version", "rollup", "toInt32(toStartOfMonth(toDate32(day))) AS month"]
    sums = ", ".join(f"sum({metric}) AS {metric}_sum" for metric in ROLLED_METRICS[table])
    named = ", ".join(f"{metric}_sum AS {metric}" for metric in ROLLED_METRICS[table])
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {by_month(table)}_view{_on(cluster)} TO {target} AS\n"
        f"SELECT account, version, rollup, month AS day, {', '.join(COMBINED_CODES)}, {named}\nFROM (\n"
        f"    SELECT {', '.join([*keys, *COMBINED_CODES])}, {sums}\n    FROM {source}\n"
        f"    GROUP BY account, version, rollup, month, {', '.join(COMBINED_CODES)}\n)"
    )
