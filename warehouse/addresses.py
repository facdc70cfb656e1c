"""Warehouse addresses: ``duckdb:///file`` and ``clickhouse://host/database`` name a store and where it is,
``https://host/api/v1`` another server's API."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

from ..catalog.errors import BadRequest
from .duckdb_reading import DuckDBWarehouse
from .store import ReportWarehouse, Warehouse, Writer
from .upstream_options import Upstream
from .writing import writing

DEFAULT_ADDRESS = "duckdb:///fanin.duckdb"

_ACCEPTED = "duckdb:///path/to/file.duckdb, clickhouse://user:password@host:8123/database, https://host/api/v1"


def open_warehouse(
    address: str,
    *,
    cube_bytes: int = 0,
    block_bytes: int = 0,
    cache_bytes: int = 0,
    upstream: Upstream | None = None,
) -> Warehouse | ReportWarehouse:
    """The warehouse at an address.

    Raises ``BadRequest`` for an address of no known kind or a missing extra, ``WarehouseUnavailable``.
    """
    if is_upstream(address):
        return _open_upstream(address, upstream or Upstream(), cache_bytes)
    if is_clickhouse(address):
        from .clickhouse_connecting import place_of
        from .clickhouse_reading import ClickHouseWarehouse

        return ClickHouseWarehouse(place_of(address))
    return DuckDBWarehouse(file_of(address), cube_bytes=cube_bytes, block_bytes=block_bytes)


def writing_at(warehouse: Path | str) -> AbstractContextManager[Writer]:
    """Change the warehouse at an address, or in a file.  Raises as ``open_warehouse`` does."""
    if isinstance(warehouse, str) and is_clickhouse(warehouse):
        from .clickhouse_connecting import place_of
        from .clickhouse_writing import writing_clickhouse

        return writing_clickhouse(place_of(warehouse))
    return writing(warehouse if isinstance(warehouse, Path) else file_of(warehouse))


def is_clickhouse(address: str) -> bool:
    """Whether the address names a ClickHouse server.  Raises ``BadRequest`` when what reaches one is not installed."""
    if not address.startswith("clickhouse:"):
        return False
    if find_spec("clickhouse_connect") is None or find_spec("aiohttp") is None:
        raise BadRequest("A clickhouse:// warehouse needs an extra: pip install 'fanin[clickhouse]'")
    return True


def is_upstream(address: str) -> bool:
    """Whether it is the address of another server's API."""
    return address.startswith(("https://", "http://"))


def _open_upstream(address: str, upstream: Upstream, cache_bytes: int) -> ReportWarehouse:
    try:
        from .upstream import open_upstream
    except ModuleNotFoundError:  # an extra, so it cannot be imported above
        raise BadRequest("An upstream API needs an HTTP client: install fanin[upstream]") from None
    return open_upstream(address, upstream, cache_bytes=cache_bytes)


def file_of(address: str) -> Path:
    """The file of a DuckDB address.  Three slashes: relative to the folder one is in; four: absolute; a bare path is
    taken as it is."""
    if not address.isprintable():  # the engine takes names in UTF-8, and a name of other bytes reads as surrogates
        raise BadRequest(f"{address!a} is no warehouse address: its name cannot be written in UTF-8")
    scheme, separator, rest = address.partition("://")
    if not separator:
        return Path(address)
    if scheme != "duckdb" or not rest.startswith("/") or len(rest) < 2:
        raise BadRequest(f"'{_without_password(address)}' is no warehouse address; accepted: {_ACCEPTED}")
    return Path(rest[1:])


def _without_password(address: str) -> str:
    """Names with an ``@`` may hold one."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
