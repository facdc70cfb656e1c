"""How many lines a second an import reads: the shop's log, many times over, into a new warehouse."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from fanin.ingest.importing import import_log
from fanin.ingest.site_rules import read_site_rules

SAMPLES = Path(__file__).parents[1] / "samples"


@dataclass(frozen=True, slots=True)
class ImportFigures:
    repeat: int
    lines: int
    sessions: int
    seconds: float

    @property
    def lines_per_second(self) -> float:
        return self.lines / self.seconds


def measure_import(folder: Path, repeat: int) -> ImportFigures:
    """One import, from the gzip on disk to the published warehouse."""
    log = folder / "shop.log.gz"
    sample = next(SAMPLES.glob("shop-nginx-access-*.log.gz")).read_bytes()
    log.write_bytes(sample * repeat)  # gzip files one after another are one gzip file
    rules = read_site_rules(SAMPLES / "shop.toml")
    began = time.perf_counter()
    summary = import_log([log], "shop", folder / "import.duckdb", rules)
    return ImportFigures(repeat, summary.lines, summary.sessions, time.perf_counter() - began)
