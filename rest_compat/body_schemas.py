"""The bodies of the reports that take one, as ``bodies.py`` reads them.  Contract §1.14, §1.17."""

from __future__ import annotations

from ..catalog.endpoints import ENDPOINTS, FREE_DIMENSIONS, FREE_METRICS, Endpoint
from ..catalog.filters import FREE_FILTERS, MAX_VALUE_LENGTH, MAX_VALUES
from ..catalog.query import MAX_FREE_DIMENSIONS, MAX_OFFSET, MAX_STEP_LENGTH, MAX_STEPS, MIN_STEPS, SortOrder
from .bodies import DEFAULT_FUNNEL_NAME, FREE_PARAMS, GRANULARITIES, MOST_WORDS
from .json_schema import Members, Schema, array, closed, nullable, one_of, ref, sentence, text, whole_number
from .parameter_schemas import parameter_schema
from .params import PARAMETERS, parameters_of

_REQUIRED = {"funnel_steps": ("account_id", "steps"), "query": ("account_id", "date_from", "date_to")}
BODY_OF = {"funnel_steps": "FunnelRequest", "query": "FreeQuery"}  # report: the schema of its body


def body_schemas() -> Members:
    return {
        "FunnelRequest": _funnel(ENDPOINTS["funnel_steps"]),
        "FreeQuery": _free(ENDPOINTS["query"]),
        "FreeFilters": _free_filters(),
        "FilterValue": _filter_value(),
        "FreeDimension": one_of(FREE_DIMENSIONS, "What a free query can group by."),
        "FreeMetric": one_of(FREE_METRICS, "What a free query can sum."),
        "FreeOrder": closed(
            {
                "field": one_of((*FREE_DIMENSIONS, *FREE_METRICS), "One of those asked for."),
                "direction": ref("SortOrder") | {"default": SortOrder.DESC.value},
            },
            "One field to order by.",
            ("direction",),
        ),
    }


def _members(names: tuple[str, ...], endpoint: Endpoint) -> Members:
    """Parameters as members of a body, where null is the same as leaving one out."""
    members: Members = {}
    for name in names:
        parameter = PARAMETERS[name]
        second = parameter.same_as in names
        meaning = parameter.meaning if second or not parameter.same_as else PARAMETERS[parameter.same_as].meaning
        schema = parameter_schema(name, endpoint) | {"description": sentence(meaning)}
        schema |= {"deprecated": True} if second else {}
        members[name] = schema if name in _REQUIRED[endpoint.name] else nullable(schema)
    return members


def _funnel(endpoint: Endpoint) -> Schema:
    own: Members = {
        "name": text("The funnel's name.", minLength=1, maxLength=200, default=DEFAULT_FUNNEL_NAME),
        "steps": array(
            text(minLength=1, maxLength=MAX_STEP_LENGTH),
            "Page paths or names of goals, in their order.",
            minItems=MIN_STEPS,
            maxItems=MAX_STEPS,
        ),
    }
    members = _members(parameters_of(endpoint), endpoint) | own
    optional = members.keys() - {*_REQUIRED[endpoint.name]}
    schema = closed(members, "The steps, and the parameters of every report.", optional)
    return schema | {"examples": [{"account_id": "my-site", "period": "30d", "steps": ["/", "view_item", "purchase"]}]}


def _free(endpoint: Endpoint) -> Schema:
    own: Members = {
        "granularity": one_of(GRANULARITIES, "Groups by day or hour beside the dimensions.", default="total"),
        "dimensions": array(
            ref("FreeDimension"), "What to group by; nothing: one row of sums.", maxItems=MAX_FREE_DIMENSIONS
        ),
        "metrics": array(ref("FreeMetric"), "What to sum; all unless said.", minItems=1, maxItems=MOST_WORDS),
        "filters": ref("FreeFilters", "Which rows of the facts to look at."),
        "order_by": array(ref("FreeOrder"), "By entrances, most first, unless said.", maxItems=MOST_WORDS),
        "offset": whole_number("Rows to leave out.", minimum=0, maximum=MAX_OFFSET, default=0),
    }
    members = _members(FREE_PARAMS, endpoint) | own
    optional = members.keys() - {*_REQUIRED[endpoint.name]}
    schema = closed(members, "Metrics over dimensions of the caller's choice.", optional)
    example = {
        "account_id": "my-site",
        "date_from": "2026-03-12",
        "date_to": "2026-03-18",
        "granularity": "daily",
        "metrics": ["entrances"],
    }
    return schema | {"examples": [example]}


def _free_filters() -> Schema:
    members: Members = {}
    for word in FREE_FILTERS:
        members[word] = ref("FilterValue", f"{word} is one of these.")
        members[f"{word}_not"] = ref("FilterValue", f"{word} is none of these.")
    return closed(members, "Conditions, joined by AND.", members.keys())


def _filter_value() -> Schema:
    value = text(maxLength=MAX_VALUE_LENGTH)
    return {"description": "A value, or several.", "anyOf": [value, array(value, minItems=1, maxItems=MAX_VALUES)]}
