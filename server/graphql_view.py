"""GraphQL over HTTP: one address, GET and POST, one request or an array of them, answers in the type the client asked for.

Follows the GraphQL-over-HTTP draft as its audits check it: a document that cannot be executed is 400 for clients of
``application/graphql-response+json`` and 200 for those of plain JSON; errors inside fields are 200.  What is refused
before there is a document has its own status for both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLSyntaxError, OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..catalog.errors import NotFound, StatsError
from ..resolvers.loader import Sharing
from ..rest_compat.etags import etag_of, tag_held
from ..rest_compat.responses import (
    ClientGone,
    EmptyResponse,
    error_response,
    retry_after,
    server_timing,
    unless_client_leaves,
)
from ..schema.context import RequestContext
from ..schema.cost import cost_of
from ..schema.engine import Engine
from ..schema.schema import masked, schema
from .graphiql import GRAPHQL_PATH, graphiql_page, wants_page
from .graphql_requests import read_entries, read_graphql_request
from .media_types import JSON_TYPE, RESPONSE_TYPE, negotiated
from .persisted_queries import PersistedQueries
from .refusals import MethodNotAllowed, NotAcceptable

METHODS = ("GET", "HEAD", "OPTIONS", "POST")

VARY = {"Vary": "Accept, Accept-Encoding, Authorization, X-API-Key"}
REVALIDATED = {"Cache-Control": "private, no-cache"}
NOT_STORED = {"Cache-Control": "no-store"}

COST_HEADER = "X-Fanin-Cost"
NO_PAGE = "There is no GraphiQL here; ask with POST"


@dataclass(frozen=True, slots=True)
class Operation:
    """What is to be run."""

    document: str
    name: str | None
    variables: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one operation came to; ``refused`` when nothing of it could be run."""

    data: dict[str, Any] | None = None
    errors: tuple[Mapping[str, Any], ...] = ()
    refused: bool = False

    def body(self, extensions: dict[str, Any]) -> dict[str, Any]:
        """A well-formed response: ``errors`` alone for what was refused, else ``data`` and what it came to."""
        errors = {"errors": self.errors} if self.errors else {}
        return errors if self.refused else errors | {"data": self.data} | extensions


@dataclass(frozen=True, slots=True)
class Run:
    """The outcomes of one HTTP request, in order, and what all of them cost."""

    outcomes: list[Outcome]
    sharing: Sharing
    cost: dict[str, Any]
    wall_ms: float

    @property
    def headers(self) -> dict[str, str]:
        return {"Server-Timing": server_timing(self.wall_ms, self.sharing)}

    def extensions(self, *, tells_cost: bool) -> dict[str, Any]:
        """What was shared, for whoever wonders what the request cost."""
        return {"extensions": {"fanin": self.cost}} if tells_cost else {}


def graphql_routes(engine: Engine, persisted: PersistedQueries, *, production: bool = False) -> list[Route]:
    """In production there is no GraphiQL, and what an answer cost is told only to those who ask for it."""

    async def graphql(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(METHODS)})
        if wants_page(request):
            # Never executed instead: the entrance lets a browser that looks for the page in uncounted.
            return error_response(request, NotFound(NO_PAGE)) if production else graphiql_page(request)
        try:
            return await _answer(
                request, engine, persisted, tells_cost=_tells_cost(request, unless_said=not production)
            )
        except StatsError as error:
            return _refusal(request, error)
        except ClientGone:
            return EmptyResponse()

    return [Route(path, graphql, methods=METHODS) for path in (GRAPHQL_PATH, f"{GRAPHQL_PATH}/")]


def _tells_cost(request: Request, *, unless_said: bool) -> bool:
    said = request.headers.get(COST_HEADER, "").lower()
    return said in {"1", "true"} if said else unless_said


async def _answer(request: Request, engine: Engine, persisted: PersistedQueries, *, tells_cost: bool) -> Response:
    media_type = negotiated(request.headers)
    sent = await read_entries(request)
    if isinstance(sent, list):
        run = await _run(request, engine, [_operation_or_error(entry, persisted) for entry in sent])
        extensions = run.extensions(tells_cost=tells_cost)
        return _response([outcome.body(extensions) for outcome in run.outcomes], media_type, 200, run.headers)
    operation = _operation(sent, persisted)
    if request.method != "POST":
        _check_read_only(operation, engine)
    run = await _run(request, engine, [operation])
    (outcome,) = run.outcomes
    if request.method != "POST":
        return _revalidated(request, media_type, outcome, run.headers)
    body = outcome.body(run.extensions(tells_cost=tells_cost))
    return _response(body, media_type, _status(outcome, media_type), run.headers)


