"""What is forgotten is gone from disk, and nothing else is."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from fanin.catalog.errors import BadRequest
from fanin.ingest.importing import import_log
from fanin.ingest.site_rules import SiteRules
from fanin.tests.facts import account_file, bought, stored, visit, write
from fanin.tests.ingest.conftest import log_line
from fanin.warehouse.checking import check
from fanin.warehouse.duckdb_reading import DuckDBWarehouse
from fanin.warehouse.manifest import folder_of
from fanin.warehouse.writing import writing


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in [path, *folder_of(path).iterdir()])


def forget(path: Path, account: str, day: date) -> int:
    with writing(path) as writer:
        return writer.forget_before(account, day)


def test_an_account_goes_with_all_its_files_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    for hour in (10, 11):
        write(path, "acme", [visit(f"2026-03-10T{hour}:00", "/a-page-of-acme")])
    write(path, "acme.com", [visit("2026-03-10T10:00", "/kept")])

    with writing(path) as writer:
        writer.forget_account("acme")

    assert b"/a-page-of-acme" not in on_disk(path)
    assert list(folder_of(path).iterdir()) == [account_file(path, "acme.com")]
    assert b"acme@" not in path.read_bytes()


def test_an_account_that_is_not_there_cannot_be_forgotten(tmp_path: Path) -> None:
    write(tmp_path / "w.duckdb", "acme", [visit()])

    with pytest.raises(BadRequest, match="no account other to forget"), writing(tmp_path / "w.duckdb") as writer:
        writer.forget_account("other")


def test_days_before_one_go_with_their_words_their_sums_and_every_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    old = visit("2026-02-10T10:00", "/only-in-february", country="FR", goals=[bought(7, at="2026-02-10T10:01")])
    write(path, "acme", [old, visit("2026-03-01T10:00", "/both")])
    write(path, "acme", [visit("2026-03-02T10:00", "/both")])

    forgotten = forget(path, "acme", date(2026, 3, 1))

    assert forgotten == 1
    assert b"/only-in-february" not in on_disk(path)
    assert list(folder_of(path).iterdir()) == [account_file(path)]
    assert stored(
        path, "SELECT DATE '1970-01-01' + day, entrances FROM sessions_by_day WHERE rollup = 1 ORDER BY 1"
    ) == [
        (date(2026, 3, 1), 1),
        (date(2026, 3, 2), 1),
    ]
    assert stored(path, "SELECT DATE '1970-01-01' + day, entrances FROM sessions_by_month WHERE rollup = 1") == [
        (date(2026, 3, 1), 2)
    ]
    assert stored(path, "FROM goals_by_day UNION ALL FROM goals_by_month") == []
    assert check(path, "0").is_sound
    warehouse = DuckDBWarehouse(path)
    account = warehouse.snapshot().accounts["acme"]
    warehouse.close()
    assert (account.first_day, account.last_day, account.data_version) == (date(2026, 3, 1), date(2026, 3, 2), 3)


def test_hits_go_with_their_session_over_midnight_and_an_old_log_does_not_bring_them_back(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    log = tmp_path / "a.log"
    lines = [log_line("/late", time="23:50:00"), log_line("/early", time="23:58:00")]
    next_day = log_line("/after-midnight", time="00:10:00").replace("18/Mar", "19/Mar")
    stays = log_line("/stays", time="12:00:00").replace("18/Mar", "19/Mar")
    log.write_text("\n".join([*lines, next_day, stays]))
    import_log([log], "acme", path, SiteRules())

    forgotten = forget(path, "acme", date(2026, 3, 19))
    log.write_text("\n".join([*lines, next_day, stays, log_line("/new", time="14:00:00").replace("18/Mar", "19/Mar")]))
    summary = import_log([log], "acme", path, SiteRules())

    assert forgotten == 1
    assert (summary.page_views, summary.lines) == (1, 5)
    assert stored(
        path, "SELECT value FROM page_views JOIN lexicon ON code = path WHERE dimension = 'path' ORDER BY 1"
    ) == [
        ("/new",),
        ("/stays",),
    ]
    assert check(path, "0").is_sound


def test_nothing_before_the_day_leaves_every_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00")])
    before = on_disk(path)

    assert forget(path, "acme", date(2026, 3, 10)) == 0
    assert on_disk(path) == before


def test_a_server_tells_the_new_numbers_after_something_was_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00"), visit("2026-03-11T10:00")])
    write(path, "other", [visit()])

    async def told() -> tuple[list[str], date | None]:
        warehouse = DuckDBWarehouse(path)
        with writing(path) as writer:
            writer.forget_account("other")
            writer.forget_before("acme", date(2026, 3, 11))
        accounts = warehouse.snapshot().accounts
        warehouse.close()
        return list(accounts), accounts["acme"].first_day

    assert asyncio.run(told()) == (["acme"], date(2026, 3, 11))
