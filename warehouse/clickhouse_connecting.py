"""Reaching a ClickHouse server: addresses, clients, and its failures told without a word of its own.

Needs the extra ``fanin[clickhouse]``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import aiohttp
import clickhouse_connect
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from ..catalog.errors import BadRequest, WarehouseUnavailable

log = logging.getLogger(__name__)

SCHEME = "clickhouse"
EXAMPLE = "clickhouse://user:password@host:8123/database"

CONNECT_S = 5
# A statement may run so long on the server unless the address says otherwise.
LIMIT_S = 30

UNREADABLE = "The warehouse cannot be read now; try again"

# No more than what needs no quoting in paths and statements.
_DATABASE = re.compile(r"[A-Za-z0-9_.-]*")

_ACCEPTED = ("secure", "limit_s")

# The engine's own numbers for some of its failures: a pattern that RE2 refuses or that is too large for it.
_BAD_PATTERN = 427
_UNKNOWN_DATABASE = 81


@dataclass(frozen=True, slots=True)
class ClickHousePlace:
    """A database of a ClickHouse server, and who asks there."""

    host: str
    port: int
    database: str
    user: str = "default"
    password: str = field(default="", repr=False)
    secure: bool = False
    limit_s: int = LIMIT_S

    def __str__(self) -> str:
        """The address as it may be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{host}:{self.port}/{self.database}"


def place_of(address: str) -> ClickHousePlace:
    """The place that a ``clickhouse://`` address names.  Raises ``BadRequest``, without the address: it may hold a
    password."""
    try:
        parts = urlsplit(address)
        given = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        port = parts.port
    except ValueError:
        raise BadRequest(f"The ClickHouse address cannot be read; accepted: {EXAMPLE}") from None
    database = unquote(parts.path[1:])
    if parts.scheme != SCHEME or not parts.hostname or parts.fragment or not _DATABASE.fullmatch(database):
        raise BadRequest(f"The ClickHouse address cannot be read; accepted: {EXAMPLE}")
    for name in given:
        if name not in _ACCEPTED:
            raise BadRequest(
                f"The ClickHouse address has an unknown part '{name[:40]}'; accepted: {', '.join(_ACCEPTED)}"
            )
    secure = _flag(given.get("secure", "0"))
    return ClickHousePlace(
        parts.hostname,
        port or (8443 if secure else 8123),
        database or "default",
        unquote(parts.username or "default"),
        _password(parts),
        secure,
        _limit(given.get("limit_s", str(LIMIT_S))),
    )


def _password(parts: SplitResult) -> str:
    return unquote(parts.password or "")


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise BadRequest(f"The ClickHouse address has secure='{text[:40]}'; accepted: 0, 1")
    return text == "1"


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 3600:
        raise BadRequest(f"The ClickHouse address has limit_s='{text[:40]}'; accepted: 1 to 3600")
    return int(text)


def connect(place: ClickHousePlace, database: str = "") -> Client:
    """A client for one thread at a time.  Raises ``WarehouseUnavailable``."""
    with failures_told(f"{place} cannot be reached, or refuses the user", {_UNKNOWN_DATABASE: no_warehouse(place)}):
        return clickhouse_connect.get_client(**_options(place, database or place.database))


async def connect_async(place: ClickHousePlace, level: int = logging.ERROR) -> AsyncClient:
    """A client for the running loop.  Raises ``WarehouseUnavailable``."""
    with failures_told(UNREADABLE, level=level):
        return await clickhouse_connect.get_async_client(**_options(place, place.database))


def _options(place: ClickHousePlace, database: str) -> dict[str, Any]:
    """Values travel in the body, so that none is too long for an address, and none stands in a proxy's log."""
    return {
        "host": place.host,
        "port": place.port,
        "interface": "https" if place.secure else "http",
        "username": place.user,
        "password": place.password,
        "database": database,
        "connect_timeout": CONNECT_S,
        "send_receive_timeout": place.limit_s + CONNECT_S,
        "autogenerate_session_id": False,
        "form_encode_query_params": True,
    }


def write_failures_told(place: ClickHousePlace) -> AbstractContextManager[None]:
    return failures_told(f"{place} cannot be written")


def no_warehouse(place: ClickHousePlace) -> str:
    return f"There is no warehouse at {place}; make one first: fanin warehouse init --help"


@contextmanager
def failures_told(
    sentence: str, sentences: Mapping[int, str] = MappingProxyType({}), level: int = logging.ERROR
) -> Iterator[None]:
    """Failures of server and network in the vocabulary: some by the engine's number, all others by ``sentence``.

    What they say themselves goes to the log, for it may hold SQL.
    """
    try:
        yield
    except ClickHouseError as error:
        code = getattr(error, "code", None) or 0
        if code == _BAD_PATTERN:
            log.info("refused by the engine: %s", _first_line(error))
            raise BadRequest("filters: a pattern is no RE2 expression, or too large a one") from None
        if code in sentences:
            raise WarehouseUnavailable(sentences[code]) from None
        log.log(level, "%s: %s", sentence, _first_line(error))
        raise WarehouseUnavailable(sentence) from None
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        log.log(level, "%s: %s", sentence, _first_line(error))
        raise WarehouseUnavailable(sentence) from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
