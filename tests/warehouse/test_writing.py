"""Imports land whole or not at all, and a file that is not ours is left as it is."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.dimensions import Table
from fanin.catalog.errors import BadRequest, WarehouseUnavailable
from fanin.catalog.periods import Window
from fanin.catalog.query import Scope, ask
from fanin.schema.context import RequestContext
from fanin.tests.facts import account_file, bought, engine_over, moment, stored, visit, write
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.facts import PageView, Session
from fanin.warehouse.manifest import folder_of
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
    before = contents(tmp_path)

    with pytest.raises(RuntimeError, match="stop"):
        _stopped_halfway(path)

    assert contents(tmp_path) == before
    assert len(before) == 2


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder and below it."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


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


def test_a_second_writer_of_an_account_is_told_that_another_import_runs(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    script = (
        "import sys\nfrom pathlib import Path\nfrom fanin.warehouse.writing import writing\n"
        f"with writing(Path({str(path)!r})) as writer:\n"
        "    writer.put_account('acme')\n    print('writing', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        with pytest.raises(WarehouseBusy, match="Another import is writing"):
            write(path, "acme", [visit()])
        write(path, "elsewhere", [visit("2026-03-10T10:00")])
        other.communicate("")

    assert other.returncode == 0
    with opened(path) as warehouse:
        assert list(warehouse.snapshot().accounts) == ["acme", "elsewhere"]


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
    path.write_bytes(path.read_bytes().replace(b'"layout": 3', b'"layout": 99'))


def _older_layout_that_never_was(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE fanin_meta AS SELECT 99 AS schema_version")


def _half_a_list(path: Path) -> None:
    write(path, "acme", [visit()])
    path.write_bytes(path.read_bytes()[:-40])


def _foreign_json(path: Path) -> None:
    path.write_text('{"layout": 3, "accounts": []}')


@pytest.mark.parametrize(
    "make",
    [
        _random_bytes,
        _sqlite,
        _foreign_duckdb,
        _newer_layout,
        _older_layout_that_never_was,
        _half_a_list,
        _foreign_json,
    ],
)
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


def test_a_session_is_kept_with_its_day_and_hour_on_the_clock_of_its_zone_to_the_second(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    # St. John's set its clocks back at a minute past midnight, on 7 November 2010: 02:31 UTC, and 23:01 once more.
    times = ["2010-11-07T02:29:59", "2010-11-07T02:30:00", "2010-11-07T02:30:59", "2010-11-07T02:31:00"]
    write(path, "acme", [visit(at) for at in times], time_zone="America/St_Johns")

    days = stored(path, "SELECT DATE '1970-01-01' + day, hour FROM sessions ORDER BY start")

    assert days == [(date(2010, 11, 6), 23), (date(2010, 11, 7), 0), (date(2010, 11, 7), 0), (date(2010, 11, 6), 23)]


@given(
    zone=st.sampled_from(sorted(available_timezones() - {"localtime"})),
    starts=st.lists(st.integers(moment("1990-01-01"), moment("2037-12-31")), min_size=1, max_size=50),
)
@settings(max_examples=10, deadline=None)
def test_day_and_hour_are_what_the_zones_own_rules_say(zone: str, starts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        write(path, "acme", [Session(start) for start in starts], time_zone=zone)
        told = stored(path, "SELECT start, DATE '1970-01-01' + day, hour FROM sessions ORDER BY start")

    local = [datetime.fromtimestamp(start, ZoneInfo(zone)) for start in sorted(starts)]
    assert told == [(start, at.date(), at.hour) for start, at in zip(sorted(starts), local, strict=True)]


def test_a_session_carries_all_its_page_views_and_goals_to_its_own_day(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    order = bought(500, at="2026-03-11T00:10")
    write(path, "acme", [visit("2026-03-10T23:59:55", "/", "/order", goals=[order])])

    rows = [stored(path, f"SELECT DISTINCT start, day, hour FROM {table}") for table in Table]

    start = moment("2026-03-10T23:59:55")
    assert rows == [[(start, (date(2026, 3, 10) - date(1970, 1, 1)).days, 23)]] * 3
    assert stored(path, "SELECT moment FROM goals") == [(order.at,)]


def test_what_was_imported_is_known_by_its_account_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with writing(path) as writer:
        writer.put_account("acme")
        writer.put_account("other")
        writer.add_sessions("acme", [visit()], digest="abc", source_name="a.log")

    with writing(path) as writer:
        known = [writer.has_import(account, digest) for account in ("acme", "other", "none") for digest in ("abc", "x")]

    assert known == [True, False, False, False, False, False]


def test_clearing_takes_out_one_source_wholly_and_starts_its_words_again(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00", "/old", country="ES", goals=[bought(5)])])
    write(path, "other", [visit("2026-03-10T10:00", "/kept")])

    with writing(path) as writer:
        writer.clear_account("acme", source_name="test")
        writer.add_sessions("acme", [visit("2026-04-01T10:00", "/new", country="FR")], digest="2", source_name="test")

    with opened(path) as warehouse:
        account = warehouse.snapshot().accounts["acme"]
    assert (account.first_day, account.last_day, account.data_version) == (date(2026, 4, 1), date(2026, 4, 1), 3)
    words = "SELECT value, code FROM lexicon WHERE dimension = 'path' ORDER BY ALL"
    assert (stored(path, words), stored(path, words, "other")) == ([("/new", 0)], [("/kept", 0)])
    assert stored(path, "SELECT count(*) FROM goals") == [(0,)]
    assert entrances(path, "2026-03-10", "other") == 1


def test_clearing_leaves_an_account_without_days_and_refuses_what_it_cannot_tell_apart(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit()])

    with writing(path) as writer, pytest.raises(BadRequest, match="holds imported logs"):
        writer.clear_account("acme", source_name="(demo data)")
    with writing(path) as writer:
        writer.clear_account("acme", source_name="test")

    with opened(path) as warehouse:
        account = warehouse.snapshot().accounts["acme"]
    assert (account.first_day, account.last_day, account.data_version) == (None, None, 2)


def test_every_import_raises_the_data_version_and_widens_the_days(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    seen = []
    for day in ("2026-03-10", "2026-03-08", "2026-03-09", "2026-03-12"):
        write(path, "acme", [visit(f"{day}T10:00")])
        with opened(path) as warehouse:
            account = warehouse.snapshot().accounts["acme"]
        seen.append((account.data_version, str(account.first_day), str(account.last_day)))

    assert seen == [
        (1, "2026-03-10", "2026-03-10"),
        (2, "2026-03-08", "2026-03-10"),
        (3, "2026-03-08", "2026-03-10"),
        (4, "2026-03-08", "2026-03-12"),
    ]


@pytest.mark.parametrize(
    ("zone", "currency", "said"),
    [("Mars/Base", "EUR", "no time zone"), ("../etc/passwd", "EUR", "no time zone"), ("UTC", "eur", "no currency")],
)
def test_an_unknown_zone_or_currency_makes_no_account_and_no_file(
    tmp_path: Path, zone: str, currency: str, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        write(tmp_path / "w.duckdb", "acme", [visit()], time_zone=zone, currency=currency)

    assert list(tmp_path.iterdir()) == []


def test_an_import_into_no_account_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no account acme"), writing(tmp_path / "w.duckdb") as writer:
        writer.add_sessions("acme", [visit()], digest="x", source_name="log")

    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_of_the_same_process_is_told_too_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with writing(path) as writer:
        writer.put_account("acme")
        with pytest.raises(WarehouseBusy):
            write(path, "acme", [visit()])
        writer.add_sessions("acme", [visit("2026-03-10T10:00")], digest="x", source_name="log")

    assert entrances(path, "2026-03-10") == 1
    assert list(contents(tmp_path)) == ["w.duckdb", f"w.duckdb.d/{account_file(path).name}"]


def test_of_many_writers_at_once_each_lands_whole_or_is_told_to_wait(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [])
    script = (
        "import sys\nfrom pathlib import Path\nfrom fanin.tests.facts import visit, write\n"
        "from fanin.warehouse.writing import WarehouseBusy\n"
        "sys.stdin.readline()\n"
        "for number in range(5):\n"
        "    try:\n"
        f"        write(Path({str(path)!r}), 'acme', [visit('2026-03-10T10:00')] * 10)\n"
        "        print('landed')\n"
        "    except WarehouseBusy:\n"
        "        print('busy')\n"
    )
    command = [sys.executable, "-c", script]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    told = [line for writer in writers for line in writer.communicate()[0].split()]

    assert len(told) == 20
    assert entrances(path, "2026-03-10") == 10 * told.count("landed")
    assert len(contents(tmp_path)) == 1 + 1 + told.count("landed")  # the list, the account, and what came before it


def test_leftovers_of_a_dead_import_are_cleared_away_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00")])
    write(path, "acme.com", [visit("2026-03-10T10:00")])
    before = {account_file(path), account_file(path, "acme.com")}
    for name in ("w.duckdb.next", "w.duckdb.lock", "w.duckdb.d/acme@1.duckdb", "w.duckdb.d/acme@1.duckdb.wal"):
        (tmp_path / name).write_bytes(b"torn" * 100)
    (tmp_path / "w.duckdb.d" / "acme@lock").write_bytes(b"")

    write(path, "acme", [visit("2026-03-10T11:00")])

    assert entrances(path, "2026-03-10") == 2
    assert set(folder_of(path).iterdir()) == before | {account_file(path)}
    assert {file.name for file in tmp_path.iterdir()} == {"w.duckdb", "w.duckdb.d"}


def test_what_an_import_replaced_stays_for_requests_under_way_and_goes_with_a_later_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.duckdb"
    files = []
    for hour in range(3):
        write(path, "acme", [visit(f"2026-03-10T1{hour}:00")])
        files.append(account_file(path))
    kept = set(folder_of(path).iterdir())

    monkeypatch.setattr("fanin.warehouse.writing.KEPT_S", -1)
    write(path, "other", [visit()])

    assert kept == set(files)
    assert set(folder_of(path).iterdir()) == {files[-1], account_file(path, "other")}


def test_a_link_stays_a_link_and_a_private_file_stays_private(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "real.duckdb", tmp_path / "w.duckdb"
    link.symlink_to(real)
    write(link, "acme", [visit("2026-03-10T10:00")])
    real.chmod(0o600)

    write(link, "acme", [visit("2026-03-10T11:00")])

    assert link.is_symlink()
    modes = [file.stat().st_mode & 0o777 for file in (real, account_file(real))]
    assert (entrances(real, "2026-03-10"), entrances(link, "2026-03-10"), modes) == (2, 2, [0o600, 0o600])


@pytest.mark.parametrize("place", ["folder", "file/w.duckdb"])
def test_a_place_where_no_file_can_be_is_told_in_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")

    with pytest.raises(WarehouseUnavailable, match=r"cannot be written: .*") as refused, writing(tmp_path / place):
        pass

    assert "\n" not in refused.value.message
    assert {str(found.relative_to(tmp_path)) for found in tmp_path.rglob("*")} == {"folder", "file"}


def test_a_full_disk_leaves_the_old_state_and_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00")])
    before = contents(tmp_path)
    script = (
        "import resource, signal\nfrom pathlib import Path\nfrom fanin.tests.facts import visit, write\n"
        "from fanin.catalog.errors import WarehouseUnavailable\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({account_file(path).stat().st_size + 4096}, resource.RLIM_INFINITY))\n"
        "try:\n"
        f"    write(Path({str(path)!r}), 'acme', (visit('2026-03-10T11:00', str(n) * 9) for n in range(20000)))\n"
        "except WarehouseUnavailable as error:\n"
        "    print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert done.stdout.startswith(f"{path} cannot be written")
    assert contents(tmp_path) == before


def test_a_file_of_another_program_is_refused_without_asking_the_network(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    _sqlite(path)
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from fanin.warehouse.duckdb_reading import DuckDBWarehouse\n"
        "from fanin.warehouse.writing import writing\n"
        "from fanin.catalog.errors import WarehouseUnavailable\n"
        "for open_it in (DuckDBWarehouse, lambda path: writing(path).__enter__()):\n"
        "    try:\n"
        f"        open_it(Path({str(path)!r}))\n"
        "    except WarehouseUnavailable as error:\n"
        "        print(error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"HOME": str(tmp_path)},  # where a fetched extension would be put
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"{path} is not a fanin warehouse, or cannot be read\n" * 2
    assert [file.name for file in tmp_path.iterdir()] == ["w.duckdb"]


@given(
    st.lists(
        st.text(st.characters(codec="utf-8"), max_size=30),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=15, deadline=None)
def test_any_text_comes_back_as_it_was_written(paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        write(path, "acme", [Session(0, (PageView(0, text),)) for text in paths])
        told = stored(path, "SELECT value FROM lexicon WHERE dimension = 'path' ORDER BY code")

    assert [value for (value,) in told] == list(dict.fromkeys(paths))


@contextmanager
def opened(path: Path) -> Iterator[DuckDBWarehouse]:
    warehouse = DuckDBWarehouse(path)
    try:
        yield warehouse
    finally:
        warehouse.close()
