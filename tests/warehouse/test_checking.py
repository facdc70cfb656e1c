"""Every kind of damage is told, and a sound warehouse has none."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from fanin.tests.facts import account_file, bought, visit, write
from fanin.tests.older_layouts import as_layout
from fanin.warehouse.checking import check
from fanin.warehouse.manifest import folder_of

DAMAGE = {
    "DELETE FROM sessions_by_day WHERE rollup = 1": "sums of sessions per day differ from the facts",
    "UPDATE page_views_by_day SET page_views = page_views + 1": "sums of page_views per day differ from the facts",
    "DELETE FROM goals_by_month": "sums of goals per month differ from those per day",
    "UPDATE page_views SET session = 99": "page_views of a session that is not there",
    "UPDATE sessions SET session = 1": "two sessions with one number",
    "UPDATE sessions SET page_views = 7": "page views of a session are not as many as it says",
    "DELETE FROM lexicon WHERE dimension = 'country' AND code = 0": "words of a lexicon are missing",
    "INSERT INTO visits VALUES (99, 1, 1, 1)": "visits of a session that is not there",
    "UPDATE goals SET account = 2": "goals of another account",
    "UPDATE sessions SET day = day + 1": "its first and last day are not those of its sessions",
    "DROP TABLE goals": "cannot be read: Catalog Error: Table with name goals does not exist!",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "w.duckdb"
    write(path, "acme", [visit("2026-03-10T10:00", "/", "/a", country="ES", goals=[bought(5)]), visit(country="FR")])
    write(path, "other", [visit()])
    return path


def test_a_sound_warehouse_has_no_problems_and_tells_its_sizes(path: Path) -> None:
    health = check(path, "1.2.3")

    assert health.is_sound
    assert [(account.id, account.sessions, account.page_views, account.problems) for account in health.accounts] == [
        ("acme", 2, 3, ()),
        ("other", 1, 1, ()),
    ]
    files = [path, account_file(path), account_file(path, "other")]
    assert health.bytes == sum(file.stat().st_size for file in files)
    assert (health.layout, health.versions["fanin"], health.leftovers) == (3, "1.2.3", ())


@pytest.mark.parametrize("statement", DAMAGE)
def test_damage_is_told_of_the_account_that_has_it(path: Path, statement: str) -> None:
    with duckdb.connect(str(account_file(path))) as connection:
        connection.execute(statement)

    health = check(path, "0")

    told = {account.id: account.problems for account in health.accounts}
    assert not health.is_sound
    assert DAMAGE[statement] in told["acme"]
    assert told["other"] == ()


@pytest.mark.parametrize("harm", ["gone", "cut", "overwritten"])
def test_a_file_that_is_gone_or_torn_is_told(path: Path, harm: str) -> None:
    file = account_file(path)
    content = file.read_bytes()
    file.unlink()
    if harm != "gone":
        file.write_bytes(content[: len(content) // 3] if harm == "cut" else b"\x00" * len(content))

    (acme, other) = check(path, "0").accounts

    assert acme.problems[0].startswith("cannot be read")
    assert other.problems == ()


def test_leftovers_of_imports_that_died_are_told_and_do_no_harm(path: Path) -> None:
    (folder_of(path) / "acme@123.duckdb").write_bytes(b"torn")

    health = check(path, "0")

    assert (health.is_sound, health.leftovers) == (True, ("acme@123.duckdb",))


@pytest.mark.parametrize("layout", [1, 2])
def test_a_warehouse_of_an_earlier_layout_is_looked_at_as_far_as_it_goes(path: Path, layout: int) -> None:
    as_layout(path, layout)

    health = check(path, "0")

    assert (health.is_sound, health.layout) == (True, layout)
    assert [(account.id, account.sessions, account.hits) for account in health.accounts] == [
        ("acme", 2, 0),
        ("other", 1, 0),
    ]
