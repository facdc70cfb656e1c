"""The planner: many questions in, few scans out.

Questions that share account, window and filters are fused: their groupings of all fact tables become one statement, and
their comparison windows ride along in it.  Rules 3.1, 3.2.  What roll-ups can tell is asked of them, apart from the rest:
one tile that they cannot tell must not take the others to the facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from ..catalog.dimensions import Table
from ..catalog.endpoints import UTM, Shape
from ..catalog.filters import OPERATORS, Filter, canonical_filter
from ..catalog.metrics import METRICS
from ..catalog.periods import Window
from ..catalog.query import SharedScope, StatsQuery, groupings, summed_metrics
from ..warehouse.rollups import filtered_dimensions, is_rolled_up
from ..warehouse.store import Listing, Scan, Scans, Source

MOST_KEYS = 1_000  # questions whose keys are remembered


@dataclass(frozen=True, slots=True)
class SharedKey:
    """What questions must have in common to be answered by one statement."""

    scope: SharedScope
    rolled_up: bool  # whether the warehouse's roll-ups can tell it

    @property
    def source(self) -> Source:
        """What the scans with this key are read from, in a warehouse that has roll-ups."""
        return Source.ROLLUP if self.rolled_up else Source.STATEMENT


@lru_cache(MOST_KEYS)
def shared_key(query: StatsQuery) -> SharedKey | None:
    """The key of a question; None for one that groups nothing.  Asked several times of each question of a request."""
    scope = query.scope.shared
    wanted: defaultdict[Table, list[tuple[str, ...]]] = defaultdict(list)
    for grouping in groupings(query).values():
        wanted[grouping.table].append(grouping.dimensions)
    if not wanted:
        return None
    return SharedKey(
        scope, all(is_rolled_up(table, own, scope.filters, scope.segment) for table, own in wanted.items())
    )


def gather(queries: Iterable[StatsQuery]) -> dict[SharedKey, list[StatsQuery]]:
    """The questions by the statement that answers them.

    What has filters is read from the facts, though roll-ups could tell it, where others take the facts there anyway.
    """
    gathered: defaultdict[SharedKey, list[StatsQuery]] = defaultdict(list)
    for query in queries:
        key = shared_key(query)
        if key is not None:
            gathered[key].append(query)
    for key in [key for key in gathered if key.rolled_up and _is_filtered(key.scope)]:
        facts = replace(key, rolled_up=False)
        if facts in gathered:
            gathered[facts] += gathered.pop(key)
    return dict(gathered)


def _is_filtered(scope: SharedScope) -> bool:
    return bool(filtered_dimensions(scope.filters, scope.segment))


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


def fuse(key: SharedKey, queries: Iterable[StatsQuery]) -> Scans:
    """The scans that answer all of ``queries``, each of which has this key: one of every table that any of them reads."""
    asking = list(queries)
    return tuple(scan for table in Table if (scan := _scan(key.scope, table, asking)) is not None)


def _scan(scope: SharedScope, table: Table, queries: Iterable[StatsQuery]) -> Scan | None:
    comparisons: set[Window] = set()
    wanted: set[tuple[str, ...]] = set()
    compared: set[tuple[str, ...]] = set()
    metrics: set[str] = set()
    for query in queries:
        own = {grouping.dimensions for grouping in groupings(query).values() if grouping.table is table}
        if not own:
            continue
        wanted |= own
        metrics |= set(summed_metrics(query, table))
        if query.scope.comparison is not None:
            comparisons.add(query.scope.comparison)
            compared |= own
    if not wanted:
        return None
    earlier = sorted(comparisons - {scope.window}, key=lambda window: (window.start, window.end))
    return Scan(
        table=table,
        account=scope.account,
        windows=(scope.window, *earlier),
        filters=scope.filters,
        segment=scope.segment,
        groupings=tuple(sorted(wanted)),
        metrics=tuple(name for name in METRICS if name in metrics),
        compared=tuple(sorted(compared)),
    )


def cover(scans: Scans, others: Scans) -> bool:
    """Whether everything ``others`` would tell can be read off ``scans``, which have the same key."""
    own = {scan.table: scan for scan in scans}
    return all(other.table in own and _covers(own[other.table], other) for other in others)


def _covers(scan: Scan, other: Scan) -> bool:
    return (
        set(other.windows) <= set(scan.windows)
        and all(set(other.groupings_of(window)) <= set(scan.groupings_of(window)) for window in other.windows)
        and set(other.metrics) <= set(scan.metrics)
    )