# --- before anything runs -----------------------------------------------------------------------------------------


def _operation(entry: Any, persisted: PersistedQueries) -> Operation:
    """Raises a ``StatsError`` for what is no request, and for a document that is not there."""
    asked = read_graphql_request(entry)
    document = persisted.document(asked.query, asked.document_id)
    return Operation(document, asked.operation_name, asked.variables)


def _operation_or_error(entry: Any, persisted: PersistedQueries) -> Operation | StatsError:
    try:
        return _operation(entry, persisted)
    except StatsError as error:
        return error


def _check_read_only(operation: Operation, engine: Engine) -> None:
    """A GET asks and nothing else, so that a link or an image of another site can do no more.  Raises ``MethodNotAllowed``."""
    document = engine.documents.read(operation.document, schema.graphql_schema)
    for meant in document.named(operation.name):
        if meant.kind is not OperationType.QUERY:
            raise MethodNotAllowed(f"A GET is for queries; send a {meant.kind.value} by POST")


# --- running ------------------------------------------------------------------------------------------------------


async def _run(request: Request, engine: Engine, operations: Sequence[Operation | StatsError]) -> Run:
    """All operations from one context, so that what they have in common is scanned once."""
    started = time.perf_counter()
    async with engine.request() as context:
        context.rows_left = engine.documents.rules.most_rows(len(operations))
        running = asyncio.gather(*(_outcome(operation, context) for operation in operations))
        outcomes = await unless_client_leaves(request, running)
    wall_ms = 1000 * (time.perf_counter() - started)
    return Run(outcomes, context.loader.sharing, cost_of(context), wall_ms)


async def _outcome(operation: Operation | StatsError, context: RequestContext) -> Outcome:
    """What is wrong with one entry of an array stays its own."""
    if isinstance(operation, StatsError):
        return Outcome(errors=(_told_refusal(operation),), refused=True)
    return await _execute(operation, context)


async def _execute(operation: Operation, context: RequestContext) -> Outcome:
    """The one place where documents from outside meet the schema."""
    result = await schema.execute(
        operation.document,
        variable_values=operation.variables,
        operation_name=operation.name,
        context_value=context,
    )
    errors = result.errors or []
    if errors and result.data is None and all(error.path is None for error in errors):
        return _refused(*errors)
    return Outcome(result.data, tuple(map(_told, errors)))


def _refused(*errors: GraphQLError) -> Outcome:
    return Outcome(errors=tuple(map(_told, errors)), refused=True)


def _told(error: GraphQLError) -> Mapping[str, Any]:
    """The error as a caller may see it, always with a code of the vocabulary."""
    told = masked(error).formatted
    unreadable = isinstance(error, GraphQLSyntaxError) or error.nodes is None
    code = "bad_request" if unreadable else "validation_error"
    return {**told, "extensions": {"code": code} | told.get("extensions", {})}


def _told_refusal(error: StatsError) -> Mapping[str, Any]:
    return {"message": error.message, "extensions": error.extensions}


# --- answering ----------------------------------------------------------------------------------------------------


def _revalidated(request: Request, media_type: str, outcome: Outcome, headers: Mapping[str, str]) -> Response:
    """The answer to a GET, or that the client has it already.  Its cost is in ``Server-Timing`` alone: in the body it
    would make every answer a new one.  With an error in it, it is not for keeping."""
    body = outcome.body({})
    if outcome.errors:
        return _response(body, media_type, _status(outcome, media_type), {**headers, **NOT_STORED})
    etag = etag_of(orjson.dumps(body), media_type)
    if held := tag_held(",".join(request.headers.getlist("if-none-match")), etag):
        return Response(status_code=304, headers={**headers, **VARY, **REVALIDATED, "ETag": held})
    return _response(body, media_type, 200, {**headers, **REVALIDATED, "ETag": etag})


def _status(outcome: Outcome, media_type: str) -> int:
    """For clients of plain JSON a document that cannot be run has been answered all the same."""
    return 400 if outcome.refused and media_type == RESPONSE_TYPE else 200


def _refusal(request: Request, error: StatsError) -> Response:
    """What is refused before there is a document, as a response of errors alone."""
    try:
        media_type = negotiated(request.headers)
    except NotAcceptable:
        media_type = JSON_TYPE
    allowed = {"Allow": "POST"} if isinstance(error, MethodNotAllowed) else {}
    headers = {**NOT_STORED, **retry_after(error), **allowed}
    return _response({"errors": [_told_refusal(error)]}, media_type, error.http_status, headers)


def _response(body: Any, media_type: str, status: int, headers: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(body), status, {**VARY, **headers}, media_type=f"{media_type}; charset=utf-8")
