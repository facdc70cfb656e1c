"""Writing a ClickHouse warehouse: seen whole or not at all, added once, one importer an account."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("clickhouse_connect")

from fanin.catalog.errors import BadRequest, WarehouseUnavailable
from fanin.tests.clickhouse import Gate, empty_database, write_clickhouse
from fanin.tests.facts import bought, visit
from fanin.warehouse.clickhouse_connecting import ClickHousePlace, connect
from fanin.warehouse.clickhouse_making import init_statements, make_tables
from fanin.warehouse.clickhouse_reading import ClickHouseWarehouse
from fanin.warehouse.clickhouse_writing import writing_clickhouse
from fanin.warehouse.locks import WarehouseBusy

SESSIONS = [visit(country="ES", goals=[bought(250)]), visit("2026-03-11T10:00", "/a", "/b"), visit("2026-04-01T00:00")]

# What of it stands in the tables: sessions, their roll-up by day and by month, money.
WHOLE = {"sessions": 3, "sessions_by_day": 3, "sessions_by_month": 3, "page_views": 4, "goals": 1, "cents": 250}
NOTHING = dict.fromkeys(WHOLE, 0)


@pytest.fixture
def place(clickhouse_address: str) -> Iterator[ClickHousePlace]:
    with empty_database(clickhouse_address) as place:
        yield place


def rows(place: ClickHousePlace, text: str) -> list[Any]:
    with closing(connect(place)) as client:
        return [tuple(row) for row in client.query(text).result_rows]


def stored(place: ClickHousePlace) -> dict[str, int]:
    """All that stands in the tables, seen or not."""
    return {
        "sessions": rows(place, "SELECT sum(sign) FROM sessions")[0][0],
        "sessions_by_day": rows(place, "SELECT sum(entrances) FROM sessions_by_day WHERE rollup = 10")[0][0],
        "sessions_by_month": rows(place, "SELECT sum(entrances) FROM sessions_by_month WHERE rollup = 3")[0][0],
        "page_views": rows(place, "SELECT sum(page_views) FROM page_views_by_month")[0][0],
        "goals": rows(place, "SELECT sum(sign) FROM goals")[0][0],
        "cents": rows(place, "SELECT sum(revenue) FROM goals_by_day WHERE rollup = 17")[0][0],
    }


def accounts(place: ClickHousePlace) -> dict[str, tuple[int, str, str]]:
    """Version, first and last day of each account as a reader sees it."""
    with closing(ClickHouseWarehouse(place)) as warehouse:
        found = warehouse.snapshot().accounts.values()
    return {account.id: (account.data_version, str(account.first_day), str(account.last_day)) for account in found}


def test_an_import_is_seen_when_it_has_ended_and_not_before(place: ClickHousePlace) -> None:
    with writing_clickhouse(place) as writer:
        writer.put_account("acme")
        added = writer.add_sessions("acme", SESSIONS, digest="d", source_name="a.log")
        assert accounts(place) == {}

    assert added == 3
    assert accounts(place) == {"acme": (1, "2026-03-10", "2026-04-01")}
    assert stored(place) == WHOLE


def add_then(place: ClickHousePlace, end: Callable[[], None]) -> None:
    with writing_clickhouse(place, lease_s=0.5) as writer:
        writer.put_account("acme")
        writer.add_sessions("acme", SESSIONS, digest="d", source_name="a.log")
        end()


def interrupt() -> None:
    raise KeyboardInterrupt


def test_nothing_of_an_import_that_fails_is_seen_and_the_next_one_adds_it_once(place: ClickHousePlace) -> None:
    write_clickhouse(place, "acme", [])
    with pytest.raises(KeyboardInterrupt):
        add_then(place, interrupt)
    assert (accounts(place), stored(place)) == ({"acme": (1, "None", "None")}, WHOLE)

    with writing_clickhouse(place) as writer:
        assert not writer.has_import("acme", "d")
        assert stored(place) == NOTHING
        writer.add_sessions("acme", SESSIONS, digest="d", source_name="a.log")

    assert (accounts(place), stored(place)) == ({"acme": (2, "2026-03-10", "2026-04-01")}, WHOLE)


KILLED = """
import os, signal
from fanin.tests.facts import visit
from fanin.warehouse.clickhouse_connecting import ClickHousePlace
from fanin.warehouse.clickhouse_writing import writing_clickhouse
with writing_clickhouse({place!r}, lease_s=2) as writer:
    writer.put_account("acme")
    writer.add_sessions("acme", [visit(), visit()], digest="d", source_name="a.log")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_import_leaves_nothing_to_be_seen_and_its_claim_runs_out(place: ClickHousePlace) -> None:
    write_clickhouse(place, "acme", [])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(place=place)], capture_output=True, text=True, check=False
    )
    assert (killed.returncode, killed.stderr) == (-9, "")
    assert accounts(place) == {"acme": (1, "None", "None")}

    with writing_clickhouse(place, lease_s=2) as writer:
        assert not writer.has_import("acme", "d")
        writer.add_sessions("acme", SESSIONS, digest="d", source_name="a.log")

    assert (accounts(place), stored(place)) == ({"acme": (2, "2026-03-10", "2026-04-01")}, WHOLE)


