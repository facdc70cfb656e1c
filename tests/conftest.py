"""Fixtures shared by all rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fanin.ingest.demo import load_demo
from fanin.ingest.importing import import_log
from fanin.ingest.site_rules import read_site_rules
from fanin.tests.clickhouse import running_clickhouse
from fanin.tests.facts import NOW

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture(scope="session")
def sample_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make run`` loads: two real logs and the made-up shop, the latter ending on the tests' day."""
    path = tmp_path_factory.mktemp("samples") / "fanin.duckdb"
    for account, log in (
        ("blog", "blog-apache-access-2015-05.log.gz"),
        ("shop", "shop-nginx-access-2019-01-26.log.gz"),
    ):
        import_log([SAMPLES / log], account, path, read_site_rules(SAMPLES / f"{account}.toml"))
    load_demo(path, "my-site", now=NOW, sessions=12_000)
    return path


@pytest.fixture(scope="session")
def clickhouse_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ClickHouse server, for as long as any test needs one."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as address:
        yield address
