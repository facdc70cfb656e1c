"""Drill-down: all reports of one row, through its ``within`` field.

A row is a plain dict that does not know which question it answers, so a report remembers its question under its place in
the response, and the row's field finds it there.
"""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from ..catalog.errors import BadRequest
from ..catalog.query import Scope, StatsQuery
from .context import RequestContext

MAX_LEVELS = 2

Info = strawberry.Info[RequestContext, None]
Stats: Any = Annotated["Stats", strawberry.lazy("fanin.schema.stats")]

MEANING = (
    f"All reports of this row alone, at most {MAX_LEVELS} rows deep. They are read for all rows of the list at once. In the "
    "row of a page, reports of sessions are about those that landed there."
)


def within_field() -> Any:
    """The field of a row type; its resolver gives what ``StatsInside`` makes of the row's scope."""

    def resolve(self: Any, info: Info) -> Any:
        from .stats import Stats as Reports  # the rows' types come before that of the reports

        query, level = _asked(info)
        if level == MAX_LEVELS:
            raise BadRequest(f"within goes at most {MAX_LEVELS} rows deep")
        return Reports(_inside(query, self), level + 1)

    resolve.__annotations__ = {"info": Info, "return": Stats | None}
    return strawberry.field(resolver=resolve, description=MEANING)


def remember(info: Any, query: StatsQuery, level: int) -> None:
    """Keep a report's question for its rows.  The place is kept with it, so that its id stays its own."""
    info.context.asked[id(info.path)] = (info.path, query, level)


def _asked(info: Any) -> tuple[StatsQuery, int]:
    """The question whose rows ``info`` is in: up from the field to the row, the list and the report."""
    report = info.path.prev.prev.prev
    _, query, level = info.context.asked[id(report)]
    return query, level


def _inside(query: StatsQuery, row: dict[str, Any]) -> Scope:
    return query.scope.within({name: row[name] for name in query.dimensions if name in row})
