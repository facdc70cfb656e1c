"""Requests that were understood before: the same bytes from the same vantage are the same plan and the same queries.

Reading a plan, checking it and translating its queries touches no data, so nothing of it is stale before a day or an
account changes.  What is refused is read anew each time.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request

from ..schema.context import RequestContext
from ..schema.remembered import Remembered
from ..schema.vantages import Vantage
from .params import RestQuery
from .plan import Plan, read_plan
from .translation import Translation, translate

MOST_BYTES = 4_000_000  # of plans, and again of translations
_PER_BYTE = 16  # a request read into objects takes so many times its text
_PER_QUERY = 2_048


class UnderstoodPlans:
    """Those of a process."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._plans: Remembered[bytes, Plan] = Remembered(most_bytes)
        self._translations: Remembered[tuple[bytes, Vantage], Translation] = Remembered(most_bytes)

    def read(self, body: bytes) -> Plan:
        """The plan of a body.  Raises what ``read_plan`` raises."""
        plan = self._plans.find(body)
        if plan is None:
            plan = read_plan(body)
            self._plans.keep(body, plan, _weight(body, plan))
        return plan

    def translation(self, body: bytes, plan: Plan, context: RequestContext) -> Translation:
        """The body's plan as ``translate`` understands it, the caller's own to add to."""
        key = body, context.vantage
        understood = self._translations.find(key)
        if understood is None:
            understood = translate(plan, context)
            self._translations.keep(key, understood, _weight(body, plan))
        return Translation(dict(understood.queries), dict(understood.refused), dict(understood.literals))


class UnderstoodQueries:
    """The queries of one report's GETs, by their address."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._queries: Remembered[tuple[str, bytes, Vantage], RestQuery] = Remembered(most_bytes)

    def read(self, request: Request, context: RequestContext, read: Callable[[], RestQuery]) -> RestQuery:
        """The query of a GET, by ``read`` if its address is new.  Raises what ``read`` raises."""
        path, query_string = request.scope["path"], request.scope["query_string"]
        key = path, query_string, context.vantage
        query = self._queries.find(key)
        if query is None:
            query = read()
            self._queries.keep(key, query, _PER_QUERY + _PER_BYTE * (len(path) + len(query_string)))
        return query


def _weight(body: bytes, plan: Plan) -> int:
    return _PER_BYTE * len(body) + _PER_QUERY * len(plan.queries)
