"""``fanin forget``, ``fanin doctor``, ``fanin export --sessions``, and the settings that an account keeps."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from fanin.tests.facts import account_file, bought, stored, visit, write
from fanin.tests.ingest.conftest import log_line
from fanin.tests.test_cli import fanin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sold = visit("2026-03-10T10:00", "/a", "/b", country="ES", utm_source='x,"y"', goals=[bought(1250)])
    write(tmp_path / "fanin.duckdb", "acme", [sold, visit("2026-03-12T23:30", "/c")], time_zone="Europe/Madrid")
    write(tmp_path / "fanin.duckdb", "other", [visit("2026-03-01T10:00")])
    return tmp_path


def test_to_forget_is_asked_for_and_says_what_it_did(folder: Path) -> None:
    asked = fanin(folder, "forget", "--before", "2026-03-12")
    told = fanin(folder, "forget", "--before", "2026-03-12", "--yes")
    gone = fanin(folder, "forget", "--account", "other", "--yes")

    assert (asked.returncode, asked.stderr) == (
        2,
        "fanin: This would forget everything before 2026-03-12 in acme, other; say --yes\n",
    )
    assert told.stderr == (
        "1 sessions before 2026-03-12 are forgotten in acme\n1 sessions before 2026-03-12 are forgotten in other\n"
    )
    assert gone.stderr == "account other is forgotten\n"
    accounts = json.loads(fanin(folder, "accounts", "--json").stdout)
    assert [(account["id"], account["first_day"]) for account in accounts] == [("acme", "2026-03-13")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--yes"], "Nothing is said to be forgotten; give --account, --before, or both"),
        (["--account", "none", "--yes"], "There is no account none in the warehouse; there are acme, other"),
        (["--before", "soon", "--yes"], "--before: 'soon' is no day; accepted: a date such as 2025-01-01"),
    ],
)
def test_what_cannot_be_forgotten_is_refused(folder: Path, arguments: list[str], said: str) -> None:
    done = fanin(folder, "forget", *arguments)

    assert (done.returncode, done.stderr) == (2, f"fanin: {said}\n")


def test_the_doctor_is_content_or_says_what_is_wrong(folder: Path) -> None:
    sound = fanin(folder, "doctor")
    with duckdb.connect(str(account_file(folder / "fanin.duckdb"))) as connection:
        connection.execute("DELETE FROM sessions_by_day")
    harmed = fanin(folder, "doctor", "--json")

    assert (sound.returncode, harmed.returncode) == (0, 1)
    accounts = {account["id"]: account["problems"] for account in json.loads(harmed.stdout)["accounts"]}
    assert accounts["acme"][0] == "sums of sessions per day differ from the facts"
    assert accounts["other"] == []


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_sessions_are_written_with_their_words_and_their_own_days(folder: Path, kind: str) -> None:
    done = fanin(folder, "export", "--sessions", "--account", "acme", "--output", f"all.{kind}")
    some = fanin(
        folder, "export", "--sessions", "--account", "acme", "--from", "2026-03-13", "--output", f"some.{kind}"
    )

    reader = {"csv": "read_csv", "ndjson": "read_json", "parquet": "read_parquet"}[kind]
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT start::VARCHAR, day::VARCHAR, hour, utm_source, country, landing_page, page_views, conversions, "
            f"revenue::DECIMAL(9, 2)::VARCHAR FROM {reader}('{folder / f'all.{kind}'}')"
        ).fetchall()
    assert (done.stderr, some.stderr) == (f"2 sessions into all.{kind}\n", f"1 sessions into some.{kind}\n")
    assert rows == [
        ("2026-03-10 10:00:00", "2026-03-10", 11, 'x,"y"', "ES", "/a", 2, 1, "12.50"),
        ("2026-03-12 23:30:00", "2026-03-13", 0, "(direct)", "Unknown", "/c", 1, 0, "0.00"),
    ]


def test_sessions_are_refused_where_they_cannot_be_narrowed_or_named(folder: Path) -> None:
    narrowed = fanin(
        folder, "export", "--sessions", "--account", "acme", "--filters", "country:is:ES", "--output", "a.csv"
    )
    unnamed = fanin(folder, "export", "--sessions", "--account", "acme")

    assert narrowed.stderr == (
        "fanin: --sessions writes all sessions of the days between --from and --to, without filters\n"
    )
    assert unnamed.stderr == "fanin: - cannot be written: its name must end in .csv, .ndjson, .parquet\n"


def test_an_account_keeps_the_settings_it_was_given_and_others_hold_for_what_comes(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('time_zone = "Europe/Madrid"\nexclude = ["/staff*"]\n')
    (tmp_path / "b.toml").write_text('time_zone = "Europe/Madrid"\n')
    for name, page in (("a", "/staff/1"), ("b", "/staff/2"), ("c", "/staff/3"), ("d", "/staff/4")):
        (tmp_path / f"{name}.log").write_text(log_line(page))

    told = [
        json.loads(fanin(tmp_path, "import", f"{name}.log", "--account", "acme", *given, "--json").stdout)["classes"]
        for name, given in (("a", ["--settings", "a.toml"]), ("b", []), ("c", ["--settings", "b.toml"]), ("d", []))
    ]

    assert [(classes["excluded"], classes["page_views"]) for classes in told] == [(1, 0), (1, 0), (0, 1), (0, 1)]
    pages = "SELECT value FROM page_views JOIN lexicon ON code = path WHERE dimension = 'path' ORDER BY value"
    assert stored(tmp_path / "fanin.duckdb", pages) == [("/staff/3",), ("/staff/4",)]
