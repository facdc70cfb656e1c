"""Each parameter as a report takes it, in the words of OpenAPI: as strict as its reader in ``params.py``.

A row per parameter of ``PARAMETERS``; what depends on the report (defaults, largest pages, sort fields) comes from its
row in the catalog.  Contract §1.0.4, §2.
"""

from __future__ import annotations

from collections.abc import Callable

from ..catalog.accounts import ACCOUNT_ID
from ..catalog.channels import CHANNELS
from ..catalog.dimensions import DIMENSIONS
from ..catalog.endpoints import ENDPOINTS, INCLUDES, Endpoint
from ..catalog.filters import FILTER_FIELDS, MAX_VALUE_LENGTH, MAX_VALUES, OPERATORS, Match
from ..catalog.periods import PERIODS, Compare
from ..catalog.query import MAX_PAGE, MAX_SEARCH_LENGTH, Granularity, Interval, SortOrder
from ..schema.naming import pascal_case
from .json_schema import Schema, array, one_of, ref, sentence, text, truth, whole_number
from .params import COMPARE_WORDS, LONGEST_GOAL, PARAMETERS, parameters_of

Maker = Callable[[Endpoint], Schema]

PARAMETER_COMPONENTS = "#/components/parameters/"


def parameters_in(endpoint: Endpoint) -> list[Schema]:
    """The ``parameters`` of a report's operation; those that every report takes alike are named ones."""
    return [
        {"$ref": f"{PARAMETER_COMPONENTS}{pascal_case(name)}"} if name in SHARED else _parameter(name, endpoint)
        for name in parameters_of(endpoint)
    ]


def parameter_components() -> dict[str, Schema]:
    """``components/parameters``."""
    return {pascal_case(name): _parameter(name, takers[0]) for name, takers in SHARED.items()}


def parameter_schema(name: str, endpoint: Endpoint) -> Schema:
    """What one parameter may hold, a list where it is repeatable."""
    schema = PARAMETER_SCHEMAS[name](endpoint)
    if not PARAMETERS[name].repeatable:
        return schema
    return array(schema) if name in _UNBOUNDED else array(schema, maxItems=MAX_VALUES)


def _parameter(name: str, endpoint: Endpoint) -> Schema:
    in_path = f"{{{name}}}" in endpoint.path
    parameter = PARAMETERS[name]
    required = in_path or name == "account_id"
    told: Schema = {"name": name, "in": "path" if in_path else "query", "description": sentence(_meaning(name))}
    if required:
        told["required"] = True
    if parameter.same_as:
        told["deprecated"] = True
    if parameter.repeatable:
        told |= {"style": "form", "explode": True}
    example = {"example": _EXAMPLES[name]} if name in _EXAMPLES else {}
    return told | {"schema": parameter_schema(name, endpoint)} | example


def _meaning(name: str) -> str:
    if name == "account_id":
        return "the account; `site_id` is taken in its place"
    words = PARAMETERS[name].meaning
    return f"{words}; repeat it for several values (OR)" if PARAMETERS[name].repeatable else words


# Words that many reports take alike; named, so that a generated client has one type of each.
WORD_SCHEMAS: dict[str, Schema] = {
    "Period": one_of(PERIODS, "A window by its name."),
    "CompareMode": one_of(
        COMPARE_WORDS, "Which earlier window to compare with; `true` is `previous`, `false` is `none`."
    ),
    "SortOrder": one_of(SortOrder, "Ascending or descending."),
    "Interval": one_of(Interval, "The length of a point; weeks begin on Monday."),
    "Granularity": one_of(Granularity, "The step of a series; `auto` is hourly for one day and daily for more."),
    "IncludedColumn": one_of(INCLUDES, "A further column that rows are grouped by."),
}


# --- the schemas --------------------------------------------------------------------------------------------------


def _always(schema: Schema) -> Maker:
    return lambda endpoint: schema


def _account() -> Maker:
    return _always(text(pattern=f"^{ACCOUNT_ID.pattern}$"))


