"""The disk under a served warehouse fills up or can no longer be written: imports say so, and what is there stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanin.catalog.errors import WarehouseUnavailable
from fanin.tests.callers import get
from fanin.tests.facts import visit, write
from fanin.tests.faults.table import DISK_FAULTS, DiskFault
from fanin.tests.faults.test_faults import served


def mount(*arguments: str | Path) -> bool:
    return subprocess.run(["mount", *map(str, arguments)], check=False, capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, in memory, for whoever may have one."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.name != "posix"
        or shutil.which("mount") is None
        or not mount("-t", "tmpfs", "-o", "size=64m", "fanin", place)
    ):
        pytest.skip("no disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("fault", DISK_FAULTS, ids=lambda fault: fault.what)
def test_an_import_onto_a_bad_disk_leaves_the_old_state_and_the_next_one_is_served(
    disk: Path, fault: DiskFault
) -> None:
    path = disk / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00")])
    told: list[str] = []

    def fail() -> None:
        used_kb = sum(shutil.disk_usage(disk)[1:2]) // 1024
        assert mount("-o", fault.options.format(used=used_kb + 64), disk)
        with pytest.raises(WarehouseUnavailable) as refused:
            write(path, "acme", [visit("2026-03-17T11:00", f"/{number}") for number in range(1_000)])
        told.append(refused.value.message)

    def mend() -> None:
        assert mount("-o", fault.mended_by, disk)
        write(path, "acme", [visit("2026-03-17T11:00")])

    before, during, afterwards = served(path, get("acme"), fail, get("acme"), mend, get("acme"))

    entrances = [answer.json()["data"]["traffic"]["entrances"] for answer in (before, during, afterwards)]
    assert entrances == [1, 1, 2]
    assert "cannot be written" in told[0]
    assert "\n" not in told[0]
