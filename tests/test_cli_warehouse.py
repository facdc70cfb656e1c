"""``fanin warehouse init``, and all other commands against what it makes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("clickhouse_connect")

from fanin.catalog.errors import WarehouseUnavailable
from fanin.tests.test_cli import LINE, fanin
from fanin.warehouse.clickhouse_connecting import connect, place_of
from fanin.warehouse.clickhouse_tables import TABLES


@pytest.fixture(scope="module")
def address(clickhouse_address: str) -> Iterator[str]:
    database = f"test_{uuid.uuid4().hex}"
    yield f"{clickhouse_address}/{database}"
    with closing(connect(place_of(f"{clickhouse_address}/default"))) as client:
        client.command(f"DROP DATABASE IF EXISTS {database}")


def test_the_statements_are_printed_and_nothing_is_made(tmp_path: Path, address: str) -> None:
    done = fanin(tmp_path, "warehouse", "init", "--warehouse", address, "--cluster", "analytics", "--dry-run")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"CREATE DATABASE IF NOT EXISTS `{place_of(address).database}` ON CLUSTER 'analytics';\n\n"
    )
    assert done.stdout.count("ENGINE = Distributed('analytics', currentDatabase(), ") == len(TABLES)
    with pytest.raises(WarehouseUnavailable, match="There is no warehouse at"):
        connect(place_of(address))


def test_what_init_makes_is_imported_into_read_and_asked(tmp_path: Path, address: str) -> None:
    log = tmp_path / "access.log"
    log.write_text("\n".join(LINE.format(n=n, path=path) for n, path in enumerate(("/", "/a", "/b"))) + "\n")
    told = {"FANIN_WAREHOUSE": address}

    made, again = (fanin(tmp_path, "warehouse", "init", environment=told) for _ in range(2))
    imported, known = (fanin(tmp_path, "import", log, "--account", "acme", environment=told) for _ in range(2))
    accounts = fanin(tmp_path, "accounts", "--json", environment=told)
    days = {"account_id": "acme", "start_date": "2026-03-10", "end_date": "2026-03-10"}
    plan = {"queries": [{"id": "a", "endpoint": "/stats/pages", "params": {**days, "browser": "firefox"}}]}
    batch = fanin(tmp_path, "batch", "-", stdin=json.dumps(plan), environment=told)

    place = place_of(address)
    assert made.stderr.splitlines()[0::26] == ["made accounts", f"{place} is ready"]
    assert (again.returncode, again.stderr) == (0, f"{place} was ready already\n")
    assert (imported.returncode, known.stderr) == (0, f"{log} is in account acme already; nothing changed\n")
    assert [(row["id"], row["data_version"]) for row in json.loads(accounts.stdout)] == [("acme", 1)]
    assert batch.returncode == 0, batch.stderr
    assert [row["path"] for row in json.loads(batch.stdout)["results"]["a"]["data"]["data"]] == ["/", "/a", "/b"]


def test_a_file_needs_no_making(tmp_path: Path) -> None:
    done = fanin(tmp_path, "warehouse", "init", "--warehouse", "duckdb:///w.duckdb")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "fanin: Only a clickhouse:// warehouse is made first; a file is made by the first import into it\n"
    )
