"""GraphiQL for a browser at ``/graphql``: the page, and its vendored files under names that carry their hash."""

from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from .html_text import script_data
from .static_files import StaticFile, read_static, static_route

GRAPHQL_PATH = "/graphql"
STATIC_PATH = "/graphiql/static"

# In the order the page loads them.
STYLES = ("graphiql.min.css", "start.css")
SCRIPTS = ("react.production.min.js", "react-dom.production.min.js", "graphiql.min.js", "start.js")
ICON = "icon.svg"

# One tab each; the first is open.
EXAMPLES = ("dashboard", "comparison", "drill_down", "time_series", "funnel", "live")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}
_FOLDER = Path(__file__).parent / "static" / "graphiql"


def wants_page(request: Request) -> bool:
    """Whether a browser is looking: a GET or HEAD whose ``Accept`` names HTML and no JSON.

    A link with ``?query=`` opened in a browser is such a request, so it fills the editor and runs nothing.
    """
    accepted = {item.partition(";")[0].strip().lower() for item in request.headers.get("accept", "").split(",")}
    return (
        request.method in {"GET", "HEAD"} and "text/html" in accepted and not any("json" in item for item in accepted)
    )


def graphiql_page(request: Request) -> Response:
    """The page, whatever the request's query says; its links stay below the application's root path."""
    root_path = request.scope.get("app_root_path", request.scope.get("root_path", ""))
    return HTMLResponse(_page(root_path), headers=PAGE_HEADERS)


def graphiql_routes() -> list[Route]:
    """The route of the static files, read once, here; any other name is a 404.

    Raises ``FileNotFoundError`` where the installation lacks one.
    """
    return [static_route(STATIC_PATH, static_files().values())]


@cache
def static_files() -> dict[str, StaticFile]:
    """Every file a browser may fetch, by its plain name, such as ``start.js``."""
    return {name: read_static(_FOLDER / name) for name in (*STYLES, *SCRIPTS, ICON)}


@cache
def _page(root_path: str) -> str:
    address = {name: escape(f"{root_path}{STATIC_PATH}/{file.hashed_name}") for name, file in static_files().items()}
    return Template((_FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        endpoint=escape(f"{root_path}{GRAPHQL_PATH}"),
        icon=address[ICON],
        styles="\n".join(f'<link rel="stylesheet" href="{address[name]}">' for name in STYLES),
        scripts="\n".join(f'<script src="{address[name]}"></script>' for name in SCRIPTS),
        examples=script_data(list(_examples())),
    )


def _examples() -> Iterator[dict[str, str]]:
    for name in EXAMPLES:
        yield {"query": _example(f"{name}.graphql"), "variables": _example(f"{name}.variables.json")}


def _example(name: str) -> str:
    return (_FOLDER / "examples" / name).read_text(encoding="utf-8").strip()
