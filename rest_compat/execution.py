"""One query of the legacy API as one GraphQL execution, or as what an equal one has told before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import GraphQLError

from ..catalog.errors import InternalError, StatsError
from ..schema.context import RequestContext
from ..schema.documents import Document
from ..schema.schema import schema
from .documents import document_of, switches_of, variables_of
from .encoded import Encoded, encode
from .params import RestQuery
from .shapes import Json, open_envelope, rest_data


@dataclass(frozen=True, slots=True)
class Form:
    """What the answer to a query is told as.  ``make`` gets the documented ``data``."""

    name: str
    make: Callable[[RestQuery, Json], Json]


DATA = Form("data", lambda query, data: data)
ENVELOPE = Form("envelope", lambda query, data: open_envelope(query.endpoint, data))


async def execute(query: RestQuery, context: RequestContext, form: Form = DATA) -> Encoded:
    """One query in its documented form, asked through the schema.  Raises the ``StatsError`` the report failed with.

    What was told before and is kept is told again as it was.
    """
    if kept := kept_answer(query, context, form):
        return kept
    text = encode(form.make(query, await _asked(query, context)))
    context.loader.keep_form(query.stats, name_of(query, form), text)
    return Encoded(text)


def kept_answer(query: RestQuery, context: RequestContext, form: Form = DATA) -> Encoded | None:
    """What ``execute`` would tell, where it is kept."""
    text = context.loader.kept_form(query.stats, name_of(query, form))
    return None if text is None else Encoded(text)


def name_of(query: RestQuery, form: Form) -> tuple[Any, ...]:
    """Beside the question itself: all of a query that what it is told as depends on."""
    return form.name, query.include_totals, query.compare, query.granularity


async def _asked(query: RestQuery, context: RequestContext) -> Json:
    document, switches = _document(query.endpoint.name), switches_of(query)
    report = await schema.compiled_report(document, switches, query.stats, context)
    return rest_data(query, await _executed(query, context) if report is None else report)


async def _executed(query: RestQuery, context: RequestContext) -> Json:
    result = await schema.answer(_document(query.endpoint.name), variables_of(query), context)
    if result.errors:
        raise _error_behind(result.errors[0])
    return (result.data or {})["stats"]["report"]


@cache
def _document(name: str) -> Document:
    """The report's document, read once per process."""
    return schema.own_document(document_of(name))


def _error_behind(error: GraphQLError) -> StatsError:
    original = error.original_error
    return original if isinstance(original, StatsError) else InternalError("Internal error")
