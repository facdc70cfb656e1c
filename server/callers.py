"""Callers: who asks, why they may not, and how often they did.  Every door asks here, so all speak the same words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from ..catalog.errors import StatsError, Unauthorized
from ..catalog.identity import Identity
from ..catalog.plans import ANONYMOUS
from .credentials import Credentials, anyone_at, check_scope
from .rate_limits import RateLimits, Standing


class Callers:
    """What callers must show and may do.  ``open_limit``: requests per minute and address while anyone may ask."""

    def __init__(
        self, credentials: Credentials, limits: RateLimits, clock: Callable[[], datetime], open_limit: int | None
    ) -> None:
        self.limits = limits
        self._credentials = credentials
        self._clock = clock
        self._counts_open = open_limit is not None
        self._anonymous = ANONYMOUS if open_limit is None else replace(ANONYMOUS, requests=open_limit)

    @property
    def are_anyone(self) -> bool:
        """Whether nothing need be shown now."""
        return self._credentials.is_open

    @property
    def are_counted(self) -> bool:
        return self._counts_open or not (self._credentials.is_open or self._credentials.passed_on)

    def identify(self, connection: HTTPConnection, shown: Headers) -> tuple[Identity, StatsError | None]:
        """Who asks, and why they may not.  Whoever cannot be known is counted by address, so that guessing is slow."""
        try:
            identity = self._credentials.identity(shown, self._clock()) or self._passed_on(connection, shown)
        except Unauthorized as error:
            return self.anyone(connection), error
        try:
            check_scope(identity)
        except StatsError as error:
            return identity, error
        return identity, None

    def _passed_on(self, connection: HTTPConnection, shown: Headers) -> Identity:
        """Anyone, with what is for an upstream to judge.  They are counted by address, so that keys cannot be made up."""
        return replace(self.anyone(connection), shown=self._credentials.passed(shown))

    def anyone(self, connection: HTTPConnection) -> Identity:
        address = connection.client.host if connection.client else None
        return replace(anyone_at(address), plan=self._anonymous)

    async def count(self, identity: Identity, refusal: StatsError | None, path: str, requests: int = 1) -> Standing:
        if refusal is None and not self.are_counted:
            return self.limits.uncounted()
        return await self.limits.count(identity, path, requests)
