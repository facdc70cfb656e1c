"""``fanin export``: the rows of a report are those of its pages, in every kind of file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fanin.export_command import EXPORTED
from fanin.tests.facts import bought, reached, visit, write
from fanin.tests.test_cli import fanin

DAYS = ("--from", "2026-03-01", "--to", "2026-03-31")
VISITS = [
    visit("2026-03-10T10:00", *(f"/{number}" for number in range(1200)), country="ES", goals=[bought(1250)]),
    visit("2026-03-11T10:00", "/1", "/2", country="US", utm_source='a,"b"', goals=[reached("view")]),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "fanin.duckdb", "acme", VISITS)
    return tmp_path


def page(folder: Path, endpoint: str) -> list[dict[str, Any]]:
    """The first hundred rows as a batch answers them."""
    params = {"account_id": "acme", "start_date": DAYS[1], "end_date": DAYS[3], "page_size": 100}
    body = {"queries": [{"id": "q", "endpoint": endpoint, "params": params}]}
    answer = json.loads(fanin(folder, "batch", "-", stdin=json.dumps(body)).stdout)
    return answer["results"]["q"]["data"]["data"]


@pytest.mark.parametrize("name", EXPORTED)
def test_every_report_in_rows_can_be_exported_as_a_batch_answers_it(folder: Path, name: str) -> None:
    done = fanin(folder, "export", name, "--account", "acme", *DAYS, "--output", "rows.ndjson")

    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "rows.ndjson").read_text().splitlines()]
    assert rows[:100] == page(folder, EXPORTED[name].path)
    assert done.stderr == f"{len(rows):,} rows of {name} into rows.ndjson\n"


def test_all_pages_are_in_the_file_whatever_kind_it_is_of(folder: Path) -> None:
    printed = fanin(folder, "export", "/stats/pages", "--account", "acme", *DAYS)
    for ending in ("csv", "parquet"):
        fanin(folder, "export", "pages", "--account", "acme", *DAYS, "--output", f"rows.{ending}")

    table = list(csv.DictReader(io.StringIO(printed.stdout)))
    assert len(table) == 1200
    assert {row["path"]: row["page_views"] for row in table} == {
        f"/{number}": "2" if number in (1, 2) else "1" for number in range(1200)
    }
    assert (folder / "rows.csv").read_text() == printed.stdout
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT count(*), sum(page_views) FROM '{folder / 'rows.parquet'}'").fetchall()
    assert found == [(1200, 1202)]
    assert sorted(item.name for item in folder.iterdir()) == [
        "fanin.duckdb",
        "fanin.duckdb.d",
        "rows.csv",
        "rows.parquet",
    ]


def test_an_export_can_be_narrowed(folder: Path) -> None:
    narrowed = ("--filters", "country:eq:US")

    done = fanin(folder, "export", "sources", "--account", "acme", *DAYS, *narrowed)

    [row] = csv.DictReader(io.StringIO(done.stdout))
    assert (row["utm_source"], row["page_views"]) == ('a,"b"', "2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("page",), "There is no report 'page' in rows (did you mean 'pages'?); known are pages, sources"),
        (
            ("pages", "--output", "rows.xlsx"),
            "rows.xlsx cannot be written: its name must end in .csv, .ndjson, .parquet",
        ),
        (("pages", "--output", "no/rows.csv"), "no/rows.csv cannot be written: No such file or directory"),
        (("pages", "--period", "sometime"), "sometime"),
        (("pages", "--segment", "nobody"), "Unknown segment: nobody"),
        (("pages", "--filters", "color:eq:red"), "color"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = fanin(folder, "export", *arguments, "--account", "acme")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr
    assert sorted(item.name for item in folder.iterdir()) == ["fanin.duckdb", "fanin.duckdb.d"]
