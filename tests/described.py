"""The API's own description, and which of its operations the application has a route for."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from fanin.app import create_app
from fanin.rest_compat.openapi import openapi_document
from fanin.schema.engine import Engine

DOCUMENT: dict[str, Any] = openapi_document()
OPERATIONS: dict[tuple[str, str], Any] = {
    (method.upper(), path): operation for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
}
DESCRIBED = ("/api/", "/health", "/livez", "/readyz")  # pages are for people, and GraphQL describes itself


def registered() -> set[tuple[str, str]]:
    """Method and path of every route that the description is about."""
    routes = [route for route in create_app(Engine.__new__(Engine)).routes if isinstance(route, Route)]
    return {
        (method, route.path)
        for route in routes
        if route.path.startswith(DESCRIBED) and ":path}" not in route.path  # which says a report is unknown
        for method in (route.methods or set()) - {"HEAD"}
    }


# Their readers came before their routes.
UNREGISTERED = {("POST", "/api/v1/stats/funnel"), ("POST", "/api/v1/stats/query")} - registered()


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """The part itself, or the component it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    return DOCUMENT["components"][kind][name]
