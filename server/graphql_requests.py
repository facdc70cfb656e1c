"""Reading GraphQL requests: a query string, a JSON body, or an array of requests.  GraphQL over HTTP, *Request*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request

from ..catalog.errors import BadRequest
from ..catalog.limits import MAX_GRAPHQL_ARRAY, MAX_GRAPHQL_BYTES, MAX_QUERY_STRING_BYTES
from ..rest_compat.responses import read_body
from .media_types import check_content
from .refusals import AddressTooLong

# The fields of a request: their type, and what is said to be accepted.  Null is the same as leaving one out.
FIELDS: dict[str, tuple[type, str]] = {
    "query": (str, "a GraphQL document, as a string"),
    "operationName": (str, "the name of one of the document's operations, as a string"),
    "variables": (dict, "an object with a value for each variable"),
    "extensions": (dict, "an object"),
    "documentId": (str, "the id of a persisted document, as a string"),
}
PERSISTED = "extensions.persistedQuery must be an object with version 1 and a sha256Hash, as a string"

_WRITTEN_AS_JSON = {"variables", "extensions"}  # within a query string
_SAID: dict[type, str] = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One request as it was sent: a document, or an id that stands for one, or both."""

    query: str | None
    document_id: str | None
    operation_name: str | None
    variables: dict[str, Any] | None


async def read_entries(request: Request) -> Any:
    """What was sent: an object to be read as one request, or a list of them, one or more.

    Raises ``BadRequest``, ``UnsupportedMediaType``, ``PayloadTooLarge`` or ``AddressTooLong``.
    """
    if request.method != "POST":
        return _query_string(request)
    check_content(request.headers)
    body = _json(await read_body(request, MAX_GRAPHQL_BYTES), "The body")
    if isinstance(body, list) and not 0 < len(body) <= MAX_GRAPHQL_ARRAY:
        raise BadRequest(f"An array holds 1 to {MAX_GRAPHQL_ARRAY} requests, not {len(body)}")
    return body


def read_graphql_request(body: Any) -> GraphQLRequest:
    """One request.  Raises ``BadRequest`` naming the field that is wrong and what it accepts."""
    if not isinstance(body, dict):
        raise BadRequest(f"A request must be a JSON object with a query, not {_kind(body)}")
    for name, (kind, accepted) in FIELDS.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise BadRequest(f"{name} must be {accepted}, not {_kind(body[name])}")
    query, document_id = body.get("query"), _document_id(body)
    if not (query or "").strip() and (query is not None or document_id is None):
        raise BadRequest(f"query must be {FIELDS['query'][1]}, not {'empty' if query is not None else 'left out'}")
    return GraphQLRequest(query, document_id, body.get("operationName") or None, body.get("variables"))


def _query_string(request: Request) -> dict[str, Any]:
    """The fields of a query string; an empty one is the same as none."""
    if len(request.scope["query_string"]) > MAX_QUERY_STRING_BYTES:
        raise AddressTooLong(f"The query string is over {MAX_QUERY_STRING_BYTES} bytes; send the request by POST")
    given = request.query_params
    if repeated := next((name for name in FIELDS if len(given.getlist(name)) > 1), None):
        raise BadRequest(f"{repeated} is given more than once")
    return {
        name: _json(given[name].encode(), name) if name in _WRITTEN_AS_JSON else given[name]
        for name in FIELDS
        if given.get(name)
    }


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{what} cannot be read as JSON: {_flaw(text) or error}") from None


def _flaw(text: bytes) -> str:
    """What is wrong with bytes that are no UTF-8; nothing where they are."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 from byte {error.start} on"
    return ""


def _document_id(body: dict[str, Any]) -> str | None:
    """The id of the draft's persisted documents, or the hash of Apollo's persisted queries."""
    persisted = (body.get("extensions") or {}).get("persistedQuery")
    if persisted is None:
        return (body.get("documentId") or "").removeprefix("sha256:") or None
    if not isinstance(persisted, dict) or not isinstance(persisted.get("sha256Hash"), str):
        raise BadRequest(PERSISTED)
    if persisted.get("version") != 1:
        raise BadRequest(PERSISTED)
    return persisted["sha256Hash"]


def _kind(value: Any) -> str:
    return _SAID.get(type(value), "a number")
