"""The dashboard at ``/``: one page that asks one GraphQL request for everything on it, and its files."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from .api_reference import DOCS_PATH
from .graphiql import GRAPHQL_PATH
from .html_text import script_data
from .static_files import StaticFile, read_static, static_route

DASHBOARD_PATH = "/"
STATIC_PATH = "/dashboard/static"

# In the order the page loads them.
STYLES = ("uPlot.min.css", "dashboard.css")
SCRIPTS = ("uPlot.iife.min.js", "chart.js", "dashboard.js")
ICON = "icon.svg"

# What the page asks, by the name its script knows it by.
DOCUMENTS = ("accounts", "dashboard")

PAGE_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FOLDER = Path(__file__).parent / "static" / "dashboard"


def dashboard_routes(*, production: bool = False) -> list[Route]:
    """The page and its files, read once, here; in production it links to no GraphiQL, as there is none.

    Raises ``FileNotFoundError`` where the installation lacks one.
    """
    files = static_files()

    async def dashboard(request: Request) -> Response:
        root_path = request.scope.get("app_root_path", request.scope.get("root_path", ""))
        return HTMLResponse(_page(root_path, production), headers=PAGE_HEADERS)

    return [Route(DASHBOARD_PATH, dashboard, methods=["GET"]), static_route(STATIC_PATH, files.values())]


@cache
def static_files() -> dict[str, StaticFile]:
    """Every file a browser may fetch, by its plain name."""
    return {name: read_static(_FOLDER / name) for name in (*STYLES, *SCRIPTS, ICON)}


@cache
def _page(root_path: str, production: bool) -> str:
    address = {name: escape(f"{root_path}{STATIC_PATH}/{file.hashed_name}") for name, file in static_files().items()}
    graphql = escape(f"{root_path}{GRAPHQL_PATH}")
    return Template((_FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        endpoint=graphql,
        graphiql="" if production else graphql,
        docs=escape(f"{root_path}{DOCS_PATH}"),
        icon=address[ICON],
        styles="\n".join(f'<link rel="stylesheet" href="{address[name]}">' for name in STYLES),
        scripts="\n".join(f'<script src="{address[name]}"></script>' for name in SCRIPTS),
        documents=script_data({name: _document(name) for name in DOCUMENTS}),
    )


def _document(name: str) -> str:
    return (_FOLDER / f"{name}.graphql").read_text(encoding="utf-8").strip()