_DAY = text(format="date", pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")


def _compare(endpoint: Endpoint) -> Schema:
    return ref("CompareMode") | {"default": (endpoint.compare or Compare.NONE).value}


def _filters_pattern() -> str:
    """Conditions joined by commas: ``field:op:value``, where only some operators take an empty value."""
    exact = [name for name, operator in OPERATORS.items() if operator.match in (Match.ONE_OF, Match.REGEX)]
    parts = [name for name in OPERATORS if name not in exact]
    values = rf"(?:(?:{'|'.join(exact)}):[^,]*|(?:{'|'.join(parts)}):[^,]+)"
    condition = rf"\s*(?:(?:{'|'.join(FILTER_FIELDS)}):{values})?"
    return rf"^{condition}(?:,{condition})*$"


def _values(dimension: str, example: str) -> Maker:
    return _always(text(sentence(DIMENSIONS[dimension].meaning), maxLength=MAX_VALUE_LENGTH, examples=[example]))


def _sort_by(endpoint: Endpoint) -> Schema:
    return one_of(endpoint.sort, default=endpoint.default_sort)


def _size(endpoint: Endpoint) -> Schema:
    size = endpoint.page_size
    return whole_number(minimum=1, maximum=size.maximum, default=size.default) if size else {}


PARAMETER_SCHEMAS: dict[str, Maker] = {
    "account_id": _account(),
    "site_id": _account(),
    # No default here: a client that sends it would override the caller's dates, since a period wins over them.
    "period": _always(ref("Period")),
    "start_date": _always(_DAY),
    "end_date": _always(_DAY),
    "date_from": _always(_DAY),
    "date_to": _always(_DAY),
    "compare": _compare,
    "filters": _always(text(pattern=_filters_pattern())),
    "segment": _always(text()),
    "country": _always(text(pattern="^(?:[A-Za-z]{2}|[Uu][Nn][Kk][Nn][Oo][Ww][Nn])$", examples=["ES"])),
    "utm_source": _values("utm_source", "google"),
    "utm_medium": _values("utm_medium", "cpc"),
    "utm_campaign": _values("utm_campaign", "brand"),
    "utm_term": _values("utm_term", "trail shoes"),
    "utm_content": _values("utm_content", "banner"),
    "browser": _values("browser", "Chrome"),
    "os": _values("os", "Android"),
    "device": _values("device_type", "mobile"),
    "device_type": _values("device_type", "mobile"),
    "channel_group": _values("channel", CHANNELS[0]),
    "content_grouping": _values("content_grouping", "Products"),
    "landing_page": _values("landing_page", "/trail"),
    "conversion_type": _always(text(examples=["add_to_cart"])),
    "type": _always(text(minLength=1, maxLength=LONGEST_GOAL, examples=["add_to_cart"])),
    "path_filter": _always(text(minLength=1, maxLength=MAX_VALUE_LENGTH)),
    "search": _always(text(maxLength=MAX_SEARCH_LENGTH)),
    "sort_by": _sort_by,
    "sort_order": _always(ref("SortOrder") | {"default": SortOrder.DESC.value}),
    "page": _always(whole_number(minimum=1, maximum=MAX_PAGE, default=1)),
    "page_size": _size,
    "limit": _size,
    "include_totals": _always(truth(default=False)),
    "granularity": _always(ref("Granularity") | {"default": Granularity.AUTO.value}),
    "interval": _always(ref("Interval") | {"default": Interval.DAY.value}),
    "include": _always(ref("IncludedColumn")),
    "include_utm": _always(truth(default=False)),
}

_UNBOUNDED = ("conversion_type", "include")  # no filters, so not held to a filter's number of values

# Of those that are no answer by themselves; the page and its examples say the rest.
_EXAMPLES = {"account_id": "my-site", "period": "7d", "type": "add_to_cart"}


def _shared() -> dict[str, list[Endpoint]]:
    """The parameters that all their takers take alike, and who these are."""
    takers = {
        name: [
            endpoint for endpoint in ENDPOINTS.values() if endpoint.method == "GET" and name in parameters_of(endpoint)
        ]
        for name in PARAMETERS
    }
    return {
        name: taking
        for name, taking in takers.items()
        if len(taking) > 1 and all(_parameter(name, endpoint) == _parameter(name, taking[0]) for endpoint in taking)
    }


SHARED = _shared()
