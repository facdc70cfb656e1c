"""The OpenAPI 3.1 description of the REST door, made from the tables, and the address that serves it.

A path per report and alias, the batch and its validation, the probes.  GraphQL describes itself (``fanin schema``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..catalog.endpoints import ENDPOINTS, Endpoint
from ..catalog.errors import ERRORS
from ..catalog.limits import LIMITS, MAX_BATCH_QUERIES
from ..catalog.plans import PLANS
from ..schema.naming import pascal_case
from .batch_examples import PLAN, answer_example, events_example, ndjson_example, validation_example
from .batch_schemas import batch_schemas
from .body_schemas import BODY_OF, body_schemas
from .error_schemas import codes_of, envelope_name, error_name, error_schemas
from .etags import etag_of, tag_held
from .json_schema import Members, Schema, closed, one_of, ref, text, whole_number
from .parameter_schemas import WORD_SCHEMAS, parameter_components, parameters_in
from .response_schemas import SHARED_SCHEMAS, answer_name, report_schemas
from .schema_examples import example_of

ADDRESS = "/openapi.json"
API = "/api/v1"

Json = dict[str, Any]


def openapi_routes() -> list[Route]:
    """``GET /openapi.json``: bytes made once, with an ETag."""

    async def openapi(request: Request) -> Response:
        body, tag = _served(request.scope.get("app_root_path", request.scope.get("root_path", "")))
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if held := tag_held(",".join(request.headers.getlist("if-none-match")), tag):
            return Response(status_code=304, headers=headers | {"ETag": held})
        return Response(body, media_type="application/json", headers=headers)

    return [Route(ADDRESS, openapi, methods=["GET"])]


@cache
def _served(root_path: str) -> tuple[bytes, str]:
    body = orjson.dumps(openapi_document(root_path or "/"))
    return body, etag_of(body, "application/json")


def openapi_document(server: str = "/") -> Json:
    """The document; ``server`` is where the API begins, as seen from the host's root."""
    schemas = _schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fanin",
            "version": version("fanin"),
            "summary": "Web-analytics reports, many at once.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server, "description": "This server."}],
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "security": [{}, {"ApiKey": []}, {"AccessToken": []}],
        "paths": _with_examples(_paths(schemas), schemas),
        "components": {
            "schemas": schemas,
            "parameters": parameter_components(),
            "responses": _responses(schemas),
            "headers": _HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


_DESCRIPTION = f"""\
Statistics of web sites as documented JSON, one report at a time or up to {MAX_BATCH_QUERIES} in a batch. A batch is
one request and is answered with few scans of the data, whatever its number of queries.

**Credentials.** An API key in `X-API-Key`, or `Authorization: Bearer` with a key or an access token. A server without
keys on a loopback host is open and looks at none.

**Errors** come as `{{"error": {{"code", "message", "detail"?}}, "request_id"}}`; branch on `code`. A method that an
address does not take is answered with {ERRORS["method_not_allowed"].http_status} `method_not_allowed` and an `Allow`
header; an address that does not exist with {ERRORS["not_found"].http_status} `not_found`.

**Limits.** {"; ".join(f"{value:,} {said}" for value, said in LIMITS.values())}. Requests per minute by plan:
{", ".join(f"{plan.name} {plan.requests:,}" for plan in PLANS.values())}; keys have half of that for
`{API}/stats/…`. The `X-RateLimit-…` headers of every answer tell where the caller stands.
"""

TAGS = {
    "Batch": "Many reports in one request.",
    "Reports": "One report each. Arrays are repeated keys; days are the account's own.",
    "Further reports": "Shorter lists, groups, single goals and single events.",
    "Questions with a body": "Funnels of one's own and free combinations of dimensions and metrics.",
    "Probes": "Whether the server is alive and can answer. Neither credentials nor limits.",
}


# --- operations ---------------------------------------------------------------------------------------------------


def _paths(schemas: Members) -> dict[str, Json]:
    paths: dict[str, Json] = {
        f"{API}/batch": {"post": _batch(schemas)},
        f"{API}/batch/validate": {"post": _validation()},
    }
    for endpoint in ENDPOINTS.values():
        for path in (endpoint.path, *endpoint.aliases):
            paths.setdefault(f"{API}{path}", {})[endpoint.method.lower()] = _report(endpoint, path)
    return paths | {path: {"get": _probe(path, said, ready)} for path, said, ready in _PROBES}


def _batch(schemas: Members) -> Json:
    streamed = text("A record per line, as `x-record` says: `plan`, each `result` the moment it is ready, `end`.")
    events = text("The same records as events, named after their `type`.")
    record = {"x-record": ref("BatchRecord")}
    return {
        "operationId": "runBatch",
        "tags": ["Batch"],
        "summary": "Run a batch",
        "description": "Runs every query as soon as what it depends on has succeeded. The answer is 200 whenever the "
        "plan was accepted; what went wrong with one query is told in its result. With `dry_run` it is that of "
        "`/batch/validate`. `Accept: application/x-ndjson` or `text/event-stream` asks for a stream.",
        "requestBody": _body("BatchPlan", PLAN),
        "responses": {
            "200": {
                "description": "The plan was accepted.",
                "headers": _told_headers("X-Request-ID", *_LIMIT_HEADERS, "Server-Timing"),
                "content": {
                    "application/json": {
                        "schema": {"anyOf": [ref("BatchAnswer"), ref("ValidationAnswer")]},
                        "example": answer_example(schemas),
                    },
                    "application/x-ndjson": {"schema": streamed | record, "example": ndjson_example(schemas)},
                    "text/event-stream": {"schema": events | record, "example": events_example(schemas)},
                },
            },
            **_refusals(400, 401, 403, 413, 422, 429, 500, 503),
        },
    }


def _validation() -> Json:
    explain = {
        "name": "explain",
        "in": "query",
        "description": "Add windows, scans after sharing and advice.",
        "schema": {"type": "boolean", "default": False},
    }
    return {
        "operationId": "validateBatch",
        "tags": ["Batch"],
        "summary": "Check a batch",
        "description": "Every fault of a plan and of its queries, and the order it would run in. Touches no data.",
        "parameters": [explain],
        "requestBody": _body("BatchPlan", PLAN),
        "responses": _answered("ValidationAnswer", "What is wrong with the plan.", example=validation_example())
        | _refusals(400, 401, 403, 413, 422, 429, 500, 503),
    }


def _report(endpoint: Endpoint, path: str) -> Json:
    is_alias = path != endpoint.path
    alias = f" Another name of `{API}{endpoint.path}`." if is_alias else ""
    takes_body = endpoint.method == "POST"
    asked = {"requestBody": _body(BODY_OF[endpoint.name])} if takes_body else {"parameters": parameters_in(endpoint)}
    statuses = (400, 401, 403, 404, *((413,) if takes_body else ()), 422, 429, 500, 503)
    return {
        "operationId": _operation_id(endpoint, path),
        "tags": [_tag(endpoint)],
        "summary": endpoint.title + (" (alias)" if is_alias else ""),
        "description": endpoint.meaning + alias,
        **asked,
        "responses": _answered(answer_name(endpoint), endpoint.meaning) | _refusals(*statuses),
    }


def _operation_id(endpoint: Endpoint, path: str) -> str:
    """``getCountries``; of an alias by its path: ``getGeoCountries``."""
    verb = {"GET": "get", "POST": "run"}[endpoint.method]
    name = endpoint.name if path == endpoint.path else path.removeprefix("/stats/").replace("/", "_").replace("-", "_")
    return verb + pascal_case(name)


def _tag(endpoint: Endpoint) -> str:
    if endpoint.method == "POST":
        return "Questions with a body"
    return "Reports" if endpoint.on_the_page else "Further reports"


_PROBES = (
    ("/livez", "Whether the process is alive", False),
    (
        "/readyz",
        "Whether requests should be sent here: the warehouse answers, and the server is not about to stop",
        True,
    ),
    ("/health", "The same as `/readyz`", True),
)


def _probe(path: str, said: str, ready: bool) -> Json:
    unavailable = {
        "503": {
            "description": ERRORS["database_unavailable"].meaning,
            "headers": _told_headers("X-Request-ID"),
            "content": {"application/json": {"schema": ref("Unavailability")}},
        }
    }
    return {
        "operationId": f"get{path[1:].capitalize()}",
        "tags": ["Probes"],
        "summary": said,
        "security": [],
        "responses": _answered("Health", "Yes.", limited=False) | (unavailable if ready else {}),
    }


_PROBE_SCHEMAS: Members = {
    "Health": closed(
        {
            "status": one_of(("ok",), examples=["ok"]),
            "accounts": whole_number("How many there are; told by open servers only.", minimum=0, examples=[3]),
        },
        "The server is well.",
        ("accounts",),
    ),
    "Unavailability": closed(
        {"status": one_of(("unavailable", "leaving"), examples=["unavailable"])},
        "The server cannot answer, or is about to stop.",
    ),
}


def _body(name: str, example: Any = None) -> Json:
    return {"required": True, "content": {"application/json": _media_of(name, example)}}


def _media_of(name: str, example: Any = None) -> Json:
    return {"schema": ref(name)} | ({} if example is None else {"example": example})


# --- answers ------------------------------------------------------------------------------------------------------

_LIMIT_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_HEADERS: dict[str, Json] = {
    "X-Request-ID": {
        "required": True,
        "description": "The caller's own when it sent one of plain characters, else a UUID.",
        "schema": {"type": "string", "maxLength": 64},
    },
    "X-RateLimit-Limit": {
        "required": True,
        "description": "Requests in this minute, at most.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "X-RateLimit-Remaining": {
        "required": True,
        "description": "How many of them are left.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-RateLimit-Reset": {
        "required": True,
        "description": "When the minute ends, in Unix seconds.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "Server-Timing": {
        "description": "Wall time, and how many scans were made and shared.",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": "The scheme to use.", "schema": {"type": "string"}},
}
_FURTHER_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}

_SECURITY_SCHEMES: dict[str, Json] = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A key made by `fanin keys create`, `sm_…`. It reads its own accounts.",
    },
    "AccessToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a JWT with `sub`, `account_ids`, `scopes`, `iat` and `exp`.",
    },
}

