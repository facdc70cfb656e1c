"""Warehouse addresses: ``duckdb:///file`` names a store and where it is."""

from __future__ import annotations

from pathlib import Path

from ..catalog.errors import BadRequest
from .duckdb_reading import DuckDBWarehouse
from .store import Warehouse

DEFAULT_ADDRESS = "duckdb:///fanin.duckdb"


def open_warehouse(address: str, *, cube_bytes: int = 0, block_bytes: int = 0) -> Warehouse:
    """The warehouse at an address.  Raises ``BadRequest`` for an address of no known kind, ``WarehouseUnavailable``."""
    return DuckDBWarehouse(file_of(address), cube_bytes=cube_bytes, block_bytes=block_bytes)


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
