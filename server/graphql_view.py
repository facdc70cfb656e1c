"""GraphQL over HTTP: one address, GET and POST, answers in the type the client asked for.

Follows the GraphQL-over-HTTP draft as its audits check it: a request that cannot be executed is 400 for clients of
``application/graphql-response+json`` and 200 for those of plain JSON; errors inside fields are 200.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..catalog.errors import BadRequest, StatsError
from ..rest_compat.responses import (
    ClientGone,
    EmptyResponse,
    error_response,
    read_body,
    request_id_of,
    unless_client_leaves,
)
from ..schema.cost import cost_of
from ..schema.engine import Engine
from ..schema.schema import masked, schema
from .graphiql import graphiql_page, wants_page

RESPONSE_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
COST_HEADER = "X-Fanin-Cost"
MAX_DOCUMENT_BYTES = 100_000


class UnsupportedMediaType(StatsError):
    code = "unsupported_media_type"


class NotAcceptable(StatsError):
    """None of the types the client accepts can be given."""

    code = "bad_request"
    status: ClassVar[int] = 406

    @property
    def http_status(self) -> int:
        return self.status


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


def graphql_routes(engine: Engine, *, production: bool = False) -> list[Route]:
    """In production there is no GraphiQL, and what an answer cost is told only to those who ask for it."""

    async def graphql(request: Request) -> Response:
        if wants_page(request) and not production:
            return graphiql_page(request)
        try:
            return await _answer(request, engine, tells_cost=_tells_cost(request, unless_said=not production))
        except StatsError as error:
            return error_response(request, error)
        except ClientGone:
            return EmptyResponse()

    return [Route(path, graphql, methods=["GET", "POST"]) for path in ("/graphql", "/graphql/")]


async def _answer(request: Request, engine: Engine, *, tells_cost: bool) -> Response:
    media_type = _negotiated(request.headers.get("accept", ""))
    asked = _read_get(request) if request.method != "POST" else await _read_post(request)
    async with engine.request() as context:
        executing = schema.execute(asked.query, asked.variables, context, operation_name=asked.operation_name)
        result = await (unless_client_leaves(request, executing) if request.method == "POST" else executing)
    extensions = {"fanin": cost_of(context)} if tells_cost else {}
    return _respond(request, media_type, result.data, result.errors or [], extensions)


def _respond(
    request: Request, media_type: str, data: Any, errors: list[GraphQLError], extensions: dict[str, Any]
) -> Response:
    body: dict[str, Any] = {}
    refused = data is None and all(error.path is None for error in errors) and bool(errors)
    if errors:
        body["errors"] = [masked(error).formatted for error in errors]
    if not refused:
        body["data"] = data
        if extensions:
            body["extensions"] = extensions
    status = 400 if refused and media_type == RESPONSE_TYPE else 200
    headers = {"X-Request-ID": request_id_of(request), "Vary": "Accept"}
    return Response(orjson.dumps(body), status, headers, media_type=f"{media_type}; charset=utf-8")


def _tells_cost(request: Request, *, unless_said: bool) -> bool:
    said = request.headers.get(COST_HEADER, "").lower()
    return said in {"1", "true"} if said else unless_said


# --- reading ------------------------------------------------------------------------------------------------------


def _negotiated(accept: str) -> str:
    """The type to answer in: the one with the higher weight, plain JSON where the client does not care.

    Raises ``NotAcceptable`` when it accepts neither.
    """
    weights = dict(_weighted(item) for item in accept.split(",") if item.strip())
    if not weights:
        return JSON_TYPE
    anything = max(weights.get("*/*", 0.0), weights.get("application/*", 0.0))
    plain, response = weights.get(JSON_TYPE, anything), weights.get(RESPONSE_TYPE, 0.0)
    if max(plain, response) <= 0:
        raise NotAcceptable(f"Answers are given as {RESPONSE_TYPE} or {JSON_TYPE}")
    return RESPONSE_TYPE if response >= plain else JSON_TYPE


def _weighted(item: str) -> tuple[str, float]:
    media_type, *parameters = (part.strip().lower() for part in item.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media_type, float(value)
            except ValueError:
                return media_type, 0.0
    return media_type, 1.0


def _read_get(request: Request) -> GraphQLRequest:
    given = request.query_params
    return GraphQLRequest(
        _query(given.get("query")),
        _variables(_json(given["variables"].encode(), "variables") if given.get("variables") else None),
        given.get("operationName") or None,
    )


async def _read_post(request: Request) -> GraphQLRequest:
    content_type = request.headers.get("content-type", "")
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != JSON_TYPE:
        raise UnsupportedMediaType(f"Send the request as {JSON_TYPE}, not '{media_type[:60]}'")
    charset = parameters.lower().replace(" ", "").partition("charset=")[2].strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise UnsupportedMediaType(f"Send the request in UTF-8, not '{charset[:20]}'")
    body = _json(await read_body(request, MAX_DOCUMENT_BYTES), "The body")
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object with a query")
    name = body.get("operationName")
    if name is not None and not isinstance(name, str):
        raise BadRequest("operationName must be a string")
    if body.get("extensions") is not None and not isinstance(body["extensions"], dict):
        raise BadRequest("extensions must be an object")
    return GraphQLRequest(_query(body.get("query")), _variables(body.get("variables")), name or None)


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{what} cannot be read as JSON: {error}") from None


def _query(query: Any) -> str:
    if not isinstance(query, str) or not query.strip():
        raise BadRequest("query must be a GraphQL document")
    return query


def _variables(variables: Any) -> dict[str, Any] | None:
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("variables must be an object")
    return variables
