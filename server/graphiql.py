"""GraphiQL for a browser at ``/graphql``: the page, and its vendored files under names that carry their hash."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

GRAPHQL_PATH = "/graphql"
STATIC_PATH = "/graphiql/static"

# In the order the page loads them.
STYLES = ("graphiql.min.css", "start.css")
SCRIPTS = ("react.production.min.js", "react-dom.production.min.js", "graphiql.min.js", "start.js")
ICON = "icon.svg"

# One tab each; the first is open.
EXAMPLES = ("dashboard", "comparison")

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

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
STATIC_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}

_FOLDER = Path(__file__).parent / "static" / "graphiql"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the page, held in memory; equal content has an equal ``hashed_name``."""

    hashed_name: str
    media_type: str
    body: bytes


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
    files = {file.hashed_name: file for file in static_files().values()}

    async def static_file(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        return Response(file.body, media_type=file.media_type, headers=STATIC_HEADERS)

    return [Route(f"{STATIC_PATH}/{{name}}", static_file, methods=["GET"])]


@cache
def static_files() -> dict[str, StaticFile]:
    """Every file a browser may fetch, by its plain name, such as ``start.js``."""
    return {name: _static_file(name) for name in (*STYLES, *SCRIPTS, ICON)}


def _static_file(name: str) -> StaticFile:
    path = _FOLDER / name
    body = path.read_bytes()
    return StaticFile(f"{path.stem}.{sha256(body).hexdigest()[:16]}{path.suffix}", MEDIA_TYPES[path.suffix], body)


@cache
def _page(root_path: str) -> str:
    address = {name: escape(f"{root_path}{STATIC_PATH}/{file.hashed_name}") for name, file in static_files().items()}
    return Template((_FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        endpoint=escape(f"{root_path}{GRAPHQL_PATH}"),
        icon=address[ICON],
        styles="\n".join(f'<link rel="stylesheet" href="{address[name]}">' for name in STYLES),
        scripts="\n".join(f'<script src="{address[name]}"></script>' for name in SCRIPTS),
        examples=_script_data(list(_examples())),
    )


def _examples() -> Iterator[dict[str, str]]:
    for name in EXAMPLES:
        yield {"query": _example(f"{name}.graphql"), "variables": _example(f"{name}.variables.json")}


def _example(name: str) -> str:
    return (_FOLDER / "examples" / name).read_text(encoding="utf-8").strip()


def _script_data(value: object) -> str:
    """JSON that cannot end the ``<script>`` block it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
