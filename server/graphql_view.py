"""GraphQL over HTTP: one address, GET and POST, one request or an array of them, answers in the type the client asked for.

A client that names a stream gets what is deferred as it comes; to all others, to a GET and to an array, ``@defer`` is as
if it were not there.  Follows the GraphQL-over-HTTP draft as its audits check it: a document that cannot be executed is 400 for clients of
``application/graphql-response+json`` and 200 for those of plain JSON; errors inside fields are 200.  What is refused
before there is a document has its own status for both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson
from graphql import OperationType
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
    server_timing,
    told_by_code,
    unless_client_leaves,
)
from ..schema.context import RequestContext
from ..schema.cost import cost_of
from ..schema.engine import Engine
from ..schema.vantages import Vantage
from .graphiql import GRAPHQL_PATH, graphiql_page, wants_page
from .graphql_requests import read_entries
from .live_answers import LiveAnswers
from .media_types import EVENTS_TYPE, JSON_TYPE, RESPONSE_TYPE, accepted_streams, negotiated, negotiated_if_any
from .operations import (
    Operation,
    Outcome,
    Payload,
    check_one_answer,
    execute,
    execute_in_parts,
    read_operation,
    told_refusal,
)
from .persisted_queries import PersistedQueries
from .refusals import MethodNotAllowed
from .streamed_answers import CutOff, StreamedAnswer
from .told_tags import ToldTags

METHODS = ("GET", "HEAD", "OPTIONS", "POST")

VARY = {"Vary": "Accept, Accept-Encoding, Authorization, X-API-Key"}
REVALIDATED = {"Cache-Control": "private, no-cache"}
NOT_STORED = {"Cache-Control": "no-store"}

COST_HEADER = "X-Fanin-Cost"
NO_PAGE = "There is no GraphiQL here; ask with POST"


@dataclass(frozen=True, slots=True)
class Run:
    """The outcomes of one HTTP request, in order, and what all of them cost."""

    outcomes: list[Outcome]
    sharing: Sharing
    cost: dict[str, Any]
    wall_ms: float
    vantage: Vantage

    @property
    def headers(self) -> dict[str, str]:
        return {"Server-Timing": server_timing(self.wall_ms, self.sharing)}

    def extensions(self, *, tells_cost: bool) -> dict[str, Any]:
        """What was shared, for whoever wonders what the request cost."""
        return {"extensions": {"fanin": self.cost}} if tells_cost else {}


def graphql_routes(
    engine: Engine, persisted: PersistedQueries, live: LiveAnswers, *, production: bool = False
) -> list[Route]:
    """In production there is no GraphiQL, and what an answer cost is told only to those who ask for it."""

    tags = ToldTags()

    async def graphql(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(METHODS)})
        if wants_page(request):
            # Never executed instead: the entrance lets a browser that looks for the page in uncounted.
            return error_response(request, NotFound(NO_PAGE)) if production else graphiql_page(request)
        try:
            return await _answer(
                request, engine, persisted, live, tags, tells_cost=_tells_cost(request, unless_said=not production)
            )
        except StatsError as error:
            return _refusal(request, error)
        except (ClientGone, CutOff):
            return EmptyResponse()

    return [Route(path, graphql, methods=METHODS) for path in (GRAPHQL_PATH, f"{GRAPHQL_PATH}/")]


def _tells_cost(request: Request, *, unless_said: bool) -> bool:
    said = request.headers.get(COST_HEADER, "").lower()
    return said in {"1", "true"} if said else unless_said


async def _answer(
    request: Request,
    engine: Engine,
    persisted: PersistedQueries,
    live: LiveAnswers,
    tags: ToldTags,
    *,
    tells_cost: bool,
) -> Response:
    streams = accepted_streams(request.headers)
    media_type = None if streams else negotiated(request.headers)
    sent = await read_entries(request)
    if media_type is None and not isinstance(sent, list) and request.method == "POST":
        operation = read_operation(sent, persisted)
        if OperationType.SUBSCRIPTION in operation.kinds(engine) and EVENTS_TYPE in streams:
            return await _followed(request, live, operation, tells_cost=tells_cost)
        check_one_answer(operation, engine)
        return await _streamed(request, engine, operation, streams, tells_cost=tells_cost)
    media_type = media_type or negotiated(request.headers)
    if isinstance(sent, list):
        run = await _run(request, engine, [_operation_or_error(entry, persisted) for entry in sent])
        extensions = run.extensions(tells_cost=tells_cost)
        return _response([outcome.body(extensions) for outcome in run.outcomes], media_type, 200, run.headers)
    operation = read_operation(sent, persisted)
    if request.method != "POST":
        _check_read_only(operation, engine)
        check_one_answer(operation, engine)
        return await _revalidated(request, engine, tags, operation, media_type)
    check_one_answer(operation, engine)
    run = await _run(request, engine, [operation])
    (outcome,) = run.outcomes
    body = outcome.body(run.extensions(tells_cost=tells_cost))
    return _response(body, media_type, _status(outcome, media_type), run.headers)


async def _streamed(
    request: Request, engine: Engine, operation: Operation, streams: Sequence[str], *, tells_cost: bool
) -> Response:
    """A stream where something is deferred, or where the client takes nothing else; else one answer in JSON."""
    parts = _parts(engine, operation, tells_cost=tells_cost)
    first = await unless_client_leaves(request, anext(parts))
    if isinstance(first, Run):
        await parts.aclose()
        (outcome,) = first.outcomes
        body = outcome.body(first.extensions(tells_cost=tells_cost))
        if media_type := negotiated_if_any(request.headers):
            return _response(body, media_type, _status(outcome, media_type), first.headers)
        first = body
    return StreamedAnswer(first, cast("AsyncGenerator[Payload, None]", parts), streams[0], VARY)


async def _followed(request: Request, live: LiveAnswers, operation: Operation, *, tells_cost: bool) -> Response:
    """A subscription as server-sent events, for as long as the client stays and may read."""
    payloads = live.payloads(request, operation, tells_cost=tells_cost)
    first = await unless_client_leaves(request, anext(payloads))
    return StreamedAnswer(first, payloads, EVENTS_TYPE, VARY)


# --- before anything runs -----------------------------------------------------------------------------------------


def _operation_or_error(entry: Any, persisted: PersistedQueries) -> Operation | StatsError:
    try:
        return read_operation(entry, persisted)
    except StatsError as error:
        return error


def _check_read_only(operation: Operation, engine: Engine) -> None:
    """A GET asks and nothing else, so that a link or an image of another site can do no more.  Raises ``MethodNotAllowed``."""
    for kind in operation.kinds(engine) - {OperationType.QUERY}:
        raise MethodNotAllowed(f"A GET is for queries; send a {kind.value} by POST")


# --- running ------------------------------------------------------------------------------------------------------


async def _run(request: Request, engine: Engine, operations: Sequence[Operation | StatsError]) -> Run:
    """All operations from one context, so that what they have in common is scanned once."""
    started = time.perf_counter()
    about = [
        name for operation in operations if isinstance(operation, Operation) for name in operation.accounts(engine)
    ]
    async with engine.request(about=about) as context:
        running = asyncio.gather(*(_outcome(operation, engine, context) for operation in operations))
        outcomes = await unless_client_leaves(request, running)
    wall_ms = 1000 * (time.perf_counter() - started)
    return Run(outcomes, context.loader.sharing, cost_of(context), wall_ms, context.vantage)


async def _outcome(operation: Operation | StatsError, engine: Engine, context: RequestContext) -> Outcome:
    """What is wrong with one entry of an array stays its own."""
    try:
        if isinstance(operation, StatsError):
            raise operation
        check_one_answer(operation, engine)
    except StatsError as error:
        return Outcome(errors=(told_refusal(error),), refused=True)
    return await execute(operation, context)


async def _parts(engine: Engine, operation: Operation, *, tells_cost: bool) -> AsyncGenerator[Run | Payload, None]:
    """The run of an operation that defers nothing; else the payloads, of which the last tells the cost."""
    started = time.perf_counter()
    async with (
        engine.request(about=operation.accounts(engine)) as context,
        aclosing(execute_in_parts(operation, context)) as parts,
    ):
        async for part in parts:
            wall_ms = 1000 * (time.perf_counter() - started)
            run = Run([], context.loader.sharing, cost_of(context), wall_ms, context.vantage)
            if isinstance(part, Outcome):
                yield replace(run, outcomes=[part])
            else:
                yield part if part["hasNext"] else part | run.extensions(tells_cost=tells_cost)


# --- answering ----------------------------------------------------------------------------------------------------


async def _revalidated(
    request: Request, engine: Engine, tags: ToldTags, operation: Operation, media_type: str
) -> Response:
    """The answer to a GET, or that the client has it already, for which nothing is run where its tag is known.

    Its cost is in ``Server-Timing`` alone: in the body it would make every answer a new one.  With an error in it, it is
    not for keeping.
    """
    started = time.perf_counter()
    given = ",".join(request.headers.getlist("if-none-match"))
    if given and (known := tags.find(operation, media_type, engine)) and (held := tag_held(given, known)):
        return _unchanged(held, {"Server-Timing": server_timing(1000 * (time.perf_counter() - started), Sharing())})
    run = await _run(request, engine, [operation])
    (outcome,) = run.outcomes
    if outcome.errors:
        headers = {**run.headers, **NOT_STORED}
        return _response(outcome.body({}), media_type, _status(outcome, media_type), headers)
    body = orjson.dumps(outcome.body({}))
    etag = etag_of(body, media_type)
    tags.keep(operation, media_type, run.vantage, etag)
    if held := tag_held(given, etag):
        return _unchanged(held, run.headers)
    return _written(body, media_type, 200, {**run.headers, **REVALIDATED, "ETag": etag})


def _unchanged(held: str, headers: Mapping[str, str]) -> Response:
    return Response(status_code=304, headers={**headers, **VARY, **REVALIDATED, "ETag": held})


def _status(outcome: Outcome, media_type: str) -> int:
    """For clients of plain JSON a document that cannot be run has been answered all the same."""
    return 400 if outcome.refused and media_type == RESPONSE_TYPE else 200


def _refusal(request: Request, error: StatsError) -> Response:
    """What is refused before there is a document, as a response of errors alone."""
    media_type = negotiated_if_any(request.headers) or JSON_TYPE
    allowed = {"Allow": "POST"} if isinstance(error, MethodNotAllowed) else {}
    headers = {**NOT_STORED, **told_by_code(error), **allowed}
    return _response({"errors": [told_refusal(error)]}, media_type, error.http_status, headers)


def _response(body: Any, media_type: str, status: int, headers: Mapping[str, str]) -> Response:
    return _written(orjson.dumps(body), media_type, status, headers)


def _written(body: bytes, media_type: str, status: int, headers: Mapping[str, str]) -> Response:
    return Response(body, status, {**VARY, **headers}, media_type=f"{media_type}; charset=utf-8")
