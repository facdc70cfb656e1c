"""The two reports with a body of their own: ``POST /stats/query`` and ``POST /stats/funnel``.  Contract §1.14, §1.17.

Their bodies are read into the same ``RestQuery`` as everything else; a batch carries neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..catalog.endpoints import ENDPOINTS
from ..catalog.errors import BadRequest, InvalidQuery, Problem, suggestion
from ..catalog.filters import FREE_FILTERS, MAX_FILTERS, Filter, make_filter
from ..catalog.query import SortOrder, free_columns
from ..schema.context import RequestContext
from .json_text import excerpt, parse_json
from .params import MOST_PARAMETERS, RestQuery, read_query

DEFAULT_FUNNEL_NAME = "Custom Funnel"
MOST_REPEATED_KEYS = 20  # that one refusal tells
MOST_WORDS = 100  # of one list; each unknown one is told with what it was perhaps meant to be

# What each granularity groups by beside the dimensions asked for.
GRANULARITIES: dict[str, tuple[str, ...]] = {"total": (), "daily": ("date",), "hourly": ("date", "hour")}


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body.

    Raises ``BadRequest`` for what is no JSON, ``InvalidQuery`` for another value, for too many members and for a
    key that is written twice.
    """
    parsed = parse_json(body)
    if not isinstance(parsed.value, dict):
        message = f"The body must be a JSON object, not {excerpt(parsed.value)}"
        raise InvalidQuery.of(Problem("body", message, "object_type"))
    if len(parsed.value) > MOST_PARAMETERS:
        raise InvalidQuery.of(Problem("body", f"The body takes at most {MOST_PARAMETERS} members", "too_many"))
    twice = [
        Problem(".".join(("body", *path)), f"The key '{path[-1][:40]}' is written twice in one object", "duplicate_key")
        for path in parsed.repeated_keys[:MOST_REPEATED_KEYS]
    ]
    if twice:
        raise InvalidQuery.of(*twice)
    return parsed.value


def read_funnel(body: Mapping[str, Any], context: RequestContext) -> tuple[RestQuery, str]:
    """A custom funnel and its name.  Beside ``steps`` and ``name`` a body takes the parameters of every report.

    Raises ``InvalidQuery`` with every problem, ``BadRequest``, ``AccountNotFound``.
    """
    name, steps = body.get("name", DEFAULT_FUNNEL_NAME), body.get("steps")
    problems: list[Problem] = []
    if not isinstance(name, str) or not 1 <= len(name) <= 200:
        problems.append(Problem("name", "name must be a text of 1 to 200 characters", "string_type"))
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        problems.append(Problem("steps", "steps must be a list of page paths or names of goals", "list_type"))
    if problems:
        raise InvalidQuery.of(*problems)
    params = {key: value for key, value in body.items() if key not in ("name", "steps")}
    return read_query(ENDPOINTS["funnel_steps"], params, context, steps=tuple(steps or ())), str(name)


def read_free_query(body: Mapping[str, Any], context: RequestContext) -> RestQuery:
    """A free query.  Raises ``InvalidQuery`` with every problem, ``BadRequest``, ``AccountNotFound``."""
    problems = [
        Problem(key, f"unknown key '{key[:40]}'{suggestion(key, _KEYS)}", "extra_forbidden")
        for key in body
        if key not in _KEYS
    ]
    problems += [Problem(key, f"{key} is required", "missing") for key in ("date_from", "date_to") if not body.get(key)]
    granularity = body.get("granularity", "total")
    if not isinstance(granularity, str) or granularity not in GRANULARITIES:
        problems.append(Problem("granularity", f"granularity must be one of {', '.join(GRANULARITIES)}", "enum"))
    dimensions, metrics = _words(body, "dimensions", problems), _words(body, "metrics", problems)
    order_by, offset = _order(body, problems), _offset(body, problems)
    filters = _filters(body.get("filters", {}), problems)
    if problems:
        raise InvalidQuery.of(*problems)
    free = free_columns(
        (*GRANULARITIES[granularity], *(dimensions or ())),
        **({} if metrics is None else {"metrics": metrics}),
        order_by=order_by,
        offset=offset,
    )
    params = {key: body[key] for key in FREE_PARAMS if key in body}
    query = read_query(ENDPOINTS["query"], params, context, filters=filters, free=free)
    return replace(query, granularity=granularity)


FREE_PARAMS = ("account_id", "site_id", "date_from", "date_to", "compare", "limit")
_KEYS = (*FREE_PARAMS, "granularity", "dimensions", "metrics", "filters", "order_by", "offset")


def _words(body: Mapping[str, Any], key: str, problems: list[Problem]) -> list[str] | None:
    words = body.get(key)
    if words is not None and not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        problems.append(Problem(key, f"{key} must be a list of texts", "list_type"))
        return None
    if words is not None and len(words) > MOST_WORDS:
        problems.append(Problem(key, f"{key}: at most {MOST_WORDS} words, got {len(words)}", "too_long"))
        return None
    return words


def _order(body: Mapping[str, Any], problems: list[Problem]) -> list[tuple[str, SortOrder]]:
    given = body.get("order_by") or []
    order: list[tuple[str, SortOrder]] = []
    if isinstance(given, list) and len(given) > MOST_WORDS:
        problems.append(Problem("order_by", f"order_by: at most {MOST_WORDS} fields, got {len(given)}", "too_long"))
        return []
    for item in given if isinstance(given, list) else [None]:
        direction = item.get("direction", "desc") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(item.get("field"), str) or direction not in ("asc", "desc"):
            said = "order_by must be a list of {field, direction: asc or desc}"
            problems.append(Problem("order_by", said, "list_type"))
            return []
        order.append((item["field"], SortOrder(direction)))
    return order


def _offset(body: Mapping[str, Any], problems: list[Problem]) -> int:
    offset = body.get("offset", 0)
    if not isinstance(offset, int) or isinstance(offset, bool):
        problems.append(Problem("offset", "offset must be a whole number", "int_type"))
        return 0
    return offset


def _filters(given: Any, problems: list[Problem]) -> tuple[Filter, ...]:
    """``{field: v | [v], field_not: v | [v]}``."""
    if not isinstance(given, dict):
        problems.append(Problem("filters", "filters must be an object of fields and values", "object_type"))
        return ()
    if len(given) > MAX_FILTERS:
        problems.append(Problem("filters", f"filters: at most {MAX_FILTERS} fields, got {len(given)}", "too_long"))
        return ()
    filters: list[Filter] = []
    for key, value in given.items():
        try:
            filters.append(_filter(key, value))
        except BadRequest as fault:
            problems.append(Problem(f"filters.{key[:60]}", fault.message, "value_error"))
    return tuple(filters)


def _filter(key: str, value: Any) -> Filter:
    negated = key.endswith("_not")
    word = key.removesuffix("_not")
    if word not in FREE_FILTERS:
        raise BadRequest(
            f"unknown field '{key[:40]}'{suggestion(word, FREE_FILTERS)}; accepted: {', '.join(FREE_FILTERS)}"
        )
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise BadRequest(f"{key[:40]} takes a text or a list of texts")
    return make_filter(FREE_FILTERS[word], "not_in" if negated else "in", values)
