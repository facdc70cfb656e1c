"""The planner: many questions in, few scans out.

Questions that share account, window and filters are fused: their groupings of one fact table become one statement, and
their comparison windows ride along in it.  Rules 3.1, 3.2.  What roll-ups can tell is asked of them, apart from the rest:
one tile that they cannot tell must not take the others to the facts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..catalog.dimensions import Table
from ..catalog.endpoints import UTM, Shape
from ..catalog.filters import OPERATORS, Filter, canonical_filter
from ..catalog.metrics import METRICS
from ..catalog.periods import Window
from ..catalog.query import SharedScope, StatsQuery, groupings, summed_metrics
from ..warehouse.rollups import is_rolled_up
from ..warehouse.store import Listing, Scan, Source

MOST_KEYS = 1_000  # questions whose keys are remembered


@dataclass(frozen=True, slots=True)
class SharedKey:
    """What questions must have in common to be answered by one scan of one table."""

    scope: SharedScope
    table: Table
    rolled_up: bool  # whether the warehouse's roll-ups can tell it

    @property
    def source(self) -> Source:
        """What a scan with this key is read from, in a warehouse that has roll-ups."""
        return Source.ROLLUP if self.rolled_up else Source.STATEMENT


@lru_cache(MOST_KEYS)
def shared_keys(query: StatsQuery) -> tuple[SharedKey, ...]:
    """One key per fact table that the question reads.  Asked several times of each question of a request."""
    scope = query.scope.shared
    wanted: dict[Table, list[tuple[str, ...]]] = {}
    for grouping in groupings(query).values():
        wanted.setdefault(grouping.table, []).append(grouping.dimensions)
    return tuple(
        SharedKey(scope, table, is_rolled_up(table, grouped, scope.filters, scope.segment))
        for table, grouped in wanted.items()
    )


def listings(query: StatsQuery) -> dict[str, Listing]:
    """The rows a question wants as they are, by the name its answerer knows them under."""
    match query.endpoint.shape:
        case Shape.EVENTS:
            kept = (canonical_filter("goal", OPERATORS["in"], query.goals, "conversion_type"),) if query.goals else ()
            return {"events": _listing(query, Table.GOALS, EVENT_COLUMNS, kept)}
        case Shape.STEPS:
            paths = canonical_filter("path", OPERATORS["in"], query.steps, "steps")
            goals = canonical_filter("goal", OPERATORS["in"], query.steps, "steps")
            return {
                "page_views": _listing(query, Table.PAGE_VIEWS, ("session", "moment", "path"), (paths,)),
                "goals": _listing(query, Table.GOALS, ("session", "moment", "goal"), (goals,)),
            }
        case _:
            return {}


# What an event tells: when, which goal, for how much, and the dimensions of its session.  Contract §1.12.
EVENT_DIMENSIONS = ("country", "device_type", "browser", "os", "channel", "landing_page", *UTM)
EVENT_COLUMNS = ("session", "moment", "goal_kind", "goal", "amount_cents", *EVENT_DIMENSIONS)


def _listing(query: StatsQuery, table: Table, columns: tuple[str, ...], kept: tuple[Filter, ...]) -> Listing:
    scope = query.scope
    read = tuple(dict.fromkeys((*columns, *(dimension for dimension, _ in scope.below))))
    return Listing(table, scope.account, scope.window, (*scope.filters, *kept), read, scope.segment)


def fuse(key: SharedKey, queries: Iterable[StatsQuery]) -> Scan:
    """The one scan that answers all of ``queries``, each of which has this key."""
    comparisons: set[Window] = set()
    wanted: set[tuple[str, ...]] = set()
    compared: set[tuple[str, ...]] = set()
    metrics: set[str] = set()
    for query in queries:
        own = {grouping.dimensions for grouping in groupings(query).values() if grouping.table is key.table}
        wanted |= own
        metrics |= set(summed_metrics(query, key.table))
        if query.scope.comparison is not None:
            comparisons.add(query.scope.comparison)
            compared |= own
    scope = key.scope
    earlier = sorted(comparisons - {scope.window}, key=lambda window: (window.start, window.end))
    return Scan(
        table=key.table,
        account=scope.account,
        windows=(scope.window, *earlier),
        filters=scope.filters,
        segment=scope.segment,
        groupings=tuple(sorted(wanted)),
        metrics=tuple(name for name in METRICS if name in metrics),
        compared=tuple(sorted(compared)),
    )


def covers(scan: Scan, other: Scan) -> bool:
    """Whether everything ``other`` would tell can be read off ``scan``, which has the same key."""
    return (
        set(other.windows) <= set(scan.windows)
        and all(set(other.groupings_of(window)) <= set(scan.groupings_of(window)) for window in other.windows)
        and set(other.metrics) <= set(scan.metrics)
    )
