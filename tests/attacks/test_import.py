"""What an import is handed: files that grow out of all proportion, and names that lead elsewhere."""

from __future__ import annotations

import bz2
import gzip
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fanin.catalog.errors import BadRequest, InvalidQuery
from fanin.ingest import log_files
from fanin.ingest.importing import import_log
from fanin.ingest.log_files import LogFile
from fanin.ingest.refusals import ImportRefused
from fanin.ingest.site_rules import SiteRules
from fanin.server.keys import NewKey
from fanin.tests.facts import engine_over, visit, write
from fanin.warehouse.addresses import file_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LINE = b'1.2.3.4 - - [10/Mar/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 10 "-" "Mozilla/5.0 (X11) Firefox/124.0"\n'
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "zstd": zstd.compress,
}


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "ALWAYS_TAKEN_BYTES", 2 << 20)
    monkeypatch.setattr(log_files, "CHUNK", 1 << 16)


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_file_that_grows_out_of_proportion_is_refused_before_it_is_read(
    name: str, tmp_path: Path, small_limits: None
) -> None:
    bomb = tmp_path / "access.log"
    bomb.write_bytes(COMPRESSIONS[name](LINE + b"\0" * (32 << 20)))
    seen: list[int] = []

    with pytest.raises(ImportRefused) as refused:
        seen.extend(map(len, LogFile(bomb).lines()))

    assert refused.value.message == (
        f"'{bomb}' is over 300 times its size when {name} is taken off, as no log is; FANIN_MAX_EXPANSION says how many "
        "times are accepted."
    )
    assert sum(seen) < 16 << 20


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_an_import_of_such_a_file_writes_nothing(name: str, tmp_path: Path, small_limits: None) -> None:
    bomb = tmp_path / "access.log"
    write(tmp_path / "w.duckdb", "other", [visit()])
    bomb.write_bytes(COMPRESSIONS[name](LINE * 200 + b"\0" * (32 << 20)))

    with pytest.raises(ImportRefused, match="as no log is"):
        import_log([bomb], "acme", tmp_path / "w.duckdb", SiteRules())

    with engine_over(tmp_path / "w.duckdb") as (engine, _):
        assert "acme" not in engine.warehouse.snapshot().accounts


def test_how_many_times_is_a_setting_and_named_when_it_is_none(
    tmp_path: Path, small_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "access.log.gz"
    file.write_bytes(gzip.compress(LINE * 60_000))

    monkeypatch.setenv("FANIN_MAX_EXPANSION", "10000")
    assert sum(1 for _ in LogFile(file).lines()) == 60_000
    monkeypatch.setenv("FANIN_MAX_EXPANSION", "much")
    with pytest.raises(ImportRefused, match="FANIN_MAX_EXPANSION must be a whole number from 1, got 'much'"):
        list(LogFile(file).lines())


def test_plain_files_and_small_ones_are_read_whatever_they_hold(tmp_path: Path) -> None:
    (tmp_path / "plain.log").write_bytes(LINE * 3 + b"\0" * 1_000_000)
    (tmp_path / "small.log.gz").write_bytes(gzip.compress(LINE * 10_000))

    assert sum(1 for _ in LogFile(tmp_path / "plain.log").lines()) == 4
    assert sum(1 for _ in LogFile(tmp_path / "small.log.gz").lines()) == 10_000


# --- names that lead elsewhere ------------------------------------------------------------------------------------

TRICKS = (
    "../other",
    "..",
    ".",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:\\x",
    "a\x00b",
    "-rf",
    "",
    "x" * 65,
    "é",
    "a b",
    "~root",
)


@pytest.mark.parametrize("account", TRICKS)
def test_no_account_is_called_as_a_file_elsewhere_would_be(account: str, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(LINE)

    with pytest.raises((InvalidQuery, BadRequest), match="is no account id"):
        import_log([log], account, tmp_path / "w.duckdb", SiteRules())
    with pytest.raises((InvalidQuery, BadRequest), match="is no account id"):
        NewKey((account,))

    assert not list(tmp_path.glob("**/*.duckdb*"))


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "duckdb://host/x", "duckdb:///", "sqlite:///x", "duckdb:///a\udcff"]
)
def test_a_warehouse_is_a_file_of_ours_or_no_address(address: str) -> None:
    with pytest.raises(BadRequest, match="is no warehouse address"):
        file_of(address)
