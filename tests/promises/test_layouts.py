"""The upgrade path: warehouse files as older versions wrote them answer as ever, and an import brings them forward.

``layouts/`` holds one file per layout, written by the version that had it, with the visits below.  A release that changes the
layout adds the last file of the old one before it does, by ``python -m fanin.tests.promises.test_layouts``.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.tests.callers import Ask, sent
from fanin.tests.facts import bought, reached, visit, without, write

LAYOUTS = Path(__file__).parent / "layouts"
FILES = sorted(LAYOUTS.glob("layout-*.duckdb.gz"))

VISITS = [
    visit("2026-02-10T10:00", "/", "/shoes=Shop", goals=[bought(1_250, at="2026-02-10T10:01")], utm_source="google"),
    visit("2026-03-10T10:00", "/", "/thanks", goals=[reached("form")], country="ES", utm_source="google"),
    visit("2026-03-11T23:30", "/shoes=Shop", device_type="mobile", utm_source="(direct)"),
]
LATER = [visit("2026-03-17T08:00", "/", "/shoes=Shop", goals=[bought(300, at="2026-03-17T08:01")], utm_source="bing")]

REPORTS = ("overview", "sources", "pages", "conversions", "microconversions", "countries", "devices/types")
PARAMS = {"account_id": "acme", "period": "90d", "compare": "previous"}
FILTERED = {**PARAMS, "utm_source": "google"}
QUESTIONS = Ask(
    "POST",
    "/api/v1/batch",
    {
        "queries": [
            {"id": f"{report.replace('/', '-')}-{place}", "endpoint": f"/stats/{report}", "params": params}
            for report in REPORTS
            for place, params in enumerate((PARAMS, FILTERED))
        ],
        "options": {"include_timing": False},
    },
)


def answered(path: Path) -> Any:
    (response,) = sent(path, QUESTIONS)
    return told(response)


def told(response: httpx.Response) -> Any:
    answer = response.json()
    assert answer["status"] == "completed", answer
    return without(answer, "batch_id", "meta")


@pytest.fixture(params=FILES, ids=lambda file: file.name.partition(".")[0])
def old_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "w.duckdb"
    path.write_bytes(gzip.decompress(request.param.read_bytes()))
    return path


def test_there_is_a_file_of_every_layout_so_far() -> None:
    assert [file.name.partition(".")[0] for file in FILES] == ["layout-1", "layout-2"]


def test_a_file_of_an_older_layout_answers_as_a_new_one_does(old_file: Path, tmp_path: Path) -> None:
    write(tmp_path / "new.duckdb", "acme", VISITS)

    assert answered(old_file) == answered(tmp_path / "new.duckdb")


def test_an_import_brings_a_file_of_an_older_layout_forward_and_loses_nothing(old_file: Path, tmp_path: Path) -> None:
    for visits in (VISITS, LATER):
        write(tmp_path / "new.duckdb", "acme", visits)

    write(old_file, "acme", LATER)

    assert answered(old_file) == answered(tmp_path / "new.duckdb")


if __name__ == "__main__":
    made = Path(sys.argv[1])  # a folder
    write(made / "layout.duckdb", "acme", VISITS)
    (made / "layout.duckdb.gz").write_bytes(gzip.compress((made / "layout.duckdb").read_bytes(), mtime=0))
