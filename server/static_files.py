"""Files that pages load, held in memory and served for good under names that carry their hash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
STATIC_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of a page; equal content has an equal ``hashed_name``."""

    hashed_name: str
    media_type: str
    body: bytes


def read_static(path: Path) -> StaticFile:
    """Raises ``FileNotFoundError`` where the installation lacks it."""
    body = path.read_bytes()
    return StaticFile(f"{path.stem}.{sha256(body).hexdigest()[:16]}{path.suffix}", MEDIA_TYPES[path.suffix], body)


def static_route(folder: str, files: Iterable[StaticFile]) -> Route:
    """The route of these files; any other name is a 404."""
    named = {file.hashed_name: file for file in files}

    async def static_file(request: Request) -> Response:
        file = named.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        return Response(file.body, media_type=file.media_type, headers=STATIC_HEADERS)

    return Route(f"{folder}/{{name}}", static_file, methods=["GET"])
