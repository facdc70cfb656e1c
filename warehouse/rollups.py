"""The roll-ups: every fact table summed up per day and per month, by what the reports group by.

A roll-up answers every question whose grouping and filters look at none but its dimensions.  Several dimensions are
stored as one number, their *combination*, which a table of its own spells; a single one is its own combination.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..catalog.dimensions import DIMENSIONS, Table
from ..catalog.endpoints import UTM
from ..catalog.filters import Filter
from ..catalog.metrics import METRICS
from ..catalog.segments import Segment
from .conditions import conditions_of


@dataclass(frozen=True, slots=True)
class Rollup:
    """One grouping that is summed up.  The day is part of all of them and not named."""

    number: int  # as it is stored; a change takes a new layout
    table: Table
    dimensions: tuple[str, ...] = ()

    @property
    def is_combined(self) -> bool:
        return len(self.dimensions) > 1

    @property
    def columns(self) -> dict[str, str]:
        """Its dimensions by the fact table's column, which dimensions may share: a landing page is a session's path."""
        return {DIMENSIONS[name].column(self.table): name for name in self.dimensions}


# Where several could answer, the first does, so the short ones stand before the long.
ROLLUPS: tuple[Rollup, ...] = (
    Rollup(1, Table.SESSIONS),
    Rollup(2, Table.SESSIONS, ("hour",)),
    Rollup(3, Table.SESSIONS, ("utm_source",)),
    Rollup(4, Table.SESSIONS, ("utm_medium",)),
    Rollup(5, Table.SESSIONS, ("utm_campaign",)),
    Rollup(6, Table.SESSIONS, ("utm_term",)),
    Rollup(7, Table.SESSIONS, ("utm_content",)),
    Rollup(8, Table.SESSIONS, ("referrer",)),
    Rollup(9, Table.SESSIONS, ("channel",)),
    Rollup(10, Table.SESSIONS, ("country",)),
    Rollup(11, Table.SESSIONS, ("device_type",)),
    Rollup(12, Table.SESSIONS, ("browser",)),
    Rollup(13, Table.SESSIONS, ("os",)),
    Rollup(14, Table.SESSIONS, ("landing_page", "content_grouping")),
    Rollup(15, Table.SESSIONS, UTM[:4]),
    Rollup(16, Table.PAGE_VIEWS, ("path", "content_grouping")),
    Rollup(17, Table.GOALS, ("goal_kind", "goal", "country")),
    Rollup(18, Table.GOALS, ("goal_kind", "goal", "device_type")),
    Rollup(19, Table.GOALS, ("goal_kind", "goal", *UTM)),
    Rollup(20, Table.GOALS, ("goal_kind", "goal", "landing_page")),
)

# The columns of the table of combinations, of which each roll-up uses as many as it has dimensions.
COMBINED_CODES = tuple(f"code_{place}" for place in range(1, 1 + max(len(rollup.dimensions) for rollup in ROLLUPS)))

# What each table's roll-ups sum: every metric it has.
ROLLED_METRICS: dict[Table, tuple[str, ...]] = {
    table: tuple(name for name, metric in METRICS.items() if table in metric.aggregates) for table in Table
}


def rollup_for(table: Table, grouping: Iterable[str], filtered: Iterable[str] = ()) -> Rollup | None:
    """The roll-up that a grouping can be read from, if there is one, when rows are filtered by these dimensions."""
    return _rollup_for(table, frozenset(grouping) - {"day"}, frozenset(filtered))


@lru_cache(maxsize=1024)
def _rollup_for(table: Table, wanted: frozenset[str], filtered: frozenset[str]) -> Rollup | None:
    columns = {DIMENSIONS[name].column(table) for name in filtered}
    return next(
        (
            rollup
            for rollup in ROLLUPS
            if rollup.table is table and wanted <= set(rollup.dimensions) and columns <= set(rollup.columns)
        ),
        None,
    )


def is_rolled_up(
    table: Table, groupings: Iterable[Iterable[str]], filters: tuple[Filter, ...], segment: Segment | None
) -> bool:
    """Whether roll-ups tell all of these groupings of the rows that pass."""
    filtered = filtered_dimensions(filters, segment)
    return all(rollup_for(table, grouping, filtered) for grouping in groupings)


def filtered_dimensions(filters: Iterable[Filter], segment: Segment | None) -> frozenset[str]:
    """The dimensions that any condition looks at."""
    return frozenset(condition.field for condition in conditions_of(filters, segment))


def by_day(table: Table) -> str:
    """The table of a fact table's sums per day."""
    return f"{table.value}_by_day"


def by_month(table: Table) -> str:
    """The same per month; its ``day`` is the month's first."""
    return f"{table.value}_by_month"
