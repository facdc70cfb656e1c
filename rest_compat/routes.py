"""The addresses of the legacy API: one GET per report and its aliases, the batch, and its validation."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..catalog.accounts import Account
from ..catalog.endpoints import ENDPOINTS, ENDPOINTS_BY_PATH, Endpoint, Shape
from ..catalog.errors import InvalidQuery, NotFound, StatsError, suggestion
from ..schema.context import RequestContext
from ..schema.engine import Engine
from .batch import run_batch, validate_batch
from .bodies import read_free_query, read_funnel, read_object
from .etags import question_tag, tag_held
from .execution import ENVELOPE, execute, kept_answer, name_of
from .params import RestQuery, accounts_named, read_query, truth, with_path_values
from .plan import PlanRefused, read_plan
from .responses import (
    ClientGone,
    EmptyResponse,
    JSONResponse,
    error_response,
    read_body,
    request_id_of,
    server_timing,
    timestamp,
    unless_client_leaves,
)
from .shapes import closed_envelope, envelope
from .streaming import StreamedBatch, stream_accepted, stream_batch
from .understood import UnderstoodPlans, UnderstoodQueries

PREFIX = "/api/v1"

Handler = Callable[[Request], Awaitable[Response]]


def rest_routes(engine: Engine) -> list[Route]:
    """All routes of the legacy door."""
    return [
        Route(f"{PREFIX}/batch", _told_errors(_batch(engine)), methods=["POST"]),
        Route(f"{PREFIX}/batch/validate", _told_errors(_validate(engine)), methods=["POST"]),
        *(
            Route(f"{PREFIX}{path}", _told_errors(_by_method(handlers)), methods=list(handlers))
            for path, handlers in sorted(
                _report_handlers(engine).items(), key=lambda row: "{" in row[0]
            )  # plain ones first
        ),
        Route(f"{PREFIX}/stats/{{path:path}}", _told_errors(_unknown_report), methods=["GET"]),
    ]


def _report_handlers(engine: Engine) -> dict[str, dict[str, Handler]]:
    """By path and method: ``/stats/funnel`` is one report to a GET and another to a POST, and its 405 allows both."""
    handlers: dict[str, dict[str, Handler]] = {}
    for endpoint in ENDPOINTS.values():
        answer = _POSTED.get(endpoint.shape, _report)(engine, endpoint)
        for path in (endpoint.path, *endpoint.aliases):
            handlers.setdefault(path, {})[endpoint.method] = answer
    return handlers


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    async def answer(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return answer


def _told_errors(handler: Handler) -> Handler:
    """Failures as the documented envelope; what is not a ``StatsError`` is left to the outermost door."""

    @wraps(handler)
    async def told(request: Request) -> Response:
        try:
            return await handler(request)
        except StatsError as error:
            return error_response(request, error)
        except ClientGone:
            return EmptyResponse()

    return told


def _funnel_steps(engine: Engine, endpoint: Endpoint) -> Handler:
    async def funnel(request: Request) -> Response:
        body = read_object(await read_body(request))
        async with engine.request(about=accounts_named(body)) as context:
            with _told_under("body"):
                query, name = read_funnel(body, context)
            data = {"name": name, **await unless_client_leaves(request, execute(query, context))}
            return JSONResponse(envelope(endpoint, data, timestamp(context.now)))

    return funnel


def _free_query(engine: Engine, endpoint: Endpoint) -> Handler:
    async def free(request: Request) -> Response:
        body = read_object(await read_body(request))
        async with engine.request(about=accounts_named(body)) as context:
            with _told_under("body"):
                query = read_free_query(body, context)
            return await _enveloped(request, query, context)

    return free


_POSTED: dict[Shape, Callable[[Engine, Endpoint], Handler]] = {Shape.STEPS: _funnel_steps, Shape.FREE: _free_query}


@contextmanager
def _told_under(prefix: str) -> Iterator[None]:
    """Problems seen from the request: ``page`` of a query string is ``query.page``."""
    try:
        yield
    except InvalidQuery as error:
        raise InvalidQuery.of(*(problem.under(prefix) for problem in error.detail)) from None


def _report(engine: Engine, endpoint: Endpoint) -> Handler:
    queries = UnderstoodQueries()

    async def report(request: Request) -> Response:
        async with engine.request(about=accounts_named(request.query_params)) as context:
            with _told_under("query"):
                query = queries.read(request, context, lambda: read_query(endpoint, _params(request), context))
            account = context.account(query.stats.scope.account)
            if not (engine.answers_hold and account.data_stamp):
                return await _enveloped(request, query, context)
            return await _revalidated(request, query, context, account)

    return report


async def _revalidated(request: Request, query: RestQuery, context: RequestContext, account: Account) -> Response:
    """The answer to a GET, or that the client has it already, all but its timestamp; then nothing is asked."""
    tag = question_tag((query.stats, name_of(query, ENVELOPE)), account)
    given = ",".join(request.headers.getlist("if-none-match"))
    held = None if given.strip() == "*" else tag_held(given, tag)  # what is not named may not be there at all
    if held is None:
        answer = await _enveloped(request, query, context)
        if not tag_held(given, tag):
            answer.headers.update({**REVALIDATED, "ETag": f"W/{tag}"})
            return answer
    return Response(status_code=304, headers={**REVALIDATED, "ETag": f"W/{held or tag}"})


REVALIDATED = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization, X-API-Key"}


async def _enveloped(request: Request, query: RestQuery, context: RequestContext) -> Response:
    told = kept_answer(query, context, ENVELOPE)
    if told is None:  # only then is there something that a client may leave
        told = await unless_client_leaves(request, execute(query, context, ENVELOPE))
    return Response(
        closed_envelope(query.endpoint, told.text, timestamp(context.now)), media_type=JSONResponse.media_type
    )


def _params(request: Request) -> Mapping[str, Any]:
    """The query string, repeated keys as lists, and what stands in the path."""
    repeated = {name: request.query_params.getlist(name) for name in request.query_params}
    return with_path_values(repeated, request.path_params, given=repeated)


async def _unknown_report(request: Request) -> Response:
    path = f"/stats/{request.path_params['path']}"
    if path in _TAKING_A_BODY:
        raise HTTPException(405, headers={"Allow": "POST"})
    if (trimmed := path.removesuffix("/")) in ENDPOINTS_BY_PATH:
        raise NotFound(f"Unknown endpoint: {path[:80]} (without the slash at the end: {trimmed})")
    raise NotFound(f"Unknown endpoint: {path[:80]}{suggestion(path, ENDPOINTS_BY_PATH)}")


_TAKING_A_BODY = {endpoint.path for endpoint in ENDPOINTS.values() if endpoint.method == "POST"}


def _batch(engine: Engine) -> Handler:
    plans = UnderstoodPlans()

    async def batch(request: Request) -> Response:
        body = await read_body(request)
        plan = plans.read(body)
        if plan.options.dry_run:
            return JSONResponse(await validate_batch(plan, engine))
        understand = partial(plans.translation, body)
        if media_type := stream_accepted(",".join(request.headers.getlist("accept"))):
            records = stream_batch(plan, engine, _batch_id(request), understand=understand)
            return StreamedBatch(await unless_client_leaves(request, anext(records)), records, media_type)
        run = await unless_client_leaves(request, run_batch(plan, engine, _batch_id(request), understand=understand))
        return JSONResponse(run.answer, headers={"Server-Timing": server_timing(run.wall_ms, run.sharing)})

    return batch


def _batch_id(request: Request) -> str:
    """A UUID: the request's own id, or a new one where the caller named the request otherwise.  Rule 4.6."""
    try:
        return str(uuid.UUID(request_id_of(request)))
    except ValueError:
        return str(uuid.uuid4())


def _validate(engine: Engine) -> Handler:
    async def validate(request: Request) -> Response:
        try:
            subject = read_plan(await read_body(request))
        except PlanRefused as refusal:
            subject = refusal
        return JSONResponse(await validate_batch(subject, engine, explain=_explain_asked(request)))

    return validate


def _explain_asked(request: Request) -> bool:
    """Raises ``InvalidQuery`` for what is neither true nor false."""
    with _told_under("query"):
        return truth("explain", request.query_params.get("explain", "false"))
