"""The names a server answers to.

A page of any site can have its own name lead to 127.0.0.1 and then read, as its own, whatever an open server there
says (DNS rebinding).  Such requests carry that name, so an open server on a loopback host answers to loopback names only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ..rest_compat.responses import error_response
from .credentials import Credentials
from .refusals import MisdirectedRequest
from .settings import ALLOWED_HOSTS, ServerSettings, is_loopback

# Load balancers ask for these by address.
PROBES = frozenset({"/health", "/livez", "/readyz"})

_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?")


class Hosts:
    """Refuses requests for names the server does not go by, where it is open on a loopback host or was told its names."""

    def __init__(self, app: ASGIApp, credentials: Credentials, settings: ServerSettings) -> None:
        self._app = app
        self._credentials = credentials
        self._names = settings.allowed_hosts
        self._on_loopback = settings.on_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not _is_probe(scope) and self._checks:
            hosts = Headers(scope=scope).getlist("host") or [""]
            if others := [host for host in hosts if not answers_to(host, self._names)]:
                await _refuse(scope, receive, send, _refusal(others[0]))
                return
        await self._app(scope, receive, send)

    @property
    def _checks(self) -> bool:
        """Looked at for each request: the first key closes a running server, and then it no longer matters who asks."""
        return bool(self._names) or (self._on_loopback and self._credentials.is_open)


def answers_to(host: str, names: Iterable[str]) -> bool:
    """Whether a ``Host`` header, with or without a port, is a loopback name or one of ``names``.

    ``*.example.com`` stands for every name below ``example.com``, ``*`` for every name.
    """
    found = _HOST.fullmatch(host.strip().lower())
    name = found[1].strip("[]").removesuffix(".") if found else ""
    return any(
        name == known or known == "*" or (known.startswith("*.") and name.endswith(known[1:])) for known in names
    ) or (is_loopback(name) or name.endswith(".localhost"))


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: MisdirectedRequest) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})  # before it was accepted: 403
    else:
        await error_response(Request(scope), refusal)(scope, receive, send)


def _is_probe(scope: Scope) -> bool:
    return scope["path"].removeprefix(scope.get("root_path", "")) in PROBES


def _refusal(host: str) -> MisdirectedRequest:
    return MisdirectedRequest(
        f"This server does not go by '{host[:80]}'; ask it by a loopback name, or name the host in {ALLOWED_HOSTS}"
    )
