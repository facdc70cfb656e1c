"""The warehouse read: snapshots that stand still, scans beside each other, and scans no one waits for any more."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fanin.catalog.dimensions import Table
from fanin.catalog.errors import BadRequest, StatsError, WarehouseUnavailable
from fanin.catalog.filters import Filter, Match, make_filter
from fanin.catalog.periods import Window
from fanin.tests.facts import account_file, visit, write
from fanin.warehouse import duckdb_reading
from fanin.warehouse.duckdb_reading import DuckDBSnapshot, DuckDBWarehouse
from fanin.warehouse.store import Listing, Scan

MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))


@contextmanager
def opened(path: Path) -> Iterator[DuckDBWarehouse]:
    warehouse = DuckDBWarehouse(path)
    try:
        yield warehouse
    finally:
        warehouse.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "w.duckdb", "acme", [visit(country="ES"), visit(country="FR"), visit(country="ES")])
    return tmp_path / "w.duckdb"


def scan_of(*filters: Filter, grouping: tuple[str, ...] = ()) -> Scan:
    return Scan(Table.SESSIONS, "acme", (MARCH,), filters, (grouping,), ("entrances",))


async def entrances(snapshot: DuckDBSnapshot, *filters: Filter) -> int:
    result = await snapshot.scan(scan_of(*filters))
    return int(result[()].sums[MARCH]["entrances"].sum())


# --- snapshots -----------------------------------------------------------------------------------------------------


def test_a_snapshot_stands_still_while_imports_go_on_and_a_new_one_tells_the_new_numbers(path: Path) -> None:
    async def told() -> list[int]:
        with opened(path) as warehouse:
            numbers = []
            first = warehouse.snapshot()
            for _ in range(3):
                numbers += [await entrances(first), await entrances(warehouse.snapshot())]
                write(path, "acme", [visit(country="IT")])
            return [*numbers, await entrances(first), await entrances(warehouse.snapshot())]

    assert asyncio.run(told()) == [3, 3, 3, 4, 3, 5, 3, 6]


def test_words_of_a_later_import_are_spelled_by_the_new_snapshot_only(path: Path) -> None:
    async def countries(snapshot: DuckDBSnapshot) -> set[str]:
        keys = (await snapshot.scan(scan_of(grouping=("country",))))["country",].keys["country"]
        return {keys.word(code) for code in keys.codes.tolist()}

    async def told() -> list[set[str]]:
        with opened(path) as warehouse:
            old = warehouse.snapshot()
            write(path, "acme", [visit(country="IT")])
            return [await countries(old), await countries(warehouse.snapshot())]

    assert asyncio.run(told()) == [{"ES", "FR"}, {"ES", "FR", "IT"}]


def test_a_file_that_nothing_replaced_is_opened_once(path: Path) -> None:
    with opened(path) as warehouse:
        first = warehouse.snapshot()

        assert warehouse.snapshot() is first
        write(path, "acme", [visit()])
        assert warehouse.snapshot() is not first
        assert warehouse.snapshot() is warehouse.snapshot()


def test_every_import_raises_the_accounts_data_version_and_no_others(path: Path) -> None:
    with opened(path) as warehouse:
        write(path, "other", [visit()])
        write(path, "acme", [visit("2026-04-01T00:00")])
        accounts = warehouse.snapshot().accounts

    assert {name: account.data_version for name, account in accounts.items()} == {"acme": 2, "other": 1}
    assert (accounts["acme"].first_day, accounts["acme"].last_day) == (date(2026, 3, 10), date(2026, 4, 1))


def test_a_file_removed_under_a_running_server_still_answers(path: Path) -> None:
    with opened(path) as warehouse:
        path.unlink()

        assert asyncio.run(entrances(warehouse.snapshot())) == 3


def test_a_file_replaced_by_something_else_is_unavailable_without_saying_where_it_lies(path: Path) -> None:
    good = path.read_bytes()
    with opened(path) as warehouse:
        path.write_bytes(b"something else" * 1000)
        with pytest.raises(WarehouseUnavailable, match="cannot be read now") as refused:
            warehouse.snapshot()
        path.with_name("again").write_bytes(good)
        path.with_name("again").replace(path)
        accounts = list(warehouse.snapshot().accounts)

    assert str(path.parent) not in str(refused.value)
    assert accounts == ["acme"]


def test_a_missing_file_is_told_in_one_sentence_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnavailable, match=r"There is no warehouse at .*; import a log first"):
        DuckDBWarehouse(tmp_path / "none.duckdb")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_and_a_database_with_only_some_of_our_tables_are_no_warehouse(tmp_path: Path) -> None:
    half = tmp_path / "half.duckdb"
    with duckdb.connect(str(half)) as connection:
        connection.execute("CREATE TABLE fanin_meta AS SELECT 1 AS schema_version")

    for no_warehouse in (tmp_path, half):
        with pytest.raises(WarehouseUnavailable, match="is not a fanin warehouse"):
            DuckDBWarehouse(no_warehouse)


@pytest.mark.parametrize(
    "name", ["it's.duckdb", "a b;--.duckdb", "sqlite:x.duckdb", "md:x", "wä*?[1].duckdb", '"q".db']
)
def test_a_file_may_have_any_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(name), "acme", [visit()])

    with opened(Path(name)) as warehouse:
        assert asyncio.run(entrances(warehouse.snapshot())) == 1


# --- reading only --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO warehouse.fanin_meta VALUES (2)",
        "DELETE FROM warehouse.sessions",
        "CREATE TABLE warehouse.mine (x INTEGER)",
        "ATTACH 'other.duckdb'",
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY warehouse.sessions TO 'out.csv'",
        "SET enable_external_access = true",
    ],
)
def test_the_readers_connection_writes_nothing_and_reaches_no_other_file(path: Path, statement: str) -> None:
    before = account_file(path).read_bytes()

    with opened(path) as warehouse, pytest.raises(duckdb.Error):
        warehouse.snapshot()._cursor("acme").execute(statement)

    assert account_file(path).read_bytes() == before


def test_an_open_warehouse_leaves_nothing_beside_its_file(path: Path) -> None:
    with opened(path) as warehouse:
        asyncio.run(entrances(warehouse.snapshot()))
        assert sorted(os.listdir(path.parent)) == ["w.duckdb", "w.duckdb.d"]
        assert os.listdir(path.with_name("w.duckdb.d")) == [account_file(path).name]


# --- scans ---------------------------------------------------------------------------------------------------------


def test_many_scans_beside_each_other_each_get_their_own_answer(path: Path) -> None:
    write(path, "acme", [visit(country=f"{first}{second}") for first in "ABC" for second in "ABCDEFGH"])
    codes = [f"{first}{second}" for first in "ABCX" for second in "ABCDEFGH"] * 3

    async def told() -> list[int]:
        with opened(path) as warehouse:
            snapshot = warehouse.snapshot()
            filters = [make_filter("country", "eq", [code]) for code in codes]
            return await asyncio.gather(*(entrances(snapshot, condition) for condition in filters))

    assert asyncio.run(told()) == [0 if code.startswith("X") else 1 for code in codes]


def test_a_listing_tells_the_rows_as_they_are(path: Path) -> None:
    spain = make_filter("country", "eq", ["ES"])

    async def told() -> list[Any]:
        with opened(path) as warehouse:
            rows = await warehouse.snapshot().fetch(
                Listing(Table.SESSIONS, "acme", MARCH, (spain,), ("country", "hour", "landing_page"))
            )
            return [column.spell(range(len(column.codes))) for column in rows.values()]  # type: ignore[arg-type]

    assert asyncio.run(told()) == [["ES", "ES"], [10, 10], ["/", "/"]]


@pytest.mark.parametrize("pattern", [r"a{1001}", r"\p{Foo}", "(", "(?=x)", "[[:foo:]]"])
def test_a_pattern_only_the_engine_can_refuse_is_a_bad_request_without_a_word_of_sql(path: Path, pattern: str) -> None:
    unchecked = Filter("path", Match.REGEX, False, (pattern,))

    with opened(path) as warehouse, pytest.raises(BadRequest) as refused:
        asyncio.run(entrances(warehouse.snapshot(), unchecked))

    assert refused.value.message == "filters: a pattern is no RE2 expression, or too large a one"
    assert refused.value.__cause__ is None


def test_a_scan_after_a_refused_one_works(path: Path) -> None:
    async def told() -> int:
        with opened(path) as warehouse:
            snapshot = warehouse.snapshot()
            with pytest.raises(StatsError):
                await entrances(snapshot, Filter("path", Match.REGEX, False, ("(",)))
            return await entrances(snapshot)

    assert asyncio.run(told()) == 3


# --- cancelling ----------------------------------------------------------------------------------------------------

# Each pattern is tried on every word below: seconds of work in one statement.
SLOW = [make_filter("path", "not_regex", [f"([0-9a-f]+[0-9]){{20}}x{number}"]) for number in range(10)]


@pytest.fixture
def long_words(path: Path) -> Path:
    with duckdb.connect(str(account_file(path))) as connection:
        connection.execute(
            "INSERT INTO lexicon SELECT 1, 'path', 1 + range, repeat(md5(range::VARCHAR), 20) FROM range(60000)"
        )
    return path


class Watched:
    """Tells when a thread has begun to read, and with what it ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        self.over = threading.Event()
        self.ends: list[type[BaseException] | None] = []
        self._read = duckdb_reading._told_failures
        monkeypatch.setattr(duckdb_reading, "_told_failures", self)

    def __call__(self, *arguments: Any) -> Any:
        self.begun.set()
        try:
            told = self._read(*arguments)
        except BaseException as error:
            self.ends.append(type(error))
            raise
        else:
            self.ends.append(None)
            return told
        finally:
            self.over.set()


