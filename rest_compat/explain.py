"""What a plan would cost and how it could be better, told without touching data.  Batch rule 5.4."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..catalog.dimensions import Table
from ..catalog.filters import OPERATORS, Filter
from ..catalog.periods import Compare, Window
from ..catalog.query import SharedScope, StatsQuery
from ..resolvers.planner import fuse, gather, listings
from ..warehouse.store import Source
from .params import RestQuery
from .plan import Plan, PlannedQuery
from .translation import Translation

Json = dict[str, Any]

# Page views and goals, for ordered steps.
MOST_LISTINGS = 2


@dataclass(frozen=True, slots=True)
class ExplainedScan:
    """One scan after sharing, and whom it answers."""

    groupings: Mapping[Table, tuple[tuple[str, ...], ...]]  # by the table that is read; none: rows as they are
    scope: SharedScope
    segment: str | None
    windows: tuple[Window, ...]
    queries: tuple[str, ...]
    source: Source = Source.STATEMENT


def explanation(plan: Plan, translation: Translation, *, by_reports: bool = False) -> Json:
    """``{queries, scans, scan_count, further_scans_at_most, advice}`` of a valid plan.

    ``by_reports`` is for a warehouse that is asked for whole reports: each of them counts as a scan.
    """
    scans = list(_reports(plan, translation)) if by_reports else _scans(plan, translation)
    explained = {query.id: _explained_query(query, translation, scans) for query in plan.queries}
    return {
        "queries": explained,
        "scans": [_explained_scan(number, scan) for number, scan in enumerate(scans, start=1)],
        "scan_count": len(scans),
        "further_scans_at_most": _further_scans(translation),
        "advice": [
            *(advice for adviser in ADVISERS for advice in adviser(plan, translation)),
            *_more_slots_than_scans(plan, translation, scans),
        ],
    }


def _scans(plan: Plan, translation: Translation) -> list[ExplainedScan]:
    """As the loader fuses them: the first scan of a key serves all queries of the batch that are known by then."""
    return [*_fused_scans(plan, translation), *_listing_scans(plan, translation)]


def _reports(plan: Plan, translation: Translation) -> Iterator[ExplainedScan]:
    """Equal questions are one report; what is asked for at one moment goes in one message."""
    asking: defaultdict[StatsQuery, list[tuple[str, RestQuery]]] = defaultdict(list)
    for query_id, asked in _known(plan, translation):
        asking[asked.stats].append((query_id, asked))
    for question, served in asking.items():
        scope = question.scope
        windows = (scope.window, *([scope.comparison] if scope.comparison else []))
        ids = tuple(query_id for query_id, _ in served)
        groupings = {question.endpoint.table: (question.dimensions,)}
        yield ExplainedScan(groupings, scope.shared, served[0][1].segment, windows, ids, Source.UPSTREAM)


def _known(plan: Plan, translation: Translation) -> Iterator[tuple[str, RestQuery]]:
    yield from ((query.id, translation.queries[query.id]) for query in plan.queries if query.id in translation.queries)


def _fused_scans(plan: Plan, translation: Translation) -> Iterator[ExplainedScan]:
    asking: defaultdict[StatsQuery, list[tuple[str, RestQuery]]] = defaultdict(list)
    for query_id, asked in _known(plan, translation):
        asking[asked.stats].append((query_id, asked))
    for key, queries in gather(asking).items():
        scans = fuse(key, queries)
        served = [asked for query in queries for asked in asking[query]]
        windows = dict.fromkeys(window for scan in scans for window in scan.windows)
        yield ExplainedScan(
            {scan.table: scan.groupings for scan in scans},
            key.scope,
            served[0][1].segment,
            tuple(windows),
            _in_order(plan, {query_id for query_id, _ in served}),
            key.source,
        )


def _in_order(plan: Plan, ids: Collection[str]) -> tuple[str, ...]:
    return tuple(query.id for query in plan.queries if query.id in ids)


def _listing_scans(plan: Plan, translation: Translation) -> Iterator[ExplainedScan]:
    asking: defaultdict[Any, list[tuple[str, RestQuery]]] = defaultdict(list)
    for query_id, asked in _known(plan, translation):
        for listing in listings(asked.stats).values():
            asking[listing].append((query_id, asked))
    for listing, served in asking.items():
        ids = tuple(query_id for query_id, _ in served)
        _, first = served[0]
        scope = first.stats.scope.shared
        yield ExplainedScan({listing.table: ()}, scope, first.segment, (listing.window,), ids)


def _explained_query(query: PlannedQuery, translation: Translation, scans: list[ExplainedScan]) -> Json:
    """The windows and the scans of a query; of one that waits for values what is known before they are there."""
    told: Json = {}
    asked = translation.queries.get(query.id) or translation.literals.get(query.id)
    if asked:
        told["window"] = _window(asked.stats.scope.window)
        if asked.stats.scope.comparison is not None:
            told["comparison_window"] = _window(asked.stats.scope.comparison)
    if not query.bindings:
        numbers = [number for number, scan in enumerate(scans, start=1) if query.id in scan.queries]
        shared = {other: None for number in numbers for other in scans[number - 1].queries if other != query.id}
        return told | {"scans": numbers, "shared_with": list(shared)}
    return told | {
        "scans": [],
        "depends_on_values": [
            {"parameter": binding.parameter, "from": binding.source, "path": binding.path} for binding in query.bindings
        ],
    }


def _window(window: Window) -> Json:
    return {"start_date": window.start.isoformat(), "end_date": window.end.isoformat(), "days": window.days}


def _explained_scan(number: int, scan: ExplainedScan) -> Json:
    told: Json = {
        "scan": number,
        "source": scan.source.value,
        "account_id": scan.scope.account,
        "windows": [_window(window) for window in scan.windows],
        "filters": [_spelled(condition) for condition in scan.scope.filters],
        "reads": [
            {"table": table.value, "groupings": [list(grouping) for grouping in groupings]}
            for table, groupings in scan.groupings.items()
        ],
        "queries": list(scan.queries),
    }
    return told if scan.segment is None else told | {"segment": scan.segment}


_OPERATOR_NAMES = {(operator.match, operator.negated): operator.name for operator in OPERATORS.values()}


def _spelled(condition: Filter) -> str:
    """As ``filters`` would say it."""
    return f"{condition.field}:{_OPERATOR_NAMES[condition.match, condition.negated]}:{'|'.join(condition.values)}"


def _further_scans(translation: Translation) -> int:
    """The most that queries still waiting for values may add: one each, or as many as there are tables to list rows of."""
    waiting = [asked for asked in translation.literals.values() if asked]
    scans = sum(len(listings(asked.stats)) or 1 for asked in waiting)
    return scans + MOST_LISTINGS * (len(translation.literals) - len(waiting))


# --- advice -------------------------------------------------------------------------------------------------------


def _waits_in_vain(plan: Plan, translation: Translation) -> Iterator[Json]:
    for query in plan.queries:
        sources = {binding.source for binding in query.bindings}
        for needed in (needed for needed in query.depends_on if needed not in sources):
            yield _advice("takes_nothing", f"`{query.id}` waits for `{needed}` but takes nothing from it", query.id)


def _asks_the_same(plan: Plan, translation: Translation) -> Iterator[Json]:
    first: dict[Any, str] = {}
    for query_id, asked in _known(plan, translation):
        other = first.setdefault((asked.stats, asked.include_totals), query_id)
        if other != query_id:
            yield _advice("identical", f"`{query_id}` asks the same as `{other}`; it is asked once", query_id)


def _spells_differently(plan: Plan, translation: Translation) -> Iterator[Json]:
    spellings: defaultdict[Any, dict[str, str]] = defaultdict(dict)  # of a window: who says so first
    for query_id, asked in _known(plan, translation):
        scope = asked.stats.scope
        spellings[scope.account, scope.window].setdefault(_dates_written(asked), query_id)
    for (_, window), written in spellings.items():
        for (one, first), (other, second) in pairwise(written.items()):
            days = f"{window.start} to {window.end}"
            message = f"`{second}` says {other} and `{first}` says {one}: both are {days}; one spelling is enough"
            yield _advice("spelled_differently", message, second)


def _dates_written(asked: RestQuery) -> str:
    if "period" in asked.dates:
        return f"period {asked.dates['period']}"
    days = [asked.dates[name].isoformat() for name in ("start_date", "end_date") if name in asked.dates]
    return " to ".join(days) or "nothing"


def _compares_by_default(plan: Plan, translation: Translation) -> Iterator[Json]:
    for query in plan.queries:
        asked = translation.queries.get(query.id)
        if asked and "compare" not in query.params and asked.endpoint.compare not in (None, Compare.NONE):
            message = f"`{query.id}` is compared with an earlier window by default; compare none reads half as much"
            yield _advice("compares_by_default", message, query.id)


def _more_slots_than_scans(plan: Plan, translation: Translation, scans: list[ExplainedScan]) -> Iterator[Json]:
    limit = plan.options.parallel_limit
    most = len(scans) + _further_scans(translation)
    if limit > most:
        told = "1 scan" if most == 1 else f"{most} scans"
        yield _advice("parallel_limit", f"parallel_limit is {limit}, but the batch takes no more than {told}")


def _advice(code: str, message: str, query_id: str | None = None) -> Json:
    owner = {} if query_id is None else {"query_id": query_id}
    return {"code": code, "message": message} | owner


ADVISERS: tuple[Callable[[Plan, Translation], Iterator[Json]], ...] = (
    _waits_in_vain,
    _asks_the_same,
    _spells_differently,
    _compares_by_default,
)
