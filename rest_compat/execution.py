"""One query of the legacy API as one GraphQL execution."""

from __future__ import annotations

from functools import cache
from typing import Any

from graphql import GraphQLError

from ..catalog.errors import InternalError, StatsError
from ..schema.context import RequestContext
from ..schema.documents import Document
from ..schema.schema import schema
from .documents import document_of, variables_of
from .params import RestQuery
from .shapes import rest_data


async def execute(query: RestQuery, context: RequestContext) -> dict[str, Any]:
    """The documented ``data`` of one query, asked through the schema.  Raises the ``StatsError`` the report failed with."""
    result = await schema.answer(_document(query.endpoint.name), variables_of(query), context)
    if result.errors:
        raise _error_behind(result.errors[0])
    return rest_data(query, (result.data or {})["stats"]["report"])


@cache
def _document(name: str) -> Document:
    """The report's document, read once per process."""
    return schema.own_document(document_of(name))


def _error_behind(error: GraphQLError) -> StatsError:
    original = error.original_error
    return original if isinstance(original, StatsError) else InternalError("Internal error")
