"""The API's own description, and the routes that it must be about."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from fanin.rest_compat.openapi import openapi_document

DOCUMENT: dict[str, Any] = openapi_document()
OPERATIONS: dict[tuple[str, str], Any] = {
    (method.upper(), path): operation for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
}
DESCRIBED = ("/api/", "/health", "/livez", "/readyz")  # pages are for people, and GraphQL describes itself


def registered(app: Starlette) -> set[tuple[str, str]]:
    """Method and path of every route that the description is about."""
    routes = [route for route in app.routes if isinstance(route, Route)]
    return {
        (method, route.path)
        for route in routes
        if route.path.startswith(DESCRIBED) and ":path}" not in route.path  # which says a report is unknown
        for method in (route.methods or set()) - {"HEAD"}
    }


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """The part itself, or the component it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    return DOCUMENT["components"][kind][name]
