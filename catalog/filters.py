"""Filters: which rows of the facts a question looks at.  Contract §2.4.

A filter has one canonical form, so that equal filters are equal values however they were spelled:
``country=es``, ``filters=country:eq:ES`` and ``{field: country, op: in, values: ["ES"]}`` are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from typing import NoReturn

import duckdb

from .dimensions import DIMENSIONS
from .errors import BadRequest, InvalidQuery, Problem, suggestion

MAX_VALUE_LENGTH = 500
MAX_VALUES = 100
MAX_FILTERS = 100  # each is a condition of the statement, and those can be nested only so deep


class Match(StrEnum):
    """How a filter looks at a value.  Each has one predicate in ``warehouse/statements.py``."""

    ONE_OF = "one_of"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator a caller may write, and what it comes down to."""

    name: str
    match: Match
    negated: bool
    many: bool  # takes several values
    meaning: str


OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("eq", Match.ONE_OF, False, False, "is the value"),
        Operator("ne", Match.ONE_OF, True, False, "is not the value"),
        Operator("contains", Match.CONTAINS, False, False, "has the text in it"),
        Operator("not_contains", Match.CONTAINS, True, False, "has not the text in it"),
        Operator("regex", Match.REGEX, False, False, "matches the RE2 pattern somewhere"),
        Operator("not_regex", Match.REGEX, True, False, "matches the RE2 pattern nowhere"),
        Operator("in", Match.ONE_OF, False, True, "is one of the values"),
        Operator("not_in", Match.ONE_OF, True, True, "is none of the values"),
    )
}

# The dimensions a caller may filter by: those of contract §2.4, and the channel group of its matrix (§1.0.4).
FILTER_FIELDS: tuple[str, ...] = (
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "country",
    "device_type",
    "browser",
    "os",
    "path",
    "referrer",
    "channel",
    "content_grouping",
    "landing_page",
)


# What the body of ``POST /stats/query`` filters by, and the dimension behind each word.  Contract §1.17.
FREE_FILTERS = {"channel_group": "channel"} | {name: name for name in FILTER_FIELDS}


@dataclass(frozen=True, slots=True, order=True)
class Filter:
    """A condition on one dimension in canonical form; several of them are joined by AND."""

    field: str
    match: Match
    negated: bool
    values: tuple[str, ...]


def make_filter(field: str, op: str, values: Iterable[str], where: str = "filters") -> Filter:
    """The canonical filter.  Raises ``BadRequest`` for an unknown field, operator, or values the operator cannot take."""
    if field not in FILTER_FIELDS:
        raise BadRequest(
            f"{where}: unknown field '{field[:40]}'{suggestion(field, FILTER_FIELDS)}; accepted: {', '.join(FILTER_FIELDS)}"
        )
    operator = OPERATORS.get(op)
    if operator is None:
        raise BadRequest(
            f"{where}: unknown operator '{op[:40]}'{suggestion(op, OPERATORS)}; accepted: {', '.join(OPERATORS)}"
        )
    return canonical_filter(field, operator, values, where)


def canonical_filter(field: str, operator: Operator, values: Iterable[str], where: str) -> Filter:
    """The filter in canonical form.  Raises ``BadRequest`` for values the operator cannot take."""
    return Filter(field, operator.match, operator.negated, _canonical_values(field, operator, tuple(values), where))


def parse_filters(text: str) -> tuple[Filter, ...]:
    """``field:op:value,field:op:value``; list values are joined by ``|``.  Raises ``BadRequest``.  Contract §2.4."""
    return check_number(tuple(_parse_filter(part) for part in text.split(",") if part.strip()))


def check_number(filters: tuple[Filter, ...]) -> tuple[Filter, ...]:
    """The filters themselves when they are few enough.  Raises ``BadRequest``."""
    if len(filters) > MAX_FILTERS:
        raise BadRequest(f"filters: at most {MAX_FILTERS} conditions, got {len(filters)}")
    return filters


def _parse_filter(part: str) -> Filter:
    field, op, value = (*part.strip().split(":", 2), "", "")[:3]
    if part.count(":") < 2:
        raise BadRequest(f"filters: '{part[:80]}' is not of the form field:op:value")
    many = op in OPERATORS and OPERATORS[op].many
    return make_filter(field, op, value.split("|") if many else [value])


def write_filters(filters: Iterable[Filter]) -> str:
    """``parse_filters`` backwards: the text that is read as these conditions, or as ones that mean the same.

    What the text cannot hold, such as a comma, is written as a pattern.  Raises ``BadRequest`` where that gets too long.
    """
    return ",".join(part for condition in filters for part in _written(condition))


def exactly(field: str, value: str) -> Filter:
    """The condition that is met by no other spelling of the value either, which takes a pattern where case is ignored."""
    if not DIMENSIONS[field].ignore_case or folded(value) == value.upper():
        return Filter(field, Match.ONE_OF, False, (value,))
    return Filter(field, Match.REGEX, False, (f"(?-i){_pattern(Match.ONE_OF, (value,))}",))


def _written(condition: Filter) -> Iterator[str]:
    """A condition as one part of the text, or as several where they are joined by AND anyhow."""
    name = _name_of(condition)
    if name and all(_can_be_written(value, name) for value in condition.values):
        yield f"{condition.field}:{name}:{'|'.join(condition.values)}"
    elif condition.negated and len(condition.values) > 1:
        for value in condition.values:
            yield from _written(replace(condition, values=(value,)))
    else:
        yield f"{condition.field}:{'not_regex' if condition.negated else 'regex'}:{_written_pattern(condition)}"


