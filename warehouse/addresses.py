"""Warehouse addresses: ``duckdb:///file`` names a store and where it is, ``https://host/api/v1`` another server's API."""

from __future__ import annotations

from pathlib import Path

from ..catalog.errors import BadRequest
from .duckdb_reading import DuckDBWarehouse
from .store import ReportWarehouse, Warehouse
from .upstream_options import Upstream

DEFAULT_ADDRESS = "duckdb:///fanin.duckdb"


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
    return DuckDBWarehouse(file_of(address), cube_bytes=cube_bytes, block_bytes=block_bytes)


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
        raise BadRequest(f"'{address}' is no warehouse address; accepted: duckdb:///path/to/file.duckdb")
    return Path(rest[1:])
