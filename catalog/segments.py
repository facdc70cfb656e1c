"""Segments: named conditions a question can be narrowed to, those of the system and those of a settings file.  Contract §2.5.

A segment is an OR of groups, each an AND of conditions, less the rows of any of its not-groups.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadRequest, NotFound, StatsError, suggestion
from .filters import FILTER_FIELDS, Filter, Match, Operator, canonical_filter

MAX_CONDITIONS = 20
MAX_GROUPS = 10
SLUG = re.compile(r"[a-z0-9-]{1,50}|seg_[A-Za-z0-9_]{1,60}")

SEGMENT_FIELDS = (*FILTER_FIELDS, "referrer_domain")

# The operators of segments; note ``neq`` where filters say ``ne``.
SEGMENT_OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("eq", Match.ONE_OF, False, False, "is the value"),
        Operator("neq", Match.ONE_OF, True, False, "is not the value"),
        Operator("contains", Match.CONTAINS, False, False, "has the text in it"),
        Operator("not_contains", Match.CONTAINS, True, False, "has not the text in it"),
        Operator("starts_with", Match.STARTS_WITH, False, False, "begins with the text"),
        Operator("ends_with", Match.ENDS_WITH, False, False, "ends with the text"),
        Operator("in", Match.ONE_OF, False, True, "is one of the values"),
        Operator("not_in", Match.ONE_OF, True, True, "is none of the values"),
        Operator("regex", Match.REGEX, False, False, "matches the RE2 pattern somewhere"),
        Operator("not_regex", Match.REGEX, True, False, "matches the RE2 pattern nowhere"),
    )
}

Group = tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A canonical segment: equal ones are equal values.  No groups at all is everyone."""

    groups: tuple[Group, ...] = ()
    not_groups: tuple[Group, ...] = ()

    def without(self, fields: Iterable[str]) -> Segment | None:
        """The segment less its conditions on ``fields``, which a caller has filtered explicitly; None when nothing is
        left.  Contract §6.13."""
        named = set(fields)
        groups = tuple(_less(group, named) for group in self.groups)
        not_groups = tuple(less for group in self.not_groups if (less := _less(group, named)))
        left = Segment(() if any(not group for group in groups) else groups, not_groups)
        return left if left.groups or left.not_groups else None


def _less(group: Group, fields: set[str]) -> Group:
    return tuple(condition for condition in group if condition.field not in fields)


@dataclass(frozen=True, slots=True)
class NamedSegment:
    """A segment as callers name it: by slug or, a saved one, by its id too; of one account or of all."""

    slug: str
    title: str
    segment: Segment
    id: str = ""
    account: str = ""


def _one(field: str, *values: str) -> Segment:
    return Segment(groups=((canonical_filter(field, SEGMENT_OPERATORS["in"], values, "segment"),),))


SYSTEM_SEGMENTS: tuple[NamedSegment, ...] = (
    NamedSegment("all-traffic", "All traffic", Segment()),
    NamedSegment("organic-search", "Organic search", _one("utm_medium", "organic")),
    NamedSegment("paid-search", "Paid search", _one("utm_medium", "cpc")),
    NamedSegment("social", "Social", _one("channel", "Organic Social", "Paid Social")),
    NamedSegment("direct", "Direct", _one("channel", "Direct")),
    NamedSegment("referral", "Referral", _one("channel", "Referral")),
    NamedSegment("mobile", "Mobile", _one("device_type", "mobile")),
    NamedSegment("desktop", "Desktop", _one("device_type", "desktop")),
)


def find_segment(name: str, account: str, saved: Iterable[NamedSegment]) -> Segment:
    """The segment of that slug or id for an account.  Raises ``NotFound`` naming the nearest that there is."""
    known = [*SYSTEM_SEGMENTS, *(named for named in saved if named.account in ("", account))]
    for named in known:
        if name and name in (named.slug, named.id):
            return named.segment
    raise NotFound(f"Unknown segment: {name[:60]}{suggestion(name, [named.slug for named in known])}")


