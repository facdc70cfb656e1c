"""Reading a ClickHouse warehouse: snapshots, interruption, limits, and failures without a word of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest

pytest.importorskip("clickhouse_connect")

from fanin.catalog.dimensions import Table
from fanin.catalog.errors import WarehouseUnavailable
from fanin.catalog.filters import make_filter
from fanin.catalog.periods import Window
from fanin.schema.engine import Engine
from fanin.tests.clickhouse import Gate, empty_database, write_clickhouse
from fanin.tests.facts import NOW, bought, client_of, visit
from fanin.warehouse.clickhouse_connecting import UNREADABLE, ClickHousePlace, connect
from fanin.warehouse.clickhouse_reading import ClickHouseSnapshot, ClickHouseWarehouse
from fanin.warehouse.clickhouse_writing import writing_clickhouse
from fanin.warehouse.store import Listing, Scan, Source

MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))
SPAIN = (make_filter("country", "eq", ["es"]),)
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"


@pytest.fixture(scope="module")
def place(clickhouse_address: str) -> Iterator[ClickHousePlace]:
    with empty_database(clickhouse_address) as place:
        write_clickhouse(place, "acme", [visit(country="ES", goals=[bought(1999)]), visit(country="US")])
        yield place


@contextmanager
def warehouse_at(place: ClickHousePlace) -> Iterator[ClickHouseWarehouse]:
    with closing(ClickHouseWarehouse(place)) as warehouse:
        yield warehouse


def countries(snapshot: ClickHouseSnapshot, **scan: Any) -> tuple[dict[str, int], Source]:
    """Entrances by country, and what they were read from."""
    asked = Scan(**{"table": Table.SESSIONS, "account": "acme", "windows": (MARCH,), "filters": (), "groupings": (("country",),), "metrics": ("entrances",), **scan})  # fmt: skip
    told = asyncio.run(snapshot.scan(asked))
    groups = told[("country",)]
    names = groups.keys["country"].spell(range(groups.height))  # type: ignore[arg-type]
    return dict(zip(names, groups.sums[MARCH]["entrances"].tolist(), strict=True)), told.source


def test_what_has_no_filter_is_read_from_roll_ups_and_all_else_from_facts(place: ClickHousePlace) -> None:
    with warehouse_at(place) as warehouse:
        snapshot = warehouse.snapshot()

        assert countries(snapshot) == ({"ES": 1, "US": 1}, Source.ROLLUP)
        assert countries(snapshot, filters=SPAIN) == ({"ES": 1}, Source.STATEMENT)


def test_a_snapshot_keeps_telling_what_it_told_while_imports_come_in(clickhouse_address: str) -> None:
    with empty_database(clickhouse_address) as place:
        write_clickhouse(place, "acme", [visit(country="ES")])
        with warehouse_at(place) as warehouse:
            before = warehouse.snapshot()
            write_clickhouse(place, "acme", [visit(country="ES"), visit(country="FR", goals=[bought(5)])])
            warehouse.look()
            after = warehouse.snapshot()
            listing = Listing(Table.GOALS, "acme", MARCH, (), ("country", "amount_cents"))
            events = [asyncio.run(snapshot.fetch(listing)) for snapshot in (before, after)]

            assert [countries(before)[0], countries(after)[0]] == [{"ES": 1}, {"ES": 2, "FR": 1}]
            assert [countries(seen, filters=SPAIN)[0] for seen in (before, after)] == [{"ES": 1}, {"ES": 2}]
            assert [told["amount_cents"].codes.tolist() for told in events] == [[], [5]]
            assert (before.accounts["acme"].data_version, after.accounts["acme"].data_version) == (1, 2)


def test_a_look_that_finds_nothing_new_keeps_the_snapshot(place: ClickHousePlace) -> None:
    with warehouse_at(place) as warehouse:
        before = warehouse.snapshot()
        warehouse.look()

        assert warehouse.snapshot() is before


def test_a_session_that_was_taken_back_is_in_no_sum_and_no_list(clickhouse_address: str) -> None:
    """Rows are only ever added: the same session with the opposite sign takes it back, from the roll-ups too."""
    with empty_database(clickhouse_address) as place:
        write_clickhouse(
            place, "acme", [visit(country="ES", goals=[bought(7)]), visit(country="FR", goals=[bought(5)])]
        )
        with writing_clickhouse(place) as writer:
            writer.take_back("acme", [1])
        with warehouse_at(place) as warehouse:
            snapshot = warehouse.snapshot()
            listing = Listing(Table.GOALS, "acme", MARCH, (), ("amount_cents",))

            assert countries(snapshot) == ({"FR": 1}, Source.ROLLUP)
            assert countries(snapshot, filters=(make_filter("os", "ne", ["x"]),)) == ({"FR": 1}, Source.STATEMENT)
            assert asyncio.run(snapshot.fetch(listing))["amount_cents"].codes.tolist() == [5]


def test_a_statement_that_no_one_waits_for_is_stopped_on_the_server(place: ClickHousePlace) -> None:
    async def leave(warehouse: ClickHouseWarehouse) -> None:
        asking = asyncio.create_task(warehouse.asking.told(warehouse.asking.rows(ENDLESS, {})))
        await until(lambda: running(place), 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: running(place), 0)

    with warehouse_at(place) as warehouse:
        asyncio.run(leave(warehouse))


def running(place: ClickHousePlace) -> int:
    with closing(connect(place)) as client:
        asked = (
            "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number)%' AND query NOT LIKE '%LIKE%'"
        )
        return client.query(asked).result_rows[0][0]


async def until(told: Any, wanted: int) -> None:
    for _ in range(200):
        if await asyncio.to_thread(told) == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"it did not become {wanted}")


def test_a_statement_that_takes_too_long_ends_without_a_word_of_the_server(place: ClickHousePlace) -> None:
    with warehouse_at(replace(place, limit_s=1)) as warehouse, pytest.raises(WarehouseUnavailable) as failed:
        asyncio.run(warehouse.asking.told(warehouse.asking.rows(ENDLESS, {})))

    assert failed.value.message == UNREADABLE


def test_a_server_that_goes_away_is_told_and_found_again_without_a_restart(place: ClickHousePlace) -> None:
    async def away_and_back(gate: Gate, client: httpx.AsyncClient) -> list[httpx.Response]:
        first = await overview(client, 200)
        gate.shut()
        away = await overview(client, 503)
        gate.open()
        return [first, away, await overview(client, 200)]

    with Gate(place.port) as gate, warehouse_at(replace(place, port=gate.port)) as warehouse:
        first, away, again = asyncio.run(away_and_back(gate, client_of(Engine(warehouse, clock=lambda: NOW))))

    assert first.json()["data"]["traffic"]["entrances"] == 2
    assert again.json()["data"] == first.json()["data"]
    assert away.json()["error"] == {"code": "database_unavailable", "message": UNREADABLE}


async def overview(client: httpx.AsyncClient, wanted: int) -> httpx.Response:
    """The answer as soon as it has the wanted status."""
    params = {"account_id": "acme", "start_date": "2026-03-01", "end_date": "2026-03-31"}
    for _ in range(200):
        answer = await client.get("/api/v1/stats/overview", params=params)
        if answer.status_code == wanted:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"no answer was {wanted}")


def test_a_user_who_may_only_read_reads_and_writes_nothing(place: ClickHousePlace) -> None:
    reader = replace(place, user="reader")
    with warehouse_at(reader) as warehouse:
        assert countries(warehouse.snapshot()) == ({"ES": 1, "US": 1}, Source.ROLLUP)
    with pytest.raises(WarehouseUnavailable) as refused, writing_clickhouse(reader) as writer:
        writer.put_account("acme")

    assert refused.value.message == f"{place} cannot be written"


def test_a_place_without_a_warehouse_is_told_with_what_makes_one(place: ClickHousePlace) -> None:
    for database in ("nowhere", "default"):
        with pytest.raises(WarehouseUnavailable) as refused:
            ClickHouseWarehouse(replace(place, database=database))

        assert refused.value.message == (
            f"There is no warehouse at clickhouse://127.0.0.1:{place.port}/{database}; "
            "make one first: fanin warehouse init --help"
        )


def test_a_server_that_cannot_be_reached_or_does_not_know_the_user_is_told(place: ClickHousePlace) -> None:
    with Gate(place.port) as gate:
        closed = replace(place, port=gate.port)
    for wrong in (closed, replace(place, user="stranger", password="secret")):
        with pytest.raises(WarehouseUnavailable) as refused:
            ClickHouseWarehouse(wrong)

        assert refused.value.message == f"{wrong} cannot be reached, or refuses the user"
        assert "secret" not in repr(wrong)


def test_tables_of_another_layout_are_refused(clickhouse_address: str) -> None:
    with empty_database(clickhouse_address) as place:
        with closing(connect(place)) as client:
            client.command("TRUNCATE TABLE fanin_meta")
            client.command("INSERT INTO fanin_meta VALUES (99, '')")
        with pytest.raises(WarehouseUnavailable, match="holds a warehouse of layout 99; this fanin reads layout 1"):
            ClickHouseWarehouse(place)