REFUSED = (400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 504)


def _told_headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _answered(name: str, description: str, *, limited: bool = True, example: Any = None) -> Json:
    return {
        "200": {
            "description": description,
            "headers": _told_headers("X-Request-ID", *(_LIMIT_HEADERS if limited else ())),
            "content": {"application/json": _media_of(name, example)},
        }
    }


def _refusals(*statuses: int) -> Json:
    return {str(status): {"$ref": f"#/components/responses/{error_name(status)}"} for status in statuses}


def _responses(schemas: Members) -> dict[str, Json]:
    return {error_name(status): _refusal(status, schemas) for status in REFUSED}


def _refusal(status: int, schemas: Members) -> Json:
    envelope = ref(envelope_name(status))
    return {
        "description": " ".join(f"`{code}`: {ERRORS[code].meaning}" for code in codes_of(status)),
        "headers": _told_headers("X-Request-ID", *_LIMIT_HEADERS, *_FURTHER_HEADERS.get(status, ())),
        "content": {"application/json": {"schema": envelope, "example": example_of(envelope, schemas)}},
    }


def _schemas() -> Members:
    reports = [report_schemas(endpoint) for endpoint in ENDPOINTS.values()]
    schemas = {name: schema for group in (batch_schemas(), body_schemas(), *reports) for name, schema in group.items()}
    return schemas | WORD_SCHEMAS | SHARED_SCHEMAS | error_schemas(REFUSED) | _PROBE_SCHEMAS


# --- examples -----------------------------------------------------------------------------------------------------


def _with_examples(paths: dict[str, Json], schemas: Mapping[str, Schema]) -> dict[str, Json]:
    """Gives every body and answer that has none an example."""
    for media in _media(paths):
        media.setdefault("example", example_of(media["schema"], schemas))
    return paths


def _media(paths: dict[str, Json]) -> Iterator[Json]:
    for operation in (operation for item in paths.values() for operation in item.values()):
        holders = [operation.get("requestBody", {}), *operation["responses"].values()]
        yield from (media for holder in holders for media in holder.get("content", {}).values())