def _name_of(condition: Filter) -> str:
    """The operator that says a condition; empty where only a pattern does."""
    return next(
        (
            operator.name
            for operator in OPERATORS.values()
            if (operator.match, operator.negated) == (condition.match, condition.negated)
            and operator.many == (len(condition.values) > 1)
        ),
        "",
    )


def _can_be_written(value: str, name: str) -> bool:
    return "," not in value and value == value.rstrip() and not (OPERATORS[name].many and "|" in value)


def _written_pattern(condition: Filter) -> str:
    if condition.match is Match.REGEX:
        (pattern,) = condition.values
        written = pattern.replace(",", r"\x2C") if _commas_are_plain(pattern) else ""
    else:
        fold = "(?i)" if DIMENSIONS[condition.field].ignore_case else ""
        written = f"{fold}{_pattern(condition.match, condition.values)}"
    return written if 0 < len(written) <= MAX_VALUE_LENGTH else _unwritable(condition)


def _pattern(match: Match, values: Iterable[str]) -> str:
    """The pattern that finds one of the values where the match looks for it."""
    begins = r"\A" if match in (Match.ONE_OF, Match.STARTS_WITH) else ""
    ends = r"\z" if match in (Match.ONE_OF, Match.ENDS_WITH) else ""
    return f"{begins}{pattern_of(values)}{ends}"


def pattern_of(values: Iterable[str]) -> str:
    """The pattern that one of the values fits, letter by letter."""
    return f"(?:{'|'.join(map(_escaped, values))})"


def _escaped(value: str) -> str:
    """The value letter by letter; what could mean something in a pattern or in the text is written as its number."""
    return "".join(letter if letter.isalnum() or letter in _PLAIN else rf"\x{{{ord(letter):X}}}" for letter in value)


_PLAIN = frozenset("/_-:;=&%#!@~<>'\"")


def _commas_are_plain(pattern: str) -> bool:
    """Whether no comma of a pattern belongs to a count such as ``{1,2}``, which cannot be written otherwise, nor to a
    quotation, and no blank at its end would be lost."""
    return not re.search(r"\{\d+,|\\Q|\\,", pattern) and pattern == pattern.rstrip()


def _unwritable(condition: Filter) -> NoReturn:
    raise BadRequest(
        f"filters: the condition on {condition.field} cannot be asked of the upstream API, whose filters hold no commas, "
        f"no blanks at the end and at most {MAX_VALUE_LENGTH} characters"
    )


def folded(text: str) -> str:
    """The text without its case, letter by letter, which is how the engine's ``lower`` folds.

    Python's own ``lower`` looks at whole words (a sigma at the end) and makes two letters of some capitals.
    """
    return "".join(letter.lower()[0] for letter in text)


def parse_country(value: str) -> str:
    """Two letters or ``unknown``, any case.  Raises ``InvalidQuery`` on ``country``.  Contract §2.4."""
    if value.lower() == "unknown":
        return "Unknown"
    if not re.fullmatch(r"[A-Za-z]{2}", value):
        raise InvalidQuery.of(
            Problem("country", f"'{value[:40]}' is no country: two letters (ISO 3166-1 alpha-2) or 'unknown'")
        )
    return value.upper()


def _canonical_values(field: str, operator: Operator, values: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not values or len(values) > MAX_VALUES or (len(values) > 1 and not operator.many):
        wanted = f"1 to {MAX_VALUES} values" if operator.many else "exactly one value"
        raise BadRequest(f"{where}: {field}:{operator.name} takes {wanted}, got {len(values)}")
    for value in values:
        _check_value(field, operator, value, where)
    if operator.match is not Match.REGEX and DIMENSIONS[field].ignore_case:
        values = tuple(map(folded, values))
    return tuple(sorted(set(values)))


def _check_value(field: str, operator: Operator, value: str, where: str) -> None:
    if len(value) > MAX_VALUE_LENGTH:
        raise BadRequest(f"{where}: a value for {field} is longer than {MAX_VALUE_LENGTH} characters")
    if _UNWRITABLE.search(value):
        raise BadRequest(f"{where}: a value for {field} holds a null character or half a surrogate pair")
    if operator.match is Match.REGEX:
        _check_pattern(field, value, where)
    elif operator.match is not Match.ONE_OF and not value:
        raise BadRequest(f"{where}: {field}:{operator.name} needs a text to look for")


_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def _check_pattern(field: str, pattern: str, where: str) -> None:
    if complaint := _complaint_of_re2(pattern):
        raise BadRequest(
            f"{where}: '{pattern[:80]}' for {field} is no RE2 pattern: {complaint} (no lookaround, no back-references)"
        )


@lru_cache(maxsize=1024)
def _complaint_of_re2(pattern: str) -> str:
    """What RE2 itself has against a pattern, nothing when it takes it: no list of ours would be complete."""
    try:
        with _re2().cursor() as cursor:
            cursor.execute("SELECT regexp_matches('', ?)", [pattern])
    except duckdb.InvalidInputException as error:
        return str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
    return ""


@cache
def _re2() -> duckdb.DuckDBPyConnection:
    """DuckDB matches with RE2, so an empty database without any store behind it can try a pattern."""
    return duckdb.connect(":memory:", config={"threads": 1})