@pytest.mark.parametrize("moment", ["as it starts", "in its midst"])
def test_cancelling_a_scan_interrupts_its_statement(
    long_words: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)

    async def left() -> int:
        with opened(long_words) as warehouse:
            snapshot = warehouse.snapshot()
            scan = asyncio.create_task(snapshot.scan(scan_of(*SLOW)))
            await asyncio.to_thread(watched.begun.wait)
            if moment == "in its midst":
                await asyncio.sleep(0.3)
            scan.cancel()
            with pytest.raises(asyncio.CancelledError):
                await scan
            await asyncio.to_thread(watched.over.wait)
            return await entrances(snapshot)  # the others are not disturbed

    assert asyncio.run(left()) == 3
    assert watched.ends == [duckdb.InterruptException, None]


def test_a_scan_that_waits_for_a_thread_is_never_run_when_it_is_cancelled(
    long_words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_reading, "SCAN_THREADS", 1)
    watched = Watched(monkeypatch)

    async def left() -> None:
        with opened(long_words) as warehouse:
            snapshot = warehouse.snapshot()
            running, waiting = (asyncio.create_task(snapshot.scan(scan_of(*SLOW))) for _ in range(2))
            await asyncio.to_thread(watched.begun.wait)
            for scan in (waiting, running):
                scan.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
            await asyncio.to_thread(watched.over.wait)

    asyncio.run(left())

    assert watched.ends == [duckdb.InterruptException]
