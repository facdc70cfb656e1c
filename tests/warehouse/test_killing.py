"""An import that is killed, whenever that is, leaves the old state or the new one; and servers never see anything else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date
from pathlib import Path
from threading import Thread

import pytest

from fanin.catalog.dimensions import Table
from fanin.catalog.periods import Window
from fanin.ingest.importing import import_log
from fanin.ingest.site_rules import SiteRules
from fanin.tests.ingest.conftest import log_line
from fanin.warehouse.checking import check
from fanin.warehouse.duckdb_reading import DuckDBSnapshot, DuckDBWarehouse
from fanin.warehouse.manifest import folder_of, read_manifest
from fanin.warehouse.store import Scan

DAY = Window(date(2026, 3, 18), date(2026, 3, 18))
POINTS = 14


def log(folder: Path, name: str, hours: range) -> Path:
    path = folder / name
    path.write_text("\n".join(log_line(f"/{hour}", time=f"{hour:02}:00:00", address=f"8.8.8.{hour}") for hour in hours))
    return path


# What the importer asks of the system and of the engine is counted; at the number it is told a child kills itself.  The
# children are made by a process that has everything imported and nothing open.
IMPORTER = """
import os, signal, sys
from pathlib import Path
from fanin.ingest.importing import import_log
from fanin.ingest.site_rules import SiteRules

NAMES = {"execute", "fsync", "replace", "rename", "unlink", "open", "flock", "chmod", "close"}

def import_until(warehouse, log, last):
    calls = 0

    def counted(frame, event, called):
        nonlocal calls
        if event == "c_call" and getattr(called, "__name__", "") in NAMES:
            calls += 1
            if calls == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(counted)
    import_log([Path(log)], "acme", Path(warehouse), SiteRules())
    sys.setprofile(None)
    print(calls, flush=True)

for line in sys.stdin:
    warehouse, log, last = line.rstrip("\\n").split("\\t")
    if os.fork() == 0:
        import_until(warehouse, log, int(last))
        os._exit(0)
    _, status = os.wait()
    print("killed" if os.WIFSIGNALED(status) else f"ended {status}", flush=True)
"""


class Importer:
    """Runs imports, each in a process of its own."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        assert running.stdin is not None
        assert running.stdout is not None
        self._asked, self._told = running.stdin, running.stdout

    def run(self, warehouse: Path, file: Path, last: int = 0) -> list[str]:
        """What it tells: how many calls there were, and how it ended."""
        self._asked.write(f"{warehouse}\t{file}\t{last}\n")
        self._asked.flush()
        told = [self._told.readline().strip()]
        if told[0].isdigit():
            told.append(self._told.readline().strip())
        return told


def sessions(warehouse: Path) -> int:
    (account,) = check(warehouse, "0").accounts
    assert account.problems == ()
    return account.sessions


def test_a_killed_import_leaves_the_old_state_or_the_new_one_and_can_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    import_log([log(tmp_path, "a.log", range(3))], "acme", path, SiteRules())
    more = log(tmp_path, "b.log", range(3, 8))
    spare = tmp_path / "spare"
    import_log([tmp_path / "a.log"], "acme", spare, SiteRules())

    found = []
    with subprocess.Popen(
        [sys.executable, "-c", IMPORTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        importer = Importer(running)
        calls, ended = importer.run(spare, more)
        for point in range(1, POINTS + 1):
            assert importer.run(path, more, int(calls) * point // POINTS - 1)[-1] in ("killed", "ended 0")
            found.append(sessions(path))
        running.communicate("")
    import_log([more], "acme", path, SiteRules())

    assert ended == "ended 0"
    assert set(found) <= {3, 8}
    assert found[0] == 3
    assert found == sorted(found)
    assert sessions(path) == 8
    names = {file.name for file in folder_of(path).iterdir()}
    manifest = read_manifest(path)
    assert names == {file.name for file in (*manifest.files, *manifest.retired)}


async def _told(snapshot: DuckDBSnapshot) -> tuple[int, int]:
    """Sessions and page views, of one snapshot."""
    scans = (Scan(table, "acme", (DAY,), (), ((),), (metric,)) for table, metric in PAIRS)
    results = [await snapshot.scan(scan) for scan in scans]
    entrances, views = (
        int(result[()].sums[DAY][metric].sum()) for result, (_, metric) in zip(results, PAIRS, strict=True)
    )
    return entrances, views


PAIRS = ((Table.SESSIONS, "entrances"), (Table.PAGE_VIEWS, "page_views"))


@pytest.mark.parametrize("use_rollups", [True, False])
def test_while_imports_go_on_no_question_fails_and_none_sees_a_part(tmp_path: Path, use_rollups: bool) -> None:
    """Each import brings one visitor with two page views, so that page views are always twice the sessions."""
    path = tmp_path / "w.duckdb"
    files = []
    for number in range(6):
        files.append(tmp_path / f"{number}.log")
        lines = (log_line(f"/{page}", time=f"10:00:{page:02}", address=f"8.8.8.{number}") for page in (1, 2))
        files[-1].write_text("\n".join(lines))
    import_log(files[:1], "acme", path, SiteRules())
    warehouses = [DuckDBWarehouse(path, use_rollups=use_rollups) for _ in range(2)]

    async def asked() -> list[tuple[int, int]]:
        found = []
        while importing.is_alive():
            for warehouse in warehouses:
                found.append(await _told(warehouse.snapshot()))
        return [*found, *[await _told(warehouse.snapshot()) for warehouse in warehouses]]

    def import_the_others() -> None:
        for file in files[1:]:
            import_log([file], "acme", path, SiteRules())

    importing = Thread(target=import_the_others)
    importing.start()
    found = asyncio.run(asked())
    importing.join()
    for warehouse in warehouses:
        warehouse.close()

    assert {views - 2 * entrances for entrances, views in found} == {0}
    assert found[-2:] == [(6, 12), (6, 12)]


def test_a_snapshot_reads_on_in_files_it_had_not_opened_when_they_were_replaced(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    import_log([log(tmp_path, "a.log", range(3))], "acme", path, SiteRules())
    warehouse = DuckDBWarehouse(path)
    old = warehouse.snapshot()
    import_log([log(tmp_path, "b.log", range(3, 8))], "acme", path, SiteRules())

    told = [asyncio.run(_told(snapshot)) for snapshot in (old, warehouse.snapshot())]
    warehouse.close()

    assert told == [(3, 3), (8, 8)]
