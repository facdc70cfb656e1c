"""GraphQL over HTTP: one address, GET and POST, answers in the type the client asked for.

Follows the GraphQL-over-HTTP draft as its audits check it: a request that cannot be executed is 400 for clients of
``application/graphql-response+json`` and 200 for those of plain JSON; errors inside fields are 200.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import orjson
from graphql import GraphQLError, OperationDefinitionNode, parse
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
from ..schema.context import RequestContext
from ..schema.engine import Engine
from ..schema.schema import masked, schema
from .graphiql import graphiql_page, wants_page

RESPONSE_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
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


def graphql_routes(engine: Engine) -> list[Route]:
    async def graphql(request: Request) -> Response:
        if wants_page(request):
            return graphiql_page(request)
        try:
            return await _answer(request, engine)
        except StatsError as error:
            return error_response(request, error)
        except ClientGone:
            return EmptyResponse()

    return [Route(path, graphql, methods=["GET", "POST"]) for path in ("/graphql", "/graphql/")]


async def _answer(request: Request, engine: Engine) -> Response:
    media_type = _negotiated(request.headers.get("accept", ""))
    asked = _read_get(request) if request.method != "POST" else await _read_post(request)
    if _operations(asked.query) > 1 and not asked.operation_name:
        refusal = GraphQLError("The document holds several operations: say which in operationName.")
        return _respond(request, media_type, None, [refusal], {})
    async with engine.request() as context:
        if request.method == "POST":
            return await unless_client_leaves(request, _execute(request, media_type, asked, context))
        return await _execute(request, media_type, asked, context)


async def _execute(request: Request, media_type: str, asked: GraphQLRequest, context: RequestContext) -> Response:
    try:
        result = await schema.execute(
            asked.query,
            variable_values=asked.variables,
            operation_name=asked.operation_name,
            context_value=context,
        )
    except Exception as error:  # what cannot be executed at all, such as an operation that is not there
        refusal = error if isinstance(error, GraphQLError) else GraphQLError(str(error))
        return _respond(request, media_type, None, [refusal], {})
    return _respond(request, media_type, result.data, result.errors or [], _sharing(context))


def _respond(
    request: Request, media_type: str, data: Any, errors: list[GraphQLError], sharing: dict[str, Any]
) -> Response:
    body: dict[str, Any] = {}
    refused = data is None and all(error.path is None for error in errors) and bool(errors)
    if errors:
        body["errors"] = [masked(error).formatted for error in errors]
    if not refused:
        body["data"] = data
        body["extensions"] = {"fanin": sharing}
    status = 400 if refused and media_type == RESPONSE_TYPE else 200
    headers = {"X-Request-ID": request_id_of(request), "Vary": "Accept"}
    return Response(orjson.dumps(body), status, headers, media_type=f"{media_type}; charset=utf-8")


def _sharing(context: RequestContext) -> dict[str, Any]:
    """What was shared, for whoever wonders what the request cost."""
    sharing = context.loader.sharing
    return {
        "fields": sharing.fields,
        "identical": sharing.identical,
        "scans": sharing.scans,
        "scanMs": round(sharing.scan_ms, 1),
    }


@lru_cache(maxsize=256)
def _operations(document: str) -> int:
    """How many operations a document holds; 0 for one that cannot be read, which the executor will say better."""
    try:
        definitions = parse(document).definitions
    except (GraphQLError, RecursionError):
        return 0
    return sum(isinstance(definition, OperationDefinitionNode) for definition in definitions)


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