# --- the settings file --------------------------------------------------------------------------------------------


def read_segments(path: Path) -> tuple[NamedSegment, ...]:
    """The saved segments of a TOML file, one ``[[segments]]`` table each.

    Raises ``BadRequest`` naming the segment, the key, its value and what would be accepted.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise BadRequest(f"The segments file '{path}' cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The segments file '{path}' is not TOML: {error}") from None
    try:
        return _read_all(table)
    except StatsError as error:
        raise BadRequest(f"The segments file '{path}' cannot be used: {error.message}") from None


def _read_all(table: Mapping[str, Any]) -> tuple[NamedSegment, ...]:
    _known_keys("the file", table, ("segments",))
    given = table.get("segments", [])
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise BadRequest("segments must be tables: [[segments]]")
    named = tuple(_read_one(item) for item in given)
    taken = [segment.slug for segment in SYSTEM_SEGMENTS]
    for segment in named:
        if segment.slug in taken:
            raise BadRequest(f"the slug '{segment.slug}' is taken already")
        taken.append(segment.slug)
    return named


def _read_one(item: Mapping[str, Any]) -> NamedSegment:
    slug = item.get("slug")
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        raise BadRequest(f"slug '{str(slug)[:60]}' must be of a-z, 0-9 and '-', at most 50")
    where = f"segment '{slug}'"
    _known_keys(where, item, ("slug", "id", "title", "account", "conditions", "groups", "not_groups"))
    if ("conditions" in item) == ("groups" in item):
        raise BadRequest(f"{where} needs either conditions or groups")
    groups = [item["conditions"]] if "conditions" in item else item["groups"]
    most = MAX_CONDITIONS if "conditions" in item else MAX_GROUPS
    return NamedSegment(
        slug=slug,
        title=str(item.get("title", slug)),
        segment=Segment(
            _read_groups(f"{where}: groups", groups, most),
            _read_groups(f"{where}: not_groups", item.get("not_groups", []), MAX_GROUPS),
        ),
        id=str(item.get("id", "")),
        account=str(item.get("account", "")),
    )


def _read_groups(where: str, groups: Any, most: int) -> tuple[Group, ...]:
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        raise BadRequest(f"{where} must be a list of at most {MAX_GROUPS} groups")
    return tuple(sorted(_read_group(where, group, most) for group in groups))


def _read_group(where: str, group: Any, most: int) -> Group:
    if not isinstance(group, list) or not 1 <= len(group) <= most:
        raise BadRequest(f"{where}: a group must be a list of 1 to {most} conditions")
    return tuple(sorted({_read_condition(where, condition) for condition in group}))


def _read_condition(where: str, condition: Any) -> Filter:
    if not isinstance(condition, dict):
        raise BadRequest(f"{where}: a condition must be a table of field, op and value")
    _known_keys(where, condition, ("field", "op", "value"))
    field, op, value = (condition.get(name) for name in ("field", "op", "value"))
    if field not in SEGMENT_FIELDS:
        raise BadRequest(
            f"{where}: unknown field '{field}'{suggestion(str(field), SEGMENT_FIELDS)}; accepted: {', '.join(SEGMENT_FIELDS)}"
        )
    operator = SEGMENT_OPERATORS.get(str(op))
    if operator is None:
        raise BadRequest(
            f"{where}: unknown operator '{op}'{suggestion(str(op), SEGMENT_OPERATORS)}; "
            f"accepted: {', '.join(SEGMENT_OPERATORS)}"
        )
    values: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise BadRequest(f"{where}: the value of {field} must be a text, or a list of texts for in and not_in")
    return canonical_filter(str(field), operator, values, where)


def _known_keys(where: str, table: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            raise BadRequest(f"{where}: unknown key '{key}'{suggestion(key, keys)}; accepted: {', '.join(keys)}")
