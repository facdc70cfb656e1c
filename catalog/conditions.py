"""A scope as conditions alone: its filters, its segment and the row it is inside of, for whoever knows only filters."""

from __future__ import annotations

from collections.abc import Iterator

from .dimensions import Table
from .endpoints import UTM
from .errors import BadRequest
from .filters import Filter, Match, exactly, pattern_of
from .query import Scope
from .segments import Segment


def conditions_of(scope: Scope, table: Table, *, exact: bool) -> tuple[Filter, ...]:
    """The conditions that rows of a fact table meet when they are in the scope.

    ``exact`` tells values apart that differ in case alone, as rows do and filters do not.  Raises ``BadRequest`` for a
    segment that is more than conditions joined by AND.
    """
    inside = (_inside(dimension, value, table, exact=exact) for dimension, value in scope.below)
    return (*scope.filters, *_of_segment(scope.segment or Segment()), *inside)


def _inside(dimension: str, value: str, table: Table, *, exact: bool) -> Filter:
    if dimension == "landing_page" and table is not Table.PAGE_VIEWS:
        return Filter("path", Match.ONE_OF, False, (value,))  # of a whole visit the two are one, and this looks at case
    return exactly(dimension, value) if exact and dimension in UTM else Filter(dimension, Match.ONE_OF, False, (value,))


def is_plain(segment: Segment) -> bool:
    """Whether a segment is conditions joined by AND."""
    return len(segment.groups) <= 1 and all(len(group) == 1 for group in segment.not_groups)


def _of_segment(segment: Segment) -> Iterator[Filter]:
    """A segment of one group, and of not-groups of one condition each, is conditions joined by AND."""
    if not is_plain(segment):
        raise BadRequest(
            "segment: the upstream API is asked by conditions joined by AND, and this segment joins some by OR; accepted: "
            "one group of conditions, and not_groups of one condition each"
        )
    for group in segment.groups:
        yield from map(_filter_of, group)
    for (condition,) in segment.not_groups:
        yield _filter_of(Filter(condition.field, condition.match, not condition.negated, condition.values))


def _filter_of(condition: Filter) -> Filter:
    """The condition on a field that filters have: the referring domain is a part of the referring address."""
    if condition.field != "referrer_domain":
        return condition
    if condition.match is Match.REGEX or "" in condition.values:
        raise BadRequest("segment: the upstream API is not asked for a pattern or for nothing in referrer_domain")
    open_start = "" if condition.match in (Match.ONE_OF, Match.STARTS_WITH) else "[^/:?#]*"
    open_end = "" if condition.match in (Match.ONE_OF, Match.ENDS_WITH) else "[^/:?#]*"
    host = rf"(?i)\A[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?(?:www\.)?{open_start}{pattern_of(condition.values)}{open_end}"
    return Filter("referrer", Match.REGEX, condition.negated, (rf"{host}(?:[:/?#]|\z)",))
