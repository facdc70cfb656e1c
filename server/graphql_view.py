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
from functools import lru_cache
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLSyntaxError, OperationDefinitionNode, OperationType, parse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from strawberry.schema.exceptions import CannotGetOperationTypeError

from ..catalog.errors import StatsError
from ..resolvers.loader import Sharing
from ..rest_compat.responses import ClientGone, EmptyResponse, retry_after, server_timing, unless_client_leaves
from ..schema.context import RequestContext
from ..schema.engine import Engine
from ..schema.schema import masked, schema
from .etags import etag_of, tag_held
from .graphiql import GRAPHQL_PATH, graphiql_page, wants_page
from .graphql_requests import read_entries, read_graphql_request
from .media_types import JSON_TYPE, RESPONSE_TYPE, negotiated
from .persisted_queries import PersistedQueries
from .refusals import MethodNotAllowed, NotAcceptable

METHODS = ("GET", "HEAD", "OPTIONS", "POST")

VARY = {"Vary": "Accept, Accept-Encoding, Authorization, X-API-Key"}
REVALIDATED = {"Cache-Control": "private, no-cache"}
NOT_STORED = {"Cache-Control": "no-store"}

MAX_TOKENS_READ = 10_000  # what is longer is the executor's to refuse, and not worth half a second here


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
    wall_ms: float

    @property
    def headers(self) -> dict[str, str]:
        return {"Server-Timing": server_timing(self.wall_ms, self.sharing)}

    @property
    def extensions(self) -> dict[str, Any]:
        """What was shared, for whoever wonders what the request cost."""
        told = {
            "fields": self.sharing.fields,
            "identical": self.sharing.identical,
            "scans": self.sharing.scans,
            "scanMs": round(self.sharing.scan_ms, 1),
        }
        return {"extensions": {"fanin": told}}


def graphql_routes(engine: Engine, persisted: PersistedQueries) -> list[Route]:
    async def graphql(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(METHODS)})
        if wants_page(request):
            return graphiql_page(request)
        try:
            return await _answer(request, engine, persisted)
        except StatsError as error:
            return _refusal(request, error)
        except ClientGone:
            return EmptyResponse()

    return [Route(path, graphql, methods=METHODS) for path in (GRAPHQL_PATH, f"{GRAPHQL_PATH}/")]


async def _answer(request: Request, engine: Engine, persisted: PersistedQueries) -> Response:
    media_type = negotiated(request.headers)
    sent = await read_entries(request)
    if isinstance(sent, list):
        run = await _run(request, engine, [_operation_or_error(entry, persisted) for entry in sent])
        return _response([outcome.body(run.extensions) for outcome in run.outcomes], media_type, 200, run.headers)
    run = await _run(request, engine, [_operation(sent, persisted, request.method)])
    (outcome,) = run.outcomes
    if request.method != "POST":
        return _revalidated(request, media_type, outcome, run.headers)
    return _response(outcome.body(run.extensions), media_type, _status(outcome, media_type), run.headers)


# --- before anything runs -----------------------------------------------------------------------------------------


def _operation(entry: Any, persisted: PersistedQueries, method: str = "POST") -> Operation:
    """Raises a ``StatsError`` for what is no request, for a document that is not there, and for a GET that would write."""
    asked = read_graphql_request(entry)
    document = persisted.document(asked.query, asked.document_id)
    if method != "POST":
        _check_read_only(document, asked.operation_name)
    return Operation(document, asked.operation_name, asked.variables)


def _operation_or_error(entry: Any, persisted: PersistedQueries) -> Operation | StatsError:
    try:
        return _operation(entry, persisted)
    except StatsError as error:
        return error


def _check_read_only(document: str, name: str | None) -> None:
    """A GET asks and nothing else, so that a link or an image of another site can do no more.  Raises ``MethodNotAllowed``."""
    for kind in (kind for known, kind in _operations(document) if name in (None, known)):
        if kind is not OperationType.QUERY:
            raise MethodNotAllowed(f"A GET is for queries; send a {kind.value} by POST")


@lru_cache(maxsize=256)
def _operations(document: str) -> tuple[tuple[str | None, OperationType], ...]:
    """Name and kind of each operation; none for a document that cannot be read, which the executor will say better."""
    try:
        definitions = parse(document, max_tokens=MAX_TOKENS_READ).definitions
    except (GraphQLError, RecursionError):
        return ()
    return tuple(
        (definition.name and definition.name.value, definition.operation)
        for definition in definitions
        if isinstance(definition, OperationDefinitionNode)
    )


# --- running ------------------------------------------------------------------------------------------------------


async def _run(request: Request, engine: Engine, operations: Sequence[Operation | StatsError]) -> Run:
    """All operations from one context, so that what they have in common is scanned once."""
    started = time.perf_counter()
    async with engine.request() as context:
        running = asyncio.gather(*(_outcome(operation, context) for operation in operations))
        outcomes = await unless_client_leaves(request, running)
    return Run(outcomes, context.loader.sharing, 1000 * (time.perf_counter() - started))


async def _outcome(operation: Operation | StatsError, context: RequestContext) -> Outcome:
    """What is wrong with one entry of an array stays its own."""
    if isinstance(operation, StatsError):
        return Outcome(errors=(_told_refusal(operation),), refused=True)
    return await _execute(operation, context)


async def _execute(operation: Operation, context: RequestContext) -> Outcome:
    """The one place where documents from outside meet the schema."""
    if operation.name is None and len(known := _operations(operation.document)) > 1:
        listed = ", ".join(name for name, _ in known[:10] if name)
        return _refused(GraphQLError(f"The document holds several operations: name one in operationName ({listed})"))
    try:
        result = await schema.execute(
            operation.document,
            variable_values=operation.variables,
            operation_name=operation.name,
            context_value=context,
        )
    except CannotGetOperationTypeError:
        missing = f"operation '{operation.name[:80]}'" if operation.name else "operation"
        return _refused(GraphQLError(f"There is no {missing} in the document"))
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
