"""Credentials of a request: an API key, or a token, or none.  Contract §4.1 to §4.3."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Protocol

from starlette.datastructures import Headers

from ..catalog.errors import Forbidden, Unauthorized
from ..catalog.identity import ANYONE, READ_STATS, Identity, Means, Shown
from .keys import PREFIX, KeyRing


class TokenReader(Protocol):
    """Reads access tokens; ``tokens.py`` has the one for JWTs."""

    def identity(self, token: str, now: datetime) -> Identity:
        """Whose token it is.  Raises ``Unauthorized``."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """How callers show who they are.  ``may_be_open``: as long as there is nothing to show, everyone may read.

    Where credentials are ``passed_on`` to an upstream, something must be shown, and it is for the upstream to judge.
    """

    keys: KeyRing | None = None
    tokens: TokenReader | None = None
    may_be_open: bool = True
    passed_on: bool = False

    @property
    def is_open(self) -> bool:
        """Looked at for each request: the first key closes a running server."""
        return self.may_be_open and not self.asks

    @property
    def asks(self) -> bool:
        """Whether there is something to show."""
        return self.passed_on or self.tokens is not None or (self.keys is not None and self.keys.asks)

    def identity(self, headers: Headers, now: datetime) -> Identity | None:
        """Who asks; None on an open server, where nothing shown is looked at, and where an upstream is to judge.

        Raises ``Unauthorized`` for credentials that are missing or wrong.
        """
        if self.is_open:
            return None
        if self.passed_on:
            if not self.passed(headers):
                raise Unauthorized("Authentication required")
            return None
        if key := headers.get("x-api-key", "").strip():
            return self._of_key(key, now)  # first, since it is the narrower grant
        scheme, _, shown = headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not (shown := shown.strip()):
            raise Unauthorized("Authentication required")
        if shown.startswith(PREFIX):
            return self._of_key(shown, now)
        if self.tokens is None:
            raise Unauthorized("Invalid token")
        return self.tokens.identity(shown, now)

    def passed(self, headers: Headers) -> Shown:
        """What is shown to the upstream."""
        names = ("x-api-key", "authorization") if self.passed_on else ()
        return tuple((name, text) for name in names if (text := headers.get(name, "").strip()))

    def _of_key(self, key: str, now: datetime) -> Identity:
        if self.keys is None:
            raise Unauthorized("Invalid API key" if key.startswith(PREFIX) else "Invalid API key format")
        return self.keys.identity(key, now)


def check_scope(identity: Identity) -> None:
    """Raises ``Forbidden``: all there is to ask is statistics, so one scope is needed everywhere.  Contract §4.2."""
    if not identity.allows(READ_STATS):
        raise Forbidden(f"Required scope: {READ_STATS}")


def anyone_at(address: str | None) -> Identity:
    """Whoever asks from an address.  All that one machine has of IPv6 is one: it may choose among 2⁶⁴ of them."""
    return Identity(f"address:{_network(address or '-')}", ANYONE.accounts, ANYONE.scopes, means=Means.ADDRESS)


def _network(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{parsed.exploded[:19]}::/64"
