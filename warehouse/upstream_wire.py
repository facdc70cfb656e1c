"""One message to an upstream API and its reply, bounded in time and bytes.  What goes wrong here has no words of the other side.

Redirects are followed on the upstream's own origin alone, and no cookie is kept, so that credentials go nowhere else and
what one caller was given reaches no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit

import httpx

from ..catalog.errors import BadRequest

MAX_REDIRECTS = 3
REDIRECTS = {301, 302, 307, 308}


@dataclass(frozen=True, slots=True)
class WireLimits:
    connect_s: float = 5.0
    reply_s: float = 20.0  # from sending to the last byte
    max_bytes: int = 32 * 1024 * 1024  # of a reply, unpacked
    connections: int = 8


@dataclass(frozen=True, slots=True)
class Message:
    method: str
    target: str  # below the API's address
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # by lower-case name
    body: bytes


class WireFailure(Exception):
    """No whole reply: not connected, cut, garbled or too large."""


class WireTimeout(WireFailure):
    """No whole reply in time."""


class Wire:
    """Connections to one upstream, opened in the loop that first sends and shared by all that do."""

    def __init__(self, address: str, limits: WireLimits) -> None:
        self._address = checked_address(address)
        self._limits = limits
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._free = asyncio.Semaphore(limits.connections)

    async def send(self, message: Message) -> Reply:
        """The whole reply, whatever its status.  Raises ``WireFailure``; cancelling it closes the connection."""
        client = self._connected()
        async with self._free:
            try:
                async with asyncio.timeout(self._limits.reply_s):
                    return await self._followed(client, message)
            except (TimeoutError, httpx.TimeoutException):
                raise WireTimeout from None
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError):
                raise WireFailure from None

    async def disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._loop = loop
            self._free = asyncio.Semaphore(self._limits.connections)
            timeout = httpx.Timeout(self._limits.reply_s, connect=self._limits.connect_s)
            headers = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "fanin"}
            self._client = httpx.AsyncClient(timeout=timeout, headers=headers, follow_redirects=False)
            self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return self._client

    async def _followed(self, client: httpx.AsyncClient, message: Message) -> Reply:
        url = f"{self._address}{message.target}"
        for _ in range(MAX_REDIRECTS + 1):
            reply = await self._replied(client, message, url)
            if reply.status not in REDIRECTS or "location" not in reply.headers:
                return reply
            if message.body and reply.status in (301, 302):
                raise WireFailure  # a POST would come back as a GET
            url = urljoin(url, reply.headers["location"])
            if origin_of(url) != origin_of(self._address):
                raise WireFailure
        raise WireFailure

    async def _replied(self, client: httpx.AsyncClient, message: Message, url: str) -> Reply:
        body = bytearray()
        async with client.stream(
            message.method, url, content=message.body or None, headers=message.headers
        ) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._limits.max_bytes:
                    raise WireFailure
            return Reply(response.status_code, dict(response.headers.items()), bytes(body))


def checked_address(address: str) -> str:
    """The address of an API without a slash at its end.  Raises ``BadRequest`` naming what is wrong with it."""
    try:
        parts = urlsplit(address)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise BadRequest("The upstream's address is no address; accepted: https://host/api/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise BadRequest("The upstream's address is no address; accepted: https://host/api/v1")
    if parts.username is not None or parts.password is not None:
        raise BadRequest("The upstream's address holds credentials; put the key into FANIN_UPSTREAM_KEY")
    if parts.query or parts.fragment:
        raise BadRequest("The upstream's address ends with its path, such as /api/v1; no ? and no #")
    return address.rstrip("/")


def origin_of(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