def test_the_same_content_is_known_again(place: ClickHousePlace) -> None:
    with writing_clickhouse(place) as writer:
        writer.put_account("acme")
        writer.add_sessions("acme", SESSIONS, digest="d", source_name="a.log")
    with writing_clickhouse(place) as writer:
        known = [writer.has_import(account, digest) for account in ("acme", "other") for digest in ("d", "e")]

    assert known == [True, False, False, False]
    assert accounts(place) == {"acme": (1, "2026-03-10", "2026-04-01")}


def test_a_block_that_is_sent_again_is_added_once_to_facts_and_roll_ups(place: ClickHousePlace) -> None:
    """As the driver does when a connection breaks before the answer."""
    write_clickhouse(place, "acme", SESSIONS)
    told = rows(place, "SELECT * EXCEPT (version), 2 AS version FROM sessions")
    with closing(connect(place)) as client:
        names = client.query("SELECT * EXCEPT (version), 2 AS version FROM sessions").column_names
        for token in ("a", "a", "b"):
            settings = {"insert_deduplication_token": token, "deduplicate_blocks_in_dependent_materialized_views": 1}
            client.insert("sessions", told, names, settings=settings)

    twice_more = {"sessions": 9, "sessions_by_day": 9, "sessions_by_month": 9}
    assert stored(place) == WHOLE | twice_more


def test_an_account_has_one_writer_at_a_time_and_others_go_on(place: ClickHousePlace) -> None:
    with writing_clickhouse(place, lease_s=2) as writer:
        writer.put_account("acme")
        with writing_clickhouse(place, lease_s=2) as second:
            second.put_account("other")
            second.add_sessions("other", SESSIONS, digest="d", source_name="a.log")
            with pytest.raises(WarehouseBusy, match=r"^Another import is writing account acme; wait for it to end$"):
                second.put_account("acme")
        writer.add_sessions("acme", SESSIONS, digest="d", source_name="a.log")

    assert accounts(place) == dict.fromkeys(("acme", "other"), (1, "2026-03-10", "2026-04-01"))
    with writing_clickhouse(place, lease_s=60) as third:  # what was claimed was given back
        third.put_account("acme")


def test_an_importer_that_was_cut_off_for_too_long_publishes_nothing(place: ClickHousePlace) -> None:
    with Gate(place.port) as gate:
        behind = replace(place, port=gate.port)
        with pytest.raises(WarehouseUnavailable):
            add_then(behind, gate.shut)

    assert accounts(place) == {}


def test_an_account_that_is_cleared_begins_anew_and_its_old_rows_go_with_the_next_import(
    place: ClickHousePlace,
) -> None:
    for digest in ("monday", "tuesday", "wednesday"):
        with writing_clickhouse(place) as writer:
            writer.put_account("shop")
            writer.clear_account("shop", source_name="demo")
            writer.add_sessions("shop", SESSIONS, digest=digest, source_name="demo")

    assert accounts(place) == {"shop": (3, "2026-03-10", "2026-04-01")}
    assert stored(place) == {name: 2 * count for name, count in WHOLE.items()}  # of today, and of yesterday


def test_what_an_account_cannot_take_is_refused_in_words(place: ClickHousePlace) -> None:
    write_clickhouse(place, "acme", SESSIONS)
    wrong = {
        "Account acme is kept in UTC and EUR, not in Europe/Madrid and EUR; "
        "import into another account, or with the same settings": lambda writer: writer.put_account(
            "acme", time_zone="Europe/Madrid"
        ),
        "Account acme holds imported logs, which demo would replace; name another": lambda writer: writer.clear_account(
            "acme", source_name="demo"
        ),
        "There is no account nobody to import into": lambda writer: writer.add_sessions(
            "nobody", [], digest="", source_name=""
        ),
        "'Mars' is no time zone; give a name such as Europe/Madrid or UTC": lambda writer: writer.put_account(
            "new", time_zone="Mars"
        ),
    }
    for sentence, ask in wrong.items():
        with pytest.raises(BadRequest) as refused, writing_clickhouse(place) as writer:
            ask(writer)
        assert refused.value.message == sentence


def test_tables_are_made_once_however_often_it_is_said(place: ClickHousePlace) -> None:
    write_clickhouse(place, "acme", SESSIONS)

    assert make_tables(place, init_statements(place)) == []
    assert stored(place) == WHOLE
