"""Imports land whole or not at all, and a file that is not ours is left as it is."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from fanin.catalog.errors import BadRequest, WarehouseUnavailable
from fanin.catalog.periods import Window
from fanin.catalog.query import Scope, ask
from fanin.schema.context import RequestContext
from fanin.tests.facts import engine_over, visit, write
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.writing import WarehouseBusy, writing


def entrances(path: Path, day: str, account: str = "acme") -> int:
    """Sessions of one local day."""

    async def asked() -> int:
        with engine_over(path) as (engine, _):
            async with engine.request() as context:
                return await _entrances(context, account, date.fromisoformat(day))

    return asyncio.run(asked())


async def _entrances(context: RequestContext, account: str, day: date) -> int:
    answer = await context.loader.load(ask(Scope(account, Window(day, day)), "overview"))
    return answer["traffic"]["entrances"]


def test_a_warehouse_is_made_on_first_use_with_its_accounts_days(tmp_path: Path) -> None:
    write(tmp_path / "new" / "w.duckdb", "acme", [visit("2026-03-10T10:00"), visit("2026-03-12T10:00")])

    store = DuckDBWarehouse(tmp_path / "new" / "w.duckdb")
    account = store.snapshot().accounts["acme"]
    store.close()

    assert (account.first_day, account.last_day, account.data_version) == (date(2026, 3, 10), date(2026, 3, 12), 1)


def test_an_exception_leaves_the_file_byte_for_byte_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit()])
    before = path.read_bytes()

    with pytest.raises(RuntimeError, match="stop"):
        _stopped_halfway(path)

    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["w.duckdb"]


def _stopped_halfway(path: Path) -> None:
    with writing(path) as writer:
        writer.add_sessions("acme", [visit(), visit()], digest="x", source_name="log")
        raise RuntimeError("stop")


def test_an_import_that_is_killed_leaves_the_old_state_and_the_next_one_works(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00")])
    script = (
        "import os, signal\nfrom pathlib import Path\nfrom fanin.tests.facts import visit\n"
        "from fanin.warehouse.writing import writing\n"
        f"with writing(Path({str(path)!r})) as writer:\n"
        "    writer.add_sessions('acme', [visit('2026-03-10T10:00')] * 50, digest='x', source_name='log')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    killed = subprocess.run([sys.executable, "-c", script], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert entrances(path, "2026-03-10") == 1
    write(path, "acme", [visit("2026-03-10T11:00"), visit("2026-03-10T12:00")])
    assert entrances(path, "2026-03-10") == 3


def test_a_second_writer_is_told_that_another_import_runs(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    script = (
        "import sys\nfrom pathlib import Path\nfrom fanin.warehouse.writing import writing\n"
        f"with writing(Path({str(path)!r})) as writer:\n"
        "    print('writing', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        with pytest.raises(WarehouseBusy, match="Another import is writing"), writing(path):
            pass
        other.communicate("")

    assert other.returncode == 0


def _random_bytes(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def _sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()


def _foreign_duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS x")


def _newer_layout(path: Path) -> None:
    write(path, "acme", [visit()])
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE fanin_meta SET schema_version = 99")


@pytest.mark.parametrize("make", [_random_bytes, _sqlite, _foreign_duckdb, _newer_layout])
def test_a_file_that_is_not_ours_is_refused_in_one_sentence_and_left_alone(tmp_path: Path, make: object) -> None:
    path = tmp_path / "w.duckdb"
    assert callable(make)
    make(path)
    before = path.read_bytes()

    with pytest.raises(WarehouseUnavailable) as written, writing(path):
        pass
    with pytest.raises(WarehouseUnavailable) as read:
        DuckDBWarehouse(path)

    assert path.read_bytes() == before
    assert "\n" not in str(written.value) + str(read.value)


def test_a_missing_warehouse_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnavailable, match="import a log first"):
        DuckDBWarehouse(tmp_path / "none.duckdb")


def test_an_account_keeps_its_zone_and_its_currency(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit()], time_zone="Europe/Madrid")

    with pytest.raises(BadRequest, match="kept in Europe/Madrid and EUR, not in UTC and USD"):
        write(tmp_path / "w.duckdb", "acme", [visit()], time_zone="UTC", currency="USD")


def test_nothing_changed_means_the_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit()])
    before = path.stat()

    with writing(path) as writer:
        assert not writer.has_import("acme", "unknown")

    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_codes_stay_what_they_are_over_several_imports(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    for country in ("ES", "US", "ES", "FR"):
        write(path, "acme", [visit("2026-03-10T10:00", country=country)])

    async def asked() -> list[tuple[str, int]]:
        with engine_over(path) as (engine, _):
            async with engine.request() as context:
                answer = await context.loader.load(ask(context_scope(context), "countries"))
                return [(row["country"], row["entrances"]) for row in answer["rows"]]

    assert asyncio.run(asked()) == [("ES", 2), ("FR", 1), ("US", 1)]


def context_scope(context: RequestContext) -> Scope:
    return Scope(context.account("acme").id, Window(date(2026, 3, 1), date(2026, 3, 31)))


def test_a_session_that_crosses_midnight_counts_once_on_its_start_day(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    late = [f"/page{number}" for number in range(100)]  # ten seconds apart: from 23:55 UTC into the next day
    write(path, "acme", [visit("2026-03-10T23:55", *late)])

    assert (entrances(path, "2026-03-10"), entrances(path, "2026-03-11")) == (1, 0)


def test_days_are_the_accounts_own_also_when_clocks_change(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    # Madrid is an hour ahead of UTC until 29 March 2026, two hours from then on.
    write(path, "acme", [visit("2026-03-28T23:30"), visit("2026-03-29T22:30")], time_zone="Europe/Madrid")

    assert [entrances(path, f"2026-03-{day}") for day in (28, 29, 30)] == [0, 1, 1]


def test_a_snapshot_keeps_its_numbers_while_a_new_one_tells_the_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00")])

    async def asked() -> tuple[int, int]:
        day = date(2026, 3, 10)
        with engine_over(path) as (engine, _):
            async with engine.request() as old:
                write(path, "acme", [visit("2026-03-10T11:00")])
                async with engine.request() as new:
                    return await _entrances(old, "acme", day), await _entrances(new, "acme", day)

    assert asyncio.run(asked()) == (1, 2)
