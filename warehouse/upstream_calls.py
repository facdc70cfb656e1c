"""Questions as calls of the documented API, and its envelopes as data.  Contract §1, batch rule 4.3.

A call is what the wire carries; everything in it comes from the catalog's tables.  Equal calls are equal values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from ..catalog.endpoints import ENDPOINTS, Shape, can_stand_in_path
from ..catalog.errors import BadRequest
from ..catalog.filters import FREE_FILTERS, Filter
from ..catalog.parameters import written_parameters
from ..catalog.query import FreeColumns, StatsQuery

Json = Any


@dataclass(frozen=True, slots=True)
class Call:
    """One report as it is asked for: by a GET, or by a POST with a body of its own, which no batch carries."""

    report: str
    account: str
    path: str  # below the API's address, letters as they are
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    body: bytes = b""

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"

    @property
    def target(self) -> str:
        """Path and query string."""
        query = urlencode([(name, text) for name, texts in self.params for text in texts])
        return f"{quote(self.path)}?{query}" if query else quote(self.path)

    def as_entry(self, entry_id: str) -> Json:
        """The call as a query of a batch.  Several values are a list.  Rule 1.6."""
        params = {name: texts[0] if len(texts) == 1 else list(texts) for name, texts in self.params}
        return {"id": entry_id, "endpoint": self.path, "params": params}


def call_of(query: StatsQuery) -> Call:
    """The call that asks a question.  Raises ``BadRequest`` for what the documented API has no words for."""
    endpoint, account = query.endpoint, query.scope.account
    match endpoint.shape:
        case Shape.FREE:
            return Call(query.report, account, endpoint.contract_path, body=orjson.dumps(_free_body(query)))
        case Shape.STEPS:
            body = {"steps": query.steps} | {name: texts[0] for name, texts in _one_each(written_parameters(query))}
            return Call(query.report, account, endpoint.contract_path, body=orjson.dumps(body))
        case _:
            params = written_parameters(query)
            path = _path(endpoint.contract_path, params)
            return Call(query.report, account, path, tuple(params.items()))


def _one_each(params: Mapping[str, tuple[str, ...]]) -> Iterable[tuple[str, Any]]:
    return ((name, texts if len(texts) == 1 else (list(texts),)) for name, texts in params.items())


def _path(template: str, params: dict[str, tuple[str, ...]]) -> str:
    """The path with the parameters that stand in it, which are taken out of the others."""
    path = template
    for name in [name for name in params if f"{{{name}}}" in template]:
        (text,) = params.pop(name)
        if not can_stand_in_path(text):
            raise BadRequest(f"{name}: '{text[:40]}' cannot be asked of the upstream API: it stands in a path")
        path = path.replace(f"{{{name}}}", text)
    return path


def _free_body(query: StatsQuery) -> Json:
    free, scope = query.free or FreeColumns(), query.scope
    return {
        "account_id": scope.account,
        "date_from": scope.window.start.isoformat(),
        "date_to": scope.window.end.isoformat(),
        "granularity": "total",
        "dimensions": free.dimensions,
        "metrics": free.metrics,
        "filters": _free_filters(scope.filters),
        "order_by": [{"field": field, "direction": order.value} for field, order in free.order_by],
        "limit": query.page_size,
        "offset": free.offset,
    }


_FREE_WORDS = {dimension: word for word, dimension in reversed(FREE_FILTERS.items())}


def _free_filters(filters: Iterable[Filter]) -> dict[str, list[str]]:
    """``{field: [v], field_not: [v]}``: of several conditions on one field what all of them allow."""
    told: dict[str, list[str]] = {}
    for condition in filters:
        key = _FREE_WORDS[condition.field] + ("_not" if condition.negated else "")
        if key not in told:
            told[key] = list(condition.values)
        elif condition.negated:
            told[key] = sorted({*told[key], *condition.values})
        else:
            told[key] = [value for value in told[key] if value in condition.values]
    if not all(told.values()):
        raise BadRequest(
            "filters: no value is allowed by all conditions on one field, which the upstream API cannot be asked"
        )
    return told


# --- envelopes ----------------------------------------------------------------------------------------------------


def data_of(call: Call, body: Json) -> Json:
    """The ``data`` that a batch would hold, out of the answer to a single call.  Contract §1.0.1, §1.14."""
    shape = ENDPOINTS[call.report].shape
    match shape:
        case Shape.TOTALS | Shape.BREAKDOWN | Shape.GOAL | Shape.STEPS:
            return body.get("data")
        case Shape.FUNNEL:
            return body if "rows" in body else body.get("data")
        case _:
            return body


def data_of_entry(call: Call, data: Json) -> Json:
    """The same out of a batch's result, which may hold a list as it is."""
    return {"data": data} if isinstance(data, list) else data
