"""Making the tables of a ClickHouse warehouse: once, and then as often as one likes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing

from clickhouse_connect.driver.client import Client

from ..catalog.errors import BadRequest
from .clickhouse_connecting import ClickHousePlace, connect, write_failures_told
from .clickhouse_reading import read_layout
from .clickhouse_tables import create_statements

_CLUSTER = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def check_cluster(name: str) -> str:
    """The name itself when it can be one; none stands for a single server.  Raises ``BadRequest``."""
    if name and not _CLUSTER.fullmatch(name):
        raise BadRequest(f"'{name[:80]}' is no name of a cluster: letters, digits, '_', '.' and '-'")
    return name


def init_statements(place: ClickHousePlace, cluster: str = "") -> list[str]:
    """Everything ``make_tables`` runs, the database first."""
    on = f" ON CLUSTER '{cluster}'" if cluster else ""
    return [f"CREATE DATABASE IF NOT EXISTS `{place.database}`{on}", *create_statements(cluster)]


def make_tables(place: ClickHousePlace, statements: Sequence[str]) -> list[str]:
    """Run the statements.  Returns the names of the tables and views that had not been there.

    Raises ``WarehouseUnavailable`` when they cannot be made, or when there are tables of another layout.
    """
    database, *tables = statements
    with write_failures_told(place):
        with closing(connect(place, "default")) as client:
            client.command(database)
        with closing(connect(place)) as client:
            before = _tables(client)
            if "fanin_meta" in before:
                read_layout(client, place)
            for statement in tables:
                client.command(statement)
            return sorted(_tables(client) - before)


def _tables(client: Client) -> set[str]:
    found = client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
    return {name for (name,) in found}
