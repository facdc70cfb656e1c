"""What differs between the engines' SQL: one row of pieces each, out of which the same builder makes its statements.

A mark stands where a value is bound.  DuckDB counts its question marks; ClickHouse wants a name and a type for each, so
its marks are numbered once a text is whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from ..catalog.filters import Match
from ..catalog.metrics import Aggregate


@dataclass(frozen=True, slots=True)
class Dialect:
    """One engine's SQL."""

    name: str
    source: str  # what stands in front of a table's name
    account: str  # the mark of an account's number
    own: str  # tells the rows of an account, in the version that is read where the store keeps several
    number: str  # the mark of a bound number
    text: str  # the mark of a bound text
    folded: str  # a word of the lexicon without its case
    told: str  # what the first group of the RE2 ``{pattern}`` finds in a word, without its case
    matches: Mapping[
        Match, str
    ]  # over ``{value}`` and the ``{marks}``; ``{case}`` is i where a pattern ignores case, else c
    total: Callable[[Aggregate], str]  # the SQL that sums an aggregate, exact and in 64 bits
    pattern: Callable[[str, bool], str]  # an RE2 pattern as it is bound, and whether it ignores case

    def bound(self, text: str) -> str:
        """The whole text, its marks as the engine wants them."""
        if "?" in (self.number, self.text):
            return text
        places = count()
        return _MARK.sub(lambda mark: f"{{p{next(places)}:{mark[1]}}}", text)


_MARK = re.compile(r"\{:(\w+)\}")


def _duckdb_total(aggregate: Aggregate) -> str:
    where = f" FILTER (WHERE {aggregate.where})" if aggregate.where else ""
    return f"CAST({aggregate.total}{where} AS BIGINT)"


DUCKDB = Dialect(
    name="duckdb",
    source="warehouse.",  # the name under which the reader attaches the file
    account="?",
    own="account = ?",
    number="?",
    text="?",
    folded="lower(value)",
    told="lower(regexp_extract(value, '{pattern}', 1))",
    matches={
        Match.ONE_OF: "{value} IN ({marks})",
        Match.CONTAINS: "contains({value}, {marks})",
        Match.STARTS_WITH: "starts_with({value}, {marks})",
        Match.ENDS_WITH: "ends_with({value}, {marks})",
        Match.REGEX: "regexp_matches({value}, {marks}, '{case}')",
    },
    total=_duckdb_total,
    pattern=lambda pattern, ignore_case: pattern,
)


def _clickhouse_total(aggregate: Aggregate) -> str:
    """Rows count for their ``sign``: a session that was taken back stands there once more, with the opposite one."""
    added = "sign" if aggregate.adds == "1" else f"sign * {aggregate.adds}"
    return f"sumIf({added}, {aggregate.where})" if aggregate.where else f"sum({added})"


CLICKHOUSE = Dialect(
    name="clickhouse",
    source="",
    account="{:UInt64}",
    own="account = {:UInt64} AND version <= {:UInt32}",
    number="{:Int64}",
    text="{:String}",
    folded="folded",
    told="lowerUTF8(extract(value, '{pattern}'))",
    matches={
        Match.ONE_OF: "{value} IN ({marks})",
        Match.CONTAINS: "position({value}, {marks}) > 0",
        Match.STARTS_WITH: "startsWith({value}, {marks})",
        Match.ENDS_WITH: "endsWith({value}, {marks})",
        Match.REGEX: "match({value}, {marks})",
    },
    total=_clickhouse_total,
    # Left to itself the dot means the end of a line here too.
    pattern=lambda pattern, ignore_case: f"(?i-s){pattern}" if ignore_case else f"(?-s){pattern}",
)
