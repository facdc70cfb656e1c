"""Reading the parameters of the documented API, which stand in ``catalog/parameters.py``.  Contract §1.0.4, §2.

A query string and the ``params`` of a batch query are read alike: every value becomes the text a query string would
hold, and arrays are repeated keys (rule 1.6).  All problems of a query are found at once; reading touches no data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ..catalog.accounts import Account, check_account_id
from ..catalog.endpoints import ENDPOINTS_BY_PATH, Endpoint
from ..catalog.errors import BadRequest, InvalidQuery, NotFound, Problem, StatsError, suggestion
from ..catalog.filters import Filter, make_filter, parse_country, parse_filters
from ..catalog.parameters import PARAMETERS, Parameter, parameters_of
from ..catalog.periods import Compare, Window, parse_period
from ..catalog.query import Granularity, Interval, Scope, SortOrder, StatsQuery, ask, make_scope
from ..schema.context import RequestContext
from .spelled_params import spell_params

LONGEST_GOAL = 200  # characters of a goal's name that stands in a path
MOST_PARAMETERS = 100  # of one query; a mebibyte of unknown ones would take seconds to tell


@dataclass(slots=True)
class Reading:
    """What has been read of one query so far."""

    given: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)  # by its first name: as spelled, texts
    account_id: str = ""
    dates: dict[str, Any] = field(default_factory=dict)  # period, start_date, end_date
    compare: Compare | None = None
    standard: list[Filter] = field(default_factory=list)  # of the standard parameters
    explicit: tuple[Filter, ...] = ()  # of ``filters``; these win where both name a field
    segment: str | None = None
    report: dict[str, Any] = field(default_factory=dict)  # the report's own arguments
    include_totals: bool = False


@dataclass(frozen=True, slots=True)
class RestQuery:
    """A query as REST understood it: the one value that travels, and what of it GraphQL wants to hear in its own words."""

    stats: StatsQuery
    dates: Mapping[str, Any]
    compare: Compare
    filters: tuple[Filter, ...]
    include_totals: bool
    segment: str | None = None
    granularity: str = "total"  # of a free query

    @property
    def endpoint(self) -> Endpoint:
        return self.stats.endpoint


def endpoint_at(path: str) -> Endpoint:
    """The report at a ``/stats/…`` path; one trailing slash is dropped, aliases are accepted.  Rule 1.5.

    Raises ``NotFound`` for anything else.
    """
    template = _template_of(path.removesuffix("/"))
    if template is None:
        raise NotFound(f"Unknown endpoint: {path[:80]}{suggestion(path, ENDPOINTS_BY_PATH)}")
    return ENDPOINTS_BY_PATH[template]


def path_params(path: str) -> dict[str, str]:
    """The parameters that stand in the path itself, such as ``type`` in ``/stats/microconversions/{type}``."""
    trimmed = path.removesuffix("/")
    pattern = _TEMPLATES.get(_template_of(trimmed) or "")
    found = pattern.fullmatch(trimmed) if pattern else None
    return found.groupdict() if found else {}


def with_path_values(params: Mapping[str, Any], values: Mapping[str, str], given: Iterable[str]) -> Mapping[str, Any]:
    """All parameters, those in the path included.  Raises ``InvalidQuery`` for one that was ``given`` outside it too."""
    twice = [
        _refusal(name, f"{name} stands in the path already", "extra_forbidden") for name in values if name in given
    ]
    if twice:
        raise twice[0]
    return {**params, **values}


# Paths with a place for a value, as patterns.  A value is one plain segment: no slash, however written.
_TEMPLATES = {
    path: re.compile(re.sub(r"\\{(\w+)\\}", rf"(?P<\1>[^/%?#]{{1,{LONGEST_GOAL}}})", re.escape(path)))
    for path in ENDPOINTS_BY_PATH
    if "{" in path
}


def _template_of(path: str) -> str | None:
    if path in ENDPOINTS_BY_PATH and path not in _TEMPLATES:
        return path
    return next((template for template, pattern in _TEMPLATES.items() if pattern.fullmatch(path)), None)


def accounts_named(*queries: Mapping[str, Any]) -> list[str]:
    """The accounts that parameters are about, as far as can be seen before they are read."""
    given = (query.get(name) for query in queries for name in ("account_id", "site_id"))
    texts = (value[0] if isinstance(value, list) and value else value for value in given)
    return [text for text in texts if isinstance(text, str)]


def read_query(
    endpoint: Endpoint,
    params: Mapping[str, Any],
    context: RequestContext,
    filters: tuple[Filter, ...] = (),
    **report: Any,
) -> RestQuery:
    """Read the parameters of one query.  What a body of its own has told already comes as ``filters`` and ``report``.

    Raises ``InvalidQuery`` with every problem by parameter name; ``BadRequest`` when nothing is wrong but dates, periods,
    comparisons and filters (Contract §2.2-2.4); ``AccountNotFound`` when nothing is wrong but that.
    """
    reading, problems = _read(endpoint, params, context, told=Reading(explicit=filters, report=dict(report)))
    if problems:
        raise _told_together(problems)
    return _resolve(endpoint, reading, context)


def read_literals(
    endpoint: Endpoint, params: Mapping[str, Any], bound: Mapping[str, int], context: RequestContext
) -> RestQuery | None:
    """What ``params`` tell before the values of the ``bound`` parameters are known (name: how many).  Rule 5.2.

    None when even the account or the window waits for a value.  Raises as ``read_query`` what no value can mend.
    """
    reading, problems = _read(endpoint, params, context, bound)
    if problems:
        raise _told_together(problems)
    dates_known = bound.keys().isdisjoint(_DATES)
    if not reading.account_id:
        return None
    if not dates_known:
        reading.dates.clear()
    query = _resolve(endpoint, reading, context)
    return query if dates_known else None


def _read(
    endpoint: Endpoint,
    params: Mapping[str, Any],
    context: RequestContext,
    bound: Mapping[str, int] | None = None,
    told: Reading | None = None,
) -> tuple[Reading, list[Problem]]:
    """All parameters, and everything wrong with them; of ``bound`` ones only whether they may be given at all."""
    reading, bound = told or Reading(), bound or {}
    if len(params) + len(bound) > MOST_PARAMETERS:
        return reading, [Problem("", f"a query takes at most {MOST_PARAMETERS} parameters", "too_many")]
    problems: list[Problem] = []
    for name in (*params, *bound):
        try:
            if name in bound:
                _parameter(endpoint, name, bound[name])
            else:
                _read_one(reading, endpoint, name, params[name])
        except (InvalidQuery, BadRequest) as fault:
            problems += _problems_of(fault, name)
    wrong = {problem.field for problem in problems}
    return reading, problems + _joint_problems(reading, endpoint, context, wrong | bound.keys())


def _joint_problems(reading: Reading, endpoint: Endpoint, context: RequestContext, wrong: set[str]) -> list[Problem]:
    """What only shows once all has been read: no account, dates that do not go together, values the report has not."""
    problems: list[Problem] = []
    scope = Scope("", Window(date.min, date.min))
    if not reading.account_id and wrong.isdisjoint(("account_id", "site_id")):
        problems.append(Problem("account_id", "account_id is required", "missing"))
    if wrong.isdisjoint(_DATES):
        try:
            scope = make_scope(Account(""), context.now, **reading.dates, compare=_compare_of(endpoint, reading))
        except BadRequest as fault:
            problems += _problems_of(fault, next(iter(reading.dates), "period"))
    try:
        ask(scope, endpoint.name, **reading.report)
    except InvalidQuery as fault:
        problems += (problem for problem in fault.detail if problem.field not in wrong)
    return problems


_DATES = ("period", "start_date", "end_date", "date_from", "date_to")
_BAD_REQUEST = "bad_request"  # the type of problems that alone are a 400


def _problems_of(fault: InvalidQuery | BadRequest, name: str) -> tuple[Problem, ...]:
    return fault.detail if isinstance(fault, InvalidQuery) else (Problem(name, fault.message, _BAD_REQUEST),)


def _told_together(problems: list[Problem]) -> StatsError:
    if any(problem.type != _BAD_REQUEST for problem in problems):
        return InvalidQuery.of(*problems)
    return BadRequest("; also: ".join(problem.message for problem in problems))


def _compare_of(endpoint: Endpoint, reading: Reading) -> Compare:
    return reading.compare or endpoint.compare or Compare.NONE


def _resolve(endpoint: Endpoint, reading: Reading, context: RequestContext) -> RestQuery:
    compare = _compare_of(endpoint, reading)
    named = {condition.field for condition in reading.explicit}
    filters = (*reading.explicit, *(given for given in reading.standard if given.field not in named))
    scope = context.scope(
        reading.account_id, segment=reading.segment, **reading.dates, compare=compare, filters=filters
    )
    stats = ask(scope, endpoint.name, **reading.report)
    return RestQuery(stats, reading.dates, compare, filters, reading.include_totals, reading.segment)


def _read_one(reading: Reading, endpoint: Endpoint, name: str, value: Any) -> None:
    texts = spell_params({name: value}).get(name)
    if not texts:
        return
    parameter = _parameter(endpoint, name, len(texts))
    other, others = reading.given.setdefault(parameter.same_as or name, (name, texts))
    if others != texts:
        raise BadRequest(f"{other} and {name} name the same thing and differ: {_listed(others)} and {_listed(texts)}")
    if other == name:
        _READERS[name](reading, texts if parameter.repeatable else texts[0])


def _parameter(endpoint: Endpoint, name: str, times: int) -> Parameter:
    """The parameter of this name, when this report takes it so many times."""
    parameter = PARAMETERS.get(name)
    if parameter is None:
        near = suggestion(name, parameters_of(endpoint))
        raise _refusal(name[:60], f"unknown parameter '{name[:60]}'{near}", "extra_forbidden")
    if not parameter.taken_by(endpoint):
        raise _refusal(name, f"{endpoint.path} does not take '{name}'", "extra_forbidden")
    if times > 1 and not parameter.repeatable:
        raise _refusal(name, f"{name} was given {times} times and takes one value", "too_many")
    return parameter


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(f"'{text[:64]}'" for text in texts[:3])


def _refusal(name: str, message: str, kind: str) -> InvalidQuery:
    return InvalidQuery.of(Problem(name, message, kind))


# --- readers of one parameter each --------------------------------------------------------------------------------


def _account(name: str) -> Callable[[Reading, str], None]:
    def read(reading: Reading, text: str) -> None:
        try:
            reading.account_id = check_account_id(text)
        except InvalidQuery as error:
            raise _refusal(name, error.message, "value_error") from None

    return read


def _period(reading: Reading, text: str) -> None:
    reading.dates["period"] = parse_period(text).name


def _date(name: str, argument: str) -> Callable[[Reading, str], None]:
    def read(reading: Reading, text: str) -> None:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise _refusal(name, f"{name}: '{text[:40]}' is no date; write YYYY-MM-DD", "date_parsing")
        try:
            reading.dates[argument] = date.fromisoformat(text)
        except ValueError:
            raise _refusal(name, f"{name}: there is no day {text}", "date_parsing") from None

    return read


COMPARE_WORDS = {
    "previous": Compare.PREVIOUS,
    "true": Compare.PREVIOUS,
    "yoy": Compare.YOY,
    "none": Compare.NONE,
    "false": Compare.NONE,
}


def _compare(reading: Reading, text: str) -> None:
    try:
        reading.compare = COMPARE_WORDS[text]
    except KeyError:
        raise BadRequest(f"Invalid compare mode: '{text[:40]}'; accepted: {', '.join(COMPARE_WORDS)}") from None


def _filters(reading: Reading, text: str) -> None:
    reading.explicit = parse_filters(text)


def _segment(reading: Reading, text: str) -> None:
    reading.segment = text


def _country(reading: Reading, texts: tuple[str, ...]) -> None:
    reading.standard.append(make_filter("country", "in", [parse_country(text) for text in texts], "country"))


def _dimension(name: str, dimension: str) -> Callable[[Reading, tuple[str, ...]], None]:
    def read(reading: Reading, texts: tuple[str, ...]) -> None:
        reading.standard.append(make_filter(dimension, "in", texts, name))

    return read


def _goals(reading: Reading, texts: tuple[str, ...]) -> None:
    reading.report["goals"] = texts


def _goal(reading: Reading, text: str) -> None:
    if not 1 <= len(text) <= LONGEST_GOAL:
        raise _refusal("type", f"type must have 1 to {LONGEST_GOAL} characters, got {len(text)}", "string_length")
    reading.report["goals"] = (text,)


def _path_filter(reading: Reading, text: str) -> None:
    reading.standard.append(make_filter("path", "contains", [text], "path_filter"))


def _whole_number(name: str, argument: str) -> Callable[[Reading, str], None]:
    def read(reading: Reading, text: str) -> None:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
            raise _refusal(name, f"{name} must be a whole number, got '{text[:40]}'", "int_parsing")
        reading.report[argument] = int(text)

    return read


def _word(name: str, words: Mapping[str, Any]) -> Callable[[Reading, str], None]:
    def read(reading: Reading, text: str) -> None:
        if text not in words:
            raise _refusal(
                name, f"{name}: '{text[:40]}' is none of {', '.join(words)}{suggestion(text, words)}", "enum"
            )
        reading.report[name] = words[text]

    return read


def _text_argument(name: str) -> Callable[[Reading, str], None]:
    def read(reading: Reading, text: str) -> None:
        reading.report[name] = text

    return read


_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def truth(name: str, text: str) -> bool:
    """Raises ``InvalidQuery`` for what is neither true nor false."""
    if text.lower() not in _TRUTH:
        raise _refusal(name, f"{name}: '{text[:40]}' is neither true nor false", "bool_parsing")
    return _TRUTH[text.lower()]


def _include_totals(reading: Reading, text: str) -> None:
    reading.include_totals = truth("include_totals", text)


def _include_utm(reading: Reading, text: str) -> None:
    reading.report["include_utm"] = truth("include_utm", text)


def _include(reading: Reading, texts: tuple[str, ...]) -> None:
    reading.report["include"] = [word for text in texts for word in text.split(",") if word]


# --- who reads what -------------------------------------------------------------------------------------------------

# The reader of every parameter that stands in the catalog's table.
_READERS: dict[str, Callable[[Reading, Any], None]] = {
    "account_id": _account("account_id"),
    "site_id": _account("site_id"),
    "period": _period,
    "start_date": _date("start_date", "start_date"),
    "end_date": _date("end_date", "end_date"),
    "date_from": _date("date_from", "start_date"),
    "date_to": _date("date_to", "end_date"),
    "compare": _compare,
    "filters": _filters,
    "segment": _segment,
    **{name: _dimension(name, row.dimension) for name, row in PARAMETERS.items() if row.dimension},
    "country": _country,
    "conversion_type": _goals,
    "type": _goal,
    "path_filter": _path_filter,
    "search": _text_argument("search"),
    "sort_by": _text_argument("sort_by"),
    "sort_order": _word("sort_order", {order.value: order for order in SortOrder}),
    "page": _whole_number("page", "page"),
    "page_size": _whole_number("page_size", "page_size"),
    "limit": _whole_number("limit", "page_size"),
    "include_totals": _include_totals,
    "granularity": _word("granularity", {step.value: step for step in Granularity}),
    "interval": _word("interval", {step.value: step for step in Interval}),
    "include": _include,
    "include_utm": _include_utm,
}
